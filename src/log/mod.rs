//! The log: every message passes through it, and nothing above this trait knows which log it is.
//!
//! A log has topics, a topic has partitions, a partition is a sequence of records with positions
//! from 0 and an append time that never decreases. Positions applied live in the database, never
//! here. The log does not look into a record.

#[cfg(test)]
pub(crate) mod contract;
pub mod embedded;
mod error;
pub mod kafka;
pub mod position;
pub mod simulated;

use std::ops::Range;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::domain::ids::FeedId;
use crate::domain::time::Moment;

pub use self::error::LogError;

/// A record to append.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// The partition it goes to.
    pub partition: u32,
    /// What the partition was chosen by, for other readers of the topic; empty where there is none.
    /// A log that has no other readers drops it.
    pub key: Vec<u8>,
    /// The record's own bytes.
    pub value: Vec<u8>,
}

/// Records that one call appends.
#[derive(Clone, Debug)]
pub struct Append {
    /// The topic, which must exist.
    pub topic: Arc<str>,
    /// The feed that the records are of: the record header `feed`, which those of
    /// [none](crate::domain::ids::NO_FEED) have not.
    pub feed: FeedId,
    /// For CSV, the digest of the header line (see [`Log::put_header`]).
    pub header_digest: Option<[u8; 32]>,
    /// The records, in order.
    pub records: Vec<NewRecord>,
    /// Append time under a replay clock; `None` takes the log's own clock, as does a log whose
    /// broker keeps the clock.
    pub received_at: Option<Moment>,
    /// Progress of intake, stored once the records are.
    pub mark: Option<IntakeMark>,
}

/// How far an intake source has been appended. It is stored together with the records or behind
/// them, never before, so that a killed ingest goes on where it was and loses nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntakeMark {
    /// `file:<connector>:<feed>:<sha256>`, with `:2`, `:3`… where a file was asked for again, or
    /// `http:<connector>:<idempotency key>`.
    pub source: String,
    /// Bytes of the source that are appended.
    pub offset: u64,
    /// Records of the source that are appended.
    pub records: u64,
    /// Whether the source ended whole; a broken-off body never becomes true.
    pub complete: bool,
    /// SHA-256 of what is appended, as the source's kind of intake defines it: tells a resent
    /// source that goes on from another one under the same name.
    pub digest: [u8; 32],
}

/// Neighbouring positions that one append was given in one partition; several of these where
/// others appended in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The partition.
    pub partition: u32,
    /// Positions, half-open.
    pub offsets: Range<u64>,
}

/// One partition's extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The partition.
    pub partition: u32,
    /// First position that can still be read.
    pub first: u64,
    /// Position that the next record will have.
    pub next: u64,
}

/// One record of a batch: where its bytes are and what its headers say.
#[derive(Clone, Debug)]
pub struct BatchRecord {
    /// Position in the partition.
    pub offset: u64,
    /// Append time.
    pub received_at: Moment,
    /// Index into [`Batch::headers`].
    pub header: u32,
    /// Its bytes in [`Batch::bytes`].
    pub range: Range<usize>,
}

/// The headers that a run of records shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers {
    /// The feed.
    pub feed: FeedId,
    /// For CSV, the digest of the header line.
    pub header_digest: Option<[u8; 32]>,
}

/// Records read from one partition, in order. Positions may be missing between them (Kafka's
/// transactions take some, for markers and for what was taken back): go on behind the last record's
/// own position, and count records, never positions.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The records.
    pub records: Vec<BatchRecord>,
    /// Distinct headers.
    pub headers: Vec<Headers>,
    /// All bytes.
    pub bytes: Vec<u8>,
}

