//! Positions that hold no record: Kafka's transactions take some for their markers, and what was
//! taken back is never read.

use std::time::{Duration, Instant};

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::{KafkaSubject, settings};
use crate::log::Log;
use crate::log::contract::{Subject, new_append, read_all, record};
use crate::log::kafka::KafkaLog;

const WITHIN: Duration = Duration::from_secs(30);

/// A producer of another program, with transactions.
fn transactional(name: &str) -> BaseProducer {
    let mut config = settings().client();
    config.set("transactional.id", name);
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(WITHIN).unwrap();
    producer
}

fn send(producer: &BaseProducer, topic: &str, texts: &[&str]) {
    producer.begin_transaction().unwrap();
    for text in texts {
        let feed = OwnedHeaders::new().insert(Header { key: "feed", value: Some("orders") });
        let record = BaseRecord::<(), str>::to(topic).partition(0).payload(text).headers(feed);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(WITHIN).unwrap();
}

/// A commit is answered before its markers are written: waits until the partition ends there.
async fn await_end(log: &KafkaLog, topic: &str, next: u64) {
    while log.extents(topic).await.unwrap()[0].next < next {
        tokio::task::yield_now().await;
    }
    assert_eq!(log.extents(topic).await.unwrap()[0].next, next);
}

#[tokio::test]
async fn records_of_transactions_are_read_once_they_are_committed_and_no_others() {
    let subject = KafkaSubject::new().await;
    let (log, topic) = (&subject.log, subject.topic());
    log.ensure_topic(topic, 1).await.unwrap();
    let producer = transactional(topic);
    send(&producer, topic, &["0", "1"]);
    producer.commit_transaction(WITHIN).unwrap();
    send(&producer, topic, &["taken back"]);
    producer.abort_transaction(WITHIN).unwrap();
    await_end(log, topic, 5).await;
    send(&producer, topic, &["5"]);
    // Not committed yet: the partition ends before it.
    let expected = vec![(0, "0".to_owned()), (1, "1".to_owned())];
    assert_eq!(read_all((log, topic), 0, 0, 1 << 20).await, expected);
    producer.commit_transaction(WITHIN).unwrap();
    await_end(log, topic, 7).await;
    // 2 is a marker, 3 was taken back, 4 is its marker, 6 a marker.
    let expected = vec![(0, "0".to_owned()), (1, "1".to_owned()), (5, "5".to_owned())];
    for bytes_max in [1, 1 << 20] {
        assert_eq!(read_all((log, topic), 0, 0, bytes_max).await, expected);
    }
    for from in 2..=5 {
        assert_eq!(read_all((log, topic), 0, from, 1 << 20).await, expected[2..], "from {from}");
    }
    // The end of the partition lies behind the last marker; there is nothing up to it.
    for _ in 0..3 {
        assert!(log.read(topic, 0, 6, 1 << 20).await.unwrap().records.is_empty());
    }
    send(&producer, topic, &["7"]);
    producer.commit_transaction(WITHIN).unwrap();
    await_end(log, topic, 9).await;
    assert_eq!(read_all((log, topic), 0, 6, 1 << 20).await, [(7, "7".to_owned())]);
}

/// The client says that a partition ends behind every few records of a stream that is read as it
/// comes: all that is there comes in one batch all the same.
#[tokio::test]
async fn ends_between_records_do_not_cut_a_batch() {
    let subject = KafkaSubject::new().await;
    let (log, topic) = (&subject.log, subject.topic());
    log.ensure_topic(topic, 1).await.unwrap();
    let append = async |texts: &[&str]| {
        let records = texts.iter().map(|text| record(0, text)).collect();
        log.append(new_append(topic, records)).await.unwrap();
    };
    append(&["0"]).await;
    assert_eq!(log.read(topic, 0, 0, 1 << 20).await.unwrap().records.len(), 1);
    for text in ["1", "2", "3", "4"] {
        append(&[text]).await;
        // Time for the client to read it ahead, and the end behind it.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(log.read(topic, 0, 1, 1 << 20).await.unwrap().records.len(), 4);
}

/// The client says once that a partition ends. Where it says so behind records, in one batch with
/// them, the next read finds a marker left up to the end and nothing more to come.
#[tokio::test]
async fn an_end_that_came_with_records_is_an_end_for_the_next_read_too() {
    let subject = KafkaSubject::new().await;
    let (log, topic) = (&subject.log, subject.topic());
    log.ensure_topic(topic, 1).await.unwrap();
    let producer = transactional(topic);
    send(&producer, topic, &["0", "1"]);
    producer.commit_transaction(WITHIN).unwrap();
    await_end(log, topic, 3).await;
    assert_eq!(log.read(topic, 0, 0, 1).await.unwrap().records.len(), 1);
    // Time for the client to read ahead: record 1, and the end.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(log.read(topic, 0, 1, 1 << 20).await.unwrap().records.len(), 1);
    assert!(log.read(topic, 0, 2, 1 << 20).await.unwrap().records.is_empty());
    send(&producer, topic, &["3"]);
    producer.commit_transaction(WITHIN).unwrap();
    await_end(log, topic, 5).await;
    assert_eq!(read_all((log, topic), 0, 2, 1 << 20).await, [(3, "3".to_owned())]);
}

/// Of a partition that is read up to its end nobody asks for a while where it ends: what this log
/// appends is there for the next read all the same, and what others send comes by itself.
#[tokio::test]
async fn what_comes_behind_an_end_is_read() {
    let subject = KafkaSubject::new().await;
    let (log, topic) = (&subject.log, subject.topic());
    log.ensure_topic(topic, 1).await.unwrap();
    let other: BaseProducer = settings().client().create().unwrap();
    for next in 0..20 {
        assert!(log.read(topic, 0, next, 1 << 20).await.unwrap().records.is_empty());
        if next % 2 == 0 {
            log.append(new_append(topic, vec![record(0, "own")])).await.unwrap();
            assert_eq!(log.read(topic, 0, next, 1 << 20).await.unwrap().records.len(), 1);
            continue;
        }
        let sent = other.send(BaseRecord::<(), str>::to(topic).partition(0).payload("other's"));
        sent.map_err(|(error, _)| error).unwrap();
        other.flush(WITHIN).unwrap();
        let until = Instant::now() + WITHIN;
        while log.read(topic, 0, next, 1 << 20).await.unwrap().records.is_empty() {
            assert!(Instant::now() < until, "position {next} is not read");
            tokio::task::yield_now().await;
        }
    }
}

/// Whoever takes nothing of what it has read reads it again: also where reading began at an end.
#[tokio::test]
async fn what_came_behind_an_end_is_read_as_often_as_asked_for() {
    let subject = KafkaSubject::new().await;
    let (log, topic) = (&subject.log, subject.topic());
    log.ensure_topic(topic, 1).await.unwrap();
    assert!(log.read(topic, 0, 0, 1).await.unwrap().records.is_empty());
    let records = ["first", "second", "third"].map(|value| record(0, value));
    log.append(new_append(topic, records.to_vec())).await.unwrap();
    for _ in 0..5 {
        let batch = log.read(topic, 0, 0, 1).await.unwrap();
        assert_eq!(batch.records.first().map(|record| record.offset), Some(0));
        assert_eq!(batch.records.len(), 1);
    }
    assert_eq!(log.read(topic, 0, 0, 1 << 20).await.unwrap().records.len(), 3);
}
