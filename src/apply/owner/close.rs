//! Sealing days whose time is over, by the partition's own clock, and the horizon check: an order
//! number that stands on another sealed day already is taken back and left to the late run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::Sha256;

use crate::domain::time::Day;
use crate::orders::columns::Columns;
use crate::orders::early::Waited;
use crate::orders::effects::CountCell;
use crate::orders::index::{RiderOrders, RidersByDay, add_riders, decode_index, encode_riders};
use crate::orders::order::{Order, Standing};
use crate::orders::resolve::counted_cell;
use crate::orders::seal::{OpenDay, SealedDay};
use crate::orders::segment::{SegmentError, decode};
use crate::orders::shard::Phase;
use crate::store::segments::{self, SegmentKind};
use crate::store::{Tx, order_days};

use super::write::Progress;
use super::{Owner, Step};
use crate::apply::day::{ReadDay, read_day_seen};
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
        if let Some(day) = due {
            return self.seal_day(day, false).await;
        }
        let sealed = self.seal_days_of_others(self.last_closed_day(), false).await?;
        if sealed != Step::Idle {
            return Ok(sealed);
        }
        self.leave_early(self.last_closed_day()).await
    }

    /// Seals the days up to `last` of which only other partitions of the topic have orders. One of
    /// them may have sealed such a day while this partition could still have got an order of it;
    /// what is told of the whole day has waited for this since.
    pub(super) async fn seal_days_of_others(
        &mut self,
        last: Day,
        is_command: bool,
    ) -> Result<Step, EngineError> {
        if self.others_sealed_until >= Some(last) && !is_command {
            return Ok(Step::Idle);
        }
        let mut tx = self.engine.db.snapshot().await?;
        let days = order_days::of_others(&mut tx, &self.key, last).await?;
        tx.commit().await?;
        for day in days {
            if self.seal_day(day, is_command).await? == Step::Lost {
                return Ok(Step::Lost);
            }
        }
        // Of a day that only a command has closed, others may still get orders.
        self.others_sealed_until = Some(last.min(self.last_closed_day()));
        Ok(Step::Idle)
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
        let _under_way = self.under_way("seal");
        let mut tx = self.engine.db.snapshot().await?;
        let mut unpublished = self.unpublished(&mut tx).await?;
        let mut see = |segment: &_, rows: &_, day: &_| unpublished.see(segment, rows, day);
        let read = read_day_seen(&mut tx, &self.key, day, &mut see).await?;
        let ReadDay { day: open, segments: read } = read;
        let doubles = self.doubles(&mut tx, day, &open).await?;
        tx.commit().await?;
        let taken_back: BTreeSet<u32> = doubles.iter().map(|(ordinal, _)| *ordinal).collect();
        let ids = doubles.iter().filter_map(|(_, order)| order.id().cloned()).collect();
        let applied = self.read_applied(ids, &read).await?;
        let mut late = self.messages_of(&doubles, applied);
        let sealed = self.sealed(open, taken_back).await?;
        let waited = self.waited_until(day).await?;
        let Some(mut tx) = self.begin().await? else { return Ok(Step::Lost) };
        let mut hasher = Sha256::default();
        for segment in &read {
            segments::delete(&mut tx, &self.key, segment).await?;
        }
        let next_ordinal = self.write_sealed(&mut tx, day, sealed, &mut hasher).await?;
        self.write_unpublished(&mut tx, day, &unpublished, &doubles, &mut hasher).await?;
        let counts = self.taken_back_counts(&doubles);
        self.add_counts(&mut tx, &counts).await?;
        late.append(&waited.late);
        self.write_waited(&mut tx, &late, &waited.waiting, &mut hasher).await?;
        if self.tell_sealed(&mut tx, day, &counts, is_command).await? {
            self.join_riders(&mut tx, day, &mut hasher).await?;
        }
        let progress = self.still("seal");
        let after = self.progress_row(&mut tx, &progress, Vec::new(), hasher).await?;
        if !self.is_committed(tx).await? {
            return Ok(Step::Lost);
        }
        let batch = after.batch;
        self.claim = after;
        self.late_waiting |= late.rows() > 0;
        let Some(shard) = self.memory() else { return Ok(Step::Lost) };
        shard.forget_waited(&waited.prints, batch);
        shard.close(day, Phase::Sealed, next_ordinal);
        Ok(Step::Worked(0))
    }

    /// Owes what is told of the day, and of days that were told before and have lost an order with
    /// it: one that lies on this day may count on another, where it was accepted first. Returns
    /// whether every partition has sealed the day.
    async fn tell_sealed(
        &self,
        tx: &mut Tx,
        day: Day,
        taken_back: &BTreeMap<CountCell, i64>,
        is_command: bool,
    ) -> Result<bool, EngineError> {
        let (Some(platform), Some(shard)) = (&self.platform, &self.shard) else {
            return Ok(false);
        };
        let (policy, of) = (&self.engine.policy, (platform, &self.key));
        let at = self.claim.received_at;
        let days = taken_back.keys().map(|cell| cell.place.day);
        let mut days: BTreeSet<Day> = days.filter(|day| !shard.is_open(*day, at)).collect();
        days.insert(day);
        self.lock_days(tx, days.clone()).await?;
        let mut is_whole = false;
        for told in days {
            if told == day {
                is_whole = snapshot::after_seal(tx, policy, of, day, at, is_command).await?;
            } else {
                self.tell_closed_day(tx, told, at, is_command).await?;
            }
        }
        Ok(is_whole)
    }

    async fn waited_until(&self, day: Day) -> Result<Waited, EngineError> {
        let Some(shard) = self.shard.as_ref().filter(|shard| shard.has_early()) else {
            return Ok(Waited::default());
        };
        let mut tx = self.engine.db.snapshot().await?;
        let stored = segments::of_kind(&mut tx, &self.key, SegmentKind::Early, None).await?;
        tx.commit().await?;
        let rows = stored.iter().map(|segment| Ok(decode(&segment.bytes)?.1));
        let rows = rows.collect::<Result<Vec<_>, SegmentError>>()?;
        Ok(shard.waited_until(day, &rows))
    }

    /// Writes what goes to the late run, and what still waits as the only early segment: an early
    /// event whose order has just been sealed must not be found waiting by the next owner.
    async fn write_waited(
        &self,
        tx: &mut Tx,
        late: &Columns,
        waiting: &Columns,
        hasher: &mut Sha256,
    ) -> Result<(), EngineError> {
        let today = self.claim.received_at.day();
        segments::delete_all_early(tx, &self.key).await?;
        for (kind, rows) in [(SegmentKind::Late, late), (SegmentKind::Early, waiting)] {
            if rows.rows() > 0 {
                self.put_rows(tx, (today, kind, 0), rows, hasher).await?;
            }
        }
        Ok(())
    }

    /// A batch that applies no message.
    pub(super) const fn still(&self, kind: &'static str) -> Progress {
        Progress {
            kind,
            next_offset: self.claim.next_offset,
            received_at: self.claim.received_at,
            last_digest: self.claim.last_digest,
        }
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
        if orders > 0 {
            let place = (day, SegmentKind::Index, 0);
            self.put_bytes(tx, place, u64::from(orders), sealed.index, hasher).await?;
        }
        self.write_riders(tx, &sealed.riders, hasher).await?;
        order_days::put(tx, &self.key, day, Phase::Sealed.code(), orders).await?;
        Ok(orders)
    }

    /// Writes riders' orders under the days that they count on.
    pub(super) async fn write_riders(
        &self,
        tx: &mut Tx,
        riders: &RidersByDay,
        hasher: &mut Sha256,
    ) -> Result<(), EngineError> {
        for (day, riders) in riders {
            let rows = u64::try_from(riders.len()).unwrap_or(0);
            let bytes = encode_riders(riders)?;
            self.put_bytes(tx, (*day, SegmentKind::Workers, 0), rows, bytes, hasher).await?;
        }
        Ok(())
    }

    /// Puts what every partition says of a day's riders together, once the last has sealed it: a
    /// rider's orders lie in most partitions, and the token would be kept as often.
    async fn join_riders(
        &self,
        tx: &mut Tx,
        day: Day,
        hasher: &mut Sha256,
    ) -> Result<(), EngineError> {
        let mut riders = RiderOrders::new();
        for bytes in segments::take_riders(tx, &self.key.topic, self.partitions, day).await? {
            add_riders(&bytes, &mut riders)?;
        }
        riders.retain(|_, orders| *orders != 0);
        self.write_riders(tx, &RidersByDay::from([(day, riders)]), hasher).await
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

    /// Leaves to the late run what has waited until `day` closed and found no acceptance; what
    /// still waits is written again as one early segment.
    pub(super) async fn leave_early(&mut self, day: Day) -> Result<Step, EngineError> {
        if self.early_left_until >= Some(day) {
            return Ok(Step::Idle);
        }
        let waited = self.waited_until(day).await?;
        if waited.prints.is_empty() {
            self.early_left_until = Some(day);
            return Ok(Step::Idle);
        }
        let step = self.rewrite_early(waited, "close").await?;
        if let Step::Worked(_) = step {
            self.late_waiting = true;
            self.early_left_until = Some(day);
        }
        Ok(step)
    }

    /// Writes what still waits as the only early segment, in a batch of its own.
    async fn rewrite_early(
        &mut self,
        waited: Waited,
        kind: &'static str,
    ) -> Result<Step, EngineError> {
        let Some(mut tx) = self.begin().await? else { return Ok(Step::Lost) };
        let mut hasher = Sha256::default();
        self.write_waited(&mut tx, &waited.late, &waited.waiting, &mut hasher).await?;
        let after = self.progress_row(&mut tx, &self.still(kind), Vec::new(), hasher).await?;
        if !self.is_committed(tx).await? {
            return Ok(Step::Lost);
        }
        let batch = after.batch;
        self.claim = after;
        let Some(shard) = self.memory() else { return Ok(Step::Lost) };
        shard.forget_waited(&waited.prints, batch);
        Ok(Step::Worked(0))
    }

    /// Deletes early segments whose every event has found its acceptance, many at a time; where
    /// most events of all have, writes the others again.
    pub(super) async fn drop_finished_early(&mut self) -> Result<Step, EngineError> {
        let Some(shard) = &self.shard else { return Ok(Step::Idle) };
        if shard.is_early_stale() {
            let waited = self.waited_until(Day::from_epoch_days(i32::MIN)).await?;
            return self.rewrite_early(waited, "merge").await;
        }
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
        if !self.is_committed(tx).await? {
            return Ok(Step::Lost);
        }
        self.claim = after;
        let Some(shard) = self.memory() else { return Ok(Step::Lost) };
        shard.forget_finished_early(&finished);
        Ok(Step::Worked(0))
    }
}
