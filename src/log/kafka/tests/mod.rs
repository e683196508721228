//! What only the log on Kafka can get wrong, on the real server of `scripts/services`. The contract
//! is tested for all logs.

mod broken;
mod clients;
#[path = "../../../../tests/services/facts.rs"]
mod facts;
mod gaps;
#[path = "../../../../tests/services/topics.rs"]
mod topics;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::BoxFuture;

use self::facts::fact;
use self::topics::delete_topics;
use super::{KafkaClock, KafkaLog, KafkaSettings};
use crate::log::Log;
use crate::log::contract::{Folder, Subject};
use crate::store::Database;

/// A log on the server, with a topic of its own.
pub(crate) struct KafkaSubject {
    folder: Folder,
    db: Database,
    pub(super) log: KafkaLog,
    topic: String,
}

/// A name that no other test has, of this run or of an earlier one.
pub(super) fn new_topic() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // A hasher's random keys tell this run from others.
    let run = RandomState::new().build_hasher().finish();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // None is the beginning of another: they are deleted by it.
    format!("raw.t{run:016x}-{number:06}")
}

pub(super) fn settings() -> KafkaSettings {
    let settings = KafkaSettings::parse(&fact("ZHIBAO_KAFKA"), None).unwrap();
    KafkaSettings { clock: KafkaClock::Replay, ..settings }
}

impl KafkaSubject {
    pub(crate) async fn new() -> Self {
        let folder = Folder::new();
        let db = Database::open(&folder.0).await.unwrap();
        let log = KafkaLog::open(settings(), db.clone()).unwrap();
        Self { folder, db, log, topic: new_topic() }
    }
}

impl Drop for KafkaSubject {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            delete_topics(&self.topic);
        }
    }
}

impl Subject for KafkaSubject {
    fn log(&self) -> &dyn Log {
        &self.log
    }

    fn restart(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.db.close().await;
            self.db = Database::open(&self.folder.0).await.unwrap();
            self.log = KafkaLog::open(settings(), self.db.clone()).unwrap();
        })
    }

    fn delete_topic(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async { delete_topics(&self.topic) })
    }

    fn topic(&self) -> &str {
        &self.topic
    }

    fn owns_clock(&self) -> bool {
        false
    }
}
