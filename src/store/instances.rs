//! Instances beside one another: who lives, by the database's clock, and who holds what.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, Row};

use super::positions::{Lease, PartitionKey};
use super::{Engine, StoreError, Tx, column, uint};
use crate::domain::time::Moment;

/// A partition, and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The partition.
    pub key: PartitionKey,
    /// How many partitions its topic has.
    pub partitions: u32,
    /// The instance that claimed it last and has not given it back.
    pub owner: Option<String>,
    /// The epoch of its last claim.
    pub epoch: u64,
    /// For how long that one's lease has run out, in milliseconds; `None` while it holds.
    pub over_ms: Option<i64>,
}

/// Says that an instance lives for one lease more, and goes on with the work that it leads.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn beat(tx: &mut Tx, lease: Lease<'_>) -> Result<(), StoreError> {
    let now = Engine::of(tx).now_sql("$1");
    sqlx::query(AssertSqlSafe(format!(
        "insert into instance (owner, alive_until) values ($2, {now} + $3) \
         on conflict (owner) do update set alive_until = excluded.alive_until"
    )))
    .bind(lease.process_now.ms())
    .bind(lease.owner)
    .bind(lease.lease_ms)
    .execute(&mut **tx)
    .await?;
    let sql = format!("update leader set lease_until = {now} + $3 where owner = $2");
    sqlx::query(AssertSqlSafe(sql))
        .bind(lease.process_now.ms())
        .bind(lease.owner)
        .bind(lease.lease_ms)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Takes work that one instance does for all, where nobody has it. Returns whether the instance
/// has it now.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn lead(tx: &mut Tx, work: &str, lease: Lease<'_>) -> Result<bool, StoreError> {
    let now = Engine::of(tx).now_sql("$1");
    let done = sqlx::query(AssertSqlSafe(format!(
        "insert into leader (work, owner, lease_until) values ($4, $2, {now} + $3) \
         on conflict (work) do update set owner = excluded.owner, \
         lease_until = excluded.lease_until \
         where leader.owner = excluded.owner or leader.lease_until <= {now}"
    )))
    .bind(lease.process_now.ms())
    .bind(lease.owner)
    .bind(lease.lease_ms)
    .bind(work)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Says that an instance has ended, and forgets those that ended without a word.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn leave(tx: &mut Tx, lease: Lease<'_>) -> Result<(), StoreError> {
    let now = Engine::of(tx).now_sql("$1");
    let sql = format!("delete from instance where owner = $2 or alive_until <= {now}");
    sqlx::query(AssertSqlSafe(sql))
        .bind(lease.process_now.ms())
        .bind(lease.owner)
        .execute(&mut **tx)
        .await?;
    sqlx::query("delete from leader where owner = $1").bind(lease.owner).execute(&mut **tx).await?;
    Ok(())
}

/// The instances that live.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn living(tx: &mut Tx, process_now: Moment) -> Result<BTreeSet<String>, StoreError> {
    let now = Engine::of(tx).now_sql("$1");
    let sql = format!("select owner from instance where alive_until > {now}");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(process_now.ms()).fetch_all(&mut **tx).await?;
    rows.iter().map(|row| Ok(row.try_get("owner")?)).collect()
}

/// Every partition and who has it, by topic and partition; none of a topic that is being grown.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn holdings(tx: &mut Tx, process_now: Moment) -> Result<Vec<Holding>, StoreError> {
    let now = Engine::of(tx).now_sql("$1");
    let rows = sqlx::query(AssertSqlSafe(format!(
        "select p.topic, p.partition, t.partitions, p.owner, p.epoch, \
         cast({now} - p.lease_until as bigint) as over_ms \
         from position p join topic t on t.topic = p.topic \
         where p.growing_to = 0 order by p.topic, p.partition"
    )))
    .bind(process_now.ms())
    .fetch_all(&mut **tx)
    .await?;
    let holding = |row: &sqlx::any::AnyRow| {
        let partition = column::number(row, "partition", "position")?;
        Ok(Holding {
            key: PartitionKey { topic: row.try_get("topic")?, partition },
            partitions: column::number(row, "partitions", "topic")?,
            owner: row.try_get("owner")?,
            epoch: uint(row.try_get("epoch")?),
            over_ms: row.try_get::<Option<i64>, _>("over_ms")?.filter(|over| *over >= 0),
        })
    };
    rows.iter().map(holding).collect()
}
