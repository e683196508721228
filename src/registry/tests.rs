//! The registry over real HTTP on loopback, on either engine.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{BODY_BYTES_MAX, Registry, SUBJECTS_MAX, VERSIONS_MAX, Writer, router};
use crate::domain::ids::ConnectorId;
use crate::store::schemas;
use crate::store::scratch::{Scratch, on_each_engine};

const SECRET: &str = "secret of huolala";
const SUBJECT: &str = "raw.huolala-value";

on_each_engine!(
    a_schema_is_found_by_number_text_and_version,
    the_same_text_has_one_number_whatever_the_subject,
    what_reads_all_earlier_versions_is_taken_and_nothing_else,
    what_is_not_there_has_the_code_that_clients_know,
    what_is_no_schema_is_refused,
    who_adds_schemas_shows_the_token_of_the_topic,
    limits_end_a_subject_and_a_connector,
    two_who_bring_one_text_at_once_get_one_number,
);

struct Server {
    scratch: Scratch,
    address: String,
    client: Client,
}

impl Server {
    async fn start() -> Self {
        let scratch = Scratch::open().await;
        let writer =
            |name: &str| Writer::new(ConnectorId::new(name).unwrap(), &format!("secret of {name}"));
        let routes = router(Registry {
            db: scratch.database.clone(),
            writers: vec![writer("huolala"), writer("meituan")],
            topic_prefix: "test.".to_owned(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/registry", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { scratch, address, client: Client::new() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.address))
    }

    fn post(&self, path: &str, schema: &str) -> RequestBuilder {
        let body = json!({ "schema": schema }).to_string();
        self.request(Method::POST, path).bearer_auth(SECRET).body(body)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path)).await
    }

    async fn register(&self, subject: &str, schema: &str) -> (u16, Value) {
        answer(self.post(&format!("/subjects/{subject}/versions"), schema)).await
    }

    async fn look_up(&self, subject: &str, schema: &str) -> (u16, Value) {
        answer(self.post(&format!("/subjects/{subject}"), schema)).await
    }
}

/// Status and body; of a refusal its code in place of the body.
async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(media_type, "application/vnd.schemaregistry.v1+json");
    let body: Value = response.json().await.unwrap();
    if status.is_success() {
        return (status.as_u16(), body);
    }
    assert!(body["message"].as_str().unwrap().contains("expected"), "{body}");
    (status.as_u16(), body["error_code"].clone())
}

