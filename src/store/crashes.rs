//! Batches that crash the applying side, one row a partition: what its next owner must know to
//! find the record that does it.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::positions::PartitionKey;
use super::{StoreError, Tx, int, uint};

/// Where the last crash of a partition was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Where the partition stood when it crashed last.
    pub at: u64,
    /// End of the first batch that crashed: behind it the search is over.
    pub until: u64,
    /// Records of the batch that crashed last.
    pub records: u64,
    /// How often it has happened before `until`.
    pub crashes: u64,
    /// What the last one said.
    pub detail: String,
}

/// The last crash of a partition, if it ever had one.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn last(tx: &mut Tx, key: &PartitionKey) -> Result<Option<Crash>, StoreError> {
    let row = sqlx::query(
        "select at_offset, until_offset, records, crashes, detail from apply_crash \
         where topic = $1 and partition = $2",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(crash_in).transpose()
}

/// Crashes whose record is still looked for, by partition.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn all(tx: &mut Tx) -> Result<Vec<(PartitionKey, Crash)>, StoreError> {
    let rows = sqlx::query(
        "select c.topic, c.partition, at_offset, until_offset, records, crashes, detail \
         from apply_crash c join position p on p.topic = c.topic and p.partition = c.partition \
         where p.next_offset < c.until_offset order by c.topic, c.partition",
    )
    .fetch_all(&mut **tx)
    .await?;
    let with_key = |row: &AnyRow| {
        let partition: i64 = row.try_get("partition")?;
        let partition = u32::try_from(partition).unwrap_or(u32::MAX);
        Ok((PartitionKey { topic: row.try_get("topic")?, partition }, crash_in(row)?))
    };
    rows.iter().map(with_key).collect()
}

fn crash_in(row: &AnyRow) -> Result<Crash, StoreError> {
    Ok(Crash {
        at: uint(row.try_get("at_offset")?),
        until: uint(row.try_get("until_offset")?),
        records: uint(row.try_get("records")?),
        crashes: uint(row.try_get("crashes")?),
        detail: row.try_get("detail")?,
    })
}

/// Writes a partition's last crash down.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn note(tx: &mut Tx, key: &PartitionKey, crash: &Crash) -> Result<(), StoreError> {
    sqlx::query(
        "insert into apply_crash \
         (topic, partition, at_offset, until_offset, records, crashes, detail) \
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (topic, partition) do update \
         set at_offset = excluded.at_offset, until_offset = excluded.until_offset, \
         records = excluded.records, crashes = excluded.crashes, detail = excluded.detail",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(crash.at))
    .bind(int(crash.until))
    .bind(int(crash.records))
    .bind(int(crash.crashes))
    .bind(&crash.detail)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
