//! The log on Apache Kafka, or on brokers that speak its protocol (ADR 0010).
//!
//! Records lie in Kafka's topics, under its own retention. Progress of intake, the positions that
//! it was given, and header lines lie in the state database, since Kafka cannot look anything up by
//! name: they are written behind the records, so that a crash in between costs duplicates and never
//! a record. Positions that are applied are the database's alone; nothing is committed to Kafka.

pub mod acl;
mod brokers;
mod headers;
mod heard;
mod read;
mod settings;
#[cfg(test)]
pub(super) mod tests;
mod topics;
mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;

use self::brokers::Brokers;
use self::heard::Heard;
use self::read::{Place, Readers};
use self::topics::Topics;
use self::write::Writer;
use super::{
    Append, Appended, Batch, Extent, Headers, IntakeMark, Log, LogError, NewRecord, check_mark,
};
use crate::store::Database;
use crate::store::intake_marks::{self, StoredMark};

pub use self::settings::{KafkaClock, KafkaSettings, KafkaSettingsError};

/// The log on Kafka.
#[derive(Clone)]
pub struct KafkaLog {
    shared: Arc<Shared>,
}

struct Shared {
    settings: KafkaSettings,
    db: Database,
    brokers: Arc<Brokers>,
    topics: Topics,
    readers: Readers,
    writer: Writer,
    /// Partitions of topics that were asked for; they only ever become more.
    partitions: Mutex<HashMap<String, u32>>,
}

