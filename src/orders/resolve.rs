//! One batch against the owner's memory: a pure function to [`Effects`].
//!
//! Most events take the fast path: a look into the known set. What the known set cannot decide
//! (a void, a cancellation, a difference, a reassignment) is decided on the order itself, whose
//! first event is read from its segment beforehand; what turns out to be missing is named in
//! [`Unread`], and the caller reads it and asks again.

use std::collections::HashMap;

use super::columns::{Columns, RawMessage};
use super::effects::{CountCell, Effects, Fate, Incoming};
use super::known::{Entry, FETCH, mark};
use super::order::{Order, Place, Standing, Verdict};
use super::shard::Shard;
use crate::domain::event::{OrderEvent, OrderKind};
use crate::domain::hold::HoldReason;
use crate::domain::ids::{LineCode, OrderId};
use crate::domain::time::{Day, Moment, Month};
use crate::log::partition_of;
use crate::policy::{CountyStanding, Policy, Standing as PlatformStanding};

/// First events of orders that a batch needs, by day and ordinal.
pub type FirstEvents = HashMap<(Day, u32), OrderEvent>;

/// Orders whose first event must be read before the batch can be resolved.
#[derive(Debug, PartialEq, Eq)]
pub struct Unread(pub Vec<(Day, u32)>);

/// What resolving looks at besides memory.
pub struct Context<'a> {
    /// The dated rules.
    pub policy: &'a Policy,
    /// Cut of each frozen period of the platform.
    pub cuts: &'a HashMap<(LineCode, Month), Moment>,
    /// The message of an event, by number in the batch.
    pub raw_of: &'a dyn Fn(usize) -> RawMessage,
    /// Events from other partitions belong here and are never handed off again.
    pub is_handoff: bool,
    /// The partition's own clock, by which its days are open for events of a handoff.
    pub clock: Moment,
}

/// Orders that the batch will probably need: what the fast path cannot decide.
#[must_use]
pub fn probably_needed(shard: &Shard, incoming: &[Incoming]) -> Vec<(Day, u32)> {
    let mut needed = Vec::new();
    let print_of = |item: &Incoming| shard.print_of(&item.event.order_id);
    for items in incoming.chunks(FETCH) {
        shard.known.fetch(items.iter().map(print_of));
        for item in items {
            let Some(entry) = shard.known.get(print_of(item)) else { continue };
            if entry.state & (mark::EARLY | mark::AMENDED) == 0
                && !is_fast(shard, &entry, &item.event)
                && let Some(day) = shard.day_of(entry.slot)
            {
                needed.push((day, entry.ordinal));
            }
        }
    }
    needed.sort_unstable();
    needed.dedup();
    needed
}

/// Resolves a batch, event by event, in order.
///
/// # Errors
/// [`Unread`] where first events are missing in `firsts`: read them too and ask again.
pub fn resolve(
    shard: &Shard,
    context: &Context<'_>,
    firsts: &FirstEvents,
    incoming: &[Incoming],
) -> Result<Effects, Unread> {
    let effects = Effects::default();
    let mut run = Run { shard, context, firsts, effects, unread: Vec::new() };
    for item in incoming {
        run.event(item);
    }
    let Effects { early, matched, early_rows, .. } = &mut run.effects;
    if matched.iter().any(|print| early_rows.contains_key(print)) {
        early.retain(|(print, ..)| !matched.contains(print));
    }
    if run.unread.is_empty() {
        return Ok(run.effects);
    }
    Err(Unread(run.unread))
}

/// Why an event is held that disagrees with an order of `day`. A number that stands on a day which
/// the message's own time finds closed is named so, whether or not memory still has that day.
pub(super) fn conflict(
    event: &OrderEvent,
    field: &'static str,
    day: Day,
    is_closed: bool,
) -> HoldReason {
    let is_other_day = event.accepted_at.is_some_and(|at| at.day() != day);
    if field == "accepted_at" && is_other_day && is_closed {
        return HoldReason::SameIdOtherDay;
    }
    HoldReason::SameIdOtherContent { field }
}

