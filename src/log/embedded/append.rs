//! The writing half: packing records, giving them positions, trimming.

use std::collections::BTreeMap;

use sqlx::Row;

use super::block::{Packed, Packer};
use super::{EmbeddedLog, LogTx, number};
use crate::domain::ids::FeedId;
use crate::domain::time::Moment;
use crate::log::{Append, Appended, IntakeMark, LogError, NewRecord, check_mark};

/// Record bytes in one row: what reading a single record has to unpack at most.
const ROW_BYTES_MAX: usize = 1 << 20;

/// From here on packing moves off the threads that serve sockets.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// The row of a partition.
pub(super) struct Partition {
    pub(super) topic_id: i64,
    pub(super) partition: u32,
    pub(super) first: u64,
    pub(super) next: u64,
    pub(super) received_at: Moment,
}

struct NewRow {
    partition: u32,
    count: usize,
    packed: Packed,
}

struct RowHeaders {
    feed: FeedId,
    header_digest: Option<[u8; 32]>,
}

/// The partitions of a topic, in order; none where it does not exist.
pub(super) async fn partitions(tx: &mut LogTx, topic: &str) -> Result<Vec<Partition>, LogError> {
    let rows = sqlx::query(
        "select p.topic_id, p.partition, p.first_offset, p.next_offset, p.received_at \
         from log_topic t join log_partition p on p.topic_id = t.topic_id \
         where t.topic = $1 order by p.partition",
    )
    .bind(topic)
    .fetch_all(&mut **tx)
    .await?;
    let read = rows.iter().map(|row| {
        Ok(Partition {
            topic_id: row.try_get("topic_id")?,
            partition: number(row, "partition")?,
            first: number(row, "first_offset")?,
            next: number(row, "next_offset")?,
            received_at: Moment::from_ms(row.try_get("received_at")?),
        })
    });
    read.collect()
}

