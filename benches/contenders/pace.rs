//! Load at a steady pace, whatever becomes of it: how long each message takes from the moment it
//! was due until it is committed, and each order until its event can be read from `events.orders`.
//!
//! Nothing waits for the hub: where it falls behind, messages are sent all the same, and what they
//! wait shows. The time counts from when a message was due, not from when it could be sent.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sqlx::{Connection, PgConnection};

use crate::Failure;

/// What is not counted at the beginning.
const WARM_UP_US: u64 = 5_000_000;
/// How long after its acceptance an order is completed.
const UNDER_WAY_S: u64 = 10;
/// How long is waited for what is still missing when everything is sent.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what is committed.
const LOOK: Duration = Duration::from_millis(2);
const FIRST_ORDER: u64 = 4_000_000_000_000_000_000;
const PLATFORM: &str = "meituan";

/// How fast, and for how long.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) orders_a_second: u64,
    pub(crate) seconds: u64,
}

impl Pace {
    fn orders(self) -> u64 {
        self.orders_a_second * self.seconds
    }

    /// When the order is accepted, in microseconds after the start.
    fn due_us(self, order: u64) -> u64 {
        order * 1_000_000 / self.orders_a_second
    }

    /// How long before a completion the order was accepted, in orders.
    fn under_way(self) -> u64 {
        self.orders_a_second * UNDER_WAY_S
    }
}

/// Messages of one partition that are in the log and not committed: position, and when it was due.
type Sent = VecDeque<(i64, u64)>;

/// Where each message has come to lie.
#[derive(Default)]
struct Deliveries {
    partitions: Mutex<Vec<Sent>>,
    is_failed: AtomicBool,
}

struct Heard(Arc<Deliveries>);

impl ClientContext for Heard {}

impl ProducerContext for Heard {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, due_us: usize) {
        let Ok(message) = result else {
            self.0.is_failed.store(true, Ordering::Relaxed);
            return;
        };
        let mut partitions = self.0.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        let partition = usize::try_from(message.partition()).unwrap_or(0);
        if partitions.len() <= partition {
            partitions.resize_with(partition + 1, Sent::new);
        }
        if let Some(sent) = partitions.get_mut(partition) {
            sent.push_back((message.offset(), u64::try_from(due_us).unwrap_or(0)));
        }
    }
}

/// Sends at the pace and writes the times as JSON; gives how many messages were sent.
pub(crate) fn run(
    (brokers, prefix, database): (&str, &str, &str),
    pace: Pace,
    out: &Path,
) -> Result<u64, Failure> {
    let deliveries = Arc::new(Deliveries::default());
    let start = Instant::now();
    let is_sent = AtomicBool::new(false);
    let (sent, committed, published) = std::thread::scope(|scope| {
        let commits = scope.spawn(|| watch_commits(database, &deliveries, start, &is_sent, pace));
        let events = scope.spawn(|| watch_events((brokers, prefix), start, pace));
        let sent = send((brokers, prefix), pace, &deliveries, start);
        is_sent.store(true, Ordering::Release);
        let panicked = |panic| std::panic::resume_unwind(panic);
        (sent, commits.join().unwrap_or_else(panicked), events.join().unwrap_or_else(panicked))
    });
    let sent = sent?;
    let text = format!(
        "{{\"orders_a_second\": {}, \"seconds\": {}, \"committed\": {}, \"published\": {}}}\n",
        pace.orders_a_second,
        pace.seconds,
        summary(committed?),
        summary(published?),
    );
    std::fs::write(out, text)?;
    Ok(sent)
}

/// The exact percentiles of all times, in microseconds.
fn summary(mut times_us: Vec<u64>) -> String {
    times_us.sort_unstable();
    let count = times_us.len();
    let at = |part: usize| {
        let place = (count * part).div_ceil(1_000).saturating_sub(1);
        times_us.get(place).copied().unwrap_or(0)
    };
    format!(
        "{{\"count\": {count}, \"p50\": {}, \"p99\": {}, \"p99.9\": {}, \"max\": {}}}",
        at(500),
        at(990),
        at(999),
        at(1_000)
    )
}

