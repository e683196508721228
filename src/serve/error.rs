//! Why figures cannot be shown or exported.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::domain::money::MoneyError;
use crate::domain::time::Day;
use crate::levy::LevyError;
use crate::orders::CodecError;
use crate::store::StoreError;

/// Why figures cannot be shown or exported.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database failed or holds a damaged value.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is due cannot be computed from the counts.
    #[error(transparent)]
    Levy(#[from] LevyError),
    /// A sum left the range of money.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A stored segment of riders is damaged.
    #[error("riders of {topic} on {day}: {source}")]
    Riders {
        /// The topic.
        topic: String,
        /// The segment's day.
        day: Day,
        /// What is wrong with its bytes.
        source: CodecError,
    },
    /// The figures cannot be written as JSON.
    #[error("figures as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A problem document (RFC 9457). The cause stands in the log, where operators read it; it may name
/// what a reader of the page should not see.
impl IntoResponse for ServeError {
    fn into_response(self) -> Response {
        tracing::error!(error = %self, "figures cannot be shown");
        let document = json!({
            "type": "about:blank",
            "status": 500,
            "code": "figures.unavailable",
            "title": "the figures cannot be read",
            "title_zh": "暂时无法读取数据",
            "action": "look into the log of the hub",
        });
        (StatusCode::INTERNAL_SERVER_ERROR, Json(document)).into_response()
    }
}
