//! Segments and handoff: the order book as it lies in the database.

use sqlx::Row;

use super::positions::PartitionKey;
use super::{StoreError, Tx, int, uint};
use crate::domain::time::Day;

/// Place of a seal's corrections among what is to be published of its day: behind all that it
/// keeps.
pub const AFTER_KEPT: u32 = u32::MAX - 1;
/// Place of what late runs add: behind all that the seal wrote.
pub const AFTER_SEAL: u32 = u32::MAX;

/// What the rows of a segment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SegmentKind {
    /// First events of orders.
    Base,
    /// Further events, by ordinal.
    Delta,
    /// Events that wait for an acceptance.
    Early,
    /// Events of days that are no longer in memory.
    Late,
    /// A sealed day: one row an order, sorted by rider.
    Sealed,
    /// A sealed day's fingerprints.
    Index,
    /// Riders of counted orders of a sealed day, by unit.
    Workers,
    /// Whole events that are still to be published although their day is sealed.
    Unpublished,
}

impl SegmentKind {
    /// The word in the database.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Delta => "delta",
            Self::Early => "early",
            Self::Late => "late",
            Self::Sealed => "sealed",
            Self::Index => "index",
            Self::Workers => "workers",
            Self::Unpublished => "unpublished",
        }
    }
}

/// One stored segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSegment {
    /// Its day (of acceptance; for early and late ones the day of their batch).
    pub day: Day,
    /// What its rows are.
    pub kind: SegmentKind,
    /// Ordinal of its first row (base, sealed).
    pub first_ordinal: u32,
    /// Ordinal after its last row (base, sealed).
    pub next_ordinal: u32,
    /// First batch whose rows it has.
    pub batch: u64,
    /// Last batch whose rows it has.
    pub batch_last: u64,
    /// Number of rows.
    pub rows: u64,
    /// The segment itself.
    pub bytes: Vec<u8>,
}

/// Writes one segment.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn put(
    tx: &mut Tx,
    key: &PartitionKey,
    segment: &StoredSegment,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into segment (topic, partition, day, kind, first_ordinal, batch, batch_last, \
         next_ordinal, rows, bytes) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(i64::from(segment.day.epoch_days()))
    .bind(segment.kind.code())
    .bind(i64::from(segment.first_ordinal))
    .bind(int(segment.batch))
    .bind(int(segment.batch_last))
    .bind(i64::from(segment.next_ordinal))
    .bind(int(segment.rows))
    .bind(&segment.bytes)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes one segment (after its rows were joined, folded or matched).
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn delete(
    tx: &mut Tx,
    key: &PartitionKey,
    segment: &StoredSegment,
) -> Result<(), StoreError> {
    let StoredSegment { kind, day, first_ordinal, batch, .. } = segment;
    delete_at(tx, key, (*kind, *day, *first_ordinal, *batch)).await
}

