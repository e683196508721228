//! The log is trimmed of what is applied and of nothing else, and the books do not need it.

use crate::hub::{Folder, Hub, assert_sections, text};

const TRIM_ALL: [&str; 6] = ["log", "trim", "--retention-hours", "0", "--bytes-max", "0"];

/// How many records a command says that it dropped.
#[track_caller]
fn dropped(out: &str) -> u64 {
    let (records, _) = out.split_once(" records dropped").unwrap();
    records.parse().unwrap()
}

#[test]
fn what_is_applied_goes_and_what_is_not_stays() {
    let folder = Folder::new("log-trim");
    let generated = folder.path("generated");
    let hub = Hub::new(folder.path("hub"));
    let size = ["--orders", "600", "--from", "2026-07-01", "--days", "2", "--seed", "3"];
    hub.done(&[&["generate", "--out", text(&generated)], &size[..]].concat());
    hub.done(&["replay", text(&generated)]);
    assert_eq!(dropped(&hub.done(&TRIM_ALL)), 0, "nothing is applied yet");

    hub.done(&["process"]);
    hub.done(&["seal", "--until", "2026-07-31"]);
    let before = hub.export(&folder.path("before"));
    let received = before["messages"]["received"].as_u64().unwrap();
    // What was old went when it was processed; now the rest does.
    let last = dropped(&hub.done(&TRIM_ALL));
    assert!((1..received).contains(&last), "{last} of {received} records");
    assert_eq!(dropped(&hub.done(&TRIM_ALL)), 0);

    // What comes after it is read and applied as if nothing had gone.
    hub.done(&["replay", "--again", text(&generated)]);
    hub.done(&["process"]);
    let after = hub.export(&folder.path("after"));
    assert_sections(&before, &after, &["counts", "balances", "held_by_reason"]);
    assert_eq!(after["messages"]["received"].as_u64().unwrap(), 2 * received);
    hub.done(&["status"]);
}
