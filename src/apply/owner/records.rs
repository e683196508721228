//! Joining the records of small batches: one record says what became of many messages for the
//! price of one row, however small the batches were that applied them.
//!
//! The audit chain goes on over the digest of each batch; a joined record keeps the digest of its
//! digests.

use sha2::{Digest, Sha256};

use crate::orders::effects::Fate;
use crate::orders::fates::{decode_fates, encode_fates};
use crate::store::Tx;
use crate::store::outcomes::{JoinableBatch, newest_batches, replace_batches};

use super::Owner;
use crate::apply::engine::EngineError;

/// Batches between two looks at the records, and records looked at.
const LOOK_EVERY: u64 = 64;
const ROWS_MAX: u32 = 256;
/// Records that are joined together at least.
const JOINED_MIN: usize = 16;
/// A record of so many messages is joined no further: a receipt unpacks one record to answer.
const MESSAGES_MAX: u64 = 4_096;

impl Owner {
    /// Joins records of neighbouring batches, where enough small ones stand together. In the
    /// transaction of a batch that joins segments: small batches call for both.
    pub(super) async fn join_records(&mut self, tx: &mut Tx) -> Result<(), EngineError> {
        if self.claim.batch < self.records_joined + LOOK_EVERY {
            return Ok(());
        }
        self.records_joined = self.claim.batch;
        let batches = newest_batches(tx, &self.key, ROWS_MAX).await?;
        for group in batches.chunk_by(is_joinable) {
            if let Some(joined) = join(small(group))? {
                replace_batches(tx, &self.key, &joined).await?;
            }
        }
        Ok(())
    }
}

/// The first neighbours that are worth one record: none of them has many messages already.
fn small(group: &[JoinableBatch]) -> &[JoinableBatch] {
    let is_small = |batch: &JoinableBatch| batch.next_offset - batch.first_offset < MESSAGES_MAX;
    let mut runs = group.chunk_by(|one, next| is_small(one) == is_small(next));
    let run = runs.find(|run| run.len() >= JOINED_MIN && run.iter().all(is_small));
    run.unwrap_or_default()
}

/// Whether two neighbours may become one record: batches of messages, and of joining between them,
/// under the same versions, one going on where the other ended. One whose outcomes went with the
/// log says nothing of its messages any more and stays alone.
fn is_joinable(one: &JoinableBatch, next: &JoinableBatch) -> bool {
    let is_plain = |batch: &JoinableBatch| {
        let has_messages = batch.next_offset > batch.first_offset;
        matches!(batch.kind.as_str(), "messages" | "merge")
            && has_messages != batch.outcomes.is_empty()
    };
    is_plain(one)
        && is_plain(next)
        && one.versions == next.versions
        && one.next_offset == next.first_offset
        && one.batch_last + 1 == next.batch
}

fn join(parts: &[JoinableBatch]) -> Result<Option<JoinableBatch>, EngineError> {
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Ok(None) };
    let mut fates: Vec<Fate> = Vec::new();
    let mut digest = Sha256::new();
    for part in parts {
        fates.extend(decode_fates(&part.outcomes)?);
        digest.update(&part.digest);
    }
    Ok(Some(JoinableBatch {
        batch_last: last.batch_last,
        kind: "messages".to_owned(),
        next_offset: last.next_offset,
        digest: digest.finalize().to_vec(),
        outcomes: encode_fates(&fates)?,
        ..first.clone()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Moment;

    fn batch(number: u64, kind: &str, fates: &[Fate], first_offset: u64) -> JoinableBatch {
        JoinableBatch {
            batch: number,
            batch_last: number,
            kind: kind.to_owned(),
            first_offset,
            next_offset: first_offset + u64::try_from(fates.len()).unwrap(),
            received_at: Moment::from_ms(0),
            versions: "manifests:1 policy:1".to_owned(),
            digest: number.to_le_bytes().repeat(4),
            outcomes: if fates.is_empty() { Vec::new() } else { encode_fates(fates).unwrap() },
        }
    }

    #[test]
    fn a_joined_record_says_what_its_parts_said() {
        let parts = [
            batch(7, "messages", &[Fate::Applied, Fate::Held], 100),
            batch(8, "merge", &[], 102),
            batch(9, "messages", &[Fate::Duplicate], 102),
        ];
        assert!(is_joinable(&parts[0], &parts[1]) && is_joinable(&parts[1], &parts[2]));
        let joined = join(&parts).unwrap().unwrap();
        assert_eq!((joined.batch, joined.batch_last), (7, 9));
        assert_eq!((joined.first_offset, joined.next_offset), (100, 103));
        let fates = decode_fates(&joined.outcomes).unwrap();
        assert_eq!(fates, [Fate::Applied, Fate::Held, Fate::Duplicate]);
    }

    #[test]
    fn small_neighbours_are_joined_and_large_ones_left_alone() {
        let numbered =
            |count: usize, number: u64| batch(number, "messages", &vec![Fate::Applied; count], 0);
        let mut group: Vec<_> = (0..20).map(|number| numbered(3, number)).collect();
        assert_eq!(small(&group).len(), 20);
        group.insert(0, numbered(4_096, 99));
        assert_eq!(small(&group).first().map(|first| first.batch), Some(0));
        assert!(small(&group[..10]).is_empty(), "too few to pay");
    }

    #[test]
    fn a_seal_other_versions_a_gap_and_forgotten_outcomes_are_borders() {
        let one = batch(7, "messages", &[Fate::Applied], 100);
        let seal = batch(8, "seal", &[], 101);
        let mut other_versions = batch(8, "messages", &[Fate::Applied], 101);
        other_versions.versions = "manifests:2 policy:1".to_owned();
        let gap = batch(9, "messages", &[Fate::Applied], 101);
        let mut forgotten = batch(8, "messages", &[Fate::Applied], 101);
        forgotten.outcomes.clear();
        for next in [seal, other_versions, gap, forgotten] {
            assert!(!is_joinable(&one, &next), "{next:?}");
        }
    }
}
