//! Reading the topics from their beginning to the ends that they had at the start.

use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::orders::PLATFORMS;

const PATIENCE: Duration = Duration::from_secs(30);

/// One partition with something in it.
#[derive(Clone, Debug)]
struct Place {
    platform: usize,
    topic: String,
    partition: i32,
    end: i64,
}

/// Why the input cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("the broker answers: {0}")]
    Kafka(#[from] KafkaError),
    #[error(
        "expected messages within {PATIENCE:?}, found none: {left} partitions are not at their end"
    )]
    Silent { left: usize },
}

/// The input, in as many shares as threads will read it.
pub(crate) struct Shares {
    brokers: String,
    shares: Vec<Vec<Place>>,
}

/// One share: a client of its own with some of the partitions.
pub(crate) struct Reader {
    consumer: BaseConsumer,
    places: Vec<Place>,
    left: usize,
}

fn client(brokers: &str) -> Result<BaseConsumer, KafkaError> {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "zhibao-bench")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("fetch.message.max.bytes", "4194304")
        .set("fetch.max.bytes", "67108864")
        .set("fetch.min.bytes", "262144")
        .set("queued.min.messages", "100000")
        .set("queued.max.messages.kbytes", "131072")
        .create()
}

impl Shares {
    /// Deals the partitions of all platforms out to so many readers, the fullest first.
    pub(crate) fn of(brokers: &str, prefix: &str, readers: usize) -> Result<Self, InputError> {
        let consumer = client(brokers)?;
        let mut places = Vec::new();
        for (platform, name) in PLATFORMS.iter().enumerate() {
            let topic = format!("{prefix}{name}");
            let metadata = consumer.fetch_metadata(Some(&topic), PATIENCE)?;
            for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
                let partition = partition.id();
                let (_, end) = consumer.fetch_watermarks(&topic, partition, PATIENCE)?;
                if end > 0 {
                    places.push(Place { platform, topic: topic.clone(), partition, end });
                }
            }
        }
        places.sort_by_key(|place| std::cmp::Reverse(place.end));
        let mut shares = vec![Vec::new(); readers];
        for place in places {
            let messages =
                |share: &&mut Vec<Place>| share.iter().map(|place| place.end).sum::<i64>();
            if let Some(share) = shares.iter_mut().min_by_key(messages) {
                share.push(place);
            }
        }
        Ok(Self { brokers: brokers.to_owned(), shares })
    }

    /// The readers.
    pub(crate) fn readers(self) -> Result<Vec<Reader>, InputError> {
        let Self { brokers, shares } = self;
        shares.into_iter().map(|places| Reader::new(&brokers, places)).collect()
    }
}

impl Reader {
    fn new(brokers: &str, mut places: Vec<Place>) -> Result<Self, InputError> {
        let consumer = client(brokers)?;
        let mut list = TopicPartitionList::new();
        for place in &places {
            list.add_partition_offset(&place.topic, place.partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        places.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        let left = places.len();
        Ok(Self { consumer, places, left })
    }

    /// Gives each message with the number of its platform to `see`.
    pub(crate) fn read_all<E: From<InputError>>(
        &mut self,
        mut see: impl FnMut(usize, &BorrowedMessage<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut messages = 0;
        // Messages of a partition come many at a time.
        let mut last = 0;
        while self.left > 0 {
            let Some(message) = self.consumer.poll(PATIENCE) else {
                return Err(InputError::Silent { left: self.left }.into());
            };
            let message = message.map_err(InputError::Kafka)?;
            if !self.places.get(last).is_some_and(|place| place.is_of(&message)) {
                last = self.places.iter().position(|place| place.is_of(&message)).unwrap_or(last);
            }
            let Some(place) = self.places.get(last) else { continue };
            see(place.platform, &message)?;
            messages += 1;
            if message.offset() + 1 >= place.end {
                self.left -= 1;
            }
        }
        Ok(messages)
    }
}

impl Place {
    fn is_of(&self, message: &BorrowedMessage<'_>) -> bool {
        self.partition == message.partition() && self.topic == message.topic()
    }
}
