//! The end of a round of owners.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Task;
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
    let value = br#"{"bizCode":"MEITUAN","orderViewId":"1","status":10}"#.to_vec();
    Append {
        topic: topic.into(),
        feed: FeedId::new("orders").unwrap(),
        header_digest: None,
        records: vec![NewRecord { partition, key: Vec::new(), value }],
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
