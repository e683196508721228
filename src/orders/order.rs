//! One order as the set of its applied events: what a further event is to it, and whether, where
//! and when it counts. Pure; the answer depends on the set, never on the arrival.
//!
//! Legal source: 缴费按单 (notice of 2026-02-26, clause 三); the counting rule itself is a house
//! decision, dated in `policy/`, see ADR 0002.

use crate::domain::event::{OrderEvent, OrderKind};
use crate::domain::ids::{CountyCode, LineCode, OrderId, WorkerToken};
use crate::domain::time::{Day, Moment};

/// An order: its applied events, and kinds of which only the fact is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    events: Vec<OrderEvent>,
    /// Bits of kinds that were seen of the first event's rider, with no other material field.
    plain: u8,
}

/// How far two events of one order may lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Another rider within this time of the acceptance is a reassignment.
    pub reassign_window_ms: i64,
    /// Acceptance times agree within this: the coarsest resolution of the topic's feeds, one for
    /// all pairs, so that agreement is transitive and the same on every path.
    pub time_resolution_ms: i64,
}

/// What a further event is to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It sets a (kind, worker) not yet seen.
    Apply,
    /// Seen already; `fills` where it carries a field that the order lacked.
    Duplicate {
        /// Whether the order learns a field from it.
        fills: bool,
    },
    /// It disagrees in this field.
    Conflict(&'static str),
}

/// Whether an order counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One order of this line, county and day.
    Counted(Place),
    /// No order of ours, for this reason.
    NotCounted(NotCounted),
}

/// Where and when an order counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line of business.
    pub line: LineCode,
    /// Day of acceptance.
    pub day: Day,
    /// County of acceptance.
    pub county: CountyCode,
}

/// Why an applied order does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotCounted {
    /// 作废.
    Void,
    /// Nobody accepted it, as far as is known.
    NoAcceptance,
    /// Cancelled before the earliest acceptance.
    CancelledBefore,
    /// No county or line is known yet.
    Unplaced,
}

struct Acceptance<'a> {
    at: Moment,
    event: &'a OrderEvent,
}

impl Order {
    /// An order of which one event is known.
    #[must_use]
    pub fn new(event: OrderEvent) -> Self {
        Self { events: vec![event], plain: 0 }
    }

    /// An order read back: its first event and the kinds seen since, none of them with a material
    /// field that the first event lacks.
    pub(super) fn from_first(event: OrderEvent, kinds: u8) -> Self {
        let plain = kinds & !event.kind.bit();
        Self { events: vec![event], plain }
    }

    /// An order put together again from what [`Order::events`] and [`Order::plain_kinds`] gave.
    pub(super) const fn from_parts(events: Vec<OrderEvent>, plain: u8) -> Self {
        Self { events, plain }
    }

