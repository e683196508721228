//! Writing a batch's effects under the open transaction, and closing it with the position row.

use sha2::{Digest, Sha256};

use crate::domain::time::{Day, Moment};
use crate::orders::columns::Columns;
use crate::orders::effects::{CountCell, Effects};
use crate::orders::segment::{self, SegmentError, SegmentHead};
use crate::orders::shard::Phase;
use crate::policy::Basis;
use crate::store::counts::{CountDelta, add_counts};
use crate::store::outcomes::{BatchRecord, put_batch};
use crate::store::positions::{Claim, advance};
use crate::store::segments::{self, SegmentKind, StoredSegment};
use crate::store::{Tx, order_days};

use super::Owner;
use crate::apply::engine::EngineError;

/// How far a batch brings its partition.
pub(super) struct Progress {
    pub(super) kind: &'static str,
    pub(super) next_offset: u64,
    pub(super) received_at: Moment,
    /// What identifies the last record that is applied then.
    pub(super) last_digest: Option<[u8; 32]>,
}

/// Where a segment goes: day, kind, ordinal of its first row.
pub(super) type SegmentPlace = (Day, SegmentKind, u32);

/// What a batch writes to the order book, as bytes. Made before its transaction begins: encoding is
/// much of a batch's work, and the transaction holds up every other owner.
#[derive(Default)]
pub(super) struct Encoded {
    segments: Vec<(SegmentPlace, u64, Vec<u8>)>,
    /// Owner, events, bytes.
    handoff: Vec<(u32, u64, Vec<u8>)>,
}

/// Encodes the rows of a batch that applies messages of `today`.
pub(super) fn encode_effects(
    head: SegmentHead,
    today: Day,
    effects: &Effects,
) -> Result<Encoded, SegmentError> {
    let mut encoded = Encoded::default();
    let mut put = |place, rows: &Columns| {
        let count = u64::try_from(rows.rows()).unwrap_or(0);
        encoded.segments.push((place, count, segment::encode(head, rows)?));
        Ok::<_, SegmentError>(())
    };
    for (day, (first, rows)) in &effects.base {
        put((*day, SegmentKind::Base, *first), rows)?;
    }
    for (day, rows) in &effects.delta {
        put((*day, SegmentKind::Delta, 0), &rows.sorted_by_ordinal())?;
    }
    if !effects.early.is_empty() {
        let mut early = Columns::default();
        effects.early.iter().for_each(|(_, e, raw)| early.push_raw(e, raw.clone()));
        put((today, SegmentKind::Early, 0), &early)?;
    }
    if effects.late.rows() > 0 {
        put((today, SegmentKind::Late, 0), &effects.late)?;
    }
    for (to, rows) in &effects.handoff {
        let events = u64::try_from(rows.rows()).unwrap_or(0);
        encoded.handoff.push((*to, events, segment::encode(head, rows)?));
    }
    Ok(encoded)
}

impl Owner {
    pub(super) fn head(&self) -> SegmentHead {
        SegmentHead { manifest_version: self.engine.manifest_version, batch: self.claim.batch + 1 }
    }

    pub(super) async fn write_effects(
        &self,
        tx: &mut Tx,
        effects: &Effects,
        encoded: Encoded,
        hasher: &mut Sha256,
    ) -> Result<(), EngineError> {
        for (place, rows, bytes) in encoded.segments {
            self.put_bytes(tx, place, rows, bytes, hasher).await?;
        }
        for (to, events, bytes) in encoded.handoff {
            hasher.update(&bytes);
            segments::hand_off(tx, &self.key, to, self.head().batch, events, &bytes).await?;
        }
        for (day, next_ordinal) in effects.next_ordinals() {
            let open = Phase::Open.code();
            order_days::put(tx, &self.key, day, open, next_ordinal).await?;
        }
        self.add_counts(tx, &effects.counts).await
    }

    pub(super) async fn add_counts(
        &self,
        tx: &mut Tx,
        counts: &std::collections::BTreeMap<CountCell, i64>,
    ) -> Result<(), EngineError> {
        let Some(platform) = &self.platform else { return Ok(()) };
        let changed = counts.iter().filter(|(_, orders)| **orders != 0);
        let deltas: Vec<_> = changed
            .map(|(cell, orders)| CountDelta {
                platform: platform.clone(),
                line: cell.place.line.clone(),
                county: cell.place.county,
                day: cell.place.day,
                rule: self.engine.policy.counting_rule(cell.place.day),
                basis: Basis::Stream,
                partition: self.key.partition,
                after_cut: cell.after_cut,
                delta: *orders,
            })
            .collect();
        Ok(add_counts(tx, &deltas).await?)
    }

    /// Writes rows as one segment of this batch.
    pub(super) async fn put_rows(
        &self,
        tx: &mut Tx,
        place: SegmentPlace,
        rows: &Columns,
        hasher: &mut Sha256,
    ) -> Result<(), EngineError> {
        let (day, kind, first_ordinal) = place;
        let bytes = segment::encode(self.head(), rows)?;
        let count = u64::try_from(rows.rows()).unwrap_or(0);
        self.put_bytes(tx, (day, kind, first_ordinal), count, bytes, hasher).await
    }

    pub(super) async fn put_bytes(
        &self,
        tx: &mut Tx,
        place: SegmentPlace,
        rows: u64,
        bytes: Vec<u8>,
        hasher: &mut Sha256,
    ) -> Result<(), EngineError> {
        let (day, kind, first_ordinal) = place;
        hasher.update(&bytes);
        let batch = self.head().batch;
        let numbered = matches!(kind, SegmentKind::Base | SegmentKind::Sealed);
        let length = if numbered { u32::try_from(rows).unwrap_or(u32::MAX) } else { 0 };
        let segment = StoredSegment {
            day,
            kind,
            first_ordinal,
            next_ordinal: first_ordinal.saturating_add(length),
            batch,
            batch_last: batch,
            rows,
            bytes,
        };
        Ok(segments::put(tx, &self.key, &segment).await?)
    }

    /// Writes the batch's record and the position row; gives the claim that holds once the
    /// transaction commits. The audit chain's next head is the digest of the last head and of
    /// what the batch wrote.
    pub(super) async fn progress_row(
        &self,
        tx: &mut Tx,
        progress: &Progress,
        outcomes: Vec<u8>,
        mut hasher: Sha256,
    ) -> Result<Claim, EngineError> {
        let batch = self.claim.batch + 1;
        hasher.update(progress.kind.as_bytes());
        hasher.update(progress.next_offset.to_le_bytes());
        hasher.update(&outcomes);
        let digest: [u8; 32] = hasher.finalize().into();
        let mut chain = Sha256::new();
        chain.update(self.claim.chain_head);
        chain.update(digest);
        let record = BatchRecord {
            batch,
            kind: progress.kind,
            first_offset: self.claim.next_offset,
            next_offset: progress.next_offset,
            received_at: progress.received_at,
            versions: self.engine.versions.clone(),
            digest,
            outcomes,
        };
        put_batch(tx, &self.key, &record).await?;
        let after = Claim {
            epoch: self.claim.epoch,
            batch,
            next_offset: progress.next_offset,
            received_at: progress.received_at,
            chain_head: chain.finalize().into(),
            last_digest: progress.last_digest,
        };
        advance(tx, &self.key, &after).await?;
        Ok(after)
    }
}
