//! Kill -9 at random moments: a hub that is killed again and again, and started again each time,
//! ends with the books of one that never was.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sqlx::{Row, SqlitePool};

use crate::hub::{Folder, Hub, assert_sections, assert_truth, text};

const SEED: u64 = 20_260_701;
const KILLS_MIN: u32 = 15;
const KILLS_WITH_PROGRESS_MIN: u32 = 10;
/// How many batches one start commits at most before it is killed, and a little more.
const BATCHES_MAX: i64 = 60;
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
    partitions: i64,
    /// Grows by one with each claim of a partition.
    epochs: i64,
    /// Of messages, and of upkeep such as a seal.
    batches: i64,
    messages: i64,
}

#[derive(Debug, Default)]
struct Kills {
    all: u32,
    /// After how many of them more messages were applied than before the start.
    with_messages: u32,
}

async fn committed(database: &SqlitePool) -> Committed {
    let sql = "select count(*) as partitions, sum(epoch) as epochs, sum(batch) as batches, \
               sum(next_offset) as messages from position";
    let row = sqlx::query(sql).fetch_one(database).await.unwrap();
    Committed {
        partitions: row.try_get("partitions").unwrap(),
        epochs: row.try_get("epochs").unwrap(),
        batches: row.try_get("batches").unwrap(),
        messages: row.try_get("messages").unwrap(),
    }
}

/// Starts a command; `None` where it was killed, up to 20 ms after `is_time` said so: in the
/// middle of whatever it did then.
async fn run_until(
    hub: &Hub,
    arguments: &[&str],
    random: &mut ChaCha8Rng,
    database: &SqlitePool,
    is_time: impl Fn(Committed) -> bool,
) -> Option<ExitStatus> {
    let mut command = hub.command(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !is_time(committed(database).await) {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_micros(random.random_range(0..20_000))).await;
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// Runs a command until it ends by itself; kills it before, whenever it has committed some batches.
async fn run_killed(hub: &Hub, arguments: &[&str], random: &mut ChaCha8Rng, kills: &mut Kills) {
    let database = hub.database().await;
    loop {
        let before = committed(&database).await;
        let batches = before.batches + random.random_range(1..=BATCHES_MAX);
        let is_time = |now: Committed| now.batches >= batches;
        if let Some(status) = run_until(hub, arguments, random, &database, is_time).await {
            assert!(status.success(), "{arguments:?} ended with {status} after {kills:?}");
            break;
        }
        let after = committed(&database).await;
        kills.all += 1;
        kills.with_messages += u32::from(after.messages > before.messages);
    }
    database.close().await;
}

/// Kills a command three times as soon as it has every partition, then lets it end.
async fn run_killed_at_work(hub: &Hub, arguments: &[&str], random: &mut ChaCha8Rng) {
    let database = hub.database().await;
    for _ in 0..3 {
        let before = committed(&database).await;
        let claimed = before.epochs + before.partitions;
        let is_time = |now: Committed| now.epochs >= claimed;
        run_until(hub, arguments, random, &database, is_time).await;
    }
    database.close().await;
    hub.done(arguments);
}

#[tokio::test]
async fn a_hub_killed_again_and_again_ends_with_the_same_books() {
    let folder = Folder::new("killed");
    let generated = folder.path("generated");
    let whole = Hub::new(folder.path("whole"));
    let size = ["--orders", "20000", "--from", "2026-07-01", "--days", "3", "--seed", "9"];
    whole.done(&[&["generate", "--out", text(&generated)], &size[..]].concat());
    let killed = Hub::new(folder.path("killed"));
    for hub in [&whole, &killed] {
        hub.done(&["replay", text(&generated)]);
    }
    let seal = ["seal", "--until", "2026-07-31"];
    let freeze = ["freeze", "--month", "2026-07", "--reason", "the test's month is over"];

    for command in [&["process"][..], &seal, &freeze, &["evidence"]] {
        whole.done(command);
    }

    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut kills = Kills::default();
    run_killed(&killed, &["process"], &mut random, &mut kills).await;
    assert!(kills.all >= KILLS_MIN, "{kills:?}");
    assert!(kills.with_messages >= KILLS_WITH_PROGRESS_MIN, "{kills:?}");
    run_killed(&killed, &seal, &mut random, &mut kills).await;
    run_killed_at_work(&killed, &freeze, &mut random).await;
    killed.done(&["evidence"]);

    let (before, after) = (folder.path("out-whole"), folder.path("out-killed"));
    let expected = whole.export(&before);
    assert_sections(&expected, &killed.export(&after), &ALL);
    let truth = generated.join("truth.json");
    assert_truth(&truth, &before.join("export.json"));
    assert_truth(&truth, &after.join("export.json"));
    killed.done(&["status"]);
}
