//! Late runs: read what is late, look it up in the sealed days of the horizon, and write what
//! comes of it in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sha2::Sha256;

use crate::domain::hold::HoldReason;
use crate::domain::time::{Day, Moment};
use crate::orders::columns::RawMessage;
use crate::orders::effects::{Effects, Fate, Incoming};
use crate::orders::index::{FingerprintRun, encode_index};
use crate::orders::late::{
    LateContext, LateEffects, LateEvent, Located, events_of, resolve, wanted,
};
use crate::orders::resolve::{Context, FirstEvents, Unread, resolve as resolve_batch};
use crate::orders::segment::decode;
use crate::orders::shard::Phase;
use crate::store::held::hold;
use crate::store::outcomes::{Sums, Tallies};
use crate::store::segments::{self, SegmentKind, StoredSegment};
use crate::store::{Tx, order_days, positions};

use super::tally::tally_fate;
use super::write::encode_effects;
use super::{Owner, Step};
use crate::apply::day::{has_order, read_day};
use crate::apply::engine::EngineError;

/// What a late run works on.
struct Late {
    stored: Vec<StoredSegment>,
    /// Events of orders that no open day has.
    sealed: Vec<LateEvent>,
    /// Events of orders that an open day has.
    open: Vec<LateEvent>,
    located: Vec<Located>,
    firsts: FirstEvents,
    all_until: Option<Moment>,
    is_command: bool,
}

/// A message that was taken for applied, what it turned out to be, and why it is held.
type Changed = (Fate, RawMessage, Option<HoldReason>);

impl Owner {
    /// Runs all late events.
    pub(super) async fn late_run(&mut self, is_command: bool) -> Result<Step, EngineError> {
        self.late_run_at = self.claim.received_at;
        let Some(shard) = self.shard.clone() else { return Ok(Step::Idle) };
        let settings = shard.settings().clone();
        let mut tx = self.engine.db.snapshot().await?;
        let stored = segments::of_kind(&mut tx, &self.key, SegmentKind::Late, None).await?;
        if stored.is_empty() {
            tx.commit().await?;
            self.late_waiting = false;
            return Ok(Step::Idle);
        }
        let _under_way = self.under_way("late");
        // After a command nobody waits any more.
        let all_until = if is_command { None } else { self.all_until(&mut tx).await? };
        let mut events = Vec::new();
        for segment in &stored {
            events.extend(events_of(&decode(&segment.bytes)?.1, &settings.platform));
        }
        let clock = self.claim.received_at;
        let is_open = |late: &LateEvent| {
            let day = late.event.accepted_at.map(Moment::day);
            shard.knows(&late.event.order_id) || day.is_some_and(|day| shard.is_open(day, clock))
        };
        let (open, sealed): (Vec<_>, Vec<_>) = events.into_iter().partition(is_open);
        let prints = wanted(&sealed, &settings.fingerprints);
        let mut located = Vec::new();
        for (day, prints) in self.hits(&mut tx, None, &prints).await? {
            located.extend(self.read_orders(&mut tx, day, &prints).await?);
        }
        tx.commit().await?;
        drop(shard);
        let mut firsts = FirstEvents::new();
        while let Err(Unread(missing)) = self.resolve_on_open(&open, &firsts) {
            self.first_events(&missing, &mut firsts).await?;
        }
        let late = Late { stored, sealed, open, located, firsts, all_until, is_command };
        self.write_late(late).await
    }

    /// Whether the first event that was left waiting has waited long enough by now.
    pub(super) async fn has_waited(&self) -> Result<bool, EngineError> {
        let Some(until) = self.late_waiting_until else { return Ok(false) };
        let mut tx = self.engine.db.snapshot().await?;
        let all_until = self.all_until(&mut tx).await?;
        tx.commit().await?;
        Ok(all_until.is_none_or(|all| all >= until))
    }

    /// Until when everything has come here, also what other partitions of the topic hand on: the
    /// clock of the slowest, or never while something is not drained. `None` for a topic of one.
    async fn all_until(&self, tx: &mut Tx) -> Result<Option<Moment>, EngineError> {
        let clocks = positions::progress(tx, &self.key.topic).await?;
        if clocks.len() < 2 {
            return Ok(None);
        }
        let is_drained = segments::waiting_handoff(tx, &self.key).await?.is_none();
        let slowest = clocks.iter().map(|(_, _, clock)| *clock).min();
        Ok(slowest.map(|clock| if is_drained { clock } else { Moment::from_ms(0) }))
    }