impl KafkaLog {
    /// Makes the clients; they connect by themselves when they are needed. `db` keeps the marks.
    ///
    /// # Errors
    /// [`LogError::Kafka`] where a property is none, or needs what the client was not built with.
    pub fn open(settings: KafkaSettings, db: Database) -> Result<Self, LogError> {
        let heard = Heard::default();
        let brokers = Arc::new(Brokers::new(&settings, &heard)?);
        let shared = Shared {
            topics: Topics::new(&settings, &heard)?,
            readers: Readers::new(&settings, Arc::clone(&brokers))?,
            writer: Writer::new(&settings, &heard)?,
            brokers,
            settings,
            db,
            partitions: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Of a replay nothing can be said: its times are those of another day.
    async fn find_retention(&self, topic: &str) -> Result<Option<i64>, LogError> {
        let retention_ms = self.shared.topics.check_settings(&self.named(topic)).await?;
        let is_live = self.shared.settings.clock == KafkaClock::Broker;
        Ok(Some(retention_ms).filter(|retention_ms| is_live && *retention_ms >= 0))
    }

    /// A topic's name at the brokers.
    fn named(&self, topic: &str) -> String {
        format!("{}{topic}", self.shared.settings.topic_prefix)
    }

    /// Work with the clients that blocks, off the threads that serve sockets.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || work(&shared)).await?
    }

    async fn make_topic(&self, topic: &str, partitions: u32) -> Result<(), LogError> {
        let mut found = self.ask_partitions(topic).await?;
        if found.is_none() {
            self.shared.topics.create(topic, partitions).await?;
            found = self.await_partitions(topic, 1).await?;
        }
        let topic = topic.to_owned();
        match found {
            Some(found) if found == partitions => {
                self.shared.topics.check_settings(&topic).await.map(|_| ())
            }
            Some(found) => Err(LogError::PartitionCount { topic, expected: partitions, found }),
            None => Err(LogError::TopicUnknown { topic }),
        }
    }

    async fn give_partitions(&self, topic: &str, partitions: u32) -> Result<(), LogError> {
        let mut found = self.ask_partitions(topic).await?;
        if found.is_some_and(|found| found < partitions) {
            self.shared.topics.grow(topic, partitions).await?;
            found = self.await_partitions(topic, partitions).await?;
        }
        let topic = topic.to_owned();
        match found {
            Some(found) if found >= partitions => Ok(()),
            Some(found) => Err(LogError::PartitionCount { topic, expected: partitions, found }),
            None => Err(LogError::TopicUnknown { topic }),
        }
    }

    /// A topic that was just made, or grown, is known so to each broker a moment later.
    async fn await_partitions(&self, topic: &str, least: u32) -> Result<Option<u32>, LogError> {
        let until = tokio::time::Instant::now() + self.shared.settings.answer_within;
        loop {
            let found = self.ask_partitions(topic).await?;
            let is_enough = found.is_some_and(|found| found >= least);
            if is_enough || tokio::time::Instant::now() >= until {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn ask_partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        let topic = topic.to_owned();
        self.blocking(move |shared| {
            let found = shared.brokers.partitions(&topic)?;
            let known = || shared.partitions.lock().unwrap_or_else(PoisonError::into_inner);
            let before = known().get(&topic).copied();
            // Before anybody takes the new ones for known.
            if before.is_some_and(|before| found > Some(before)) {
                shared.writer.learn(&topic)?;
            }
            match found {
                Some(count) => known().insert(topic, count),
                None => known().remove(&topic),
            };
            Ok(found)
        })
        .await
    }

    /// Refuses an append to a partition that is not there, before anything is sent.
    async fn check_partitions(&self, topic: &str, records: &[NewRecord]) -> Result<(), LogError> {
        let highest = records.iter().map(|record| record.partition).max();
        let needed = highest.map_or(0, |highest| highest.saturating_add(1));
        let known = {
            let known = self.shared.partitions.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(topic).copied()
        };
        if known.is_some_and(|known| known >= needed) {
            return Ok(());
        }
        let topic = topic.to_owned();
        match self.ask_partitions(&topic).await? {
            Some(found) if found >= needed => Ok(()),
            Some(found) => Err(LogError::PartitionCount { topic, expected: needed, found }),
            None => Err(LogError::TopicUnknown { topic }),
        }
    }

    async fn append_now(&self, append: Append) -> Result<Vec<Appended>, LogError> {
        let topic = self.named(&append.topic);
        self.check_partitions(&topic, &append.records).await?;
        let records_new = u64::try_from(append.records.len()).unwrap_or(u64::MAX);
        if let Some(mark) = &append.mark {
            let before = self.find_mark(&mark.source).await?.map_or(0, |mark| mark.records);
            check_mark(mark, before, records_new)?;
        }
        // Without a replay clock the time is the broker's, whatever a sender says.
        let replayed_at = match self.shared.settings.clock {
            KafkaClock::Broker => None,
            KafkaClock::Replay => append.received_at,
        };
        let headers = Headers { feed: append.feed, header_digest: append.header_digest };
        let headers = headers::written(&headers, replayed_at);
        let topic = Arc::<str>::from(topic);
        let sent = self.shared.writer.append(Arc::clone(&topic), headers, append.records);
        let given = sent.await?;
        for one in &given {
            self.shared.brokers.note_end(&topic, one.partition, one.offsets.end);
        }
        if let Some(mark) = append.mark {
            self.store_mark(&append.topic, &mark, records_new, &given).await?;
        }
        Ok(given)
    }

    async fn store_mark(
        &self,
        topic: &str,
        mark: &IntakeMark,
        records_new: u64,
        given: &[Appended],
    ) -> Result<(), LogError> {
        let stored = StoredMark {
            source: mark.source.clone(),
            bytes_in: mark.offset,
            records_in: mark.records,
            complete: mark.complete,
            digest: mark.digest,
        };
        let places = given.iter().map(|one| (one.partition, one.offsets.start, one.offsets.end));
        let places: Vec<_> = places.collect();
        let before = mark.records.saturating_sub(records_new);
        let mut tx = self.shared.db.begin().await?;
        if intake_marks::advance_mark(&mut tx, topic, &stored, before, &places).await? {
            return Ok(tx.commit().await?);
        }
        // Another instance appended from the same source meanwhile: what was appended here is there
        // twice, and apply will say so.
        let found = intake_marks::mark(&mut tx, &mark.source).await?;
        let found = found.map_or(0, |found| found.records_in);
        Err(LogError::MarkMoved { source_name: mark.source.clone(), expected: before, found })
    }

    async fn find_mark(&self, source: &str) -> Result<Option<IntakeMark>, LogError> {
        let mut tx = self.shared.db.snapshot().await?;
        let found = intake_marks::mark(&mut tx, source).await?;
        Ok(found.map(|found| IntakeMark {
            source: found.source,
            offset: found.bytes_in,
            records: found.records_in,
            complete: found.complete,
            digest: found.digest,
        }))
    }

    /// Positions that the log still has, of those that a source was given.
    async fn find_positions(&self, source: &str) -> Result<Vec<Appended>, LogError> {
        let mut tx = self.shared.db.snapshot().await?;
        let found = intake_marks::given(&mut tx, source).await?;
        drop(tx);
        let Some((topic, given)) = found else { return Ok(Vec::new()) };
        let extents = self.extents(&topic).await?;
        let is_kept = |partition: u32, next: u64| {
            let extent = extents.iter().find(|extent| extent.partition == partition);
            extent.is_some_and(|extent| next > extent.first)
        };
        let kept = given.into_iter().filter(|(partition, _, next)| is_kept(*partition, *next));
        Ok(kept
            .map(|(partition, first, next)| Appended { partition, offsets: first..next })
            .collect())
    }

    async fn drop_below(&self, topic: &str, partition: u32, before: u64) -> Result<(), LogError> {
        let (found, extent) = self.extent(topic, partition).await?;
        let (name, expected) = (topic.to_owned(), partition.saturating_add(1));
        let no_partition = LogError::PartitionCount { topic: name, expected, found };
        let extent = extent.ok_or(no_partition)?;
        let before = before.min(extent.next);
        if before > extent.first {
            self.shared.topics.delete_records((&self.named(topic), partition), before).await?;
        }
        let mut tx = self.shared.db.begin().await?;
        let first = before.max(extent.first);
        intake_marks::forget_given(&mut tx, topic, partition, first).await?;
        Ok(tx.commit().await?)
    }
}

impl Log for KafkaLog {
    fn ensure_topic<'a>(
        &'a self,
        topic: &'a str,
        partitions: u32,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move { self.make_topic(&self.named(topic), partitions).await })
    }

    fn grow_topic<'a>(
        &'a self,
        topic: &'a str,
        partitions: u32,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move { self.give_partitions(&self.named(topic), partitions).await })
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Vec<Appended>, LogError>> {
        Box::pin(self.append_now(append))
    }

