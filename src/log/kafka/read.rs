//! Reading: one consumer, partitions assigned by hand, a queue of its own for each partition that
//! is read from. Bounded: so many partitions at once, and so much waiting for each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};

use super::brokers::{Brokers, signed};
use super::heard::Heard;
use super::{KafkaClock, KafkaSettings, headers};
use crate::domain::time::Moment;
use crate::log::{Batch, BatchRecord, Extent, Headers, LogError};

/// How long one wait for records lasts before the end of the partition is looked at.
const WAIT: Duration = Duration::from_millis(50);

/// How long a partition that is being fetched from is taken to end where it did: what comes later
/// comes by itself, and what this log appends is known.
const END_KEPT: Duration = Duration::from_secs(5);

/// How long a batch that has records waits for more that are known to be there.
const MORE_WITHIN: Duration = Duration::from_millis(20);

/// Where to read.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: u32,
    pub(super) from: u64,
}

/// The reading half of a log.
pub(super) struct Readers {
    consumer: Arc<BaseConsumer<Heard>>,
    brokers: Arc<Brokers>,
    clock: KafkaClock,
    readers_max: usize,
    open: Mutex<Open>,
}

/// When a reader was last used, in reads, and the reader.
type Used = (u64, Arc<Mutex<Reader>>);

#[derive(Default)]
struct Open {
    readers: HashMap<(String, u32), Used>,
    reads: u64,
}

/// What a partition's queue gives next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gives {
    /// Nothing that is known: it has to be told a position.
    Unknown,
    /// What is there from a position on that it was told; it has given nothing since.
    From(u64),
    /// What follows what it gave last, or what it was waited for in vain.
    Next(u64),
}

/// One partition under reading.
struct Reader {
    consumer: Arc<BaseConsumer<Heard>>,
    brokers: Arc<Brokers>,
    clock: KafkaClock,
    queue: Arc<PartitionQueue<Heard>>,
    topic: String,
    partition: u32,
    is_assigned: bool,
    has_left: bool,
    gives: Gives,
    /// End of the partition when it was last heard of.
    end: u64,
    /// When that was; `None` where it is not believed.
    end_heard_at: Option<Instant>,
    /// Whether the queue said, behind what it gave last, that the partition ends there. It says so
    /// once; it may be older than records that are there by now.
    saw_end: bool,
    /// End of the partition up to which nothing but markers is left.
    drained: Option<u64>,
}

impl Readers {
    pub(super) fn new(settings: &KafkaSettings, brokers: Arc<Brokers>) -> Result<Self, LogError> {
        let heard = brokers.heard();
        let consumer = settings.consumer().create_with_context(heard.clone());
        let consumer: BaseConsumer<Heard> =
            consumer.map_err(|error| heard.error("making a consumer", error))?;
        Ok(Self {
            consumer: Arc::new(consumer),
            brokers,
            clock: settings.clock,
            readers_max: settings.readers_max,
            open: Mutex::default(),
        })
    }

    /// Blocks: for threads that may.
    pub(super) fn read(&self, place: Place<'_>, bytes_max: usize) -> Result<Batch, LogError> {
        self.serve_events();
        loop {
            let (reader, has_room) = self.reader(place)?;
            let mut reader = lock(&reader);
            // It went between the two looks: another one has the partition's queue by now.
            if reader.has_left {
                continue;
            }
            let read = reader.read(place.from, bytes_max, has_room);
            if read.is_err() {
                reader.gives = Gives::Unknown;
            }
            return read;
        }
    }

    /// What concerns no partition: brokers that are down are reported by the calls that need them.
    fn serve_events(&self) {
        while let Some(event) = self.consumer.poll(Duration::ZERO) {
            if let Err(error) = event {
                tracing::debug!("kafka: {error}");
            }
        }
    }