    /// The orders of a sealed day whose fingerprint is wanted. The run of a day knows only the
    /// first bits of a fingerprint, so that numbers are looked at before all columns are read.
    pub(super) async fn read_orders(
        &self,
        tx: &mut Tx,
        day: Day,
        prints: &BTreeSet<u64>,
    ) -> Result<Vec<Located>, EngineError> {
        let Some(shard) = &self.shard else { return Ok(Vec::new()) };
        let settings = shard.settings();
        if !has_order(tx, &self.key, day, &settings.fingerprints, prints).await? {
            return Ok(Vec::new());
        }
        let whole = read_day(tx, &self.key, day).await?.day;
        let found = whole.find(&settings.fingerprints, prints, &settings.platform);
        let located = found.into_iter();
        Ok(located.map(|(ordinal, order)| Located { day, ordinal, order }).collect())
    }

    async fn write_late(&mut self, late: Late) -> Result<Step, EngineError> {
        // All that takes long is done before the transaction begins.
        let events = late.sealed.len() + late.open.len();
        let mut effects = self.resolve_late(late.sealed, late.located, late.all_until);
        self.late_waiting_until = effects.waiting_until;
        let waiting = std::mem::take(&mut effects.waiting);
        if waiting.rows() == events {
            return Ok(Step::Idle);
        }
        let Ok(mut on_open) = self.resolve_on_open(&late.open, &late.firsts) else {
            return Ok(Step::Lost);
        };
        let changed = not_applied(&mut on_open, &late.open);
        on_open.late.append(&waiting);
        let encoded = encode_effects(self.head(), self.claim.received_at.day(), &on_open)?;
        let cuts = self.cuts.clone();
        let Some(mut tx) = self.begin().await? else { return Ok(Step::Lost) };
        if cuts != self.cuts {
            // Frozen meanwhile: what belongs before the cut is worked out again.
            tx.rollback().await?;
            return Ok(Step::Lost);
        }
        let mut hasher = Sha256::default();
        let mut tallies = Tallies::new();
        for segment in &late.stored {
            segments::delete(&mut tx, &self.key, segment).await?;
        }
        let days = self.write_late_rows(&mut tx, &effects, &mut hasher).await?;
        let counted = effects.counts.keys().map(|cell| cell.place.day);
        let mut counted: BTreeSet<Day> = counted.chain(days.keys().copied()).collect();
        counted.extend(self.revised_days(&on_open, self.claim.received_at));
        self.lock_days(&mut tx, counted.clone()).await?;
        self.reclassify(&mut tx, effects.reclassified, &mut tallies).await?;
        self.reclassify(&mut tx, changed, &mut tallies).await?;
        self.write_effects(&mut tx, &on_open, encoded, &mut hasher).await?;
        for day in counted {
            self.tell_closed_day(&mut tx, day, self.claim.received_at, late.is_command).await?;
        }
        let after = self.progress_row(&mut tx, &self.still("late"), Vec::new(), hasher).await?;
        let mut sums = Sums::default();
        sums.add(&self.connector, &tallies);
        sums.write(&mut tx).await?;
        if !self.is_committed(tx).await? {
            return Ok(Step::Lost);
        }
        let batch = after.batch;
        self.claim = after;
        self.late_waiting = on_open.late.rows() > 0;
        let Some(shard) = self.memory() else { return Ok(Step::Lost) };
        shard.accept(on_open, batch);
        for (day, next_ordinal) in days {
            shard.close(day, Phase::Sealed, next_ordinal);
        }
        Ok(Step::Worked(0))
    }

    fn resolve_late(
        &self,
        sealed: Vec<LateEvent>,
        located: Vec<Located>,
        all_until: Option<Moment>,
    ) -> LateEffects {
        let Some(shard) = &self.shard else { return LateEffects::default() };
        let next_ordinals: BTreeMap<Day, u32> =
            shard.days().map(|(day, state)| (day, state.next_ordinal)).collect();
        let context = LateContext {
            policy: &self.engine.policy,
            cuts: &self.cuts,
            fingerprints: &shard.settings().fingerprints,
            next_ordinals: &next_ordinals,
            reassign_window_ms: shard.settings().reassign_window_ms,
            closed_until: self.last_closed_day(),
            all_until,
        };
        resolve(sealed, located, &context)
    }

