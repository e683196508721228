//! `zhibao run`: a hub that is fed over HTTP, works by itself, and stops when it is told to.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use sqlx::SqlitePool;
use zhibao::simulate::counterparties::{Counterparty, Misbehaviour, Running, Simulator};

use crate::hub::{Arrival, Folder, Hub, arrivals, assert_sections, json, text};

/// What is waited for comes within this time, or the test fails.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// A hub that runs as a service; killed when it is dropped without having been stopped.
pub(crate) struct Service {
    child: Child,
    /// Kept open: a service that cannot speak any more might end for that.
    _said: BufReader<ChildStdout>,
    address: String,
    client: reqwest::Client,
}

impl Service {
    /// Starts `zhibao run` on a free port and waits until it listens.
    pub(crate) fn start(hub: &Hub, arguments: &[&str]) -> Self {
        Self::start_saying(hub, arguments, Stdio::inherit())
    }

    /// As [`Service::start`], with another place for what it complains of.
    pub(crate) fn start_saying(hub: &Hub, arguments: &[&str], said: impl Into<Stdio>) -> Self {
        let mut command = hub.command(&["run", "--listen", "127.0.0.1:0"]);
        command.args(arguments).stdout(Stdio::piped()).stderr(said);
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening: ").map(str::to_owned);
        let address = address.unwrap_or_else(|| panic!("expected an address, found {line:?}"));
        Self { child, _said: said, address, client: reqwest::Client::new() }
    }

