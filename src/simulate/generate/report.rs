//! truth.json: the expected end of a run in the shape of the hub's export.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::GenerateError;
use super::platforms::{PLATFORMS, ROSTERS, STREAMS};
use super::regions::Regions;
use super::riders::Riders;
use super::truth::{Tally, Truth, add, levy_fen};
use crate::domain::time::Month;

impl Truth {
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
        let order_messages: u64 =
            self.tallies[..ROSTERS].iter().map(|tally| tally.received()).sum();
        let truth = json!({
            "counts": self.counts_json(regions),
            "messages": row(all),
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

    fn by_connector(&self) -> Map<String, Value> {
        let mut sums: BTreeMap<&str, Tally> = BTreeMap::new();
        for (stream, tally) in STREAMS.iter().zip(&self.tallies) {
            let sum = sums.entry(stream.connector).or_default();
            *sum = add(*sum, tally);
        }
        sums.into_iter().map(|(connector, tally)| (connector.to_owned(), row(tally))).collect()
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

fn row(tally: Tally) -> Value {
    json!({
        "received": tally.received(), "applied": tally.applied, "duplicate": tally.duplicate,
        "held": tally.held, "ignored": tally.ignored,
    })
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
