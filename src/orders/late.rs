//! Late runs: events of days that are no longer in memory, and events that waited in vain for an
//! acceptance, against the sealed days.
//!
//! The caller looks every order number up in the fingerprint runs of the identity horizon and
//! reads the orders that are there ([`Located`]); the run itself is pure. Acceptances go first,
//! so that what waits for one finds it in the same run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::columns::{Columns, RawMessage};
use super::effects::{CountCell, Fate};
use super::identity::Fingerprints;
use super::index::RidersByDay;
use super::order::{Order, Standing, Tolerance, Verdict};
use super::resolve::{conflict, is_after_cut, place_in_scope, stripped};
use super::seal::count_riders;
use super::whole::whole_event;
use crate::domain::event::{OrderEvent, OrderKind};
use crate::domain::hold::HoldReason;
use crate::domain::ids::{LineCode, OrderId, PlatformId};
use crate::domain::time::{Day, Moment, Month};
use crate::policy::Policy;

/// An order that stands on a sealed day.
#[derive(Clone, Debug)]
pub struct Located {
    /// The day.
    pub day: Day,
    /// Its ordinal there.
    pub ordinal: u32,
    /// The order.
    pub order: Order,
}

/// One late event with its message.
#[derive(Clone, Debug)]
pub struct LateEvent {
    /// The event.
    pub event: OrderEvent,
    /// The message that it came from.
    pub raw: RawMessage,
}

/// What a late run does.
#[derive(Default)]
pub struct LateEffects {
    /// New orders by day, numbered from the day's next ordinal on.
    pub base: BTreeMap<Day, Columns>,
    /// Further events by day.
    pub delta: BTreeMap<Day, Columns>,
    /// All of these events by day, each saying everything itself: what is published of them.
    pub whole: BTreeMap<Day, Columns>,
    /// Fingerprints of the new orders, by day.
    pub fingerprints: BTreeMap<Day, Vec<u64>>,
    /// Changed counts.
    pub counts: BTreeMap<CountCell, i64>,
    /// Changed riders, by day.
    pub riders: RidersByDay,
    /// Events that go on waiting: a partition that is behind may still have their acceptance.
    pub waiting: Columns,
    /// When the first of them has waited long enough, by the clock of the slowest partition.
    pub waiting_until: Option<Moment>,
    /// What each late event turned out to be, where it is not applied after all.
    pub reclassified: Vec<(Fate, RawMessage, Option<HoldReason>)>,
}

/// What a late run looks at besides the orders that were located.
pub struct LateContext<'a> {
    /// The dated rules.
    pub policy: &'a Policy,
    /// Cuts of frozen periods.
    pub cuts: &'a HashMap<(LineCode, Month), Moment>,
    /// How identities are hashed.
    pub fingerprints: &'a Fingerprints,
    /// Next ordinal of each sealed day.
    pub next_ordinals: &'a BTreeMap<Day, u32>,
    /// Another rider within this time is a reassignment.
    pub reassign_window_ms: i64,
    /// The last day that the partition's clock has closed: no later one may get a tombstone.
    pub closed_until: Day,
    /// Until when everything has come here, also what other partitions hand on; `None` for always.
    pub all_until: Option<Moment>,
}

/// Reads late events back from their segments' rows.
#[must_use]
pub fn events_of(rows: &Columns, platform: &PlatformId) -> Vec<LateEvent> {
    let with_raw = |row: usize| {
        let raw = rows.raws.get(&u32::try_from(row).ok()?)?.clone();
        Some(LateEvent { event: rows.event(row, platform, None)?, raw })
    };
    (0..rows.rows()).filter_map(with_raw).collect()
}

/// Fingerprints of the late events, ascending.
#[must_use]
pub fn wanted(events: &[LateEvent], fingerprints: &Fingerprints) -> Vec<u64> {
    let prints = events.iter().map(|late| fingerprints.of(late.event.order_id.as_str()));
    prints.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Resolves a late run.
#[must_use]
pub fn resolve(
    mut events: Vec<LateEvent>,
    located: Vec<Located>,
    context: &LateContext<'_>,
) -> LateEffects {
    events.sort_by_key(|late| {
        let is_follow_up = late.event.accepted_at.is_none();
        (is_follow_up, late.raw.received_at, late.raw.partition, late.raw.offset)
    });
    let orders = located.into_iter().filter_map(|found| Some((found.order.id()?.clone(), found)));
    let mut run = Run {
        orders: orders.collect(),
        context,
        effects: LateEffects::default(),
        next_ordinals: context.next_ordinals.clone(),
        said_again: BTreeSet::new(),
    };
    events.into_iter().for_each(|late| run.event(late));
    run.effects
}

/// The day in the id of a whole event.
fn day_of_id(event: &OrderEvent) -> Day {
    event.accepted_at.unwrap_or(event.occurred_at).day()
}

struct Run<'a> {
    orders: HashMap<OrderId, Located>,
    context: &'a LateContext<'a>,
    effects: LateEffects,
    next_ordinals: BTreeMap<Day, u32>,
    /// Orders whose events of a day are published again.
    said_again: BTreeSet<(OrderId, Day)>,
}

