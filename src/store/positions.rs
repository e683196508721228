//! Ownership and progress of partitions: leases with an epoch, and the swap that every batch of
//! an owner begins with.

use sqlx::{AssertSqlSafe, Row};

use super::{Engine, StoreError, Tx, int, uint};
use crate::domain::time::Moment;

/// One partition of one raw topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionKey {
    /// `raw.<connector>`.
    pub topic: String,
    /// The partition.
    pub partition: u32,
}

/// What an owner holds of a partition between two batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Fences every earlier owner.
    pub epoch: u64,
    /// Number of the last committed batch.
    pub batch: u64,
    /// Position of the next record to apply.
    pub next_offset: u64,
    /// Append time of the last applied record; the partition's clock.
    pub received_at: Moment,
    /// Head of the partition's audit chain (SHA-256).
    pub chain_head: [u8; 32],
    /// What identifies the last applied record in the log; `None` before the first.
    pub last_digest: Option<[u8; 32]>,
}

/// Registers the partitions of a topic, once.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses; [`StoreError::Damaged`] where the topic is
/// registered with another number of partitions.
pub async fn register_topic(
    tx: &mut Tx,
    topic: &str,
    connector: &str,
    partitions: u32,
) -> Result<(), StoreError> {
    if is_registered(tx, topic, partitions).await? {
        return Ok(());
    }
    sqlx::query(
        "insert into topic (topic, connector, partitions) values ($1, $2, $3) \
         on conflict (topic) do nothing",
    )
    .bind(topic)
    .bind(connector)
    .bind(i64::from(partitions))
    .execute(&mut **tx)
    .await?;
    // Another instance may have been faster.
    is_registered(tx, topic, partitions).await?;
    for partition in 0..partitions {
        sqlx::query(
            "insert into position (topic, partition, chain_head) values ($1, $2, $3) \
             on conflict (topic, partition) do nothing",
        )
        .bind(topic)
        .bind(i64::from(partition))
        .bind([0u8; 32].to_vec())
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Whether a topic is registered; with another number of partitions it is damaged.
async fn is_registered(tx: &mut Tx, topic: &str, partitions: u32) -> Result<bool, StoreError> {
    let row = sqlx::query("select partitions from topic where topic = $1")
        .bind(topic)
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(false) };
    let found: i64 = row.try_get("partitions")?;
    if found == i64::from(partitions) {
        return Ok(true);
    }
    let detail = format!("{topic}: expected {partitions} partitions, found {found}");
    Err(StoreError::Damaged { what: "topic.partitions", detail })
}

/// Notes what tells the topic in the log from another one under its name, once: a topic that has
/// another id later is another topic.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn note_log_id(tx: &mut Tx, topic: &str, id: &str) -> Result<(), StoreError> {
    if log_id(tx, topic).await?.is_some() {
        return Ok(());
    }
    sqlx::query("update topic set log_id = $1 where topic = $2 and log_id is null")
        .bind(id)
        .bind(topic)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The ids that were noted, by topic.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn log_ids(tx: &mut Tx) -> Result<Vec<(String, String)>, StoreError> {
    let rows = sqlx::query("select topic, log_id from topic where log_id is not null")
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| Ok((row.try_get("topic")?, row.try_get("log_id")?))).collect()
}

/// The id that was noted for a topic.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn log_id(tx: &mut Tx, topic: &str) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("select log_id from topic where topic = $1")
        .bind(topic)
        .fetch_optional(&mut **tx)
        .await?;
    row.map_or(Ok(None), |row| Ok(row.try_get("log_id")?))
}

/// Who wants a partition, and for how long at a time.
#[derive(Clone, Copy, Debug)]
pub struct Lease<'a> {
    /// The instance.
    pub owner: &'a str,
    /// How long without a batch.
    pub lease_ms: i64,
    /// The process's clock; it counts only where the database has none of its own.
    pub process_now: Moment,
}

