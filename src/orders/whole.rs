//! Whole events out of columns: what a delta leaves out is taken from the first event of its
//! order, so that others can read it alone.
//!
//! A delta drops the number of its order, and the material fields in which it agrees with the
//! first event. Whole, it has them again. A delta of another rider than the first event's takes
//! over the line only: time and county of an acceptance are its rider's own.

use super::columns::{Columns, county_of, first_kind, source_of};
use super::ints::ABSENT;
use super::order::Order;
use super::seal::OpenDay;
use crate::domain::event::OrderEvent;
use crate::domain::ids::{LineCode, PlatformId, WorkerToken};
use crate::domain::order_view::OrderView;
use crate::domain::time::Moment;

/// In the kinds of a row that takes its event back, beside the bit of the event's own kind.
const WITHDRAWN: i64 = 1 << 4;

impl Columns {
    /// The event of a row that says everything itself (base, unpublished).
    #[must_use]
    pub fn whole<'a>(&'a self, row: usize, platform: &'a PlatformId) -> Option<OrderView<'a>> {
        let kinds = self.at(&self.kinds, row)?;
        let moment = |column: &[i64]| self.at(column, row).map(Moment::from_ms);
        let origin = u32::try_from(row).ok().and_then(|row| self.origins.get(&row));
        let upstream = origin.and_then(|origin| origin.upstream.as_ref());
        Some(OrderView {
            kind: first_kind(kinds)?,
            is_withdrawn: kinds & WITHDRAWN != 0,
            platform,
            agent: origin.and_then(|origin| origin.agent.as_ref()),
            order_id: self.ids.get(row).unwrap_or_default(),
            line: self.line_of(row),
            worker: self.at(&self.workers, row).map(|token| WorkerToken(token.cast_unsigned())),
            accepted_at: moment(&self.accepted),
            ended_at: moment(&self.ended),
            occurred_at: moment(&self.occurred)?,
            county: self.at(&self.counties, row).and_then(county_of),
            county_source: self.at(&self.county_sources, row).and_then(source_of),
            service_county: self.at(&self.service_counties, row).and_then(county_of),
            channel: origin.and_then(|origin| origin.channel.as_deref()),
            upstream: upstream.map(|(platform, order)| (platform, order)),
            resolution_ms: u32::try_from(self.at(&self.resolutions, row)?).ok()?,
        })
    }

    /// The event of a delta row whose order's first event is `place` of `base`.
    #[must_use]
    pub fn whole_delta<'a>(
        &'a self,
        row: usize,
        (base, place): (&'a Self, usize),
        platform: &'a PlatformId,
    ) -> Option<OrderView<'a>> {
        let first = base.whole(place, platform)?;
        Some(filled(first, self.whole(row, platform)?))
    }

    /// Ordinals of the rows, ascending in a stored delta segment.
    pub fn delta_ordinals(&self) -> impl Iterator<Item = u32> {
        self.ordinals.iter().map(|ordinal| u32::try_from(*ordinal).unwrap_or(u32::MAX))
    }

    /// Adds an event that says everything itself.
    pub fn push_whole(&mut self, event: &OrderEvent) {
        self.push(None, event);
    }

    /// Adds row `row` of `deltas` as an event that says everything itself.
    fn push_whole_delta(&mut self, deltas: &Self, row: usize, (base, place): (&Self, usize)) {
        let Some(id) = base.ids.get(place) else { return };
        let at = self.rows;
        self.push_row(deltas, row, None);
        self.ordinals.clear();
        self.ids.push(id);
        let (own, first) = (self.at(&self.workers, at), base.at(&base.workers, place));
        if self.at(&self.lines, at).is_none()
            && let Some(line) = base.line_of(place)
        {
            let number = self.line_number(line);
            set(&mut self.lines, at, Some(number));
        }
        if !is_same_rider(own, first) {
            return;
        }
        if self.at(&self.counties, at).is_none() {
            set(&mut self.counties, at, base.at(&base.counties, place));
            set(&mut self.county_sources, at, base.at(&base.county_sources, place));
        }
        set(&mut self.workers, at, own.or(first));
        let accepted = self.at(&self.accepted, at).or(base.at(&base.accepted, place));
        set(&mut self.accepted, at, accepted);
    }

    fn at(&self, column: &[i64], row: usize) -> Option<i64> {
        column.get(row).copied().filter(|value| *value != ABSENT)
    }

    fn line_of(&self, row: usize) -> Option<&LineCode> {
        let number = usize::try_from(self.at(&self.lines, row)?).ok()?;
        self.line_names.get(number)
    }
}

impl OpenDay {
    /// The rows of a delta segment of this day as whole events; the base segments are all in.
    #[must_use]
    pub fn whole_deltas(&self, deltas: &Columns) -> Columns {
        let mut whole = Columns::default();
        for (row, ordinal) in deltas.delta_ordinals().enumerate() {
            if let Ok(place) = usize::try_from(ordinal) {
                whole.push_whole_delta(deltas, row, (&self.base, place));
            }
        }
        whole
    }
}

/// The rows that take orders back: the first event of each, marked as withdrawn.
#[must_use]
pub fn withdrawals<'a>(orders: impl IntoIterator<Item = &'a Order>) -> Columns {
    let mut rows = Columns::default();
    for first in orders.into_iter().filter_map(|order| order.events().first()) {
        rows.push(None, first);
        if let Some(kinds) = rows.kinds.last_mut() {
            *kinds |= WITHDRAWN;
        }
    }
    rows
}