/// Deletes the segment of one kind, day, first ordinal and first batch.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn delete_at(
    tx: &mut Tx,
    key: &PartitionKey,
    (kind, day, first_ordinal, batch): (SegmentKind, Day, u32, u64),
) -> Result<(), StoreError> {
    sqlx::query(
        "delete from segment where topic = $1 and partition = $2 and day = $3 and kind = $4 \
         and first_ordinal = $5 and batch = $6",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(i64::from(day.epoch_days()))
    .bind(kind.code())
    .bind(i64::from(first_ordinal))
    .bind(int(batch))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes the early segment that a batch wrote.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn delete_early(tx: &mut Tx, key: &PartitionKey, batch: u64) -> Result<(), StoreError> {
    sqlx::query(
        "delete from segment where topic = $1 and partition = $2 and kind = 'early' \
         and batch = $3",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(batch))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes every early segment of a partition, before what still waits is written again.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn delete_all_early(tx: &mut Tx, key: &PartitionKey) -> Result<(), StoreError> {
    sqlx::query("delete from segment where topic = $1 and partition = $2 and kind = 'early'")
        .bind(&key.topic)
        .bind(i64::from(key.partition))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Takes the riders' segments of a day out of every partition of a topic. Two owners that do so at
/// once get each segment once.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn take_riders(
    tx: &mut Tx,
    topic: &str,
    partitions: u32,
    day: Day,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut taken = Vec::new();
    for partition in 0..partitions {
        let rows = sqlx::query(
            "delete from segment where topic = $1 and partition = $2 and day = $3 \
             and kind = 'workers' returning bytes",
        )
        .bind(topic)
        .bind(i64::from(partition))
        .bind(i64::from(day.epoch_days()))
        .fetch_all(&mut **tx)
        .await?;
        for row in rows {
            taken.push(row.try_get("bytes")?);
        }
    }
    Ok(taken)
}

/// Segments of one kind, of one day or of all, by day and first ordinal and batch.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn of_kind(
    tx: &mut Tx,
    key: &PartitionKey,
    kind: SegmentKind,
    day: Option<Day>,
) -> Result<Vec<StoredSegment>, StoreError> {
    let days = day.map_or((i64::MIN, i64::MAX), |day| {
        (i64::from(day.epoch_days()), i64::from(day.epoch_days()))
    });
    let rows = sqlx::query(
        "select day, first_ordinal, next_ordinal, batch, batch_last, rows, bytes from segment \
         where topic = $1 and partition = $2 and day between $3 and $4 and kind = $5 \
         order by day, first_ordinal, batch",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(days.0)
    .bind(days.1)
    .bind(kind.code())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| stored(kind, row)).collect()
}

/// The base segment of an open day that holds an ordinal.
///
/// # Errors
/// [`StoreError`] where the engine refuses or the row is damaged.
pub async fn holding(
    tx: &mut Tx,
    key: &PartitionKey,
    day: Day,
    ordinal: u32,
) -> Result<Option<StoredSegment>, StoreError> {
    let row = sqlx::query(
        "select day, first_ordinal, next_ordinal, batch, batch_last, rows, bytes from segment \
         where topic = $1 and partition = $2 and day = $3 and kind = 'base' \
           and first_ordinal <= $4 \
         order by first_ordinal desc limit 1",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(i64::from(day.epoch_days()))
    .bind(i64::from(ordinal))
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| stored(SegmentKind::Base, &row)).transpose()
}

/// Sizes of the base or delta segments of a day, without their bytes: (first ordinal, batch,
/// rows), in order.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn sizes(
    tx: &mut Tx,
    key: &PartitionKey,
    kind: SegmentKind,
    day: Day,
) -> Result<Vec<(u32, u64, u64)>, StoreError> {
    let rows = sqlx::query(
        "select first_ordinal, batch, rows from segment \
         where topic = $1 and partition = $2 and day = $3 and kind = $4 \
         order by first_ordinal, batch",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(i64::from(day.epoch_days()))
    .bind(kind.code())
    .fetch_all(&mut **tx)
    .await?;
    let mut sizes = Vec::with_capacity(rows.len());
    for row in rows {
        let first: i64 = row.try_get("first_ordinal")?;
        let first = u32::try_from(first).unwrap_or(u32::MAX);
        sizes.push((first, uint(row.try_get("batch")?), uint(row.try_get("rows")?)));
    }
    Ok(sizes)
}

/// The first bytes of every segment of a kind and day, by first ordinal and batch.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn beginnings(
    tx: &mut Tx,
    key: &PartitionKey,
    kind: SegmentKind,
    day: Day,
    bytes_max: usize,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows = sqlx::query(
        "select substr(bytes, 1, cast($5 as integer)) as beginning from segment \
         where topic = $1 and partition = $2 and day = $3 and kind = $4 \
         order by first_ordinal, batch",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(i64::from(day.epoch_days()))
    .bind(kind.code())
    .bind(i64::try_from(bytes_max).unwrap_or(i64::MAX))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok(row.try_get("beginning")?)).collect()
}

/// One segment by its key.
///
/// # Errors
/// [`StoreError`] where the engine refuses or the row is damaged.
pub async fn get(
    tx: &mut Tx,
    key: &PartitionKey,
    kind: SegmentKind,
    day: Day,
    first_ordinal: u32,
    batch: u64,
) -> Result<Option<StoredSegment>, StoreError> {
    let row = sqlx::query(
        "select day, first_ordinal, next_ordinal, batch, batch_last, rows, bytes from segment \
         where topic = $1 and partition = $2 and day = $3 and kind = $4 \
           and first_ordinal = $5 and batch = $6",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(i64::from(day.epoch_days()))
    .bind(kind.code())
    .bind(i64::from(first_ordinal))
    .bind(int(batch))
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| stored(kind, &row)).transpose()
}

fn stored(kind: SegmentKind, row: &sqlx::any::AnyRow) -> Result<StoredSegment, StoreError> {
    let day: i64 = row.try_get("day")?;
    let first: i64 = row.try_get("first_ordinal")?;
    let next: i64 = row.try_get("next_ordinal")?;
    Ok(StoredSegment {
        day: Day::from_epoch_days(i32::try_from(day).unwrap_or(i32::MAX)),
        kind,
        first_ordinal: u32::try_from(first).unwrap_or(u32::MAX),
        next_ordinal: u32::try_from(next).unwrap_or(u32::MAX),
        batch: uint(row.try_get("batch")?),
        batch_last: uint(row.try_get("batch_last")?),
        rows: uint(row.try_get("rows")?),
        bytes: row.try_get("bytes")?,
    })
}

/// Leaves events for the owner of their identity.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn hand_off(
    tx: &mut Tx,
    from: &PartitionKey,
    to: u32,
    batch: u64,
    events: u64,
    bytes: &[u8],
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into handoff (topic, to_partition, from_partition, batch, events, bytes) \
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&from.topic)
    .bind(i64::from(to))
    .bind(i64::from(from.partition))
    .bind(int(batch))
    .bind(int(events))
    .bind(bytes)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The oldest waiting handoff of a partition: from partition, batch, bytes.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn waiting_handoff(
    tx: &mut Tx,
    key: &PartitionKey,
) -> Result<Option<(u32, u64, Vec<u8>)>, StoreError> {
    let row = sqlx::query(
        "select from_partition, batch, bytes from handoff \
         where topic = $1 and to_partition = $2 order by from_partition, batch limit 1",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| handoff(&row)).transpose()
}

