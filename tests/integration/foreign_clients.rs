//! Kafka clients that are not ours: one in Python, one in Node, one in Java send the same orders,
//! in native Avro with the hub's own registry, each with its own partitioner, keys and order.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::facts::fact;
use crate::hub::{Folder, Hub, repository, text};
use crate::service::{Service, write_tokens};

/// What is waited for comes within this time, or the test fails.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(50);
/// 2026-07-03T16:00:00+08:00
const RECEIVED_AT_MS: u64 = 1_783_065_600_000;
/// Messages of `tests/clients/orders.json`.
const MESSAGES: i64 = 20;

/// A client as `tests/clients/install` has put it.
#[derive(Clone, Copy)]
pub(crate) enum Client {
    Python,
    Node,
    Java,
}

/// What a client is told.
struct Told<'t> {
    topic: &'t str,
    registry: &'t str,
    /// A file of its own.
    settings: &'t Path,
    orders: &'t Path,
    schema: &'t Path,
}

impl Client {
    /// What runs its scripts.
    fn program(self) -> Command {
        let name = match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::Java => "java",
        };
        let installed = repository().join("target/clients");
        let missing = "is not installed; run: scripts/setup test";
        assert!(installed.join(format!("{name}.done")).exists(), "the client in {name} {missing}");
        let folder = installed.join(name);
        let mut command = match self {
            Self::Python => Command::new(folder.join("bin/python")),
            Self::Node => Command::new("node"),
            Self::Java => {
                let mut java = Command::new("java");
                java.arg("-cp").arg(folder.join("*"));
                java
            }
        };
        command.env("ZHIBAO_NODE_CLIENT", &folder);
        command
    }

    fn run(self, told: &Told<'_>) -> Output {
        let settings = json!({
            "bootstrap": fact("ZHIBAO_KAFKA").strip_prefix("kafka://").unwrap(),
            "topic": told.topic,
            "registry": told.registry,
            "user": "huolala",
            "password": "a token for tests of huolala",
            "received_at": RECEIVED_AT_MS,
            "orders": told.orders,
            "schema": told.schema,
        });
        std::fs::write(told.settings, settings.to_string()).unwrap();
        let script = match self {
            Self::Python => "python/produce.py",
            Self::Node => "node/produce.js",
            Self::Java => "java/Produce.java",
        };
        let mut command = self.program();
        command.arg(repository().join("tests/clients").join(script)).arg(told.settings);
        command.output().unwrap()
    }

    /// Sends the messages that a settings file names, or the test fails with what the client said.
    pub(crate) fn feed(self, settings: &Path) {
        let script = match self {
            Self::Python => "python/feed.py",
            Self::Node => "node/feed.js",
            Self::Java => panic!("expected a client with a script that feeds, found Java"),
        };
        let mut command = self.program();
        command.arg(repository().join("tests/clients").join(script)).arg(settings);
        assert_sent(&command.output().unwrap());
    }

    /// Sends everything, or the test fails with what the client said.
    fn send(self, told: &Told<'_>) {
        assert_sent(&self.run(told));
    }
}

fn assert_sent(Output { status, stdout, stderr }: &Output) {
    let (out, err) = (String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr));
    assert!(status.success(), "{out}{err}");
    assert!(out.trim_end().ends_with(" sent"), "{out}{err}");
}

/// Waits until the hub has read so many messages, and none of them is between two owners.
async fn applied(hub: &Hub, messages: i64) {
    let database = hub.database().await;
    let sql = "select coalesce(sum(received), 0), coalesce(sum(handoff), 0) from outcome_sum";
    let since = Instant::now();
    loop {
        let (received, handoff): (i64, i64) =
            sqlx::query_as(sql).fetch_one(&database).await.unwrap();
        if (received, handoff) == (messages, 0) {
            break;
        }
        let found = format!("{received} of {messages} received, {handoff} in handoff");
        assert!(since.elapsed() < PATIENCE && received <= messages, "{found}");
        tokio::time::sleep(LOOK).await;
    }
    database.close().await;
}

/// A schema file of the test's own: the platform's, changed.
fn changed_schema(folder: &Folder, name: &str, from: &str, to: &str) -> PathBuf {
    let schema = std::fs::read_to_string(repository().join("connectors/huolala/order.avsc"));
    let schema = schema.unwrap();
    assert!(schema.contains(from), "{schema}");
    let path = folder.path(name);
    std::fs::write(&path, schema.replacen(from, to, 1)).unwrap();
    path
}

