//! What became of messages: sums per connector, feed and day for the promise, and the
//! record per batch.

use std::collections::BTreeMap;

use sqlx::Row;

use super::positions::PartitionKey;
use super::{StoreError, Tx, int, uint};
use crate::domain::ids::{ConnectorId, FeedId};
use crate::domain::time::{Day, Moment};

/// Signed changes of the promise's terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Read from the log.
    pub received: i64,
    /// Changed the books.
    pub applied: i64,
    /// Seen already.
    pub duplicate: i64,
    /// Held with their bytes.
    pub held: i64,
    /// No events of ours.
    pub ignored: i64,
    /// Waiting for the owner of their identity.
    pub handoff: i64,
}

impl Tally {
    /// Whether received = applied + duplicate + held + ignored + in handoff.
    #[must_use]
    pub const fn closes(&self) -> bool {
        self.received == self.applied + self.duplicate + self.held + self.ignored + self.handoff
    }

    /// Adds another tally.
    pub const fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.applied += other.applied;
        self.duplicate += other.duplicate;
        self.held += other.held;
        self.ignored += other.ignored;
        self.handoff += other.handoff;
    }
}

/// Changes by feed and day (of append time).
pub type Tallies = BTreeMap<(FeedId, Day), Tally>;

/// Changes of the sums that one transaction makes. Partitions of one connector share rows, and a
/// release changes those of another: so they are written once, in order, at the end.
#[derive(Clone, Debug, Default)]
pub struct Sums(BTreeMap<(ConnectorId, FeedId, Day), Tally>);

impl Sums {
    /// Adds changes of one connector.
    pub fn add(&mut self, connector: &ConnectorId, tallies: &Tallies) {
        for ((feed, day), tally) in tallies {
            self.0.entry((connector.clone(), feed.clone(), *day)).or_default().add(tally);
        }
    }

    /// Writes the changes.
    ///
    /// # Errors
    /// [`StoreError::Sql`] where the engine refuses.
    pub async fn write(self, tx: &mut Tx) -> Result<(), StoreError> {
        for ((connector, feed, day), tally) in self.0 {
            write_sum(tx, (&connector, &feed, day), &tally).await?;
        }
        Ok(())
    }
}

