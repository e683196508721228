//! Held messages: identity is (connector, SHA-256 of the bytes), so that the same bytes again are
//! a duplicate; one that waits names what it waits for. What a batch holds is a small row a
//! message and one compressed blob for the bytes of all.

mod blob;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use sqlx::any::AnyRow;

use self::blob::Place;
use super::bulk::Bulk;
use super::locks::{Key, lock};
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
    /// Version of the manifests that read it.
    pub manifests: u32,
    /// Fingerprint of the order that they route it by, if it is one's.
    pub order_print: Option<u64>,
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
/// [`StoreError`] where the engine refuses or the bytes cannot be compressed.
pub async fn hold(
    tx: &mut Tx,
    connector: &ConnectorId,
    messages: &[ToHold],
) -> Result<Vec<bool>, StoreError> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    // The numbers of a connector's blobs become visible in their order, and what another owner
    // holds is seen here.
    lock(tx, [Key::Held(connector.clone())]).await?;
    let digests: Vec<_> = messages.iter().map(|held| held.digest).collect();
    let mut known = which(tx, connector, &digests).await?;
    // Of several equal messages in one call only the first is new.
    let is_new: Vec<bool> = digests.iter().map(|digest| known.insert(*digest)).collect();
    let new = messages.iter().zip(&is_new).filter(|(_, is_new)| **is_new);
    let new: Vec<&ToHold> = new.map(|(held, _)| held).collect();
    if new.is_empty() {
        return Ok(is_new);
    }
    let places = blob::put(tx, &new).await?;
    let rows: Vec<_> = new.into_iter().zip(places).collect();
    for chunk in rows.chunks(ROWS_A_STATEMENT) {
        let mut query = Bulk::new(
            "insert into held (connector, digest, reason, detail, waits_for, feed, \
             header_digest, topic, partition, \"offset\", received_at, manifests, order_print, \
             blob, first_byte, bytes) values ",
        );
        query.rows(chunk, |(held, place)| {
            [
                connector.as_str().into(),
                held.digest.to_vec().into(),
                held.reason.code().into(),
                held.reason.to_string().into(),
                held.reason.waits_for().into(),
                held.feed.as_str().into(),
                held.header_digest.map(|digest| digest.to_vec()).into(),
                held.topic.as_str().into(),
                i64::from(held.partition).into(),
                int(held.offset).into(),
                held.received_at.ms().into(),
                i64::from(held.manifests).into(),
                held.order_print.map(u64::cast_signed).into(),
                place.blob.into(),
                int(place.first_byte).into(),
                int(place.bytes).into(),
            ]
        });
        query.build().execute(&mut **tx).await?;
    }
    Ok(is_new)
}

/// Which of these messages lie held.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn which(
    tx: &mut Tx,
    connector: &ConnectorId,
    digests: &[[u8; 32]],
) -> Result<BTreeSet<[u8; 32]>, StoreError> {
    let mut held = BTreeSet::new();
    for chunk in digests.chunks(ROWS_A_STATEMENT) {
        let mut query = Bulk::new("select digest from held where connector = ");
        query.bind(connector.as_str()).push(" and digest in (");
        query.list(chunk.iter().map(|digest| digest.to_vec())).push(")");
        for row in query.build().fetch_all(&mut **tx).await? {
            held.insert(digest_of(row.try_get("digest")?)?);
        }
    }
    Ok(held)
}

/// Held messages that wait for a key, in order of arrival.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn waiting(tx: &mut Tx, key: &str) -> Result<Vec<Held>, StoreError> {
    let rows = sqlx::query(
        "select * from held where waits_for = $1 \
         order by received_at, topic, partition, \"offset\"",
    )
    .bind(key)
    .fetch_all(&mut **tx)
    .await?;
    with_values(tx, &rows).await
}

/// Held messages, newest last, at most `limit`, of one reason or of all.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn list(tx: &mut Tx, reason: Option<&str>, limit: u32) -> Result<Vec<Held>, StoreError> {
    let rows = sqlx::query(
        "select * from held where reason = coalesce($1, reason) \
         order by received_at, topic, partition, \"offset\" limit $2",
    )
    .bind(reason.map(str::to_owned))
    .bind(i64::from(limit))
    .fetch_all(&mut **tx)
    .await?;
    with_values(tx, &rows).await
}

