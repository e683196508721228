//! Kill -9 at a hundred random moments: a hub that is killed again and again, and started again
//! each time, ends with the books of one that never was.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sqlx::{Row, SqlitePool};

use crate::books::{assert_same, books_with_last_revisions};
use crate::hub::{Folder, Hub, arrivals, assert_sections, assert_truth, text, write_arrivals};
use crate::watched::{Ended, Watched};

/// Of the messages and of the moments; `ZHIBAO_KILLED_SEED` asks for another.
const SEED: u64 = 9;
const KILLS_MIN: u32 = 100;
const KILLS_WITH_PROGRESS_MIN: u32 = 80;
const KILLS_DURING_MIN: u32 = 5;
/// Kills while messages are applied, first of all others, then of the bank, and while an operator
/// seals; the rest fall into freezing.
const KILLS_OF_PROCESS: u32 = 84;
const KILLS_OF_BANK: u32 = 6;
const KILLS_OF_SEAL: u32 = 8;
/// How many batches one start commits before it is killed, at most, and a little more.
const BATCHES_MAX: i64 = 14;
/// Small batches, so that there are many; short leases, so that no start waits for the last one's.
const LIMITS: [&str; 4] = ["--batch-bytes", "16384", "--lease-ms", "100"];
/// Its facts are booked at once: in suspense where they come before their cause, and which of two
/// topics is read first is nobody's promise. They come when their causes are applied, so that every
/// entry can be compared.
const BANK: &str = "treasury-bank";
/// Long steps, each of which some kills must fall into.
const STEPS: [&str; 4] = ["merge", "seal", "late", "freeze"];
/// Every section of the export.
const ALL: [&str; 10] = [
    "counts",
    "messages",
    "messages_by_connector",
    "held_by_reason",
    "persons",
    "cases_by_state",
    "cases",
    "evidence",
    "balances",
    "levies",
];

/// What is committed over all partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Committed {
    /// Of messages, and of upkeep such as a seal.
    batches: i64,
    messages: i64,
}

#[derive(Debug, Default)]
struct Kills {
    all: u32,
    /// After how many of them more messages were applied than at the kill before.
    with_progress: u32,
    /// How many fell into each step.
    during: BTreeMap<String, u32>,
}

/// When a start is killed: a little after this.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So many more batches are committed.
    Batches(i64),
    /// So many steps of this kind have begun, or a start has committed enough anyway.
    Step(&'static str, u32),
}

impl Moment {
    const fn batches_max(self) -> i64 {
        match self {
            Self::Batches(more) => more,
            Self::Step(..) => BATCHES_MAX,
        }
    }

    fn is_in_step(self, watched: &Watched) -> bool {
        match self {
            Self::Batches(_) => false,
            Self::Step(step, begun) => watched.begun(step) >= begun,
        }
    }
}

impl Kills {
    fn during(&self, step: &str) -> u32 {
        self.during.get(step).copied().unwrap_or(0)
    }

    fn count(&mut self, ended: Ended, has_progress: bool) {
        self.all += 1;
        self.with_progress += u32::from(has_progress);
        for step in ended.under_way {
            *self.during.entry(step).or_default() += 1;
        }
    }

