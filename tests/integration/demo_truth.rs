//! The demonstration's books equal the truth: by its own comparison, and by one that shares no
//! code with it.

use crate::hub::{Folder, Hub, assert_truth, json, text};

fn check(name: &str, arguments: &[&str]) {
    let folder = Folder::new(name);
    let demo = folder.path("demo");
    let summary = folder.path("summary.json");
    let mut all = vec!["demo", "--orders", "20000", "--exit", "--listen", "127.0.0.1:0"];
    all.extend(["--summary", text(&summary)]);
    all.extend(arguments);
    Hub::new(demo.clone()).done(&all);

    let summary = json(&summary);
    assert_eq!(summary["truth_matches"], true, "{:#}", summary["differences"]);
    assert_eq!(summary["trial_balance_fen"], 0);
    assert_eq!(summary["contract_violations"], 0);
    // Every order was accepted once; most were completed or cancelled too.
    assert!(summary["published"]["events.orders"].as_u64() > Some(30_000), "{summary:#}");
    assert_truth(&demo.join("generated/truth.json"), &demo.join("export.json"));
    let status = Hub::new(demo.join("hub")).done(&["status"]);
    assert!(status.contains("everything closes"), "{status}");
}

#[test]
fn the_demonstration_equals_the_truth() {
    check("demo", &["--seed", "7"]);
}

#[test]
fn the_demonstration_equals_the_truth_across_the_end_of_a_month() {
    check("demo-month-end", &["--seed", "11", "--from", "2026-07-30", "--days", "4"]);
}
