//! Real processes on a real Kafka and PostgreSQL, all of which crash while messages stream in:
//! instances are killed at random and at numbered writes, paused for longer than their lease, join
//! and leave; brokers and database are killed; counterparties accept and drop the connection;
//! topics grow, by commands that are killed; and one platform's producer chooses partitions by
//! another hash than the hub. In the end the books are the truth, to the fen, and every
//! counterparty has every record once.
//!
//! `make crash KILLS=300` runs it for longer, and prints what came of it. `ZHIBAO_CRASH_INSTANCES`,
//! `_ORDERS`, `_MINUTES` and `_PARTITIONS` make it larger and slower; `_STILL` is how many seconds
//! one instance is stopped for, half way through.

mod feed;
pub(crate) mod instance;
mod miskeyed;
mod rules;
mod servers;
mod still;
pub(crate) mod truth;

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sqlx::PgPool;
use zhibao::simulate::counterparties::{Misbehaviour, Running};

use self::feed::Feed;
use self::instance::{Instance, is_killed};
use self::servers::Servers;
use self::truth::Losses;
use crate::hub::{Folder, Hub, assert_truth, json, repository, text};
use crate::service::counterparties;

/// Kills of a test run; `ZHIBAO_CRASH_KILLS` asks for more.
const KILLS: u32 = 30;
const SEED: u64 = 20_261_101;
const PATIENCE: Duration = Duration::from_secs(180);
/// How long an instance keeps its partitions without a sign of life.
const LEASE_MS: &str = "1000";
/// Of so many kills one is of the broker, and one of the database.
const SERVER_EVERY: u32 = 15;
/// How long is waited for messages to be applied between two kills, at most.
const PROGRESS_WITHIN: Duration = Duration::from_secs(15);
/// Of so many kills at one an instance joins, or leaves again.
const JOIN_EVERY: u32 = 7;
/// Topics that grow, to twice and to four times their partitions.
const GROWING: [&str; 2] = ["meituan", "sf-tongcheng"];
/// A pause in which the lease ends and another instance takes over.
const PAUSE: Duration = Duration::from_millis(2500);
const CLOCK: &str = "--replay-clock";
/// How an instance is started, but for its roles.
const SERVICE: [&str; 6] = ["run", "--listen", "127.0.0.1:0", "--lease-ms", LEASE_MS, "--role"];

/// What was done to the hub.
#[derive(Debug, Default)]
struct Done {
    kills: u32,
    /// Kills at a numbered write.
    at_writes: u32,
    /// Kills before which more messages were applied than at the one before.
    with_progress: u32,
    pauses: u32,
    /// Instances that stood still for long.
    still: u32,
    feeders: u32,
    brokers: u32,
    databases: u32,
    /// Instances that joined and left.
    joined: u32,
    /// Topics that were grown, and kills of the commands.
    grown: u32,
    growers: u32,
    /// Starts in vain while a server was away.
    starts_in_vain: u32,
}

/// The hub under test, and who does what in it.
struct Trial {
    folder: Folder,
    servers: Servers,
    hub: Hub,
    database: PgPool,
    instances: Vec<Instance>,
    /// An instance that is there now and then.
    guest: Instance,
    feed: Feed,
    random: ChaCha8Rng,
    done: Done,
    /// Messages applied at the last kill.
    applied_before: i64,
}

