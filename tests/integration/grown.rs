//! Topics that grow in the middle of a month: with every day open, and again with days sealed and
//! late messages still to come, by commands that are killed on their way. In the end the books are
//! the truth, and what comes again is known.

use std::cell::Cell;
use std::time::Duration;

use crate::crash::instance::{Instance, is_killed};
use crate::hub::{Arrival, Folder, Hub, arrivals, assert_truth, text, write_arrivals};
use crate::published_ids::standing_ids;

/// 2026-07-02 23:30 in Hohhot: every day is open, and early events wait.
const OPEN_UNTIL_MS: i64 = 1_783_006_200_000;
/// 2026-07-08 12:00: the first days are sealed, and voids of their orders are still to come.
const SEALED_UNTIL_MS: i64 = 1_783_483_200_000;
const PATIENCE: Duration = Duration::from_secs(120);

struct Scene {
    folder: Folder,
    hub: Hub,
    generated: std::path::PathBuf,
    files: Vec<Arrival>,
    /// How often a growth was found broken off behind its first step.
    begun: Cell<u32>,
}

impl Scene {
    fn new() -> Self {
        let folder = Folder::new("grown");
        let generated = folder.path("generated");
        let hub = Hub::new(folder.path("hub"));
        let size = ["--orders", "6000", "--from", "2026-07-01", "--days", "3", "--seed", "9"];
        hub.done(&[&["generate", "--out", text(&generated)], &size[..]].concat());
        let files = arrivals(&generated);
        Self { folder, hub, generated, files, begun: Cell::new(0) }
    }

    /// Appends what arrived in a time, without applying it.
    fn append(&self, times_ms: std::ops::Range<i64>) {
        let came = self.files.iter().filter(|file| times_ms.contains(&file.received_at_ms));
        write_arrivals(&self.generated, came);
        self.hub.done(&["replay", text(&self.generated)]);
    }

    /// Grows a topic by a command that is killed at a later write each time, until it ends by
    /// itself. Returns how often it was killed.
    fn grow(&self, connector: &str, partitions: &str) -> u32 {
        let said = self.folder.path("grow.txt");
        let mut command = Instance::new(said, &["topic", "grow", connector, partitions]);
        for (kills, write) in (0..).zip((40..).step_by(70)) {
            command.start_until_write(&self.hub, write);
            let status = command.ended_within(PATIENCE).expect("it comes to an end");
            if !is_killed(status) {
                assert!(status.success(), "{connector}: {status}");
                return kills;
            }
            self.may_be_under_way(connector);
        }
        unreachable!("the writes have no end")
    }

    /// Where a growth was begun and broken off, nothing of the topic is applied, and it is said
    /// how to go on.
    fn may_be_under_way(&self, connector: &str) {
        let ended = self.hub.run(&["process"]);
        if !ended.is_success {
            for said in [&format!("raw.{connector}"), "zhibao topic grow"] {
                assert!(ended.err.contains(said), "{said}: {}", ended.err);
            }
        }
        // Further than the log.
        if ended.err.contains("being grown") {
            let other = self.hub.run(&["topic", "grow", connector, "240"]);
            assert!(!other.is_success && other.err.contains("end that first"), "{}", other.err);
            assert!(self.hub.done(&["status"]).contains("GROWING"));
            self.begun.set(self.begun.get() + 1);
        }
    }

    async fn partitions_with_orders(&self, connector: &str) -> i64 {
        let database = self.hub.database().await;
        let sql = "select count(distinct partition) from order_day \
                   where topic = 'raw.' || $1 and next_ordinal > 0";
        let query = sqlx::query_scalar(sql).bind(connector);
        let count = query.fetch_one(&database).await.unwrap();
        database.close().await;
        count
    }
}

#[tokio::test]
async fn topics_that_grow_in_mid_stream_end_with_the_truth() {
    let scene = Scene::new();
    let hub = &scene.hub;
    scene.append(0..OPEN_UNTIL_MS);
    hub.done(&["process"]);
    // These lie in the old partitions, and belong to new ones when they are applied.
    scene.append(OPEN_UNTIL_MS..OPEN_UNTIL_MS + 3_600_000);
    hub.done(&["publish"]);
    let published = standing_ids(hub).await;
    assert!(scene.grow("meituan", "24") >= 3, "it was killed on its way");
    assert_eq!(scene.partitions_with_orders("meituan").await, 24);
    // What was published stands, and is published no more; a few messages more may be applied.
    hub.done(&["publish"]);
    assert!(standing_ids(hub).await.is_superset(&published));

    scene.append(OPEN_UNTIL_MS + 3_600_000..SEALED_UNTIL_MS);
    hub.done(&["process"]);
    let refused = hub.run(&["topic", "grow", "meituan", "36"]);
    assert!(refused.err.contains("expected a multiple of its 24 partitions"), "{}", refused.err);
    for (connector, partitions) in [("meituan", "48"), ("eleme", "24"), ("caocao-chuxing", "36")] {
        assert!(scene.grow(connector, partitions) >= 3, "{connector}: it was killed on its way");
        assert_eq!(
            scene.partitions_with_orders(connector).await.to_string(),
            partitions,
            "{connector}"
        );
    }
    assert!(hub.done(&["topic", "grow", "meituan", "48"]).contains("already"));
    assert!(scene.begun.get() >= 3, "broken off in the middle {} times", scene.begun.get());

    scene.append(SEALED_UNTIL_MS..i64::MAX);
    hub.done(&["process"]);
    hub.done(&["seal", "--until", "2026-07-31"]);
    hub.done(&["freeze", "--month", "2026-07", "--reason", "the test's month is over"]);
    hub.done(&["evidence"]);
    hub.done(&["publish"]);
    hub.done(&["status"]);
    let before = hub.export(&scene.folder.path("out"));
    assert_truth(&scene.generated.join("truth.json"), &scene.folder.path("out/export.json"));

    // Everything once more, into the partitions that it belongs to now: all of it is known.
    write_arrivals(&scene.generated, scene.files.iter());
    hub.done(&["replay", "--again", text(&scene.generated)]);
    hub.done(&["process"]);
    hub.done(&["seal", "--until", "2026-07-31"]);
    let again = hub.export(&scene.folder.path("again"));
    for section in ["counts", "balances", "levies", "held_by_reason"] {
        assert_eq!(before[section], again[section], "{section}");
    }
    let messages = |books: &serde_json::Value, of: &str| books["messages"][of].as_i64().unwrap();
    assert_eq!(messages(&again, "received"), 2 * messages(&before, "received"));
    assert_eq!(messages(&again, "applied"), messages(&before, "applied"));
}