    /// The partition's reader, and whether there is room for more: where there are too many, the
    /// one goes that was unused for longest.
    fn reader(&self, place: Place<'_>) -> Result<(Arc<Mutex<Reader>>, bool), LogError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.reads += 1;
        let reads = open.reads;
        let key = (place.topic.to_owned(), place.partition);
        let readers_max = self.readers_max.max(1);
        let has_room = open.readers.len() < readers_max;
        if let Some((used, reader)) = open.readers.get_mut(&key) {
            *used = reads;
            return Ok((Arc::clone(reader), has_room));
        }
        while open.readers.len() >= readers_max {
            let oldest = open.readers.iter().min_by_key(|(_, (used, _))| *used);
            let Some((oldest, (_, reader))) = oldest.map(|(key, value)| (key.clone(), value))
            else {
                break;
            };
            let left = lock(reader).leave();
            open.readers.remove(&oldest);
            left?;
        }
        let knows_topic = open.readers.keys().any(|(topic, _)| topic == place.topic);
        let reader = Arc::new(Mutex::new(self.new_reader(place, knows_topic)?));
        open.readers.insert(key, (reads, Arc::clone(&reader)));
        Ok((reader, has_room))
    }

    fn new_reader(&self, place: Place<'_>, knows_topic: bool) -> Result<Reader, LogError> {
        // Before the partition is assigned, so that nothing of it comes by another queue.
        let queue = self.consumer.split_partition_queue(place.topic, signed(place.partition));
        let queue =
            queue.ok_or_else(|| LogError::TopicUnknown { topic: place.topic.to_owned() })?;
        if !knows_topic {
            // By itself the client looks once a second for topics whose brokers it does not know.
            let failed = |error| {
                let doing = format!("asking where topic {} is", place.topic);
                self.brokers.heard().error(doing, error)
            };
            let within = self.brokers.within;
            self.consumer.fetch_metadata(Some(place.topic), within).map_err(failed)?;
        }
        Ok(Reader {
            consumer: Arc::clone(&self.consumer),
            brokers: Arc::clone(&self.brokers),
            clock: self.clock,
            queue: Arc::new(queue),
            topic: place.topic.to_owned(),
            partition: place.partition,
            is_assigned: false,
            has_left: false,
            gives: Gives::Unknown,
            end: 0,
            end_heard_at: None,
            saw_end: false,
            drained: None,
        })
    }
}

