//! What was generated is read back by a naive hub that shares no code with the generator.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::{GenerateError, GenerateOptions, GenerateSummary, Profile, generate};
use crate::domain::time::{Day, Moment};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("zhibao-generate-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        if path.exists() {
            fs::remove_dir_all(&path).expect("an old test folder can go");
        }
        Self(path)
    }

    fn truth(&self) -> Value {
        let text = fs::read_to_string(self.0.join("truth.json")).expect("truth.json");
        serde_json::from_str(&text).expect("truth.json is JSON")
    }

    /// Path, connector, feed and arrival of every file, in order of arrival.
    fn arrivals(&self) -> Vec<(PathBuf, String, String, i64)> {
        let text = fs::read_to_string(self.0.join("arrivals.csv")).expect("arrivals.csv");
        let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        rows.map(|row| {
            let received = row[3].parse().expect("a number");
            (self.0.join(row[0]), row[1].to_owned(), row[2].to_owned(), received)
        })
        .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            assert!(!self.0.exists(), "cannot remove {}: {error}", self.0.display());
        }
    }
}

fn options(orders: u64, seed: u64) -> GenerateOptions {
    let from = Day::parse("2026-07-01").expect("a date");
    let cases = GenerateOptions::usual_cases(orders);
    GenerateOptions { orders, from, days: 3, seed, cases, profile: Profile::Demo }
}

fn run(options: &GenerateOptions, folder: &Folder) -> GenerateSummary {
    generate(options, &folder.0, &mut |_| {}).expect("a run")
}

