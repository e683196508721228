//! What became of messages at given positions, for receipts of intake over HTTP: read from the
//! records of the batches.

use futures_util::future::BoxFuture;

use crate::intake::http::{OutcomeCounts, Outcomes};
use crate::log::Appended;
use crate::orders::effects::Fate;
use crate::orders::fates::decode_fates;
use crate::store::outcomes::batches_over;
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
                for (start, _, outcomes) in batches_over(&mut tx, &key, first, next).await? {
                    let fates = decode_fates(&outcomes).map_err(|error| StoreError::Damaged {
                        what: "batch.outcomes",
                        detail: error.to_string(),
                    })?;
                    known += add_fates(&mut counts, &fates, start, first, next);
                }
                counts.pending += (next - first).saturating_sub(known);
            }
            Ok(counts)
        })
    }
}

/// Adds the fates of positions `first..next` of a batch that began at `start`; gives how many
/// those were. What was handed on to another partition is pending still.
fn add_fates(counts: &mut OutcomeCounts, fates: &[Fate], start: u64, first: u64, next: u64) -> u64 {
    let asked = (start..).zip(fates).filter(|(at, _)| (first..next).contains(at));
    let mut known = 0;
    for (_, fate) in asked {
        match fate {
            Fate::Applied => counts.applied += 1,
            Fate::Duplicate => counts.duplicate += 1,
            Fate::Held => counts.held += 1,
            Fate::Ignored => counts.ignored += 1,
            Fate::Handoff => counts.pending += 1,
            Fate::NoRecord => {}
        }
        known += 1;
    }
    known
}

#[cfg(test)]
mod tests {
    use super::{Fate, OutcomeCounts, add_fates};

    #[test]
    fn fates_are_counted_for_the_positions_asked_for_only() {
        let mut counts = OutcomeCounts::default();
        // Positions 100..=102 applied, 103 duplicate, 104..=115 held, 116 ignored.
        let mut fates = vec![Fate::Applied; 3];
        fates.push(Fate::Duplicate);
        fates.extend([Fate::Held; 12]);
        fates.push(Fate::Ignored);
        let known = add_fates(&mut counts, &fates, 100, 102, 106);
        assert_eq!(known, 4);
        assert_eq!((counts.applied, counts.duplicate, counts.held), (1, 1, 2));
        assert_eq!((counts.ignored, counts.pending), (0, 0));
    }
}