    /// Late events of orders that the open days have: decided on memory like any other batch.
    fn resolve_on_open(&self, open: &[LateEvent], firsts: &FirstEvents) -> Result<Effects, Unread> {
        let Some(shard) = &self.shard else { return Ok(Effects::default()) };
        let incoming = open.iter().enumerate().map(|(index, late)| Incoming {
            index,
            event: late.event.clone(),
            received_at: late.raw.received_at,
        });
        let incoming: Vec<Incoming> = incoming.collect();
        let raw_of = |index: usize| {
            open.get(index).map_or_else(RawMessage::nothing, |late| late.raw.clone())
        };
        let context = Context {
            policy: &self.engine.policy,
            cuts: &self.cuts,
            raw_of: &raw_of,
            is_handoff: true,
            clock: self.claim.received_at,
        };
        resolve_batch(shard, &context, firsts, &incoming)
    }

    /// Writes new orders, further events, fingerprints and riders of sealed days. Gives the days
    /// with their next ordinals.
    async fn write_late_rows(
        &self,
        tx: &mut Tx,
        effects: &LateEffects,
        hasher: &mut Sha256,
    ) -> Result<BTreeMap<Day, u32>, EngineError> {
        let numbering: BTreeMap<Day, u32> = self
            .shard
            .iter()
            .flat_map(|shard| shard.days().map(|(day, state)| (day, state.next_ordinal)))
            .collect();
        let mut days = BTreeMap::new();
        for (day, rows) in &effects.base {
            let first = numbering.get(day).copied().unwrap_or(0);
            self.put_rows(tx, (*day, SegmentKind::Base, first), rows, hasher).await?;
            let next = first + u32::try_from(rows.rows()).unwrap_or(0);
            order_days::put(tx, &self.key, *day, Phase::Sealed.code(), next).await?;
            days.insert(*day, next);
        }
        for (day, rows) in &effects.delta {
            let sorted = rows.sorted_by_ordinal();
            self.put_rows(tx, (*day, SegmentKind::Delta, 0), &sorted, hasher).await?;
            let next = numbering.get(day).copied().unwrap_or(0);
            days.entry(*day).or_insert(next);
        }
        for (day, rows) in &effects.whole {
            self.write_late_whole(tx, *day, rows, hasher).await?;
        }
        for (day, prints) in &effects.fingerprints {
            let run = FingerprintRun::of(prints.clone());
            let rows = u64::try_from(prints.len()).unwrap_or(0);
            let bytes = encode_index(&[], &run);
            self.put_bytes(tx, (*day, SegmentKind::Index, 0), rows, bytes, hasher).await?;
        }
        self.write_riders(tx, &effects.riders, hasher).await?;
        self.add_counts(tx, &effects.counts).await?;
        Ok(days)
    }

    /// Moves messages that were taken for applied to what they turned out to be.
    async fn reclassify(
        &self,
        tx: &mut Tx,
        changed: Vec<Changed>,
        tallies: &mut Tallies,
    ) -> Result<(), EngineError> {
        let (mut to_be_held, mut origins) = (Vec::new(), Vec::new());
        let mut move_one = |feed, received_at: Moment, fate| {
            let tally = tallies.entry((feed, received_at.day())).or_default();
            tally_fate(tally, Fate::Applied, -1);
            tally_fate(tally, fate, 1);
        };
        for (fate, raw, reason) in changed {
            match reason {
                Some(reason) => {
                    origins.push((raw.feed.clone(), raw.received_at));
                    to_be_held.push(self.to_hold(raw, reason));
                }
                None => move_one(raw.feed, raw.received_at, fate),
            }
        }
        let new = hold(tx, &self.connector, &to_be_held).await?;
        for ((feed, received_at), is_new) in origins.into_iter().zip(new) {
            let fate = if is_new { Fate::Held } else { Fate::Duplicate };
            move_one(feed, received_at, fate);
        }
        Ok(())
    }
}

/// What resolving found not to be applied after all, with its messages.
fn not_applied(effects: &mut Effects, events: &[LateEvent]) -> Vec<Changed> {
    let reasons: HashMap<usize, HoldReason> =
        std::mem::take(&mut effects.held).into_iter().collect();
    let changed = effects.fates.iter().filter(|(_, fate)| *fate != Fate::Applied);
    let with_message = changed.filter_map(|(index, fate)| {
        let raw = events.get(*index)?.raw.clone();
        Some((*fate, raw, reasons.get(index).cloned()))
    });
    with_message.collect()
}