async fn write_sum(
    tx: &mut Tx,
    (connector, feed, day): (&ConnectorId, &FeedId, Day),
    tally: &Tally,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into outcome_sum (connector, feed, day, received, applied, duplicate, held, \
         ignored, handoff) values ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         on conflict (connector, feed, day) do update set \
         received = outcome_sum.received + excluded.received, \
         applied = outcome_sum.applied + excluded.applied, \
         duplicate = outcome_sum.duplicate + excluded.duplicate, \
         held = outcome_sum.held + excluded.held, \
         ignored = outcome_sum.ignored + excluded.ignored, \
         handoff = outcome_sum.handoff + excluded.handoff",
    )
    .bind(connector.as_str())
    .bind(feed.as_str())
    .bind(i64::from(day.epoch_days()))
    .bind(tally.received)
    .bind(tally.applied)
    .bind(tally.duplicate)
    .bind(tally.held)
    .bind(tally.ignored)
    .bind(tally.handoff)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The sums per connector and feed, over all days.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn by_feed(tx: &mut Tx) -> Result<Vec<(String, String, Tally)>, StoreError> {
    let rows = sqlx::query(
        "select connector, feed, cast(sum(received) as bigint) as received, \
         cast(sum(applied) as bigint) as applied, cast(sum(duplicate) as bigint) as duplicate, \
         cast(sum(held) as bigint) as held, cast(sum(ignored) as bigint) as ignored, \
         cast(sum(handoff) as bigint) as handoff \
         from outcome_sum group by connector, feed order by connector, feed",
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut sums = Vec::with_capacity(rows.len());
    for row in rows {
        let tally = Tally {
            received: row.try_get("received")?,
            applied: row.try_get("applied")?,
            duplicate: row.try_get("duplicate")?,
            held: row.try_get("held")?,
            ignored: row.try_get("ignored")?,
            handoff: row.try_get("handoff")?,
        };
        sums.push((row.try_get("connector")?, row.try_get("feed")?, tally));
    }
    Ok(sums)
}

/// The record of one batch.
#[derive(Clone, Debug)]
pub struct BatchRecord {
    /// Its number.
    pub batch: u64,
    /// `messages`, `handoff`, `merge`, `close`, `seal` or `late`.
    pub kind: &'static str,
    /// First position that it applied.
    pub first_offset: u64,
    /// Position after the last that it applied.
    pub next_offset: u64,
    /// Append time of the last record that was applied when it committed.
    pub received_at: Moment,
    /// Versions of manifests and policy that it ran under.
    pub versions: String,
    /// SHA-256 of what it wrote.
    pub digest: [u8; 32],
    /// What became of each message, as `orders::fates` writes it.
    pub outcomes: Vec<u8>,
}

/// Writes the record of one batch.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn put_batch(
    tx: &mut Tx,
    key: &PartitionKey,
    record: &BatchRecord,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into batch (topic, partition, batch, batch_last, kind, first_offset, next_offset, \
         received_at, versions, digest, outcomes) \
         values ($1, $2, $3, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(record.batch))
    .bind(record.kind)
    .bind(int(record.first_offset))
    .bind(int(record.next_offset))
    .bind(record.received_at.ms())
    .bind(&record.versions)
    .bind(record.digest.to_vec())
    .bind(&record.outcomes)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A batch's record as it lies in the database: of one batch, or of neighbours joined.
#[derive(Clone, Debug)]
pub struct JoinableBatch {
    /// Its number, or that of the first of several.
    pub batch: u64,
    /// Its number, or that of the last of several.
    pub batch_last: u64,
    /// As [`BatchRecord::kind`].
    pub kind: String,
    /// First position that it applied.
    pub first_offset: u64,
    /// Position after the last that it applied.
    pub next_offset: u64,
    /// Append time of the last record of the first of them.
    pub received_at: Moment,
    /// Versions of manifests and policy that it ran under.
    pub versions: String,
    /// SHA-256 of what it wrote; of several, SHA-256 of their digests.
    pub digest: Vec<u8>,
    /// What became of each message.
    pub outcomes: Vec<u8>,
}

/// The newest records of a partition, at most `rows_max`, oldest first.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn newest_batches(
    tx: &mut Tx,
    key: &PartitionKey,
    rows_max: u32,
) -> Result<Vec<JoinableBatch>, StoreError> {
    let rows = sqlx::query(
        "select batch, batch_last, kind, first_offset, next_offset, received_at, versions, digest, \
         outcomes \
         from batch where topic = $1 and partition = $2 order by batch desc limit $3",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(i64::from(rows_max))
    .fetch_all(&mut **tx)
    .await?;
    let mut batches = Vec::with_capacity(rows.len());
    for row in rows.iter().rev() {
        batches.push(JoinableBatch {
            batch: uint(row.try_get("batch")?),
            batch_last: uint(row.try_get("batch_last")?),
            kind: row.try_get("kind")?,
            first_offset: uint(row.try_get("first_offset")?),
            next_offset: uint(row.try_get("next_offset")?),
            received_at: Moment::from_ms(row.try_get("received_at")?),
            versions: row.try_get("versions")?,
            digest: row.try_get("digest")?,
            outcomes: row.try_get("outcomes")?,
        });
    }
    Ok(batches)
}

/// Puts one record in place of those that were joined into it.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn replace_batches(
    tx: &mut Tx,
    key: &PartitionKey,
    joined: &JoinableBatch,
) -> Result<(), StoreError> {
    sqlx::query(
        "delete from batch where topic = $1 and partition = $2 and batch between $3 and $4",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(joined.batch))
    .bind(int(joined.batch_last))
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "insert into batch (topic, partition, batch, batch_last, kind, first_offset, next_offset, \
         received_at, versions, digest, outcomes) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(joined.batch))
    .bind(int(joined.batch_last))
    .bind(&joined.kind)
    .bind(int(joined.first_offset))
    .bind(int(joined.next_offset))
    .bind(joined.received_at.ms())
    .bind(&joined.versions)
    .bind(&joined.digest)
    .bind(&joined.outcomes)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Batches that applied positions of a range: first position, next position, outcomes.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn batches_over(
    tx: &mut Tx,
    key: &PartitionKey,
    first: u64,
    next: u64,
) -> Result<Vec<(u64, u64, Vec<u8>)>, StoreError> {
    let rows = sqlx::query(
        "select first_offset, next_offset, outcomes from batch \
         where topic = $1 and partition = $2 and next_offset > $3 and first_offset < $4 \
         order by first_offset",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(first))
    .bind(int(next))
    .fetch_all(&mut **tx)
    .await?;
    let mut batches = Vec::with_capacity(rows.len());
    for row in rows {
        let first = uint(row.try_get("first_offset")?);
        batches.push((first, uint(row.try_get("next_offset")?), row.try_get("outcomes")?));
    }
    Ok(batches)
}

/// Forgets what became of the messages before a position that the log no longer has; the batches'
/// records and digests stay. Gives how many records that emptied.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn forget_before(
    tx: &mut Tx,
    key: &PartitionKey,
    position: u64,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "update batch set outcomes = $1 where topic = $2 and partition = $3 \
         and next_offset <= $4 and length(outcomes) > 0",
    )
    .bind(Vec::new())
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(position))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Position at which a batch began, or the first of those that it was joined with.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn first_offset(tx: &mut Tx, key: &PartitionKey, batch: u64) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "select first_offset from batch where topic = $1 and partition = $2 and batch <= $3 \
         order by batch desc limit 1",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(batch))
    .fetch_optional(&mut **tx)
    .await?;
    row.map_or(Ok(0), |row| Ok(uint(row.try_get("first_offset")?)))
}

#[cfg(test)]
mod tests;
