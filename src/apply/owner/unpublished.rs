//! What is still to be published of a day that is folded: the rows beyond the publishing cursor
//! as whole events, in segments that the publisher reads and deletes. A canonical topic that is
//! down costs disk, and nothing else.

use sha2::{Digest, Sha256};

use crate::domain::time::Day;
use crate::orders::columns::Columns;
use crate::orders::order::Order;
use crate::orders::seal::OpenDay;
use crate::orders::segment::{self, SegmentHead};
use crate::orders::whole::withdrawals;
use crate::store::segments::{self, AFTER_KEPT, AFTER_SEAL, SegmentKind, StoredSegment};
use crate::store::{Tx, publish};

use super::Owner;
use crate::apply::engine::EngineError;

/// Segments to keep, in the order in which they are to be published.
#[derive(Default)]
pub(super) struct Unpublished {
    /// The last batch that is published; `None` where nothing is to be published at all.
    cursor: Option<u64>,
    kept: Vec<StoredSegment>,
}

impl Unpublished {
    /// Sees one segment of the day, base segments first.
    pub(super) fn see(
        &mut self,
        segment: &StoredSegment,
        decoded: &(SegmentHead, Columns),
        day: &OpenDay,
    ) -> Result<(), EngineError> {
        if segment.kind == SegmentKind::Delta {
            return self.delta(segment, decoded, day);
        }
        self.base(segment);
        Ok(())
    }

    /// What a base segment of the day has beyond the cursor: its rows are whole as they stand.
    fn base(&mut self, base: &StoredSegment) {
        if self.cursor.is_some_and(|cursor| base.batch_last > cursor) {
            self.keep(base, base.rows, base.bytes.clone());
        }
    }

    /// What a delta segment has beyond the cursor. The base segments of the day are all in `day`.
    fn delta(
        &mut self,
        delta: &StoredSegment,
        (head, rows): &(SegmentHead, Columns),
        day: &OpenDay,
    ) -> Result<(), EngineError> {
        if self.cursor.is_none_or(|cursor| delta.batch_last <= cursor) {
            return Ok(());
        }
        let whole = day.whole_deltas(rows);
        let count = u64::try_from(whole.rows()).unwrap_or(0);
        self.keep(delta, count, segment::encode(*head, &whole)?);
        Ok(())
    }

    fn keep(&mut self, of: &StoredSegment, rows: u64, bytes: Vec<u8>) {
        let place = u32::try_from(self.kept.len()).unwrap_or(u32::MAX);
        let kind = SegmentKind::Unpublished;
        let (first_ordinal, next_ordinal) = (place, place);
        self.kept.push(StoredSegment {
            kind,
            first_ordinal,
            next_ordinal,
            rows,
            bytes,
            day: of.day,
            batch: of.batch,
            batch_last: of.batch_last,
        });
    }
}

impl Owner {
    /// Where publishing stands, before a day is folded.
    pub(super) async fn unpublished(&self, tx: &mut Tx) -> Result<Unpublished, EngineError> {
        let is_on = self.engine.settings.canonical_topics;
        let cursor = if is_on { Some(publish::cursor(tx, &self.key).await?) } else { None };
        Ok(Unpublished { cursor, kept: Vec::new() })
    }

    /// Writes what sealing keeps, and the corrections of orders that it takes back.
    pub(super) async fn write_unpublished(
        &self,
        tx: &mut Tx,
        day: Day,
        unpublished: &Unpublished,
        taken_back: &[(u32, Order)],
        hasher: &mut Sha256,
    ) -> Result<(), EngineError> {
        for segment in &unpublished.kept {
            hasher.update(&segment.bytes);
            segments::put(tx, &self.key, segment).await?;
        }
        let rows = withdrawals(taken_back.iter().map(|(_, order)| order));
        self.write_whole(tx, (day, AFTER_KEPT), &rows, hasher).await
    }

    /// Writes what a late run adds to a sealed day, as whole events.
    pub(super) async fn write_late_whole(
        &self,
        tx: &mut Tx,
        day: Day,
        rows: &Columns,
        hasher: &mut Sha256,
    ) -> Result<(), EngineError> {
        self.write_whole(tx, (day, AFTER_SEAL), rows, hasher).await
    }

    async fn write_whole(
        &self,
        tx: &mut Tx,
        (day, place): (Day, u32),
        rows: &Columns,
        hasher: &mut Sha256,
    ) -> Result<(), EngineError> {
        if rows.rows() == 0 || !self.engine.settings.canonical_topics {
            return Ok(());
        }
        self.put_rows(tx, (day, SegmentKind::Unpublished, place), rows, hasher).await
    }
}