/// All waiting handoffs of a partition: from partition, batch, bytes.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn all_handoffs(
    tx: &mut Tx,
    key: &PartitionKey,
) -> Result<Vec<(u32, u64, Vec<u8>)>, StoreError> {
    let rows = sqlx::query(
        "select from_partition, batch, bytes from handoff \
         where topic = $1 and to_partition = $2 order by from_partition, batch",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(handoff).collect()
}

fn handoff(row: &sqlx::any::AnyRow) -> Result<(u32, u64, Vec<u8>), StoreError> {
    let from: i64 = row.try_get("from_partition")?;
    let from = u32::try_from(from).unwrap_or(u32::MAX);
    Ok((from, uint(row.try_get("batch")?), row.try_get("bytes")?))
}

/// How many bytes wait for a partition.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn handoff_bytes(tx: &mut Tx, to: &PartitionKey) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "select cast(coalesce(sum(length(bytes)), 0) as bigint) as bytes from handoff \
         where topic = $1 and to_partition = $2",
    )
    .bind(&to.topic)
    .bind(i64::from(to.partition))
    .fetch_one(&mut **tx)
    .await?;
    Ok(uint(row.try_get("bytes")?))
}

/// Deletes exactly the handoff that was read.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn delete_handoff(
    tx: &mut Tx,
    key: &PartitionKey,
    from: u32,
    batch: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "delete from handoff where topic = $1 and to_partition = $2 and from_partition = $3 \
         and batch = $4",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(i64::from(from))
    .bind(int(batch))
    .execute(&mut **tx)
    .await?;
    Ok(())
}