/// Why an event cannot be applied whatever the order is.
fn admission(policy: &Policy, event: &OrderEvent) -> Option<HoldReason> {
    let day = event.accepted_at.unwrap_or(event.occurred_at).day();
    if let Some(county) = event.county
        && policy.county(county, day) == CountyStanding::Unknown
    {
        return Some(HoldReason::CountyUnknown { found: county.into() });
    }
    let line = event.line.as_ref()?;
    event.accepted_at?;
    if day < policy.scheme_start() {
        return None;
    }
    let when = match policy.standing(&event.platform, line, day) {
        PlatformStanding::InForce => return None,
        PlatformStanding::NotYet | PlatformStanding::UnknownPlatform => "not yet",
        PlatformStanding::NoLonger => "no longer",
    };
    Some(HoldReason::NotInForce { platform: event.platform.clone(), when })
}

/// Whether the known set alone decides.
fn is_fast(shard: &Shard, entry: &Entry, event: &OrderEvent) -> bool {
    let carried = shard.settings.fingerprints.material(event);
    let is_settled = match event.kind {
        OrderKind::Accepted | OrderKind::Completed => true,
        OrderKind::Cancelled => entry.state & event.kind.bit() != 0 || is_after(shard, event),
        OrderKind::Void => entry.state & event.kind.bit() != 0,
    };
    is_settled && entry.material.agrees(carried) && !entry.material.is_filled_by(carried)
}

/// Whether a cancellation says itself that it came after the acceptance, by more than two feeds may
/// differ in naming the moment of acceptance.
fn is_after(shard: &Shard, event: &OrderEvent) -> bool {
    let resolution_ms = shard.settings.fingerprints.time_resolution_ms();
    event.accepted_at.is_some_and(|at| event.occurred_at.since_ms(at) >= resolution_ms)
}

struct Run<'a> {
    shard: &'a Shard,
    context: &'a Context<'a>,
    firsts: &'a FirstEvents,
    effects: Effects,
    unread: Vec<(Day, u32)>,
}

