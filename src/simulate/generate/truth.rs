//! What must become of everything that was generated, written as truth.json.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::GenerateError;
use super::platforms::{Line, PLATFORMS, STREAMS};
use super::regions::Regions;
use super::riders::Riders;
use crate::domain::time::{Day, Month};

/// First day whose orders count (2026-07-01).
pub(super) const START: (i32, u32, u32) = (2026, 7, 1);

/// How a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Applied,
    Duplicate,
    /// Held, with the reason's code.
    Held(&'static str),
    Ignored,
}

/// Messages of one stream.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    applied: u64,
    duplicate: u64,
    held: u64,
    ignored: u64,
}

impl Tally {
    fn json(self) -> Value {
        let received = self.applied + self.duplicate + self.held + self.ignored;
        json!({
            "received": received, "applied": self.applied, "duplicate": self.duplicate,
            "held": self.held, "ignored": self.ignored,
        })
    }
}

/// What the hub must find out about one case.
#[derive(Clone, Debug)]
pub(super) struct CaseTruth {
    pub(super) state: &'static str,
    pub(super) evidence: &'static str,
    pub(super) orders: BTreeSet<String>,
}

/// The expected end of everything.
#[derive(Debug)]
pub(super) struct Truth {
    tallies: Vec<Tally>,
    held: BTreeMap<&'static str, u64>,
    counts: Vec<u64>,
    counties: usize,
    days: usize,
    first_day: Day,
    start: Day,
    pub(super) generated: BTreeMap<&'static str, u64>,
    pub(super) cases: BTreeMap<String, CaseTruth>,
    pub(super) balances: BTreeMap<String, i64>,
}

impl Truth {
    /// For orders of `days` days from `first_day`.
    pub(super) fn new(first_day: Day, days: u32, counties: usize) -> Self {
        let days = usize::try_from(days).unwrap_or(0);
        let (year, month, day) = START;
        Self {
            tallies: vec![Tally::default(); STREAMS.len()],
            held: BTreeMap::new(),
            counts: vec![0; PLATFORMS.len() * days * counties],
            counties,
            days,
            first_day,
            start: Day::from_ymd(year, month, day).unwrap_or(first_day),
            generated: BTreeMap::new(),
            cases: BTreeMap::new(),
            balances: BTreeMap::new(),
        }
    }

    /// One message of a stream.
    pub(super) fn message(&mut self, stream: usize, outcome: Outcome) {
        let tally = &mut self.tallies[stream];
        match outcome {
            Outcome::Applied => tally.applied += 1,
            Outcome::Duplicate => tally.duplicate += 1,
            Outcome::Ignored => tally.ignored += 1,
            Outcome::Held(code) => {
                tally.held += 1;
                *self.held.entry(code).or_default() += 1;
            }
        }
    }

    /// A whole file again.
    pub(super) fn file_again(&mut self, stream: usize, records: u64, ignored: u64) {
        self.tallies[stream].ignored += ignored;
        self.tallies[stream].duplicate += records - ignored;
        self.note("file_resent");
    }

    /// One more of a kind of thing that was generated.
    pub(super) fn note(&mut self, name: &'static str) {
        *self.generated.entry(name).or_default() += 1;
    }

    /// Whether orders of the day count.
    pub(super) fn in_force(&self, day: Day) -> bool {
        day >= self.start
    }

    /// Orders that count.
    pub(super) fn count(&mut self, platform: usize, day: Day, county: usize, orders: u64) {
        let day = self.day_position(day);
        self.counts[(platform * self.days + day) * self.counties + county] += orders;
    }

    fn day_position(&self, day: Day) -> usize {
        let offset = day.epoch_days() - self.first_day.epoch_days();
        usize::try_from(offset).unwrap_or(usize::MAX)
    }

    fn day_counts(&self, platform: usize, day: usize) -> &[u64] {
        let first = (platform * self.days + day) * self.counties;
        &self.counts[first..first + self.counties]
    }

    fn day_at(&self, position: usize) -> Day {
        self.first_day.plus(i32::try_from(position).unwrap_or(0))
    }

    /// Counted orders of a platform by month.
    pub(super) fn by_month(&self, platform: usize) -> BTreeMap<Month, u64> {
        let mut months = BTreeMap::new();
        for day in 0..self.days {
            let orders: u64 = self.day_counts(platform, day).iter().sum();
            if orders > 0 {
                *months.entry(self.day_at(day).month()).or_default() += orders;
            }
        }
        months
    }

    /// Posts `fen` to the debit of one account and the credit of another.
    pub(super) fn post(&mut self, debit: &str, credit: &str, fen: i64) {
        *self.balances.entry(debit.to_owned()).or_default() += fen;
        *self.balances.entry(credit.to_owned()).or_default() -= fen;
    }

