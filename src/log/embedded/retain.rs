//! How long the embedded log keeps what is applied: by age, and by the size of all of it. The caller
//! says how far each partition may be trimmed; nothing from there on is ever dropped.

use std::collections::BTreeMap;

use sqlx::Row;

use super::{EmbeddedLog, append, number};
use crate::log::LogError;

/// Limits of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Records are kept this long, counted back from the latest append time of the log, so that a
    /// replay keeps what the day itself would have kept.
    pub log_retention_ms: i64,
    /// Records take so many bytes at most, as far as what must stay permits.
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

/// One row of the log, oldest first.
struct StoredRow {
    place: (String, u32),
    next_offset: u64,
    records: u64,
    received_at: i64,
    bytes: u64,
}

impl EmbeddedLog {
    /// Drops what is too old, and then the oldest where the log is still too large; only whole
    /// rows below the partition's bound.
    ///
    /// # Errors
    /// [`LogError`] where the storage refuses; what was dropped before stays dropped.
    pub async fn retain(
        &self,
        bounds: &[TrimBound],
        retention: Retention,
    ) -> Result<Trimmed, LogError> {
        let rows = self.rows_by_age().await?;
        let bounds: BTreeMap<(String, u32), u64> =
            bounds.iter().map(|b| ((b.topic.clone(), b.partition), b.before)).collect();
        let latest = rows.iter().map(|row| row.received_at).max().unwrap_or(i64::MIN);
        let oldest_kept = latest.saturating_sub(retention.log_retention_ms);
        let mut left: u64 = rows.iter().map(|row| row.bytes).sum();
        let mut before: BTreeMap<(String, u32), u64> = BTreeMap::new();
        let mut trimmed = Trimmed::default();
        for row in rows {
            let bound = bounds.get(&row.place).copied().unwrap_or(0);
            let is_over = row.received_at < oldest_kept || left > retention.log_bytes_max;
            if !is_over || row.next_offset > bound {
                continue;
            }
            left = left.saturating_sub(row.bytes);
            trimmed.records += row.records;
            trimmed.bytes += row.bytes;
            before.insert(row.place, row.next_offset);
        }
        for ((topic, partition), before) in before {
            append::trim(self, &topic, partition, before).await?;
        }
        Ok(trimmed)
    }

    async fn rows_by_age(&self) -> Result<Vec<StoredRow>, LogError> {
        let rows = sqlx::query(
            "select t.topic, b.partition, b.first_offset, b.next_offset, b.received_at, \
             length(b.bytes) as bytes \
             from log_batch b join log_topic t on t.topic_id = b.topic_id \
             order by b.received_at, b.topic_id, b.partition, b.first_offset",
        )
        .fetch_all(&self.reader)
        .await?;
        let read = rows.iter().map(|row| {
            let next_offset: u64 = number(row, "next_offset")?;
            let first_offset: u64 = number(row, "first_offset")?;
            Ok(StoredRow {
                place: (row.try_get("topic")?, number(row, "partition")?),
                next_offset,
                records: next_offset.saturating_sub(first_offset),
                received_at: row.try_get("received_at")?,
                bytes: number(row, "bytes")?,
            })
        });
        read.collect()
    }
}
