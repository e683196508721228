//! A message: bytes as they came, and where in the log they stand.

use std::sync::Arc;

use super::ids::{ConnectorId, FeedId};
use super::time::Moment;

/// The position of one record in the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// `raw.<connector>`.
    pub topic: Arc<str>,
    /// Partition of the topic.
    pub partition: u32,
    /// Position in the partition.
    pub offset: u64,
}

/// One record of a raw topic as normalize sees it.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// The counterparty whose topic it is.
    pub connector: &'a ConnectorId,
    /// The feed named in the record's header; empty header means the connector's first feed.
    pub feed: &'a FeedId,
    /// For CSV: digest of the header line, stored once by intake.
    pub header_digest: Option<[u8; 32]>,
    /// Where it stands.
    pub source: Source,
    /// The log's append time; never decreasing within a partition.
    pub received_at: Moment,
    /// The record's own bytes (one JSON object, one CSV record, one Avro datum).
    pub value: &'a [u8],
}
