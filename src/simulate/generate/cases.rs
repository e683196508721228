//! Injury cases: who, when, where, and the evidence that the hub must find for each.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;

use super::life::Order;
use super::native::order_id_text;
use super::platforms::{KUAIGOU, MANBANG, PLATFORMS};
use super::riders::{Riders, Role, identity_no};
use super::run::Run;
use super::scripts::{SCRIPTS, Script};
use super::text::{HOUR_MS, hour_of, index, number};
use super::truth::CaseTruth;
use crate::domain::time::Day;

/// Orders accepted so long before the accident are evidence (12 hours), and so long after (1 hour).
const BEFORE_MS: i64 = 12 * HOUR_MS;
const AFTER_MS: i64 = HOUR_MS;
/// A filing arrives so many hours after the accident at the earliest: later than every message of
/// an order that is its evidence.
const FILED_AFTER_HOURS: i64 = 5;
/// Random riders that are looked at for a case.
const TRIES: u32 = 500;

/// Who had the accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// A rider of the roster, at work or at rest.
    Rider(usize),
    /// Somebody on a platform that sends only totals.
    TotalsOnly(usize),
}

/// A case that will happen.
#[derive(Clone, Copy, Debug)]
struct Planned {
    subject: Subject,
    script: Script,
    from_day: Day,
    resting: bool,
}

/// A case that has happened.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) number: u64,
    pub(super) platform: usize,
    pub(super) rider_text: String,
    pub(super) identity_no: String,
    pub(super) accident_ms: i64,
    pub(super) county: u32,
    pub(super) unit: u32,
    pub(super) other_unit: u32,
    pub(super) order: Option<String>,
    riders: Vec<usize>,
}

/// The cases of a run, and what the watched riders did.
#[derive(Debug, Default)]
pub(super) struct Cases {
    planned: Vec<Planned>,
    by_rider: BTreeMap<usize, Planned>,
    happened: Vec<Case>,
    orders: BTreeMap<usize, Vec<(i64, u64)>>,
}

impl Run {
    /// Chooses the riders before any order is made.
    pub(super) fn plan_cases(&mut self) {
        let shared = self.riders.shared_riders();
        for at in 0..self.options.cases {
            let n = index(u64::from(at));
            let into = u64::from(at) * u64::from(self.options.days) * 2
                / (3 * u64::from(self.options.cases));
            let from_day = self.options.from.plus(i32::try_from(into).unwrap_or(0));
            let wish = match at % 20 {
                7 => None,
                3 => shared.get(n % shared.len().max(1)).copied(),
                _ => Some(self.side_rng.random_range(0..self.riders.len())),
            };
            let resting = at % 20 == 13;
            let rider = wish.and_then(|rider| self.free_rider(rider, resting));
            let subject = rider.map_or(Subject::TotalsOnly(n), Subject::Rider);
            let planned =
                Planned { subject, script: SCRIPTS[n % SCRIPTS.len()], from_day, resting };
            match subject {
                Subject::Rider(rider) if !resting => {
                    self.cases.by_rider.insert(rider, planned);
                }
                Subject::Rider(_) | Subject::TotalsOnly(_) => self.cases.planned.push(planned),
            }
        }
    }

    /// The rider, or another one who can be taken for a case.
    fn free_rider(&mut self, wish: usize, resting: bool) -> Option<usize> {
        let role = if resting { Role::Resting } else { Role::Watched };
        let mut rider = wish;
        for _ in 0..TRIES {
            if self.riders.assign(rider, role) {
                return Some(rider);
            }
            rider = self.side_rng.random_range(0..self.riders.len());
        }
        None
    }

    /// An order of a watched rider: evidence, and perhaps the one on which the accident happens.
    pub(super) fn watched_order(&mut self, order: &Order) {
        let take = order.take;
        self.cases.orders.entry(take.rider).or_default().push((take.at_ms, order.number));
        let due = |planned: &Planned| planned.from_day.start().ms() <= take.at_ms;
        if self.cases.by_rider.get(&take.rider).is_some_and(due)
            && let Some(planned) = self.cases.by_rider.remove(&take.rider)
        {
            let after_ms = self.side_rng.random_range(300..2400) * 1000;
            let accident_ms = take.at_ms - take.at_ms % 1000 + after_ms;
            let named = self.side_rng.random::<bool>();
            let order_no = named.then(|| order_id_text(order.platform, order.number));
            self.happen(&planned, accident_ms, order.county, order_no);
        }
    }

