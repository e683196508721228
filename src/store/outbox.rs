//! What is owed to counterparties. A record's id is made of its cause and revision, so that the
//! same cause never owes twice; order is (destination, key, seq).

use sqlx::Row;

use super::{StoreError, Tx};
use crate::domain::ids::{DestinationId, EventId};
use crate::domain::time::Moment;

/// A record that a transaction owes to a counterparty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// `<destination>:<kind>:<cause>:<revision>`.
    pub id: EventId,
    /// Who gets it.
    pub destination: DestinationId,
    /// Records of one key are delivered in order.
    pub key: String,
    /// The kind of record, as the destination's contract names it.
    pub kind: &'static str,
    /// Revision of the cause, from 1.
    pub revision: u32,
    /// The record's content as JSON text, without what the adapter adds.
    pub body: String,
    /// Append time of the message that caused it.
    pub caused_at: Moment,
}

/// Owes the record unless its id is owed already. Returns whether it is new.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn owe(tx: &mut Tx, owed: &Owed) -> Result<bool, StoreError> {
    let known = sqlx::query("select 1 as one from outbox where id = $1")
        .bind(owed.id.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    if known.is_some() {
        return Ok(false);
    }
    let row = sqlx::query(
        "insert into outbox_key (destination, key, seq) values ($1, $2, 1) \
         on conflict (destination, key) do update set seq = outbox_key.seq + 1 returning seq",
    )
    .bind(owed.destination.as_str())
    .bind(&owed.key)
    .fetch_one(&mut **tx)
    .await?;
    let seq: i64 = row.try_get("seq")?;
    sqlx::query(
        "insert into outbox (id, destination, key, seq, kind, revision, body, caused_at, state) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, 'owed')",
    )
    .bind(owed.id.as_str())
    .bind(owed.destination.as_str())
    .bind(&owed.key)
    .bind(seq)
    .bind(owed.kind)
    .bind(i64::from(owed.revision))
    .bind(&owed.body)
    .bind(owed.caused_at.ms())
    .execute(&mut **tx)
    .await?;
    Ok(true)
}