    /// Writes truth.json.
    pub(super) fn write(
        &self,
        out: &Path,
        regions: &Regions,
        riders: &Riders,
        orders_intended: u64,
    ) -> Result<(), GenerateError> {
        let path = out.join("truth.json");
        let all = self.all_messages();
        let case_states: Map<String, Value> =
            self.cases.iter().map(|(id, case)| (id.clone(), json!(case.state))).collect();
        let mut by_state: BTreeMap<&str, u64> = BTreeMap::new();
        for case in self.cases.values() {
            *by_state.entry(case.state).or_default() += 1;
        }
        let evidence: Map<String, Value> = self
            .cases
            .iter()
            .map(|(id, case)| {
                (id.clone(), json!({ "status": case.evidence, "orders": case.orders }))
            })
            .collect();
        let balances: BTreeMap<&String, i64> = self
            .balances
            .iter()
            .filter(|row| *row.1 != 0)
            .map(|(name, fen)| (name, *fen))
            .collect();
        let order_messages: u64 = (0..super::platforms::ROSTERS)
            .map(|stream| {
                let tally = self.tallies[stream];
                tally.applied + tally.duplicate + tally.held + tally.ignored
            })
            .sum();
        let truth = json!({
            "counts": self.counts_json(regions),
            "messages": all.json(),
            "messages_by_connector": self.by_connector(),
            "held_by_reason": self.held,
            "persons": persons_json(regions, riders),
            "cases_by_state": by_state,
            "cases": case_states,
            "evidence": evidence,
            "balances": balances,
            "levies": self.levies_json(),
            "generated": self.generated,
            "order_messages": order_messages,
            "orders_intended": orders_intended,
        });
        let text = serde_json::to_string_pretty(&truth).map_err(GenerateError::Truth)?;
        fs::write(&path, text + "\n").map_err(GenerateError::at(&path))
    }

    /// Messages of all streams.
    pub(super) fn received(&self) -> u64 {
        let all = self.all_messages();
        all.applied + all.duplicate + all.held + all.ignored
    }

    fn all_messages(&self) -> Tally {
        self.tallies.iter().fold(Tally::default(), add)
    }

    fn by_connector(&self) -> Map<String, Value> {
        let mut sums: BTreeMap<&str, Tally> = BTreeMap::new();
        for (stream, tally) in STREAMS.iter().zip(&self.tallies) {
            let sum = sums.entry(stream.connector).or_default();
            *sum = add(*sum, tally);
        }
        sums.into_iter().map(|(connector, tally)| (connector.to_owned(), tally.json())).collect()
    }

    fn counts_json(&self, regions: &Regions) -> Map<String, Value> {
        let mut platforms = Map::new();
        for (at, platform) in PLATFORMS.iter().enumerate() {
            let mut days = Map::new();
            for day in 0..self.days {
                let counties: Map<String, Value> = self
                    .day_counts(at, day)
                    .iter()
                    .enumerate()
                    .filter(|row| *row.1 > 0)
                    .map(|(county, &n)| (regions.county(county).code.to_string(), json!(n)))
                    .collect();
                if !counties.is_empty() {
                    days.insert(self.day_at(day).to_string(), Value::Object(counties));
                }
            }
            if !days.is_empty() {
                platforms.insert(platform.id.to_owned(), json!({ platform.line.code(): days }));
            }
        }
        platforms
    }

    fn levies_json(&self) -> Map<String, Value> {
        let mut platforms = Map::new();
        for (at, platform) in PLATFORMS.iter().enumerate() {
            let months: Map<String, Value> = self
                .by_month(at)
                .into_iter()
                .map(|(month, orders)| {
                    let amount_fen = levy_fen(platform.line, orders);
                    let rate_li = platform.line.rate_li();
                    let row = json!({
                        "orders": orders, "rate_li": rate_li, "amount_fen": amount_fen,
                    });
                    (month.to_string(), row)
                })
                .collect();
            if !months.is_empty() {
                platforms.insert(platform.id.to_owned(), json!({ platform.line.code(): months }));
            }
        }
        platforms
    }
}

fn add(sum: Tally, tally: &Tally) -> Tally {
    Tally {
        applied: sum.applied + tally.applied,
        duplicate: sum.duplicate + tally.duplicate,
        held: sum.held + tally.held,
        ignored: sum.ignored + tally.ignored,
    }
}

/// Orders × rate in 厘, rounded once to fen, half up; computed here apart from the hub's money.
pub(super) fn levy_fen(line: Line, orders: u64) -> i64 {
    i64::try_from((orders * line.rate_li() + 5) / 10).unwrap_or(i64::MAX)
}

/// Distinct persons: by platform and day, by unit and month, by month.
fn persons_json(regions: &Regions, riders: &Riders) -> Value {
    let mut platform_days: u64 = 0;
    let mut in_unit: BTreeSet<(Month, usize, u32)> = BTreeSet::new();
    for at in 0..riders.len() {
        let rider = riders.get(at);
        let mut months: Vec<Month> = Vec::new();
        for day in riders.days_worked(at) {
            platform_days += 1;
            let month = day.month();
            if months.last() != Some(&month) {
                months.push(month);
            }
        }
        in_unit.extend(months.into_iter().map(|month| (month, rider.unit, rider.person)));
    }
    let mut by_unit_month: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut in_region: BTreeSet<(Month, u32)> = BTreeSet::new();
    for &(month, unit, person) in &in_unit {
        let unit = by_unit_month.entry(regions.unit_code(unit).to_string()).or_default();
        *unit.entry(month.to_string()).or_default() += 1;
        in_region.insert((month, person));
    }
    let mut region_month: BTreeMap<String, u64> = BTreeMap::new();
    for (month, _) in in_region {
        *region_month.entry(month.to_string()).or_default() += 1;
    }
    json!({
        "platform_days": platform_days,
        "by_unit_month": by_unit_month,
        "region_month": region_month,
    })
}
