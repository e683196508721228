//! Intake over real HTTP on loopback.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::BoxFuture;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::{
    AppendClock, HttpConnector, HttpFeed, HttpIntake, HttpLimits, OutcomeCounts, Outcomes, Token,
    router,
};
use crate::domain::ids::{ConnectorId, FeedId};
use crate::domain::time::Moment;
use crate::intake::framing::Format;
use crate::intake::{AppendLimits, Arrival};
use crate::log::position::PositionLost;
use crate::log::simulated::{Faults, SimulatedLog};
use crate::log::{Appended, Log};
use crate::store::StoreError;

const TOPIC: &str = "raw.meituan";
/// Of a connector whose topic is there again, but is not the one of before.
const LOST: &str = "raw.shansong";

/// Says that one record in three is held and the others are applied.
struct EveryThirdHeld;

impl Outcomes for EveryThirdHeld {
    fn outcomes<'a>(
        &'a self,
        topic: &'a str,
        positions: &'a [Appended],
    ) -> BoxFuture<'a, Result<OutcomeCounts, StoreError>> {
        assert_eq!(topic, TOPIC);
        let all: u64 = positions.iter().map(|one| one.offsets.end - one.offsets.start).sum();
        let held = all / 3;
        let counts = OutcomeCounts { applied: all - held, held, ..OutcomeCounts::default() };
        Box::pin(std::future::ready(Ok(counts)))
    }
}

struct Server {
    log: Arc<SimulatedLog>,
    address: std::net::SocketAddr,
    client: Client,
}

fn http_feed(name: &str, format: Format) -> HttpFeed {
    HttpFeed { feed: FeedId::new(name).unwrap(), format, record_bytes_max: 100 }
}

fn connector(name: &str, token: &str) -> HttpConnector {
    let schema = Arc::new(apache_avro::Schema::parse_str("\"string\"").unwrap());
    HttpConnector {
        connector: ConnectorId::new(name).unwrap(),
        token: Token::new(token),
        feeds: vec![
            http_feed("orders", Format::JsonLines),
            http_feed("daily", Format::Csv),
            http_feed("native", Format::Avro(schema)),
        ],
        lost: None,
    }
}

impl Server {
    async fn start() -> Self {
        Self::start_with(Faults::default(), AppendClock::Log).await
    }

