//! One order event as it stands in somebody's columns, without copies, and the rule of its id.

use std::fmt::Write;

use super::event::{CountySource, OrderEvent, OrderKind};
use super::ids::{ConnectorId, CountyCode, LineCode, OrderId, PlatformId, WorkerToken};
use super::time::{Day, Moment};

/// An order event whose texts lie elsewhere. Fields as in [`OrderEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderView<'a> {
    /// What happened.
    pub kind: OrderKind,
    /// Whether this takes the event back: the order is none of its own, since its number stands
    /// on another day.
    pub is_withdrawn: bool,
    /// The liable platform.
    pub platform: &'a PlatformId,
    /// Who reported for it, where another than the platform.
    pub agent: Option<&'a ConnectorId>,
    /// The platform's order number.
    pub order_id: &'a str,
    /// Line of business.
    pub line: Option<&'a LineCode>,
    /// The rider.
    pub worker: Option<WorkerToken>,
    /// 接单时间.
    pub accepted_at: Option<Moment>,
    /// Completion or cancellation time.
    pub ended_at: Option<Moment>,
    /// When it happened, as the platform says.
    pub occurred_at: Moment,
    /// County of acceptance.
    pub county: Option<CountyCode>,
    /// How `county` was found.
    pub county_source: Option<CountySource>,
    /// County of service.
    pub service_county: Option<CountyCode>,
    /// Aggregator or merchant channel.
    pub channel: Option<&'a str>,
    /// The platform and order it was passed on from.
    pub upstream: Option<(&'a PlatformId, &'a OrderId)>,
    /// Time resolution of the feed in milliseconds.
    pub resolution_ms: u32,
}

impl<'a> From<&'a OrderEvent> for OrderView<'a> {
    fn from(event: &'a OrderEvent) -> Self {
        Self {
            kind: event.kind,
            is_withdrawn: false,
            platform: &event.platform,
            agent: event.agent(),
            order_id: event.order_id.as_str(),
            line: event.line.as_ref(),
            worker: event.worker,
            accepted_at: event.accepted_at,
            ended_at: event.ended_at,
            occurred_at: event.occurred_at,
            county: event.county,
            county_source: event.county_source,
            service_county: event.service_county,
            channel: event.channel(),
            upstream: event.upstream().map(|(platform, order)| (platform, order)),
            resolution_ms: event.resolution_ms,
        }
    }
}

impl OrderView<'_> {
    /// The word of what it says: that of its kind, or `withdrawn`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        if self.is_withdrawn { "withdrawn" } else { self.kind.code() }
    }
}

/// Writes ids of order events: `<platform>:<kind>:<order id>:<rider>:<day>`, and
/// `<id of the withdrawn event>:withdrawn`.
///
/// The id is made of what the order book takes for one fact, and of nothing else. The book applies
/// one event of each (kind, rider) of an order, so both are in it: the rider as the token in 16
/// hexadecimal digits, `-` where none is known. The day is that of acceptance in Asia/Shanghai,
/// or of the event where nobody accepted: a number that comes again for another day is another
/// fact until it is held, and must not share the ids of the one that stands. File, feed, source
/// position, times within the day, append time and the order of arrival are not in it, since two
/// messages that say the same may differ in them.
///
/// A later publication under one id may know a field that the first did not (a county that a
/// further message filled): the last one stands. What stands last in the id has no colon and a
/// fixed form, so that no order number can imitate another id.
///
/// Arrival shows in one case only: an event that names no rider, of an order that two riders
/// accepted, goes by the rider of the acceptance that came first.
#[derive(Debug, Default)]
pub struct OrderEventIds {
    text: String,
    day: Option<(Day, String)>,
}

impl OrderEventIds {
    /// The id of an event.
    pub fn of(&mut self, event: &OrderView<'_>) -> &str {
        let day = event.accepted_at.unwrap_or(event.occurred_at).day();
        if self.day.as_ref().is_none_or(|(known, _)| *known != day) {
            self.day = Some((day, day.to_string()));
        }
        let text = &mut self.text;
        text.clear();
        for part in [event.platform.as_str(), event.kind.code(), event.order_id] {
            text.push_str(part);
            text.push(':');
        }
        match event.worker {
            // Writing to a string cannot fail.
            Some(worker) => write!(text, "{:016x}:", worker.0).unwrap_or_default(),
            None => text.push_str("-:"),
        }
        text.push_str(self.day.as_ref().map_or("", |(_, day)| day.as_str()));
        if event.is_withdrawn {
            text.push_str(":withdrawn");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{OrderEventIds, OrderView};
    use crate::domain::event::OrderKind;
    use crate::domain::ids::{ConnectorId, CountyCode, EventId, PlatformId, WorkerToken};
    use crate::domain::time::Moment;

    fn view<'a>(platform: &'a PlatformId, order_id: &'a str) -> OrderView<'a> {
        OrderView {
            kind: OrderKind::Accepted,
            is_withdrawn: false,
            platform,
            agent: None,
            order_id,
            line: None,
            worker: Some(WorkerToken(0xab)),
            // 2026-07-02T00:00+08:00, which is the first of July in UTC.
            accepted_at: Some(Moment::from_ms(1_782_921_600_000)),
            ended_at: None,
            occurred_at: Moment::from_ms(1_782_921_600_000),
            county: None,
            county_source: None,
            service_county: None,
            channel: None,
            upstream: None,
            resolution_ms: 1,
        }
    }

    #[test]
    fn an_id_is_made_of_kind_order_rider_and_day() {
        let platform = PlatformId::new("meituan").unwrap();
        let mut ids = OrderEventIds::default();
        let event = view(&platform, "42");
        assert_eq!(ids.of(&event), "meituan:accepted:42:00000000000000ab:2026-07-02");
        let withdrawn = OrderView { is_withdrawn: true, ..event };
        let expected = "meituan:accepted:42:00000000000000ab:2026-07-02:withdrawn";
        assert_eq!(ids.of(&withdrawn), expected);
        let nobody = OrderView { worker: None, accepted_at: None, ..event };
        assert_eq!(ids.of(&nobody), "meituan:accepted:42:-:2026-07-02");
    }

    #[test]
    fn what_two_messages_of_one_fact_may_differ_in_is_not_in_the_id() {
        let platform = PlatformId::new("meituan").unwrap();
        let agent = ConnectorId::new("fleet").unwrap();
        let (mut one, mut other) = (OrderEventIds::default(), OrderEventIds::default());
        let event = view(&platform, "42");
        let again = OrderView {
            agent: Some(&agent),
            county: CountyCode::new(150_102),
            channel: Some("amap"),
            accepted_at: Some(Moment::from_ms(1_782_921_600_999)),
            occurred_at: Moment::from_ms(1_783_000_000_000),
            resolution_ms: 1000,
            ..event
        };
        assert_eq!(one.of(&event), other.of(&again));
    }

    #[test]
    fn the_longest_id_is_an_event_id() {
        let platform = PlatformId::new(&"p".repeat(32)).unwrap();
        let order = "9".repeat(64);
        let event =
            OrderView { kind: OrderKind::Completed, is_withdrawn: true, ..view(&platform, &order) };
        assert!(EventId::new(OrderEventIds::default().of(&event)).is_ok());
    }
}