fn lock(reader: &Mutex<Reader>) -> MutexGuard<'_, Reader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reader {
    /// Reads what is there from a position on. Where there is room for more readers, this one
    /// also fetches what comes behind the end.
    fn read(&mut self, from: u64, bytes_max: usize, has_room: bool) -> Result<Batch, LogError> {
        if !self.is_told(from) {
            self.drained = None;
            self.look_at_end(from)?;
            if self.end != from || has_room {
                self.go_to(from)?;
            }
            if self.end == from {
                return Ok(Batch::default());
            }
        }
        let queue = Arc::clone(&self.queue);
        let mut reading = Reading::new(from, self.clock, self.brokers.within);
        loop {
            match queue.poll(reading.wait) {
                Some(Ok(message)) => {
                    let offset = u64::try_from(message.offset()).unwrap_or(0);
                    match self.sort(offset, &reading) {
                        Sorted::Next => {
                            reading.filling.push(offset, &message);
                            reading.wait = Duration::ZERO;
                            self.gives = Gives::Next(offset + 1);
                            self.saw_end = false;
                            self.drained = None;
                        }
                        Sorted::Before => {}
                        Sorted::Doubtful => {
                            drop(message);
                            self.end_heard_at = None;
                            self.check_time(&reading)?;
                            reading.begin_again(self.clock);
                            self.go_to(from)?;
                        }
                    }
                    if reading.filling.bytes() >= bytes_max && !reading.filling.is_empty() {
                        return Ok(reading.filling.batch);
                    }
                }
                // Of a partition that is read up to its end there is one behind every few records:
                // what came later lies behind it in the queue.
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.saw_end = true;
                    if let Gives::Next(next) = self.gives {
                        (self.end, self.end_heard_at) = (next, Some(Instant::now()));
                    }
                    reading.wait = if reading.filling.is_empty() { WAIT } else { Duration::ZERO };
                }
                Some(Err(error)) if reading.filling.is_empty() => {
                    return Err(self.refused(from, error));
                }
                Some(Err(_)) => {
                    // The next read meets it again, and says it.
                    self.gives = Gives::Unknown;
                    return Ok(reading.filling.batch);
                }
                None if self.has_ended(&mut reading)? => return Ok(reading.filling.batch),
                None => {}
            }
        }
    }

    /// What follows what the queue gave last.
    const fn next(&self) -> Option<u64> {
        match self.gives {
            Gives::Next(next) => Some(next),
            Gives::Unknown | Gives::From(_) => None,
        }
    }

    /// Whether the queue gives what is at a position, and nothing before it.
    fn is_told(&self, from: u64) -> bool {
        self.gives == Gives::From(from) || self.gives == Gives::Next(from)
    }

    /// Whether there is nothing from a position on, as of a moment ago.
    fn is_known_to_end(&self, from: u64) -> bool {
        let ends = self.end == from || self.drained == Some(self.end);
        ends && self.is_told(from)
            && self.end_heard_at.is_some_and(|at| at.elapsed() < END_KEPT)
            && !self.brokers.goes_beyond(&self.topic, self.partition, self.end)
    }

    /// What a record is that the queue gave.
    fn sort(&self, offset: u64, reading: &Reading) -> Sorted {
        if offset < reading.from {
            return Sorted::Before;
        }
        let is_empty = reading.filling.is_empty();
        // A gap right behind a new beginning could be what was fetched for another position: it is
        // believed when it is seen a second time.
        let is_new_gap = is_empty && self.next().is_none() && offset > reading.from;
        // A record that comes too late says the same of those that came before it.
        let goes_back = !is_empty && self.next().is_some_and(|next| offset < next);
        if goes_back || (is_new_gap && !reading.has_begun_again) {
            return Sorted::Doubtful;
        }
        Sorted::Next
    }

    /// Whether the batch is whole, when the queue has nothing.
    fn has_ended(&mut self, reading: &mut Reading) -> Result<bool, LogError> {
        let from = reading.from;
        if !reading.filling.is_empty() {
            let is_more = self.next().is_some_and(|next| next < self.end);
            let was_waited_for = reading.wait == MORE_WITHIN;
            reading.wait = MORE_WITHIN;
            return Ok(!is_more || was_waited_for);
        }
        if self.is_known_to_end(from) {
            return Ok(true);
        }
        let was_waited_for = reading.wait == WAIT;
        reading.wait = WAIT;
        self.look_at_end(from)?;
        if self.end == from || self.drained == Some(self.end) {
            self.gives = Gives::Next(from);
            return Ok(true);
        }
        let is_end = self.saw_end && was_waited_for;
        if is_end && !reading.has_begun_again {
            // The word of the end may be older than the records that are there by now.
            reading.begin_again(self.clock);
            self.go_to(from)?;
        } else if is_end {
            // Twice: up to the end there are only markers.
            self.drained = Some(self.end);
            self.gives = Gives::Next(from);
            return Ok(true);
        }
        self.check_time(reading)?;
        Ok(false)
    }

    fn check_time(&self, reading: &Reading) -> Result<(), LogError> {
        if Instant::now() < reading.until {
            return Ok(());
        }
        let waited_ms = u64::try_from(self.brokers.within.as_millis()).unwrap_or(0);
        Err(LogError::NoAnswer { doing: self.doing(reading.from), waited_ms })
    }

    /// Asks for the partition's first and next position, and refuses what lies outside.
    fn look_at_end(&mut self, from: u64) -> Result<(), LogError> {
        let Extent { first, next, .. } = self.brokers.extent(&self.topic, self.partition)?;
        (self.end, self.end_heard_at) = (next, Some(Instant::now()));
        if from >= first && from <= next {
            return Ok(());
        }
        let (topic, partition) = (self.topic.clone(), self.partition);
        self.brokers.forget_end(&topic, partition);
        Err(LogError::OutOfRange { topic, partition, asked: from, first, next })
    }

    /// Has the queue begin at a position; what was fetched for another one is dropped.
    fn go_to(&mut self, from: u64) -> Result<(), LogError> {
        let brokers = Arc::clone(&self.brokers);
        let doing = self.doing(from);
        let failed = |error| brokers.heard().error(doing.clone(), error);
        let offset = Offset::Offset(i64::try_from(from).unwrap_or(i64::MAX));
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(&self.topic, signed(self.partition), offset).map_err(failed)?;
        if self.is_assigned {
            self.consumer.incremental_unassign(&place).map_err(failed)?;
            self.is_assigned = false;
        }
        while self.queue.poll(Duration::ZERO).is_some() {}
        self.consumer.incremental_assign(&place).map_err(failed)?;
        self.is_assigned = true;
        self.gives = Gives::From(from);
        self.saw_end = false;
        Ok(())
    }

    fn leave(&mut self) -> Result<(), LogError> {
        self.has_left = true;
        if self.is_assigned {
            let mut place = TopicPartitionList::new();
            place.add_partition(&self.topic, signed(self.partition));
            self.consumer
                .incremental_unassign(&place)
                .map_err(|error| self.brokers.heard().error(self.doing(0), error))?;
            self.is_assigned = false;
        }
        self.gives = Gives::Unknown;
        Ok(())
    }

    /// Why the queue gave an error instead of a record.
    fn refused(&mut self, from: u64, error: KafkaError) -> LogError {
        self.gives = Gives::Unknown;
        match self.look_at_end(from) {
            Ok(()) => self.brokers.heard().error(self.doing(from), error),
            Err(outside) => outside,
        }
    }

    fn doing(&self, from: u64) -> String {
        format!("reading topic {} partition {} from {from}", self.topic, self.partition)
    }
}

