//! The reading half: batches, extents, marks, positions.

use std::ops::Range;

use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};
use zstd::bulk::Decompressor;

use super::append::{Partition, partitions};
use super::{EmbeddedLog, block, number};
use crate::domain::ids::FeedId;
use crate::domain::time::Moment;
use crate::log::{Appended, Batch, BatchRecord, Extent, Headers, IntakeMark, LogError};

/// Rows that one read looks at: bounds the work of a partition that was filled one by one.
const ROWS_MAX: i64 = 4096;

/// From here on unpacking moves off the threads that serve sockets.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// Where to read.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: u32,
    pub(super) from: u64,
}

/// The error of a partition that is not there.
pub(super) fn missing(topic: &str, partition: u32, found: &[Partition]) -> LogError {
    let topic = topic.to_owned();
    if found.is_empty() {
        return LogError::TopicUnknown { topic };
    }
    LogError::PartitionCount {
        topic,
        expected: partition.saturating_add(1),
        found: u32::try_from(found.len()).unwrap_or(u32::MAX),
    }
}

pub(super) async fn topic_id(log: &EmbeddedLog, topic: &str) -> Result<String, LogError> {
    let row = sqlx::query("select identity from log_topic where topic = $1")
        .bind(topic)
        .fetch_optional(&log.reader)
        .await?;
    let row = row.ok_or_else(|| LogError::TopicUnknown { topic: topic.to_owned() })?;
    Ok(row.try_get("identity")?)
}

pub(super) async fn extents(log: &EmbeddedLog, topic: &str) -> Result<Vec<Extent>, LogError> {
    let mut tx = log.reader.begin().await?;
    let found = partitions(&mut tx, topic).await?;
    if found.is_empty() {
        return Err(LogError::TopicUnknown { topic: topic.to_owned() });
    }
    let extent =
        |row: &Partition| Extent { partition: row.partition, first: row.first, next: row.next };
    Ok(found.iter().map(extent).collect())
}

pub(super) async fn read(
    log: &EmbeddedLog,
    place: Place<'_>,
    bytes_max: usize,
) -> Result<Batch, LogError> {
    let mut tx = log.reader.begin().await?;
    let found = partitions(&mut tx, place.topic).await?;
    let Some(partition) = found.iter().find(|found| found.partition == place.partition) else {
        return Err(missing(place.topic, place.partition, &found));
    };
    if place.from < partition.first || place.from > partition.next {
        return Err(LogError::OutOfRange {
            topic: place.topic.to_owned(),
            partition: place.partition,
            asked: place.from,
            first: partition.first,
            next: partition.next,
        });
    }
    if place.from == partition.next {
        return Ok(Batch::default());
    }
    let Some(span) = span(&mut tx, partition, place.from, bytes_max).await? else {
        return Err(LogError::Damaged {
            topic: place.topic.to_owned(),
            partition: place.partition,
            offset: place.from,
            detail: "expected a batch, found none".to_owned(),
        });
    };
    let rows = sqlx::query(
        "select first_offset, next_offset, received_at, feed, header_digest, raw_bytes, bytes \
         from log_batch where topic_id = $1 and partition = $2 and first_offset between $3 and $4 \
         order by first_offset",
    )
    .bind(partition.topic_id)
    .bind(i64::from(place.partition))
    .bind(span.rows.0)
    .bind(span.rows.1)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let wanted = Wanted { from: place.from, bytes_max };
    let unpacked = if span.raw_bytes <= INLINE_BYTES_MAX {
        unpack(&rows, wanted, span.raw_bytes)
    } else {
        tokio::task::spawn_blocking(move || unpack(&rows, wanted, span.raw_bytes))
            .await
            .map_err(std::io::Error::other)?
    };
    unpacked.map_err(|fault| match fault {
        Fault::Storage(error) => error.into(),
        Fault::Damaged { offset, detail } => LogError::Damaged {
            topic: place.topic.to_owned(),
            partition: place.partition,
            offset,
            detail,
        },
    })
}

struct Span {
    /// First position of the first and of the last row.
    rows: (i64, i64),
    /// Their size when unpacked.
    raw_bytes: usize,
}

/// Which rows a read needs, by their columns alone.
async fn span(
    tx: &mut Transaction<'static, Any>,
    partition: &Partition,
    from: u64,
    bytes_max: usize,
) -> Result<Option<Span>, LogError> {
    let rows = sqlx::query(
        "select first_offset, raw_bytes from log_batch \
         where topic_id = $1 and partition = $2 and first_offset >= coalesce(( \
         select max(first_offset) from log_batch \
         where topic_id = $1 and partition = $2 and first_offset <= $3), 0) \
         order by first_offset limit $4",
    )
    .bind(partition.topic_id)
    .bind(i64::from(partition.partition))
    .bind(from.cast_signed())
    .bind(ROWS_MAX)
    .fetch_all(&mut **tx)
    .await?;
    let mut span: Option<Span> = None;
    for row in rows {
        let first: i64 = row.try_get("first_offset")?;
        let bytes: usize = number(&row, "raw_bytes")?;
        match &mut span {
            None => span = Some(Span { rows: (first, first), raw_bytes: bytes }),
            // The first row counts nothing, since any part of it may lie before `from`.
            Some(span) if span.raw_bytes < bytes_max => {
                span.rows.1 = first;
                span.raw_bytes = span.raw_bytes.saturating_add(bytes);
            }
            Some(_) => break,
        }
    }
    Ok(span)
}

