//! One contract for every log: what stands above the trait may rely on this and nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use futures_util::future::BoxFuture;

use super::embedded::{Clock, EmbeddedLog};
use super::kafka::tests::KafkaSubject;
use super::simulated::{Faults, SimulatedLog};
use super::{Append, Appended, Batch, Extent, IntakeMark, Log, LogError, NewRecord};
use crate::domain::ids::FeedId;
use crate::domain::time::Moment;

/// The topic where a log is the test's own.
const TOPIC: &str = "raw.meituan";
const START_MS: i64 = 1_782_835_200_000;

/// A folder that goes away with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("zhibao-log-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
        }
    }
}

/// A log that a test can start again.
pub(crate) trait Subject {
    fn log(&self) -> &dyn Log;
    fn restart(&mut self) -> BoxFuture<'_, ()>;

    /// Deletes the topic, as somebody with the right to may; the log is another one then.
    fn delete_topic(&mut self) -> BoxFuture<'_, ()>;

    /// The topic: where logs share a server, one for each test.
    fn topic(&self) -> &str {
        TOPIC
    }

    /// Whether the clock is the test's own, and stands still.
    fn owns_clock(&self) -> bool {
        true
    }
}

struct Embedded {
    folder: Folder,
    log: EmbeddedLog,
    clock: Arc<AtomicI64>,
}

fn clock_of(ms: &Arc<AtomicI64>) -> Clock {
    let ms = Arc::clone(ms);
    Arc::new(move || Moment::from_ms(ms.load(Ordering::Relaxed)))
}

impl Subject for Embedded {
    fn log(&self) -> &dyn Log {
        &self.log
    }

    fn restart(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.log.close().await;
            self.log = EmbeddedLog::open(&self.folder.0, clock_of(&self.clock)).await.unwrap();
        })
    }

    fn delete_topic(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.log.close().await;
            std::fs::remove_dir_all(&self.folder.0).unwrap();
            self.log = EmbeddedLog::open(&self.folder.0, clock_of(&self.clock)).await.unwrap();
        })
    }
}

impl Subject for SimulatedLog {
    fn log(&self) -> &dyn Log {
        self
    }

    fn restart(&mut self) -> BoxFuture<'_, ()> {
        *self = SimulatedLog::restart(self, 2, Faults::default());
        Box::pin(std::future::ready(()))
    }

    fn delete_topic(&mut self) -> BoxFuture<'_, ()> {
        SimulatedLog::delete_topic(self, TOPIC);
        Box::pin(std::future::ready(()))
    }
}

pub(super) async fn subjects() -> Vec<Box<dyn Subject>> {
    let folder = Folder::new();
    let clock = Arc::new(AtomicI64::new(START_MS));
    let log = EmbeddedLog::open(&folder.0, clock_of(&clock)).await.unwrap();
    vec![
        Box::new(Embedded { folder, log, clock }),
        Box::new(SimulatedLog::new(1, Faults::default(), Moment::from_ms(START_MS))),
        Box::new(KafkaSubject::new().await),
    ]
}

fn feed() -> FeedId {
    FeedId::new("orders").unwrap()
}

pub(super) fn new_append(topic: &str, records: Vec<NewRecord>) -> Append {
    Append {
        topic: topic.into(),
        feed: feed(),
        header_digest: None,
        records,
        received_at: None,
        mark: None,
    }
}

pub(super) fn record(partition: u32, text: &str) -> NewRecord {
    NewRecord { partition, key: Vec::new(), value: text.as_bytes().to_vec() }
}

pub(super) fn numbered(partition: u32, numbers: std::ops::Range<u64>) -> Vec<NewRecord> {
    numbers.map(|n| record(partition, &format!("record {n} of {partition}"))).collect()
}

pub(super) fn texts(batch: &Batch) -> Vec<(u64, String)> {
    let text = |record| String::from_utf8(batch.value(record).to_vec()).unwrap();
    batch.records.iter().map(|record| (record.offset, text(record))).collect()
}

pub(super) async fn read_all(
    (log, topic): (&dyn Log, &str),
    partition: u32,
    from: u64,
    bytes_max: usize,
) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    let mut next = from;
    loop {
        let batch = log.read(topic, partition, next, bytes_max).await.unwrap();
        let Some(last) = batch.records.last() else { return all };
        next = last.offset + 1;
        all.extend(texts(&batch));
    }
}

