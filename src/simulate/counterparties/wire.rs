//! The contract as the counterparty reads it: field names of `schemas/openapi`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A record of the hub.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) key: String,
    pub(super) seq: u64,
    pub(super) revision: u32,
    pub(super) caused_at: String,
    pub(super) content: Box<RawValue>,
}

/// The answer to one record.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RecordAnswer {
    pub(super) id: String,
    pub(super) result: &'static str,
    pub(super) code: Option<&'static str>,
}

/// The answer to a request that failed as a whole.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) detail: String,
}

/// An acknowledgement message.
#[derive(Debug, Serialize)]
pub(super) struct Acknowledgement {
    pub(super) record: String,
    pub(super) result: &'static str,
    pub(super) code: Option<&'static str>,
    pub(super) at: String,
}

/// The place in the list of acknowledgements that a reader is at.
#[derive(Debug, Deserialize)]
pub(super) struct AckQuery {
    #[serde(default)]
    pub(super) after: u64,
    #[serde(default = "acks_max")]
    pub(super) limit: u32,
}

const fn acks_max() -> u32 {
    1000
}