    /// Bits of kinds of which only the fact is known.
    pub(super) const fn plain_kinds(&self) -> u8 {
        self.plain
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> Option<&OrderId> {
        self.events.first().map(|event| &event.order_id)
    }

    /// Its applied events, the first first.
    #[must_use]
    pub fn events(&self) -> &[OrderEvent] {
        &self.events
    }

    /// Its applied events, and those of which only the kind is known, in the words of the first.
    #[must_use]
    pub fn events_of_all_kinds(&self) -> Vec<OrderEvent> {
        let mut events = self.events.clone();
        let Some(first) = self.events.first() else { return events };
        let plain = OrderKind::ALL.into_iter().filter(|kind| self.plain & kind.bit() != 0);
        // A cancellation that is no more than its kind came after the acceptance.
        let at = first.accepted_at.unwrap_or(first.occurred_at);
        let said = |kind| OrderEvent { kind, occurred_at: at, ended_at: None, ..first.clone() };
        events.extend(plain.map(said));
        events
    }

    /// Bits of all kinds seen.
    #[must_use]
    pub fn kinds(&self) -> u8 {
        self.events.iter().fold(self.plain, |bits, event| bits | event.kind.bit())
    }

    /// Adds an event that [`Order::consider`] did not refuse, or a stored delta: a bit where it
    /// says no more than its kind, else an event. Memory, a rebuild and a sealed day so hold the
    /// same order.
    pub fn add(&mut self, event: OrderEvent) {
        let Some(first) = self.events.first() else { return };
        let is_early_cancel = event.kind == OrderKind::Cancelled
            && first.accepted_at.is_none_or(|at| event.occurred_at < at);
        if is_early_cancel || first.accepted_at.is_none() || adds_material(first, &event) {
            self.events.push(event);
        } else {
            self.plain |= event.kind.bit() & !first.kind.bit();
        }
    }

    /// What this event is to the order.
    #[must_use]
    pub fn consider(&self, event: &OrderEvent, tolerance: Tolerance) -> Verdict {
        if let (Some(own), Some(other)) = (self.line(), event.line.as_ref())
            && own != other
        {
            return Verdict::Conflict("line");
        }
        if let Some(worker) = event.worker
            && self.has_workers()
            && !self.knows_worker(worker)
        {
            return self.consider_reassignment(event, tolerance.reassign_window_ms);
        }
        if let Some(field) = self.disagreement(event, tolerance.time_resolution_ms) {
            return Verdict::Conflict(field);
        }
        if self.has_seen(event.kind, event.worker) {
            return Verdict::Duplicate { fills: self.is_filled_by(event) };
        }
        Verdict::Apply
    }

    /// Whether, where and when it counts, before the scheme's own scope is asked.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.kinds() & OrderKind::Void.bit() != 0 {
            return Standing::NotCounted(NotCounted::Void);
        }
        let Some(acceptance) = self.earliest_acceptance() else {
            return Standing::NotCounted(NotCounted::NoAcceptance);
        };
        if self.is_cancelled_before(acceptance.at) {
            return Standing::NotCounted(NotCounted::CancelledBefore);
        }
        let county = acceptance.event.county.or_else(|| self.county());
        match (self.line(), county) {
            (Some(line), Some(county)) => {
                Standing::Counted(Place { line: line.clone(), day: acceptance.at.day(), county })
            }
            _ => Standing::NotCounted(NotCounted::Unplaced),
        }
    }

    /// The earliest acceptance time.
    #[must_use]
    pub fn accepted_at(&self) -> Option<Moment> {
        self.earliest_acceptance().map(|acceptance| acceptance.at)
    }

    /// Every rider who accepted it.
    pub fn acceptors(&self) -> impl Iterator<Item = WorkerToken> {
        let accepting = self.events.iter().filter(|event| event.accepted_at.is_some());
        accepting.filter_map(|event| event.worker)
    }

    /// Whether it takes more than its first event and bits of kinds to know it.
    pub(super) fn is_amended(&self) -> bool {
        let Some(first) = self.events.first() else { return false };
        let Some(at) = first.accepted_at else { return true };
        self.events.iter().skip(1).any(|event| {
            adds_material(first, event)
                || (event.kind == OrderKind::Cancelled && event.occurred_at < at)
        }) || self.is_cancelled_before(at)
    }

    fn line(&self) -> Option<&LineCode> {
        self.events.iter().find_map(|event| event.line.as_ref())
    }

    fn county(&self) -> Option<CountyCode> {
        self.events.iter().find_map(|event| event.county)
    }

    fn has_workers(&self) -> bool {
        self.events.iter().any(|event| event.worker.is_some())
    }

    fn knows_worker(&self, worker: WorkerToken) -> bool {
        self.events.iter().any(|event| event.worker == Some(worker))
    }

    fn is_cancelled_before(&self, at: Moment) -> bool {
        let mut cancels = self.events.iter().filter(|event| event.kind == OrderKind::Cancelled);
        cancels.any(|event| event.occurred_at < at)
    }

    fn earliest_acceptance(&self) -> Option<Acceptance<'_>> {
        let accepting = self.events.iter();
        let dated =
            accepting.filter_map(|event| Some(Acceptance { at: event.accepted_at?, event }));
        // Two acceptances at one moment: the lower token, so that arrival does not decide.
        dated.min_by_key(|acceptance| (acceptance.at, acceptance.event.worker))
    }

    fn consider_reassignment(&self, event: &OrderEvent, window_ms: i64) -> Verdict {
        let first = self.events.iter().map(|known| known.occurred_at).min();
        let own = self.accepted_at().or(first);
        let at = event.accepted_at.unwrap_or(event.occurred_at);
        match own {
            Some(own) if at.since_ms(own).saturating_abs() > window_ms => {
                Verdict::Conflict("worker")
            }
            Some(_) | None => Verdict::Apply,
        }
    }

    /// The first material field in which the event disagrees with what the order has of the same
    /// rider (or of anyone, where the event names none).
    fn disagreement(&self, event: &OrderEvent, resolution_ms: i64) -> Option<&'static str> {
        let known: Vec<_> = self.of_rider(event.worker).collect();
        if let Some(at) = event.accepted_at {
            let mut times = known.iter().filter_map(|known| known.accepted_at).peekable();
            let coarse = |at: Moment| at.ms().div_euclid(resolution_ms.max(1));
            let agrees = |own: Moment| coarse(own) == coarse(at);
            if times.peek().is_some() && !times.any(agrees) {
                return Some("accepted_at");
            }
        }
        if let Some(county) = event.county {
            let mut counties = known.iter().filter_map(|known| known.county).peekable();
            if counties.peek().is_some() && !counties.any(|own| own == county) {
                return Some("county");
            }
        }
        None
    }

    fn has_seen(&self, kind: OrderKind, worker: Option<WorkerToken>) -> bool {
        let first = self.events.first().and_then(|event| event.worker);
        let is_plain_rider = worker.is_none() || first.is_none() || worker == first;
        if self.plain & kind.bit() != 0 && is_plain_rider {
            return true;
        }
        self.events.iter().any(|known| {
            known.kind == kind
                && (worker.is_none() || known.worker.is_none() || known.worker == worker)
        })
    }

    /// Events of this rider; an absent rider matches any.
    fn of_rider(&self, worker: Option<WorkerToken>) -> impl Iterator<Item = &OrderEvent> {
        let is_own = move |known: &&OrderEvent| {
            worker.is_none() || known.worker.is_none() || known.worker == worker
        };
        self.events.iter().filter(is_own)
    }

    /// Whether it carries a field that the order lacks; an acceptance time also where the order
    /// has none of this rider, who may be the one that accepted first.
    fn is_filled_by(&self, event: &OrderEvent) -> bool {
        let is_own = |known: &OrderEvent| event.worker.is_none() || known.worker == event.worker;
        let has_time = || self.events.iter().any(|k| k.accepted_at.is_some() && is_own(k));
        (event.worker.is_some() && !self.has_workers())
            || (event.accepted_at.is_some() && !has_time())
            || (event.county.is_some() && self.county().is_none())
            || (event.line.is_some() && self.line().is_none())
    }
}

/// Whether `event` carries a material field that `first` lacks or has otherwise.
fn adds_material(first: &OrderEvent, event: &OrderEvent) -> bool {
    let resolution = i64::from(first.resolution_ms.max(event.resolution_ms).max(1));
    let coarse = |at: Option<Moment>| at.map(|at| at.ms().div_euclid(resolution));
    (event.worker.is_some() && event.worker != first.worker)
        || (event.accepted_at.is_some() && coarse(event.accepted_at) != coarse(first.accepted_at))
        || (event.county.is_some() && event.county != first.county)
        || (event.line.is_some() && event.line != first.line)
}
