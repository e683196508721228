//! What a run promises: the same bytes for a seed, every kind of trouble, sums that close.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{GenerateError, GenerateOptions, GenerateSummary, Profile, generate};
use crate::domain::time::{Day, Moment};

/// A folder that goes when the test ends.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let name = format!("zhibao-generate-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        if path.exists() {
            fs::remove_dir_all(&path).expect("an old test folder can go");
        }
        Self(path)
    }

    pub(super) fn truth(&self) -> Value {
        let text = fs::read_to_string(self.0.join("truth.json")).expect("truth.json");
        serde_json::from_str(&text).expect("truth.json is JSON")
    }

    /// Path, connector, feed and arrival of every file, in order of arrival.
    pub(super) fn arrivals(&self) -> Vec<(PathBuf, String, String, i64)> {
        arrivals(&self.0)
    }
}

/// As [`Folder::arrivals`].
pub(super) fn arrivals(folder: &Path) -> Vec<(PathBuf, String, String, i64)> {
    let text = fs::read_to_string(folder.join("arrivals.csv")).expect("arrivals.csv");
    let rows = text.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    rows.map(|row| {
        let received = row[3].parse().expect("a number");
        (folder.join(row[0]), row[1].to_owned(), row[2].to_owned(), received)
    })
    .collect()
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            assert!(!self.0.exists(), "cannot remove {}: {error}", self.0.display());
        }
    }
}

pub(super) fn options(orders: u64, seed: u64) -> GenerateOptions {
    let from = Day::parse("2026-07-01").expect("a date");
    let cases = GenerateOptions::usual_cases(orders);
    GenerateOptions { orders, from, days: 3, seed, cases, profile: Profile::Demo }
}

pub(super) fn run(options: &GenerateOptions, folder: &Folder) -> GenerateSummary {
    generate(options, &folder.0, &mut |_| {}).expect("a run")
}

pub(super) fn sum_of(value: &Value) -> i64 {
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
fn a_bench_run_has_orders_in_json_and_nothing_else() {
    for (profile, messages_each) in [(Profile::Bench, 2), (Profile::Acceptances, 1)] {
        let folder = Folder::new(&format!("bench-{messages_each}"));
        let bench = GenerateOptions { profile, cases: 0, ..options(5000, 1) };
        run(&bench, &folder);
        let truth = folder.truth();
        let platforms = truth["counts"].as_object().expect("an object");
        let expected =
            ["caocao-chuxing", "didi-chuxing", "eleme", "jd-miaosong", "meituan", "sf-tongcheng"];
        assert_eq!(platforms.keys().map(String::as_str).collect::<Vec<_>>(), expected);
        assert_eq!(sum_of(&truth["counts"]), 5000);
        assert!((3000..3500).contains(&sum_of(&truth["counts"]["meituan"])));
        assert_eq!(sum_of(&truth["messages"]["applied"]), 5000 * messages_each);
        assert_eq!(sum_of(&truth["messages"]["held"]), 0);
        assert_eq!(sum_of(&truth["messages"]["ignored"]), 0);
        let again = sum_of(&truth["messages"]["duplicate"]);
        assert!((30..200).contains(&again), "{again} messages sent again");
        let is_json = |path: &Path| path.extension().is_some_and(|it| it == "ndjson");
        assert!(folder.arrivals().iter().all(|row| row.2 == "orders" && is_json(&row.0)));
    }
}