/// What a record is that the queue gave.
enum Sorted {
    /// The one to take.
    Next,
    /// Of before the position that was asked for.
    Before,
    /// Perhaps of another position: all is to be read again.
    Doubtful,
}

/// One read on its way.
struct Reading {
    from: u64,
    filling: Filling,
    /// Whether the queue was told its position a second time.
    has_begun_again: bool,
    wait: Duration,
    until: Instant,
}

impl Reading {
    fn new(from: u64, clock: KafkaClock, within: Duration) -> Self {
        Self {
            from,
            filling: Filling::new(clock),
            has_begun_again: false,
            wait: Duration::ZERO,
            until: Instant::now() + within,
        }
    }

    fn begin_again(&mut self, clock: KafkaClock) {
        self.filling = Filling::new(clock);
        self.has_begun_again = true;
        self.wait = WAIT;
    }
}

/// A batch that is being filled.
struct Filling {
    batch: Batch,
    /// Number of the headers of the last record.
    last: Option<u32>,
    clock: KafkaClock,
}

impl Filling {
    fn new(clock: KafkaClock) -> Self {
        Self { batch: Batch::default(), last: None, clock }
    }

    fn is_empty(&self) -> bool {
        self.batch.records.is_empty()
    }

    fn bytes(&self) -> usize {
        self.batch.bytes.len()
    }

    fn push(&mut self, offset: u64, message: &BorrowedMessage<'_>) {
        let (headers, replayed_at) = headers::read(message.headers());
        let appended_at = Moment::from_ms(message.timestamp().to_millis().unwrap_or(0));
        let received_at = match self.clock {
            KafkaClock::Broker => appended_at,
            KafkaClock::Replay => replayed_at.unwrap_or(appended_at),
        };
        // A broker's clock may be set back; the partition's never is.
        let before = self.batch.records.last().map(|record| record.received_at);
        let received_at = before.map_or(received_at, |before| before.max(received_at));
        let start = self.batch.bytes.len();
        self.batch.bytes.extend_from_slice(message.payload().unwrap_or_default());
        let header = self.header(headers);
        let range = start..self.batch.bytes.len();
        self.batch.records.push(BatchRecord { offset, received_at, header, range });
    }

    fn header(&mut self, headers: Headers) -> u32 {
        let all = &mut self.batch.headers;
        let is_last =
            |last: &u32| usize::try_from(*last).is_ok_and(|last| all.get(last) == Some(&headers));
        if let Some(last) = self.last.filter(is_last) {
            return last;
        }
        let place = all.iter().position(|known| *known == headers).unwrap_or_else(|| {
            all.push(headers);
            all.len() - 1
        });
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        self.last = Some(place);
        place
    }
}