impl Run<'_> {
    fn event(&mut self, item: &Incoming) {
        let settings = &self.shard.settings;
        if let Some(reason) = admission(self.context.policy, &item.event) {
            return self.hold(item, reason);
        }
        let id = item.event.order_id.as_str();
        let owner = partition_of(id.as_bytes(), settings.partitions);
        if owner != settings.partition && !self.context.is_handoff {
            let raw = (self.context.raw_of)(item.index);
            self.effects.handoff.entry(owner).or_default().push_raw(&item.event, raw);
            return self.fate(item, Fate::Handoff);
        }
        self.event_of(item, self.print_of(&item.event.order_id));
    }

    fn event_of(&mut self, item: &Incoming, print: u64) {
        let entry = self.effects.entries.get(&print).copied();
        match entry.or_else(|| self.shard.known.get(print)) {
            None => self.first_event(item, print),
            Some(entry) if entry.state & mark::EARLY != 0 => self.early_order(item, print),
            Some(entry) => self.known_order(item, print, entry),
        }
    }

    /// Whether an order of this day enters memory. What another partition read may come from long
    /// after the day, by that one's clock, and find it open here.
    fn is_open(&self, day: Day, item: &Incoming) -> bool {
        let context = self.context;
        let at = if context.is_handoff { context.clock } else { item.received_at };
        self.shard.is_open(day, at)
    }

    fn print_of(&self, id: &OrderId) -> u64 {
        let other = self.effects.collided.get(id).copied();
        other.unwrap_or_else(|| self.shard.print_of(id))
    }

    /// An event of an order whose fingerprint another order has: a new one by another print.
    fn collided(&mut self, item: &Incoming) {
        let id = &item.event.order_id;
        let entries = &self.effects.entries;
        let print = self.shard.free_print(id, |print| entries.contains_key(&print));
        self.effects.collided.insert(id.clone(), print);
        self.first_event(item, print);
    }

    fn first_event(&mut self, item: &Incoming, print: u64) {
        let Some(accepted_at) = item.event.accepted_at else {
            let raw = (self.context.raw_of)(item.index);
            return self.keep_early(item, print, raw);
        };
        let day = accepted_at.day();
        if !self.is_open(day, item) {
            return self.keep_late(item);
        }
        let order = Order::new(item.event.clone());
        let state = order.kinds() | if order.is_amended() { mark::AMENDED } else { 0 };
        self.insert_base(print, day, &item.event, state);
        self.recount(item, None, Some(order.standing()));
        if state & mark::AMENDED != 0 {
            self.effects.amended.insert(print, order);
        }
        self.fate(item, Fate::Applied);
    }

    fn early_order(&mut self, item: &Incoming, print: u64) {
        let Some(order) = self.waiting(print) else { return self.first_event(item, print) };
        if order.id() != Some(&item.event.order_id) {
            return self.collided(item);
        }
        let fate = match order.consider(&item.event, self.shard.settings.tolerance()) {
            Verdict::Conflict(field) => {
                return self.hold(item, HoldReason::SameIdOtherContent { field });
            }
            Verdict::Duplicate { fills: false } => return self.fate(item, Fate::Duplicate),
            Verdict::Duplicate { fills: true } => Fate::Duplicate,
            Verdict::Apply => Fate::Applied,
        };
        let day = item.event.accepted_at.map(Moment::day);
        match day {
            Some(day) if self.is_open(day, item) => {
                self.match_early(item, print, day, order);
                self.fate(item, fate);
            }
            Some(_) => self.keep_late(item),
            None if fate == Fate::Applied => {
                let raw = (self.context.raw_of)(item.index);
                self.keep_early(item, print, raw);
            }
            None => self.fate(item, fate),
        }
    }

    /// The early order: what memory has of it, and what this batch added.
    fn waiting(&self, print: u64) -> Option<Order> {
        let platform = &self.shard.settings.platform;
        let stored = self.shard.early.get(&print).map(|early| early.order.order(platform));
        let rows = self.effects.early_rows.get(&print).into_iter().flatten();
        let added = rows.filter_map(|row| Some(self.effects.early.get(*row)?.1.clone()));
        added.fold(stored, |order, event| match order {
            None => Some(Order::new(event)),
            Some(mut order) => {
                order.add(event);
                Some(order)
            }
        })
    }

    /// The acceptance of an order whose other events came first.
    fn match_early(&mut self, item: &Incoming, print: u64, day: Day, early: Order) {
        let mut order = Order::new(item.event.clone());
        early.events().iter().for_each(|event| order.add(event.clone()));
        let state = order.kinds() | if order.is_amended() { mark::AMENDED } else { 0 };
        let ordinal = self.insert_base(print, day, &item.event, state);
        for event in early.events() {
            let row = if order.is_amended() { event.clone() } else { stripped(&item.event, event) };
            self.effects.delta.entry(day).or_default().push(Some(ordinal), &row);
        }
        self.effects.matched.insert(print);
        self.recount(item, None, Some(order.standing()));
        if state & mark::AMENDED != 0 {
            self.effects.amended.insert(print, order);
        }
    }

    fn known_order(&mut self, item: &Incoming, print: u64, entry: Entry) {
        let Some(day) = self.day_in(entry.slot) else {
            let detail = format!("known set names slot {} of no open day", entry.slot);
            return self.hold(item, HoldReason::Defect { detail });
        };
        if entry.state & mark::AMENDED == 0 && is_fast(self.shard, &entry, &item.event) {
            if entry.state & item.event.kind.bit() != 0 {
                return self.fate(item, Fate::Duplicate);
            }
            self.effects.delta.entry(day).or_default().push_kind(entry.ordinal, &item.event);
            let state = entry.state | item.event.kind.bit();
            self.effects.entries.insert(print, Entry { state, ..entry });
            return self.fate(item, Fate::Applied);
        }
        let Some(order) = self.order(print, day, entry) else {
            return self.unread.push((day, entry.ordinal));
        };
        self.slow(item, print, day, entry, order);
    }

    fn slow(&mut self, item: &Incoming, print: u64, day: Day, entry: Entry, mut order: Order) {
        if order.id() != Some(&item.event.order_id) {
            return self.collided(item);
        }
        let fate = match order.consider(&item.event, self.shard.settings.tolerance()) {
            Verdict::Conflict(field) => {
                return self.hold(item, self.conflict(item, day, field));
            }
            Verdict::Duplicate { fills: false } => return self.fate(item, Fate::Duplicate),
            Verdict::Duplicate { fills: true } => Fate::Duplicate,
            Verdict::Apply => Fate::Applied,
        };
        let before = order.standing();
        let first = order.events().first().cloned();
        order.add(item.event.clone());
        let is_amended = order.is_amended();
        let row = match first {
            Some(first) if !is_amended => stripped(&first, &item.event),
            Some(_) | None => item.event.clone(),
        };
        self.effects.delta.entry(day).or_default().push(Some(entry.ordinal), &row);
        self.recount(item, Some(before), Some(order.standing()));
        let amended = if is_amended { mark::AMENDED } else { 0 };
        let state = entry.state | item.event.kind.bit() | amended;
        self.effects.entries.insert(print, Entry { state, ..entry });
        if is_amended {
            self.effects.amended.insert(print, order);
        }
        self.fate(item, fate);
    }

    fn conflict(&self, item: &Incoming, day: Day, field: &'static str) -> HoldReason {
        let closed_at = day.end().plus_ms(self.shard.settings.seal_after_ms);
        conflict(&item.event, field, day, item.received_at >= closed_at)
    }

    /// The whole order: from memory where it is amended, else its first event and its kinds.
    fn order(&self, print: u64, day: Day, entry: Entry) -> Option<Order> {
        if entry.state & mark::AMENDED != 0 {
            let own = self.effects.amended.get(&print).cloned();
            let platform = &self.shard.settings.platform;
            return own.or_else(|| Some(self.shard.amended.get(&print)?.order(platform)));
        }
        let first = match self.effects.base.get(&day) {
            Some((first_ordinal, rows)) if entry.ordinal >= *first_ordinal => {
                let row = usize::try_from(entry.ordinal - first_ordinal).ok()?;
                rows.event(row, &self.shard.settings.platform, None)?
            }
            Some(_) | None => self.firsts.get(&(day, entry.ordinal))?.clone(),
        };
        Some(Order::from_first(first, entry.state & 0x0f))
    }

    fn insert_base(&mut self, print: u64, day: Day, event: &OrderEvent, state: u8) -> u32 {
        let (slot, next) = self.numbering(day);
        let (_, rows) = self.effects.base.entry(day).or_insert_with(|| (next, Columns::default()));
        rows.push(None, event);
        self.effects.next_ordinals.insert(day, next + 1);
        let material = self.shard.settings.fingerprints.material(event);
        self.effects.entries.insert(print, Entry { ordinal: next, slot, state, material });
        next
    }

    /// Slot and next ordinal of an open day, which may be new in this batch.
    fn numbering(&mut self, day: Day) -> (u8, u32) {
        let known = self.shard.days.get(&day);
        let next = self.effects.next_ordinals.get(&day).copied();
        let next = next.or(known.map(|state| state.next_ordinal)).unwrap_or(0);
        if let Some(state) = known {
            return (state.slot, next);
        }
        if let Some(slot) = self.effects.new_slots.get(&day) {
            return (*slot, next);
        }
        let taken = |slot: u8| {
            self.shard.day_of(slot).is_some() || self.effects.new_slots.values().any(|s| *s == slot)
        };
        let slot = (0..=u8::MAX).find(|slot| !taken(*slot)).unwrap_or(u8::MAX);
        self.effects.new_slots.insert(day, slot);
        (slot, next)
    }

    fn day_in(&self, slot: u8) -> Option<Day> {
        let new = || self.effects.new_slots.iter().find(|(_, own)| **own == slot);
        self.shard.day_of(slot).or_else(|| new().map(|(day, _)| *day))
    }

    fn keep_early(&mut self, item: &Incoming, print: u64, raw: RawMessage) {
        let known = self.effects.entries.get(&print).copied();
        let known = known.or_else(|| self.shard.known.get(print));
        let kinds = known.map_or(0, |entry| entry.state) | item.event.kind.bit();
        let material = self.shard.settings.fingerprints.material(&item.event);
        let state = kinds | mark::EARLY;
        self.effects.entries.insert(print, Entry { ordinal: 0, slot: 0, state, material });
        let row = self.effects.early.len();
        self.effects.early_rows.entry(print).or_default().push(row);
        self.effects.early.push((print, item.event.clone(), raw));
        self.fate(item, Fate::Applied);
    }

    fn keep_late(&mut self, item: &Incoming) {
        self.effects.late.push_raw(&item.event, (self.context.raw_of)(item.index));
        self.fate(item, Fate::Applied);
    }

    fn recount(&mut self, item: &Incoming, before: Option<Standing>, after: Option<Standing>) {
        let counts = place_in_scope(self.context.policy, before.as_ref());
        let will = place_in_scope(self.context.policy, after.as_ref());
        if let (Some(Standing::Counted(_)), None) = (&after, will) {
            self.effects.out_of_scope += 1;
        }
        if counts == will {
            return;
        }
        for (place, change) in [(counts, -1), (will, 1)] {
            let Some(place) = place else { continue };
            let after_cut = is_after_cut(self.context.cuts, place, item.received_at);
            self.effects.count(CountCell { place: place.clone(), after_cut }, change);
        }
        // A day is sealed and told where it has counts, also where all its orders lie on another.
        if let Some(day) = will.map(|place| place.day)
            && self.is_open(day, item)
        {
            let (_, next) = self.numbering(day);
            self.effects.next_ordinals.entry(day).or_insert(next);
        }
    }

    fn hold(&mut self, item: &Incoming, reason: HoldReason) {
        self.effects.held.push((item.index, reason));
        self.fate(item, Fate::Held);
    }

    fn fate(&mut self, item: &Incoming, fate: Fate) {
        self.effects.fates.push((item.index, fate));
    }
}

