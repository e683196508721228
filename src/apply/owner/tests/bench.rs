//! What the tests of this folder share: a topic, its owners, and what they made of its messages.

use std::path::Path;
use std::sync::Arc;

use sqlx::Row;

use crate::apply::engine::{ApplySettings, Engine};
use crate::apply::owner::{Owner, Step};
use crate::domain::ids::FeedId;
use crate::domain::time::{Day, Moment};
use crate::log::simulated::{Faults, SimulatedLog};
use crate::log::{Append, Log, NewRecord, partition_of};
use crate::normalize::{Connectors, TokenKeys};
use crate::orders::identity::FingerprintKey;
use crate::policy::Policy;
use crate::store::cipher::{FieldCipher, KeyId};
use crate::store::outcomes::{Tally, by_feed};
use crate::store::positions::{PartitionKey, register_topic};
use crate::store::scratch::Scratch;

pub(super) struct Bench {
    pub(super) engine: Arc<Engine>,
    topic: String,
    partitions: u32,
    pub(super) scratch: Scratch,
}

/// An order message of 美团 and where in time it stands.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) id: &'a str,
    /// 20 accepted, 40 completed, 50 cancelled, 90 void.
    pub(super) status: u8,
    pub(super) rider: u64,
    pub(super) accepted_at: Option<Moment>,
    pub(super) at: Moment,
    pub(super) county: u32,
}

impl Order<'_> {
    pub(super) fn bytes(self) -> Vec<u8> {
        let Self { id, status, rider, accepted_at, at, county } = self;
        let accepted = accepted_at.map_or_else(String::new, |accepted| {
            format!("\"acceptTime\":{},\"adcode\":{county},", accepted.ms())
        });
        format!(
            "{{\"bizCode\":\"MEITUAN\",\"orderViewId\":\"{id}\",\"status\":{status},{accepted}\
             \"riderId\":{rider},\"opTime\":{}}}",
            at.ms()
        )
        .into_bytes()
    }
}

/// An acceptance in 新城区.
pub(super) fn accepted(id: &str, rider: u64, at: Moment) -> Order<'_> {
    Order { id, status: 20, rider, accepted_at: Some(at), at, county: 150_102 }
}

/// A moment of July 2026, by day and minute.
pub(super) fn july(day: u32, minute: i64) -> Moment {
    Day::from_ymd(2026, 7, day).unwrap().start().plus_ms(minute * 60_000)
}

impl Bench {
    /// The topic of a connector, with as many partitions.
    pub(super) async fn new(connector: &str, partitions: u32) -> Self {
        Self::with(connector, partitions, ApplySettings::default()).await
    }

    pub(super) async fn with(connector: &str, partitions: u32, settings: ApplySettings) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let scratch = Scratch::open().await;
        let log = SimulatedLog::new(1, Faults::default(), july(1, 0));
        let topic = format!("raw.{connector}");
        log.ensure_topic(&topic, partitions).await.unwrap();
        let mut tx = scratch.database.begin().await.unwrap();
        register_topic(&mut tx, &topic, connector, partitions).await.unwrap();
        tx.commit().await.unwrap();
        let engine = Engine {
            db: scratch.database.clone(),
            log: Arc::new(log),
            connectors: Arc::new(Connectors::load(&repository.join("connectors")).unwrap()),
            policy: Arc::new(Policy::load(&repository.join("policy")).unwrap()),
            versions: "manifests:1 policy:1".to_owned(),
            manifest_version: 1,
            tokens: Arc::new(TokenKeys::new(b"bench")),
            cipher: Arc::new(FieldCipher::new([(KeyId(1), [1; 32])]).unwrap()),
            fingerprint_key: FingerprintKey([3; 16]),
            owner: "bench".to_owned(),
            clock: Arc::new(|| july(1, 0)),
            settings,
        };
        Self { engine: Arc::new(engine), topic, partitions, scratch }
    }

    /// The partition that an order belongs to.
    pub(super) fn home(&self, id: &str) -> u32 {
        partition_of(id.as_bytes(), self.partitions)
    }

    pub(super) async fn append(&self, to: (u32, &str), at: Moment, values: &[Vec<u8>]) {
        let (partition, feed) = to;
        let records = values.iter().cloned();
        let append = Append {
            topic: self.topic.as_str().into(),
            feed: FeedId::new(feed).unwrap(),
            header_digest: None,
            records: records.map(|value| NewRecord { partition, key: Vec::new(), value }).collect(),
            received_at: Some(at),
            mark: None,
        };
        self.engine.log.append(append).await.unwrap();
    }

    pub(super) async fn owner(&self, partition: u32) -> Owner {
        self.owner_in(&self.engine, partition).await
    }

    /// The owner of a partition in another instance.
    pub(super) async fn owner_in(&self, engine: &Arc<Engine>, partition: u32) -> Owner {
        let key = PartitionKey { topic: self.topic.clone(), partition };
        let claimed = Owner::claim(Arc::clone(engine), key).await;
        claimed.unwrap().expect("a free partition")
    }

    /// Another instance on the same log and database.
    pub(super) fn beside(&self, owner: &str) -> Arc<Engine> {
        let own = &self.engine;
        Arc::new(Engine {
            db: own.db.clone(),
            log: Arc::clone(&own.log),
            connectors: Arc::clone(&own.connectors),
            policy: Arc::clone(&own.policy),
            versions: own.versions.clone(),
            manifest_version: own.manifest_version,
            tokens: Arc::clone(&own.tokens),
            cipher: Arc::clone(&own.cipher),
            fingerprint_key: own.fingerprint_key,
            owner: owner.to_owned(),
            clock: Arc::clone(&own.clock),
            settings: own.settings,
        })
    }

    /// What became of all messages.
    pub(super) async fn tally(&self) -> Tally {
        let mut tx = self.engine.db.snapshot().await.unwrap();
        let mut sum = Tally::default();
        by_feed(&mut tx).await.unwrap().iter().for_each(|(_, _, tally)| sum.add(tally));
        assert_eq!(
            sum.received,
            sum.applied + sum.duplicate + sum.held + sum.ignored + sum.handoff
        );
        sum
    }

    /// Counted orders of all days.
    pub(super) async fn counted(&self) -> i64 {
        self.number("select cast(coalesce(sum(orders), 0) as bigint) as n from order_count").await
    }

    /// Held messages by reason and position.
    pub(super) async fn held(&self) -> Vec<(String, u64)> {
        let mut tx = self.engine.db.snapshot().await.unwrap();
        let held = crate::store::held::list(&mut tx, None, 1_000).await.unwrap();
        held.into_iter().map(|held| (held.reason, held.offset)).collect()
    }

    pub(super) async fn number(&self, sql: &'static str) -> i64 {
        let mut tx = self.engine.db.snapshot().await.unwrap();
        sqlx::query(sql).fetch_one(&mut *tx).await.unwrap().get("n")
    }
}

/// Lets an owner work until it has nothing to do, or waits for another.
pub(super) async fn work(owner: &mut Owner) {
    loop {
        match owner.step().await.unwrap() {
            Step::Idle | Step::Waits => return,
            Step::Worked(_) => {}
            Step::Lost => panic!("nobody else works on the partition"),
        }
    }
}
