//! How deliveries stand for the status and the page, and what counterparties acknowledged.

use sqlx::Row;

use super::relay::natural;
use super::{StoreError, Tx};
use crate::domain::ids::{DestinationId, EventId};
use crate::domain::time::Moment;

/// How the records of one destination stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The counterparty.
    pub destination: DestinationId,
    /// Not sent, or to be sent again.
    pub owed: u64,
    /// The counterparty has them.
    pub delivered: u64,
    /// Refused when they were sent.
    pub refused: u64,
    /// Sent, answer lost.
    pub unknown: u64,
    /// Acknowledged by a message of their own: accepted.
    pub acknowledged: u64,
    /// Acknowledged by a message of their own: refused.
    pub acknowledged_refused: u64,
    /// When the oldest undelivered record was caused.
    pub oldest_open_at: Option<Moment>,
}

/// How every destination stands, by name.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn standings(tx: &mut Tx) -> Result<Vec<Standing>, StoreError> {
    let rows = sqlx::query(
        "select destination, \
         count(case when state = 'owed' then 1 end) as owed, \
         count(case when state = 'delivered' then 1 end) as delivered, \
         count(case when state = 'refused' then 1 end) as refused, \
         count(case when state = 'unknown' then 1 end) as unknown, \
         count(case when acked_at is not null and ack_refused is null then 1 end) as acked, \
         count(ack_refused) as ack_refused, \
         min(case when state in ('owed', 'unknown') then caused_at end) as oldest \
         from outbox group by destination order by destination",
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| {
            let destination: String = row.try_get("destination")?;
            let oldest: Option<i64> = row.try_get("oldest")?;
            Ok(Standing {
                destination: DestinationId::new(&destination).map_err(|error| {
                    StoreError::Damaged { what: "outbox.destination", detail: error.to_string() }
                })?,
                owed: natural(row, "owed")?,
                delivered: natural(row, "delivered")?,
                refused: natural(row, "refused")?,
                unknown: natural(row, "unknown")?,
                acknowledged: natural(row, "acked")?,
                acknowledged_refused: natural(row, "ack_refused")?,
                oldest_open_at: oldest.map(Moment::from_ms),
            })
        })
        .collect()
}

/// What an acknowledgement message said of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// Nothing yet.
    NotYet,
    /// Accepted (`None`) or refused with a code.
    With(Option<String>),
}

/// What stands acknowledged of a record of that destination; `None` where we owe it no such
/// record.
///
/// # Errors
/// [`StoreError`] where the engine refuses.
pub async fn acknowledged(
    tx: &mut Tx,
    destination: &DestinationId,
    id: &EventId,
) -> Result<Option<Acknowledged>, StoreError> {
    let row =
        sqlx::query("select acked_at, ack_refused from outbox where id = $1 and destination = $2")
            .bind(id.as_str())
            .bind(destination.as_str())
            .fetch_optional(&mut **tx)
            .await?;
    let Some(row) = row else { return Ok(None) };
    let at: Option<i64> = row.try_get("acked_at")?;
    let refused: Option<String> = row.try_get("ack_refused")?;
    Ok(Some(if at.is_some() { Acknowledged::With(refused) } else { Acknowledged::NotYet }))
}

/// Writes down an acknowledgement that came at `at`.
///
/// # Errors
/// [`StoreError`] where the engine refuses.
pub async fn acknowledge(
    tx: &mut Tx,
    id: &EventId,
    refused: Option<&str>,
    at: Moment,
) -> Result<(), StoreError> {
    sqlx::query("update outbox set acked_at = $1, ack_refused = $2 where id = $3")
        .bind(at.ms())
        .bind(refused)
        .bind(id.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
