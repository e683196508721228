//! How far order events are published: a cursor of batch numbers a partition, and what waits
//! behind it in segments.

use sqlx::Row;

use super::positions::PartitionKey;
use super::segments::SegmentKind;
use super::{StoreError, Tx, column, int, uint};
use crate::domain::time::{Day, Moment};

/// A segment with rows to publish, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its day.
    pub day: Day,
    /// Base or delta of a day that is not sealed, or unpublished.
    pub kind: SegmentKind,
    /// With kind, day and batch its key.
    pub first_ordinal: u32,
    /// First batch whose rows it has.
    pub batch: u64,
    /// Last batch whose rows it has.
    pub batch_last: u64,
    /// Number of rows.
    pub rows: u64,
    /// Partition whose batch its first one was: another one where this one came from it.
    pub partition: u32,
    /// First position of its first batch.
    pub first_offset: u64,
    /// Append time of its first batch.
    pub received_at: Moment,
}

/// Events of one raw topic that are not published yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// `raw.<connector>`.
    pub topic: String,
    /// How many at most (a joined segment counts whole).
    pub events: u64,
    /// Append time of the oldest batch among them.
    pub since: Option<Moment>,
}

/// The last batch of a partition that is published whole; 0 where none is.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn cursor(tx: &mut Tx, key: &PartitionKey) -> Result<u64, StoreError> {
    let row = sqlx::query("select batch from publish_cursor where topic = $1 and partition = $2")
        .bind(&key.topic)
        .bind(i64::from(key.partition))
        .fetch_optional(&mut **tx)
        .await?;
    row.map_or(Ok(0), |row| Ok(uint(row.try_get("batch")?)))
}

/// The last batch that a partition has committed; 0 where it has none.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn last_batch(tx: &mut Tx, key: &PartitionKey) -> Result<u64, StoreError> {
    let row = sqlx::query("select batch from position where topic = $1 and partition = $2")
        .bind(&key.topic)
        .bind(i64::from(key.partition))
        .fetch_optional(&mut **tx)
        .await?;
    row.map_or(Ok(0), |row| Ok(uint(row.try_get("batch")?)))
}

/// Moves the cursor after the log confirmed the append; never back.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn advance(tx: &mut Tx, key: &PartitionKey, batch: u64) -> Result<(), StoreError> {
    sqlx::query(
        "insert into publish_cursor (topic, partition, batch) values ($1, $2, $3) \
         on conflict (topic, partition) do update set batch = excluded.batch \
         where publish_cursor.batch < excluded.batch",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(batch))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Partitions where something may wait: those with a batch beyond the cursor, which need not have
/// written anything to publish, and those where sealing left something unpublished. Partitions
/// that a topic is being grown to are not among them yet.
///
/// # Errors
/// [`StoreError`] where the engine refuses.
pub async fn partitions(tx: &mut Tx) -> Result<Vec<PartitionKey>, StoreError> {
    let rows = sqlx::query(
        "select p.topic, p.partition from position p \
         join topic t on t.topic = p.topic and p.partition < t.partitions \
         left join publish_cursor c on c.topic = p.topic and c.partition = p.partition \
         where p.batch > coalesce(c.batch, 0) or exists (select 1 from segment s \
           where s.topic = p.topic and s.partition = p.partition and s.kind = 'unpublished') \
         order by p.topic, p.partition",
    )
    .fetch_all(&mut **tx)
    .await?;
    let key = |row: &sqlx::any::AnyRow| {
        let partition = column::number(row, "partition", "position.partition")?;
        Ok(PartitionKey { topic: row.try_get("topic")?, partition })
    };
    rows.iter().map(key).collect()
}