    /// Accidents of those who take no orders that the hub sees.
    pub(super) fn cases_of_day(&mut self, day: Day) {
        let (due, later): (Vec<_>, Vec<_>) =
            self.cases.planned.drain(..).partition(|planned| planned.from_day <= day);
        self.cases.planned = later;
        for planned in due {
            let accident_ms =
                day.start().ms() + self.side_rng.random_range(8 * 60..20 * 60) * 60_000;
            self.happen_somewhere(&planned, accident_ms);
        }
    }

    /// Cases of riders who had no order on the days that were meant for them.
    pub(super) fn start_remaining_cases(&mut self) {
        let mut left: Vec<Planned> = std::mem::take(&mut self.cases.planned);
        left.extend(std::mem::take(&mut self.cases.by_rider).into_values());
        let accident_ms = (self.calendar.now() - 12) * HOUR_MS;
        for planned in left {
            self.happen_somewhere(&planned, accident_ms);
        }
    }

    fn happen_somewhere(&mut self, planned: &Planned, accident_ms: i64) {
        let county = match planned.subject {
            Subject::Rider(rider) => {
                let unit = self.riders.get(rider).unit;
                self.regions.counties_of(unit).first().copied().unwrap_or(0)
            }
            Subject::TotalsOnly(_) => self.regions.draw(self.side_rng.random()),
        };
        self.happen(planned, accident_ms, county, None);
    }

    fn happen(
        &mut self,
        planned: &Planned,
        accident_ms: i64,
        county: usize,
        order: Option<String>,
    ) {
        let n = number(self.cases.happened.len()) + 1;
        let place = self.regions.county(county);
        let (platform, rider_text, person, riders) = match planned.subject {
            Subject::Rider(rider) => {
                let found = self.riders.get(rider);
                let riders = self.riders.of_person(rider);
                (found.platform, self.riders.native_text(rider), found.person, riders)
            }
            Subject::TotalsOnly(at) => {
                let platform = if at % 2 == 0 { KUAIGOU } else { MANBANG };
                // Far above the persons of the rosters and those of contradicting roster lines.
                let person = self.riders.persons() * 2 + 1 + u32::try_from(at).unwrap_or(0);
                (platform, format!("T{}", Riders::native_number(at)), person, Vec::new())
            }
        };
        let year = self.options.from.ymd().0;
        let case = Case {
            id: format!("NM{year}{:02}{n:06}", self.options.seed % 100),
            number: n,
            platform,
            rider_text,
            identity_no: identity_no(person),
            accident_ms,
            county: place.code,
            unit: self.regions.unit_code(place.unit),
            other_unit: self.regions.unit_code((place.unit + 1) % self.regions.units()),
            order,
            riders,
        };
        self.note_case(planned, &case);
        let first = (hour_of(accident_ms) + FILED_AFTER_HOURS).max(self.calendar.now() + 1);
        self.play(&planned.script, &case, first);
        let truth = CaseTruth { state: planned.script.end, evidence: "", orders: BTreeSet::new() };
        self.truth.cases.insert(case.id.clone(), truth);
        self.cases.happened.push(case);
    }

    fn note_case(&mut self, planned: &Planned, case: &Case) {
        if planned.script.out_of_order {
            self.truth.note("case_out_of_order");
        }
        if case.riders.len() > 1 {
            self.truth.note("case_two_platforms");
        }
        if case.riders.is_empty() {
            self.truth.note("case_totals_only");
        }
        if planned.resting && !case.riders.is_empty() {
            self.truth.note("case_resting");
        }
    }

    /// Looks through the orders of every injured person around the accident.
    pub(super) fn find_evidence(&mut self) {
        for case in &self.cases.happened {
            let window = case.accident_ms - BEFORE_MS..=case.accident_ms + AFTER_MS;
            let mut found = BTreeSet::new();
            for rider in &case.riders {
                let platform = self.riders.get(*rider).platform;
                for (at_ms, order) in self.cases.orders.get(rider).into_iter().flatten() {
                    if window.contains(at_ms) {
                        let id = order_id_text(platform, *order);
                        found.insert(format!("{}/{id}", PLATFORMS[platform].id));
                    }
                }
            }
            if let Some(truth) = self.truth.cases.get_mut(&case.id) {
                truth.evidence = if case.riders.is_empty() {
                    "no_detail_supplied"
                } else if found.is_empty() {
                    "none_found"
                } else {
                    "found"
                };
                truth.orders = found;
            }
        }
    }
}