fn sum_of(value: &Value) -> i64 {
    match value {
        Value::Object(map) => map.values().map(sum_of).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            value.as_i64().unwrap_or(0)
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let folders = [Folder::new("same-a"), Folder::new("same-b"), Folder::new("other")];
    for (folder, seed) in folders.iter().zip([5, 5, 6]) {
        run(&options(3000, seed), folder);
    }
    let all: Vec<Vec<(PathBuf, Vec<u8>)>> = folders
        .iter()
        .map(|folder| {
            let paths = folder.arrivals().into_iter().map(|row| row.0);
            let paths = paths.chain([folder.0.join("truth.json"), folder.0.join("arrivals.csv")]);
            paths
                .map(|path| {
                    let bytes = fs::read(&path).expect("a file");
                    (path.strip_prefix(&folder.0).expect("inside").to_owned(), bytes)
                })
                .collect()
        })
        .collect();
    assert!(all[0] == all[1], "two runs of one seed differ");
    assert!(all[0] != all[2], "two seeds give the same run");
}

#[test]
fn a_small_run_has_at_least_three_of_every_kind() {
    let folder = Folder::new("kinds");
    let summary = run(&options(20_000, 1), &folder);
    assert_eq!(summary.orders, 20_000);
    let truth = folder.truth();
    let generated = truth["generated"].as_object().expect("an object");
    let rare = ["under_declared", "voucher_other_content", "receipt_again", "receipt_unmatched"];
    let statements = [
        "statement_again",
        "statement_revised",
        "statement_out_of_order",
        "statement_contradicted",
        "statement_unknown_county",
    ];
    let other = [
        "before_start",
        "crosses_midnight",
        "duplicate_identical",
        "duplicate_rewritten",
        "file_resent",
        "unrostered_rider",
        "roster_again",
        "roster_conflict",
        "case_out_of_order",
        "case_two_platforms",
        "case_totals_only",
        "case_resting",
        "decision_again",
        "decision_incompetent",
        "decision_no_document",
        "decision_other_content",
        "payment_wrong_amount",
        "payment_returned",
        "payment_unknown_case",
    ];
    let kinds = (0..super::mix::Kind::COUNT).map(|at| super::mix::Kind::at(at).name());
    for name in kinds.chain(other) {
        let found = generated.get(name).and_then(Value::as_u64).unwrap_or(0);
        assert!(found >= 3, "{name}: {found}");
    }
    for name in rare.into_iter().chain(statements).chain(["receipt_before_payment"]) {
        assert!(generated.contains_key(name), "{name}");
    }
}

#[test]
fn sums_close_and_files_arrive_in_order() {
    let folder = Folder::new("sums");
    let summary = run(&options(20_000, 2), &folder);
    let truth = folder.truth();
    let messages = &truth["messages"];
    let received = messages["received"].as_u64().expect("a number");
    assert_eq!(received, summary.messages);
    let parts = ["applied", "duplicate", "held", "ignored"].map(|part| &messages[part]);
    assert_eq!(parts.into_iter().map(sum_of).sum::<i64>(), sum_of(&messages["received"]));
    assert_eq!(sum_of(&truth["held_by_reason"]), sum_of(&messages["held"]));
    assert_eq!(sum_of(&truth["balances"]), 0);
    for (connector, part) in truth["messages_by_connector"].as_object().expect("an object") {
        assert_eq!(sum_of(part), 2 * sum_of(&part["received"]), "{connector}");
    }
    let evidence = truth["evidence"].as_object().expect("an object");
    for status in ["found", "none_found", "no_detail_supplied"] {
        assert!(evidence.values().any(|case| case["status"] == status), "{status}");
    }
    for state in [
        "filed",
        "applied",
        "confirmed",
        "refused",
        "assessed",
        "benefit_decided",
        "paid",
        "returned",
    ] {
        assert!(sum_of(&truth["cases_by_state"][state]) >= 3, "{state}");
    }
    let arrivals = folder.arrivals();
    assert_eq!(arrivals.len(), usize::try_from(summary.files).expect("fits"));
    assert!(arrivals.windows(2).all(|pair| pair[0].3 <= pair[1].3), "arrivals are not in order");
    let last = Moment::from_ms(summary.last_received_at_ms).day();
    let end = Day::parse("2026-07-03").expect("a date");
    assert!(last.epoch_days() - end.epoch_days() <= 45, "the last file arrives on {last}");
    let mut alike = HashSet::new();
    for (path, connector, feed, _) in arrivals {
        let bytes = fs::read(&path).expect("a listed file");
        assert!(alike.insert((connector, feed, bytes)), "{} is like another", path.display());
    }
}

#[test]
fn a_run_without_days_is_refused() {
    let folder = Folder::new("none");
    let none = GenerateOptions { days: 0, ..options(10, 1) };
    let answer = generate(&none, &folder.0, &mut |_| {});
    assert!(matches!(answer, Err(GenerateError::Days { found: 0 })), "{answer:?}");
    fs::create_dir_all(&folder.0).expect("a folder to remove");
}

#[test]
fn a_bench_run_is_meituan_alone() {
    let folder = Folder::new("bench");
    let bench = GenerateOptions { profile: Profile::Bench, cases: 0, ..options(5000, 1) };
    run(&bench, &folder);
    let truth = folder.truth();
    assert_eq!(sum_of(&truth["counts"]["meituan"]), 5000);
    assert_eq!(sum_of(&truth["counts"]), 5000);
    assert_eq!(sum_of(&truth["messages"]["applied"]), 10_000);
    assert_eq!(sum_of(&truth["messages"]["held"]), 0);
    assert!(folder.arrivals().iter().all(|row| row.1 == "meituan" && row.2 == "orders"));
}

/// What the naive hub reads in a record.
enum Read {
    Ignored,
    Unusable,
    Event(Said),
}

#[derive(Clone)]
struct Said {
    id: String,
    kind: char,
    worker: Option<String>,
    accepted: Option<i64>,
    at: i64,
    county: Option<u32>,
    seconds: bool,
}

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

fn meituan(_: &str, line: &[u8]) -> Read {
    let Ok(value) = serde_json::from_slice::<Value>(line) else { return Read::Unusable };
    let kind = match value["status"].as_i64() {
        Some(20) => 'a',
        Some(40) => 'c',
        Some(50) => 'x',
        Some(90) => 'v',
        Some(10 | 30) => return Read::Ignored,
        _ => return Read::Unusable,
    };
    if value["bizCode"] != "MEITUAN" {
        return Read::Unusable;
    }
    Read::Event(Said {
        id: text(&value, "orderViewId").expect("an id"),
        kind,
        worker: value["riderId"]
            .as_u64()
            .filter(|&rider| rider != 0)
            .map(|rider| rider.to_string()),
        accepted: value["acceptTime"].as_i64(),
        at: value["opTime"].as_i64().expect("a time"),
        county: value["adcode"].as_u64().map(|code| u32::try_from(code).expect("a code")),
        seconds: false,
    })
}

fn eleme(feed: &str, line: &[u8]) -> Read {
    if feed == "daily" {
        return eleme_daily(line);
    }
    let Ok(value) = serde_json::from_slice::<Value>(line) else { return Read::Unusable };
    let kind = match value["state"].as_str() {
        Some("RIDER_TAKEN") => 'a',
        Some("DELIVERED") => 'c',
        Some("CANCELLED") => 'x',
        Some("INVALID") => 'v',
        Some("CREATED" | "ARRIVED") => return Read::Ignored,
        _ => return Read::Unusable,
    };
    if value["source"] != "ELEME" {
        return Read::Unusable;
    }
    Read::Event(Said {
        id: text(&value, "order_no").expect("an id"),
        kind,
        worker: text(&value, "rider"),
        accepted: value["taken_at"].as_i64(),
        at: value["event_at"].as_i64().expect("a time"),
        county: text(&value, "district").map(|code| code.parse().expect("a code")),
        seconds: false,
    })
}

fn eleme_daily(line: &[u8]) -> Read {
    let line = std::str::from_utf8(line).expect("UTF-8");
    let cells: Vec<&str> = line.split(',').collect();
    let time = |cell: &str| {
        let local = format!("{}+08:00", cell.replace(' ', "T"));
        local.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
    };
    assert_eq!(cells[0], "ELEME");
    let (accepted, ended) = (time(cells[3]), time(cells[4]));
    let kind = match cells[6] {
        "delivered" => 'c',
        "cancelled" => 'x',
        "taken" => 'a',
        other => panic!("result {other}"),
    };
    Read::Event(Said {
        id: cells[1].to_owned(),
        kind,
        worker: Some(cells[2].to_owned()).filter(|rider| !rider.is_empty()),
        accepted,
        at: ended.or(accepted).expect("a time"),
        county: cells[5].parse().ok(),
        seconds: true,
    })
}

/// All that the naive hub knows of one order: what it applied, in order of arrival.
type Orders = HashMap<String, Vec<Said>>;

#[derive(Default)]
struct Naive {
    orders: Orders,
    held_bytes: HashSet<Vec<u8>>,
    riders: HashMap<String, String>,
    tally: [u64; 4],
}

const APPLIED: usize = 0;
const DUPLICATE: usize = 1;
const HELD: usize = 2;
const IGNORED: usize = 3;

impl Naive {
    fn take(&mut self, counties: &HashSet<u32>, line: &[u8], read: Read, received: i64) {
        let end = match read {
            Read::Ignored => IGNORED,
            Read::Unusable => self.hold(line),
            Read::Event(said) if !usable(&said, counties, received) => self.hold(line),
            Read::Event(said) => {
                let before = self.orders.entry(said.id.clone()).or_default();
                if contradicts(before, &said) {
                    self.hold(line)
                } else if before.iter().any(|old| {
                    old.kind == said.kind
                        && (old.worker == said.worker
                            || old.worker.is_none()
                            || said.worker.is_none())
                }) {
                    DUPLICATE
                } else {
                    before.push(said);
                    APPLIED
                }
            }
        };
        self.tally[end] += 1;
    }

    fn hold(&mut self, line: &[u8]) -> usize {
        if self.held_bytes.insert(line.to_vec()) { HELD } else { DUPLICATE }
    }

    fn enrol(&mut self, line: &[u8]) {
        let value: Value = serde_json::from_slice(line).expect("a roster line");
        let (rider, person) = (text(&value, "rider"), text(&value, "id_no"));
        let (rider, person) = (rider.expect("a rider"), person.expect("a person"));
        let end = match self.riders.get(&rider) {
            None => APPLIED,
            Some(before) if *before == person => DUPLICATE,
            Some(_) => self.hold(line),
        };
        if end == APPLIED {
            self.riders.insert(rider, person);
        }
        self.tally[end] += 1;
    }
}

fn usable(said: &Said, counties: &HashSet<u32>, received: i64) -> bool {
    let times = [Some(said.at), said.accepted];
    let possible = |ms: i64| ms > 946_684_800_000 && ms <= received + 300_000;
    let place = match (said.accepted, said.county) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(_), Some(code)) => code / 10_000 != 15 || counties.contains(&code),
    };
    said.id.len() <= 64 && times.into_iter().flatten().all(possible) && place
}

