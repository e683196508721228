//! At least once in, applied once: what two platforms send a second time, in another order,
//! changes nothing but how many messages came and were found to be duplicates or to be ignored.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::hub::{Arrival, Folder, Hub, arrivals, assert_sections, text};

const FED_AGAIN: [&str; 2] = ["meituan", "eleme"];
const DAY_MS: i64 = 86_400_000;
const SAME: [&str; 7] =
    ["counts", "levies", "balances", "held_by_reason", "persons", "cases", "evidence"];

/// How many messages of the connectors fed again were applied or lie held, and how many came.
fn messages(books: &Value, connector: &str) -> [i64; 5] {
    let row = &books["messages_by_connector"][connector];
    ["received", "applied", "held", "duplicate", "ignored"].map(|term| row[term].as_i64().unwrap())
}

#[track_caller]
fn assert_nothing_new(before: &Value, after: &Value) {
    assert_sections(before, after, &SAME);
    for connector in FED_AGAIN {
        let [came, applied, held, duplicate, ignored] = messages(before, connector);
        let again = messages(after, connector);
        assert_eq!([again[1], again[2]], [applied, held], "{connector}: applied and held");
        assert_eq!(again[0], 2 * came, "{connector}: each came twice");
        assert_eq!(again[4], 2 * ignored, "{connector}: what is ignored is so every time");
        assert_eq!(again[3] - duplicate, came - ignored, "{connector}: the rest is duplicate");
    }
}

fn generated(folder: &Folder) -> std::path::PathBuf {
    let generated = folder.path("generated");
    let hub = Hub::new(folder.path("none"));
    let out = text(&generated);
    let size = ["--orders", "6000", "--from", "2026-07-01", "--days", "3", "--seed", "5"];
    hub.done(&[&["generate", "--out", out], &size[..]].concat());
    generated
}

/// Processes, seals and freezes all that a folder of generated files holds.
fn finish(hub: &Hub) {
    hub.done(&["process"]);
    hub.done(&["seal", "--until", "2026-07-31"]);
    hub.done(&["freeze", "--month", "2026-07", "--reason", "the test's month is over"]);
    hub.done(&["evidence"]);
}

#[test]
fn files_that_come_again_when_their_days_are_sealed_change_nothing() {
    let folder = Folder::new("fed-again-late");
    let generated = generated(&folder);
    let hub = Hub::new(folder.path("hub"));
    hub.done(&["replay", text(&generated)]);
    finish(&hub);
    let before = hub.export(&folder.path("before"));

    let mut files = arrivals(&generated);
    let late = files.last().unwrap().received_at_ms + 7 * DAY_MS;
    files.retain(|file| FED_AGAIN.contains(&file.connector.as_str()));
    for (connector, feed) in [
        ("eleme", "daily"),
        ("meituan", "orders"),
        ("eleme", "orders"),
        ("eleme", "roster"),
        ("meituan", "roster"),
    ] {
        let own = files.iter().filter(|file| file.connector == connector && file.feed == feed);
        let paths: Vec<_> = own.rev().map(|file| text(&file.path)).collect();
        assert!(!paths.is_empty(), "{connector}/{feed}");
        let late = late.to_string();
        let named = ["ingest", "--again", "--connector", connector, "--feed", feed];
        hub.done(&[&named[..], &["--received-at", &late], &paths].concat());
    }
    hub.done(&["process"]);
    // Late events wait for the next late run; the operator has it now.
    hub.done(&["seal", "--until", "2026-07-31"]);

    assert_nothing_new(&before, &hub.export(&folder.path("after")));
    hub.done(&["status"]);
}

#[test]
fn files_that_come_again_while_their_days_are_open_change_nothing() {
    let folder = Folder::new("fed-again-open");
    let generated = generated(&folder);
    let once = Hub::new(folder.path("once"));
    once.done(&["replay", text(&generated)]);
    finish(&once);

    let files = arrivals(&generated);
    write_arrivals(&generated, &twice(&files));
    let fed_again = Hub::new(folder.path("fed-again"));
    fed_again.done(&["replay", "--again", text(&generated)]);
    finish(&fed_again);

    let before = once.export(&folder.path("before"));
    assert_nothing_new(&before, &fed_again.export(&folder.path("after")));
    fed_again.done(&["status"]);
}

/// Each file of the two platforms once more, together with the platform's next file and before it.
fn twice(files: &[Arrival]) -> Vec<Arrival> {
    let mut all = Vec::new();
    for connector in FED_AGAIN {
        let own: Vec<_> = files.iter().filter(|file| file.connector == connector).collect();
        let nexts = own.iter().skip(1).chain(own.last());
        for (file, next) in own.iter().zip(nexts) {
            let again = Arrival { received_at_ms: next.received_at_ms, ..(*file).clone() };
            all.extend([(*file).clone(), again]);
        }
    }
    all.extend(files.iter().filter(|file| !FED_AGAIN.contains(&file.connector.as_str())).cloned());
    all.sort_by_key(|file| file.received_at_ms);
    all
}

fn write_arrivals(generated: &Path, files: &[Arrival]) {
    let mut list = "path,connector,feed,received_at_ms\n".to_owned();
    for Arrival { path, connector, feed, received_at_ms } in files {
        let path = path.strip_prefix(generated).unwrap().display();
        writeln!(list, "{path},{connector},{feed},{received_at_ms}").unwrap();
    }
    std::fs::write(generated.join("arrivals.csv"), list).unwrap();
}