    /// A random moment; a step that was met too seldom is looked for.
    fn next(&self, steps: &[&'static str], random: &mut ChaCha8Rng) -> Moment {
        let seldom = steps.iter().filter(|step| self.during(step) < 2 * KILLS_DURING_MIN);
        let seldom: Vec<_> = seldom.copied().collect();
        match seldom.choose(random) {
            Some(step) if random.random_bool(0.7) => Moment::Step(step, random.random_range(1..4)),
            _ => Moment::Batches(random.random_range(1..=BATCHES_MAX)),
        }
    }
}

async fn committed(database: &SqlitePool) -> Committed {
    let sql = "select sum(batch) as batches, sum(next_offset) as messages from position";
    let row = sqlx::query(sql).fetch_one(database).await.unwrap();
    Committed {
        batches: row.try_get("batches").unwrap(),
        messages: row.try_get("messages").unwrap(),
    }
}

/// Kills a command so many times, and on until these steps were met often enough or nothing is left
/// to do; then runs it to its end.
async fn run_killed(
    hub: &Hub,
    arguments: &[&str],
    (kills_min, steps): (u32, &[&'static str]),
    random: &mut ChaCha8Rng,
    kills: &mut Kills,
) {
    let database = hub.database().await;
    let mut last = committed(&database).await;
    let until = kills.all + kills_min;
    while kills.all < until || steps.iter().any(|step| kills.during(step) < KILLS_DURING_MIN) {
        let moment = kills.next(steps, random);
        let mut watched = Watched::start(hub, &[arguments, &LIMITS[..]].concat());
        let from = committed(&database).await.batches;
        let enough = from + moment.batches_max();
        // A step is looked for first, since a look into the database takes longer than some steps.
        while watched.is_running() && committed(&database).await.batches < enough {
            watched.look(Duration::from_millis(1));
            if moment.is_in_step(&watched) {
                break;
            }
        }
        let ended = watched.kill_after(Duration::from_micros(random.random_range(0..500)));
        if let Some(status) = ended.status {
            assert!(status.success(), "{arguments:?} ended with {status} after {kills:?}");
            break;
        }
        let after = committed(&database).await;
        kills.count(ended, after.messages > last.messages);
        last = after;
    }
    database.close().await;
    hub.done(&[arguments, &LIMITS[..]].concat());
}

/// Kills the freeze while it is under way, then lets it end.
fn freeze_killed(hub: &Hub, arguments: &[&str], random: &mut ChaCha8Rng, kills: &mut Kills) {
    while kills.during("freeze") < KILLS_DURING_MIN || kills.all < KILLS_MIN {
        let mut watched = Watched::start(hub, &[arguments, &LIMITS[..]].concat());
        while watched.begun("freeze") == 0 && watched.is_running() {
            watched.look(Duration::from_millis(20));
        }
        let ended = watched.kill_after(Duration::from_micros(random.random_range(0..500)));
        assert!(ended.status.is_none(), "the freeze ended before the kill after {kills:?}");
        kills.count(ended, false);
    }
    hub.done(&[arguments, &LIMITS[..]].concat());
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[tokio::test]
async fn a_hub_killed_a_hundred_times_ends_with_the_same_books() {
    let folder = Folder::new("killed");
    let generated = folder.path("generated");
    let whole = Hub::new(folder.path("whole"));
    let seed = std::env::var("ZHIBAO_KILLED_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    let of_seed = seed.to_string();
    let size = ["--orders", "16000", "--from", "2026-07-01", "--days", "3", "--seed", &of_seed];
    whole.done(&[&["generate", "--out", text(&generated)], &size[..]].concat());
    let files = arrivals(&generated);
    write_arrivals(&generated, files.iter().filter(|file| file.connector != BANK));
    whole.done(&["replay", text(&generated)]);
    // The same log and the same keys, so that tokens of persons can be compared too.
    let killed = Hub::new(folder.path("killed"));
    copy(whole.data(), killed.data());
    let seal = ["seal", "--until", "2026-07-31"];
    let freeze = ["freeze", "--month", "2026-07", "--reason", "the test's month is over"];

    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut kills = Kills::default();
    whole.done(&["process"]);
    run_killed(&killed, &["process"], (KILLS_OF_PROCESS, &["merge"]), &mut random, &mut kills)
        .await;
    write_arrivals(&generated, files.iter());
    for hub in [&whole, &killed] {
        hub.done(&["replay", text(&generated)]);
    }
    for command in [&["process"][..], &seal, &freeze, &["evidence"]] {
        whole.done(command);
    }
    run_killed(&killed, &["process"], (KILLS_OF_BANK, &[]), &mut random, &mut kills).await;
    run_killed(&killed, &seal, (KILLS_OF_SEAL, &["seal", "late"]), &mut random, &mut kills).await;
    freeze_killed(&killed, &freeze, &mut random, &mut kills);
    killed.done(&["evidence"]);

    eprintln!("{kills:?}");
    assert!(kills.all >= KILLS_MIN, "{kills:?}");
    assert!(kills.with_progress >= KILLS_WITH_PROGRESS_MIN, "{kills:?}");
    for step in STEPS {
        assert!(kills.during(step) >= KILLS_DURING_MIN, "{step}: {kills:?}");
    }

    let (before, after) = (folder.path("out-whole"), folder.path("out-killed"));
    let expected = whole.export(&before);
    assert_sections(&expected, &killed.export(&after), &ALL);
    let truth = generated.join("truth.json");
    assert_truth(&truth, &before.join("export.json"));
    assert_truth(&truth, &after.join("export.json"));
    killed.done(&["status"]);
    let (of_whole, of_killed) = (whole.database().await, killed.database().await);
    let expected = books_with_last_revisions(&of_whole).await;
    assert_same(&expected, &books_with_last_revisions(&of_killed).await, "after the kills");
}
