//! Rounds of owners: how they end, and what stops them.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Task;
use crate::apply::engine::ApplySettings;
use crate::domain::ids::FeedId;
use crate::hub::{Hub, HubSettings};
use crate::log::{Append, Appended, Batch, Extent, IntakeMark, Log, LogError, NewRecord};

type Answer<'a, T> = BoxFuture<'a, Result<T, LogError>>;

/// Its partitions never come to their end.
const SPRINGS: &str = "raw.meituan";
const PARTITIONS: u64 = 8;
/// Has messages once.
const QUIET: &str = "raw.eleme";

fn message(topic: &str, partition: u32) -> Append {
    messages(topic, partition, (1..2, 10))
}

/// Messages that say little more than the numbers of their orders and a status.
fn messages(topic: &str, partition: u32, (numbers, status): (Range<u32>, u8)) -> Append {
    let record = |number: u32| {
        let value =
            format!(r#"{{"bizCode":"MEITUAN","orderViewId":"{number}","status":{status}}}"#);
        NewRecord { partition, key: Vec::new(), value: value.into_bytes() }
    };
    Append {
        topic: topic.into(),
        feed: FeedId::new("orders").unwrap(),
        header_digest: None,
        records: numbers.map(record).collect(),
        received_at: None,
        mark: None,
    }
}

/// A log in which whoever reads a partition of [`SPRINGS`] finds one message more.
struct Springs(Arc<dyn Log>);

impl Log for Springs {
    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> Answer<'a, Batch> {
        Box::pin(async move {
            if topic == SPRINGS {
                self.0.append(message(topic, partition)).await?;
            }
            self.0.read(topic, partition, from, bytes_max).await
        })
    }

    fn ensure_topic<'a>(&'a self, topic: &'a str, partitions: u32) -> Answer<'a, ()> {
        self.0.ensure_topic(topic, partitions)
    }

    fn grow_topic<'a>(&'a self, topic: &'a str, partitions: u32) -> Answer<'a, ()> {
        self.0.grow_topic(topic, partitions)
    }

    fn append(&self, append: Append) -> Answer<'_, Vec<Appended>> {
        self.0.append(append)
    }

    fn topic_id<'a>(&'a self, topic: &'a str) -> Answer<'a, String> {
        self.0.topic_id(topic)
    }

    fn extents<'a>(&'a self, topic: &'a str) -> Answer<'a, Vec<Extent>> {
        self.0.extents(topic)
    }

    fn mark<'a>(&'a self, source: &'a str) -> Answer<'a, Option<IntakeMark>> {
        self.0.mark(source)
    }

    fn positions<'a>(&'a self, source: &'a str) -> Answer<'a, Vec<Appended>> {
        self.0.positions(source)
    }

    fn put_header<'a>(&'a self, digest: [u8; 32], line: &'a [u8]) -> Answer<'a, ()> {
        self.0.put_header(digest, line)
    }

    fn header(&self, digest: [u8; 32]) -> Answer<'_, Option<Vec<u8>>> {
        self.0.header(digest)
    }

    fn retention_ms<'a>(&'a self, topic: &'a str) -> Answer<'a, Option<i64>> {
        self.0.retention_ms(topic)
    }

    fn trim<'a>(&'a self, topic: &'a str, partition: u32, before: u64) -> Answer<'a, ()> {
        self.0.trim(topic, partition, before)
    }
}

/// Previously a round ended when every owner had found nothing once: whoever had found nothing
/// waited for partitions that never did.
#[tokio::test]
async fn a_round_ends_though_some_partitions_never_do() {
    let data = std::env::temp_dir().join(format!("zhibao-springs-{}", std::process::id()));
    let mut hub = Hub::open(&HubSettings::of_tests(data.clone())).await.unwrap();
    let engine = Arc::get_mut(&mut hub.engine).unwrap();
    engine.log = Arc::new(Springs(Arc::clone(&engine.log)));
    for round in 1..=3 {
        hub.engine.log.append(message(QUIET, 0)).await.unwrap();
        let progress = Arc::new(AtomicU64::new(0));
        let worked = hub.each_owner(Task::Work, &progress);
        let worked = tokio::time::timeout(Duration::from_secs(60), worked).await;
        let worked = worked.expect("a round that ends").unwrap();
        assert_eq!(worked, progress.load(Ordering::Relaxed));
        assert!(worked > PARTITIONS, "round {round}: {worked} messages");
        let quiet = hub.owners.own.iter().find(|own| {
            let key = own.key();
            key.topic == QUIET && key.partition == 0
        });
        assert_eq!(quiet.unwrap().progress().0, round);
    }
    hub.close().await.unwrap();
    std::fs::remove_dir_all(data).unwrap();
}

/// What is known at a round's begin holds for nobody after the batch of another that has paused
/// the connector.
#[tokio::test]
async fn a_connector_paused_in_a_round_is_paused_for_those_that_have_yet_to_begin() {
    let data = std::env::temp_dir().join(format!("zhibao-paused-{}", std::process::id()));
    let mut settings = HubSettings::of_tests(data.clone());
    settings.apply = ApplySettings { held_window: 10, ..settings.apply };
    let mut hub = Hub::open(&settings).await.unwrap();
    hub.owners.at_once = 1;
    let progress = Arc::new(AtomicU64::new(0));
    hub.each_owner(Task::Hold, &progress).await.unwrap();
    for partition in 0..3 {
        let unknown = (100 * partition..100 * partition + 20, 77);
        hub.engine.log.append(messages(SPRINGS, partition, unknown)).await.unwrap();
    }
    assert_eq!(hub.each_owner(Task::Work, &progress).await.unwrap(), 20);
    assert_eq!(hub.each_owner(Task::Work, &progress).await.unwrap(), 0);
    hub.close().await.unwrap();
    std::fs::remove_dir_all(data).unwrap();
}
