//! What only the embedded log can get wrong: its rows. The contract is tested for all logs.

use std::sync::Arc;

use sqlx::{AnyPool, Executor};

use super::{Clock, EmbeddedLog, Retention, TrimBound, Trimmed};
use crate::domain::ids::FeedId;
use crate::domain::time::Moment;
use crate::log::contract::Folder;
use crate::log::{Append, Log, LogError, NewRecord};

const TOPIC: &str = "raw.didi-chuxing";

async fn open(folder: &Folder) -> EmbeddedLog {
    let clock: Clock = Arc::new(|| Moment::from_ms(1_782_835_200_000));
    EmbeddedLog::open(&folder.0, clock).await.unwrap()
}

fn orders(records: Vec<NewRecord>) -> Append {
    Append {
        topic: TOPIC.into(),
        feed: FeedId::new("orders").unwrap(),
        header_digest: None,
        records,
        received_at: None,
        mark: None,
    }
}

async fn meddle(folder: &Folder, statement: &'static str) {
    let url = format!("sqlite://{}", folder.0.join("log.db").display());
    let pool = AnyPool::connect(&url).await.unwrap();
    assert_eq!(pool.execute(statement).await.unwrap().rows_affected(), 1, "{statement}");
    pool.close().await;
}

#[tokio::test]
async fn large_appends_are_cut_into_rows_and_read_whole() {
    let folder = Folder::new();
    let log = open(&folder).await;
    log.ensure_topic(TOPIC, 1).await.unwrap();
    let value = |n: u32| -> Vec<u8> {
        // One record is larger than a row may be.
        let length = if n == 5 { 3 << 20 } else { 200_000 };
        (0..length).map(|at: u32| u8::try_from((at * 31 + n * 7) % 251).unwrap()).collect()
    };
    let records =
        (0..30).map(|n| NewRecord { partition: 0, key: Vec::new(), value: value(n) }).collect();
    let given = log.append(orders(records)).await.unwrap();
    assert_eq!(given.len(), 1);
    assert_eq!(given[0].offsets, 0..30);
    for bytes_max in [1, 500_000, 64 << 20] {
        let mut next = 0;
        while next < 30 {
            let batch = log.read(TOPIC, 0, next, bytes_max).await.unwrap();
            for record in &batch.records {
                let n = u32::try_from(record.offset).unwrap();
                assert!(batch.value(record) == value(n).as_slice(), "record {n}");
            }
            assert_eq!(batch.records[0].offset, next);
            let bytes: usize = batch.records.iter().map(|record| record.range.len()).sum();
            assert!(batch.records.len() == 1 || bytes <= bytes_max);
            next = batch.records[batch.records.len() - 1].offset + 1;
        }
    }
}

#[tokio::test]
async fn damage_is_noticed_and_named() {
    for statement in [
        "update log_batch set bytes = zeroblob(40) where first_offset = 10",
        "update log_batch set raw_bytes = raw_bytes - 1 where first_offset = 10",
        "update log_batch set bytes = (select bytes from log_batch where first_offset = 0), \
         raw_bytes = (select raw_bytes from log_batch where first_offset = 0) \
         where first_offset = 10",
        "delete from log_batch where first_offset = 10",
        "delete from log_batch where first_offset = 0",
    ] {
        let folder = Folder::new();
        let log = open(&folder).await;
        log.ensure_topic(TOPIC, 1).await.unwrap();
        for count in [10, 20, 30] {
            let records =
                vec![
                    NewRecord { partition: 0, key: Vec::new(), value: b"{\"order\":1}".to_vec() };
                    count
                ];
            log.append(orders(records)).await.unwrap();
        }
        meddle(&folder, statement).await;
        let error = log.read(TOPIC, 0, 0, 1 << 20).await.unwrap_err();
        let named = matches!(&error, LogError::Damaged { offset: 10 | 30, .. });
        assert!(named, "{statement}: {error}");
        assert_eq!(log.read(TOPIC, 0, 30, 1 << 20).await.unwrap().records.len(), 30);
    }
}

