//! The delivery columns of the outbox: reading what is owed by key, claiming keys, and writing
//! down what became of each record. The other columns are written by `outbox` alone.
//!
//! A key is claimed through its lowest undelivered record: `next_try_at` of that row is moved
//! ahead, so that no other instance takes the key until the claim ends, is answered or is given
//! back. A claim that dies with its process ends by itself.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::bulk::Bulk;
use super::{StoreError, Tx};
use crate::domain::ids::{DestinationId, EventId};
use crate::domain::time::Moment;

/// Most ids in one statement; SQLite takes 32,766 parameters, shorter statements stay cached.
const IDS_MAX: usize = 500;

/// What stands in `outbox.state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryState {
    /// Not sent, or the counterparty asked to come again.
    Owed,
    /// The counterparty has it.
    Delivered,
    /// The counterparty refused it for good.
    Refused,
    /// Sent, and the answer was lost: it is asked for by id before anything is sent again.
    Unknown,
}

impl DeliveryState {
    /// The word in the database.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        match text {
            "owed" => Ok(Self::Owed),
            "delivered" => Ok(Self::Delivered),
            "refused" => Ok(Self::Refused),
            "unknown" => Ok(Self::Unknown),
            other => Err(StoreError::Damaged {
                what: "outbox.state",
                detail: format!("expected a delivery state, found {other:?}"),
            }),
        }
    }
}

/// An undelivered record as the relay reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRecord {
    /// Its identity, under which alone it is ever sent.
    pub id: EventId,
    /// Records of one key go in order.
    pub key: String,
    /// Place within the key, from 1.
    pub seq: u64,
    /// Kind, as the destination's contract names it.
    pub kind: String,
    /// Revision of the cause, from 1.
    pub revision: u32,
    /// Content as JSON text.
    pub body: String,
    /// Append time of the message that caused it.
    pub caused_at: Moment,
    /// `Owed` or `Unknown`.
    pub state: DeliveryState,
    /// Tries that were answered, or whose answer was lost.
    pub attempts: u32,
    /// Not to be tried before.
    pub next_try_at: Moment,
    /// Whether an earlier record stops its key for good: then it may be asked for, but not sent.
    /// The relay finds that out; here it is always false.
    pub is_stopped: bool,
}

/// Which undelivered records to read.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Whose.
    pub destination: &'a DestinationId,
    /// Keys after this one, in byte order; empty from the start.
    pub after_key: &'a str,
    /// Most records; a key may be cut short by it, never torn in the middle.
    pub records_max: u32,
    /// Most records of one key, counted from its lowest undelivered one.
    pub run_max: u32,
}

/// Undelivered records by key and seq, the lowest of each key first.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn open_records(tx: &mut Tx, page: Page<'_>) -> Result<Vec<OpenRecord>, StoreError> {
    let rows = sqlx::query(
        "select o.id, o.key, o.seq, o.kind, o.revision, o.body, o.caused_at, o.state, \
         o.attempts, o.next_try_at \
         from (select key, min(seq) as lowest from outbox \
               where destination = $1 and key > $2 and state in ('owed', 'unknown') \
               group by key order by key limit $3) as head \
         join outbox as o on o.destination = $1 and o.key > $2 and o.key = head.key \
              and o.seq >= head.lowest and o.seq < head.lowest + $4 \
              and o.state in ('owed', 'unknown') \
         order by o.key, o.seq limit $3",
    )
    .bind(page.destination.as_str())
    .bind(page.after_key)
    .bind(i64::from(page.records_max))
    .bind(i64::from(page.run_max))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(open_record).collect()
}

fn open_record(row: &AnyRow) -> Result<OpenRecord, StoreError> {
    let id: String = row.try_get("id")?;
    let state: String = row.try_get("state")?;
    Ok(OpenRecord {
        id: EventId::new(&id).map_err(|error| StoreError::Damaged {
            what: "outbox.id",
            detail: error.to_string(),
        })?,
        key: row.try_get("key")?,
        seq: natural(row, "seq")?,
        kind: row.try_get("kind")?,
        revision: small(row, "revision")?,
        body: row.try_get("body")?,
        caused_at: Moment::from_ms(row.try_get("caused_at")?),
        state: DeliveryState::parse(&state)?,
        attempts: small(row, "attempts")?,
        next_try_at: Moment::from_ms(row.try_get("next_try_at")?),
        is_stopped: false,
    })
}

