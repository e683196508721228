//! Joining adjacent segments of an open day into larger ones, so that many small batches do not
//! cost more bytes an order than few large ones.
//!
//! Segments fall into size classes by powers of four. Where enough neighbours of a class, or of
//! lower ones between them, stand together, they become one of a higher class: a row is so
//! rewritten a few times at most, and batches whose sizes lie about a border of classes are joined
//! like any others.

use std::ops::Range;
use std::sync::Arc;

use sha2::Sha256;

use crate::domain::time::Day;
use crate::orders::columns::Columns;
use crate::orders::segment::{SegmentError, decode, encode_joined};
use crate::orders::shard::Phase;
use crate::store::publish;
use crate::store::segments::{self, SegmentKind, StoredSegment};

use super::{Owner, Step};
use crate::apply::engine::EngineError;

/// Rows of a size class are so many times those of the one below.
const CLASS_FACTOR: u64 = 4;

impl Owner {
    /// Joins one run of neighbours, if there is one. Looks only once there were as many batches
    /// since it last found none as a run has segments at least.
    pub(super) async fn merge_segments(&mut self) -> Result<Step, EngineError> {
        let run_min = u64::try_from(self.engine.settings.merge_segments_min).unwrap_or(u64::MAX);
        if self.claim.batch < self.segments_joined.saturating_add(run_min) {
            return Ok(Step::Idle);
        }
        let Some(shard) = self.shard.clone() else { return Ok(Step::Idle) };
        let open = shard.days().filter(|(_, state)| state.phase == Phase::Open);
        let days: Vec<Day> = open.map(|(day, _)| day).collect();
        drop(shard);
        if days.is_empty() {
            return Ok(Step::Idle);
        }
        let mut tx = self.engine.db.snapshot().await?;
        let cursor = publish::cursor(&mut tx, &self.key).await?;
        for day in days {
            for kind in [SegmentKind::Base, SegmentKind::Delta] {
                let sizes = segments::sizes(&mut tx, &self.key, kind, day).await?;
                // What is published is not joined with what is not: it would be published again.
                let published = sizes.partition_point(|(_, batch, _)| *batch <= cursor);
                let (published, waiting) = sizes.split_at(published);
                let run = [published, waiting].into_iter().find_map(|part| self.run_of(part));
                let Some(run) = run else { continue };
                let _under_way = self.under_way("merge");
                let mut parts = Vec::with_capacity(run.len());
                for (first, batch, _) in run {
                    parts.extend(
                        segments::get(&mut tx, &self.key, kind, day, *first, *batch).await?,
                    );
                }
                tx.commit().await?;
                return self.join(parts).await;
            }
        }
        tx.commit().await?;
        self.segments_joined = self.claim.batch;
        Ok(Step::Idle)
    }

    fn run_of<'a>(&self, sizes: &'a [(u32, u64, u64)]) -> Option<&'a [(u32, u64, u64)]> {
        let rows: Vec<u64> = sizes.iter().map(|(_, _, rows)| *rows).collect();
        let settings = &self.engine.settings;
        let run = run_to_join(&rows, settings.merge_segments_min, settings.merge_rows_max)?;
        sizes.get(run)
    }

    async fn join(&mut self, parts: Vec<StoredSegment>) -> Result<Step, EngineError> {
        let head = self.head();
        let parts = Arc::new(parts);
        let own = Arc::clone(&parts);
        let joined = tokio::task::spawn_blocking(move || {
            let mut rows = Columns::default();
            for part in own.iter() {
                rows.append(&decode(&part.bytes)?.1);
            }
            if own.first().is_some_and(|part| part.kind == SegmentKind::Delta) {
                rows = rows.sorted_by_ordinal();
            }
            Ok::<_, SegmentError>((rows.rows(), encode_joined(head, &rows)?))
        });
        let (rows, bytes) = joined.await??;
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return Ok(Step::Idle);
        };
        let Some(mut tx) = self.begin().await? else { return Ok(Step::Lost) };
        for part in parts.iter() {
            segments::delete(&mut tx, &self.key, part).await?;
        }
        let whole = StoredSegment {
            next_ordinal: last.next_ordinal,
            batch: first.batch,
            batch_last: last.batch_last,
            rows: u64::try_from(rows).unwrap_or(0),
            bytes,
            ..first.clone()
        };
        segments::put(&mut tx, &self.key, &whole).await?;
        self.join_records(&mut tx).await?;
        let progress = self.still("merge");
        let after = self.progress_row(&mut tx, &progress, Vec::new(), Sha256::default()).await?;
        if !self.is_committed(tx).await? {
            return Ok(Step::Lost);
        }
        self.claim = after;
        Ok(Step::Worked(0))
    }
}