/// The place where an order counts, if it counts within the scheme: accepted in the region, from
/// the start on.
pub(super) fn place_in_scope<'a>(
    policy: &Policy,
    standing: Option<&'a Standing>,
) -> Option<&'a Place> {
    let Some(Standing::Counted(place)) = standing else { return None };
    let is_in_region =
        matches!(policy.county(place.county, place.day), CountyStanding::InRegion(_));
    (is_in_region && place.day >= policy.scheme_start()).then_some(place)
}

/// The cell that an order counts in, for a change by a message received at `received_at`.
#[must_use]
pub fn counted_cell(
    policy: &Policy,
    cuts: &HashMap<(LineCode, Month), Moment>,
    standing: &Standing,
    received_at: Moment,
) -> Option<CountCell> {
    let place = place_in_scope(policy, Some(standing))?;
    let after_cut = is_after_cut(cuts, place, received_at);
    Some(CountCell { place: place.clone(), after_cut })
}

/// Whether an effect of a message received then belongs to the adjustments of a frozen period.
pub(super) fn is_after_cut(
    cuts: &HashMap<(LineCode, Month), Moment>,
    place: &Place,
    received_at: Moment,
) -> bool {
    let cut = cuts.get(&(place.line.clone(), place.day.month()));
    cut.is_some_and(|cut| received_at >= *cut)
}

/// The event without the material fields that the first event has already.
pub(super) fn stripped(first: &OrderEvent, event: &OrderEvent) -> OrderEvent {
    let mut row = event.clone();
    row.worker = row.worker.filter(|worker| Some(*worker) != first.worker);
    row.line = row.line.filter(|line| Some(line) != first.line.as_ref());
    row.county = row.county.filter(|county| Some(*county) != first.county);
    let resolution = i64::from(first.resolution_ms.max(event.resolution_ms).max(1));
    let coarse = |at: Moment| at.ms().div_euclid(resolution);
    row.accepted_at =
        row.accepted_at.filter(|at| Some(coarse(*at)) != first.accepted_at.map(coarse));
    row.county_source = row.county.and(row.county_source);
    row
}
