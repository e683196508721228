//! The log in memory, with seeded faults, for simulation tests: an append may fail before or after
//! it took effect, or take effect long after it failed; a read may fail or return less than asked,
//! and every call may take virtual time.
//!
//! It keeps what it acknowledged, always; a failed append is in doubt, as with a real one. What it
//! ever took in can be looked at by those who hold others to it, trimmed or not.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Append, Appended, Batch, BatchRecord, Extent, Headers, IntakeMark, Log, LogError, check_mark,
};
use crate::domain::ids::FeedId;
use crate::domain::time::Moment;

/// How often things go wrong, each in calls of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Appends that fail and have no effect.
    pub append_lost: u32,
    /// Appends that take effect and fail.
    pub append_unanswered: u32,
    /// Appends without a mark that fail and take effect within [`LATE_MS_MAX`].
    pub append_late: u32,
    /// Reads, and looks at what there is, that fail.
    pub read_lost: u32,
    /// Reads that return less than asked (at least one record).
    pub read_short: u32,
    /// Highest virtual delay of a call, in milliseconds of the log's clock.
    pub delay_ms_max: u32,
}

/// How long after it failed an append may take effect, by the log's clock.
pub const LATE_MS_MAX: u32 = 1_800_000;

/// A log in memory; its clock moves by the delays of its calls, and as it is set.
pub struct SimulatedLog {
    stored: Arc<Mutex<Stored>>,
    faults: Mutex<Faults>,
    random: Mutex<ChaCha8Rng>,
}

/// A record that the log has, or had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its partition.
    pub partition: u32,
    /// Its feed.
    pub feed: FeedId,
    /// Its append time.
    pub received_at: Moment,
    /// Its own bytes.
    pub value: Vec<u8>,
}

#[derive(Default)]
struct Stored {
    now: i64,
    topics: HashMap<String, Vec<Partition>>,
    /// How often a topic was deleted: its identity.
    deleted: HashMap<String, u64>,
    marks: HashMap<String, (IntakeMark, Vec<(String, Appended)>)>,
    headers: BTreeMap<[u8; 32], Vec<u8>>,
    /// Appends that failed and take effect when the clock is past a moment.
    late: Vec<(i64, Append)>,
    /// Everything that was ever appended, by topic.
    history: BTreeMap<String, Vec<Kept>>,
}

#[derive(Default)]
struct Partition {
    first: u64,
    received_at: Option<Moment>,
    records: Vec<Record>,
}

#[derive(Clone)]
struct Record {
    received_at: Moment,
    headers: Headers,
    value: Vec<u8>,
}

impl Partition {
    fn next(&self) -> u64 {
        self.first + u64::try_from(self.records.len()).unwrap_or(u64::MAX)
    }
}

impl SimulatedLog {
    /// An empty log whose clock stands at `now`.
    #[must_use]
    pub fn new(seed: u64, faults: Faults, now: Moment) -> Self {
        let stored = Stored { now: now.ms(), ..Stored::default() };
        Self {
            stored: Arc::new(Mutex::new(stored)),
            faults: Mutex::new(faults),
            random: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
        }
    }

    /// The log after its process was started again: the same records, other faults.
    #[must_use]
    pub fn restart(&self, seed: u64, faults: Faults) -> Self {
        Self {
            stored: Arc::clone(&self.stored),
            faults: Mutex::new(faults),
            random: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
        }
    }