#[derive(Clone, Copy)]
struct Wanted {
    from: u64,
    bytes_max: usize,
}

enum Fault {
    Storage(sqlx::Error),
    Damaged { offset: u64, detail: String },
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Storage(error)
    }
}

fn unpack(rows: &[AnyRow], wanted: Wanted, raw_bytes: usize) -> Result<Batch, Fault> {
    let damaged = |offset: u64, detail: String| Fault::Damaged { offset, detail };
    let mut batch = Batch::default();
    batch
        .bytes
        .try_reserve(raw_bytes)
        .map_err(|error| damaged(wanted.from, format!("{raw_bytes} bytes unpacked: {error}")))?;
    let mut decompressor =
        Decompressor::new().map_err(|error| damaged(wanted.from, error.to_string()))?;
    let mut taken = 0;
    let mut expected: Option<u64> = None;
    for row in rows {
        let first: u64 = number(row, "first_offset")?;
        let next: u64 = number(row, "next_offset")?;
        let follows = expected.map_or(first <= wanted.from, |expected| expected == first);
        if !follows {
            let expected = expected.unwrap_or(wanted.from);
            return Err(damaged(first, format!("expected a batch with position {expected}")));
        }
        expected = Some(next);
        let size = number(row, "raw_bytes")?;
        let frame: &[u8] = row.try_get("bytes")?;
        let ranges = block::unpack(&mut decompressor, frame, size, &mut batch.bytes)
            .map_err(|detail| damaged(first, detail))?;
        if u64::try_from(ranges.len()).ok() != next.checked_sub(first) {
            let detail = format!("expected records {first}..{next}, found {}", ranges.len());
            return Err(damaged(first, detail));
        }
        let received_at = Moment::from_ms(row.try_get("received_at")?);
        let header = header_index(&mut batch.headers, row)?;
        for (offset, range) in (first..next).zip(ranges) {
            if offset < wanted.from {
                continue;
            }
            taken += Range::len(&range);
            if taken > wanted.bytes_max && !batch.records.is_empty() {
                return Ok(batch);
            }
            batch.records.push(BatchRecord { offset, received_at, header, range });
        }
    }
    Ok(batch)
}

fn header_index(headers: &mut Vec<Headers>, row: &AnyRow) -> Result<u32, Fault> {
    let feed = FeedId::new(row.try_get("feed")?).map_err(|error| sqlx::Error::ColumnDecode {
        index: "feed".into(),
        source: error.into(),
    })?;
    let header = Headers { feed, header_digest: digest(row, "header_digest")? };
    let place = headers.iter().position(|known| *known == header).unwrap_or_else(|| {
        headers.push(header);
        headers.len() - 1
    });
    Ok(u32::try_from(place).unwrap_or(u32::MAX))
}

fn digest(row: &AnyRow, column: &'static str) -> Result<Option<[u8; 32]>, sqlx::Error> {
    let Some(bytes) = row.try_get::<Option<&[u8]>, _>(column)? else { return Ok(None) };
    let digest = <[u8; 32]>::try_from(bytes).map_err(|error| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: Box::new(error),
    })?;
    Ok(Some(digest))
}

pub(super) async fn mark(log: &EmbeddedLog, source: &str) -> Result<Option<IntakeMark>, LogError> {
    let row = sqlx::query(
        "select source, bytes_in, records_in, complete, digest from log_mark where source = $1",
    )
    .bind(source)
    .fetch_optional(&log.reader)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let complete: i64 = row.try_get("complete")?;
    Ok(Some(IntakeMark {
        source: row.try_get("source")?,
        offset: number(&row, "bytes_in")?,
        records: number(&row, "records_in")?,
        complete: complete != 0,
        digest: digest(&row, "digest")?.unwrap_or_default(),
    }))
}

pub(super) async fn positions(log: &EmbeddedLog, source: &str) -> Result<Vec<Appended>, LogError> {
    let rows = sqlx::query(
        "select g.partition, g.first_offset, g.next_offset from log_mark m \
         join log_given g on g.mark_id = m.mark_id \
         where m.source = $1 order by g.records_before, g.partition",
    )
    .bind(source)
    .fetch_all(&log.reader)
    .await?;
    let given = rows.iter().map(|row| {
        Ok(Appended {
            partition: number(row, "partition")?,
            offsets: number(row, "first_offset")?..number(row, "next_offset")?,
        })
    });
    given.collect()
}
