//! One owner with a store in memory: what `apply` does with effects, on bytes, without a database.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Message, POLICY, platform};
use crate::domain::event::OrderEvent;
use crate::domain::hold::HoldReason;
use crate::domain::time::{Day, Moment};
use crate::orders::columns::{Columns, RawMessage};
use crate::orders::early::Waited;
use crate::orders::effects::{CountCell, Effects, Fate, Incoming};
use crate::orders::identity::{FingerprintKey, Fingerprints};
use crate::orders::index::{
    FingerprintRun, RiderOrders, add_riders, decode_index, encode_index, encode_riders,
};
use crate::orders::late::{self, LateContext, Located, events_of};
use crate::orders::order::{Order, Place};
use crate::orders::resolve::{Context, FirstEvents, Unread, probably_needed, resolve};
use crate::orders::seal::OpenDay;
use crate::orders::segment::{SegmentHead, decode, encode, encode_small};
use crate::orders::shard::{Phase, Shard, ShardSettings};

/// Segments as the database would have them.
#[derive(Clone, Default)]
pub(super) struct Store {
    pub(super) days: BTreeMap<Day, (Phase, u32)>,
    /// Base or sealed segments, by first ordinal.
    pub(super) base: BTreeMap<Day, BTreeMap<u32, Vec<u8>>>,
    pub(super) delta: BTreeMap<Day, Vec<Vec<u8>>>,
    pub(super) early: BTreeMap<u64, Vec<u8>>,
    pub(super) late: Vec<Vec<u8>>,
    pub(super) index: Vec<(Day, Vec<u8>)>,
    pub(super) riders: Vec<(Day, Vec<u8>)>,
    pub(super) counts: BTreeMap<Place, i64>,
}

pub(super) struct Book {
    pub(super) settings: ShardSettings,
    pub(super) shard: Shard,
    pub(super) store: Store,
    pub(super) batch: u64,
    pub(super) fates: BTreeMap<usize, Fate>,
    pub(super) reasons: BTreeMap<usize, HoldReason>,
    pub(super) clock: Moment,
    log: Vec<Message>,
    /// How many messages came before a day was sealed.
    sealed_at: BTreeMap<Day, usize>,
}

impl Book {
    pub(super) fn new() -> Self {
        Self::with(Fingerprints::new(FingerprintKey([7; 16]), 1000))
    }

    pub(super) fn with(fingerprints: Fingerprints) -> Self {
        let windows = POLICY.windows();
        let settings = ShardSettings {
            topic: "raw.meituan".into(),
            partition: 0,
            partitions: 1,
            platform: platform(),
            fingerprints,
            seal_after_ms: windows.seal_after_ms,
            reassign_window_ms: windows.reassign_window_ms,
        };
        Self {
            shard: Shard::new(settings.clone(), Vec::new()),
            settings,
            store: Store::default(),
            batch: 0,
            fates: BTreeMap::new(),
            reasons: BTreeMap::new(),
            clock: Moment::from_ms(0),
            log: Vec::new(),
            sealed_at: BTreeMap::new(),
        }
    }

    fn head(&self) -> SegmentHead {
        SegmentHead { manifest_version: 1, batch: self.batch }
    }

    fn encoded(&self, rows: &Columns) -> Vec<u8> {
        encode(self.head(), rows).unwrap()
    }

    /// Applies one batch.
    pub(super) fn feed(&mut self, messages: &[Message]) {
        let incoming: Vec<_> = messages.iter().enumerate().map(incoming).collect();
        let effects = self.resolve(&incoming, &|index| raw(&messages[index]), false);
        for (index, fate) in &effects.fates {
            let before = self.fates.insert(messages[*index].seq, *fate);
            assert_eq!(before, None, "one fate a message");
        }
        for (index, reason) in &effects.held {
            self.reasons.insert(messages[*index].seq, reason.clone());
        }
        assert_eq!(effects.fates.len(), messages.len());
        self.log.extend_from_slice(messages);
        self.clock = messages.iter().map(|m| m.received_at).fold(self.clock, Moment::max);
        self.write(effects);
    }

    fn resolve(
        &self,
        incoming: &[Incoming],
        raw_of: &dyn Fn(usize) -> RawMessage,
        is_handoff: bool,
    ) -> Effects {
        let cuts = HashMap::new();
        let clock = self.clock;
        let context = Context { policy: &POLICY, cuts: &cuts, raw_of, is_handoff, clock };
        let mut firsts = FirstEvents::new();
        let mut wanted = probably_needed(&self.shard, incoming);
        for _ in 0..10 {
            for place in &wanted {
                firsts.insert(*place, self.first_event(place.0, place.1));
            }
            match resolve(&self.shard, &context, &firsts, incoming) {
                Ok(effects) => return effects,
                Err(Unread(missing)) => wanted = missing,
            }
        }
        panic!("first events are asked for again and again");
    }