/// A further event of an order, with what it leaves out taken from the first one.
#[must_use]
pub fn whole_event(first: &OrderEvent, event: &OrderEvent) -> OrderEvent {
    let view = filled(OrderView::from(first), OrderView::from(event));
    OrderEvent {
        line: view.line.cloned(),
        worker: view.worker,
        accepted_at: view.accepted_at,
        county: view.county,
        county_source: view.county_source,
        ..event.clone()
    }
}

fn filled<'a>(first: OrderView<'a>, event: OrderView<'a>) -> OrderView<'a> {
    let line = event.line.or(first.line);
    let token = |view: &OrderView<'_>| view.worker.map(|worker| worker.0);
    let order_id = first.order_id;
    if !is_same_rider(token(&event), token(&first)) {
        return OrderView { order_id, line, ..event };
    }
    let place = if event.county.is_some() { &event } else { &first };
    OrderView {
        order_id,
        line,
        worker: event.worker.or(first.worker),
        accepted_at: event.accepted_at.or(first.accepted_at),
        county: place.county,
        county_source: place.county_source,
        ..event
    }
}

/// An absent rider may be any.
fn is_same_rider<T: PartialEq>(own: Option<T>, first: Option<T>) -> bool {
    own.is_none() || first.is_none() || own == first
}

fn set(column: &mut [i64], row: usize, value: Option<i64>) {
    if let Some(place) = column.get_mut(row) {
        *place = value.unwrap_or(ABSENT);
    }
}

#[cfg(test)]
mod tests {
    use super::{Columns, OpenDay, whole_event, withdrawals};
    use crate::domain::event::{CountySource, OrderEvent, OrderKind};
    use crate::domain::ids::{CountyCode, LineCode, OrderId, PlatformId, WorkerToken};
    use crate::domain::order_view::{OrderEventIds, OrderView};
    use crate::domain::time::Moment;
    use crate::orders::order::Order;

    fn event(kind: OrderKind, worker: Option<u64>, at: Option<i64>) -> OrderEvent {
        OrderEvent {
            kind,
            platform: PlatformId::new("meituan").unwrap(),
            order_id: OrderId::new("A1").unwrap(),
            line: None,
            worker: worker.map(WorkerToken),
            accepted_at: at.map(Moment::from_ms),
            ended_at: None,
            occurred_at: Moment::from_ms(9_000),
            county: None,
            county_source: None,
            service_county: None,
            origin: None,
            resolution_ms: 1,
        }
    }

    fn first() -> OrderEvent {
        OrderEvent {
            line: Some(LineCode::new("instant_delivery").unwrap()),
            county: CountyCode::new(150_102),
            county_source: Some(CountySource::Acceptance),
            ..event(OrderKind::Accepted, Some(7), Some(1_000))
        }
    }

    /// Makes a delta whole in all three ways, which must agree; gives rider, time, county, line.
    fn check(delta: &OrderEvent) -> (Option<u64>, Option<i64>, Option<u32>, bool) {
        let first = first();
        let (mut base, mut deltas) = (Columns::default(), Columns::default());
        base.push(None, &event(OrderKind::Void, None, None));
        base.push(None, &first);
        deltas.push(Some(1), delta);
        let platform = &first.platform;
        let one = deltas.whole_delta(0, (&base, 1), platform).unwrap();
        let mut day = OpenDay::default();
        day.add_base(&base);
        let sealed = day.whole_deltas(&deltas);
        assert_eq!(sealed.whole(0, platform), Some(one));
        let late = whole_event(&first, delta);
        assert_eq!(OrderView::from(&late), one);
        assert_eq!(one.order_id, "A1");
        let worker = one.worker.map(|worker| worker.0);
        let county = one.county.map(CountyCode::get);
        assert_eq!(one.county_source.is_some(), county.is_some());
        (worker, one.accepted_at.map(Moment::ms), county, one.line.is_some())
    }

    #[test]
    fn what_agrees_with_the_first_event_comes_back() {
        let bare = event(OrderKind::Completed, None, None);
        assert_eq!(check(&bare), (Some(7), Some(1_000), Some(150_102), true));
        let own = event(OrderKind::Completed, Some(7), None);
        assert_eq!(check(&own), (Some(7), Some(1_000), Some(150_102), true));
    }

    #[test]
    fn another_riders_event_takes_over_the_line_only() {
        let other = event(OrderKind::Accepted, Some(8), Some(2_000));
        assert_eq!(check(&other), (Some(8), Some(2_000), None, true));
        let untimed = event(OrderKind::Completed, Some(8), None);
        assert_eq!(check(&untimed), (Some(8), None, None, true));
    }

    #[test]
    fn what_the_event_says_itself_stands() {
        let placed = OrderEvent {
            county: CountyCode::new(150_103),
            county_source: Some(CountySource::Pickup),
            ..event(OrderKind::Completed, None, None)
        };
        assert_eq!(check(&placed), (Some(7), Some(1_000), Some(150_103), true));
    }

    #[test]
    fn a_withdrawal_names_the_event_that_it_takes_back() {
        let order = Order::new(first());
        let rows = withdrawals([&order]);
        let first = first();
        let withdrawn = rows.whole(0, &first.platform).unwrap();
        assert_eq!(withdrawn.code(), "withdrawn");
        let (mut one, mut other) = (OrderEventIds::default(), OrderEventIds::default());
        let expected = format!("{}:withdrawn", one.of(&OrderView::from(&first)));
        assert_eq!(other.of(&withdrawn), expected);
    }
}