/// Takes the partition where it is free, the owner's own, or its lease has run out by the
/// database's clock; commits a new epoch. `None` where another owner's lease holds, or where the
/// topic is being grown to another number of partitions than `growing_to` (0: to none).
///
/// # Errors
/// [`StoreError`] where the engine refuses or the row is damaged.
pub async fn claim(
    tx: &mut Tx,
    key: &PartitionKey,
    lease: Lease<'_>,
    growing_to: u32,
) -> Result<Option<Claim>, StoreError> {
    let now = Engine::of(tx).now_sql("$1");
    let row = sqlx::query(AssertSqlSafe(format!(
        "update position set owner = $2, epoch = epoch + 1, lease_until = {now} + $3 \
         where topic = $4 and partition = $5 \
           and (owner is null or owner = $2 or lease_until <= {now}) and growing_to = $6 \
         returning epoch, batch, next_offset, received_at, chain_head, last_digest"
    )))
    .bind(lease.process_now.ms())
    .bind(lease.owner)
    .bind(lease.lease_ms)
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(i64::from(growing_to))
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let chain_head = digest("position.chain_head", row.try_get("chain_head")?)?;
    let last: Option<Vec<u8>> = row.try_get("last_digest")?;
    let last_digest = last.map(|last| digest("position.last_digest", last)).transpose()?;
    Ok(Some(Claim {
        epoch: uint(row.try_get("epoch")?),
        batch: uint(row.try_get("batch")?),
        next_offset: uint(row.try_get("next_offset")?),
        received_at: Moment::from_ms(row.try_get("received_at")?),
        chain_head,
        last_digest,
    }))
}

fn digest(what: &'static str, bytes: Vec<u8>) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|bytes: Vec<u8>| {
        let detail = format!("expected 32 bytes, found {}", bytes.len());
        StoreError::Damaged { what, detail }
    })
}

/// The swap: the first statement of every batch. `false` where the partition has another owner or
/// another batch by now; the caller drops its memory and claims again.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn swap(
    tx: &mut Tx,
    key: &PartitionKey,
    claim: &Claim,
    lease: Lease<'_>,
) -> Result<bool, StoreError> {
    let now = Engine::of(tx).now_sql("$1");
    let done = sqlx::query(AssertSqlSafe(format!(
        "update position set batch = batch + 1, lease_until = {now} + $2 \
         where topic = $3 and partition = $4 and batch = $5 and epoch = $6"
    )))
    .bind(lease.process_now.ms())
    .bind(lease.lease_ms)
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(claim.batch))
    .bind(int(claim.epoch))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether a claim still stands: the partition has no other owner and no later batch.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn stands(tx: &mut Tx, key: &PartitionKey, claim: &Claim) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "select 1 as one from position \
         where topic = $1 and partition = $2 and batch = $3 and epoch = $4",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(claim.batch))
    .bind(int(claim.epoch))
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.is_some())
}

