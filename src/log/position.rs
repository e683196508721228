//! Whether a log is still the one that a position was counted in, before anything is read from
//! there. A log that was replaced, cut short or trimmed too far would otherwise be taken for the
//! old one, and messages would be skipped in silence or applied as if they were others.
//!
//! Nothing here mends anything: a lost position stops its partition until a person decides.

#[cfg(test)]
mod tests;

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Batch, BatchRecord, Extent, Log, LogError};

/// How long a broker may need to hear that a topic has grown: so many looks, so far apart.
const HEARD_TRIES: u32 = 20;
const HEARD_PAUSE: Duration = Duration::from_millis(500);

/// What to do about a log that is another one; the end of every message.
const DO_WHAT: &str = "bring back the log that this position was counted in, or feed the messages \
                       again into a new state database";

/// A partition's place in the log as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// [`Log::topic_id`] when the topic was registered; `None` where it was never known.
    pub topic_id: Option<String>,
    /// How many partitions the topic had.
    pub partitions: u32,
    /// Position after the last applied record.
    pub next_offset: u64,
    /// [`digest_of`] the last applied record; `None` where none was applied, or none was kept.
    pub last_digest: Option<[u8; 32]>,
}

/// Why a position means nothing in this log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PositionLost {
    /// The topic was deleted and created again.
    #[error(
        "topic {topic}: expected the topic with id {expected}, found one with id {found}; {}",
        DO_WHAT
    )]
    OtherTopic {
        /// The topic.
        topic: String,
        /// The id that the database has.
        expected: String,
        /// The id that the log has.
        found: String,
    },
    /// The topic was deleted.
    #[error("topic {topic}: expected the topic with id {expected}, found none; {}", DO_WHAT)]
    NoTopic {
        /// The topic.
        topic: String,
        /// The id that the database has.
        expected: String,
    },
    /// The topic lost partitions.
    #[error("topic {topic}: expected {expected} partitions or more, found {found}; {}", DO_WHAT)]
    FewerPartitions {
        /// The topic.
        topic: String,
        /// How many it had.
        expected: u32,
        /// How many it has.
        found: u32,
    },
    /// Records that were never applied are gone.
    #[error(
        "topic {topic} partition {partition}: expected records from position {next_offset} \
        on, found the first at {first}: {missing} positions were trimmed \
        before they were applied; {}",
        DO_WHAT
    )]
    Trimmed {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Where to go on.
        next_offset: u64,
        /// First position that can still be read.
        first: u64,
        /// How many lie between.
        missing: u64,
    },
    /// The log ends before what was applied from it.
    #[error(
        "topic {topic} partition {partition}: expected {next_offset} positions or more, \
        found {next}: applied records are no longer in the log; {}",
        DO_WHAT
    )]
    EndsBefore {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Where to go on.
        next_offset: u64,
        /// Position that the next record will have.
        next: u64,
    },
    /// Where the last applied record was stands something else.
    #[error(
        "topic {topic} partition {partition} position {offset}: expected the record that \
        was applied last, found {found}; {}",
        DO_WHAT
    )]
    OtherRecord {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Its position.
        offset: u64,
        /// `another record` or `no record`.
        found: &'static str,
    },
}

/// Holds the id that a topic was registered under against the log.
///
/// # Errors
/// [`LogError::Position`] where the log has no such topic, or another one under its name; another
/// [`LogError`] where it cannot be asked.
pub async fn check_topic(log: &dyn Log, topic: &str, log_id: &str) -> Result<(), LogError> {
    let (topic, expected) = (topic.to_owned(), log_id.to_owned());
    match log.topic_id(&topic).await {
        Ok(found) if found == expected => Ok(()),
        Ok(found) => Err(PositionLost::OtherTopic { topic, expected, found }.into()),
        Err(LogError::TopicUnknown { .. }) => Err(PositionLost::NoTopic { topic, expected }.into()),
        Err(error) => Err(error),
    }
}

/// Holds a position against the log.
///
/// # Errors
/// [`LogError::Position`] where the log is another one, or no longer has what is to be read next;
/// another [`LogError`] where it cannot be asked.
pub async fn check_position(
    log: &dyn Log,
    (topic, partition): (&str, u32),
    position: &Position,
) -> Result<(), LogError> {
    if let Some(log_id) = &position.topic_id {
        check_topic(log, topic, log_id).await?;
    }
    let (mut count, mut extent) = log.extent(topic, partition).await?;
    for _ in 0..HEARD_TRIES {
        // A topic of the same id never shrinks: whoever was asked has not heard of its growth yet.
        if position.topic_id.is_none() || count >= position.partitions {
            break;
        }
        tokio::time::sleep(HEARD_PAUSE).await;
        (count, extent) = log.extent(topic, partition).await?;
    }
    let Some(extent) = extent.filter(|_| count >= position.partitions) else {
        let (topic, expected) = (topic.to_owned(), position.partitions);
        return Err(PositionLost::FewerPartitions { topic, expected, found: count }.into());
    };
    check_extent(topic, extent, position.next_offset)?;
    let Some(digest) = position.last_digest else { return Ok(()) };
    let Some(last) = position.next_offset.checked_sub(1) else { return Ok(()) };
    // Trimmed up to the position: only the topic's id can tell, and it did.
    if extent.first > last {
        return Ok(());
    }
    let batch = match log.read(topic, partition, last, 1).await {
        Ok(batch) => batch,
        // Trimmed between the two looks.
        Err(LogError::OutOfRange { first, .. }) if first == position.next_offset => return Ok(()),
        Err(error) => return Err(error),
    };
    let found = match batch.records.first().filter(|record| record.offset == last) {
        Some(record) if digest_of(&batch, record) == digest => return Ok(()),
        Some(_) => "another record",
        None => "no record",
    };
    let topic = topic.to_owned();
    Err(PositionLost::OtherRecord { topic, partition, offset: last, found }.into())
}

fn check_extent(topic: &str, extent: Extent, next_offset: u64) -> Result<(), PositionLost> {
    let (topic, partition) = (topic.to_owned(), extent.partition);
    if extent.first > next_offset {
        let (first, missing) = (extent.first, extent.first - next_offset);
        return Err(PositionLost::Trimmed { topic, partition, next_offset, first, missing });
    }
    if extent.next < next_offset {
        let next = extent.next;
        return Err(PositionLost::EndsBefore { topic, partition, next_offset, next });
    }
    Ok(())
}

/// What identifies a record where it stands: SHA-256 of feed, header digest and bytes. Its append
/// time is left out, since it depends on the clock that the hub was started with.
#[must_use]
pub fn digest_of(batch: &Batch, record: &BatchRecord) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let header = usize::try_from(record.header).ok().and_then(|n| batch.headers.get(n));
    if let Some(header) = header {
        hasher.update(header.feed.as_str().as_bytes());
        hasher.update([0]);
        if let Some(digest) = header.header_digest {
            hasher.update(digest);
        }
    }
    hasher.update([0]);
    hasher.update(batch.value(record));
    hasher.finalize().into()
}