impl Run<'_> {
    fn event(&mut self, late: LateEvent) {
        let Some(mut found) = self.orders.remove(&late.event.order_id) else {
            return self.unknown(late);
        };
        let id = late.event.order_id.clone();
        let is_tombstone = matches!(late.event.kind, OrderKind::Cancelled | OrderKind::Void);
        let is_unmatched = late.event.accepted_at.is_none() && !is_tombstone;
        if is_unmatched && found.order.accepted_at().is_none() {
            // A tombstone stands, but nobody is known to have accepted what was completed.
            self.orders.insert(id, found);
            return self.no_acceptance(late);
        }
        let first = found.order.events().first();
        let whole = first.map_or_else(|| late.event.clone(), |it| whole_event(it, &late.event));
        let event_day = day_of_id(&whole);
        let verdict = found.order.consider(&late.event, self.tolerance());
        match verdict {
            Verdict::Conflict(field) => {
                let is_closed = late.raw.received_at >= self.closed_at(found.day);
                let reason = conflict(&late.event, field, found.day, is_closed);
                self.effects.reclassified.push((Fate::Held, late.raw, Some(reason)));
            }
            Verdict::Duplicate { fills: false } => {
                self.effects.reclassified.push((Fate::Duplicate, late.raw, None));
            }
            Verdict::Duplicate { fills: true } | Verdict::Apply => {
                self.amend(&mut found, &late);
                if verdict != Verdict::Apply {
                    self.effects.reclassified.push((Fate::Duplicate, late.raw, None));
                }
            }
        }
        self.say_again(&found, &id, event_day);
        self.orders.insert(id, found);
    }

    /// What was taken back from a day withdraws every event of the number whose id has that day,
    /// also where the order that stands on another day has the same event, of a rider who took over
    /// behind midnight: those are published again.
    fn say_again(&mut self, found: &Located, id: &OrderId, day: Day) {
        if day == found.day || !self.said_again.insert((id.clone(), day)) {
            return;
        }
        let Some(first) = found.order.events().first() else { return };
        let events = found.order.events().iter().map(|event| whole_event(first, event));
        for event in events.filter(|event| day_of_id(event) == day) {
            self.effects.whole.entry(found.day).or_default().push_whole(&event);
        }
    }

    fn amend(&mut self, found: &mut Located, late: &LateEvent) {
        let before = found.order.clone();
        found.order.add(late.event.clone());
        let first = before.events().first().cloned();
        let whole = self.effects.whole.entry(found.day).or_default();
        match &first {
            Some(first) => whole.push_whole(&whole_event(first, &late.event)),
            None => whole.push_whole(&late.event),
        }
        let row = match first {
            Some(first) if !found.order.is_amended() => stripped(&first, &late.event),
            Some(_) | None => late.event.clone(),
        };
        self.effects.delta.entry(found.day).or_default().push(Some(found.ordinal), &row);
        let riders = &mut self.effects.riders;
        count_riders(&before, self.context.policy, -1, riders);
        count_riders(&found.order, self.context.policy, 1, riders);
        self.recount(&before.standing(), &found.order.standing(), late.raw.received_at);
    }

    /// No day of the horizon has it: a new order of its day, a tombstone, or nothing known.
    fn unknown(&mut self, late: LateEvent) {
        let is_tombstone = matches!(late.event.kind, OrderKind::Cancelled | OrderKind::Void);
        let day = match late.event.accepted_at {
            Some(at) => at.day(),
            // Its day decides nothing, but must not be one that still takes orders.
            None if is_tombstone => late.event.occurred_at.day().min(self.context.closed_until),
            None => return self.no_acceptance(late),
        };
        let next = self.next_ordinals.entry(day).or_insert(0);
        let ordinal = *next;
        *next += 1;
        self.effects.base.entry(day).or_default().push(None, &late.event);
        self.effects.whole.entry(day).or_default().push_whole(&late.event);
        let print = self.context.fingerprints.of(late.event.order_id.as_str());
        self.effects.fingerprints.entry(day).or_default().push(print);
        let order = Order::new(late.event.clone());
        count_riders(&order, self.context.policy, 1, &mut self.effects.riders);
        let nothing = Standing::NotCounted(super::order::NotCounted::NoAcceptance);
        self.recount(&nothing, &order.standing(), late.raw.received_at);
        self.orders.insert(late.event.order_id.clone(), Located { day, ordinal, order });
    }

    /// Held, unless a partition whose clock is behind may still hand the acceptance on: which of
    /// two partitions is faster must not decide what becomes of a message.
    fn no_acceptance(&mut self, late: LateEvent) {
        let closed_at = self.closed_at(late.event.occurred_at.day());
        let until = closed_at.max(late.raw.received_at);
        if self.context.all_until.is_some_and(|all| all < until) {
            let first = self.effects.waiting_until.get_or_insert(until);
            *first = until.min(*first);
            self.effects.waiting.push_raw(&late.event, late.raw);
            return;
        }
        self.effects.reclassified.push((Fate::Held, late.raw, Some(HoldReason::NoAcceptance)));
    }

    /// When a day closes by the clock of whoever has its orders.
    fn closed_at(&self, day: Day) -> Moment {
        day.end().plus_ms(self.context.policy.windows().seal_after_ms)
    }

    const fn tolerance(&self) -> Tolerance {
        Tolerance {
            reassign_window_ms: self.context.reassign_window_ms,
            time_resolution_ms: self.context.fingerprints.time_resolution_ms(),
        }
    }

    fn recount(&mut self, before: &Standing, after: &Standing, received_at: Moment) {
        let policy = self.context.policy;
        let counted = place_in_scope(policy, Some(before));
        let will = place_in_scope(policy, Some(after));
        if counted == will {
            return;
        }
        for (place, change) in [(counted, -1), (will, 1)] {
            let Some(place) = place else { continue };
            let after_cut = is_after_cut(self.context.cuts, place, received_at);
            let cell = CountCell { place: place.clone(), after_cut };
            *self.effects.counts.entry(cell).or_insert(0) += change;
        }
    }
}
