//! The demonstration's outcome as JSON, and its comparison with the truth.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Row};

use super::run::Outcome;
use crate::cli::CliError;
use crate::hub::Hub;
use crate::store::StoreError;

/// Sections of the truth that the books must equal.
const SECTIONS: [&str; 8] = [
    "counts",
    "held_by_reason",
    "persons",
    "cases_by_state",
    "cases",
    "evidence",
    "balances",
    "levies",
];
const DIFFERENCES_MAX: usize = 50;

pub(super) fn of(outcome: &Outcome) -> Value {
    let total = outcome.status.total();
    let standings = outcome.status.standings.iter();
    let acknowledged: BTreeMap<_, _> =
        standings.map(|one| (one.destination.to_string(), one.acknowledged)).collect();
    let imbalance: i64 = outcome
        .status
        .books
        .iter()
        .map(|book| (book.debits.get() - book.credits.get()).abs())
        .sum();
    json!({
        "messages": {
            "received": total.received,
            "applied": total.applied,
            "duplicate": total.duplicate,
            "held": total.held,
            "ignored": total.ignored,
            "handoff": total.handoff,
        },
        "platforms": platforms(&outcome.books),
        "held_by_reason": outcome.status.held_by_reason,
        "cases_by_state": outcome.books.get("cases_by_state"),
        "entries": outcome.entries,
        "trial_balance_fen": imbalance,
        "acknowledged": acknowledged,
        "published": outcome.published,
        "contract_violations": outcome.contract_violations,
        "truth_matches": outcome.differences.is_empty(),
        "differences": outcome.differences,
        "seconds": outcome.seconds,
        "publish_seconds": outcome.publish_seconds,
        "messages_per_second": per_second(outcome),
        "bytes_per_order": outcome.bytes_per_order,
        "peak_rss_mb": outcome.peak_rss_mb,
    })
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "a rate for a person to read; no money"
)]
pub(super) fn per_second(outcome: &Outcome) -> f64 {
    (outcome.messages as f64 / outcome.seconds.max(0.001)).round()
}

/// Orders and shadow levy by platform and line: orders counted, levy lines rounded and summed.
pub(super) fn platforms(books: &Value) -> Value {
    let mut platforms: BTreeMap<&str, BTreeMap<&str, (i64, i64)>> = BTreeMap::new();
    for (platform, line, days) in nested(books.get("counts")) {
        let cells = days.as_object().into_iter().flat_map(Map::values);
        let counties = cells.filter_map(Value::as_object).flat_map(Map::values);
        let orders: i64 = counties.filter_map(Value::as_i64).sum();
        platforms.entry(platform).or_default().entry(line).or_default().0 += orders;
    }
    for (platform, line, months) in nested(books.get("levies")) {
        let months = months.as_object().into_iter().flat_map(Map::values);
        let fen: i64 = months.filter_map(|month| month.get("amount_fen")?.as_i64()).sum();
        platforms.entry(platform).or_default().entry(line).or_default().1 += fen;
    }
    let line = |(orders, fen): (i64, i64)| json!({ "orders": orders, "shadow_levy_fen": fen });
    let lines = |lines: BTreeMap<&str, (i64, i64)>| {
        let lines = lines.into_iter().map(|(name, figures)| (name.to_owned(), line(figures)));
        Value::Object(lines.collect())
    };
    let named = platforms.into_iter().map(|(name, figures)| (name.to_owned(), lines(figures)));
    Value::Object(named.collect())
}

fn nested(section: Option<&Value>) -> impl Iterator<Item = (&str, &str, &Value)> {
    let platforms = section.and_then(Value::as_object).into_iter().flatten();
    platforms.flat_map(|(platform, lines)| {
        let lines = lines.as_object().into_iter().flatten();
        lines.map(move |(line, value)| (platform.as_str(), line.as_str(), value))
    })
}

/// Where the books differ from the truth. Messages of acknowledgement feeds are our own doing and
/// not in the truth; `messages` is compared without them.
pub(super) fn differences(truth: &Value, books: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for section in SECTIONS {
        compare(section, truth.get(section), books.get(section), &mut found);
    }
    compare("messages", truth.get("messages"), books.get("messages"), &mut found);
    let name = "messages_by_connector";
    compare(name, truth.get(name), books.get(name), &mut found);
    found.truncate(DIFFERENCES_MAX);
    found
}

fn compare(path: &str, truth: Option<&Value>, books: Option<&Value>, found: &mut Vec<String>) {
    let (expected, actual) = (truth.unwrap_or(&Value::Null), books.unwrap_or(&Value::Null));
    if expected == actual || (is_nothing(expected) && is_nothing(actual)) {
        return;
    }
    let empty = Map::new();
    let (expected_map, actual_map) = (expected.as_object(), actual.as_object());
    if expected_map.is_none() && actual_map.is_none() {
        found.push(format!("{path}: expected {expected}, found {actual}"));
        return;
    }
    let (expected, actual) = (expected_map.unwrap_or(&empty), actual_map.unwrap_or(&empty));
    let keys = expected.keys().chain(actual.keys().filter(|key| !expected.contains_key(*key)));
    for key in keys {
        compare(&format!("{path}.{key}"), expected.get(key), actual.get(key), found);
    }
}

/// Absent, zero and empty say the same of a count.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Object(map) => map.values().all(is_nothing),
        Value::Bool(_) | Value::String(_) | Value::Array(_) => false,
    }
}

/// Bytes of the order book's tables and indexes for one applied order: segments, counts,
/// positions, batches, days.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "a ratio for a person to read; no money"
)]
pub(super) async fn bytes_per_order(hub: &Hub) -> Result<f64, CliError> {
    let mut tx = hub.database().snapshot().await?;
    let failed = |error: sqlx::Error| StoreError::from(error);
    let sizes = hub.database().engine().sizes_of_tables();
    let row = sqlx::query(AssertSqlSafe(format!(
        "select cast(coalesce(sum(bytes), 0) as bigint) as bytes from ({sizes}) as sizes \
         where name in ('segment', 'order_count', 'position', 'batch', 'order_day', 'outcome_sum')"
    )))
    .fetch_one(&mut *tx)
    .await
    .map_err(failed)?;
    let bytes: i64 = row.try_get("bytes").map_err(failed)?;
    let row = sqlx::query("select cast(sum(next_ordinal) as bigint) as orders from order_day")
        .fetch_one(&mut *tx)
        .await
        .map_err(failed)?;
    let orders: Option<i64> = row.try_get("orders").map_err(failed)?;
    Ok(bytes as f64 / orders.unwrap_or(0).max(1) as f64)
}

/// The most memory that this process ever had, in MB; 0 where the system does not say.
pub(super) fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}
