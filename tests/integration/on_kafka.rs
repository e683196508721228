//! The whole hub on a real Kafka: the same books as on the embedded log, and a log that is no
//! longer the one that positions were counted in stops it.

use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::hub::{Arrival, Folder, Hub, arrivals, assert_sections, assert_truth, text};
use crate::topics::{client, delete_topics};

const WITHIN: Duration = Duration::from_secs(30);
const SIZE: [&str; 8] = ["--orders", "600", "--from", "2026-07-01", "--days", "2", "--seed", "3"];
const SECTIONS: [&str; 4] = ["messages", "counts", "balances", "held_by_reason"];

#[test]
fn the_books_on_kafka_are_those_on_the_embedded_log_and_the_truth() {
    let folder = Folder::new("on-kafka");
    let generated = folder.path("generated");
    let embedded = Hub::new(folder.path("embedded"));
    embedded.done(&[&["generate", "--out", text(&generated)], &SIZE[..]].concat());
    let kafka = Hub::on_kafka(folder.path("kafka"), "books");
    for (hub, name) in [(&embedded, "of-embedded"), (&kafka, "of-kafka")] {
        hub.done(&["replay", text(&generated)]);
        // The marks know every file: nothing is appended twice.
        hub.done(&["replay", text(&generated)]);
        hub.done(&["process"]);
        hub.done(&["seal", "--until", "2026-07-31"]);
        hub.done(&["freeze", "--month", "2026-07", "--reason", "the test's month is over"]);
        hub.done(&["evidence"]);
        hub.done(&["publish"]);
        hub.done(&["status"]);
        hub.export(&folder.path(name));
    }
    let (expected, found) =
        (embedded.export(&folder.path("of-embedded")), kafka.export(&folder.path("of-kafka")));
    assert_sections(&expected, &found, &SECTIONS);
    assert_truth(&generated.join("truth.json"), &folder.path("of-kafka/export.json"));
    // The whole day once more: all of it is duplicates.
    kafka.done(&["replay", "--again", text(&generated)]);
    kafka.done(&["process"]);
    let again = kafka.export(&folder.path("again"));
    assert_sections(&found, &again, &["counts", "balances", "held_by_reason"]);
    let received = |books: &serde_json::Value| books["messages"]["received"].as_u64().unwrap();
    assert_eq!(received(&again), 2 * received(&found));
}

#[test]
fn messages_of_a_producer_with_transactions_are_counted_and_its_markers_are_not() {
    let folder = Folder::new("on-kafka-transactions");
    let generated = folder.path("generated");
    let embedded = Hub::new(folder.path("embedded"));
    embedded.done(&[&["generate", "--out", text(&generated)], &SIZE[..]].concat());
    let files = arrivals(&generated);
    let is_meant = |file: &&Arrival| file.connector == "meituan" && file.feed == "orders";
    let file = files.iter().find(is_meant).unwrap();
    let at = file.received_at_ms.to_string();
    let path = text(&file.path);
    embedded.done(&["ingest", "--connector", "meituan", "--received-at", &at, path]);
    embedded.done(&["process"]);

    let kafka = Hub::on_kafka(folder.path("kafka"), "transactions");
    // Opening makes the topics.
    kafka.done(&["status"]);
    let topic = format!("{}raw.meituan", kafka.topic_prefix());
    let mut config = client();
    config.set("transactional.id", &topic);
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(WITHIN).unwrap();
    let body = std::fs::read_to_string(&file.path).unwrap();
    let lines: Vec<&str> = body.lines().collect();
    for (number, lines) in lines.chunks(7).enumerate() {
        // Every third is sent in vain first.
        let takes_back = [true, false].into_iter().filter(|back| !back || number % 3 == 0);
        for takes_back in takes_back {
            producer.begin_transaction().unwrap();
            for line in lines {
                let headers = OwnedHeaders::new()
                    .insert(Header { key: "feed", value: Some("orders") })
                    .insert(Header { key: "zhibao-received-at", value: Some(&at) });
                let record = BaseRecord::<(), str>::to(&topic).partition(0).payload(line);
                let sent = producer.send(record.headers(headers));
                sent.map_err(|(error, _)| error).unwrap();
            }
            producer.flush(WITHIN).unwrap();
            if takes_back {
                producer.abort_transaction(WITHIN).unwrap();
            } else {
                producer.commit_transaction(WITHIN).unwrap();
            }
        }
    }
    kafka.done(&["process"]);
    kafka.done(&["status"]);
    let (expected, found) =
        (embedded.export(&folder.path("one")), kafka.export(&folder.path("other")));
    assert_sections(&expected, &found, &SECTIONS);
    assert_eq!(found["messages"]["received"], lines.len());
}

#[test]
fn a_topic_that_is_made_again_stops_the_hub_and_says_what_to_do() {
    let folder = Folder::new("on-kafka-again");
    let generated = folder.path("generated");
    let hub = Hub::on_kafka(folder.path("hub"), "again");
    hub.done(&[&["generate", "--out", text(&generated)], &SIZE[..]].concat());
    hub.done(&["replay", text(&generated)]);
    hub.done(&["process"]);
    let before = hub.export(&folder.path("before"));

    let topic = format!("{}raw.meituan", hub.topic_prefix());
    delete_topics(&topic);
    let refused = |command: &[&str], found: &str| {
        let ended = hub.run(command);
        assert!(!ended.is_success, "{}", ended.out);
        for said in ["raw.meituan", "expected the topic with id", found, "bring back the log"] {
            assert!(ended.err.contains(said), "{said}: {}", ended.err);
        }
    };
    // It is not made again, so that nothing comes in for it either.
    for command in [&["replay", "--again", text(&generated)][..], &["process"]] {
        refused(command, "found none");
    }
    // Somebody else makes it again, and it is filled with the very same messages.
    let other = hub.beside(folder.path("other"));
    other.done(&["replay", text(&generated)]);
    for command in [&["replay", "--again", text(&generated)][..], &["process"]] {
        refused(command, "found one with id");
    }
    let after = hub.export(&folder.path("after"));
    assert_sections(&before, &after, &["counts", "balances"]);
}