fn record(fields: &[&str]) -> String {
    let fields = fields.join(",");
    format!(r#"{{"fields":[{fields}],"name":"R","type":"record"}}"#)
}

const A: &str = r#"{"name":"a","type":"int"}"#;
const B: &str = r#"{"default":0,"name":"b","type":"int"}"#;

async fn a_schema_is_found_by_number_text_and_version() {
    let server = Server::start().await;
    let first = record(&[A]);
    assert_eq!(server.register(SUBJECT, &first).await, (200, json!({ "id": 100_001 })));
    let spaced = first.replace(',', " ,\n ");
    assert_eq!(server.register(SUBJECT, &spaced).await, (200, json!({ "id": 100_001 })));
    let second = record(&[A, B]);
    assert_eq!(server.register(SUBJECT, &second).await, (200, json!({ "id": 100_002 })));

    let version = |version: u32, id: u32, schema: &str| {
        (200, json!({ "subject": SUBJECT, "version": version, "id": id, "schema": schema }))
    };
    assert_eq!(server.get("/schemas/ids/100002").await, (200, json!({ "schema": second })));
    assert_eq!(server.look_up(SUBJECT, &spaced).await, version(1, 100_001, &first));
    let path = |version: &str| format!("/subjects/{SUBJECT}/versions/{version}");
    assert_eq!(server.get(&path("1")).await, version(1, 100_001, &first));
    for last in ["2", "latest", "-1"] {
        assert_eq!(server.get(&path(last)).await, version(2, 100_002, &second));
    }
    assert_eq!(server.get("/subjects").await, (200, json!([SUBJECT])));
    assert_eq!(server.get(&format!("/subjects/{SUBJECT}/versions")).await, (200, json!([1, 2])));
    let uses = json!([{ "subject": SUBJECT, "version": 1 }]);
    assert_eq!(server.get("/schemas/ids/100001/versions").await, (200, uses));
    assert_eq!(server.get("/schemas/types").await, (200, json!(["AVRO"])));
    let level = json!({ "compatibilityLevel": "BACKWARD_TRANSITIVE" });
    assert_eq!(server.get("/config").await, (200, level.clone()));
    assert_eq!(server.get(&format!("/config/{SUBJECT}")).await, (200, level));
}

async fn the_same_text_has_one_number_whatever_the_subject() {
    let server = Server::start().await;
    let schema = record(&[A]);
    for subject in [SUBJECT, "raw.huolala-key", "test.raw.huolala-value", "raw.huolala-com.R%20x"] {
        assert_eq!(server.register(subject, &schema).await, (200, json!({ "id": 100_001 })));
    }
    // A text that the hub itself has a number for keeps that number.
    let own = crate::schema::Record::Order;
    let mut tx = server.scratch.database.begin().await.unwrap();
    schemas::keep(&mut tx, own.schema_id(), own.text().digest(), own.text().as_str())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let (status, found) = server.register("raw.huolala-order", own.schema_text()).await;
    assert_eq!((status, found), (200, json!({ "id": 101 })));
    assert_eq!(server.get("/schemas/ids/101").await.1["schema"], own.text().as_str());
}

async fn what_reads_all_earlier_versions_is_taken_and_nothing_else() {
    let server = Server::start().await;
    let (first, without_b) = (record(&[A, B]), record(&[A]));
    for schema in [&first, &without_b] {
        assert_eq!(server.register(SUBJECT, schema).await.0, 200);
    }
    let as_text = record(&[A, &B.replace("\"int\"", "\"string\"").replace(":0", ":\"\"")]);
    let compare = |version: &str, schema: &str| {
        let path = format!("/compatibility/subjects/{SUBJECT}/versions{version}");
        answer(server.post(&path, schema))
    };
    // It reads the last version, but not the first.
    assert_eq!(compare("/latest", &as_text).await.1["is_compatible"], true);
    for version in ["/1", ""] {
        let (status, found) = compare(version, &as_text).await;
        assert_eq!((status, &found["is_compatible"]), (200, &json!(false)), "{found}");
        assert!(found["messages"][0].as_str().unwrap().starts_with("version 1: "), "{found}");
    }
    assert_eq!(server.register(SUBJECT, &as_text).await, (409, json!(409)));
    let required = record(&[A, B, r#"{"name":"c","type":"int"}"#]);
    assert_eq!(server.register(SUBJECT, &required).await, (409, json!(409)));
    assert_eq!(server.get(&format!("/subjects/{SUBJECT}/versions")).await.1, json!([1, 2]));
    // Nothing of what was refused has a number.
    assert_eq!(server.get("/schemas/ids/100003").await, (404, json!(40403)));
    // The rule is told to those who ask for it, and cannot be another.
    for (level, expected) in [("BACKWARD_TRANSITIVE", (200, None)), ("NONE", (422, Some(42203)))] {
        let body = json!({ "compatibility": level }).to_string();
        let path = format!("/config/{SUBJECT}");
        let (status, found) = answer(server.request(Method::PUT, &path).body(body)).await;
        assert_eq!(status, expected.0);
        assert!(expected.1.is_none_or(|code| found == json!(code)), "{found}");
    }
}

async fn what_is_not_there_has_the_code_that_clients_know() {
    let server = Server::start().await;
    let schema = record(&[A]);
    for path in ["/subjects/x/versions", "/subjects/x/versions/1", "/subjects/x/versions/latest"] {
        assert_eq!(server.get(path).await, (404, json!(40401)), "{path}");
    }
    assert_eq!(server.look_up("x", &schema).await, (404, json!(40401)));
    let compare = "/compatibility/subjects/x/versions/1";
    assert_eq!(answer(server.post(compare, &schema)).await, (404, json!(40401)));
    assert_eq!(server.register(SUBJECT, &schema).await.0, 200);
    let path = |version: &str| format!("/subjects/{SUBJECT}/versions/{version}");
    assert_eq!(server.get(&path("2")).await, (404, json!(40402)));
    for version in ["0", "-2", "x", "99999999999"] {
        assert_eq!(server.get(&path(version)).await, (422, json!(42202)), "{version}");
    }
    assert_eq!(server.look_up(SUBJECT, &record(&[B])).await, (404, json!(40403)));
    for id in ["7", "x", "-1", "99999999999"] {
        for below in ["", "/versions"] {
            let path = format!("/schemas/ids/{id}{below}");
            assert_eq!(server.get(&path).await, (404, json!(40403)), "{path}");
        }
    }
    assert_eq!(server.get("/contexts").await, (404, json!(404)));
    let delete = server.request(Method::DELETE, &format!("/subjects/{SUBJECT}/versions/1"));
    assert_eq!(answer(delete).await, (405, json!(405)));
}

async fn what_is_no_schema_is_refused() {
    let server = Server::start().await;
    let large = record(&[&A.replace("\"a\"", &format!("\"{}\"", "a".repeat(70_000)))]);
    for schema in ["", "{", "7", r#"{"type":"recrod"}"#, &large] {
        let begins: String = schema.chars().take(20).collect();
        assert_eq!(server.register(SUBJECT, schema).await, (422, json!(42201)), "{begins}");
        assert_eq!(server.look_up(SUBJECT, schema).await, (422, json!(42201)), "{begins}");
    }
    let path = format!("/subjects/{SUBJECT}/versions");
    let raw =
        |body: String| answer(server.request(Method::POST, &path).bearer_auth(SECRET).body(body));
    for body in ["", "{", "[]", r#"{"schemaType":"AVRO"}"#] {
        assert_eq!(raw(body.to_owned()).await, (400, json!(400)), "{body}");
    }
    assert_eq!(raw(" ".repeat(BODY_BYTES_MAX + 1)).await, (413, json!(413)));
    let avro = record(&[A]);
    let reference = json!([{ "name": "x", "subject": "x", "version": 1 }]);
    for body in [
        json!({ "schema": avro, "schemaType": "JSON" }),
        json!({ "schema": avro, "references": reference }),
    ] {
        assert_eq!(raw(body.to_string()).await, (422, json!(42201)), "{body}");
    }
    let whole = json!({ "schema": avro, "schemaType": "AVRO", "references": [], "version": 1 });
    assert_eq!(raw(whole.to_string()).await.0, 200);
    assert_eq!(server.register("raw.huolala-%0A", &avro).await, (422, json!(42208)));
    let long = format!("raw.huolala-{}", "x".repeat(600));
    assert_eq!(server.register(&long, &avro).await, (422, json!(42208)));
}

async fn who_adds_schemas_shows_the_token_of_the_topic() {
    let server = Server::start().await;
    let body = json!({ "schema": record(&[A]) }).to_string();
    let path = format!("/subjects/{SUBJECT}/versions");
    let post = |path: &str| server.request(Method::POST, path).body(body.clone());
    for request in [
        post(&path),
        post(&path).bearer_auth("secret of nobody"),
        post(&path).bearer_auth("huolala:secret of huolala"),
        post(&path).basic_auth("meituan", Some(SECRET)),
        post(&path).basic_auth("huolala", None::<&str>),
        post(&path).header("authorization", "Basic ???"),
        post(&path).header("authorization", "Digest x"),
        post(&format!("/compatibility/subjects/{SUBJECT}/versions")),
        post(&format!("/compatibility/subjects/{SUBJECT}/versions/1")),
    ] {
        assert_eq!(answer(request).await, (401, json!(40101)));
    }
    for subject in ["raw.meituan-value", "raw.huolala", "x", "test.raw.meituan-value", "events"] {
        let request = post(&format!("/subjects/{subject}/versions")).bearer_auth(SECRET);
        assert_eq!(answer(request).await, (403, json!(40301)), "{subject}");
    }
    assert_eq!(server.get("/subjects").await, (200, json!([])));
    let basic = post(&path).basic_auth("huolala", Some(SECRET));
    assert_eq!(answer(basic).await.0, 200);
}

async fn limits_end_a_subject_and_a_connector() {
    let server = Server::start().await;
    let id = |number: usize| record(&[&A.replace("\"a\"", &format!("\"a{number}\""))]);
    let mut tx = server.scratch.database.begin().await.unwrap();
    for number in 1..=VERSIONS_MAX {
        let text = crate::schema::text::SchemaText::parse(&id(number)).unwrap();
        let schema = schemas::id_for(&mut tx, text.digest(), text.as_str()).await.unwrap();
        let version = u32::try_from(number).unwrap();
        schemas::add_version(&mut tx, SUBJECT, version, schema).await.unwrap();
        if number < SUBJECTS_MAX {
            let subject = format!("raw.huolala-{number}");
            schemas::add_version(&mut tx, &subject, 1, schema).await.unwrap();
        }
    }
    tx.commit().await.unwrap();
    assert_eq!(server.register(SUBJECT, &record(&[])).await, (422, json!(422)));
    assert_eq!(server.register("raw.huolala-more", &record(&[A])).await, (422, json!(422)));
    assert_eq!(server.register("raw.huolala-1", &record(&[])).await.0, 200);
}

async fn two_who_bring_one_text_at_once_get_one_number() {
    let server = Server::start().await;
    let schemas: Vec<String> =
        (0..4).map(|number| record(&[A, &B.replace("\"b\"", &format!("\"b{number}\""))])).collect();
    let all: Vec<_> = schemas.iter().chain(&schemas).collect();
    let asked = all.iter().map(|schema| server.register(SUBJECT, schema));
    let given = futures_util::future::join_all(asked).await;
    let mut ids: Vec<u64> = given.iter().map(|(_, id)| id["id"].as_u64().unwrap()).collect();
    assert_eq!(ids[..4], ids[4..]);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids, [100_001, 100_002, 100_003, 100_004]);
    let versions = server.get(&format!("/subjects/{SUBJECT}/versions")).await;
    assert_eq!(versions, (200, json!([1, 2, 3, 4])));
}
