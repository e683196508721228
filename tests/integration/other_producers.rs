//! Whole days fed again through Kafka by clients that are not ours, in other orders, with other
//! keys and partitioners, so that most messages lie in partitions that they do not belong to:
//! nothing changes but how many messages came.

use std::fmt::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::again::PLATFORMS;
use crate::facts::fact;
use crate::foreign_clients::Client;
use crate::hub::{Arrival, Folder, Hub, arrivals, assert_truth, text};

const SIZE: [&str; 8] = ["--orders", "3000", "--from", "2026-07-01", "--days", "2", "--seed", "21"];
const SAME: [&str; 5] = ["counts", "levies", "balances", "held_by_reason", "cases"];
/// 2026-07-09T12:00:00+08:00
const LATER_MS: &str = "1783569600000";

/// Writes every line that platforms sent one by one as a message of its own; gives how many.
fn write_messages(files: &[Arrival], prefix: &str, to: &Path) -> i64 {
    let lines = |file: &Arrival| {
        let body = std::fs::read(&file.path).unwrap();
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let (mut all, mut count) = (String::new(), 0);
    for file in files {
        let is_lines = file.path.extension().is_some_and(|ending| ending == "ndjson");
        if !is_lines || !PLATFORMS.contains(&file.connector.as_str()) {
            continue;
        }
        for line in lines(file) {
            let message = json!({
                "topic": format!("{prefix}raw.{}", file.connector),
                "feed": file.feed,
                "at": LATER_MS,
                "value": STANDARD.encode(line),
            });
            writeln!(all, "{message}").unwrap();
            count += 1;
        }
    }
    std::fs::write(to, all).unwrap();
    count
}

#[test]
fn whole_days_from_other_clients_partitioners_and_keys_change_nothing() {
    let folder = Folder::new("other-producers");
    let generated = folder.path("generated");
    let hub = Hub::on_kafka(folder.path("hub"), "other");
    hub.done(&[&["generate", "--out", text(&generated)], &SIZE[..]].concat());
    hub.done(&["replay", text(&generated)]);
    hub.done(&["process"]);
    let messages = folder.path("messages.ndjson");
    let count = write_messages(&arrivals(&generated), hub.topic_prefix(), &messages);
    assert!(count > 6_000, "{count} messages");
    let settings = folder.path("settings.json");
    let told = json!({
        "bootstrap": fact("ZHIBAO_KAFKA").strip_prefix("kafka://").unwrap(),
        "messages": messages,
        "seed": 21,
    });
    std::fs::write(&settings, told.to_string()).unwrap();

    let settle = |hub: &Hub, name: &str| -> Value {
        hub.done(&["process"]);
        hub.done(&["seal", "--until", "2026-07-31"]);
        hub.done(&["status"]);
        hub.export(&folder.path(name))
    };
    let before = settle(&hub, "before");
    let of = |books: &Value, what: &str| books["messages"][what].as_i64().unwrap();
    let mut last = before.clone();
    for (name, client) in [("python", Client::Python), ("node", Client::Node)] {
        client.feed(&settings);
        let after = settle(&hub, name);
        for section in SAME {
            assert_eq!(before[section], after[section], "{name}: {section}");
        }
        assert_eq!(of(&after, "received") - of(&last, "received"), count, "{name}");
        for end in ["applied", "held"] {
            assert_eq!(of(&after, end), of(&before, end), "{name}: {end}");
        }
        last = after;
    }
    hub.done(&["freeze", "--month", "2026-07", "--reason", "the test's month is over"]);
    hub.done(&["evidence"]);
    let books = hub.export(&folder.path("out"));
    // All of it was known: as if it had been sent once.
    let mut once = books.clone();
    for section in ["messages", "messages_by_connector"] {
        once[section] = crate::hub::json(&generated.join("truth.json"))[section].clone();
    }
    std::fs::write(folder.path("out/export.json"), once.to_string()).unwrap();
    assert_truth(&generated.join("truth.json"), &folder.path("out/export.json"));
}