/// A refusal that may stop its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRecord {
    /// The key.
    pub key: String,
    /// Place within the key.
    pub seq: u64,
    /// Kind, whose contract says whether the key stops.
    pub kind: String,
}

/// The refused records of the keys after `after_key` up to `last_key`.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn refused_records(
    tx: &mut Tx,
    destination: &DestinationId,
    after_key: &str,
    last_key: &str,
) -> Result<Vec<RefusedRecord>, StoreError> {
    let rows = sqlx::query(
        "select key, seq, kind from outbox \
         where destination = $1 and key > $2 and key <= $3 and state = 'refused'",
    )
    .bind(destination.as_str())
    .bind(after_key)
    .bind(last_key)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(RefusedRecord {
                key: row.try_get("key")?,
                seq: natural(row, "seq")?,
                kind: row.try_get("kind")?,
            })
        })
        .collect()
}

/// Claims keys by their lowest undelivered records until `until`; returns the ids that were
/// still free and due.
///
/// # Errors
/// [`StoreError`] where the engine refuses.
pub async fn claim(
    tx: &mut Tx,
    lowest: &[&str],
    now: Moment,
    until: Moment,
) -> Result<Vec<String>, StoreError> {
    let mut claimed = Vec::with_capacity(lowest.len());
    for ids in lowest.chunks(IDS_MAX) {
        let mut query = Bulk::new("update outbox set next_try_at = ");
        query.bind(until.ms()).push(" where next_try_at <= ").bind(now.ms());
        query.push(" and state in ('owed', 'unknown') and id in (");
        query.list(ids.iter().copied()).push(") returning id");
        for row in query.build().fetch_all(&mut **tx).await? {
            claimed.push(row.try_get("id")?);
        }
    }
    Ok(claimed)
}

/// What became of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The record.
    pub id: EventId,
    /// Its state from now on.
    pub state: DeliveryState,
    /// The counterparty's code, or what happened instead of an answer.
    pub answer: String,
    /// Where it stays undelivered: not to be tried before.
    pub next_try_at: Moment,
}

/// Writes down what became of tries that ended at `now`. A record that is delivered or refused
/// already stays so, whatever a slower instance says.
///
/// # Errors
/// [`StoreError`] where the engine refuses.
pub async fn settle(tx: &mut Tx, settled: &[Settled], now: Moment) -> Result<(), StoreError> {
    let mut alike: BTreeMap<(DeliveryState, &str, Moment), Vec<&str>> = BTreeMap::new();
    for one in settled {
        let kind = (one.state, one.answer.as_str(), one.next_try_at);
        alike.entry(kind).or_default().push(one.id.as_str());
    }
    for ((state, answer, next_try_at), ids) in alike {
        for ids in ids.chunks(IDS_MAX) {
            let mut query = Bulk::new("update outbox set state = ");
            query.bind(state.code()).push(", answer = ").bind(answer);
            query.push(", next_try_at = ").bind(next_try_at.ms());
            query.push(", answered_at = ").bind(now.ms());
            query.push(", attempts = attempts + 1 where state in ('owed', 'unknown') and id in (");
            query.list(ids.iter().copied()).push(")");
            query.build().execute(&mut **tx).await?;
        }
    }
    Ok(())
}

/// Gives claimed keys back that were not tried.
///
/// # Errors
/// [`StoreError`] where the engine refuses.
pub async fn give_back(tx: &mut Tx, lowest: &[EventId], now: Moment) -> Result<(), StoreError> {
    for ids in lowest.chunks(IDS_MAX) {
        let mut query = Bulk::new("update outbox set next_try_at = ");
        query.bind(now.ms()).push(" where state in ('owed', 'unknown') and id in (");
        query.list(ids.iter().map(EventId::as_str)).push(")");
        query.build().execute(&mut **tx).await?;
    }
    Ok(())
}

pub(super) fn natural(row: &AnyRow, column: &'static str) -> Result<u64, StoreError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|error| StoreError::Damaged {
        what: column,
        detail: format!("expected 0 or more, found {value}: {error}"),
    })
}

fn small(row: &AnyRow, column: &'static str) -> Result<u32, StoreError> {
    let value: i64 = row.try_get(column)?;
    u32::try_from(value).map_err(|error| StoreError::Damaged {
        what: column,
        detail: format!("expected 0 to {}, found {value}: {error}", u32::MAX),
    })
}
