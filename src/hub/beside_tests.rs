//! Several hubs on one log and one PostgreSQL, coming and going, against one hub alone on SQLite:
//! the same messages give the same books.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use sqlx::Row;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::process::beat_until_stopped;
use super::{Arrived, Hub, HubError, HubSettings, KeysError, LogChoice, arrivals};
use crate::apply::engine::ApplySettings;
use crate::domain::time::Day;
use crate::forward::canonical::Limits;
use crate::log::embedded::Retention;
use crate::serve::export::export;
use crate::simulate::generate::{GenerateOptions, Profile, generate};
use crate::store::instances::{holdings, living};
use crate::store::scratch::Scratch;
use crate::store::{Database, Engine};

const ORDERS: u64 = 2_500;

struct Folder(PathBuf);

impl Folder {
    fn generated(name: &str) -> Self {
        let name = format!("zhibao-beside-{name}-{}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        let options = GenerateOptions {
            orders: ORDERS,
            from: Day::parse("2026-07-01").unwrap(),
            days: 2,
            seed: 11,
            cases: GenerateOptions::usual_cases(ORDERS),
            profile: Profile::Demo,
        };
        generate(&options, &folder.0.join("files"), &mut |_| {}).unwrap();
        folder
    }

    fn arrivals(&self) -> Vec<Arrived> {
        arrivals(&self.0.join("files")).unwrap()
    }

    async fn open(&self, data: &str, database: Option<String>) -> Result<Hub, HubError> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let apply = ApplySettings {
            lease_ms: 600,
            batch_bytes_max: 32 << 10,
            canonical_topics: false,
            ..ApplySettings::default()
        };
        let settings = HubSettings {
            retention: Retention::default(),
            data: self.0.join(data),
            database,
            connectors: root.join("connectors"),
            policy: root.join("policy"),
            apply,
            canonical: Limits::default(),
            log: LogChoice::default(),
            schema_registry: None,
            grows: None,
        };
        Hub::open(&settings).await
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

async fn take_in(hub: &Hub, files: &[Arrived]) {
    for file in files {
        hub.intake().ingest(file, false, &mut |_| {}).await.unwrap();
    }
}

/// Seals everything and closes the hub; its books.
async fn books(mut hub: Hub) -> serde_json::Value {
    let progress = Arc::new(AtomicU64::new(0));
    hub.process_until_idle(&progress).await.unwrap();
    hub.seal_until(Day::parse("2026-07-31").unwrap()).await.unwrap();
    hub.process_until_idle(&progress).await.unwrap();
    let mut tx = hub.database().snapshot().await.unwrap();
    let books = export(&mut tx, hub.policy()).await.unwrap();
    tx.commit().await.unwrap();
    hub.close().await.unwrap();
    books
}

/// A hub that has its share beside others, until it is told to stop or its task is aborted.
struct Running {
    stop: watch::Sender<bool>,
    beating: JoinHandle<()>,
    working: JoinHandle<()>,
}

impl Running {
    fn begin(mut hub: Hub) -> Self {
        hub.owners.is_shared = true;
        let stop = watch::Sender::new(false);
        let (engine, due) = (Arc::clone(&hub.engine), hub.share_due.clone());
        let stopped = stop.subscribe();
        let beating = tokio::spawn(async move {
            beat_until_stopped(engine, due, stopped).await.unwrap();
        });
        let stopped = stop.subscribe();
        let working = tokio::spawn(async move {
            while !*stopped.borrow() {
                let outcome = hub.process_until_idle(&Arc::new(AtomicU64::new(0))).await;
                assert!(outcome.as_ref().err().is_none_or(HubError::is_passing), "{outcome:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            hub.close().await.unwrap();
        });
        Self { stop, beating, working }
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.beating.await.unwrap();
        self.working.await.unwrap();
    }

    /// As a kill does: nothing is given back.
    fn kill(self) {
        self.beating.abort();
        self.working.abort();
    }
}

/// Waits until so many instances have an even share of all partitions.
async fn settled(database: &Database, instances: usize) {
    loop {
        let mut tx = database.snapshot().await.unwrap();
        let now = super::clock::wall();
        let (alive, all) =
            (living(&mut tx, now).await.unwrap(), holdings(&mut tx, now).await.unwrap());
        tx.commit().await.unwrap();
        let share = |owner: &String| {
            let own = all.iter().filter(|one| one.owner.as_ref() == Some(owner)).count();
            (all.len() / instances..=all.len().div_ceil(instances)).contains(&own)
        };
        if alive.len() == instances && alive.iter().all(share) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until every record of the log is applied, and none waits for another partition.
async fn applied(database: &Database, records: u64) {
    loop {
        let mut tx = database.snapshot().await.unwrap();
        let sql = "select cast(sum(next_offset) as bigint) as read, \
                   cast((select count(*) from handoff) as bigint) as waiting from position";
        let row = sqlx::query(sql).fetch_one(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        let (read, waiting): (i64, i64) = (row.get("read"), row.get("waiting"));
        if u64::try_from(read).unwrap() == records && waiting == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn records(hub: &Hub) -> u64 {
    let mut records = 0;
    for manifest in hub.connectors().iter() {
        let topic = crate::apply::engine::topic_of(manifest.name());
        let extents = hub.engine.log.extents(&topic).await.unwrap();
        records += extents.iter().map(|extent| extent.next).sum::<u64>();
    }
    records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn instances_that_come_and_go_keep_the_books_of_one() {
    let folder = Folder::generated("books");
    let files = folder.arrivals();
    let alone = folder.open("alone", None).await.unwrap();
    take_in(&alone, &files).await;
    let expected = books(alone).await;

    let scratch = Scratch::on(Engine::Postgres).await;
    let url = || Some(scratch.url());
    let intake = folder.open("shared", url()).await.unwrap();
    let (first, rest) = files.split_at(files.len() / 3);
    let (second, third) = rest.split_at(rest.len() / 2);
    take_in(&intake, first).await;
    let one = Running::begin(folder.open("shared", url()).await.unwrap());
    settled(&scratch.database, 1).await;
    let two = Running::begin(folder.open("shared", url()).await.unwrap());
    let three = Running::begin(folder.open("shared", url()).await.unwrap());
    take_in(&intake, second).await;
    settled(&scratch.database, 3).await;
    two.kill();
    take_in(&intake, third).await;
    settled(&scratch.database, 2).await;
    applied(&scratch.database, records(&intake).await).await;
    one.end().await;
    settled(&scratch.database, 1).await;
    three.end().await;
    assert_eq!(books(intake).await, expected);
}

#[tokio::test]
async fn an_instance_with_other_keys_is_refused() {
    let folder = Folder::generated("keys");
    let scratch = Scratch::on(Engine::Postgres).await;
    folder.open("first", Some(scratch.url())).await.unwrap().close().await.unwrap();
    let Err(error) = folder.open("second", Some(scratch.url())).await else {
        panic!("expected a refusal")
    };
    assert!(matches!(error, HubError::Keys(KeysError::Other { .. })), "{error}");
    std::fs::copy(folder.0.join("first/keys"), folder.0.join("second/keys")).unwrap();
    folder.open("second", Some(scratch.url())).await.unwrap().close().await.unwrap();
}