#[tokio::test]
async fn records_have_positions_without_gaps_in_each_partition() {
    for mut subject in subjects().await {
        let (log, topic) = (subject.log(), subject.topic());
        log.ensure_topic(topic, 3).await.unwrap();
        let mut oracle: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for call in 0..20_u32 {
            let records: Vec<NewRecord> = (0..call)
                .map(|n| record((call + n * n) % 3, &format!("call {call} record {n}")))
                .collect();
            for one in &records {
                let text = String::from_utf8(one.value.clone()).unwrap();
                oracle.entry(one.partition).or_default().push(text);
            }
            let before = log.extents(topic).await.unwrap();
            let given = log.append(new_append(topic, records)).await.unwrap();
            let after = log.extents(topic).await.unwrap();
            for one in &given {
                let place = usize::try_from(one.partition).unwrap();
                assert_eq!(one.offsets, before[place].next..after[place].next);
            }
        }
        subject.restart().await;
        for (partition, expected) in oracle {
            for bytes_max in [1, 40, 1 << 20] {
                let read =
                    read_all((subject.log(), subject.topic()), partition, 0, bytes_max).await;
                let expected: Vec<(u64, String)> = (0..).zip(expected.iter().cloned()).collect();
                assert_eq!(read, expected, "partition {partition}, {bytes_max} bytes");
            }
        }
    }
}

#[tokio::test]
async fn reading_starts_anywhere_and_ends_empty() {
    for subject in subjects().await {
        let (log, topic) = (subject.log(), subject.topic());
        log.ensure_topic(topic, 2).await.unwrap();
        log.append(new_append(topic, numbered(1, 0..50))).await.unwrap();
        log.append(new_append(topic, numbered(1, 50..60))).await.unwrap();
        for from in [0, 1, 49, 50, 59] {
            let read = read_all((log, topic), 1, from, 1 << 20).await;
            let expected: Vec<(u64, String)> =
                (from..60).map(|n| (n, format!("record {n} of 1"))).collect();
            assert_eq!(read, expected);
        }
        assert!(log.read(topic, 1, 60, 1).await.unwrap().records.is_empty());
        assert!(log.read(topic, 0, 0, 1).await.unwrap().records.is_empty());
        let beyond = log.read(topic, 1, 61, 1).await.unwrap_err();
        assert!(matches!(beyond, LogError::OutOfRange { asked: 61, next: 60, .. }), "{beyond}");
        assert_eq!(log.read(topic, 1, 7, 0).await.unwrap().records.len(), 1);
    }
}

#[tokio::test]
async fn headers_and_empty_records_come_back() {
    for subject in subjects().await {
        let (log, topic) = (subject.log(), subject.topic());
        log.ensure_topic(topic, 1).await.unwrap();
        let daily = Append {
            feed: FeedId::new("daily").unwrap(),
            header_digest: Some([7; 32]),
            ..new_append(topic, vec![record(0, ""), record(0, "a,b")])
        };
        log.append(new_append(topic, numbered(0, 0..1))).await.unwrap();
        log.append(daily.clone()).await.unwrap();
        log.append(new_append(topic, numbered(0, 3..4))).await.unwrap();
        let batch = log.read(topic, 0, 0, 1 << 20).await.unwrap();
        let feeds: Vec<(String, Option<[u8; 32]>)> = batch
            .records
            .iter()
            .map(|record| &batch.headers[usize::try_from(record.header).unwrap()])
            .map(|header| (header.feed.to_string(), header.header_digest))
            .collect();
        let (orders, daily) = (("orders".into(), None), ("daily".into(), Some([7; 32])));
        assert_eq!(feeds, [orders.clone(), daily.clone(), daily, orders]);
        assert_eq!(batch.headers.len(), 2);
        assert_eq!(texts(&batch)[1], (1, String::new()));
    }
}

#[tokio::test]
async fn append_time_never_goes_back_within_a_partition() {
    for mut subject in subjects().await {
        let (log, topic) = (subject.log(), subject.topic());
        log.ensure_topic(topic, 2).await.unwrap();
        for (partition, ms) in [(0, Some(9_000)), (0, Some(8_000)), (1, Some(8_000)), (0, None)] {
            let at = ms.map(|ms| Moment::from_ms(START_MS + ms));
            let append = new_append(topic, vec![record(partition, "x")]);
            log.append(Append { received_at: at, ..append }).await.unwrap();
        }
        subject.restart().await;
        let (log, topic) = (subject.log(), subject.topic());
        log.append(new_append(topic, vec![record(0, "after the restart")])).await.unwrap();
        let times = |batch: Batch| -> Vec<i64> {
            batch.records.iter().map(|record| record.received_at.ms() - START_MS).collect()
        };
        let zero = times(log.read(topic, 0, 0, 1 << 20).await.unwrap());
        if subject.owns_clock() {
            assert_eq!(zero, [9_000, 9_000, 9_000, 9_000]);
        } else {
            assert_eq!(zero[..2], [9_000, 9_000]);
            assert!(zero[1] <= zero[2] && zero[2] <= zero[3], "{zero:?}");
        }
        assert_eq!(times(log.read(topic, 1, 0, 1 << 20).await.unwrap()), [8_000]);
    }
}

