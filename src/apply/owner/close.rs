//! Sealing days whose time is over, by the partition's own clock, and the horizon check: an order
//! number that stands on another sealed day already is taken back and left to the late run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::Sha256;

use crate::domain::time::Day;
use crate::orders::columns::{Columns, RawMessage};
use crate::orders::effects::CountCell;
use crate::orders::index::decode_index;
use crate::orders::order::{Order, Standing};
use crate::orders::resolve::counted_cell;
use crate::orders::seal::{OpenDay, SealedDay};
use crate::orders::segment::decode;
use crate::orders::shard::Phase;
use crate::store::Tx;
use crate::store::segments::{self, SegmentKind, StoredSegment};

use super::decode::raw_of;
use super::write::Progress;
use super::{Owner, Step};
use crate::apply::engine::EngineError;
use crate::apply::snapshot;

impl Owner {
    /// Seals the first open day that is due, if any.
    pub(super) async fn seal_due_days(&mut self) -> Result<Step, EngineError> {
        let Some(shard) = self.shard.clone() else { return Ok(Step::Idle) };
        let now = self.claim.received_at;
        let is_due = |day: Day, phase: Phase| phase == Phase::Open && !shard.is_open(day, now);
        let due = shard.days().find(|(day, state)| is_due(*day, state.phase)).map(|(day, _)| day);
        drop(shard);
        match due {
            Some(day) => self.seal_day(day, false).await,
            None => self.leave_early(self.last_closed_day()).await,
        }
    }

    /// The last day that the partition's clock has closed, whether it had orders or not.
    pub(super) fn last_closed_day(&self) -> Day {
        let wait = self.engine.policy.windows().seal_after_ms;
        self.claim.received_at.plus_ms(-wait).day().plus(-1)
    }

    /// Seals one day: fold, sort, write; in the same transaction take back what stands on another
    /// day, and leave to the late run what still waits for an acceptance.
    pub(super) async fn seal_day(
        &mut self,
        day: Day,
        is_command: bool,
    ) -> Result<Step, EngineError> {
        let mut tx = self.engine.db.snapshot().await?;
        let base = segments::of_kind(&mut tx, &self.key, SegmentKind::Base, Some(day)).await?;
        let delta = segments::of_kind(&mut tx, &self.key, SegmentKind::Delta, Some(day)).await?;
        let mut open = OpenDay::default();
        for segment in &base {
            open.add_base(&decode(&segment.bytes)?.1);
        }
        for segment in &delta {
            open.add_delta(&decode(&segment.bytes)?.1);
        }
        let doubles = self.doubles(&mut tx, day, &open).await?;
        tx.commit().await?;
        let taken_back: BTreeSet<u32> = doubles.iter().map(|(ordinal, _)| *ordinal).collect();
        let late = self.messages_of(&doubles, &base).await?;
        let sealed = self.sealed(open, taken_back).await?;
        let Some(mut tx) = self.begin().await? else { return Ok(Step::Lost) };
        let mut hasher = Sha256::default();
        for segment in base.iter().chain(&delta) {
            segments::delete(&mut tx, &self.key, segment).await?;
        }
        let next_ordinal = self.write_sealed(&mut tx, day, sealed, &mut hasher).await?;
        self.rewrite_early(&mut tx, &mut hasher).await?;
        let counts = self.taken_back_counts(&doubles);
        self.add_counts(&mut tx, &counts).await?;
        if late.rows() > 0 {
            let today = self.claim.received_at.day();
            self.put_rows(&mut tx, (today, SegmentKind::Late, 0), &late, &mut hasher).await?;
        }
        if let Some(platform) = &self.platform {
            let policy = &self.engine.policy;
            let at = self.claim.received_at;
            let key = &self.key;
            snapshot::after_seal(&mut tx, policy, (platform, key), day, at, is_command).await?;
        }
        let progress = self.still("seal");
        let after = self.progress_row(&mut tx, &progress, Vec::new(), hasher).await?;
        if tx.commit().await.is_err() {
            return Ok(Step::Lost);
        }
        self.claim = after;
        self.late_waiting |= late.rows() > 0;
        let batch = self.claim.batch;
        if let Some(shard) = &mut self.shard {
            let Some(shard) = Arc::get_mut(shard) else { return Ok(Step::Lost) };
            shard.forget_waited(&[], batch);
            shard.close(day, Phase::Sealed, next_ordinal);
        }
        Ok(Step::Worked(0))
    }

    /// Leaves in the early segments only what still waits. An early event that found its
    /// acceptance is known by that order; once the order's day leaves memory, a rebuild would
    /// take the event for one that waits.
    async fn rewrite_early(&self, tx: &mut Tx, hasher: &mut Sha256) -> Result<(), EngineError> {
        let Some(shard) = &self.shard else { return Ok(()) };
        segments::delete_all_early(tx, &self.key).await?;
        let waiting = shard.waiting();
        if waiting.rows() > 0 {
            let place = (self.claim.received_at.day(), SegmentKind::Early, 0);
            self.put_rows(tx, place, &waiting, hasher).await?;
        }
        Ok(())
    }

