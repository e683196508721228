//! Which orders bear witness to a case: those of the injured person around the accident.
//!
//! The hub finds them itself; a screenshot or the number named in a filing proves nothing.

use crate::domain::ids::{OrderId, PlatformId, WorkerToken};
use crate::domain::time::Moment;

/// How long before the accident an acceptance still counts as evidence, in milliseconds.
///
/// Legal source: none; house decision (an order may run for hours before an accident).
const BEFORE_MS: i64 = 12 * 3_600_000;

/// How long after the accident, in milliseconds: clocks of platforms and filings differ.
///
/// Legal source: none; house decision.
const AFTER_MS: i64 = 3_600_000;

/// Acceptance times that bear witness to an accident, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First moment.
    pub first: Moment,
    /// Last moment.
    pub last: Moment,
}

/// An order as the order book knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The platform.
    pub platform: PlatformId,
    /// Its order number.
    pub order: OrderId,
    /// The rider.
    pub worker: WorkerToken,
    /// 接单时间.
    pub accepted_at: Moment,
    /// 作废.
    pub void: bool,
}

/// What the hub found for a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Orders of the person around the accident, by platform and number.
    Found(Vec<(PlatformId, OrderId)>),
    /// The person has none there.
    NoneFound,
    /// The filing's platform sends only totals: nothing can be said.
    NoDetailSupplied,
}

impl Evidence {
    /// The word used in the database, in exports and in records.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Found(_) => "found",
            Self::NoneFound => "none_found",
            Self::NoDetailSupplied => "no_detail_supplied",
        }
    }

    /// The orders found, each once, sorted.
    #[must_use]
    pub fn orders(&self) -> &[(PlatformId, OrderId)] {
        match self {
            Self::Found(orders) => orders,
            Self::NoneFound | Self::NoDetailSupplied => &[],
        }
    }
}

impl Window {
    /// The window around an accident.
    #[must_use]
    pub const fn around(accident_at: Moment) -> Self {
        Self { first: accident_at.plus_ms(-BEFORE_MS), last: accident_at.plus_ms(AFTER_MS) }
    }

    fn holds(&self, moment: Moment) -> bool {
        self.first <= moment && moment <= self.last
    }
}

/// Chooses among candidate orders those that bear witness. `workers` are all riders that the
/// person is known as; `streams_orders` says whether the filing's platform sends single orders.
#[must_use]
pub fn choose(
    accident_at: Moment,
    workers: &[(PlatformId, WorkerToken)],
    candidates: &[Candidate],
    streams_orders: bool,
) -> Evidence {
    let window = Window::around(accident_at);
    let mut orders: Vec<(PlatformId, OrderId)> = candidates
        .iter()
        .filter(|order| !order.void && window.holds(order.accepted_at))
        .filter(|order| {
            workers.iter().any(|(at, who)| *at == order.platform && *who == order.worker)
        })
        .map(|order| (order.platform.clone(), order.order.clone()))
        .collect();
    orders.sort_unstable();
    orders.dedup();
    if !orders.is_empty() {
        Evidence::Found(orders)
    } else if streams_orders {
        Evidence::NoneFound
    } else {
        Evidence::NoDetailSupplied
    }
}
