//! The schema registry, as Confluent's clients ask it over HTTP: register, look up, by number, by
//! version.
//!
//! Numbers never change their meaning and nothing is ever deleted. A version is taken where it
//! reads what every version before it wrote (backward, transitive); that rule cannot be set.
//! Reading is open, as the page is: schemas say nothing of persons. Who adds a schema, or has
//! schemas compared, shows the token of a connector, and adds to the subjects of that connector's
//! topic alone. Not here: JSON and Protobuf schemas, references between schemas, deletion.

mod access;
mod answer;
pub mod client;
mod routes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

pub use access::Writer;

use crate::schema::text::SchemaText;
use crate::store::schemas::Version;
use crate::store::{Database, StoreError};

/// Bytes of a request: a schema as a JSON text within JSON.
const BODY_BYTES_MAX: usize = 256 << 10;
/// Versions of one subject: each new one is held against all of them.
const VERSIONS_MAX: usize = 100;
/// Subjects of one connector's topic.
const SUBJECTS_MAX: usize = 64;
/// Characters of a subject: a topic's 249 with what its clients add.
const SUBJECT_CHARS_MAX: usize = 512;

/// What the registry needs.
pub struct Registry {
    /// The state database.
    pub db: Database,
    /// Who may add schemas.
    pub writers: Vec<Writer>,
    /// What the names of topics on Kafka begin with, and with them those of subjects.
    pub topic_prefix: String,
}

/// The routes below `/registry`.
pub fn router(registry: Registry) -> Router {
    let routes = Router::new()
        .route("/subjects", get(routes::subjects))
        .route("/subjects/{subject}", post(routes::look_up))
        .route("/subjects/{subject}/versions", get(routes::versions).post(routes::register))
        .route("/subjects/{subject}/versions/{version}", get(routes::version))
        .route("/schemas/types", get(routes::types))
        .route("/schemas/ids/{id}", get(routes::by_id))
        .route("/schemas/ids/{id}/versions", get(routes::uses))
        .route("/config", get(routes::level).put(routes::set_level))
        .route("/config/{subject}", get(routes::level).put(routes::set_level))
        .route("/compatibility/subjects/{subject}/versions", post(routes::compare_all))
        .route("/compatibility/subjects/{subject}/versions/{version}", post(routes::compare))
        .fallback(routes::no_route)
        .method_not_allowed_fallback(routes::no_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(registry));
    Router::new().nest("/registry", routes)
}

/// Why a schema does not read what some versions wrote; empty where it does.
///
/// # Errors
/// [`StoreError::Damaged`] where a stored text is no schema.
pub fn breaks(schema: &SchemaText, versions: &[Version]) -> Result<Vec<String>, StoreError> {
    let mut reasons = Vec::new();
    for Version { version, body, .. } in versions {
        let earlier = SchemaText::parse(body).map_err(|error| StoreError::Damaged {
            what: "registry_schema.body",
            detail: error.to_string(),
        })?;
        reasons.extend(schema.breaks(&earlier).map(|why| format!("version {version}: {why}")));
    }
    Ok(reasons)
}

/// The number of the version that comes after these.
#[must_use]
pub fn next_version(versions: &[Version]) -> u32 {
    versions.last().map_or(1, |last| last.version.saturating_add(1))
}
