//! What people and programs read of the hub: the page at `/`, `GET /v1/overview` with all that it
//! shows, `GET /v1/status`, `GET /healthz`, the text of the status and the export. It reads
//! snapshots and changes nothing. Nobody is asked who he is: whoever reaches the address reads it,
//! and the front decides whether that is over HTTP or HTTPS (`src/hub/http.rs`).

mod assets;
mod error;
pub mod export;
mod names;
mod overview;
mod snapshot;
pub mod status;
#[cfg(test)]
mod tests;
pub mod text;
mod wire;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

pub use error::ServeError;

use crate::normalize::Connectors;
use crate::policy::Policy;
use crate::store::Database;

/// What there is to read.
#[derive(Clone)]
pub struct Books {
    /// The state database.
    pub db: Database,
    /// The policy in force, for names, rates and units.
    pub policy: Arc<Policy>,
    /// The connectors in force, for names and topics.
    pub connectors: Arc<Connectors>,
}

struct Shared {
    books: Books,
    last: snapshot::Last,
}

/// Whether an instance lives, asked by whoever watches it.
pub fn health_router(books: Books) -> Router {
    Router::new().route("/healthz", get(health)).with_state(books)
}

/// The page and its API.
pub fn router(books: Books) -> Router {
    let shared = Arc::new(Shared { books, last: snapshot::Last::default() });
    Router::new()
        .route("/", get(assets::page))
        .route("/assets/{name}", get(assets::asset))
        .route("/v1/overview", get(overview_route))
        .route("/v1/status", get(status_route))
        .with_state(shared)
}

async fn overview_route(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Response, ServeError> {
    let made = shared.last.get(&shared.books).await?;
    if has_tag(&headers, &made.tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, made.tag)]).into_response());
    }
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::ETAG, made.tag),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    Ok((headers, made.json).into_response())
}

async fn status_route(State(shared): State<Arc<Shared>>) -> Result<Response, ServeError> {
    let mut tx = shared.books.db.snapshot().await?;
    let status = status::status(&mut tx).await?;
    Ok(Json(wire::StatusWire::of(&status)).into_response())
}

/// Whether this process answers and its database can be read.
async fn health(State(books): State<Books>) -> Result<&'static str, ServeError> {
    drop(books.db.snapshot().await?);
    Ok("ok\n")
}

/// Whether the asker has this version already.
fn has_tag(headers: &HeaderMap, tag: &str) -> bool {
    let asked = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    asked
        .is_some_and(|asked| asked.split(',').any(|one| one.trim().trim_start_matches("W/") == tag))
}
