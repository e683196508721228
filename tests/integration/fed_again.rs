//! At least once in, applied once: the same days fed again, by file in each platform's own format,
//! then as CSV, then over HTTP, each time in another order; once with the days open, once sealed,
//! once after the late run. Nothing changes but how many messages came and were found to be
//! duplicates or to be ignored.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use sqlx::SqlitePool;

use crate::again::{self, Held, PLATFORMS};
use crate::books::{Books, assert_same, books};
use crate::hub::{Arrival, Folder, Hub, arrivals, assert_sections, json, text, write_arrivals};
use crate::published_ids::standing_ids;
use crate::service::{Service, write_tokens};

/// 2026-07-02 23:30 in Hohhot: the eve of the first day, on which some orders were accepted, closes
/// half an hour later.
const OPEN_UNTIL_MS: i64 = 1_783_006_200_000;
/// 2026-07-15 12:00: every day is closed on which anything happened so far; late messages go on
/// coming. An order of a sealed day whose number comes again on an open one would be counted there
/// until that day seals, and a void of an open day waits until then.
const SEALED_AT_MS: i64 = 1_784_088_000_000;
const DAY_MS: i64 = 86_400_000;
const SAME: [&str; 7] =
    ["counts", "levies", "balances", "held_by_reason", "persons", "cases", "evidence"];

struct Scene {
    folder: Folder,
    hub: Hub,
    generated: std::path::PathBuf,
    files: Vec<Arrival>,
    random: ChaCha8Rng,
}

/// What must not change, and what came of each connector's messages.
struct Standing {
    books: Books,
    published: BTreeSet<String>,
    messages: BTreeMap<String, Messages>,
}

/// Sums of what became of a connector's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Messages {
    received: i64,
    applied: i64,
    held: i64,
    duplicate: i64,
    ignored: i64,
}

impl Scene {
    fn new() -> Self {
        let folder = Folder::new("fed-again");
        let generated = folder.path("generated");
        let hub = Hub::new(folder.path("hub"));
        let size = ["--orders", "6000", "--from", "2026-07-01", "--days", "3", "--seed", "5"];
        hub.done(&[&["generate", "--out", text(&generated)], &size[..]].concat());
        let files = arrivals(&generated);
        let random = ChaCha8Rng::seed_from_u64(20_260_703);
        Self { folder, hub, generated, files, random }
    }

    /// Takes in and applies everything that arrived until a time.
    fn take_in(&self, until_ms: i64) {
        let came = self.files.iter().filter(|file| file.received_at_ms <= until_ms);
        write_arrivals(&self.generated, came);
        self.hub.done(&["replay", text(&self.generated)]);
        self.hub.done(&["process"]);
    }

    async fn standing(&self) -> Standing {
        self.hub.done(&["publish"]);
        self.hub.done(&["evidence"]);
        self.hub.done(&["status"]);
        let database = self.hub.database().await;
        let books = books(&database).await;
        let messages = messages(&database).await;
        database.close().await;
        let published = standing_ids(&self.hub).await;
        assert!(!published.is_empty(), "nothing was published");
        Standing { books, published, messages }
    }

    /// Feeds the platforms' messages again in all three ways, and holds the books against what
    /// they were after each. `settle` is what an operator does before they are looked at.
    async fn feed_again(&mut self, when: &str, at_ms: i64, settle: impl Fn(&Hub)) {
        let before = self.standing().await;
        let came: Vec<_> =
            self.files.iter().filter(|file| file.received_at_ms <= at_ms).cloned().collect();
        let held = held(&self.hub).await;
        let own = again::in_own_format(&came, &mut self.random);
        let csv = again::as_csv(&came, &held, &mut self.random);
        let http = again::in_own_format(&came, &mut self.random);

        let mut last = before.messages.clone();
        let mut new_by_way = Vec::new();
        for (way, feeds) in [("by file", own), ("as CSV", csv), ("by HTTP", http)] {
            let when = format!("{when}, {way}");
            let folder = self.folder.path(&when.replace([' ', ','], "-"));
            let files = again::write(&folder, &feeds, at_ms);
            if way == "by HTTP" {
                self.serve(&files).await;
            } else {
                write_arrivals(&folder, files.iter());
                self.hub.done(&["replay", "--again", text(&folder)]);
                self.hub.done(&["process"]);
            }
            settle(&self.hub);
            let after = self.standing().await;
            assert_same(&before.books, &after.books, &when);
            assert_eq!(before.published, after.published, "{when}: published order ids");
            new_by_way.push(new_messages(&last, &after.messages, &when));
            last = after.messages;
        }
        let [own, csv, http] = new_by_way.try_into().unwrap();
        assert_eq!(own, http, "{when}: by file and by HTTP came as many");
        assert_eq!(own.keys().map(String::as_str).collect::<Vec<_>>(), PLATFORMS);
        for connector in ["didi-huoyun", "eleme", "manbang-shengsheng", "shansong"] {
            assert!(csv.contains_key(connector), "{when}: {connector} came as CSV");
        }
    }