#[tokio::test]
async fn extents_stay_right_after_everything_is_trimmed() {
    for mut subject in subjects().await {
        let (log, topic) = (subject.log(), subject.topic());
        log.ensure_topic(topic, 2).await.unwrap();
        log.append(new_append(topic, numbered(0, 0..10))).await.unwrap();
        log.append(new_append(topic, numbered(0, 10..20))).await.unwrap();
        log.trim(topic, 0, 15).await.unwrap();
        let first = log.extents(topic).await.unwrap()[0].first;
        assert!((10..=15).contains(&first), "rows below 15 go, those above stay: {first}");
        assert_eq!(read_all((log, topic), 0, 15, 1 << 20).await.len(), 5);
        let gone = log.read(topic, 0, 9, 1).await.unwrap_err();
        assert!(matches!(gone, LogError::OutOfRange { asked: 9, .. }), "{gone}");
        log.trim(topic, 0, 5).await.unwrap();
        assert_eq!(log.extents(topic).await.unwrap()[0].first, first, "trimming never goes back");
        log.trim(topic, 0, 1_000).await.unwrap();
        subject.restart().await;
        let (log, topic) = (subject.log(), subject.topic());
        let empty = Extent { partition: 0, first: 20, next: 20 };
        assert_eq!(log.extents(topic).await.unwrap()[0], empty);
        assert!(log.read(topic, 0, 20, 1).await.unwrap().records.is_empty());
        let given = log.append(new_append(topic, numbered(0, 20..21))).await.unwrap();
        assert_eq!(given, [Appended { partition: 0, offsets: 20..21 }]);
    }
}

fn mark(records: u64, complete: bool) -> IntakeMark {
    IntakeMark {
        source: "file:meituan:orders:ab".into(),
        offset: records * 15,
        records,
        complete,
        digest: [u8::try_from(records).unwrap(); 32],
    }
}

#[tokio::test]
async fn a_mark_enters_with_its_records_or_not_at_all() {
    for mut subject in subjects().await {
        let (log, topic) = (subject.log(), subject.topic());
        log.ensure_topic(topic, 2).await.unwrap();
        let source = mark(0, false).source;
        assert_eq!(log.mark(&source).await.unwrap(), None);
        for (numbers, mark) in
            [(0..10, mark(10, false)), (10..12, mark(12, false)), (12..12, mark(12, true))]
        {
            let append = new_append(topic, numbered(1, numbers));
            log.append(Append { mark: Some(mark.clone()), ..append }).await.unwrap();
            assert_eq!(log.mark(&source).await.unwrap(), Some(mark));
        }
        let append =
            Append { mark: Some(mark(15, true)), ..new_append(topic, numbered(1, 12..14)) };
        let moved = log.append(append).await.unwrap_err();
        assert!(matches!(moved, LogError::MarkMoved { expected: 13, found: 12, .. }), "{moved}");
        subject.restart().await;
        let (log, topic) = (subject.log(), subject.topic());
        assert_eq!(log.mark(&source).await.unwrap(), Some(mark(12, true)));
        assert_eq!(log.extents(topic).await.unwrap()[1].next, 12);
        let given: Vec<_> =
            log.positions(&source).await.unwrap().into_iter().map(|one| one.offsets).collect();
        assert_eq!(given, [0..10, 10..12]);
        log.trim(topic, 1, 12).await.unwrap();
        assert!(log.positions(&source).await.unwrap().is_empty(), "as long as the records");
        assert_eq!(log.mark(&source).await.unwrap(), Some(mark(12, true)));
    }
}

#[tokio::test]
async fn an_append_to_a_partition_that_is_not_there_changes_nothing() {
    for subject in subjects().await {
        let (log, topic) = (subject.log(), subject.topic());
        let unknown = log.append(new_append(topic, numbered(0, 0..1))).await.unwrap_err();
        assert!(matches!(unknown, LogError::TopicUnknown { .. }), "{unknown}");
        assert!(log.extents(topic).await.is_err());
        log.ensure_topic(topic, 2).await.unwrap();
        log.ensure_topic(topic, 2).await.unwrap();
        let other = log.ensure_topic(topic, 4).await.unwrap_err();
        assert!(matches!(other, LogError::PartitionCount { expected: 4, found: 2, .. }), "{other}");
        let mut records = numbered(0, 0..3);
        records.extend(numbered(2, 0..1));
        let append = Append { mark: Some(mark(4, true)), ..new_append(topic, records) };
        let refused = log.append(append).await.unwrap_err();
        assert!(matches!(refused, LogError::PartitionCount { found: 2, .. }), "{refused}");
        assert!(log.read(topic, 2, 0, 1).await.is_err());
        let nexts = log.extents(topic).await.unwrap();
        assert!(nexts.iter().all(|extent| extent.next == 0), "{nexts:?}");
        assert_eq!(log.mark(&mark(0, false).source).await.unwrap(), None);
    }
}

