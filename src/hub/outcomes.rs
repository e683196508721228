//! What became of messages at given positions, for receipts of intake over HTTP: read from the
//! run-length records of the batches.

use futures_util::future::BoxFuture;

use crate::intake::http::{OutcomeCounts, Outcomes};
use crate::log::Appended;
use crate::store::outcomes::{batches_over, runs};
use crate::store::positions::PartitionKey;
use crate::store::{Database, StoreError};

/// Reads the books of one database.
pub(super) struct BookOutcomes(pub(super) Database);

impl Outcomes for BookOutcomes {
    fn outcomes<'a>(
        &'a self,
        topic: &'a str,
        positions: &'a [Appended],
    ) -> BoxFuture<'a, Result<OutcomeCounts, StoreError>> {
        Box::pin(async move {
            let mut tx = self.0.snapshot().await?;
            let mut counts = OutcomeCounts::default();
            for appended in positions {
                let key = PartitionKey { topic: topic.to_owned(), partition: appended.partition };
                let (first, next) = (appended.offsets.start, appended.offsets.end);
                let mut known = 0;
                for (start, _, letters) in batches_over(&mut tx, &key, first, next).await? {
                    known += add_letters(&mut counts, &letters, start, first, next);
                }
                counts.pending += (next - first).saturating_sub(known);
            }
            Ok(counts)
        })
    }
}

/// Adds the fates of positions `first..next` of a batch that began at `start`; gives how many
/// those were. What was handed on to another partition is pending still.
fn add_letters(
    counts: &mut OutcomeCounts,
    letters: &[u8],
    start: u64,
    first: u64,
    next: u64,
) -> u64 {
    let (mut at, mut known) = (start, 0);
    for (letter, length) in runs(letters) {
        let end = at.saturating_add(length);
        let covered = end.min(next).saturating_sub(at.max(first));
        match letter {
            b'A' => counts.applied += covered,
            b'D' => counts.duplicate += covered,
            b'H' => counts.held += covered,
            b'I' => counts.ignored += covered,
            _ => counts.pending += covered,
        }
        known += covered;
        at = end;
    }
    known
}

#[cfg(test)]
mod tests {
    use super::{OutcomeCounts, add_letters};

    #[test]
    fn fates_are_counted_for_the_positions_asked_for_only() {
        let mut counts = OutcomeCounts::default();
        // Positions 100..=102 applied, 103 duplicate, 104..=115 held, 116 ignored.
        let known = add_letters(&mut counts, b"A3D1H12I1", 100, 102, 106);
        assert_eq!(known, 4);
        assert_eq!((counts.applied, counts.duplicate, counts.held), (1, 1, 2));
        assert_eq!((counts.ignored, counts.pending), (0, 0));
    }
}
