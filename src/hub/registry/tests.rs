//! Numbers of the hub's own registry, and of another one that is played here.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Path as InPath, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::domain::ids::{ConnectorId, FeedId};
use crate::domain::time::Moment;
use crate::hub::{Arrived, Hub, HubError, HubSettings, Role};
use crate::normalize::Format;
use crate::registry::client::Client;
use crate::schema::Record;
use crate::schema::framing::unframe;
use crate::schema::text::SchemaText;
use crate::store::schemas;

static NEXT: AtomicU32 = AtomicU32::new(0);

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zhibao-registry-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    async fn hub(&self, schema_registry: Option<String>) -> Result<Hub, HubError> {
        self.hub_with(schema_registry, &repository().join("connectors")).await
    }

    async fn hub_with(
        &self,
        schema_registry: Option<String>,
        connectors: &Path,
    ) -> Result<Hub, HubError> {
        let settings = HubSettings {
            connectors: connectors.to_owned(),
            schema_registry,
            ..HubSettings::of_tests(self.0.join("data"))
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

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A registry that knows nothing but what it was given, and numbers from 7 on.
#[derive(Clone, Default)]
struct Played {
    subjects: Arc<Mutex<Vec<String>>>,
    asked: Arc<AtomicU32>,
    refuses: bool,
    users: Arc<Mutex<Vec<String>>>,
}

impl Played {
    async fn start(&self) -> String {
        let routes = Router::new()
            .route("/base/subjects/{subject}", post(Self::look_up))
            .route("/base/subjects/{subject}/versions", post(Self::register))
            .with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        address.to_string()
    }

    async fn look_up(
        State(played): State<Self>,
        InPath(subject): InPath<String>,
        headers: HeaderMap,
    ) -> (StatusCode, Json<Value>) {
        played.asked.fetch_add(1, Ordering::Relaxed);
        let user = headers.get("authorization").map(|it| it.to_str().unwrap().to_owned());
        played.users.lock().unwrap().extend(user);
        let known = played.subjects.lock().unwrap().iter().position(|known| *known == subject);
        match known {
            Some(at) => (StatusCode::OK, Json(json!({ "id": 7 + at, "version": 1 }))),
            None => (StatusCode::NOT_FOUND, Json(json!({ "error_code": 40401 }))),
        }
    }

    async fn register(
        State(played): State<Self>,
        InPath(subject): InPath<String>,
        Json(body): Json<Value>,
    ) -> (StatusCode, Json<Value>) {
        assert!(body["schema"].as_str().unwrap().contains("\"record\""), "{body}");
        if played.refuses {
            let body = json!({ "error_code": 409, "message": "not like the last one" });
            return (StatusCode::CONFLICT, Json(body));
        }
        let mut subjects = played.subjects.lock().unwrap();
        subjects.push(subject);
        (StatusCode::OK, Json(json!({ "id": 6 + subjects.len() })))
    }
}

/// The number that the orders of huolala must name.
fn number_of_huolala(hub: &Hub) -> Option<u32> {
    let manifest = hub.connectors().get(&ConnectorId::new("huolala").unwrap()).unwrap();
    match manifest.feeds()[0].format() {
        Format::Avro(avro) => avro.number(),
        Format::Json { .. } | Format::Csv(_) => panic!("expected avro"),
    }
}

#[tokio::test]
async fn the_own_registry_has_the_canonical_numbers_and_those_of_the_feeds() {
    let folder = Folder::new();
    // Opening again changes nothing.
    for _ in 0..2 {
        let hub = folder.hub(None).await.unwrap();
        let mut tx = hub.database().snapshot().await.unwrap();
        for record in Record::ALL {
            let found = schemas::id_of(&mut tx, record.text().digest()).await.unwrap();
            assert_eq!(found, Some(record.schema_id()), "{}", record.name());
            let body = schemas::body_of(&mut tx, record.schema_id()).await.unwrap();
            assert_eq!(body.as_deref(), Some(record.text().as_str()));
        }
        tx.commit().await.unwrap();
        assert_eq!(versions(&hub, "cn.zhibao.event.OrderEvent").await, [(1, 101)]);
        assert_eq!(versions(&hub, "raw.huolala-value").await, [(1, 100_001)]);
        assert_eq!(number_of_huolala(&hub), Some(100_001));
        hub.close().await.unwrap();
    }
}

/// Versions and numbers of a subject.
async fn versions(hub: &Hub, subject: &str) -> Vec<(u32, u32)> {
    let mut tx = hub.database().snapshot().await.unwrap();
    let found = schemas::versions(&mut tx, subject).await.unwrap();
    found.iter().map(|it| (it.version, it.id)).collect()
}

#[tokio::test]
async fn a_manifest_that_goes_on_to_another_schema_adds_a_version_where_it_reads_the_others() {
    let folder = Folder::new();
    let own = folder.0.join("connectors/huolala");
    std::fs::create_dir_all(&own).unwrap();
    let theirs = repository().join("connectors/huolala");
    let manifest = std::fs::read_to_string(theirs.join("connector.toml")).unwrap();
    let schema = std::fs::read_to_string(theirs.join("order.avsc")).unwrap();
    let price = "{ \"name\": \"priceFen\", \"type\": \"long\" }";
    assert!(schema.contains(price));
    let with = |more: &str| schema.replace(price, &format!("{price}, {more}"));
    let added = with("{ \"name\": \"kg\", \"type\": [\"null\", \"int\"], \"default\": null }");
    let required = with("{ \"name\": \"kg\", \"type\": \"int\" }");
    let lists = "schema = \"order.avsc\"\nearlier_schemas = [\"order-1.avsc\"]";
    let goes_on = manifest.replace("schema = \"order.avsc\"", lists);
    std::fs::write(own.join("order-1.avsc"), &schema).unwrap();
    for (manifest, schema, expected) in [
        (&manifest, &schema, &[(1, 100_001)][..]),
        (&goes_on, &added, &[(1, 100_001), (2, 100_002)]),
        // It has a number, but what the first version wrote could not be read by it.
        (&goes_on, &required, &[(1, 100_001), (2, 100_002)]),
    ] {
        std::fs::write(own.join("connector.toml"), manifest).unwrap();
        std::fs::write(own.join("order.avsc"), schema).unwrap();
        let hub = folder.hub_with(None, &folder.0.join("connectors")).await.unwrap();
        assert_eq!(versions(&hub, "raw.huolala-value").await, expected);
        let mut tx = hub.database().snapshot().await.unwrap();
        let text = SchemaText::parse(schema).unwrap();
        let number = schemas::id_of(&mut tx, text.digest()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(number_of_huolala(&hub), number);
        hub.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_text_that_gained_documentation_keeps_its_number() {
    let folder = Folder::new();
    let (id, first) = (Record::Order.schema_id(), Record::Order.text());
    let hub = folder.hub(None).await.unwrap();
    let mut tx = hub.database().begin().await.unwrap();
    // As another version of the program left it.
    schemas::keep(&mut tx, id, &[7; 32], "{}").await.unwrap();
    assert_eq!(schemas::id_of(&mut tx, &[7; 32]).await.unwrap(), Some(id));
    let body = schemas::body_of(&mut tx, id).await.unwrap();
    assert_eq!(body.as_deref(), Some(first.as_str()), "the first text is the answer");
    tx.commit().await.unwrap();
    hub.close().await.unwrap();
}

#[tokio::test]
async fn another_registry_gives_the_numbers_and_is_asked_once() {
    let played = Played::default();
    let address = played.start().await;
    let folder = Folder::new();
    let named = format!("http://hub:se%63ret@{address}/base/");
    let hub = folder.hub(Some(named.clone())).await.unwrap();
    let all = u32::try_from(Record::ALL.len()).unwrap() + 1;
    assert_eq!(played.asked.load(Ordering::Relaxed), all);
    let users = played.users.lock().unwrap().clone();
    assert!(users.iter().all(|user| user.starts_with("Basic ")), "{users:?}");
    let subjects = played.subjects.lock().unwrap().clone();
    let place = |name: &str| subjects.iter().position(|it| it == name).unwrap();
    let id = |name: &str| u32::try_from(7 + place(name)).unwrap();
    assert_eq!(hub.schema_ids.get(Record::Order), id("cn.zhibao.event.OrderEvent"));
    assert_eq!(number_of_huolala(&hub), Some(id("raw.huolala-value")));
    // Its own is not served beside it.
    let front = hub.front("127.0.0.1:0", &Default::default(), &Role::ALL).await.unwrap();
    let own = format!("http://{}/registry/subjects", front.address);
    assert_eq!(reqwest::get(own).await.unwrap().status().as_u16(), 404);
    front.stop().await.unwrap();
    hub.close().await.unwrap();

    let mut hub = folder.hub(Some(named)).await.unwrap();
    assert_eq!(played.asked.load(Ordering::Relaxed), all, "what it said is known");
    assert_eq!(number_of_huolala(&hub), Some(id("raw.huolala-value")));
    take_in_samples(&mut hub).await;
    hub.publish_until_idle().await.unwrap();
    for (topic, record) in [
        ("events.orders", "cn.zhibao.event.OrderEvent"),
        ("events.enrolments", "cn.zhibao.event.EnrolmentEvent"),
    ] {
        assert_eq!(numbers_in(&hub, topic).await, [id(record)], "{topic}");
    }
    hub.close().await.unwrap();
}

/// An order and a line of a roster.
async fn take_in_samples(hub: &mut Hub) {
    let samples = repository().join("connectors/meituan/samples/accept");
    for (feed, file) in [("orders", "orders/accepted.json"), ("roster", "roster/rider.json")] {
        let arrived = Arrived {
            path: samples.join(file),
            connector: ConnectorId::new("meituan").unwrap(),
            feed: FeedId::new(feed).unwrap(),
            received_at: Some(Moment::from_ms(1_783_000_000_000)),
        };
        hub.intake().ingest(&arrived, false, &mut |_| {}).await.unwrap();
    }
    hub.process_until_idle(&Arc::default()).await.unwrap();
}

/// The numbers in the frames of a topic.
async fn numbers_in(hub: &Hub, topic: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    for extent in hub.engine.log.extents(topic).await.unwrap() {
        if extent.next > extent.first {
            let read = hub.engine.log.read(topic, extent.partition, extent.first, 1 << 20);
            let batch = read.await.unwrap();
            let number = |record| unframe(batch.value(record)).unwrap().0;
            numbers.extend(batch.records.iter().map(number));
        }
    }
    numbers
}

#[tokio::test]
async fn a_registry_that_refuses_or_is_not_there_stops_the_start_and_is_named() {
    let played = Played { refuses: true, ..Played::default() };
    let refusing = format!("http://hub:hunter2@{}/base", played.start().await);
    let folder = Folder::new();
    for (address, says) in [
        (refusing, "found status 409: {\"error_code\":409,\"message\":\"not like the last one\"}"),
        ("http://127.0.0.1:1".to_owned(), "expected an answer, found none"),
        ("https://127.0.0.1:1".to_owned(), "expected an address like http://"),
        ("registry".to_owned(), "expected an address like http://host:port/path"),
        ("http://hub:hunter2@registry.example".to_owned(), "expected a loopback address"),
    ] {
        let Err(error) = folder.hub(Some(address)).await else { panic!("expected a refusal") };
        let said = error.to_string();
        assert!(said.starts_with("schema registry") && said.contains(says), "{said}");
        assert!(!said.contains("hunter2"), "a secret in an error: {said}");
    }
    assert_eq!(Client::new("http://a:b@[::1]:8081/x").unwrap().address(), "http://[::1]:8081/x");
}