    /// The log's virtual clock.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment::from_ms(self.stored().now)
    }

    /// Sets the log's clock, which may go back: append times within a partition never do.
    pub fn set_clock(&self, now: Moment) {
        self.stored().now = now.ms();
    }

    /// Ends all faults; what was to take effect late does so now.
    ///
    /// # Errors
    /// [`LogError`] where an append can never take effect.
    pub fn settle(&self) -> Result<(), LogError> {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = Faults::default();
        self.stored().append_late(i64::MAX)
    }

    /// Drops the records below a position, whatever faults there are; gives how many that were.
    ///
    /// # Errors
    /// [`LogError`] where there is no such partition.
    pub fn trim_to(&self, topic: &str, partition: u32, before: u64) -> Result<u64, LogError> {
        let mut stored = self.stored();
        let first = stored.partition(topic, partition)?.first;
        stored.trim(topic, partition, before)?;
        Ok(stored.partition(topic, partition)?.first - first)
    }

    /// Everything that was ever appended to a topic, also what was trimmed since.
    #[must_use]
    pub fn history(&self, topic: &str) -> Vec<Kept> {
        self.stored().history.get(topic).cloned().unwrap_or_default()
    }

    /// Loses a record that nobody has read yet, though it was confirmed: what no log may do, so
    /// that whoever looks for losses can be seen to find one. Gives whether there was one.
    #[must_use]
    pub fn lose(&self, topic: &str, value: &[u8]) -> bool {
        let mut stored = self.stored();
        let mut lost = false;
        for partition in stored.topics.get_mut(topic).into_iter().flatten() {
            for record in partition.records.iter_mut().filter(|record| record.value == value) {
                // Positions stay: the record is there and says nothing.
                record.value = b"{}".to_vec();
                lost = true;
            }
        }
        lost
    }

    /// Deletes a topic, as an operator of a broker may; [`Log::ensure_topic`] makes another one.
    pub fn delete_topic(&self, topic: &str) {
        let mut stored = self.stored();
        if stored.topics.remove(topic).is_some() {
            *stored.deleted.entry(topic.to_owned()).or_default() += 1;
        }
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strikes(&self, per_mille: u32) -> bool {
        self.below(1000) < per_mille
    }

    fn below(&self, end: u32) -> u32 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..end.max(1))
    }

    fn faults(&self) -> Faults {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, after the call's virtual delay, and what took effect until then.
    fn enter(&self) -> MutexGuard<'_, Stored> {
        let delay = self.below(self.faults().delay_ms_max.saturating_add(1));
        let mut stored = self.stored();
        stored.now += i64::from(delay);
        let now = stored.now;
        // Whoever sent it has gone; what cannot be taken in is lost, as was said.
        drop(stored.append_late(now));
        stored
    }

    /// The state, for a call that only looks.
    fn look(&self, doing: &'static str) -> Result<MutexGuard<'_, Stored>, LogError> {
        let stored = self.enter();
        if self.strikes(self.faults().read_lost) {
            return Err(no_answer(doing));
        }
        Ok(stored)
    }

    fn append_now(&self, append: Append) -> Result<Vec<Appended>, LogError> {
        let faults = self.faults();
        let mut stored = self.enter();
        if self.strikes(faults.append_lost) {
            return Err(no_answer("append lost"));
        }
        if append.mark.is_none() && self.strikes(faults.append_late) {
            let due = stored.now + i64::from(self.below(LATE_MS_MAX));
            stored.late.push((due, append));
            return Err(no_answer("append late"));
        }
        let given = stored.append(append)?;
        if self.strikes(faults.append_unanswered) {
            return Err(no_answer("append unanswered"));
        }
        Ok(given)
    }

    fn read_now(
        &self,
        topic: &str,
        (partition, from): (u32, u64),
        bytes_max: usize,
    ) -> Result<Batch, LogError> {
        let stored = self.look("read")?;
        let place = stored.partition(topic, partition)?;
        let skip = from.checked_sub(place.first).and_then(|skip| usize::try_from(skip).ok());
        let Some(records) = skip.and_then(|skip| place.records.get(skip..)) else {
            return Err(LogError::OutOfRange {
                topic: topic.to_owned(),
                partition,
                asked: from,
                first: place.first,
                next: place.next(),
            });
        };
        let short = self.strikes(self.faults().read_short);
        Ok(batch_of(records, from, if short { 0 } else { bytes_max }))
    }
}

impl Stored {
    fn partitions(&self, topic: &str) -> Result<&Vec<Partition>, LogError> {
        self.topics.get(topic).ok_or_else(|| LogError::TopicUnknown { topic: topic.to_owned() })
    }