/// Held messages whose digest lies between two, both included: those of one beginning.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn between(
    tx: &mut Tx,
    first: &[u8; 32],
    last: &[u8; 32],
) -> Result<Vec<Held>, StoreError> {
    let rows = sqlx::query("select * from held where digest between $1 and $2 order by digest")
        .bind(first.to_vec())
        .bind(last.to_vec())
        .fetch_all(&mut **tx)
        .await?;
    with_values(tx, &rows).await
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
    Ok(with_values(tx, row.as_slice()).await?.pop())
}

/// Fingerprints of the orders of messages that were held since a number, under these manifests,
/// and the number that the next question starts from.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn order_prints_since(
    tx: &mut Tx,
    connector: &ConnectorId,
    manifests: u32,
    since: i64,
) -> Result<(i64, Vec<u64>), StoreError> {
    let row = sqlx::query("select coalesce(max(blob), 0) as last from held where connector = $1")
        .bind(connector.as_str())
        .fetch_one(&mut **tx)
        .await?;
    let last: i64 = row.try_get("last")?;
    if last <= since {
        return Ok((since, Vec::new()));
    }
    let rows = sqlx::query(
        "select order_print from held where blob > $1 and connector = $2 and manifests = $3 \
         and order_print is not null",
    )
    .bind(since)
    .bind(connector.as_str())
    .bind(i64::from(manifests))
    .fetch_all(&mut **tx)
    .await?;
    let mut prints = Vec::with_capacity(rows.len());
    for row in rows {
        prints.push(row.try_get::<i64, _>("order_print")?.cast_unsigned());
    }
    Ok((last, prints))
}

/// Messages that were held under other manifests than these.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn of_other_manifests(
    tx: &mut Tx,
    connector: &ConnectorId,
    manifests: u32,
) -> Result<Vec<Held>, StoreError> {
    let rows =
        sqlx::query("select * from held where connector = $1 and manifests <> $2 order by blob")
            .bind(connector.as_str())
            .bind(i64::from(manifests))
            .fetch_all(&mut **tx)
            .await?;
    with_values(tx, &rows).await
}

/// Takes a message out, since it was applied, ignored or found to be a duplicate. Returns whether
/// it lay there still: another transaction may have been faster.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn remove(
    tx: &mut Tx,
    connector: &ConnectorId,
    digest: &[u8; 32],
) -> Result<bool, StoreError> {
    let row = sqlx::query("delete from held where connector = $1 and digest = $2 returning blob")
        .bind(connector.as_str())
        .bind(digest.to_vec())
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(false) };
    blob::drop_empty(tx, row.try_get("blob")?).await?;
    Ok(true)
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

/// The messages of rows, in their order, each with its bytes; a blob is read once.
async fn with_values(tx: &mut Tx, rows: &[AnyRow]) -> Result<Vec<Held>, StoreError> {
    let mut places = Vec::with_capacity(rows.len());
    for (number, row) in rows.iter().enumerate() {
        let place = Place {
            blob: row.try_get("blob")?,
            first_byte: uint(row.try_get("first_byte")?),
            bytes: uint(row.try_get("bytes")?),
        };
        places.push((place, number));
    }
    places.sort_unstable_by_key(|(place, _)| place.blob);
    let (mut blobs, mut values) = (blob::Blobs::default(), BTreeMap::new());
    for (place, number) in places {
        values.insert(number, blobs.value(tx, place).await?);
    }
    rows.iter().zip(values.into_values()).map(|(row, value)| held(row, value)).collect()
}

fn damaged(detail: String) -> StoreError {
    StoreError::Damaged { what: "held", detail }
}

fn digest_of(bytes: Vec<u8>) -> Result<[u8; 32], StoreError> {
    <[u8; 32]>::try_from(bytes).map_err(|bytes| damaged(format!("digest of {} bytes", bytes.len())))
}

fn held(row: &AnyRow, value: Vec<u8>) -> Result<Held, StoreError> {
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
        value,
    })
}