    fn first_event(&self, day: Day, ordinal: u32) -> OrderEvent {
        let (first, bytes) = self.store.base[&day].range(..=ordinal).next_back().unwrap();
        let rows = decode(bytes).unwrap().1;
        rows.first_event((ordinal - first) as usize, &self.settings.platform).unwrap()
    }

    fn write(&mut self, effects: Effects) {
        self.batch += 1;
        for (day, (first, rows)) in &effects.base {
            let bytes = self.encoded(rows);
            let before = self.store.base.entry(*day).or_default().insert(*first, bytes);
            assert_eq!(before, None, "an ordinal is given once");
        }
        for (day, rows) in &effects.delta {
            let bytes = self.encoded(&rows.sorted_by_ordinal());
            self.store.delta.entry(*day).or_default().push(bytes);
        }
        if !effects.early.is_empty() {
            let mut early = Columns::default();
            effects.early.iter().for_each(|(_, e, raw)| early.push_raw(e, raw.clone()));
            self.store.early.insert(self.batch, self.encoded(&early));
        }
        if effects.late.rows() > 0 {
            self.store.late.push(self.encoded(&effects.late));
        }
        for (day, next) in effects.next_ordinals() {
            self.store.days.insert(day, (Phase::Open, next));
        }
        self.count(&effects.counts);
        self.shard.accept(effects, self.batch);
    }

    fn count(&mut self, counts: &BTreeMap<CountCell, i64>) {
        for (cell, change) in counts {
            let orders = self.store.counts.entry(cell.place.clone()).or_insert(0);
            *orders += change;
            assert!(*orders >= 0, "a count below zero: {cell:?}");
        }
        self.store.counts.retain(|_, orders| *orders != 0);
    }

    /// A new owner's memory, from what is stored.
    pub(super) fn rebuilt(&self) -> Shard {
        let days = self.store.days.iter().map(|(day, (phase, next))| (*day, *phase, *next));
        let mut shard = Shard::new(self.settings.clone(), days.collect());
        let open = self.store.days.iter().filter(|(_, (phase, _))| *phase == Phase::Open);
        for (day, _) in open {
            for (first, bytes) in self.store.base.get(day).into_iter().flatten() {
                shard.load_base(*day, *first, &decode(bytes).unwrap().1);
            }
            let first_of = |ordinal| Some(self.first_event(*day, ordinal));
            for bytes in self.store.delta.get(day).into_iter().flatten() {
                shard.load_delta(&decode(bytes).unwrap().1, &first_of);
            }
        }
        for (batch, bytes) in &self.store.early {
            shard.load_early(*batch, &decode(bytes).unwrap().1);
        }
        shard
    }

    pub(super) fn rebuild(&mut self) {
        self.shard = self.rebuilt();
    }

    /// Joins all segments of each open day into one.
    pub(super) fn join(&mut self) {
        let head = self.head();
        let open = self.store.days.iter().filter(|(_, (phase, _))| *phase == Phase::Open);
        for (day, _) in open {
            let mut whole = Columns::default();
            // A day may have counts alone, of orders that lie on another.
            let Some(base) = self.store.base.get_mut(day) else { continue };
            base.values().for_each(|bytes| whole.append(&decode(bytes).unwrap().1));
            *base = BTreeMap::from([(0, encode_small(head, &whole).unwrap())]);
            if let Some(parts) = self.store.delta.get_mut(day) {
                let mut whole = Columns::default();
                parts.iter().for_each(|bytes| whole.append(&decode(bytes).unwrap().1));
                *parts = vec![encode_small(head, &whole.sorted_by_ordinal()).unwrap()];
            }
        }
    }

    /// A day as its segments give it.
    pub(super) fn read(&self, day: Day) -> OpenDay {
        let mut whole = OpenDay::default();
        for bytes in self.store.base.get(&day).into_iter().flat_map(BTreeMap::values) {
            whole.add_base(&decode(bytes).unwrap().1);
        }
        for bytes in self.store.delta.get(&day).into_iter().flatten() {
            whole.add_delta(&decode(bytes).unwrap().1);
        }
        whole
    }

    /// All orders of a day, by number.
    pub(super) fn orders(&self, day: Day) -> BTreeMap<String, Order> {
        let open = self.read(day);
        let all = open.fingerprints(&self.settings.fingerprints).into_iter().collect();
        let found = open.find(&self.settings.fingerprints, &all, &self.settings.platform);
        let by_id = found.into_iter().map(|(_, o)| (o.id().unwrap().as_str().to_owned(), o));
        by_id.collect()
    }