fn since_us(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn send(
    (brokers, prefix): (&str, &str),
    pace: Pace,
    deliveries: &Arc<Deliveries>,
    start: Instant,
) -> Result<u64, Failure> {
    let producer: ThreadedProducer<Heard> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "2")
        .set("queue.buffering.max.messages", "2000000")
        .create_with_context(Heard(Arc::clone(deliveries)))?;
    let topic = format!("{prefix}raw.{PLATFORM}");
    let headers = OwnedHeaders::new().insert(Header { key: "feed", value: Some("orders") });
    let put = |order: u64, text: String, due_us: u64| {
        let key = (FIRST_ORDER + order).to_string();
        let mut record = BaseRecord::with_opaque_to(&topic, usize::try_from(due_us).unwrap_or(0))
            .key(&key)
            .payload(&text)
            .headers(headers.clone());
        while let Err((error, again)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error);
            }
            record = again;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    };
    let began_ms = u64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_millis())?;
    let mut messages = 0;
    for order in 0..pace.orders() {
        let due_us = pace.due_us(order);
        if let Some(wait) = due_us.checked_sub(since_us(start)).filter(|wait| *wait > 500) {
            std::thread::sleep(Duration::from_micros(wait));
        }
        let at_ms = began_ms + due_us / 1_000;
        put(order, acceptance(order, at_ms), due_us)?;
        messages += 1;
        if let Some(done) = order.checked_sub(pace.under_way()) {
            put(done, completion(done, at_ms), due_us)?;
            messages += 1;
        }
    }
    producer.flush(PATIENCE)?;
    if deliveries.is_failed.load(Ordering::Relaxed) {
        return Err("expected every message to be taken, found that the broker refused some".into());
    }
    Ok(messages)
}

fn acceptance(order: u64, at_ms: u64) -> String {
    let (number, rider) = (FIRST_ORDER + order, 10_000_000 + order % 9_000);
    let county = if order.is_multiple_of(4) { 150_202 } else { 150_102 };
    format!(
        "{{\"bizCode\":\"MEITUAN\",\"orderViewId\":\"{number}\",\"status\":20,\"riderId\":{rider},\
         \"acceptTime\":{at_ms},\"opTime\":{at_ms},\"adcode\":{county}}}"
    )
}

fn completion(order: u64, at_ms: u64) -> String {
    let (number, rider) = (FIRST_ORDER + order, 10_000_000 + order % 9_000);
    format!(
        "{{\"bizCode\":\"MEITUAN\",\"orderViewId\":\"{number}\",\"status\":40,\"riderId\":{rider},\
         \"opTime\":{at_ms}}}"
    )
}

/// Looks again and again how far each partition is committed.
fn watch_commits(
    database: &str,
    deliveries: &Deliveries,
    start: Instant,
    is_sent: &AtomicBool,
    pace: Pace,
) -> Result<Vec<u64>, Failure> {
    let expected = pace.orders() + pace.orders().saturating_sub(pace.under_way());
    let expected = usize::try_from(expected)?;
    let (mut times, mut seen) = (Vec::new(), 0);
    let mut until = None;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut session = PgConnection::connect(database).await?;
        let sql = "select partition, next_offset from position where topic = 'raw.meituan'";
        while seen < expected {
            let rows: Vec<(i64, i64)> = sqlx::query_as(sql).fetch_all(&mut session).await?;
            let now_us = since_us(start);
            {
                let mut sent = deliveries.partitions.lock().unwrap_or_else(PoisonError::into_inner);
                for (partition, next) in rows {
                    let Some(sent) = sent.get_mut(usize::try_from(partition)?) else { continue };
                    while let Some((_, due_us)) = sent.pop_front_if(|(offset, _)| *offset < next) {
                        seen += 1;
                        if due_us >= WARM_UP_US {
                            times.push(now_us.saturating_sub(due_us));
                        }
                    }
                }
            }
            if is_sent.load(Ordering::Acquire) {
                let until = *until.get_or_insert_with(|| Instant::now() + PATIENCE);
                if Instant::now() > until {
                    return Err(format!("expected {expected} committed, found {seen}").into());
                }
            }
            std::thread::sleep(LOOK);
        }
        Ok(times)
    })
}

/// Reads the canonical topic from its end, and sees each order's first event.
fn watch_events(
    (brokers, prefix): (&str, &str),
    start: Instant,
    pace: Pace,
) -> Result<Vec<u64>, Failure> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "zhibao-bench")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("fetch.wait.max.ms", "10")
        .create()?;
    let topic = format!("{prefix}events.orders");
    let metadata = consumer.fetch_metadata(Some(&topic), PATIENCE)?;
    let mut places = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
        let (_, end) = consumer.fetch_watermarks(&topic, partition.id(), PATIENCE)?;
        places.add_partition_offset(&topic, partition.id(), Offset::Offset(end))?;
    }
    consumer.assign(&places)?;
    let mut is_seen = vec![false; usize::try_from(pace.orders())?];
    let (mut times, mut left) = (Vec::new(), is_seen.len());
    let until = start + Duration::from_secs(pace.seconds) + PATIENCE;
    while left > 0 {
        if Instant::now() > until {
            return Err(format!("{topic}: {left} orders did not come within {PATIENCE:?}").into());
        }
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message?;
        let key = message.key().unwrap_or_default();
        let number = key.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let order: u64 = std::str::from_utf8(number)?.parse()?;
        let order = order - FIRST_ORDER;
        let seen = is_seen.get_mut(usize::try_from(order)?).ok_or("an order that was not sent")?;
        if !std::mem::replace(seen, true) {
            left -= 1;
            let due_us = pace.due_us(order);
            if due_us >= WARM_UP_US {
                times.push(since_us(start).saturating_sub(due_us));
            }
        }
    }
    Ok(times)
}