/// Makes empty partitions.
pub(super) async fn add_partitions(
    tx: &mut LogTx,
    topic_id: i64,
    new: std::ops::Range<u32>,
) -> Result<(), LogError> {
    for partition in new {
        sqlx::query("insert into log_partition (topic_id, partition) values ($1, $2)")
            .bind(topic_id)
            .bind(i64::from(partition))
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

pub(super) async fn append(log: &EmbeddedLog, append: Append) -> Result<Vec<Appended>, LogError> {
    let Append { topic, feed, header_digest, records, received_at, mark } = append;
    let records_new = u64::try_from(records.len()).unwrap_or(u64::MAX);
    let rows = pack(records).await?;
    let headers = RowHeaders { feed, header_digest };

    let mut tx = log.begin().await?;
    let mut partitions = partitions(&mut tx, &topic).await?;
    check_partitions(&topic, &partitions, &rows)?;
    let at = received_at.unwrap_or_else(|| (log.clock)());
    let mut given: Vec<Appended> = Vec::new();
    for row in rows {
        let place = usize::try_from(row.partition).unwrap_or(usize::MAX);
        let Some(partition) = partitions.get_mut(place) else { continue };
        let offsets = insert_row(&mut tx, partition, &headers, row, at).await?;
        match given.last_mut() {
            Some(last) if last.partition == partition.partition => last.offsets.end = offsets.end,
            Some(_) | None => given.push(Appended { partition: partition.partition, offsets }),
        }
    }
    for one in &given {
        let place = usize::try_from(one.partition).unwrap_or(usize::MAX);
        if let Some(partition) = partitions.get(place) {
            advance(&mut tx, partition).await?;
        }
    }
    if let (Some(mark), Some(topic)) = (mark, partitions.first()) {
        store_mark(&mut tx, &mark, records_new, (topic.topic_id, &given)).await?;
    }
    tx.commit().await?;
    Ok(given)
}

/// Groups by partition, keeping order, and packs rows.
async fn pack(records: Vec<NewRecord>) -> Result<Vec<NewRow>, LogError> {
    let bytes: usize = records.iter().map(|record| record.value.len()).sum();
    if bytes <= INLINE_BYTES_MAX {
        return Ok(pack_now(&records)?);
    }
    tokio::task::spawn_blocking(move || pack_now(&records))
        .await
        .map_err(std::io::Error::other)?
        .map_err(LogError::from)
}

fn pack_now(records: &[NewRecord]) -> std::io::Result<Vec<NewRow>> {
    let mut by_partition: BTreeMap<u32, Vec<&[u8]>> = BTreeMap::new();
    for record in records {
        by_partition.entry(record.partition).or_default().push(&record.value);
    }
    let mut packer = Packer::new()?;
    let mut rows = Vec::new();
    for (partition, values) in by_partition {
        let mut rest = values.as_slice();
        while !rest.is_empty() {
            let (row, later) = rest.split_at(row_records(rest));
            rows.push(NewRow { partition, count: row.len(), packed: packer.pack(row)? });
            rest = later;
        }
    }
    Ok(rows)
}

/// How many of the records the next row takes: at least one.
fn row_records(values: &[&[u8]]) -> usize {
    let mut bytes = 0;
    let fitting = values.iter().take_while(|value| {
        bytes += value.len();
        bytes <= ROW_BYTES_MAX
    });
    fitting.count().max(1)
}

fn check_partitions(
    topic: &str,
    partitions: &[Partition],
    rows: &[NewRow],
) -> Result<(), LogError> {
    if partitions.is_empty() {
        return Err(LogError::TopicUnknown { topic: topic.to_owned() });
    }
    let found = u32::try_from(partitions.len()).unwrap_or(u32::MAX);
    match rows.iter().map(|row| row.partition).max() {
        Some(highest) if highest >= found => Err(LogError::PartitionCount {
            topic: topic.to_owned(),
            expected: highest.saturating_add(1),
            found,
        }),
        Some(_) | None => Ok(()),
    }
}

async fn insert_row(
    tx: &mut LogTx,
    partition: &mut Partition,
    headers: &RowHeaders,
    row: NewRow,
    at: Moment,
) -> Result<std::ops::Range<u64>, LogError> {
    let first = partition.next;
    let next = first + u64::try_from(row.count).unwrap_or(u64::MAX);
    partition.next = next;
    partition.received_at = partition.received_at.max(at);
    sqlx::query(
        "insert into log_batch (topic_id, partition, first_offset, next_offset, received_at, \
         feed, header_digest, raw_bytes, bytes) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(partition.topic_id)
    .bind(i64::from(partition.partition))
    .bind(first.cast_signed())
    .bind(next.cast_signed())
    .bind(partition.received_at.ms())
    .bind(headers.feed.as_str())
    .bind(headers.header_digest.map(|digest| digest.to_vec()))
    .bind(i64::try_from(row.packed.raw_bytes).unwrap_or(i64::MAX))
    .bind(row.packed.frame)
    .execute(&mut **tx)
    .await?;
    Ok(first..next)
}

async fn advance(tx: &mut LogTx, partition: &Partition) -> Result<(), LogError> {
    sqlx::query(
        "update log_partition set next_offset = $1, received_at = $2 \
         where topic_id = $3 and partition = $4",
    )
    .bind(partition.next.cast_signed())
    .bind(partition.received_at.ms())
    .bind(partition.topic_id)
    .bind(i64::from(partition.partition))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn store_mark(
    tx: &mut LogTx,
    mark: &IntakeMark,
    records_new: u64,
    (topic_id, given): (i64, &[Appended]),
) -> Result<(), LogError> {
    let row = sqlx::query("select records_in from log_mark where source = $1")
        .bind(&mark.source)
        .fetch_optional(&mut **tx)
        .await?;
    let before: u64 = row.map_or(Ok(0), |row| number(&row, "records_in"))?;
    check_mark(mark, before, records_new)?;
    let row = sqlx::query(
        "insert into log_mark (source, bytes_in, records_in, complete, digest) \
         values ($1, $2, $3, $4, $5) on conflict (source) do update set \
         bytes_in = excluded.bytes_in, records_in = excluded.records_in, \
         complete = excluded.complete, digest = excluded.digest returning mark_id",
    )
    .bind(&mark.source)
    .bind(mark.offset.cast_signed())
    .bind(mark.records.cast_signed())
    .bind(i64::from(mark.complete))
    .bind(mark.digest.as_slice())
    .fetch_one(&mut **tx)
    .await?;
    let mark_id: i64 = row.try_get("mark_id")?;
    for one in given {
        sqlx::query(
            "insert into log_given (mark_id, records_before, topic_id, partition, first_offset, \
             next_offset) values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(mark_id)
        .bind(before.cast_signed())
        .bind(topic_id)
        .bind(i64::from(one.partition))
        .bind(one.offsets.start.cast_signed())
        .bind(one.offsets.end.cast_signed())
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Deletes the rows that lie below `before` as a whole, and the positions given in them.
pub(super) async fn trim(
    log: &EmbeddedLog,
    topic: &str,
    partition: u32,
    before: u64,
) -> Result<(), LogError> {
    let mut tx = log.begin().await?;
    let found = partitions(&mut tx, topic).await?;
    let Some(place) = found.iter().find(|found| found.partition == partition) else {
        return Err(super::read::missing(topic, partition, &found));
    };
    let row = sqlx::query(
        "select max(next_offset) as first from log_batch \
         where topic_id = $1 and partition = $2 and next_offset <= $3",
    )
    .bind(place.topic_id)
    .bind(i64::from(partition))
    .bind(before.min(place.next).cast_signed())
    .fetch_one(&mut *tx)
    .await?;
    let Some(first) = row.try_get::<Option<i64>, _>("first")? else { return Ok(()) };
    for statement in [
        "delete from log_batch where topic_id = $1 and partition = $2 and next_offset <= $3",
        "delete from log_given where topic_id = $1 and partition = $2 and next_offset <= $3",
        "update log_partition set first_offset = $3 where topic_id = $1 and partition = $2",
    ] {
        sqlx::query(statement)
            .bind(place.topic_id)
            .bind(i64::from(partition))
            .bind(first)
            .execute(&mut *tx)
            .await?;
    }
    Ok(tx.commit().await?)
}
