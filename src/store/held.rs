//! Held messages: identity is (connector, SHA-256 of the bytes), so that the same bytes again are
//! a duplicate; one that waits names what it waits for.

use std::collections::BTreeMap;

use sqlx::{QueryBuilder, Row};

use super::{StoreError, Tx, int, uint};
use crate::domain::hold::HoldReason;
use crate::domain::ids::{ConnectorId, FeedId};
use crate::domain::time::Moment;

const ROWS_A_STATEMENT: usize = 100;

/// A message that is to be held.
#[derive(Clone, Debug)]
pub struct ToHold {
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    /// Why.
    pub reason: HoldReason,
    /// Its feed.
    pub feed: FeedId,
    /// For CSV, the digest of the header line.
    pub header_digest: Option<[u8; 32]>,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The position.
    pub offset: u64,
    /// Append time.
    pub received_at: Moment,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// A held message as it lies in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The counterparty.
    pub connector: ConnectorId,
    /// SHA-256 of the bytes.
    pub digest: [u8; 32],
    /// Stable code of the reason.
    pub reason: String,
    /// The reason in words.
    pub detail: String,
    /// What it waits for, where it waits.
    pub waits_for: Option<String>,
    /// Its feed.
    pub feed: FeedId,
    /// For CSV, the digest of the header line.
    pub header_digest: Option<[u8; 32]>,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The position.
    pub offset: u64,
    /// Append time.
    pub received_at: Moment,
    /// Its bytes.
    pub value: Vec<u8>,
}

/// Holds messages. Returns for each whether it is new; the others are duplicates of held ones.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn hold(
    tx: &mut Tx,
    connector: &ConnectorId,
    messages: &[ToHold],
) -> Result<Vec<bool>, StoreError> {
    let mut new = BTreeMap::new();
    for chunk in messages.chunks(ROWS_A_STATEMENT) {
        let mut query = QueryBuilder::new(
            "insert into held (connector, digest, reason, detail, waits_for, feed, \
             header_digest, topic, partition, offset, received_at, value) ",
        );
        query.push_values(chunk, |mut row, held| {
            row.push_bind(connector.as_str().to_owned())
                .push_bind(held.digest.to_vec())
                .push_bind(held.reason.code())
                .push_bind(held.reason.to_string())
                .push_bind(held.reason.waits_for())
                .push_bind(held.feed.as_str().to_owned())
                .push_bind(held.header_digest.map(|digest| digest.to_vec()))
                .push_bind(held.topic.clone())
                .push_bind(i64::from(held.partition))
                .push_bind(int(held.offset))
                .push_bind(held.received_at.ms())
                .push_bind(held.value.clone());
        });
        query.push(" on conflict (connector, digest) do nothing returning digest");
        for row in query.build().fetch_all(&mut **tx).await? {
            new.insert(row.try_get::<Vec<u8>, _>("digest")?, ());
        }
    }
    // Of several equal messages in one call only the first is new.
    Ok(messages.iter().map(|held| new.remove(held.digest.as_slice()).is_some()).collect())
}

/// Held messages that wait for a key, in order of arrival.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn waiting(tx: &mut Tx, key: &str) -> Result<Vec<Held>, StoreError> {
    let rows = sqlx::query(
        "select * from held where waits_for = $1 order by received_at, topic, partition, offset",
    )
    .bind(key)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(held).collect()
}

/// Held messages, newest last, at most `limit`, of one reason or of all.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn list(tx: &mut Tx, reason: Option<&str>, limit: u32) -> Result<Vec<Held>, StoreError> {
    let rows = sqlx::query(
        "select * from held where reason = coalesce($1, reason) \
         order by received_at, topic, partition, offset limit $2",
    )
    .bind(reason.map(str::to_owned))
    .bind(i64::from(limit))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(held).collect()
}

/// One held message.
///
/// # Errors
/// [`StoreError`] where the engine refuses or the row is damaged.
pub async fn get(
    tx: &mut Tx,
    connector: &ConnectorId,
    digest: &[u8; 32],
) -> Result<Option<Held>, StoreError> {
    let row = sqlx::query("select * from held where connector = $1 and digest = $2")
        .bind(connector.as_str())
        .bind(digest.to_vec())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(held).transpose()
}

/// Takes a message out, since it was applied, ignored or found to be a duplicate.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn remove(
    tx: &mut Tx,
    connector: &ConnectorId,
    digest: &[u8; 32],
) -> Result<(), StoreError> {
    sqlx::query("delete from held where connector = $1 and digest = $2")
        .bind(connector.as_str())
        .bind(digest.to_vec())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Writes another reason for a message that stays held.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn set_reason(
    tx: &mut Tx,
    connector: &ConnectorId,
    digest: &[u8; 32],
    reason: &HoldReason,
) -> Result<(), StoreError> {
    sqlx::query(
        "update held set reason = $1, detail = $2, waits_for = $3 \
         where connector = $4 and digest = $5",
    )
    .bind(reason.code())
    .bind(reason.to_string())
    .bind(reason.waits_for())
    .bind(connector.as_str())
    .bind(digest.to_vec())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Number of held messages by reason.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn by_reason(tx: &mut Tx) -> Result<BTreeMap<String, u64>, StoreError> {
    let rows =
        sqlx::query("select reason, cast(count(*) as bigint) as held from held group by reason")
            .fetch_all(&mut **tx)
            .await?;
    let mut reasons = BTreeMap::new();
    for row in rows {
        reasons.insert(row.try_get("reason")?, uint(row.try_get("held")?));
    }
    Ok(reasons)
}

fn held(row: &sqlx::any::AnyRow) -> Result<Held, StoreError> {
    let damaged = |detail: String| StoreError::Damaged { what: "held", detail };
    let digest_of = |bytes: Vec<u8>| {
        <[u8; 32]>::try_from(bytes)
            .map_err(|bytes| damaged(format!("digest of {} bytes", bytes.len())))
    };
    let connector: String = row.try_get("connector")?;
    let feed: String = row.try_get("feed")?;
    let partition: i64 = row.try_get("partition")?;
    let header: Option<Vec<u8>> = row.try_get("header_digest")?;
    Ok(Held {
        connector: ConnectorId::new(&connector).map_err(|e| damaged(e.to_string()))?,
        digest: digest_of(row.try_get("digest")?)?,
        reason: row.try_get("reason")?,
        detail: row.try_get("detail")?,
        waits_for: row.try_get("waits_for")?,
        feed: FeedId::new(&feed).map_err(|e| damaged(e.to_string()))?,
        header_digest: header.map(digest_of).transpose()?,
        topic: row.try_get("topic")?,
        partition: u32::try_from(partition).unwrap_or(u32::MAX),
        offset: uint(row.try_get("offset")?),
        received_at: Moment::from_ms(row.try_get("received_at")?),
        value: row.try_get("value")?,
    })
}
