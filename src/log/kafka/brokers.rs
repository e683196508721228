//! What the brokers know of topics: partitions, extents, ids. Every call blocks: for threads that
//! may.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::KafkaSettings;
use super::heard::Heard;
use crate::log::{Extent, LogError};

/// How long a partition takes to get its leader, about.
const MOVED_WITHIN: Duration = Duration::from_millis(20);

/// How long is listened for what a client says of a call that has ended.
const HEARD_WITHIN: Duration = Duration::from_millis(10);

/// How long the id of a topic is not asked for again: an instance takes all of its partitions.
const ID_KEPT: Duration = Duration::from_secs(2);

/// A client that asks, and reads nothing.
pub(super) struct Brokers {
    client: BaseConsumer<Heard>,
    config: ClientConfig,
    pub(super) within: Duration,
    ids: Mutex<HashMap<String, (Instant, String)>>,
    /// Where partitions ended when that was last heard of, by topic.
    ends: Mutex<HashMap<String, HashMap<u32, u64>>>,
}

impl Brokers {
    pub(super) fn new(settings: &KafkaSettings, heard: &Heard) -> Result<Self, LogError> {
        let config = settings.consumer();
        let client = config.create_with_context(heard.clone());
        let client = client.map_err(|error| heard.error("making a client", error))?;
        Ok(Self {
            client,
            config,
            within: settings.answer_within,
            ids: Mutex::default(),
            ends: Mutex::default(),
        })
    }

    pub(super) fn heard(&self) -> &Heard {
        self.client.context()
    }

    /// A failure of a call, once what the client says of it has been heard.
    fn error(&self, doing: String, error: KafkaError) -> LogError {
        drop(self.client.poll(HEARD_WITHIN));
        self.heard().error(doing, error)
    }

    /// How many partitions a topic has; `None` where it does not exist.
    pub(super) fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        let failed = |error| self.error(format!("asking for topic {topic}"), error);
        let metadata = self.client.fetch_metadata(Some(topic), self.within).map_err(failed)?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Ok(None);
        };
        match found.error().map(RDKafkaErrorCode::from) {
            None => Ok(Some(u32::try_from(found.partitions().len()).unwrap_or(u32::MAX))),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                self.ids.lock().unwrap_or_else(PoisonError::into_inner).remove(topic);
                Ok(None)
            }
            Some(code) => Err(failed(KafkaError::MetadataFetch(code))),
        }
    }

    /// The id that the brokers gave a topic when it was made, as of a few seconds ago at most.
    pub(super) fn topic_id(&self, topic: &str) -> Result<String, LogError> {
        if self.partitions(topic)?.is_none() {
            return Err(LogError::TopicUnknown { topic: topic.to_owned() });
        }
        let ids = || self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((asked_at, id)) = ids().get(topic)
            && asked_at.elapsed() < ID_KEPT
        {
            return Ok(id.clone());
        }
        let asked_at = Instant::now();
        let id = self.ask_id(topic)?;
        ids().insert(topic.to_owned(), (asked_at, id.clone()));
        Ok(id)
    }

    /// Has a client say a topic's id: a new one, since one that knows the topic does not say it
    /// again.
    fn ask_id(&self, topic: &str) -> Result<String, LogError> {
        let doing = || format!("asking for the id of topic {topic}");
        let heard = Heard::default();
        let mut config = self.config.clone();
        config.set("debug", "topic").set_log_level(RDKafkaLogLevel::Debug);
        // One of a group says goodbye to it when it goes, and takes its time.
        config.remove("group.id");
        let client: BaseConsumer<Heard> = config
            .create_with_context(heard.clone())
            .map_err(|error| heard.error(doing(), error))?;
        let until = Instant::now() + self.within;
        if let Err(error) = client.fetch_metadata(Some(topic), self.within) {
            drop(client.poll(HEARD_WITHIN));
            return Err(heard.error(doing(), error));
        }
        while Instant::now() < until {
            drop(client.poll(HEARD_WITHIN));
            if let Some(id) = heard.topic_id(topic) {
                return Ok(id);
            }
        }
        Err(LogError::NoTopicId { topic: topic.to_owned() })
    }

    /// First and next position of every partition.
    pub(super) fn extents(&self, topic: &str) -> Result<Vec<Extent>, LogError> {
        let count = self.partitions(topic)?;
        let count = count.ok_or_else(|| LogError::TopicUnknown { topic: topic.to_owned() })?;
        (0..count).map(|partition| self.extent(topic, partition)).collect()
    }

    /// First and next position of a partition, as a reader of committed records sees them.
    pub(super) fn extent(&self, topic: &str, partition: u32) -> Result<Extent, LogError> {
        let until = Instant::now() + self.within;
        let found = loop {
            let found = self.client.fetch_watermarks(topic, signed(partition), self.within);
            match found {
                Err(error)
                    if Instant::now() < until && self.is_coming(&error, topic, partition) =>
                {
                    std::thread::sleep(MOVED_WITHIN);
                }
                found => break found,
            }
        };
        let (first, next) = found.map_err(|error| self.no_extent(error, topic, partition))?;
        let [first, next] = [first, next].map(|at| u64::try_from(at).unwrap_or(0));
        self.note_end(topic, partition, next);
        Ok(Extent { partition, first, next })
    }

    /// Notes where a partition ends now.
    pub(super) fn note_end(&self, topic: &str, partition: u32, end: u64) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(of_topic) = ends.get_mut(topic) else {
            ends.insert(topic.to_owned(), HashMap::from([(partition, end)]));
            return;
        };
        let known = of_topic.entry(partition).or_default();
        *known = end.max(*known);
    }

    /// Forgets where a partition ended: it is shorter by now, or another one.
    pub(super) fn forget_end(&self, topic: &str, partition: u32) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_topic) = ends.get_mut(topic) {
            of_topic.remove(&partition);
        }
    }

    /// Whether a partition is known to go on at a position.
    pub(super) fn goes_beyond(&self, topic: &str, partition: u32, position: u64) -> bool {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.get(topic).and_then(|ends| ends.get(&partition)).is_some_and(|end| *end > position)
    }

    /// Whether a partition that exists will have an extent in a moment: it is on its way to a
    /// leader, or a broker that has just started does not know it yet.
    fn is_coming(&self, error: &KafkaError, topic: &str, partition: u32) -> bool {
        let exists = || matches!(self.partitions(topic), Ok(Some(found)) if found > partition);
        is_moving(error) || (is_unknown(error) && exists())
    }

    /// The error of a partition without an extent.
    fn no_extent(&self, error: KafkaError, topic: &str, partition: u32) -> LogError {
        let expected = partition.saturating_add(1);
        let doing = format!("asking for the extent of topic {topic} partition {partition}");
        if !is_unknown(&error) {
            return self.error(doing, error);
        }
        let topic = topic.to_owned();
        match self.partitions(&topic) {
            Ok(None) => LogError::TopicUnknown { topic },
            Ok(Some(found)) if found < expected => {
                LogError::PartitionCount { topic, expected, found }
            }
            Ok(Some(_)) => self.error(doing, error),
            Err(error) => error,
        }
    }
}

/// Whether a broker says that there is no such partition.
fn is_unknown(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
        )
    )
}

/// Whether a partition is on its way to a leader: newly made, or taken over from another broker.
fn is_moving(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::ReplicaNotAvailable
        )
    )
}

/// A partition as the client library numbers it.
pub(super) fn signed(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}