    fn partition(&self, topic: &str, partition: u32) -> Result<&Partition, LogError> {
        let partitions = self.partitions(topic)?;
        let place = usize::try_from(partition).unwrap_or(usize::MAX);
        partitions.get(place).ok_or_else(|| LogError::PartitionCount {
            topic: topic.to_owned(),
            expected: partition.saturating_add(1),
            found: u32::try_from(partitions.len()).unwrap_or(u32::MAX),
        })
    }

    fn append(&mut self, append: Append) -> Result<Vec<Appended>, LogError> {
        self.partitions(&append.topic)?;
        for record in &append.records {
            self.partition(&append.topic, record.partition)?;
        }
        let records_new = u64::try_from(append.records.len()).unwrap_or(u64::MAX);
        if let Some(mark) = &append.mark {
            let before = self.marks.get(&mark.source).map_or(0, |(mark, _)| mark.records);
            check_mark(mark, before, records_new)?;
        }
        // Nothing can fail from here on.
        let at = append.received_at.unwrap_or(Moment::from_ms(self.now));
        let headers = Headers { feed: append.feed, header_digest: append.header_digest };
        let mut given: BTreeMap<u32, Appended> = BTreeMap::new();
        let partitions = self.topics.entry(append.topic.to_string()).or_default();
        let history = self.history.entry(append.topic.to_string()).or_default();
        for record in append.records {
            let place = usize::try_from(record.partition).unwrap_or(usize::MAX);
            let Some(partition) = partitions.get_mut(place) else { continue };
            let offset = partition.next();
            let received_at = partition.received_at.map_or(at, |last| last.max(at));
            partition.received_at = Some(received_at);
            let value = record.value;
            history.push(Kept {
                partition: record.partition,
                feed: headers.feed.clone(),
                received_at,
                value: value.clone(),
            });
            partition.records.push(Record { received_at, headers: headers.clone(), value });
            given
                .entry(record.partition)
                .or_insert(Appended { partition: record.partition, offsets: offset..offset })
                .offsets
                .end = offset + 1;
        }
        let given: Vec<Appended> = given.into_values().collect();
        if let Some(mark) = append.mark {
            let source = mark.source.clone();
            let entry = self.marks.entry(source).or_insert_with(|| (mark.clone(), Vec::new()));
            entry.0 = mark;
            let topic = append.topic.to_string();
            entry.1.extend(given.iter().cloned().map(|one| (topic.clone(), one)));
        }
        Ok(given)
    }

    /// What failed and takes effect by `until` after all.
    fn append_late(&mut self, until: i64) -> Result<(), LogError> {
        if self.late.is_empty() {
            return Ok(());
        }
        let due: Vec<_> = self.late.extract_if(.., |(due, _)| *due <= until).collect();
        due.into_iter().try_for_each(|(_, append)| self.append(append).map(drop))
    }

    /// Drops the records that lie below `before`, and the positions given for them.
    fn trim(&mut self, topic: &str, partition: u32, before: u64) -> Result<(), LogError> {
        self.partition(topic, partition)?;
        let place = usize::try_from(partition).unwrap_or(usize::MAX);
        let Some(found) = self.topics.get_mut(topic).and_then(|all| all.get_mut(place)) else {
            return Ok(());
        };
        let first = before.clamp(found.first, found.next());
        let gone = usize::try_from(first - found.first).unwrap_or(usize::MAX);
        found.records.drain(..gone);
        found.first = first;
        for (_, given) in self.marks.values_mut() {
            given.retain(|(of, one)| {
                of != topic || one.partition != partition || one.offsets.end > first
            });
        }
        Ok(())
    }
}

