//! The same messages once more, each under a key that says nothing of its order and in a partition
//! that is not its order's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use crate::Failure;
use crate::input::{InputError, Shares};
use crate::orders::PLATFORMS;

/// How long is waited for the broker to confirm the last of them.
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts what the broker has confirmed.
struct Confirmed(Arc<AtomicU64>);

impl ClientContext for Confirmed {}

impl ProducerContext for Confirmed {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_ok() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum CopyError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("the broker refuses: {0}")]
    Refused(#[from] rdkafka::error::KafkaError),
}

/// Copies all topics of one prefix to those of another, which are there with as many partitions;
/// gives how many messages that was.
pub(crate) fn run(
    brokers: &str,
    (from, to): (&str, &str),
    partitions: i32,
) -> Result<u64, Failure> {
    let confirmed = Arc::new(AtomicU64::new(0));
    let producer: ThreadedProducer<Confirmed> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", "50")
        .create_with_context(Confirmed(Arc::clone(&confirmed)))?;
    let topics: Vec<String> = PLATFORMS.iter().map(|name| format!("{to}{name}")).collect();
    let mut sent = 0;
    for mut reader in Shares::of(brokers, from, 1)?.readers()? {
        sent += reader.read_all(|platform, message| {
            let Some(topic) = topics.get(platform) else { return Ok(()) };
            send(&producer, topic, message, partitions)
        })?;
    }
    producer.flush(PATIENCE)?;
    let confirmed = confirmed.load(Ordering::Relaxed);
    if confirmed == sent {
        Ok(sent)
    } else {
        Err(format!("expected {sent} messages confirmed, found {confirmed}").into())
    }
}

/// Every partition but its own gets as many.
fn send(
    producer: &ThreadedProducer<Confirmed>,
    topic: &str,
    message: &BorrowedMessage<'_>,
    partitions: i32,
) -> Result<(), CopyError> {
    let others = i64::from(partitions - 1).max(1);
    let step = 1 + i32::try_from(message.offset() % others).unwrap_or(0);
    let key = format!("line {}", message.offset());
    let mut record = BaseRecord::to(topic)
        .partition((message.partition() + step) % partitions)
        .key(&key)
        .payload(message.payload().unwrap_or_default());
    if let Some(headers) = message.headers() {
        record = record.headers(headers.detach());
    }
    while let Err((error, again)) = producer.send(record) {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            return Err(error.into());
        }
        record = again;
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
