//! Intake: from files and over HTTP into the log. It authenticates, limits sizes, cuts streams
//! into records, gives each record a partition by its key, and appends; progress enters the log's
//! storage with the records, so that a killed intake goes on where it was.
//!
//! It does not judge records: what is wrong with one is normalize's matter, and an oversized or
//! malformed record is appended like any other, so that it is held with its bytes.

pub mod file;
pub mod framing;
pub mod http;
mod source;

use std::sync::Arc;

use crate::domain::ids::{ConnectorId, FeedId};
use crate::log::LogError;

/// A record on its way into the log.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Who sent it.
    pub connector: &'a ConnectorId,
    /// The feed it is of.
    pub feed: &'a FeedId,
    /// For CSV, the header line and its SHA-256 digest.
    pub header: Option<(&'a [u8], [u8; 32])>,
    /// Its bytes.
    pub value: &'a [u8],
}

/// Finds the key bytes whose hash decides the partition; for a record without a readable key, any
/// bytes that are always the same for it. The normalize engine gives it.
pub type Route = dyn Fn(&Arrival<'_>) -> Vec<u8> + Send + Sync;

/// How much enters the log with one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendLimits {
    /// Records of one append.
    pub records_max: usize,
    /// Record bytes of one append (one record may be more).
    pub bytes_max: usize,
}

impl Default for AppendLimits {
    fn default() -> Self {
        Self { records_max: 16_000, bytes_max: 6 << 20 }
    }
}

/// The topic that a connector's messages stand in.
#[must_use]
pub fn raw_topic(connector: &ConnectorId) -> Arc<str> {
    format!("raw.{connector}").into()
}

/// Why a source could not be taken in, or not whole. What was appended before stays.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The log failed; the same source again goes on after what is in.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The source cannot be cut into records.
    #[error(transparent)]
    Framing(#[from] framing::FramingError),
    /// The same source name was used for other bytes before.
    #[error(
        "intake source {source_name}: expected the bytes of its first {records} records as before, \
         found others"
    )]
    OtherContent {
        /// The source.
        source_name: String,
        /// Records that are in.
        records: u64,
    },
    /// A file cannot be read.
    #[error("file {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A file changed while it was taken in.
    #[error("file {path}: expected the same {bytes} bytes to its end, found others")]
    FileChanged {
        /// The file.
        path: String,
        /// Its size at first.
        bytes: u64,
    },
}