    /// Sealed days that may have one of these fingerprints, with those.
    pub(super) fn hits(&self, wanted: &[u64]) -> BTreeMap<Day, BTreeSet<u64>> {
        let mut hits: BTreeMap<Day, BTreeSet<u64>> = BTreeMap::new();
        for (day, bytes) in &self.store.index {
            let found = decode_index(bytes).unwrap().1.hits(wanted);
            if !found.is_empty() {
                hits.entry(*day).or_default().extend(found);
            }
        }
        hits
    }

    pub(super) fn seal(&mut self, day: Day) {
        self.batch += 1;
        let prints = self.settings.fingerprints;
        let open = self.read(day);
        let mut wanted = open.fingerprints(&prints);
        wanted.sort_unstable();
        let mut standing = BTreeMap::new();
        for (other, _) in self.hits(&wanted) {
            standing.extend(self.orders(other).into_keys().map(|id| (id, other)));
        }
        let all = wanted.into_iter().collect();
        let doubles: Vec<_> = open
            .find(&prints, &all, &self.settings.platform)
            .into_iter()
            .filter(|(_, order)| standing.contains_key(order.id().unwrap().as_str()))
            .collect();
        let taken_back = doubles.iter().map(|(ordinal, _)| *ordinal).collect();
        let sealed =
            open.seal(self.head(), &prints, &self.settings.platform, &POLICY, &taken_back).unwrap();
        let mut counts = BTreeMap::new();
        let mut late = Columns::default();
        for (_, order) in &doubles {
            let cell = crate::orders::resolve::counted_cell(
                &POLICY,
                &HashMap::new(),
                &order.standing(),
                self.clock,
            );
            cell.into_iter().for_each(|cell| *counts.entry(cell).or_insert(0) -= 1);
            let id = order.id().unwrap();
            let since = self.sealed_at[&standing[id.as_str()]];
            for message in self.log.iter().skip(since).filter(|m| m.event.order_id == *id) {
                if self.fates[&message.seq] == Fate::Applied {
                    late.push_raw(&message.event, raw(message));
                }
            }
        }
        self.count(&counts);
        if late.rows() > 0 {
            self.store.late.push(self.encoded(&late));
        }
        let chunks = sealed.chunks.into_iter().map(|(first, _, bytes)| (first, bytes));
        self.store.base.insert(day, chunks.collect());
        self.store.delta.remove(&day);
        if let Some((_, bytes)) = sealed.amending {
            self.store.delta.insert(day, vec![bytes]);
        }
        self.store.index.push((day, sealed.index));
        for (day, riders) in sealed.riders {
            self.store.riders.push((day, encode_riders(&riders).unwrap()));
        }
        self.store.days.insert(day, (Phase::Sealed, sealed.orders));
        self.rewrite_early();
        self.shard.close(day, Phase::Sealed, sealed.orders);
        self.sealed_at.insert(day, self.log.len());
    }

    fn waited_until(&self, day: Day) -> Waited {
        let segments = self.store.early.values().map(|bytes| decode(bytes).unwrap().1);
        self.shard.waited_until(day, &segments.collect::<Vec<_>>())
    }

    fn rewrite_early(&mut self) {
        let waited = self.waited_until(Day::from_epoch_days(i32::MIN));
        self.store.early.clear();
        if waited.waiting.rows() > 0 {
            self.store.early.insert(self.batch, self.encoded(&waited.waiting));
        }
        self.shard.forget_waited(&[], self.batch);
    }

    /// Leaves to the late run what waited until `day`.
    pub(super) fn leave_early(&mut self, day: Day) {
        self.batch += 1;
        let waited = self.waited_until(day);
        if waited.late.rows() > 0 {
            self.store.late.push(self.encoded(&waited.late));
        }
        self.store.early.clear();
        if waited.waiting.rows() > 0 {
            self.store.early.insert(self.batch, self.encoded(&waited.waiting));
        }
        self.shard.forget_waited(&waited.prints, self.batch);
    }