#[tokio::test]
async fn writers_and_readers_work_at_the_same_time() {
    let folder = Folder::new();
    let log = open(&folder).await;
    log.ensure_topic(TOPIC, 2).await.unwrap();
    let writers = (0..4).map(|writer| {
        let log = log.clone();
        tokio::spawn(async move {
            for n in 0..25 {
                let value = format!("{writer}/{n}").into_bytes();
                let partition = writer % 2;
                log.append(orders(vec![NewRecord { partition, key: Vec::new(), value }]))
                    .await
                    .unwrap();
                let from = log.extents(TOPIC).await.unwrap()[0].first;
                log.read(TOPIC, 0, from, 1 << 20).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let extents = log.extents(TOPIC).await.unwrap();
    assert_eq!((extents[0].next, extents[1].next), (50, 50));
    let batch = log.read(TOPIC, 0, 0, 1 << 20).await.unwrap();
    let of_writer_2: Vec<&[u8]> = batch
        .records
        .iter()
        .map(|record| batch.value(record))
        .filter(|value| value.starts_with(b"2/"))
        .collect();
    let expected: Vec<String> = (0..25).map(|n| format!("2/{n}")).collect();
    let expected: Vec<&[u8]> = expected.iter().map(String::as_bytes).collect();
    assert_eq!(of_writer_2, expected);
}

/// Two topics, one record of 40,000 bytes an hour each, in turn.
async fn hourly(log: &EmbeddedLog, hours: u32) {
    for topic in ["raw.a", "raw.b"] {
        log.ensure_topic(topic, 1).await.unwrap();
    }
    for hour in 0..hours {
        for topic in ["raw.a", "raw.b"] {
            // Noise, so that every row takes about as many bytes as it has.
            let noise = (0..40_000u32).map(|at| {
                u8::try_from(
                    at.wrapping_mul(at).wrapping_add(hour * 7919).wrapping_mul(2_654_435_761) >> 24,
                )
                .unwrap()
            });
            let received_at = Some(Moment::from_ms(i64::from(hour) * 3_600_000));
            let records = vec![NewRecord { partition: 0, key: Vec::new(), value: noise.collect() }];
            let append = Append { topic: topic.into(), received_at, ..orders(records) };
            log.append(append).await.unwrap();
        }
    }
}

fn bounds(a: u64, b: u64) -> [TrimBound; 2] {
    let bound = |topic: &str, before| TrimBound { topic: topic.to_owned(), partition: 0, before };
    [bound("raw.a", a), bound("raw.b", b)]
}

async fn firsts(log: &EmbeddedLog) -> [u64; 2] {
    [log.extents("raw.a").await.unwrap()[0].first, log.extents("raw.b").await.unwrap()[0].first]
}

#[tokio::test]
async fn what_is_old_goes_but_never_what_is_not_applied() {
    let folder = Folder::new();
    let log = open(&folder).await;
    hourly(&log, 30).await;
    let retention = Retention { log_retention_ms: 10 * 3_600_000, log_bytes_max: u64::MAX };
    // The last record is of hour 29: those before hour 19 are too old.
    let trimmed = log.retain(&bounds(0, 4), retention).await.unwrap();
    assert_eq!((firsts(&log).await, trimmed.records), ([0, 4], 4));
    let trimmed = log.retain(&bounds(25, 30), retention).await.unwrap();
    assert_eq!((firsts(&log).await, trimmed.records), ([19, 19], 19 + 15));
    assert_eq!(log.retain(&bounds(30, 30), retention).await.unwrap(), Trimmed::default());
    assert_eq!(log.read("raw.a", 0, 19, 1).await.unwrap().records[0].offset, 19);
    // Of a partition without a bound nothing goes.
    hourly_again(&log).await;
    assert_eq!(log.retain(&[], retention).await.unwrap(), Trimmed::default());
}

/// A replay's raw topics have the clock of their day, canonical ones that of the wall.
#[tokio::test]
async fn topics_of_another_kind_do_not_make_a_topic_old() {
    let folder = Folder::new();
    let log = open(&folder).await;
    hourly(&log, 30).await;
    log.ensure_topic("events.orders", 1).await.unwrap();
    let records = vec![NewRecord { partition: 0, key: Vec::new(), value: b"x".to_vec() }];
    let received_at = Some(Moment::from_ms(1_000 * 3_600_000));
    let append = Append { topic: "events.orders".into(), received_at, ..orders(records) };
    log.append(append).await.unwrap();
    let retention = Retention { log_retention_ms: 10 * 3_600_000, log_bytes_max: u64::MAX };
    let mut all = bounds(30, 30).to_vec();
    all.push(TrimBound { topic: "events.orders".to_owned(), partition: 0, before: 1 });
    assert_eq!(log.retain(&all, retention).await.unwrap().records, 2 * 19);
    assert_eq!(firsts(&log).await, [19, 19]);
}

/// Both topics once more, much later.
async fn hourly_again(log: &EmbeddedLog) {
    for topic in ["raw.a", "raw.b"] {
        let records = vec![NewRecord { partition: 0, key: Vec::new(), value: b"x".to_vec() }];
        let received_at = Some(Moment::from_ms(1_000 * 3_600_000));
        log.append(Append { topic: topic.into(), received_at, ..orders(records) }).await.unwrap();
    }
}

#[tokio::test]
async fn a_log_that_is_too_large_loses_its_oldest_but_never_what_is_not_applied() {
    let folder = Folder::new();
    let log = open(&folder).await;
    hourly(&log, 30).await;
    // 30 hours take 2.4 MB, and the 25 of the second topic that must stay a million.
    let retention = Retention { log_retention_ms: i64::MAX, log_bytes_max: 1_000_000 };
    let trimmed = log.retain(&bounds(30, 5), retention).await.unwrap();
    assert_eq!((firsts(&log).await, trimmed.records), ([30, 5], 35));
    assert!((35 * 40_000..36 * 40_000).contains(&trimmed.bytes), "{} bytes", trimmed.bytes);
    let trimmed = log.retain(&bounds(30, 30), retention).await.unwrap();
    assert!((1..6).contains(&trimmed.records), "{trimmed:?}");
    assert_eq!(firsts(&log).await, [30, 5 + trimmed.records]);
    let enough = Retention { log_bytes_max: 1_500_000, ..retention };
    assert_eq!(log.retain(&bounds(30, 30), enough).await.unwrap(), Trimmed::default());
}