    fn topic_id<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<String, LogError>> {
        let topic = self.named(topic);
        Box::pin(self.blocking(move |shared| shared.brokers.topic_id(&topic)))
    }

    fn extents<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Vec<Extent>, LogError>> {
        let topic = self.named(topic);
        Box::pin(self.blocking(move |shared| shared.brokers.extents(&topic)))
    }

    fn extent<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
    ) -> BoxFuture<'a, Result<(u32, Option<Extent>), LogError>> {
        let topic = self.named(topic);
        Box::pin(self.blocking(move |shared| {
            let count = shared.brokers.partitions(&topic)?;
            let count = count.ok_or_else(|| LogError::TopicUnknown { topic: topic.clone() })?;
            let asked = (partition < count).then(|| shared.brokers.extent(&topic, partition));
            Ok((count, asked.transpose()?))
        }))
    }

    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Batch, LogError>> {
        let topic = self.named(topic);
        Box::pin(self.blocking(move |shared| {
            shared.readers.read(Place { topic: &topic, partition, from }, bytes_max)
        }))
    }

    fn mark<'a>(&'a self, source: &'a str) -> BoxFuture<'a, Result<Option<IntakeMark>, LogError>> {
        Box::pin(self.find_mark(source))
    }

    fn positions<'a>(&'a self, source: &'a str) -> BoxFuture<'a, Result<Vec<Appended>, LogError>> {
        Box::pin(self.find_positions(source))
    }

    fn put_header<'a>(
        &'a self,
        digest: [u8; 32],
        line: &'a [u8],
    ) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            let mut tx = self.shared.db.begin().await?;
            intake_marks::put_header(&mut tx, digest, line).await?;
            Ok(tx.commit().await?)
        })
    }

    fn header(&self, digest: [u8; 32]) -> BoxFuture<'_, Result<Option<Vec<u8>>, LogError>> {
        Box::pin(async move {
            let mut tx = self.shared.db.snapshot().await?;
            Ok(intake_marks::header(&mut tx, digest).await?)
        })
    }

    fn retention_ms<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Option<i64>, LogError>> {
        Box::pin(self.find_retention(topic))
    }

    fn trim<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        before: u64,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(self.drop_below(topic, partition, before))
    }
}