fn contradicts(before: &[Said], said: &Said) -> bool {
    let Some(accepted) = said.accepted else { return false };
    let earliest = before.iter().filter_map(|old| old.accepted).min();
    let other_rider = |old: &Said| old.worker != said.worker && old.worker.is_some();
    let same = before.iter().filter(|old| old.accepted.is_some() && !other_rider(old));
    for old in same {
        let unit = if old.seconds || said.seconds { 1000 } else { 1 };
        let time = old.accepted.map(|ms| ms / unit) != Some(accepted / unit);
        if time || old.county != said.county {
            return true;
        }
    }
    earliest.is_some_and(|first| {
        before.iter().any(other_rider) && (accepted - first).abs() > 24 * 3_600_000
    })
}

/// The counted place and day of an order.
fn counted(events: &[Said], counties: &HashSet<u32>) -> Option<(String, String)> {
    let first =
        events.iter().filter(|said| said.accepted.is_some()).min_by_key(|said| said.accepted)?;
    let accepted = first.accepted?;
    let void = events.iter().any(|said| said.kind == 'v');
    let before = events.iter().any(|said| said.kind == 'x' && said.at < accepted);
    let county = first.county.filter(|code| counties.contains(code))?;
    // 2026-07-01T00:00+08:00
    if void || before || accepted < 1_782_835_200_000 {
        return None;
    }
    Some((Moment::from_ms(accepted).day().to_string(), county.to_string()))
}

