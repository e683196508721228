//! What all owners of partitions share: database, log, versions of manifests and policy, keys.

use std::sync::Arc;

use crate::domain::ids::ConnectorId;
use crate::domain::time::Moment;
use crate::log::{Log, LogError};
use crate::normalize::{Connectors, TokenKeys};
use crate::orders::identity::FingerprintKey;
use crate::orders::segment::SegmentError;
use crate::policy::Policy;
use crate::store::positions::{Lease, PartitionKey};
use crate::store::{Database, StoreError};

use super::{ApplyError, Scope};
use crate::store::cipher::FieldCipher;

/// Limits of the applying side; each with its unit.
#[derive(Clone, Copy, Debug)]
pub struct ApplySettings {
    /// Bytes read from the log for one batch.
    pub batch_bytes_max: usize,
    /// How long a lease lasts without a batch.
    pub lease_ms: i64,
    /// Adjacent segments of one size class that are joined.
    pub merge_segments_min: usize,
    /// Rows that a joined segment has at most.
    pub merge_rows_max: u64,
    /// Early segments with nothing left in them that are deleted together.
    pub early_segments_done_min: usize,
    /// How often late events are run, by the partition's clock.
    pub late_run_every_ms: i64,
    /// Where more than so many bytes wait for another partition, a batch that would leave more
    /// does not commit until that one's owner has drained them.
    pub handoff_bytes_max: u64,
    /// Whether what is applied is kept until it is published to the canonical topics.
    pub canonical_topics: bool,
    /// Of how many messages the share is taken that is held for a reason new to the connector.
    pub held_window: u64,
    /// Where more percent of them are held (`held_share_max`), the connector is paused.
    pub held_percent_max: u64,
}

impl Default for ApplySettings {
    fn default() -> Self {
        Self {
            batch_bytes_max: 4 << 20,
            lease_ms: 3_000,
            merge_segments_min: 4,
            merge_rows_max: 8_192,
            early_segments_done_min: 8,
            late_run_every_ms: 3_600_000,
            handoff_bytes_max: 64 << 20,
            canonical_topics: true,
            held_window: 10_000,
            held_percent_max: 20,
        }
    }
}

/// What every owner works with.
pub struct Engine {
    /// The state database.
    pub db: Database,
    /// The log.
    pub log: Arc<dyn Log>,
    /// Manifests in force.
    pub connectors: Arc<Connectors>,
    /// Rules in force.
    pub policy: Arc<Policy>,
    /// Versions of both as the database numbers them: `manifests:N policy:M`.
    pub versions: String,
    /// Number of the manifests' version.
    pub manifest_version: u32,
    /// Makes worker and person tokens.
    pub tokens: Arc<TokenKeys>,
    /// Seals clear identity.
    pub cipher: Arc<FieldCipher>,
    /// Keys the order numbers' fingerprints.
    pub fingerprint_key: FingerprintKey,
    /// This instance, as leases name it.
    pub owner: String,
    /// Wall clock for leases; never for a rule.
    pub clock: Arc<dyn Fn() -> Moment + Send + Sync>,
    /// Limits.
    pub settings: ApplySettings,
}

impl Engine {
    /// What this instance claims a partition for.
    #[must_use]
    pub fn lease(&self) -> Lease<'_> {
        let lease_ms = self.settings.lease_ms;
        Lease { owner: &self.owner, lease_ms, process_now: (self.clock)() }
    }

    /// Whether a moment of the own clock is less than a third of a lease ago, so that what was
    /// heard then still holds.
    #[must_use]
    pub fn is_recent(&self, at: Moment) -> bool {
        // A clock that was set back says nothing.
        (0..self.settings.lease_ms / 3).contains(&(self.clock)().since_ms(at))
    }

    /// What applying functions may look at.
    #[must_use]
    pub fn scope(&self) -> Scope<'_> {
        Scope { policy: &self.policy, cipher: &self.cipher }
    }
}

/// Why an owner cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Applying failed; the batch rolled back.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A stored segment cannot be read or written.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A stored column cannot be read.
    #[error("stored index: {0}")]
    Codec(#[from] crate::orders::CodecError),
    /// The topic belongs to no connector of the version in force.
    #[error("topic {topic}: expected a connector of the manifests in force, found none")]
    NoConnector {
        /// The topic.
        topic: String,
    },
    /// A worker thread panicked.
    #[error("a worker thread failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl EngineError {
    /// As [`StoreError::is_passing`]: whoever owns the partition drops its memory and claims again.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Apply(error) if error.is_passing())
    }

    /// Whether the cause lies in the messages of the batch: others may be applied.
    #[must_use]
    pub fn is_of_the_messages(&self) -> bool {
        match self {
            Self::Apply(error) => error.is_of_the_messages(),
            Self::Thread(error) => error.is_panic(),
            Self::Log(_) | Self::Segment(_) | Self::Codec(_) | Self::NoConnector { .. } => false,
        }
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        Self::Apply(error.into())
    }
}

impl From<sqlx::Error> for EngineError {
    fn from(error: sqlx::Error) -> Self {
        Self::Apply(error.into())
    }
}

impl From<std::io::Error> for EngineError {
    fn from(error: std::io::Error) -> Self {
        Self::Segment(error.into())
    }
}

/// The raw topic of a connector.
#[must_use]
pub fn topic_of(connector: &ConnectorId) -> String {
    format!("raw.{connector}")
}

/// The connector of a raw topic.
#[must_use]
pub fn connector_of(key: &PartitionKey) -> Option<ConnectorId> {
    ConnectorId::new(key.topic.strip_prefix("raw.")?).ok()
}