impl SimulatedLog {
    /// How many partitions a topic has, as a producer learns it.
    pub fn partition_count(&self, topic: &str) -> u32 {
        let count = self.stored().topics.get(topic).map_or(0, Vec::len);
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

impl Log for SimulatedLog {
    fn ensure_topic<'a>(
        &'a self,
        topic: &'a str,
        partitions: u32,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        let mut stored = self.enter();
        let wanted = usize::try_from(partitions).unwrap_or(usize::MAX);
        let found = stored
            .topics
            .entry(topic.to_owned())
            .or_insert_with(|| (0..wanted).map(|_| Partition::default()).collect())
            .len();
        let result = if found == wanted {
            Ok(())
        } else {
            let found = u32::try_from(found).unwrap_or(u32::MAX);
            Err(LogError::PartitionCount { topic: topic.to_owned(), expected: partitions, found })
        };
        Box::pin(std::future::ready(result))
    }

    fn grow_topic<'a>(
        &'a self,
        topic: &'a str,
        partitions: u32,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        let wanted = usize::try_from(partitions).unwrap_or(usize::MAX);
        let grown = self.look("growing a topic").and_then(|mut stored| {
            let has = stored.partitions(topic)?.len();
            let all = stored.topics.entry(topic.to_owned()).or_default();
            all.resize_with(wanted.max(has), Partition::default);
            Ok(())
        });
        Box::pin(std::future::ready(grown))
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Vec<Appended>, LogError>> {
        Box::pin(std::future::ready(self.append_now(append)))
    }

    fn topic_id<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<String, LogError>> {
        let id = self.look("topic id").and_then(|stored| {
            let deleted = stored.deleted.get(topic).copied().unwrap_or_default();
            stored.partitions(topic).map(|_| format!("{topic}#{deleted}"))
        });
        Box::pin(std::future::ready(id))
    }

    fn extents<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Vec<Extent>, LogError>> {
        let extents = self.look("extents").and_then(|stored| {
            let partitions = stored.partitions(topic)?;
            let extents = (0..).zip(partitions).map(|(partition, place)| Extent {
                partition,
                first: place.first,
                next: place.next(),
            });
            Ok(extents.collect())
        });
        Box::pin(std::future::ready(extents))
    }

    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Batch, LogError>> {
        Box::pin(std::future::ready(self.read_now(topic, (partition, from), bytes_max)))
    }

    fn mark<'a>(&'a self, source: &'a str) -> BoxFuture<'a, Result<Option<IntakeMark>, LogError>> {
        let mark = self.enter().marks.get(source).map(|(mark, _)| mark.clone());
        Box::pin(std::future::ready(Ok(mark)))
    }

    fn positions<'a>(&'a self, source: &'a str) -> BoxFuture<'a, Result<Vec<Appended>, LogError>> {
        let stored = self.enter();
        let given = stored
            .marks
            .get(source)
            .map(|(_, given)| given.iter().map(|(_, one)| one.clone()).collect())
            .unwrap_or_default();
        Box::pin(std::future::ready(Ok(given)))
    }

    fn put_header<'a>(
        &'a self,
        digest: [u8; 32],
        line: &'a [u8],
    ) -> BoxFuture<'a, Result<(), LogError>> {
        self.enter().headers.insert(digest, line.to_vec());
        Box::pin(std::future::ready(Ok(())))
    }

    fn header(&self, digest: [u8; 32]) -> BoxFuture<'_, Result<Option<Vec<u8>>, LogError>> {
        Box::pin(std::future::ready(Ok(self.enter().headers.get(&digest).cloned())))
    }

    fn retention_ms<'a>(&'a self, _topic: &'a str) -> BoxFuture<'a, Result<Option<i64>, LogError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn trim<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        before: u64,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(std::future::ready(self.enter().trim(topic, partition, before)))
    }
}

fn batch_of(records: &[Record], from: u64, bytes_max: usize) -> Batch {
    let mut batch = Batch::default();
    for (offset, record) in (from..).zip(records) {
        let start = batch.bytes.len();
        if start + record.value.len() > bytes_max && !batch.records.is_empty() {
            break;
        }
        batch.bytes.extend_from_slice(&record.value);
        let known = batch.headers.iter().position(|known| *known == record.headers);
        let header = known.unwrap_or_else(|| {
            batch.headers.push(record.headers.clone());
            batch.headers.len() - 1
        });
        batch.records.push(BatchRecord {
            offset,
            received_at: record.received_at,
            header: u32::try_from(header).unwrap_or(u32::MAX),
            range: start..batch.bytes.len(),
        });
    }
    batch
}

/// What a caller sees is the same as from brokers that do not answer.
fn no_answer(doing: &'static str) -> LogError {
    LogError::NoAnswer { doing: doing.to_owned(), waited_ms: 0 }
}
