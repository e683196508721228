//! Answers as Confluent's clients read them: JSON of their own media type, and for what is refused
//! a code of theirs with a message.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::domain::ids::ConnectorId;
use crate::store::StoreError;

/// The media type of every answer.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A JSON answer.
pub(super) struct Answer<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self.0).into_response();
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response
    }
}

/// What is refused: the status, and the code in the answer.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: u32,
    message: String,
}

#[derive(Serialize)]
struct Document {
    error_code: u32,
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let document = Document { error_code: self.code, message: self.message };
        let mut response = Answer(document).into_response();
        *response.status_mut() = self.status;
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Basic realm=\"zhibao\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl Refusal {
    fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(super) fn subject_unknown(subject: &str) -> Self {
        let message = format!("expected a subject with versions, found {:?}", clip(subject));
        Self::new(StatusCode::NOT_FOUND, 40401, message)
    }

    pub(super) fn version_unknown(subject: &str, version: u32) -> Self {
        let message = format!("expected a version of {}, found {version}", clip(subject));
        Self::new(StatusCode::NOT_FOUND, 40402, message)
    }

    pub(super) fn schema_unknown(found: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, 40403, format!("expected a known schema, found {found}"))
    }

    pub(super) fn schema_invalid(why: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, 42201, why)
    }

    pub(super) fn version_invalid(found: &str) -> Self {
        let message = format!("expected a version from 1 or latest, found {:?}", clip(found));
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, 42202, message)
    }

    pub(super) fn level_fixed(level: &str, found: &str) -> Self {
        let message = format!("expected {level}, which cannot be changed, found {:?}", clip(found));
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, 42203, message)
    }

    pub(super) fn subject_invalid(chars_max: usize) -> Self {
        let message = format!("expected a subject of 1 to {chars_max} printable characters");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, 42208, message)
    }

    pub(super) fn incompatible(reasons: &[String]) -> Self {
        let why = reasons.join("; ");
        let message = format!("expected a schema that reads what earlier versions wrote: {why}");
        Self::new(StatusCode::CONFLICT, 409, message)
    }

    pub(super) fn too_many(what: &str, max: usize) -> Self {
        let message = format!("expected at most {max} {what}, found as many already");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, 422, message)
    }

    pub(super) fn body(status: StatusCode, why: &str) -> Self {
        let message = format!("expected JSON with a schema, found something else: {why}");
        Self::new(status, u32::from(status.as_u16()), message)
    }

    pub(super) fn token(found: &str) -> Self {
        let message = format!(
            "expected the token of a connector, as a bearer token or as the password of the user \
             named as the connector, found {found}; send the one given at registration"
        );
        Self::new(StatusCode::UNAUTHORIZED, 40101, message)
    }

    pub(super) fn subject_of_others(connector: &ConnectorId, found: &str) -> Self {
        let message = format!(
            "expected a subject of the connector's own topic (raw.{connector}-…), found {:?}",
            clip(found)
        );
        Self::new(StatusCode::FORBIDDEN, 40301, message)
    }

    pub(super) fn route_unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, 404, "expected a route of the registry, found another")
    }

    pub(super) fn method_unknown() -> Self {
        let message = "expected a method that the route has, found another; nothing is deleted";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, 405, message)
    }
}

/// The cause stands in the log, where operators read it.
impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the schema registry failed");
        let message = "the registry cannot be read or written now; ask again later";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, 50001, message)
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

/// What a client wrote, cut to 80 characters.
fn clip(found: &str) -> String {
    found.chars().take(80).collect()
}