/// Keeps the lease while a long step goes on without a batch. `false` where the partition has
/// another owner by now.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn renew(
    tx: &mut Tx,
    key: &PartitionKey,
    claim: &Claim,
    lease: Lease<'_>,
) -> Result<bool, StoreError> {
    let now = Engine::of(tx).now_sql("$1");
    let done = sqlx::query(AssertSqlSafe(format!(
        "update position set lease_until = {now} + $2 \
         where topic = $3 and partition = $4 and epoch = $5"
    )))
    .bind(lease.process_now.ms())
    .bind(lease.lease_ms)
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(claim.epoch))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes the progress of the batch that [`swap`] began.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn advance(tx: &mut Tx, key: &PartitionKey, after: &Claim) -> Result<(), StoreError> {
    sqlx::query(
        "update position set next_offset = $1, received_at = $2, chain_head = $3, \
         last_digest = $4 where topic = $5 and partition = $6",
    )
    .bind(int(after.next_offset))
    .bind(after.received_at.ms())
    .bind(after.chain_head.to_vec())
    .bind(after.last_digest.map(|digest| digest.to_vec()))
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gives the partition back at a batch boundary, so that another owner need not wait.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn release(tx: &mut Tx, key: &PartitionKey, claim: &Claim) -> Result<(), StoreError> {
    sqlx::query(
        "update position set owner = null, lease_until = 0 \
         where topic = $1 and partition = $2 and epoch = $3",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(claim.epoch))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Where each partition of a topic stands: partition, next position, append time.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn progress(tx: &mut Tx, topic: &str) -> Result<Vec<(u32, u64, Moment)>, StoreError> {
    let rows = sqlx::query(
        "select partition, next_offset, received_at from position where topic = $1 \
         order by partition",
    )
    .bind(topic)
    .fetch_all(&mut **tx)
    .await?;
    let mut progress = Vec::with_capacity(rows.len());
    for row in rows {
        let partition: i64 = row.try_get("partition")?;
        let received_at = Moment::from_ms(row.try_get("received_at")?);
        let partition = u32::try_from(partition).unwrap_or(u32::MAX);
        progress.push((partition, uint(row.try_get("next_offset")?), received_at));
    }
    Ok(progress)
}

/// Up to which position each partition's messages are needed no more: they are applied, and no day
/// that is still open may have to look its orders' messages up again when it is sealed, also of a
/// partition that came from this one. The one
/// place that says so: whoever else comes to need the log (a cursor of publishing, for one) lowers
/// the bound here.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn done_with(tx: &mut Tx) -> Result<Vec<(PartitionKey, u64)>, StoreError> {
    let rows = sqlx::query(
        "select q.topic, q.partition, q.next_offset, case when q.open_from is not null then \
           coalesce((select b.first_offset from batch b \
             where b.topic = q.topic and b.partition = q.partition and b.batch <= q.open_from \
             order by b.batch desc limit 1), 0) end as needed \
         from (select p.topic, p.partition, p.next_offset, \
             (select min(first.batch) from ( \
               select s.batch from order_day d \
               join segment s on s.topic = d.topic and s.partition = d.partition \
                 and s.day = d.day and s.kind = 'base' \
               where d.topic = p.topic and d.partition = p.partition and d.state = 'open' \
               union all \
               select s.batch from growth g \
               join order_day d on d.topic = g.topic and d.partition = g.partition \
               join segment s on s.topic = d.topic and s.partition = d.partition \
                 and s.day = d.day and s.kind = 'base' and s.batch <= g.batch_until \
               where g.topic = p.topic and g.ancestor = p.partition and d.state = 'open' \
              ) as first) as open_from \
           from position p where p.growing_to = 0) as q order by q.topic, q.partition",
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut bounds = Vec::with_capacity(rows.len());
    for row in rows {
        let partition: i64 = row.try_get("partition")?;
        let partition = u32::try_from(partition).unwrap_or(u32::MAX);
        let key = PartitionKey { topic: row.try_get("topic")?, partition };
        let applied = uint(row.try_get("next_offset")?);
        let needed = row.try_get::<Option<i64>, _>("needed")?.map_or(applied, uint);
        bounds.push((key, applied.min(needed)));
    }
    Ok(bounds)
}

/// The number of partitions of a topic; 1 where it is not registered.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn partitions_of(tx: &mut Tx, topic: &str) -> Result<u32, StoreError> {
    let row = sqlx::query("select partitions from topic where topic = $1")
        .bind(topic)
        .fetch_optional(&mut **tx)
        .await?;
    let partitions: i64 = row.map_or(Ok(1), |row| row.try_get("partitions"))?;
    Ok(u32::try_from(partitions).unwrap_or(u32::MAX))
}

/// Locks the position rows of all partitions, in order, and gives the first that has applied a
/// message of `cut_at` or later.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn past(tx: &mut Tx, cut_at: Moment) -> Result<Option<PartitionKey>, StoreError> {
    // SQLite's one writer needs no lock; elsewhere the rows are locked in the order of their key,
    // and what is read below is what the batches before have committed.
    let lock = match Engine::of(tx) {
        Engine::Sqlite => "select 1 as one from position limit 0",
        Engine::Postgres => "select 1 as one from position order by topic, partition for update",
    };
    sqlx::query(lock).fetch_all(&mut **tx).await?;
    let row = sqlx::query(
        "select topic, partition from position where received_at >= $1 \
         order by topic, partition limit 1",
    )
    .bind(cut_at.ms())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let partition: i64 = row.try_get("partition")?;
    let partition = u32::try_from(partition).unwrap_or(u32::MAX);
    Ok(Some(PartitionKey { topic: row.try_get("topic")?, partition }))
}
