//! A topic of a real Kafka that grows from 12 to 24 partitions in mid-stream, while the producers
//! of a platform hear of it at different times: until then their partitioner knows the old
//! partitions, and an order's later messages, voids among them, come by others than its first.

use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

use crate::hub::{Arrival, Folder, Hub, arrivals, assert_truth, text, write_arrivals};
use crate::topics::client;

const PLATFORM: &str = "caocao-chuxing";
const SENDERS: usize = 4;
const WITHIN: Duration = Duration::from_secs(30);
/// 2026-07-02 23:30 in Hohhot: every day is open.
const GROWN_AT_MS: i64 = 1_783_006_200_000;
const HOUR_MS: i64 = 3_600_000;

/// The platform's producers, with Kafka's default partitioner. None asks for the topic's partitions
/// again by itself.
struct Platform {
    topic: String,
    senders: Vec<BaseProducer>,
    sent: usize,
}

fn sender() -> BaseProducer {
    let mut config = client();
    config.set("partitioner", "murmur2_random").set("topic.metadata.refresh.interval.ms", "-1");
    config.create().unwrap()
}

impl Platform {
    fn new(topic: String) -> Self {
        Self { topic, senders: (0..SENDERS).map(|_| sender()).collect(), sent: 0 }
    }

    /// Sends these files line by line, each by the next sender, under the order's number. Where
    /// senders have heard of a growth after so many messages, they begin again.
    fn send(&mut self, files: &[&Arrival], switch_at: &mut Vec<(usize, usize)>) {
        for file in files {
            let at = file.received_at_ms.to_string();
            let body = std::fs::read(&file.path).unwrap();
            for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                for (_, place) in switch_at.extract_if(.., |(sent, _)| *sent <= self.sent) {
                    self.senders[place].flush(WITHIN).unwrap();
                    self.senders[place] = sender();
                }
                let said: Value = serde_json::from_slice(line).unwrap_or_default();
                let key = said["OrderId"].as_str().unwrap_or_default().to_owned();
                let headers = OwnedHeaders::new()
                    .insert(Header { key: "feed", value: Some("orders") })
                    .insert(Header { key: "zhibao-received-at", value: Some(&at) });
                let record = BaseRecord::to(&self.topic).key(&key).payload(line).headers(headers);
                let sender = &self.senders[self.sent % SENDERS];
                sender.send(record).map_err(|(error, _)| error).unwrap();
                self.sent += 1;
            }
            // Nothing overtakes what came an hour before.
            for sender in &self.senders {
                sender.flush(WITHIN).unwrap();
            }
        }
    }
}

async fn partitions(hub: &Hub, sql: &'static str) -> Vec<i64> {
    let database = hub.database().await;
    let found = sqlx::query_scalar(sql).fetch_all(&database).await.unwrap();
    database.close().await;
    found
}

#[tokio::test]
async fn producers_that_hear_of_a_growth_at_different_times_change_nothing() {
    let folder = Folder::new("grown-on-kafka");
    let generated = folder.path("generated");
    let hub = Hub::on_kafka(folder.path("hub"), "growing");
    let size = ["--orders", "9000", "--from", "2026-07-01", "--days", "3", "--seed", "31"];
    hub.done(&[&["generate", "--out", text(&generated)], &size[..]].concat());
    // Opening makes the topics.
    hub.done(&["status"]);
    hub.done(&["topic", "grow", PLATFORM, "12"]);
    let files = arrivals(&generated);
    let is_sent = |file: &Arrival| file.connector == PLATFORM && file.feed == "orders";
    let mut platform = Platform::new(format!("{}raw.{PLATFORM}", hub.topic_prefix()));
    let mut feed = |times_ms: std::ops::Range<i64>, switch_at: &mut Vec<(usize, usize)>| {
        let came = || files.iter().filter(|file| times_ms.contains(&file.received_at_ms));
        write_arrivals(&generated, came().filter(|file| !is_sent(file)));
        hub.done(&["replay", text(&generated)]);
        platform.send(&came().filter(|file| is_sent(file)).collect::<Vec<_>>(), switch_at);
        platform.sent
    };
    let nobody = &mut Vec::new();
    feed(0..GROWN_AT_MS, nobody);
    hub.done(&["process"]);
    // These lie in the old partitions, and belong to new ones when they are applied.
    let before = feed(GROWN_AT_MS..GROWN_AT_MS + HOUR_MS, nobody);
    hub.done(&["topic", "grow", PLATFORM, "24"]);
    // One hears of it at once, the others later, the last one some hundred messages after.
    let mut switch_at: Vec<_> = (0..SENDERS).map(|place| (before + place * 60, place)).collect();
    // Of two messages that disagree the first that is applied stands, so that no partition may be
    // far ahead of another: the disagreeing ones come many hours later.
    let mut from = GROWN_AT_MS + HOUR_MS;
    for _ in 0..16 {
        feed(from..from + 6 * HOUR_MS, &mut switch_at);
        hub.done(&["process"]);
        from += 6 * HOUR_MS;
    }
    feed(from..i64::MAX, &mut switch_at);
    assert!(switch_at.is_empty(), "all have heard of it: {switch_at:?}");
    hub.done(&["process"]);
    hub.done(&["seal", "--until", "2026-07-31"]);
    hub.done(&["freeze", "--month", "2026-07", "--reason", "the test's month is over"]);
    hub.done(&["evidence"]);
    hub.done(&["publish"]);
    hub.done(&["status"]);
    hub.export(&folder.path("out"));
    assert_truth(&generated.join("truth.json"), &folder.path("out/export.json"));

    // Every partition has got messages, and has orders: the new ones by the senders that knew them.
    let read = "select partition from position where topic = 'raw.caocao-chuxing' \
                and next_offset > 0 order by partition";
    let with_orders = "select distinct partition from order_day where topic = \
                       'raw.caocao-chuxing' and next_ordinal > 0 order by partition";
    let all: Vec<i64> = (0..24).collect();
    assert_eq!(partitions(&hub, read).await, all);
    assert_eq!(partitions(&hub, with_orders).await, all);
}
