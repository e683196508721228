//! Several hubs on one log and one PostgreSQL, coming and going, against one hub alone on SQLite:
//! the same messages give the same books.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use sqlx::{Executor, Row};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::process::beat_until_stopped;
use super::{
    Arrived, Destinations, Hub, HubError, HubSettings, KeysError, Role, Service, arrivals,
};
use crate::apply::engine::ApplySettings;
use crate::domain::time::Day;
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
        self.open_publishing(data, database, false).await
    }

    async fn open_publishing(
        &self,
        data: &str,
        database: Option<String>,
        canonical_topics: bool,
    ) -> Result<Hub, HubError> {
        let apply = ApplySettings {
            lease_ms: 600,
            batch_bytes_max: 32 << 10,
            canonical_topics,
            ..ApplySettings::default()
        };
        let settings = HubSettings { database, apply, ..HubSettings::of_tests(self.0.join(data)) };
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

/// What a query of one number finds.
async fn number(database: &Database, sql: &'static str) -> i64 {
    let mut tx = database.snapshot().await.unwrap();
    let found = sqlx::query(sql).fetch_one(&mut *tx).await.unwrap().get("found");
    tx.commit().await.unwrap();
    found
}

/// Runs a hub with one role until a query finds something.
async fn run_until(hub: Hub, role: Role, database: &Database, sql: &'static str) {
    let service = Service {
        listen: "127.0.0.1:0".to_owned(),
        access: super::HttpAccess {
            tokens: super::Tokens::default(),
            clock: crate::intake::http::AppendClock::Log,
            tls: None,
        },
        destinations: Destinations::default(),
        roles: vec![role],
    };
    let database = database.clone();
    let found = async move {
        while number(&database, sql).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(120), hub.run(&service, found, |_| {}));
    ended.await.unwrap_or_else(|_| panic!("{role:?}: {sql}: nothing found")).unwrap();
}

/// Once somebody who may has registered what there is, each role of an instance runs with the
/// rights of `migrations/roles.sql` for it, and no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn each_role_runs_with_its_own_rights_alone() {
    let (folder, scratch) = (Folder::generated("rights"), Scratch::on(Engine::Postgres).await);
    let mut tx = scratch.database.begin().await.unwrap();
    tx.execute(include_str!("../../migrations/roles.sql")).await.unwrap();
    tx.commit().await.unwrap();
    let owner = folder.open_publishing("hub", Some(scratch.url()), true).await.unwrap();
    take_in(&owner, &folder.arrivals()).await;
    owner.close().await.unwrap();
    for (role, name, sql) in [
        (Role::Serve, "zhibao_serve", "select 1::bigint as found"),
        (Role::Intake, "zhibao_intake", "select 1::bigint as found"),
        (
            Role::Process,
            "zhibao_apply",
            "select count(*) as found from order_count where not exists \
             (select 1 from position where topic = 'raw.meituan' and batch = 0)",
        ),
        (Role::Forward, "zhibao_forward", "select count(*) as found from publish_cursor"),
    ] {
        let address = format!("{}&options[role]={name}", scratch.url());
        let hub = folder.open_publishing("hub", Some(address), true).await;
        let hub = hub.unwrap_or_else(|error| panic!("{name}: {error}"));
        run_until(hub, role, &scratch.database, sql).await;
    }
}

/// Positions of a platform and of everybody else.
async fn reached(database: &Database) -> (i64, i64) {
    let own = "select cast(sum(next_offset) as bigint) as found from position \
               where topic = 'raw.meituan'";
    let others = "select cast(sum(next_offset) as bigint) as found from position \
                  where topic <> 'raw.meituan'";
    (number(database, own).await, number(database, others).await)
}

async fn await_reached(database: &Database, expected: (i64, i64)) {
    while reached(database).await != expected {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Says that the platform's topic is the one with this id.
async fn name_topic(database: &Database, id: &str) -> String {
    let mut tx = database.begin().await.unwrap();
    let found = crate::store::positions::log_id(&mut tx, "raw.meituan").await.unwrap().unwrap();
    let sql = "update topic set log_id = $1 where topic = 'raw.meituan'";
    sqlx::query(sql).bind(id).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    found
}

/// A topic that is not the one that its positions were counted in takes nothing in, and its
/// partitions rest; all others go on, and these do too, by themselves, where it is brought back.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_topic_that_is_another_one_rests_alone() {
    let (folder, scratch) = (Folder::generated("rests"), Scratch::on(Engine::Postgres).await);
    let (files, database) = (folder.arrivals(), &scratch.database);
    let is_own = |file: &Arrived| file.connector.as_str() == "meituan";
    let (first, second) = files.split_at(files.len() / 2);
    let hub = folder.open("hub", Some(scratch.url())).await.unwrap();
    take_in(&hub, first).await;
    let own: u64 = {
        let extents = hub.engine.log.extents("raw.meituan").await.unwrap();
        extents.iter().map(|extent| extent.next).sum()
    };
    let own = i64::try_from(own).unwrap();
    assert!(own > 0 && second.iter().any(is_own));
    hub.close().await.unwrap();

    let id = name_topic(database, "another").await;
    let hub = folder.open("hub", Some(scratch.url())).await.unwrap();
    for file in second {
        let taken = hub.intake().ingest(file, false, &mut |_| {}).await;
        if is_own(file) {
            let error = taken.unwrap_err().to_string();
            let expected = "topic raw.meituan: expected the topic with id another";
            assert!(error.contains(expected) && error.contains("bring back the log"), "{error}");
        } else {
            taken.unwrap();
        }
    }
    let all = i64::try_from(records(&hub).await).unwrap();
    let running = Running::begin(hub);
    await_reached(database, (0, all - own)).await;
    name_topic(database, &id).await;
    await_reached(database, (own, all - own)).await;
    running.end().await;
}