fn asked(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

impl Trial {
    async fn prepare(orders: u32, seed: u64) -> Self {
        let folder = Folder::new("crash");
        let rules = match asked("ZHIBAO_CRASH_PARTITIONS", 0) {
            0 => repository().to_owned(),
            partitions => rules::with_partitions(&folder.path("rules"), partitions),
        };
        let servers = Servers::up();
        let name = format!("crash-{}", std::process::id());
        servers.make_database(&name).await;
        let url = servers.database(&name);
        let hub = Hub::on_servers(folder.path("hub"), rules, &servers.kafka(), url.clone());
        let generated = folder.path("generated");
        let (orders, seed_text) = (orders.to_string(), seed.to_string());
        let size = ["--orders", &orders, "--from", "2026-07-01", "--days", "3", "--seed"];
        hub.done(&[&["generate", "--out", text(&generated)], &size[..], &[&seed_text]].concat());
        // Opening makes schema and topics.
        hub.done(&["status"]);
        let database = PgPool::connect(&url).await.unwrap();
        let feed = Feed::new(&generated, &servers.kafka());
        let guest =
            Instance::new(folder.path("guest.txt"), &[&SERVICE[..], &["process", CLOCK]].concat());
        let random = ChaCha8Rng::seed_from_u64(seed);
        let instances = Vec::new();
        let done = Done::default();
        let applied_before = 0;
        Self {
            folder,
            servers,
            hub,
            database,
            instances,
            guest,
            feed,
            random,
            done,
            applied_before,
        }
    }

    /// Some that apply, and one that delivers.
    fn start(&mut self, destinations: &[String]) {
        for number in 0..asked("ZHIBAO_CRASH_INSTANCES", 2) {
            let said = self.folder.path(&format!("process-{number}.txt"));
            self.instances.push(Instance::new(said, &[&SERVICE[..], &["process", CLOCK]].concat()));
        }
        let own = destinations.iter().map(String::as_str);
        let own: Vec<&str> = SERVICE.into_iter().chain(["forward"]).chain(own).collect();
        self.instances.push(Instance::new(self.folder.path("forward.txt"), &own));
        self.instances.iter_mut().for_each(|instance| instance.start(&self.hub));
    }

    /// Messages applied, over all partitions.
    async fn applied(&self) -> i64 {
        self.places().await.values().map(|(_, next)| next).sum()
    }

    /// Kills one of the instances, and starts it again.
    fn kill_one(&mut self) {
        let chosen = self.random.random_range(0..self.instances.len());
        let instance = &mut self.instances[chosen];
        if self.random.random_bool(0.5) {
            std::thread::sleep(Duration::from_millis(self.random.random_range(50..900)));
            instance.kill();
        } else {
            // The one that runs is killed to make room; only the numbered kill counts.
            instance.kill();
            instance.start_until_write(&self.hub, self.random.random_range(1..400));
            match instance.ended_within(Duration::from_secs(4)) {
                Some(status) => {
                    assert!(is_killed(status), "it ended by itself with {status}");
                    self.done.at_writes += 1;
                }
                // It does not write so often.
                None => instance.kill(),
            }
        }
        instance.start(&self.hub);
        self.done.kills += 1;
    }

    /// Waits until more is applied than at the last kill, but not for ever: the others may be
    /// paused, or on their way.
    async fn await_progress(&mut self) {
        let since = Instant::now();
        while self.applied().await <= self.applied_before && since.elapsed() < PROGRESS_WITHIN {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let applied = self.applied().await;
        self.done.with_progress += u32::from(applied > self.applied_before);
        self.applied_before = applied;
    }

    /// Streams one of so many parts of what is left in and crashes the hub meanwhile.
    async fn strike(&mut self, parts: u32) {
        self.feed.begin(&self.hub, parts);
        self.await_progress().await;
        match self.random.random_range(0..8) {
            0 => {
                let chosen = self.random.random_range(0..self.instances.len() - 1);
                self.instances[chosen].pause(PAUSE);
                self.done.pauses += 1;
            }
            1 => {
                std::thread::sleep(Duration::from_millis(self.random.random_range(20..400)));
                self.feed.kill(&self.hub);
                self.done.feeders += 1;
            }
            _ => {}
        }
        self.kill_one();
        if self.done.kills % JOIN_EVERY == 3 {
            self.join_or_leave();
        }
        match self.done.kills % SERVER_EVERY {
            5 => {
                self.servers.crash_kafka();
                self.done.brokers += 1;
            }
            10 => {
                self.servers.crash_postgres();
                self.done.databases += 1;
            }
            _ => {}
        }
        self.feed.end(&self.hub);
        for instance in &mut self.instances {
            self.done.starts_in_vain += u32::from(instance.start_again(&self.hub));
        }
    }

    /// Another instance joins those that apply; the next time it leaves again.
    fn join_or_leave(&mut self) {
        if self.guest.is_running() {
            self.guest.stop();
        } else {
            self.guest.start(&self.hub);
            self.done.joined += 1;
        }
    }

    /// Grows a topic to twice its partitions while messages stream in, by a command that is killed
    /// on its way and given again.
    async fn grow(&mut self, connector: &str) {
        let sql = "select cast(partitions as bigint) from topic where topic = $1";
        let query = sqlx::query_scalar(sql).bind(format!("raw.{connector}"));
        let before: i64 = query.fetch_one(&self.database).await.unwrap();
        let to = (2 * before).to_string();
        let said = self.folder.path("grow.txt");
        let mut command = Instance::new(said, &["topic", "grow", connector, &to]);
        for _ in 0..2 {
            command.start_until_write(&self.hub, self.random.random_range(20..400));
            let status = command.ended_within(PATIENCE).expect("it comes to an end");
            self.done.growers += u32::from(is_killed(status));
        }
        self.hub.done(&["topic", "grow", connector, &to]);
        self.done.grown += 1;
    }

    /// What an operator does at the end of the month.
    fn finish(&mut self) {
        self.guest.stop();
        self.instances.iter_mut().for_each(Instance::stop);
        self.hub.done(&["process", CLOCK]);
        self.hub.done(&["seal", "--until", "2026-07-31", CLOCK]);
        let reason = "the test's month is over";
        self.hub.done(&["freeze", "--month", "2026-07", "--reason", reason, CLOCK]);
        self.hub.done(&["evidence", CLOCK]);
        self.hub.done(&["publish", CLOCK]);
    }

    /// Lets everything that is owed be delivered and acknowledged.
    async fn deliver(&mut self) -> i64 {
        self.instances.iter_mut().for_each(|instance| instance.start(&self.hub));
        let sql = "select count(*), coalesce(sum(case when acked_at is null then 1 else 0 end), 0) \
                   from outbox";
        let since = Instant::now();
        let owed = loop {
            let (all, open): (i64, i64) =
                sqlx::query_as(sql).fetch_one(&self.database).await.unwrap();
            if open == 0 {
                break all;
            }
            assert!(since.elapsed() < PATIENCE, "{open} of {all} records are not acknowledged");
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        self.instances.iter_mut().for_each(Instance::stop);
        owed
    }
}

/// Counterparties that do what real ones do on a bad day, all but refuse.
fn bad_day() -> Misbehaviour {
    Misbehaviour {
        unavailable_percent: 3,
        drop_after_accept_percent: 8,
        drop_half_way_percent: 4,
        garbage_percent: 2,
        ack_late_percent: 10,
        ack_twice_percent: 5,
        ack_out_of_order_percent: 10,
        ..Misbehaviour::default()
    }
}

/// Every record that is owed has been accepted once, and no contract was broken.
async fn assert_delivered(simulators: Vec<Running>, owed: i64) {
    let mut received = 0;
    for simulator in simulators {
        assert_eq!(simulator.violations(), [], "a contract was broken");
        received += simulator.received().len();
        simulator.stop().await.unwrap();
    }
    assert_eq!(i64::try_from(received).unwrap(), owed, "records at the counterparties");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn crashes_of_everything_lose_nothing_and_double_nothing() {
    let kills = asked("ZHIBAO_CRASH_KILLS", KILLS);
    let seed = u64::from(asked("ZHIBAO_CRASH_SEED", 0)) + SEED;
    let orders = asked("ZHIBAO_CRASH_ORDERS", 4_000);
    let (simulators, destinations) = counterparties(bad_day()).await;
    let mut trial = Trial::prepare(orders, seed).await;
    trial.start(&destinations);
    let files = trial.feed.waiting();
    let pace = Duration::from_secs(60) * asked("ZHIBAO_CRASH_MINUTES", 0) / kills;
    let still = Duration::from_secs(asked("ZHIBAO_CRASH_STILL", 0).into());
    let (began, mut growths) = (Instant::now(), GROWING.iter().chain(&GROWING));
    while trial.done.kills < kills {
        let left = kills - trial.done.kills;
        trial.strike(left).await;
        // The first half of the messages is for topics as they were made.
        if trial.done.kills * 10 >= kills * (5 + trial.done.grown)
            && let Some(connector) = growths.next()
        {
            trial.feed.begin(&trial.hub, 2 * left);
            trial.grow(connector).await;
            trial.feed.end(&trial.hub);
        }
        if trial.done.kills == kills / 2 && still > Duration::ZERO {
            trial.feed.begin(&trial.hub, left);
            trial.stand_still(still).await;
            trial.feed.end(&trial.hub);
        }
        let ahead = (pace * trial.done.kills).saturating_sub(began.elapsed());
        tokio::time::sleep(ahead).await;
    }
    eprintln!("{files} files within {:?}", began.elapsed());
    assert_eq!(trial.feed.waiting(), 0, "of {files} files");
    trial.finish();
    let owed = trial.deliver().await;
    trial.hub.done(&["status", CLOCK]);
    let export = trial.hub.export(&trial.folder.path("out"));
    let expected = json(&trial.folder.path("generated/truth.json"));
    let losses = Losses::of(&expected, &export);
    eprintln!("{:?}, {orders} orders, {files} files, {owed} records owed: {losses}", trial.done);
    let adjusted = trial.folder.path("adjusted.json");
    let truth = truth::with_repeats(&expected, &export);
    std::fs::write(&adjusted, truth.to_string()).unwrap();
    assert_truth(&adjusted, &trial.folder.path("out/export.json"));
    assert_eq!(losses, Losses::default());
    assert_delivered(simulators, owed).await;
    let Done { kills, at_writes, with_progress, pauses, brokers, databases, .. } = trial.done;
    let Done { joined, grown, growers, .. } = trial.done;
    let is_enough = with_progress >= kills * 4 / 5 && at_writes >= kills / 10;
    let is_enough = is_enough && joined > 0 && grown == 4 && growers > 0;
    let is_enough = is_enough && pauses.min(brokers).min(databases) >= kills / (2 * SERVER_EVERY);
    assert!(is_enough, "too little happened: {:?}", trial.done);
    trial.database.close().await;
}
