//! The HTTP face of a counterparty.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Counterparty;
use super::acks::{AckList, acknowledged_at};
use super::books::{Books, Received, Violation, answered};
use super::misbehaviour::{Dice, Misbehaviour, Mishap};
use super::wire::{AckQuery, Acknowledgement, Failure, Record, RecordAnswer};

/// Most records in one request, as the contract says.
const RECORDS_MAX: usize = 200;
/// Longest request.
const REQUEST_BYTES_MAX: usize = 8 << 20;

/// Why a simulator cannot start or stop.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// No port.
    #[error("simulator: {0}")]
    Listen(#[from] io::Error),
    /// Its task failed.
    #[error("simulator task: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// A counterparty that listens.
pub struct Running {
    addr: SocketAddr,
    desk: Arc<Desk>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

/// What the handlers share.
struct Desk {
    state: Mutex<DeskState>,
}

struct DeskState {
    books: Books,
    acks: AckList,
    dice: Dice,
    misbehaviour: Misbehaviour,
    requests: u64,
}

pub(super) async fn start(
    counterparty: Counterparty,
    misbehaviour: Misbehaviour,
    seed: u64,
) -> Result<Running, SimulatorError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    let state = DeskState {
        books: Books::new(counterparty),
        acks: AckList::default(),
        dice: Dice::new(seed),
        misbehaviour,
        requests: 0,
    };
    let desk = Arc::new(Desk { state: Mutex::new(state) });
    let router = Router::new()
        .route("/v1/records", post(take_records))
        .route("/v1/records/{id}", get(find_record))
        .route("/v1/acks", get(list_acks))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(Arc::clone(&desk));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        axum::serve(listener, router)
            .with_graceful_shutdown(async {
                // A sender that is gone means stop as well.
                stopped.await.unwrap_or_default();
            })
            .await
    });
    Ok(Running { addr, desk, stop, task })
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Misbehaves otherwise from now on.
    pub fn set_misbehaviour(&self, misbehaviour: Misbehaviour) {
        self.desk.lock().misbehaviour = misbehaviour;
    }

    /// The records it accepted, in order of arrival.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.desk.lock().books.received.clone()
    }

    /// How many records it accepted, by kind.
    #[must_use]
    pub fn accepted_by_kind(&self) -> BTreeMap<String, u64> {
        self.desk.lock().books.accepted_by_kind.clone()
    }

    /// Breaches of the contract by the hub.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.desk.lock().books.violations.clone()
    }

    /// How often a record came again that it had already.
    #[must_use]
    pub fn repeated(&self) -> u64 {
        self.desk.lock().books.repeated
    }

    /// Requests of any sort.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.desk.lock().requests
    }

    /// Stops listening after the requests in flight.
    ///
    /// # Errors
    /// [`SimulatorError`] where serving had failed.
    pub async fn stop(self) -> Result<(), SimulatorError> {
        drop(self.stop);
        self.task.await??;
        Ok(())
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, DeskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeskState {
    /// Takes records in their order; after one that is not taken, the rest of its key waits.
    fn take_all(&mut self, records: &[Record]) -> Vec<RecordAnswer> {
        let mut waiting: HashSet<&str> = HashSet::new();
        let mut answers = Vec::with_capacity(records.len());
        for record in records {
            if waiting.contains(record.key.as_str()) {
                answers.push(answered(record, "later", Some("predecessor.not_taken")));
                continue;
            }
            let known = self.books.answer_of(&record.id).is_some();
            if !known && self.dice.hits(self.misbehaviour.later_percent) {
                waiting.insert(&record.key);
                answers.push(answered(record, "later", Some("busy")));
                continue;
            }
            let answer = self.take_one(record);
            if answer.result == "refused" && self.books.is_ordered(&record.kind) {
                waiting.insert(&record.key);
            }
            answers.push(answer);
        }
        answers
    }

    fn take_one(&mut self, record: &Record) -> RecordAnswer {
        let refuse = self.dice.refuses(&record.id, self.misbehaviour.refuse_percent);
        let (answer, new) = self.books.take(record, refuse);
        if let (true, Some(at)) = (new, acknowledged_at(&record.caused_at)) {
            let result = if answer.result == "refused" { "refused" } else { "accepted" };
            let ack = Acknowledgement { record: record.id.clone(), result, code: answer.code, at };
            self.acks.add(&ack, &self.misbehaviour, &mut self.dice);
        }
        answer
    }
}

async fn take_records(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    let records: Vec<Record> = match serde_json::from_slice(&body) {
        Ok(records) => records,
        Err(error) => {
            return failure(StatusCode::BAD_REQUEST, "request.malformed", error.to_string());
        }
    };
    if records.is_empty() || records.len() > RECORDS_MAX {
        let detail = format!("expected 1 to {RECORDS_MAX} records, found {}", records.len());
        return failure(StatusCode::PAYLOAD_TOO_LARGE, "request.records_count", detail);
    }
    if let Some(record) = records.iter().find(|record| acknowledged_at(&record.caused_at).is_none())
    {
        let detail = format!("expected an RFC 3339 time, found {:?}", record.caused_at);
        return failure(StatusCode::UNPROCESSABLE_ENTITY, "record.caused_at", detail);
    }
    let (mishap, answers, misbehaviour) = {
        let mut state = desk.lock();
        state.requests += 1;
        let misbehaviour = state.misbehaviour.clone();
        let mishap = state.dice.request(&misbehaviour);
        let taken = match mishap {
            Mishap::TooMany | Mishap::Unavailable => 0,
            Mishap::DropHalfWay => records.len() / 2,
            Mishap::None | Mishap::Drop | Mishap::Garbage | Mishap::Slow => records.len(),
        };
        let answers = state.take_all(records.get(..taken).unwrap_or_default());
        (mishap, answers, misbehaviour)
    };
    match mishap {
        Mishap::None => json(StatusCode::OK, &answers),
        Mishap::Slow => {
            tokio::time::sleep(Duration::from_millis(misbehaviour.slow_ms)).await;
            json(StatusCode::OK, &answers)
        }
        Mishap::TooMany => busy(StatusCode::TOO_MANY_REQUESTS, misbehaviour.retry_after_s),
        Mishap::Unavailable => busy(StatusCode::SERVICE_UNAVAILABLE, misbehaviour.retry_after_s),
        Mishap::Drop | Mishap::DropHalfWay => dropped(),
        Mishap::Garbage => respond(StatusCode::OK, "text/html", "<html>it works!</html>".into()),
    }
}

async fn find_record(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    let mut state = desk.lock();
    state.requests += 1;
    match state.books.answer_of(&id) {
        Some(answer) => json(StatusCode::OK, answer),
        None => failure(StatusCode::NOT_FOUND, "record.unknown", id),
    }
}

async fn list_acks(State(desk): State<Arc<Desk>>, Query(query): Query<AckQuery>) -> Response {
    let mut state = desk.lock();
    state.requests += 1;
    let DeskState { acks, dice, misbehaviour, .. } = &mut *state;
    let page = acks.page(query.after, query.limit, misbehaviour, dice);
    respond(StatusCode::OK, "application/x-ndjson", page.into())
}

fn busy(status: StatusCode, retry_after_s: u32) -> Response {
    let mut response = failure(status, "busy", "come again".to_owned());
    response.headers_mut().insert(RETRY_AFTER, retry_after_s.into());
    response
}

/// An answer whose body breaks off: the connection closes before the answer is whole.
fn dropped() -> Response {
    let broken = futures_util::stream::once(async {
        Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionAborted))
    });
    respond(StatusCode::OK, "application/json", Body::from_stream(broken))
}

fn failure(status: StatusCode, code: &'static str, detail: String) -> Response {
    json(status, &Failure { code, detail })
}

fn json(status: StatusCode, body: &(impl serde::Serialize + ?Sized)) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => respond(status, "application/json", bytes.into()),
        Err(_) => respond(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", Body::empty()),
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, axum::http::HeaderValue::from_static(content_type));
    response
}