    /// Sends files over HTTP to a hub that runs as a service.
    async fn serve(&self, files: &[Arrival]) {
        let tokens = self.folder.path("tokens.toml");
        write_tokens(&tokens, PLATFORMS.into_iter().map(str::to_owned));
        let service = Service::start(&self.hub, &["--replay-clock", "--tokens", text(&tokens)]);
        service.feed(files).await;
        service.applied_all(files).await;
        assert!(service.stop("TERM").success());
    }
}

/// What became of each connector's messages, with what a late run has still to say.
async fn messages(database: &SqlitePool) -> BTreeMap<String, Messages> {
    let sql = "select connector, sum(received), sum(applied), sum(held), sum(duplicate), \
               sum(ignored) from outcome_sum group by connector";
    let rows: Vec<(String, i64, i64, i64, i64, i64)> =
        sqlx::query_as(sql).fetch_all(database).await.unwrap();
    let row = |(connector, received, applied, held, duplicate, ignored)| {
        (connector, Messages { received, applied, held, duplicate, ignored })
    };
    rows.into_iter().map(row).collect()
}

/// How many messages of each connector came, none of which was applied or newly held.
#[track_caller]
fn new_messages(
    before: &BTreeMap<String, Messages>,
    after: &BTreeMap<String, Messages>,
    when: &str,
) -> BTreeMap<String, i64> {
    let mut new = BTreeMap::new();
    for (connector, after) in after {
        let before = before[connector];
        assert_eq!(after.held, before.held, "{when}: {connector}: held");
        assert_eq!(after.applied, before.applied, "{when}: {connector}: applied");
        let came = after.received - before.received;
        let repeated = after.duplicate - before.duplicate + after.ignored - before.ignored;
        assert_eq!(came, repeated, "{when}: {connector}: duplicate or ignored");
        if came > 0 {
            new.insert(connector.clone(), came);
        }
    }
    new
}

/// Connector and SHA-256 of each held message.
async fn held(hub: &Hub) -> Held {
    let database = hub.database().await;
    let held = sqlx::query_as("select connector, digest from held").fetch_all(&database).await;
    database.close().await;
    held.unwrap()
}

/// How many days of partitions are sealed, or are not.
async fn days(hub: &Hub, is_sealed: bool) -> i64 {
    let database = hub.database().await;
    let sql = "select count(*) from order_day where (state = 'sealed') = $1";
    let count = sqlx::query_scalar(sql).bind(is_sealed).fetch_one(&database).await.unwrap();
    database.close().await;
    count
}

#[tokio::test]
async fn days_that_come_again_in_other_ways_and_orders_change_nothing() {
    let mut scene = Scene::new();
    scene.take_in(OPEN_UNTIL_MS);
    assert_eq!(days(&scene.hub, true).await, 0, "every day is open");
    scene.feed_again("while open", OPEN_UNTIL_MS, |_| ()).await;
    assert_eq!(days(&scene.hub, true).await, 0, "every day is open still");

    scene.take_in(SEALED_AT_MS);
    let late_run = |hub: &Hub| {
        hub.done(&["seal", "--until", "2026-07-12"]);
    };
    late_run(&scene.hub);
    assert_eq!(days(&scene.hub, false).await, 0, "every day is sealed");
    scene.feed_again("once sealed", SEALED_AT_MS, late_run).await;

    let end_ms = scene.files.last().unwrap().received_at_ms;
    scene.take_in(end_ms);
    scene.hub.done(&["seal", "--until", "2026-07-31"]);
    scene.hub.done(&["freeze", "--month", "2026-07", "--reason", "the test's month is over"]);
    scene.hub.done(&["evidence"]);
    let truth: Value = json(&scene.generated.join("truth.json"));
    assert_sections(&truth, &scene.hub.export(&scene.folder.path("before")), &SAME);
    let all_sealed = |hub: &Hub| {
        hub.done(&["seal", "--until", "2026-07-31"]);
    };
    scene.feed_again("after the late run", end_ms + 7 * DAY_MS, all_sealed).await;
    assert_sections(&truth, &scene.hub.export(&scene.folder.path("after")), &SAME);
}