    /// Where it answers: `http://host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends a file as a body, under its folder and name as the key; gives the answer.
    pub(crate) async fn post(
        &self,
        file: &Arrival,
        received_at_ms: Option<i64>,
    ) -> (StatusCode, Value) {
        let media_type = match file.path.extension().and_then(|ending| ending.to_str()) {
            Some("ndjson") => "application/x-ndjson",
            Some("csv") => "text/csv",
            Some("avro") => "avro/binary",
            ending => panic!("expected ndjson, csv or avro, found {ending:?}"),
        };
        let address = format!("{}/v1/intake/{}", self.address, file.connector);
        let mut request = self.client.post(format!("{address}?feed={}", file.feed));
        request = request.bearer_auth(token_of(&file.connector)).header("content-type", media_type);
        request = request.header("idempotency-key", key_of(file));
        if let Some(ms) = received_at_ms {
            request = request.header("zhibao-received-at", ms.to_string());
        }
        let response = request.body(std::fs::read(&file.path).unwrap()).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// The address that it says it listens on.
    pub(crate) fn url(&self) -> &str {
        &self.address
    }

    /// The code that a path is answered with.
    async fn get(&self, path: &str) -> u16 {
        let answer = self.client.get(format!("{}{path}", self.address)).send().await.unwrap();
        answer.status().as_u16()
    }

    /// Sends files in this order, each at its time of arrival.
    pub(crate) async fn feed(&self, files: &[Arrival]) {
        for file in files {
            let (status, answer) = self.post(file, Some(file.received_at_ms)).await;
            assert_eq!(status, StatusCode::OK, "{}: {answer}", file.path.display());
            assert_eq!(answer["complete"], true, "{answer}");
        }
    }

    /// Waits until nothing of a body is pending; gives what became of it.
    pub(crate) async fn applied(&self, file: &Arrival) -> Value {
        let outcomes = self.applied_within(file, PATIENCE).await;
        outcomes.unwrap_or_else(|| panic!("{} is pending still", key_of(file)))
    }

    /// Waits for so long until nothing of a body is pending; gives what became of it.
    pub(crate) async fn applied_within(&self, file: &Arrival, time: Duration) -> Option<Value> {
        let key = key_of(file);
        let address = format!("{}/v1/intake/{}/receipts/{key}", self.address, file.connector);
        let since = Instant::now();
        loop {
            let request = self.client.get(&address).bearer_auth(token_of(&file.connector));
            let receipt: Value = request.send().await.unwrap().json().await.unwrap();
            if receipt["outcomes"]["pending"] == 0 {
                return Some(receipt["outcomes"].clone());
            }
            if since.elapsed() >= time {
                return None;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until nothing of all these bodies is pending.
    pub(crate) async fn applied_all(&self, files: &[Arrival]) {
        for file in files {
            self.applied(file).await;
        }
    }

    /// Sends a signal by its name and waits for the end.
    pub(crate) fn stop(mut self, signal: &str) -> ExitStatus {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status().unwrap();
        assert!(sent.success(), "kill -s {signal} {id}: {sent}");
        self.child.wait().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
    }
}

/// Folder and name of the file.
fn key_of(file: &Arrival) -> String {
    let names: Vec<_> = file.path.iter().rev().take(2).map(|name| name.to_str().unwrap()).collect();
    format!("{}-{}", names[1], names[0])
}

pub(crate) fn token_of(connector: &str) -> String {
    format!("a token for tests of {connector}")
}

/// Writes the tokens of these connectors, as the operator does.
pub(crate) fn write_tokens(path: &std::path::Path, connectors: impl Iterator<Item = String>) {
    let line = |name: String| format!("{name} = \"{}\"\n", token_of(&name));
    std::fs::write(path, connectors.map(line).collect::<String>()).unwrap();
}

/// Writes a token for each connector of these files.
pub(crate) fn write_tokens_for(path: &std::path::Path, files: &[Arrival]) {
    let connectors: BTreeSet<_> = files.iter().map(|file| file.connector.clone()).collect();
    write_tokens(path, connectors.into_iter());
}

/// Every partition has been given back.
async fn assert_released(database: &SqlitePool) {
    let sql = "select count(*) from position where owner is not null";
    let held: i64 = sqlx::query_scalar(sql).fetch_one(database).await.unwrap();
    assert_eq!(held, 0, "leases were kept");
}

fn generate(folder: &Folder, orders: &str, seed: &str) -> std::path::PathBuf {
    let generated = folder.path("generated");
    let size = ["--orders", orders, "--from", "2026-07-01", "--days", "1", "--seed", seed];
    let hub = Hub::new(folder.path("none"));
    hub.done(&[&["generate", "--out", text(&generated)], &size[..]].concat());
    generated
}

/// Every message comes over HTTP; what an operator does meanwhile does not stop the service.
#[tokio::test]
async fn a_hub_fed_over_http_ends_with_the_truth() {
    let folder = Folder::new("service-truth");
    let generated = generate(&folder, "3000", "21");
    let files = arrivals(&generated);
    let tokens = folder.path("tokens.toml");
    write_tokens_for(&tokens, &files);
    let hub = Hub::new(folder.path("hub"));
    let arguments = ["--replay-clock", "--tokens", text(&tokens), "--lease-ms", "200"];
    let service = Service::start(&hub, &arguments);

    let (first, rest) = files.split_at(files.len() / 2);
    service.feed(first).await;
    service.applied_all(first).await;
    // An idle service keeps no partition from an operator's command; the next batch finds the
    // lease lost and claims again.
    hub.done(&["evidence", "--lease-ms", "200"]);
    service.feed(rest).await;
    service.applied_all(rest).await;
    assert!(service.stop("TERM").success());

    let database = hub.database().await;
    assert_released(&database).await;
    database.close().await;
    hub.done(&["seal", "--until", "2026-07-31"]);
    hub.done(&["freeze", "--month", "2026-07", "--reason", "the test's month is over"]);
    hub.done(&["evidence"]);
    let truth = json(&generated.join("truth.json"));
    let sections =
        ["counts", "messages", "held_by_reason", "persons", "cases", "balances", "levies"];
    assert_sections(&truth, &hub.export(&folder.path("out")), &sections);
    hub.done(&["status"]);
}

#[tokio::test]
async fn nobody_sends_without_a_token_and_no_sender_sets_the_clock() {
    let folder = Folder::new("service-closed");
    let file = Arrival {
        path: folder.path("orders.ndjson"),
        connector: "meituan".to_owned(),
        feed: "orders".to_owned(),
        received_at_ms: 1_783_000_000_000,
    };
    std::fs::write(&file.path, "{}\n").unwrap();
    let code = |(status, problem): (StatusCode, Value)| {
        (status.as_u16(), problem["code"].as_str().unwrap_or("none").to_owned())
    };

    let hub = Hub::new(folder.path("hub"));
    let service = Service::start(&hub, &[]);
    let expected = (404, "connector.unknown".to_owned());
    assert_eq!(code(service.post(&file, None).await), expected);
    assert!(service.stop("TERM").success());

    let tokens = folder.path("tokens.toml");
    write_tokens(&tokens, ["eleme".to_owned(), "meituan".to_owned()].into_iter());
    let service = Service::start(&hub, &["--tokens", text(&tokens)]);
    let expected = (400, "append_time.refused".to_owned());
    assert_eq!(code(service.post(&file, Some(file.received_at_ms)).await), expected);
    let (status, answer) = service.post(&file, None).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let outcomes = service.applied(&file).await;
    assert_eq!(outcomes["held"], 1, "an order without a number: {outcomes}");
    assert!(service.stop("INT").success());

    let public = ["run", "--listen", "0.0.0.0:0", "--tokens", text(&tokens)];
    let ended = hub.run(&public);
    assert!(!ended.is_success, "tokens would cross a network in the clear");
    assert!(ended.err.contains("loopback"), "{}", ended.err);
}

/// Simulators of all counterparties, and the options that name them.
pub(crate) async fn counterparties(misbehaviour: Misbehaviour) -> (Vec<Running>, Vec<String>) {
    let (mut running, mut options) = (Vec::new(), Vec::new());
    for (counterparty, option) in [
        (Counterparty::NationalPlatform, "--national"),
        (Counterparty::Tax, "--tax"),
        (Counterparty::GoldenInsurance, "--golden-insurance"),
    ] {
        let simulator = Simulator::start(counterparty, misbehaviour.clone(), 1).await.unwrap();
        options.extend([option.to_owned(), simulator.url()]);
        running.push(simulator);
    }
    (running, options)
}

/// Records of the outbox, and how many of them are not acknowledged.
async fn owed(database: &SqlitePool) -> (i64, i64) {
    let sql = "select count(*), coalesce(sum(acked_at is null), 0) from outbox";
    sqlx::query_as(sql).fetch_one(database).await.unwrap()
}

/// One instance takes in and shows, one applies, one delivers: each answers that it lives, and does
/// nothing of what the others are there for.
#[tokio::test]
async fn instances_with_a_role_each_do_together_what_one_does() {
    let folder = Folder::new("service-roles");
    let generated = generate(&folder, "600", "23");
    let files: Vec<_> =
        arrivals(&generated).into_iter().filter(|file| file.connector == "meituan").collect();
    let tokens = folder.path("tokens.toml");
    write_tokens(&tokens, ["meituan".to_owned()].into_iter());
    let hub = Hub::new(folder.path("hub"));
    let front =
        ["--role", "intake", "--role", "serve", "--replay-clock", "--tokens", text(&tokens)];
    let front = Service::start(&hub, &front);
    front.feed(&files).await;
    let database = hub.database().await;
    let applied = "select coalesce(sum(received), 0) from outcome_sum";
    tokio::time::sleep(Duration::from_secs(3)).await;
    let received: i64 = sqlx::query_scalar(applied).fetch_one(&database).await.unwrap();
    assert_eq!(received, 0, "nobody applies yet");

    let process = Service::start(&hub, &["--role", "process"]);
    front.applied_all(&files).await;
    let published = "select count(*) from publish_cursor where batch > 0";
    let cursors: i64 = sqlx::query_scalar(published).fetch_one(&database).await.unwrap();
    let open = "select count(*) from outbox where state = 'owed'";
    let waiting: i64 = sqlx::query_scalar(open).fetch_one(&database).await.unwrap();
    assert!(cursors == 0 && waiting > 0, "nobody publishes or delivers yet: {waiting} owed");
    for (service, page) in [(&front, 200), (&process, 404)] {
        assert_eq!(service.get("/healthz").await, 200);
        assert_eq!(service.get("/").await, page);
    }

    let (running, mut options) = counterparties(Misbehaviour::default()).await;
    options.extend(["--role".to_owned(), "forward".to_owned()]);
    let forward = options.iter().map(String::as_str).collect::<Vec<_>>();
    let forward = Service::start(&hub, &forward);
    let since = Instant::now();
    loop {
        let cursors: i64 = sqlx::query_scalar(published).fetch_one(&database).await.unwrap();
        let owed: i64 = sqlx::query_scalar(open).fetch_one(&database).await.unwrap();
        if cursors > 0 && owed == 0 {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "{cursors} cursors, {owed} records owed");
        tokio::time::sleep(LOOK).await;
    }
    for service in [forward, process, front] {
        assert!(service.stop("TERM").success());
    }
    for simulator in running {
        assert_eq!(simulator.violations(), [], "a contract was broken");
        simulator.stop().await.unwrap();
    }
    assert_released(&database).await;
    database.close().await;
    hub.done(&["status"]);
}

/// What another process takes in is applied, forwarded and acknowledged without a word to it.
#[tokio::test]
async fn what_is_owed_is_delivered_and_acknowledged() {
    let folder = Folder::new("service-forward");
    let generated = generate(&folder, "1000", "22");
    let (running, options) = counterparties(Misbehaviour::default()).await;
    let hub = Hub::new(folder.path("hub"));
    let service = Service::start(&hub, &options.iter().map(String::as_str).collect::<Vec<_>>());
    hub.done(&["replay", text(&generated)]);

    let truth = json(&generated.join("truth.json"));
    let expected = truth["messages"]["received"].as_i64().unwrap();
    let database = hub.database().await;
    let since = Instant::now();
    loop {
        let sql = "select coalesce(sum(received), 0) from outcome_sum where feed <> 'acks'";
        let received: i64 = sqlx::query_scalar(sql).fetch_one(&database).await.unwrap();
        let (all, open) = owed(&database).await;
        if received == expected && all > 0 && open == 0 {
            break;
        }
        let state = format!("{received} of {expected} messages, {open} of {all} records open");
        assert!(since.elapsed() < PATIENCE, "{state}");
        tokio::time::sleep(LOOK).await;
    }
    assert!(service.stop("INT").success());
    assert_released(&database).await;
    let received: usize = running.iter().map(|one| one.received().len()).sum();
    assert_eq!(i64::try_from(received).unwrap(), owed(&database).await.0);
    for simulator in running {
        assert_eq!(simulator.violations(), [], "a contract was broken");
        simulator.stop().await.unwrap();
    }
    database.close().await;
    hub.done(&["status"]);
}