    pub(super) fn late_run(&mut self, closed_until: Day) {
        self.batch += 1;
        let prints = self.settings.fingerprints;
        let stored = std::mem::take(&mut self.store.late);
        let rows = stored.iter().map(|bytes| decode(bytes).unwrap().1);
        let events: Vec<_> = rows.flat_map(|rows| events_of(&rows, &platform())).collect();
        let (open, sealed): (Vec<_>, Vec<_>) =
            events.into_iter().partition(|late| self.shard.knows(&late.event.order_id));
        let mut located = Vec::new();
        for (day, found) in self.hits(&late::wanted(&sealed, &prints)) {
            let orders = self.read(day).find(&prints, &found, &self.settings.platform);
            let place = |(ordinal, order)| Located { day, ordinal, order };
            located.extend(orders.into_iter().map(place));
        }
        let next_ordinals = self.store.days.iter().map(|(day, (_, next))| (*day, *next)).collect();
        let context = LateContext {
            policy: &POLICY,
            cuts: &HashMap::new(),
            fingerprints: &prints,
            next_ordinals: &next_ordinals,
            reassign_window_ms: self.settings.reassign_window_ms,
            closed_until,
            all_until: None,
        };
        let effects = late::resolve(sealed, located, &context);
        for (day, rows) in &effects.base {
            let (phase, first) = self.store.days.get(day).copied().unwrap_or((Phase::Sealed, 0));
            assert_eq!(phase, Phase::Sealed, "a late run writes to no open day");
            let next = first + u32::try_from(rows.rows()).unwrap();
            let bytes = self.encoded(rows);
            self.store.base.entry(*day).or_default().insert(first, bytes);
            self.store.days.insert(*day, (Phase::Sealed, next));
            self.shard.close(*day, Phase::Sealed, next);
            self.sealed_at.entry(*day).or_insert(self.log.len());
        }
        for (day, rows) in &effects.delta {
            let bytes = self.encoded(&rows.sorted_by_ordinal());
            self.store.delta.entry(*day).or_default().push(bytes);
        }
        for (day, prints) in &effects.fingerprints {
            let run = FingerprintRun::of(prints.clone());
            self.store.index.push((*day, encode_index(&[], &run)));
        }
        for (day, riders) in &effects.riders {
            self.store.riders.push((*day, encode_riders(riders).unwrap()));
        }
        self.count(&effects.counts);
        for (fate, raw, reason) in effects.reclassified {
            self.reclassify(raw.offset as usize, fate, reason);
        }
        let with_place = open.iter().enumerate();
        let incoming: Vec<_> = with_place
            .map(|(index, late)| Incoming {
                index,
                event: late.event.clone(),
                received_at: late.raw.received_at,
            })
            .collect();
        let on_open = self.resolve(&incoming, &|index| open[index].raw.clone(), true);
        for (index, fate) in on_open.fates.clone() {
            self.reclassify(open[index].raw.offset as usize, fate, None);
        }
        self.write(on_open);
    }

    fn reclassify(&mut self, seq: usize, fate: Fate, reason: Option<HoldReason>) {
        assert_eq!(self.fates.insert(seq, fate), Some(Fate::Applied), "message {seq}");
        self.reasons.extend(reason.map(|reason| (seq, reason)));
    }

    /// Riders of each day: those whose counted orders are above zero.
    pub(super) fn riders(&self) -> BTreeMap<Day, BTreeSet<(u32, u64)>> {
        let mut sums: BTreeMap<Day, RiderOrders> = BTreeMap::new();
        for (day, bytes) in &self.store.riders {
            add_riders(bytes, sums.entry(*day).or_default()).unwrap();
        }
        let insured = sums.into_iter().map(|(day, riders)| {
            assert!(riders.values().all(|orders| *orders >= 0), "{day}: {riders:?}");
            let riders = riders.into_iter().filter(|(_, orders)| *orders > 0);
            (day, riders.map(|((unit, worker), _)| (unit.get(), worker.0)).collect())
        });
        insured.filter(|(_, riders): &(Day, BTreeSet<_>)| !riders.is_empty()).collect()
    }

    pub(super) fn tallies(&self) -> BTreeMap<u8, usize> {
        let mut tallies = BTreeMap::new();
        self.fates.values().for_each(|fate| *tallies.entry(letter(*fate)).or_insert(0) += 1);
        tallies
    }
}

const fn letter(fate: Fate) -> u8 {
    match fate {
        Fate::Applied => b'A',
        Fate::Duplicate => b'D',
        Fate::Held => b'H',
        Fate::Ignored => b'I',
        Fate::Handoff => b'W',
        Fate::NoRecord => b'-',
    }
}

fn incoming((index, message): (usize, &Message)) -> Incoming {
    Incoming { index, event: message.event.clone(), received_at: message.received_at }
}

pub(super) fn raw(message: &Message) -> RawMessage {
    RawMessage {
        offset: message.seq as u64,
        received_at: message.received_at,
        bytes: format!("message {}", message.seq).into_bytes(),
        ..RawMessage::nothing()
    }
}
