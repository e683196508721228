//! Events other than orders that wait to be published.

use sqlx::Row;

use super::bulk::Bulk;
use super::{StoreError, Tx, int, uint};

/// Rows that one statement writes.
const ROWS_MAX: usize = 100;

/// An event to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The canonical topic.
    pub topic: &'static str,
    /// Made of content.
    pub event_id: String,
    /// Decides the partition.
    pub key: String,
    /// The record's name.
    pub record: &'static str,
    /// The Avro datum, without a frame.
    pub datum: Vec<u8>,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its place among those that wait.
    pub seq: u64,
    /// Made of content.
    pub event_id: String,
    /// Decides the partition.
    pub key: String,
    /// The record's name.
    pub record: String,
    /// The Avro datum, without a frame.
    pub datum: Vec<u8>,
}

/// Writes events in order, many in one statement.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn put(tx: &mut Tx, events: &[Outgoing]) -> Result<(), StoreError> {
    for run in events.chunk_by(|one, next| one.topic == next.topic) {
        let Some(first) = run.first() else { continue };
        let mut seq = next_seq(tx, first.topic).await?;
        for part in run.chunks(ROWS_MAX) {
            let mut query = Bulk::new(
                "insert into publish_outbox (topic, seq, event_id, key, record, datum) values ",
            );
            query.rows(part.iter().zip(seq..), |(event, seq)| {
                [
                    event.topic.into(),
                    int(seq).into(),
                    event.event_id.as_str().into(),
                    event.key.as_str().into(),
                    event.record.into(),
                    event.datum.as_slice().into(),
                ]
            });
            query.build().execute(&mut **tx).await?;
            seq += u64::try_from(part.len()).unwrap_or(0);
        }
    }
    Ok(())
}

/// Where two transactions take the same place, the id tells their rows apart.
async fn next_seq(tx: &mut Tx, topic: &str) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "select coalesce(max(seq), 0) + 1 as next from publish_outbox where topic = $1",
    )
    .bind(topic)
    .fetch_one(&mut **tx)
    .await?;
    Ok(uint(row.try_get("next")?))
}

/// The first events that wait for a topic, in order.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn first(tx: &mut Tx, topic: &str, rows_max: u32) -> Result<Vec<Stored>, StoreError> {
    let rows = sqlx::query(
        "select seq, event_id, key, record, datum from publish_outbox where topic = $1 \
         order by seq, event_id limit $2",
    )
    .bind(topic)
    .bind(i64::from(rows_max))
    .fetch_all(&mut **tx)
    .await?;
    let stored = |row: &sqlx::any::AnyRow| {
        Ok(Stored {
            seq: uint(row.try_get("seq")?),
            event_id: row.try_get("event_id")?,
            key: row.try_get("key")?,
            record: row.try_get("record")?,
            datum: row.try_get("datum")?,
        })
    };
    rows.iter().map(stored).collect()
}

/// Deletes exactly the events whose append is confirmed.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn delete(tx: &mut Tx, topic: &str, events: &[Stored]) -> Result<(), StoreError> {
    for event in events {
        sqlx::query("delete from publish_outbox where topic = $1 and seq = $2 and event_id = $3")
            .bind(topic)
            .bind(int(event.seq))
            .bind(&event.event_id)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// How many events wait, by topic; topics with nothing waiting are absent.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn waiting(tx: &mut Tx) -> Result<Vec<(String, u64)>, StoreError> {
    let rows = sqlx::query(
        "select topic, cast(count(*) as bigint) as events from publish_outbox \
         group by topic order by topic",
    )
    .fetch_all(&mut **tx)
    .await?;
    let topic = |row: &sqlx::any::AnyRow| Ok((row.try_get("topic")?, uint(row.try_get("events")?)));
    rows.iter().map(topic).collect()
}