fn check_against_a_naive_hub(
    connector: &str,
    line: &str,
    seed: u64,
    read: fn(&str, &[u8]) -> Read,
) {
    let folder = Folder::new(&format!("naive-{connector}"));
    run(&options(20_000, seed), &folder);
    let table = include_str!("regions.csv").lines().skip(1);
    let counties: HashSet<u32> =
        table.map(|row| row[..6].parse().expect("six digits first")).collect();
    let mut naive = Naive::default();
    for (path, _, feed, received) in folder.arrivals().into_iter().filter(|row| row.1 == connector)
    {
        let bytes = fs::read(&path).expect("a file");
        let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        for line in lines.skip(usize::from(feed == "daily")) {
            if feed == "roster" {
                naive.enrol(line);
            } else {
                naive.take(&counties, line, read(&feed, line), received);
            }
        }
    }
    let mut counts: HashMap<(String, String), i64> = HashMap::new();
    for events in naive.orders.values() {
        if let Some(place) = counted(events, &counties) {
            *counts.entry(place).or_default() += 1;
        }
        let only = events.iter().all(|said| said.kind == 'c' && said.accepted.is_none());
        if only && !events.is_empty() {
            naive.tally[APPLIED] -= 1;
            naive.tally[HELD] += 1;
        }
    }
    let truth = folder.truth();
    let expected = truth["counts"][connector][line].as_object().expect("counts");
    let mut found = 0;
    for (day, by_county) in expected {
        for (county, orders) in by_county.as_object().expect("counties") {
            let naive = counts.get(&(day.clone(), county.clone()));
            assert_eq!(naive.copied(), orders.as_i64(), "{connector} {day} {county}");
            found += 1;
        }
    }
    assert_eq!(found, counts.len(), "the naive hub counts elsewhere too");
    let told = &truth["messages_by_connector"][connector];
    let told = ["applied", "duplicate", "held", "ignored"].map(|end| told[end].as_u64());
    assert_eq!(told, naive.tally.map(Some), "applied, duplicate, held, ignored");
}

#[test]
fn a_naive_hub_finds_the_truth_of_meituan() {
    check_against_a_naive_hub("meituan", "instant_delivery", 11, meituan);
}

#[test]
fn a_naive_hub_finds_the_truth_of_eleme() {
    check_against_a_naive_hub("eleme", "instant_delivery", 12, eleme);
}