    /// A batch that applies no message.
    pub(super) const fn still(&self, kind: &'static str) -> Progress {
        Progress { kind, next_offset: self.claim.next_offset, received_at: self.claim.received_at }
    }

    async fn sealed(
        &self,
        open: OpenDay,
        taken_back: BTreeSet<u32>,
    ) -> Result<SealedDay, EngineError> {
        let (engine, head) = (Arc::clone(&self.engine), self.head());
        let settings = self.shard.as_ref().map(|shard| shard.settings().clone());
        let sealing = move || {
            let settings = settings?;
            let (prints, platform) = (&settings.fingerprints, &settings.platform);
            Some(open.seal(head, prints, platform, &engine.policy, &taken_back))
        };
        let sealed = tokio::task::spawn_blocking(sealing).await?;
        let topic = self.key.topic.clone();
        Ok(sealed.ok_or(EngineError::NoConnector { topic })??)
    }

    async fn write_sealed(
        &self,
        tx: &mut Tx,
        day: Day,
        sealed: SealedDay,
        hasher: &mut Sha256,
    ) -> Result<u32, EngineError> {
        let orders = sealed.orders;
        for (first, rows, bytes) in sealed.chunks {
            let place = (day, SegmentKind::Sealed, first);
            self.put_bytes(tx, place, rows, bytes, hasher).await?;
        }
        if let Some((rows, bytes)) = sealed.amending {
            let place = (day, SegmentKind::Delta, 0);
            self.put_bytes(tx, place, rows, bytes, hasher).await?;
        }
        let place = (day, SegmentKind::Index, 0);
        self.put_bytes(tx, place, u64::from(orders), sealed.index, hasher).await?;
        for (day, rows, bytes) in sealed.riders {
            self.put_bytes(tx, (day, SegmentKind::Workers, 0), rows, bytes, hasher).await?;
        }
        segments::put_day(tx, &self.key, day, Phase::Sealed.code(), orders).await?;
        Ok(orders)
    }

    /// Orders of the day whose number stands on another sealed day of the horizon, verified by
    /// the number itself.
    async fn doubles(
        &self,
        tx: &mut Tx,
        day: Day,
        open: &OpenDay,
    ) -> Result<Vec<(u32, Order)>, EngineError> {
        let Some(shard) = &self.shard else { return Ok(Vec::new()) };
        let settings = shard.settings();
        let mut wanted = open.fingerprints(&settings.fingerprints);
        wanted.sort_unstable();
        let hits = self.hits(tx, Some(day), &wanted).await?;
        if hits.is_empty() {
            return Ok(Vec::new());
        }
        let all: BTreeSet<u64> = hits.values().flatten().copied().collect();
        let candidates = open.find(&settings.fingerprints, &all, &settings.platform);
        let mut standing = BTreeSet::new();
        for (other, prints) in &hits {
            for found in self.read_orders(tx, *other, prints).await? {
                standing.extend(found.order.id().cloned());
            }
        }
        let doubles = candidates.into_iter();
        Ok(doubles.filter(|(_, o)| o.id().is_some_and(|id| standing.contains(id))).collect())
    }

    /// Which sealed days of the horizon have which of the wanted fingerprints; not `except`
    /// itself, around which the horizon lies where it is given.
    pub(super) async fn hits(
        &self,
        tx: &mut Tx,
        except: Option<Day>,
        wanted: &[u64],
    ) -> Result<BTreeMap<Day, BTreeSet<u64>>, EngineError> {
        let horizon = self.engine.policy.windows().identity_horizon_days;
        let centre = except.unwrap_or_else(|| self.claim.received_at.day());
        let mut hits = BTreeMap::new();
        for segment in segments::of_kind(tx, &self.key, SegmentKind::Index, None).await? {
            let distance = segment.day.epoch_days() - centre.epoch_days();
            if distance.abs() > horizon || Some(segment.day) == except {
                continue;
            }
            let (_, run) = decode_index(&segment.bytes)?;
            let found = run.hits(wanted);
            if !found.is_empty() {
                hits.entry(segment.day).or_insert_with(BTreeSet::new).extend(found);
            }
        }
        Ok(hits)
    }

    fn taken_back_counts(&self, doubles: &[(u32, Order)]) -> BTreeMap<CountCell, i64> {
        let mut counts = BTreeMap::new();
        for (_, order) in doubles {
            let standing: Standing = order.standing();
            let policy = &self.engine.policy;
            if let Some(cell) = counted_cell(policy, &self.cuts, &standing, self.claim.received_at)
            {
                *counts.entry(cell).or_insert(0) -= 1;
            }
        }
        counts
    }