/// Segments of a partition with rows beyond the cursor: base and delta of days that are not
/// sealed, in order of their last batch, and everything that sealing left unpublished. A segment
/// of a batch of the partition that this one came from has that batch's place and time.
///
/// # Errors
/// [`StoreError`] where the engine refuses.
pub async fn waiting(
    tx: &mut Tx,
    key: &PartitionKey,
    cursor: u64,
) -> Result<Vec<Waiting>, StoreError> {
    let rows = sqlx::query(
        "select s.day, s.kind, s.first_ordinal, s.batch, s.batch_last, s.rows, \
         coalesce(s.ancestor, s.partition) as source, \
         coalesce((select b.first_offset from batch b where b.topic = s.topic \
           and b.partition = coalesce(s.ancestor, s.partition) and b.batch <= s.batch \
           order by b.batch desc limit 1), 0) as first_offset, \
         coalesce((select b.received_at from batch b where b.topic = s.topic \
           and b.partition = coalesce(s.ancestor, s.partition) and b.batch <= s.batch \
           order by b.batch desc limit 1), 0) as received_at \
         from (select t.topic, t.partition, t.day, t.kind, t.first_ordinal, t.batch, \
             t.batch_last, t.rows, \
             (select g.ancestor from growth g where g.topic = t.topic \
              and g.partition = t.partition and g.batch_until >= t.batch \
              order by g.batch_until limit 1) as ancestor \
           from segment t where t.topic = $1 and t.partition = $2 \
             and t.kind in ('unpublished', 'base', 'delta')) s \
         left join order_day d \
           on d.topic = s.topic and d.partition = s.partition and d.day = s.day \
         where s.kind = 'unpublished' or (s.batch_last > $3 and d.state <> 'sealed') \
         order by s.batch_last, s.day, s.kind, s.first_ordinal, s.batch",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(int(cursor))
    .fetch_all(&mut **tx)
    .await?;
    let mut waiting = Vec::with_capacity(rows.len());
    for row in rows {
        let kind: String = row.try_get("kind")?;
        let kinds = [SegmentKind::Base, SegmentKind::Delta, SegmentKind::Unpublished];
        let day: i64 = row.try_get("day")?;
        let first: i64 = row.try_get("first_ordinal")?;
        waiting.push(Waiting {
            day: Day::from_epoch_days(i32::try_from(day).unwrap_or(i32::MAX)),
            kind: kinds.into_iter().find(|one| one.code() == kind).ok_or_else(|| {
                StoreError::Damaged { what: "segment.kind", detail: format!("found {kind:?}") }
            })?,
            first_ordinal: u32::try_from(first).unwrap_or(u32::MAX),
            batch: uint(row.try_get("batch")?),
            batch_last: uint(row.try_get("batch_last")?),
            rows: uint(row.try_get("rows")?),
            partition: column::number(&row, "source", "segment.partition")?,
            first_offset: uint(row.try_get("first_offset")?),
            received_at: Moment::from_ms(row.try_get("received_at")?),
        });
    }
    Ok(waiting)
}

/// Base segments of a day in order of ordinals, without their bytes: first ordinal, next
/// ordinal, batch.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn bases(
    tx: &mut Tx,
    key: &PartitionKey,
    day: Day,
) -> Result<Vec<(u32, u32, u64)>, StoreError> {
    let rows = sqlx::query(
        "select first_ordinal, next_ordinal, batch from segment \
         where topic = $1 and partition = $2 and day = $3 and kind = 'base' \
         order by first_ordinal, batch",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(i64::from(day.epoch_days()))
    .fetch_all(&mut **tx)
    .await?;
    let ordinal = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
    let base = |row: &sqlx::any::AnyRow| {
        let first = ordinal(row.try_get("first_ordinal")?);
        Ok((first, ordinal(row.try_get("next_ordinal")?), uint(row.try_get("batch")?)))
    };
    rows.iter().map(base).collect()
}

/// How far publishing of orders is behind, by raw topic; topics with nothing waiting are absent.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn behind(tx: &mut Tx) -> Result<Vec<Behind>, StoreError> {
    let rows = sqlx::query(
        "select s.topic, cast(sum(s.rows) as bigint) as events, \
         min((select b.received_at from batch b where b.topic = s.topic \
           and b.partition = coalesce((select g.ancestor from growth g where g.topic = s.topic \
             and g.partition = s.partition and g.batch_until >= s.batch \
             order by g.batch_until limit 1), s.partition) and b.batch <= s.batch \
           order by b.batch desc limit 1)) as since \
         from segment s left join order_day d \
           on d.topic = s.topic and d.partition = s.partition and d.day = s.day \
         left join publish_cursor c on c.topic = s.topic and c.partition = s.partition \
         where s.kind = 'unpublished' or (s.kind in ('base', 'delta') \
           and s.batch_last > coalesce(c.batch, 0) and d.state <> 'sealed') \
         group by s.topic order by s.topic",
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut topics = Vec::with_capacity(rows.len());
    for row in rows {
        let since: Option<i64> = row.try_get("since")?;
        topics.push(Behind {
            topic: row.try_get("topic")?,
            events: uint(row.try_get("events")?),
            since: since.map(Moment::from_ms),
        });
    }
    Ok(topics)
}

/// Keeps the text of a schema under the number that stands in published frames, as it was when
/// the number was first used; a test holds numbers, released versions and texts together.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn keep_schema(tx: &mut Tx, id: u32, record: &str, body: &str) -> Result<(), StoreError> {
    sqlx::query(
        "insert into canonical_schema (id, record, body) values ($1, $2, $3) \
         on conflict (id) do nothing",
    )
    .bind(i64::from(id))
    .bind(record)
    .bind(body)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
