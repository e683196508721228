//! A platform whose own producer hashes otherwise: an order's messages all go to one partition,
//! which it belongs to by chance only. (Dealt out to several, which of two that disagree comes
//! first would be a matter of luck, and what it comes to as well.)

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

use crate::hub::Arrival;

const CONNECTOR: &str = "caocao-chuxing";
const TOPIC: &str = "raw.caocao-chuxing";
/// It never hears of more partitions.
const PARTITIONS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Miskeyed {
    producer: Arc<BaseProducer>,
    under_way: Option<JoinHandle<()>>,
}

impl Miskeyed {
    pub(crate) fn new(kafka: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka.strip_prefix("kafka://").unwrap());
        config.set("enable.idempotence", "true");
        config.set("compression.type", "lz4");
        config.set("linger.ms", "20");
        Self { producer: Arc::new(config.create().unwrap()), under_way: None }
    }

    /// Whether a file is this producer's to send.
    pub(crate) fn is_meant(&self, file: &Arrival) -> bool {
        file.connector == CONNECTOR && file.feed == "orders"
    }

    /// Begins to send the lines of some files.
    pub(crate) fn begin(&mut self, files: Vec<Arrival>) {
        let producer = Arc::clone(&self.producer);
        self.under_way = Some(std::thread::spawn(move || send_all(&producer, &files)));
    }

    /// Waits until the brokers have everything.
    pub(crate) fn end(&mut self) {
        if let Some(sending) = self.under_way.take() {
            sending.join().unwrap();
        }
    }
}

/// The sum of the digits of the order's number; 0 for what cannot be read.
fn sum_of_number(line: &[u8]) -> usize {
    let message: Value = serde_json::from_slice(line).unwrap_or_default();
    let number = message["OrderId"].as_str().unwrap_or_default();
    number.bytes().map(usize::from).sum()
}

fn send_all(producer: &BaseProducer, files: &[Arrival]) {
    for file in files {
        let body = std::fs::read(&file.path).unwrap();
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let at = file.received_at_ms.to_string();
        for line in lines {
            let partition = i32::try_from(sum_of_number(line) % PARTITIONS).unwrap();
            let headers = OwnedHeaders::new()
                .insert(Header { key: "feed", value: Some(file.feed.as_str()) })
                .insert(Header { key: "zhibao-received-at", value: Some(&at) });
            let record = BaseRecord::<(), [u8]>::to(TOPIC).partition(partition).payload(line);
            let mut record = record.headers(headers);
            let since = Instant::now();
            // A full queue empties once the brokers answer.
            while let Err((error, back)) = producer.send(record) {
                assert!(since.elapsed() < PATIENCE, "{error}");
                producer.poll(Duration::from_millis(50));
                record = back;
            }
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE).unwrap();
}