/// The first run of at least `segments_min` neighbours of one size class, or lower, whose rows fit
/// together and make a segment of a higher class. The lowest class with such a run goes first.
fn run_to_join(rows: &[u64], segments_min: usize, rows_max: u64) -> Option<Range<usize>> {
    let class = |rows: u64| rows.max(1).ilog(CLASS_FACTOR);
    let highest = rows.iter().copied().map(class).max()?;
    (0..=highest).find_map(|joined| {
        let (mut start, mut sum) = (0, 0);
        for (place, own) in rows.iter().copied().enumerate() {
            if class(own) > joined || sum + own > rows_max {
                if place - start >= segments_min && class(sum) > joined {
                    return Some(start..place);
                }
                (start, sum) = (place, 0);
            }
            if class(own) > joined {
                start = place + 1;
            } else {
                sum += own;
            }
        }
        let is_enough = rows.len() - start >= segments_min && class(sum) > joined;
        is_enough.then_some(start..rows.len())
    })
}

#[cfg(test)]
mod tests {
    use super::run_to_join;

    #[test]
    fn neighbours_of_one_class_are_joined_and_large_ones_left_alone() {
        assert_eq!(run_to_join(&[500, 3, 3, 3, 20], 3, 1000), Some(1..4));
        assert_eq!(run_to_join(&[3, 500, 3, 3], 3, 1000), None);
        assert_eq!(run_to_join(&[600, 600, 600], 3, 1000), None, "too many rows together");
        assert_eq!(run_to_join(&[], 3, 1000), None);
    }

    #[test]
    fn neighbours_about_a_border_of_classes_are_joined_once_they_make_a_higher_one() {
        assert_eq!(run_to_join(&[15, 16, 17, 18], 4, 1000), Some(0..4));
        assert_eq!(run_to_join(&[16, 3, 3, 16], 4, 1000), None, "still of the same class");
        assert_eq!(run_to_join(&[700, 15, 16, 17, 18, 700], 4, 1000), Some(1..5));
    }

    /// Whatever the sizes of batches: few segments are left, and a row is rewritten a few times.
    #[test]
    fn tiny_batches_are_rewritten_a_few_times_only() {
        for sizes in [&[2][..], &[15, 16, 17], &[1, 60, 3, 70], &[300, 1, 1]] {
            let (mut rows, mut added, mut rewritten) = (Vec::new(), 0, 0);
            for size in sizes.iter().copied().cycle().take(4096) {
                rows.push(size);
                added += size;
                while let Some(run) = run_to_join(&rows, 4, 8_192) {
                    let sum: u64 = rows.drain(run.clone()).sum();
                    rows.insert(run.start, sum);
                    rewritten += sum;
                }
            }
            // Each class leaves some, and what no longer fits together stays as it is.
            let whole = usize::try_from(added / 1_024).unwrap();
            assert!(rows.len() < 20 + whole, "{sizes:?}: {} segments", rows.len());
            assert!(rewritten <= 7 * added, "{sizes:?}: {rewritten} rows rewritten of {added}");
        }
    }
}