#[tokio::test]
async fn header_lines_are_kept() {
    for mut subject in subjects().await {
        let log = subject.log();
        assert_eq!(log.header([1; 32]).await.unwrap(), None);
        log.put_header([1; 32], b"a,b,c").await.unwrap();
        log.put_header([1; 32], b"a,b,c").await.unwrap();
        subject.restart().await;
        assert_eq!(subject.log().header([1; 32]).await.unwrap(), Some(b"a,b,c".to_vec()));
    }
}

#[tokio::test]
async fn faults_lose_nothing_that_was_acknowledged() {
    for seed in 0..100 {
        let faults = Faults {
            append_lost: 200,
            append_unanswered: 200,
            read_short: 500,
            delay_ms_max: 50,
            ..Faults::default()
        };
        let log = SimulatedLog::new(seed, faults, Moment::from_ms(START_MS));
        let topic = TOPIC;
        log.ensure_topic(topic, 1).await.unwrap();
        let (mut acknowledged, mut doubtful) = (Vec::new(), Vec::new());
        for n in 0..100 {
            match log.append(new_append(topic, numbered(0, n..n + 3))).await {
                Ok(given) => acknowledged.push((given[0].offsets.start, n)),
                Err(LogError::NoAnswer { .. }) => doubtful.push(n),
                Err(error) => panic!("seed {seed}: {error}"),
            }
        }
        let log = log.restart(seed, faults);
        assert!(log.now() > Moment::from_ms(START_MS));
        let read: BTreeMap<u64, String> =
            read_all((&log, topic), 0, 0, 1 << 20).await.into_iter().collect();
        for (offset, n) in &acknowledged {
            assert_eq!(read[offset], format!("record {n} of 0"), "seed {seed}");
        }
        let taken = u64::try_from(read.len()).unwrap() / 3;
        let sure = u64::try_from(acknowledged.len()).unwrap();
        assert!(taken > sure, "seed {seed}: some failed appends took effect");
        assert!(taken < sure + u64::try_from(doubtful.len()).unwrap(), "seed {seed}: not all");
    }
}

#[tokio::test]
async fn a_grown_topic_keeps_its_records_and_takes_new_ones_in_every_partition() {
    for mut subject in subjects().await {
        let (log, topic) = (subject.log(), subject.topic());
        log.ensure_topic(topic, 2).await.unwrap();
        log.append(new_append(topic, numbered(1, 0..5))).await.unwrap();
        let before = log.topic_id(topic).await.unwrap();
        let beyond = log.append(new_append(topic, numbered(3, 0..1))).await.unwrap_err();
        assert!(matches!(beyond, LogError::PartitionCount { .. }), "{beyond}");
        log.grow_topic(topic, 4).await.unwrap();
        // Once more, as a command does that goes on; and fewer are no growth.
        log.grow_topic(topic, 4).await.unwrap();
        log.grow_topic(topic, 2).await.unwrap();
        log.append(new_append(topic, numbered(3, 0..3))).await.unwrap();
        log.append(new_append(topic, numbered(1, 5..6))).await.unwrap();
        subject.restart().await;
        let (log, topic) = (subject.log(), subject.topic());
        log.ensure_topic(topic, 4).await.unwrap();
        let other = log.ensure_topic(topic, 2).await.unwrap_err();
        assert!(matches!(other, LogError::PartitionCount { found: 4, .. }), "{other}");
        assert_eq!(log.topic_id(topic).await.unwrap(), before);
        let next: Vec<u64> =
            log.extents(topic).await.unwrap().iter().map(|extent| extent.next).collect();
        assert_eq!(next, [0, 6, 0, 3]);
        assert_eq!(read_all((log, topic), 1, 0, 1 << 20).await.len(), 6);
        assert_eq!(read_all((log, topic), 3, 0, 1 << 20).await.len(), 3);
        let missing = log.grow_topic("raw.nobody", 4).await.unwrap_err();
        assert!(matches!(missing, LogError::TopicUnknown { .. }), "{missing}");
    }
}
