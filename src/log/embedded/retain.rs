//! How long the embedded log keeps what is applied: by age, and by the size of its file. The caller
//! says how far each partition may be trimmed; nothing from there on is ever dropped. Where
//! nothing is to go, that costs a look at the oldest row of each partition.

use std::collections::BTreeMap;

use sqlx::Row;

use super::{EmbeddedLog, append, number};
use crate::log::LogError;

/// Rows of one partition that are looked at together.
const ROWS_A_LOOK: i64 = 256;

/// Limits of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Records are kept this long, counted back from the latest append time of the topics of their
    /// kind (`raw`, `events`), so that a replay keeps what the day itself would have kept.
    pub log_retention_ms: i64,
    /// The file uses so many bytes at most, as far as what must stay permits. It does not shrink:
    /// pages that are free are used again.
    pub log_bytes_max: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { log_retention_ms: 7 * 86_400_000, log_bytes_max: 8 << 30 }
    }
}

/// Up to where a partition may be trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrimBound {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The first position that must stay.
    pub before: u64,
}

/// What was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Records.
    pub records: u64,
    /// Their compressed bytes.
    pub bytes: u64,
}

/// A row that may go.
struct Droppable {
    /// Place of its partition among the bounds.
    partition: usize,
    first_offset: u64,
    next_offset: u64,
    received_at: i64,
    bytes: u64,
}

/// What a topic's name begins with. Topics of one kind share a clock; under a replay, those of
/// another do not.
fn kind_of(topic: &str) -> &str {
    topic.split_once('.').map_or(topic, |(kind, _)| kind)
}

impl EmbeddedLog {
    /// Drops what is too old, and then the oldest while the file is still too large; only whole
    /// rows below the partition's bound.
    ///
    /// # Errors
    /// [`LogError`] where the storage refuses; what was dropped before stays dropped.
    pub async fn retain(
        &self,
        bounds: &[TrimBound],
        retention: Retention,
    ) -> Result<Trimmed, LogError> {
        let latest = self.latest().await?;
        let mut trimmed = Trimmed::default();
        loop {
            let mut rows = self.oldest(bounds).await?;
            rows.retain(|row| {
                let kind = bounds.get(row.partition).map_or("", |bound| kind_of(&bound.topic));
                let latest = latest.get(kind).copied().unwrap_or(i64::MIN);
                row.received_at < latest.saturating_sub(retention.log_retention_ms)
            });
            if !self.drop_rows(bounds, &rows, &mut trimmed).await? {
                break;
            }
        }
        loop {
            let mut over = self.bytes_used().await?.saturating_sub(retention.log_bytes_max);
            let mut rows = if over > 0 { self.oldest(bounds).await? } else { Vec::new() };
            rows.sort_by_key(|row| (row.received_at, row.partition, row.first_offset));
            rows.retain(|row| {
                let goes = over > 0;
                over = over.saturating_sub(row.bytes);
                goes
            });
            if !self.drop_rows(bounds, &rows, &mut trimmed).await? {
                return Ok(trimmed);
            }
        }
    }

    /// The latest append time of each kind of topic.
    async fn latest(&self) -> Result<BTreeMap<String, i64>, LogError> {
        let rows = sqlx::query(
            "select t.topic, max(p.received_at) as latest \
             from log_topic t join log_partition p on p.topic_id = t.topic_id group by t.topic",
        )
        .fetch_all(&self.reader)
        .await?;
        let mut latest = BTreeMap::new();
        for row in rows {
            let topic: String = row.try_get("topic")?;
            let of_kind = latest.entry(kind_of(&topic).to_owned()).or_insert(i64::MIN);
            *of_kind = row.try_get::<i64, _>("latest")?.max(*of_kind);
        }
        Ok(latest)
    }

    /// Bytes of the file's pages that are in use.
    async fn bytes_used(&self) -> Result<u64, LogError> {
        let row = sqlx::query(
            "select (page_count - freelist_count) * page_size as used \
             from pragma_page_count, pragma_freelist_count, pragma_page_size",
        )
        .fetch_one(&self.reader)
        .await?;
        Ok(number(&row, "used")?)
    }

    /// The first rows of each partition that lie below its bound as a whole, in order.
    async fn oldest(&self, bounds: &[TrimBound]) -> Result<Vec<Droppable>, LogError> {
        let mut oldest = Vec::new();
        for (partition, bound) in bounds.iter().enumerate() {
            let rows = sqlx::query(
                "select b.first_offset, b.next_offset, b.received_at, length(b.bytes) as bytes \
                 from log_topic t join log_batch b on b.topic_id = t.topic_id \
                 where t.topic = $1 and b.partition = $2 and b.first_offset < $3 \
                 order by b.first_offset limit $4",
            )
            .bind(&bound.topic)
            .bind(i64::from(bound.partition))
            .bind(bound.before.cast_signed())
            .bind(ROWS_A_LOOK)
            .fetch_all(&self.reader)
            .await?;
            for row in &rows {
                let row = Droppable {
                    partition,
                    first_offset: number(row, "first_offset")?,
                    next_offset: number(row, "next_offset")?,
                    received_at: row.try_get("received_at")?,
                    bytes: number(row, "bytes")?,
                };
                oldest.extend(Some(row).filter(|row| row.next_offset <= bound.before));
            }
        }
        Ok(oldest)
    }

    /// Drops rows, which are the first of their partitions. Gives whether there were any.
    async fn drop_rows(
        &self,
        bounds: &[TrimBound],
        rows: &[Droppable],
        trimmed: &mut Trimmed,
    ) -> Result<bool, LogError> {
        let mut before: BTreeMap<usize, u64> = BTreeMap::new();
        for row in rows {
            let last = before.entry(row.partition).or_insert(0);
            *last = row.next_offset.max(*last);
            trimmed.records += row.next_offset.saturating_sub(row.first_offset);
            trimmed.bytes += row.bytes;
        }
        for (partition, before) in before {
            if let Some(bound) = bounds.get(partition) {
                append::trim(self, &bound.topic, bound.partition, before).await?;
            }
        }
        Ok(!rows.is_empty())
    }
}
