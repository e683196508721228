//! Growing a topic to a multiple of its partitions: who may touch it meanwhile, and what its new
//! partitions come from.
//!
//! Partition `p` of `n` becomes `p`, `p + n`, `p + 2 n` and so on: the hash that gave an order to
//! `p` gives it to one of these. From [`begin`] to [`finish`] nobody else claims a partition of the
//! topic, also where the command that grows it has died: it is given again, and goes on.

use sqlx::Row;

use super::positions::PartitionKey;
use super::{Engine, StoreError, Tx, column, int, uint};

/// A topic's number of partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// How many it has.
    pub partitions: u32,
    /// How many it is being grown to.
    pub growing_to: Option<u32>,
}

/// A partition whose batches are the first ones of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ancestor {
    /// The partition.
    pub partition: u32,
    /// Its last batch that the other one goes on from.
    pub batch_until: u64,
    /// How far it had applied its log then.
    pub next_offset: u64,
}

/// How many partitions a topic has; `None` where it is not registered. It stays so until the
/// transaction ends.
///
/// # Errors
/// [`StoreError`] where the engine refuses or the row is damaged.
pub async fn of_topic(tx: &mut Tx, topic: &str) -> Result<Option<Growth>, StoreError> {
    let sql = match Engine::of(tx) {
        Engine::Sqlite => "select partitions, growing_to from topic where topic = $1",
        Engine::Postgres => "select partitions, growing_to from topic where topic = $1 for share",
    };
    let row = sqlx::query(sql).bind(topic).fetch_optional(&mut **tx).await?;
    row.map(|row| growth(&row)).transpose()
}

/// As [`of_topic`], and nobody else looks at it under a lock until the transaction ends.
///
/// # Errors
/// As [`of_topic`].
pub async fn take(tx: &mut Tx, topic: &str) -> Result<Option<Growth>, StoreError> {
    sqlx::query("update topic set growing_to = growing_to where topic = $1")
        .bind(topic)
        .execute(&mut **tx)
        .await?;
    of_topic(tx, topic).await
}

/// Every topic that is registered, without a lock.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn of_all(tx: &mut Tx) -> Result<Vec<(String, Growth)>, StoreError> {
    let rows = sqlx::query("select topic, partitions, growing_to from topic order by topic")
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| Ok((row.try_get("topic")?, growth(row)?))).collect()
}

fn growth(row: &sqlx::any::AnyRow) -> Result<Growth, StoreError> {
    let growing_to: Option<i64> = row.try_get("growing_to")?;
    Ok(Growth {
        partitions: column::number(row, "partitions", "topic")?,
        growing_to: growing_to.and_then(|to| u32::try_from(to).ok()),
    })
}

/// Takes the topic from everybody: no batch commits under a claim from before, and nobody but who
/// splits its partitions claims one. Makes the rows of the new partitions, so that whoever reads
/// the order book looks there too.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn begin(tx: &mut Tx, topic: &str, from: u32, to: u32) -> Result<(), StoreError> {
    sqlx::query("update topic set growing_to = $1 where topic = $2")
        .bind(i64::from(to))
        .bind(topic)
        .execute(&mut **tx)
        .await?;
    // Row by row in their order, as everybody locks them.
    for partition in 0..from {
        sqlx::query(
            "update position set growing_to = $1, epoch = epoch + 1, owner = null, \
             lease_until = 0 where topic = $2 and partition = $3",
        )
        .bind(i64::from(to))
        .bind(topic)
        .bind(i64::from(partition))
        .execute(&mut **tx)
        .await?;
    }
    for partition in from..to {
        sqlx::query(
            "insert into position (topic, partition, received_at, chain_head, growing_to) \
             select topic, $1, received_at, chain_head, $2 from position \
             where topic = $3 and partition = $4 on conflict (topic, partition) do nothing",
        )
        .bind(i64::from(partition))
        .bind(i64::from(to))
        .bind(topic)
        .bind(i64::from(partition % from.max(1)))
        .execute(&mut **tx)
        .await?;
        // Once, before the first split, also where nothing is published yet: what is published of
        // the parent later says nothing of this one.
        sqlx::query(
            "insert into publish_cursor (topic, partition, batch) \
             select p.topic, $1, coalesce(c.batch, 0) from position p \
             left join publish_cursor c on c.topic = p.topic and c.partition = p.partition \
             where p.topic = $2 and p.partition = $3 \
             on conflict (topic, partition) do nothing",
        )
        .bind(i64::from(partition))
        .bind(topic)
        .bind(i64::from(partition % from.max(1)))
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Ends the growing: the new partitions go on where those that they come from stand, and everybody
/// may claim.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn finish(tx: &mut Tx, topic: &str, from: u32, to: u32) -> Result<(), StoreError> {
    // Row by row in their order, as everybody locks them.
    for partition in 0..to {
        sqlx::query(
            "update position set growing_to = 0, epoch = epoch + 1, owner = null, \
             lease_until = 0 where topic = $1 and partition = $2",
        )
        .bind(topic)
        .bind(i64::from(partition))
        .execute(&mut **tx)
        .await?;
    }
    for partition in from..to {
        let (own, parent) = (i64::from(partition), i64::from(partition % from.max(1)));
        for sql in [
            "update position set (batch, received_at, chain_head) = \
             (select p.batch, p.received_at, p.chain_head from position p \
              where p.topic = $1 and p.partition = $3) where topic = $1 and partition = $2",
            "insert into growth (topic, partition, ancestor, batch_until, next_offset) \
             select topic, $2, partition, batch, next_offset from position \
             where topic = $1 and partition = $3",
            "insert into growth (topic, partition, ancestor, batch_until, next_offset) \
             select topic, $2, ancestor, batch_until, next_offset from growth \
             where topic = $1 and partition = $3",
        ] {
            sqlx::query(sql).bind(topic).bind(own).bind(parent).execute(&mut **tx).await?;
        }
    }
    sqlx::query("update topic set partitions = $1, growing_to = null where topic = $2")
        .bind(i64::from(to))
        .bind(topic)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The partitions whose batches are among those that a partition's segments may be of, of `batch`
/// or later; the earliest first.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn ancestors(
    tx: &mut Tx,
    key: &PartitionKey,
    batch: u64,
) -> Result<Vec<Ancestor>, StoreError> {
    let rows = sqlx::query(
        "select ancestor, batch_until, next_offset from growth \
         where topic = $1 and partition = $2 and batch_until >= $3 order by batch_until",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(batch))
    .fetch_all(&mut **tx)
    .await?;
    let ancestor = |row: &sqlx::any::AnyRow| {
        Ok(Ancestor {
            partition: column::number(row, "ancestor", "growth")?,
            batch_until: uint(row.try_get("batch_until")?),
            next_offset: uint(row.try_get("next_offset")?),
        })
    };
    rows.iter().map(ancestor).collect()
}