/// Somebody else reads what the hub publishes, with the schemas of its registry: twelve orders
/// were accepted (11 is told as completed, 14 nobody took), four completed, two cancelled, one
/// void. What was cancelled and never accepted is published when its day is sealed.
fn assert_published(hub: &Hub, told: &Told<'_>) {
    let topic = format!("{}events.orders", hub.topic_prefix());
    let settings = json!({
        "bootstrap": fact("ZHIBAO_KAFKA").strip_prefix("kafka://").unwrap(),
        "topic": topic,
        "registry": told.registry,
        "expected": 19,
    });
    std::fs::write(told.settings, settings.to_string()).unwrap();
    let mut command = Client::Python.program();
    command.arg(repository().join("tests/clients/python/consume.py")).arg(told.settings);
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let found: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(found, json!({ "accepted": 12, "cancelled": 2, "completed": 4, "void": 1 }));
}

async fn get(registry: &str, path: &str) -> Value {
    reqwest::get(format!("{registry}{path}")).await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn the_same_orders_from_clients_of_three_languages_count_once() {
    let folder = Folder::new("foreign-clients");
    let tokens = folder.path("tokens.toml");
    write_tokens(&tokens, ["huolala".to_owned()].into_iter());
    let hub = Hub::on_kafka(folder.path("hub"), "foreign");
    let service = Service::start(&hub, &["--tokens", text(&tokens)]);
    let registry = format!("{}/registry", service.address());
    let topic = format!("{}raw.huolala", hub.topic_prefix());
    let (settings, orders) =
        (folder.path("settings.json"), repository().join("tests/clients/orders.json"));
    let schema = repository().join("connectors/huolala/order.avsc");
    let told = Told {
        topic: &topic,
        registry: &registry,
        settings: &settings,
        orders: &orders,
        schema: &schema,
    };

    for (clients, client) in [(1, Client::Python), (2, Client::Node), (3, Client::Java)] {
        client.send(&told);
        applied(&hub, clients * MESSAGES).await;
    }
    // One schema, under one number: that of the manifest.
    let subject = format!("{topic}-value");
    let versions = get(&registry, &format!("/subjects/{subject}/versions")).await;
    assert_eq!(versions, json!([1]));
    let latest = get(&registry, &format!("/subjects/{subject}/versions/latest")).await;
    assert_eq!(latest["id"], 100_001);

    assert_published(&hub, &told);

    // A version that reads what the others wrote is taken, but the manifest does not know it yet.
    let added = changed_schema(
        &folder,
        "added.avsc",
        "{ \"name\": \"priceFen\", \"type\": \"long\" }",
        "{ \"name\": \"priceFen\", \"type\": \"long\" }, \
         { \"name\": \"weightKg\", \"type\": [\"null\", \"int\"], \"default\": null }",
    );
    Client::Python.send(&Told { schema: &added, ..told });
    applied(&hub, 4 * MESSAGES).await;
    // One that does not is refused where the client asks for its number.
    let other = changed_schema(
        &folder,
        "other.avsc",
        "{ \"name\": \"priceFen\", \"type\": \"long\" }",
        "{ \"name\": \"priceFen\", \"type\": \"string\" }",
    );
    let refused = Client::Python.run(&Told { schema: &other, ..told });
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("version 1: "), "{said}");
    let versions = get(&registry, &format!("/subjects/{subject}/versions")).await;
    assert_eq!(versions, json!([1, 2]));
    assert!(service.stop("TERM").success());

    hub.done(&["seal", "--until", "2026-07-31"]);
    hub.done(&["freeze", "--month", "2026-07", "--reason", "the test's month is over"]);
    let books = hub.export(&folder.path("out"));
    // The first client's 20 messages are applied, the second's and the third's are duplicates.
    let messages = json!({
        "received": 80, "applied": 20, "duplicate": 40, "held": 20, "ignored": 0,
    });
    assert_eq!(books["messages"], messages);
    assert_eq!(books["held_by_reason"], json!({ "schema.unknown": 20 }));
    // Counted are 1 to 5 (taken), 6 to 8 (finished), 9 and 10 (called off after they were taken),
    // and 11 (finished, nothing else is told). Not counted are 12 (another province), 13 (void) and
    // 14 (called off before anybody took it).
    let days = json!({
        "2026-07-02": { "150102": 5, "150103": 3 },
        "2026-07-03": { "152201": 3 },
    });
    assert_eq!(books["counts"], json!({ "huolala": { "intra_city_freight": days } }));
    // 180 li an order (单一档, policy/rates.toml) × 11 = 1980 li = 198 fen.
    let july = json!({ "orders": 11, "rate_li": 180, "amount_fen": 198 });
    assert_eq!(
        books["levies"],
        json!({ "huolala": { "intra_city_freight": { "2026-07": july } } })
    );
    hub.done(&["status"]);
}
