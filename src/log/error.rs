//! Why the log cannot be used: each error says what was expected, what was found, and where.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::position::PositionLost;
use crate::store::{self, StoreError};

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The topic was never created.
    #[error(
        "topic {topic}: expected an existing topic, found none; create it by loading its connector"
    )]
    TopicUnknown {
        /// The topic.
        topic: String,
    },
    /// The topic exists with another number of partitions.
    #[error(
        "topic {topic}: expected {expected} partitions, found {found}; it gets more by \
         `zhibao topic grow` alone"
    )]
    PartitionCount {
        /// The topic.
        topic: String,
        /// What was asked for.
        expected: u32,
        /// What it has.
        found: u32,
    },
    /// The position was trimmed or never written.
    #[error(
        "topic {topic} partition {partition}: expected to read from {asked}, \
         found records {first}..{next}"
    )]
    OutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The position asked for.
        asked: u64,
        /// First that can be read.
        first: u64,
        /// Next to be written.
        next: u64,
    },
    /// Somebody else appended from the same intake source in between.
    #[error(
        "intake source {source_name}: expected {expected} records appended before, found {found}"
    )]
    MarkMoved {
        /// The source.
        source_name: String,
        /// Records that the caller took to be in.
        expected: u64,
        /// Records that are in.
        found: u64,
    },
    /// A stored batch does not read back as it was written.
    #[error(
        "topic {topic} partition {partition} position {offset}: stored batch is damaged: {detail}"
    )]
    Damaged {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// First position of the batch.
        offset: u64,
        /// What is wrong.
        detail: String,
    },
    /// The topic exists with a setting that loses messages or their time.
    #[error(
        "topic {topic}: expected {setting} {expected}, found {found}; set it with \
         `kafka-configs --alter`, or delete the topic where nothing was sent yet"
    )]
    TopicSetting {
        /// The topic.
        topic: String,
        /// The setting.
        setting: &'static str,
        /// What is needed.
        expected: String,
        /// What the broker says.
        found: String,
    },
    /// The brokers do not say which topic it is.
    #[error(
        "topic {topic}: expected an id from the brokers, found none; they must speak version 10 of \
         the metadata request (Apache Kafka 2.8 or newer)"
    )]
    NoTopicId {
        /// The topic.
        topic: String,
    },
    /// The broker did not answer within the time that one call has.
    #[error("kafka: {doing}: expected an answer within {waited_ms} ms, found none")]
    NoAnswer {
        /// What was asked.
        doing: String,
        /// How long was waited.
        waited_ms: u64,
    },
    /// The broker, or the way to it, failed.
    #[error("kafka: {doing}: {source}{heard}")]
    Kafka {
        /// What was asked.
        doing: String,
        /// The cause.
        source: Box<KafkaError>,
        /// What was last heard of the connections; empty where nothing was.
        heard: String,
    },
    /// The log is not the one that the position was counted in.
    #[error(transparent)]
    Position(#[from] PositionLost),
    /// The state database, where a log keeps its marks, failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A worker thread failed.
    #[error("a worker thread of the log failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
    /// The storage below failed.
    #[error("log storage: {0}")]
    Storage(#[from] sqlx::Error),
    /// Compression failed.
    #[error("log compression: {0}")]
    Compression(#[from] std::io::Error),
}

impl LogError {
    /// Whether asking again later may help without anybody's doing: brokers that are away, the
    /// database with a log's marks, or a disk that is full.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Kafka { source, .. } => !is_refusal(source),
            Self::NoAnswer { .. } => true,
            Self::Store(error) => error.is_passing(),
            Self::Storage(error) => store::is_passing(error),
            Self::TopicUnknown { .. }
            | Self::PartitionCount { .. }
            | Self::OutOfRange { .. }
            | Self::MarkMoved { .. }
            | Self::Damaged { .. }
            | Self::TopicSetting { .. }
            | Self::NoTopicId { .. }
            | Self::Position(_)
            | Self::Thread(_)
            | Self::Compression(_) => false,
        }
    }

    /// Whether one topic is not as it should be, and a person has to mend it: others can be read.
    #[must_use]
    pub fn is_of_one_topic(&self) -> bool {
        match self {
            Self::TopicUnknown { .. }
            | Self::PartitionCount { .. }
            | Self::OutOfRange { .. }
            | Self::Damaged { .. }
            | Self::TopicSetting { .. }
            | Self::Position(_) => true,
            Self::MarkMoved { .. }
            | Self::NoTopicId { .. }
            | Self::NoAnswer { .. }
            | Self::Kafka { .. }
            | Self::Store(_)
            | Self::Thread(_)
            | Self::Storage(_)
            | Self::Compression(_) => false,
        }
    }
}

/// Whether the brokers know who asks and say no, or do not believe who it is.
fn is_refusal(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
        )
    )
}