/// A partitioned log.
pub trait Log: Send + Sync {
    /// Creates the topic, or checks that it has this number of partitions.
    fn ensure_topic<'a>(
        &'a self,
        topic: &'a str,
        partitions: u32,
    ) -> BoxFuture<'a, Result<(), LogError>>;

    /// Gives the topic this number of partitions where it has fewer. Those that it has keep their
    /// records and positions.
    fn grow_topic<'a>(
        &'a self,
        topic: &'a str,
        partitions: u32,
    ) -> BoxFuture<'a, Result<(), LogError>>;

    /// Appends all records and stores the mark. The mark's `records` must be what the source had
    /// before plus the records of this call ([`LogError::MarkMoved`]). After an error some of the
    /// records may be in, without the mark: appending again makes duplicates of them, which apply
    /// recognises.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Vec<Appended>, LogError>>;

    /// What tells the topic from another one under its name: a topic that is deleted and created
    /// again has another.
    fn topic_id<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<String, LogError>>;

    /// Partitions with first and next position, in order of partition.
    fn extents<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Vec<Extent>, LogError>>;

    /// How many partitions the topic has, and one's first and next position; `None` where it has
    /// not as many.
    fn extent<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
    ) -> BoxFuture<'a, Result<(u32, Option<Extent>), LogError>> {
        Box::pin(async move {
            let extents = self.extents(topic).await?;
            let count = u32::try_from(extents.len()).unwrap_or(u32::MAX);
            let extent = extents.into_iter().find(|extent| extent.partition == partition);
            Ok((count, extent))
        })
    }

    /// Records from `from` on, up to about `bytes_max` bytes but at least one record where there
    /// is one; empty at the end of the partition.
    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Batch, LogError>>;

    /// The progress of an intake source, if it was ever seen.
    fn mark<'a>(&'a self, source: &'a str) -> BoxFuture<'a, Result<Option<IntakeMark>, LogError>>;

    /// Positions that the appends of one intake source were given, in order.
    fn positions<'a>(&'a self, source: &'a str) -> BoxFuture<'a, Result<Vec<Appended>, LogError>>;

    /// Stores a CSV header line under its SHA-256 digest.
    fn put_header<'a>(
        &'a self,
        digest: [u8; 32],
        line: &'a [u8],
    ) -> BoxFuture<'a, Result<(), LogError>>;

    /// The header lines that were stored, by digest.
    fn header(&self, digest: [u8; 32]) -> BoxFuture<'_, Result<Option<Vec<u8>>, LogError>>;

    /// How long the log keeps a record in milliseconds, whether it is applied or not; `None` where
    /// it drops nothing by itself.
    fn retention_ms<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Option<i64>, LogError>>;

    /// Drops records below `before`; positions never change.
    fn trim<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        before: u64,
    ) -> BoxFuture<'a, Result<(), LogError>>;
}

impl Batch {
    /// The bytes of one record.
    #[must_use]
    pub fn value(&self, record: &BatchRecord) -> &[u8] {
        self.bytes.get(record.range.clone()).unwrap_or_default()
    }

    /// Has the append times begin no earlier than `at` and never go back. A broker's clock may be
    /// set back, or another broker with another clock may take over; the time of what was applied
    /// last may not.
    pub fn not_before(&mut self, mut at: Moment) {
        for record in &mut self.records {
            at = at.max(record.received_at);
            record.received_at = at;
        }
    }
}

/// Refuses a mark that does not follow the records that its source has in the log.
fn check_mark(mark: &IntakeMark, before: u64, records_new: u64) -> Result<(), LogError> {
    let expected = mark.records.wrapping_sub(records_new);
    if expected == before {
        return Ok(());
    }
    Err(LogError::MarkMoved { source_name: mark.source.clone(), expected, found: before })
}

/// The partition that a key belongs to: Kafka's default partitioner (murmur2, positive, modulo).
#[must_use]
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

/// MurmurHash2 with Kafka's seed, so that platforms' own producers agree with us.
#[must_use]
pub fn murmur2(key: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    let mut chunks = key.chunks_exact(4);
    for chunk in &mut chunks {
        let mut word = [0; 4];
        word.copy_from_slice(chunk);
        let mut k = u32::from_le_bytes(word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::murmur2;

    #[test]
    fn murmur2_gives_what_kafka_gives() {
        // Values of Apache Kafka's own UtilsTest.testMurmur2, as signed integers.
        for (key, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), expected, "{key}");
        }
    }
}