    /// The messages of orders that are taken back, read again from the log, as late events.
    async fn messages_of(
        &self,
        doubles: &[(u32, Order)],
        base: &[StoredSegment],
    ) -> Result<Columns, EngineError> {
        let mut late = Columns::default();
        if doubles.is_empty() {
            return Ok(late);
        }
        let ids: BTreeSet<_> = doubles.iter().filter_map(|(_, order)| order.id()).collect();
        let mut tx = self.engine.db.snapshot().await?;
        let first_batch = base.iter().map(|segment| segment.batch).min().unwrap_or(0);
        let first = crate::store::outcomes::first_offset(&mut tx, &self.key, first_batch).await?;
        tx.commit().await?;
        let extents = self.engine.log.extents(&self.key.topic).await?;
        let kept = extents.iter().find(|extent| extent.partition == self.key.partition);
        let mut from = first.max(kept.map_or(0, |extent| extent.first));
        let mut seen = BTreeSet::new();
        while from < self.claim.next_offset {
            let bytes_max = self.engine.settings.batch_bytes_max;
            let batch = self.engine.log.read(&self.key.topic, self.key.partition, from, bytes_max);
            let batch = batch.await?;
            let Some(last) = batch.records.last() else { break };
            let next = last.offset + 1;
            let batch = Arc::new(batch);
            let decoded = self.decode(Arc::clone(&batch)).await?;
            for item in decoded.orders.iter().filter(|i| ids.contains(&i.event.order_id)) {
                if let Some(raw) = raw_of(&batch, self.key.partition, item.index)
                    && raw.offset < self.claim.next_offset
                    && seen.insert(raw.bytes.clone())
                {
                    late.push_raw(&item.event, raw);
                }
            }
            from = next;
        }
        self.add_untraceable(doubles, &mut late);
        Ok(late)
    }

    /// An order whose messages the log has trimmed is left to the late run by its events alone.
    fn add_untraceable(&self, doubles: &[(u32, Order)], late: &mut Columns) {
        for (_, order) in doubles {
            let is_traced = order.id().is_some_and(|id| late.has_id(id));
            if is_traced {
                continue;
            }
            for event in order.events() {
                let mut raw = RawMessage::nothing();
                raw.received_at = self.claim.received_at;
                raw.bytes = format!("{event:?}").into_bytes();
                late.push_raw(event, raw);
            }
        }
    }

    /// Leaves to the late run what has waited until `day` closed and found no acceptance; what
    /// still waits is written again as one early segment.
    pub(super) async fn leave_early(&mut self, day: Day) -> Result<Step, EngineError> {
        let Some(shard) = &self.shard else { return Ok(Step::Idle) };
        if self.early_left_until >= Some(day) {
            return Ok(Step::Idle);
        }
        let waited = shard.waited_until(day);
        if waited.prints.is_empty() {
            self.early_left_until = Some(day);
            return Ok(Step::Idle);
        }
        let Some(mut tx) = self.begin().await? else { return Ok(Step::Lost) };
        let mut hasher = Sha256::default();
        let today = self.claim.received_at.day();
        self.put_rows(&mut tx, (today, SegmentKind::Late, 0), &waited.late, &mut hasher).await?;
        segments::delete_all_early(&mut tx, &self.key).await?;
        if waited.waiting.rows() > 0 {
            let place = (today, SegmentKind::Early, 0);
            self.put_rows(&mut tx, place, &waited.waiting, &mut hasher).await?;
        }
        let after = self.progress_row(&mut tx, &self.still("close"), Vec::new(), hasher).await?;
        if tx.commit().await.is_err() {
            return Ok(Step::Lost);
        }
        let batch = after.batch;
        self.claim = after;
        self.late_waiting = true;
        self.early_left_until = Some(day);
        let Some(shard) = self.shard.as_mut().and_then(Arc::get_mut) else {
            return Ok(Step::Lost);
        };
        shard.forget_waited(&waited.prints, batch);
        Ok(Step::Worked(0))
    }

    /// Deletes early segments whose every event has found its acceptance, many at a time.
    pub(super) async fn drop_finished_early(&mut self) -> Result<Step, EngineError> {
        let Some(shard) = &self.shard else { return Ok(Step::Idle) };
        let finished = shard.finished_early();
        if finished.len() < self.engine.settings.early_segments_done_min {
            return Ok(Step::Idle);
        }
        let Some(mut tx) = self.begin().await? else { return Ok(Step::Lost) };
        for batch in &finished {
            segments::delete_early(&mut tx, &self.key, *batch).await?;
        }
        let progress = self.still("merge");
        let after = self.progress_row(&mut tx, &progress, Vec::new(), Sha256::default()).await?;
        if tx.commit().await.is_err() {
            return Ok(Step::Lost);
        }
        self.claim = after;
        let Some(shard) = self.shard.as_mut().and_then(Arc::get_mut) else {
            return Ok(Step::Lost);
        };
        shard.forget_finished_early(&finished);
        Ok(Step::Worked(0))
    }
}
