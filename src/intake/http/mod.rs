//! Intake over HTTP: `POST /v1/intake/{connector}` takes a body of records, and
//! `GET /v1/intake/{connector}/receipts/{key}` says what was taken and what became of it.
//!
//! A body is known by its idempotency key. The same key with the same body is answered with the
//! same receipt; with another body it is refused. A body that breaks off half-way leaves its whole
//! records in the log, and sent again under its key it goes on after them. It serves plain HTTP
//! on loopback; TLS is ended in front of it.

mod body;
mod problem;
mod receipt;
mod receive;
#[cfg(test)]
mod tests;
mod token;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use futures_util::future::BoxFuture;

use super::framing::Format;
use super::{AppendLimits, Route};
use crate::domain::ids::{ConnectorId, FeedId};
use crate::log::position::PositionLost;
use crate::log::{Appended, Log};
use crate::store::StoreError;
pub use token::Token;

/// What became of the records of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// Changed the books.
    pub applied: u64,
    /// Were known already.
    pub duplicate: u64,
    /// Are held with a reason.
    pub held: u64,
    /// Are no event of ours.
    pub ignored: u64,
    /// Are not looked at yet.
    pub pending: u64,
}

/// Knows what became of messages; whoever has the books implements it.
pub trait Outcomes: Send + Sync {
    /// What became of the messages at these positions.
    fn outcomes<'a>(
        &'a self,
        topic: &'a str,
        positions: &'a [Appended],
    ) -> BoxFuture<'a, Result<OutcomeCounts, StoreError>>;
}

/// A feed that may be sent over HTTP.
#[derive(Clone, Debug)]
pub struct HttpFeed {
    /// Its name.
    pub feed: FeedId,
    /// How its records stand in a body.
    pub format: Format,
    /// Limit of a record; a longer one is cut to one byte more, so that it is held.
    pub record_bytes_max: usize,
}

/// A counterparty that may send over HTTP.
pub struct HttpConnector {
    /// Its name; its topic is `raw.<connector>` and must exist.
    pub connector: ConnectorId,
    /// The bearer token of its principal.
    pub token: Token,
    /// Its feeds.
    pub feeds: Vec<HttpFeed>,
    /// Why nothing can be taken in for it, where the log has lost its topic.
    pub lost: Option<PositionLost>,
}

/// Limits of requests.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// How much enters the log with one append.
    pub append: AppendLimits,
    /// Bytes of a body, unpacked.
    pub body_bytes_max: u64,
    /// Bytes of a body without an idempotency key: it waits in memory until it is whole.
    pub keyless_bytes_max: u64,
    /// How long a body may stand still before it counts as broken off.
    pub idle_max: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            append: AppendLimits::default(),
            body_bytes_max: 256 << 20,
            keyless_bytes_max: 1 << 20,
            idle_max: Duration::from_secs(30),
        }
    }
}

/// What intake over HTTP needs.
pub struct HttpIntake {
    /// Where messages go.
    pub log: Arc<dyn Log>,
    /// How a record finds its partition.
    pub route: Arc<Route>,
    /// What became of messages.
    pub outcomes: Arc<dyn Outcomes>,
    /// Who may send.
    pub connectors: Vec<HttpConnector>,
    /// Limits of requests.
    pub limits: HttpLimits,
    /// Who says when a body arrived.
    pub clock: AppendClock,
}

/// Who says when a body arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppendClock {
    /// The log's own clock; a request that brings an append time is refused.
    #[default]
    Log,
    /// The sender, in the header `zhibao-received-at`: only for replays by a trusted sender. A
    /// request without it is refused, for it would move the replay's clock to today.
    Sender,
}

/// The routes below `/v1/intake`.
pub fn router(intake: HttpIntake) -> Router {
    let shared = Arc::new(Shared { intake, under_way: Mutex::default() });
    Router::new()
        .route("/v1/intake/{connector}", post(receive::post))
        .route("/v1/intake/{connector}/receipts/{key}", get(receipt::get))
        .with_state(shared)
}

struct Shared {
    intake: HttpIntake,
    /// Sources that are being received: two requests must not append one source at a time.
    under_way: Mutex<HashSet<String>>,
}

/// Holds a source for one request.
struct UnderWay {
    shared: Arc<Shared>,
    source: String,
}

impl UnderWay {
    /// `None` where another request holds the source.
    fn enter(shared: &Arc<Shared>, source: &str) -> Option<Self> {
        let mut held = shared.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let entered = held.insert(source.to_owned());
        drop(held);
        entered.then(|| Self { shared: Arc::clone(shared), source: source.to_owned() })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut held = self.shared.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&self.source);
    }
}

/// The intake source of a body.
fn source_of(connector: &ConnectorId, key: &str) -> String {
    format!("http:{connector}:{key}")
}