    async fn start_with(faults: Faults, clock: AppendClock) -> Self {
        let log = Arc::new(SimulatedLog::new(3, faults, Moment::from_ms(1_782_867_600_000)));
        for topic in [TOPIC, LOST] {
            log.ensure_topic(topic, 2).await.unwrap();
        }
        let routes = router(HttpIntake {
            log: log.clone(),
            route: Arc::new(|arrival: &Arrival<'_>| arrival.value.to_vec()),
            outcomes: Arc::new(EveryThirdHeld),
            connectors: vec![
                connector("meituan", "secret of meituan"),
                connector("eleme", "secret of eleme"),
                HttpConnector {
                    lost: Some(PositionLost::NoTopic {
                        topic: LOST.to_owned(),
                        expected: "the-id-of-before".to_owned(),
                    }),
                    ..connector("shansong", "secret of shansong")
                },
            ],
            limits: HttpLimits {
                append: AppendLimits { records_max: 10, bytes_max: 1 << 20 },
                body_bytes_max: 20_000,
                keyless_bytes_max: 2_000,
                idle_max: Duration::from_secs(2),
            },
            clock,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { log, address, client: Client::new() }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/v1/intake/{path}", self.address)
    }

    fn post(&self, key: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.client
            .post(self.url("meituan?feed=orders"))
            .bearer_auth("secret of meituan")
            .header("content-type", "application/x-ndjson")
            .header("idempotency-key", key)
            .body(body)
    }

    async fn receipt(&self, key: &str) -> (StatusCode, Value) {
        let url = self.url(&format!("meituan/receipts/{key}"));
        let request = self.client.get(url).bearer_auth("secret of meituan");
        answer(request.send().await.unwrap()).await
    }

    async fn records(&self) -> Vec<String> {
        let mut all = Vec::new();
        for extent in self.log.extents(TOPIC).await.unwrap() {
            let batch = self.log.read(TOPIC, extent.partition, 0, 1 << 20).await.unwrap();
            let text = |record| String::from_utf8(batch.value(record).to_vec()).unwrap();
            all.extend(batch.records.iter().map(text));
        }
        all.sort();
        all
    }
}

async fn answer(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    if !status.is_success() {
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    (status, response.json().await.unwrap())
}

async fn refused(request: RequestBuilder, status: u16, code: &str) {
    let (found, problem) = answer(request.send().await.unwrap()).await;
    assert_eq!((found.as_u16(), problem["code"].as_str().unwrap()), (status, code), "{problem}");
    assert_eq!(problem["status"], status);
    for field in ["title", "title_zh", "expected", "found", "action"] {
        assert!(!problem[field].as_str().unwrap().is_empty(), "{field} of {problem}");
    }
}

fn lines(count: u32) -> Vec<String> {
    (0..count).map(|n| format!("{{\"order\":{n:05}}}")).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_body_is_taken_once_under_its_key() {
    let server = Server::start().await;
    let body = lines(25).join("\n");
    let (status, first) = answer(server.post("k-1", body.clone()).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{first}");
    assert_eq!(first["records"], 25);
    assert_eq!(first["bytes"], u64::try_from(body.len()).unwrap());
    assert_eq!(first["complete"], true);
    let given = first["positions"].as_array().unwrap();
    assert_eq!(given.len(), 2, "three appends join to one run in each partition: {first}");
    let positions = given.iter().map(|one| one["to"].as_u64().unwrap());
    assert_eq!(positions.sum::<u64>(), 25);
    let (_, second) = answer(server.post("k-1", body).send().await.unwrap()).await;
    assert_eq!(second, first);
    assert_eq!(server.records().await, lines(25));
    let (status, receipt) = server.receipt("k-1").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(receipt["outcomes"]["applied"], 17);
    assert_eq!(receipt["outcomes"]["held"], 8);
    assert_eq!(receipt["positions"], first["positions"]);
    refused(server.post("k-1", lines(24).join("\n")), 422, "idempotency_key.reused").await;
    refused(server.post("k-1", lines(26).join("\n")), 422, "idempotency_key.reused").await;
    let other_feed = server
        .client
        .post(server.url("meituan?feed=daily"))
        .bearer_auth("secret of meituan")
        .header("content-type", "text/csv; charset=utf-8")
        .header("idempotency-key", "k-1")
        .body(lines(25).join("\n"));
    refused(other_feed, 422, "idempotency_key.reused").await;
    assert_eq!(server.records().await.len(), 25);
}

#[tokio::test]
async fn the_wrong_sender_address_or_format_is_refused() {
    let server = Server::start().await;
    let post = |path: &str, token: &str| {
        server.client.post(server.url(path)).bearer_auth(token).body("{}\n")
    };
    let ndjson = |request: RequestBuilder| request.header("content-type", "application/x-ndjson");
    refused(post("nobody?feed=orders", "secret of meituan"), 404, "connector.unknown").await;
    refused(post("meituan?feed=orders", "a guess"), 401, "token.wrong").await;
    refused(server.client.post(server.url("meituan")), 401, "token.wrong").await;
    refused(post("meituan?feed=orders", "secret of eleme"), 403, "connector.other").await;
    refused(ndjson(post("meituan", "secret of meituan")), 422, "feed.unknown").await;
    refused(ndjson(post("meituan?feed=x", "secret of meituan")), 422, "feed.unknown").await;
    refused(post("meituan?feed=orders", "secret of meituan"), 415, "body.media_type").await;
    refused(ndjson(post("meituan?feed=daily", "secret of meituan")), 415, "body.media_type").await;
    refused(server.post("k", "{}\n").header("content-encoding", "br"), 415, "body.media_type")
        .await;
    refused(server.post("not/a key", "{}\n"), 400, "idempotency_key.invalid").await;
    refused(server.post(&"k".repeat(129), "{}\n"), 400, "idempotency_key.invalid").await;
    let receipt = server.client.get(server.url("meituan/receipts/k")).bearer_auth("a guess");
    refused(receipt, 401, "token.wrong").await;
    let receipt = server.client.get(server.url("meituan/receipts/k"));
    refused(receipt.bearer_auth("secret of meituan"), 404, "receipt.unknown").await;
    assert!(server.records().await.is_empty());
}

#[tokio::test]
async fn an_append_time_is_refused_but_by_a_replay_that_must_bring_it() {
    const AT: &str = "1785000000000";
    let server = Server::start().await;
    let with =
        |server: &Server, at: &str| server.post("k", "{}\n").header("zhibao-received-at", at);
    refused(with(&server, AT), 400, "append_time.refused").await;
    assert!(server.records().await.is_empty());

    let replay = Server::start_with(Faults::default(), AppendClock::Sender).await;
    refused(replay.post("k", "{}\n"), 400, "append_time.refused").await;
    refused(with(&replay, "yesterday"), 400, "append_time.refused").await;
    assert!(replay.records().await.is_empty());
    assert_eq!(answer(with(&replay, AT).send().await.unwrap()).await.0, StatusCode::OK);
    let mut at = Vec::new();
    for extent in replay.log.extents(TOPIC).await.unwrap() {
        let batch = replay.log.read(TOPIC, extent.partition, 0, 1 << 20).await.unwrap();
        at.extend(batch.records.iter().map(|record| record.received_at.ms().to_string()));
    }
    assert_eq!(at, [AT]);
}

#[tokio::test]
async fn a_body_without_a_key_is_known_by_its_digest() {
    let server = Server::start().await;
    let post = |body: String| {
        server
            .client
            .post(server.url("meituan"))
            .bearer_auth("secret of meituan")
            .header("zhibao-feed", "orders")
            .header("content-type", "application/x-ndjson")
            .body(body)
    };
    let body = lines(25).join("\n");
    let (status, first) = answer(post(body.clone()).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    let (_, second) = answer(post(body).send().await.unwrap()).await;
    assert_eq!(second, first);
    assert_eq!(server.records().await.len(), 25);
    let (status, _) = server.receipt(first["key"].as_str().unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    refused(post(lines(300).join("\n")), 400, "idempotency_key.required").await;
    assert_eq!(server.records().await.len(), 25, "nothing of it was taken");
}

#[tokio::test]
async fn csv_and_containers_come_in_too() {
    let server = Server::start().await;
    let post = |feed: &str, media_type: &str, body: Vec<u8>| {
        server
            .client
            .post(server.url(&format!("meituan?feed={feed}")))
            .bearer_auth("secret of meituan")
            .header("content-type", media_type)
            .header("idempotency-key", feed)
            .body(body)
            .send()
    };
    let csv = post("daily", "text/csv", b"order,day\nA,1\nB,2\n".to_vec()).await.unwrap();
    assert_eq!(answer(csv).await.1["records"], 2);
    let schema = apache_avro::Schema::parse_str("\"string\"").unwrap();
    let mut writer = apache_avro::Writer::new(&schema, Vec::new()).unwrap();
    writer.append_value("C,3").unwrap();
    let container = writer.into_inner().unwrap();
    let avro = post("native", "avro/binary", container.clone()).await.unwrap();
    assert_eq!(answer(avro).await.1["records"], 1);
    assert_eq!(server.records().await, ["\u{6}C,3", "A,1", "B,2"], "a datum as Avro writes it");
    let broken = server
        .client
        .post(server.url("meituan?feed=native"))
        .bearer_auth("secret of meituan")
        .header("content-type", "avro/binary")
        .header("idempotency-key", "broken")
        .body(container[..container.len() - 3].to_vec());
    refused(broken, 400, "body.malformed").await;
}

#[tokio::test]
async fn bodies_and_bombs_over_the_limit_are_refused() {
    let server = Server::start().await;
    refused(server.post("large", vec![b'a'; 20_001]), 413, "body.too_large").await;
    let chunks = (0..30).map(|_| Ok::<_, std::io::Error>(vec![b'a'; 1000]));
    let unannounced = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    refused(server.post("chunked", unannounced), 413, "body.too_large").await;
    let bomb = gzip(&vec![b'a'; 10_000_000]);
    assert!(bomb.len() < 20_000, "{} bytes", bomb.len());
    let bomb = server.post("bomb", bomb).header("content-encoding", "gzip");
    refused(bomb, 413, "body.bomb").await;
    let whole = gzip(lines(12).join("\n").as_bytes());
    let post =
        |key: &str, body: &[u8]| server.post(key, body.to_vec()).header("content-encoding", "gzip");
    let (status, receipt) = answer(post("zip", &whole).send().await.unwrap()).await;
    assert_eq!((status, &receipt["records"]), (StatusCode::OK, &12.into()));
    refused(post("half", &whole[..whole.len() - 9]), 400, "body.broken").await;
    let mut oversized = vec![b'x'; 150];
    oversized.push(b'\n');
    let (_, receipt) = answer(server.post("record", oversized).send().await.unwrap()).await;
    assert_eq!(receipt["records"], 1);
    let cut = "x".repeat(101);
    assert!(server.records().await.contains(&cut), "appended, so that normalize holds it");
}

#[tokio::test]
async fn nothing_is_taken_in_for_a_topic_that_is_lost() {
    let server = Server::start().await;
    let post = server
        .client
        .post(server.url("shansong?feed=orders"))
        .bearer_auth("secret of shansong")
        .header("content-type", "application/x-ndjson")
        .header("idempotency-key", "lost")
        .body(lines(3).join("\n"));
    refused(post, 503, "hub.unavailable").await;
    let extents = server.log.extents(LOST).await.unwrap();
    assert!(extents.iter().all(|extent| extent.next == 0), "{extents:?}");
}

#[tokio::test]
async fn a_body_that_breaks_off_goes_on_under_its_key() {
    let server = Server::start().await;
    let body = lines(25).join("\n");
    let mut raw = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /v1/intake/meituan?feed=orders HTTP/1.1\r\nhost: hub\r\n\
         authorization: Bearer secret of meituan\r\ncontent-type: application/x-ndjson\r\n\
         idempotency-key: broken\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    raw.write_all(head.as_bytes()).await.unwrap();
    // Each line takes 16 bytes: 15 whole records and a part of the next.
    raw.write_all(&body.as_bytes()[..15 * 16 + 7]).await.unwrap();
    raw.flush().await.unwrap();
    drop(raw);
    let half = loop {
        let (status, receipt) = server.receipt("broken").await;
        // The first append brings ten; the other five come when the break is noticed.
        if status == StatusCode::OK && receipt["records"] != 10 {
            break receipt;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((&half["records"], &half["complete"]), (&15.into(), &false.into()), "{half}");
    assert_eq!(half["bytes"], 15 * 16);
    let other = body.replace("00003", "99999");
    refused(server.post("broken", other), 422, "idempotency_key.reused").await;
    refused(server.post("broken", lines(14).join("\n")), 422, "idempotency_key.reused").await;
    let (status, whole) = answer(server.post("broken", body).send().await.unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{whole}");
    assert_eq!((&whole["records"], &whole["complete"]), (&25.into(), &true.into()));
    assert_eq!(server.records().await, lines(25), "nothing lost, nothing doubled");
}

#[tokio::test]
async fn a_body_that_stands_still_counts_as_broken_off() {
    let server = Server::start().await;
    let first = futures_util::stream::iter([Ok::<_, std::io::Error>(b"{}\n{}\n{".to_vec())]);
    let silent = futures_util::StreamExt::chain(first, futures_util::stream::pending());
    let request = server.post("silent", reqwest::Body::wrap_stream(silent));
    refused(request, 400, "body.broken").await;
    let (_, receipt) = server.receipt("silent").await;
    assert_eq!((&receipt["records"], &receipt["complete"]), (&2.into(), &false.into()));
}

#[tokio::test]
async fn one_request_at_a_time_has_a_key() {
    let server = Server::start().await;
    let (release, held) = tokio::sync::oneshot::channel::<()>();
    let chunks = futures_util::stream::once(async { Ok(format!("{}\n", lines(10).join("\n"))) });
    let rest = futures_util::stream::once(async {
        held.await.map_err(std::io::Error::other)?;
        Ok::<_, std::io::Error>(String::new())
    });
    let slow = reqwest::Body::wrap_stream(futures_util::StreamExt::chain(chunks, rest));
    let slow = tokio::spawn(server.post("key", slow).send());
    while server.receipt("key").await.0 != StatusCode::OK {
        tokio::task::yield_now().await;
    }
    refused(server.post("key", "{}\n"), 409, "idempotency_key.in_use").await;
    release.send(()).unwrap();
    let (status, receipt) = answer(slow.await.unwrap().unwrap()).await;
    assert_eq!((status, &receipt["complete"]), (StatusCode::OK, &true.into()), "{receipt}");
    assert_eq!(server.records().await, lines(10));
}

#[tokio::test]
async fn a_log_that_fails_is_never_the_reason_of_a_double() {
    let faults = Faults { append_lost: 300, append_unanswered: 300, ..Faults::default() };
    let server = Server::start_with(faults, AppendClock::Log).await;
    let body = lines(100).join("\r\n");
    let mut failures = 0;
    loop {
        let response = server.post("faulty", body.clone()).send().await.unwrap();
        if response.status() == StatusCode::OK {
            break;
        }
        assert_eq!(response.headers()["retry-after"], "5");
        let (status, problem) = answer(response).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
        failures += 1;
    }
    assert!(failures > 2, "{failures} failures");
    assert_eq!(server.records().await, lines(100));
}
