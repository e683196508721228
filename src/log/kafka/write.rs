//! Appending: records go to the producer's bounded queue, and the call waits until the brokers have
//! confirmed every one of them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

use super::KafkaSettings;
use super::heard::Heard;
use crate::log::{Appended, LogError, NewRecord};

/// How long a call waits before it looks again whether the full queue has room.
const ROOM_EVERY: Duration = Duration::from_millis(2);

/// Receives what became of each record.
struct Deliveries(Heard);

/// One append on its way.
struct Flight(Mutex<Flown>);

struct Flown {
    /// Records without an answer.
    waiting: usize,
    /// Partition and position of each that is in.
    given: Vec<(u32, u64)>,
    /// The first refusal.
    failed: Option<KafkaError>,
    landed: Option<oneshot::Sender<()>>,
}

impl Flight {
    fn settle(&self, answers: usize, settle: impl FnOnce(&mut Flown)) {
        let mut flown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        settle(&mut flown);
        flown.waiting = flown.waiting.saturating_sub(answers);
        if flown.waiting == 0
            && let Some(landed) = flown.landed.take()
        {
            // Whoever waited may have been cancelled; the records are in all the same.
            landed.send(()).unwrap_or_default();
        }
    }

    fn take(&self) -> (Vec<(u32, u64)>, Option<KafkaError>) {
        let mut flown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut flown.given), flown.failed.take())
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.0.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        ClientContext::error(&self.0, error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Flight>;

    fn delivery(&self, result: &DeliveryResult<'_>, flight: Arc<Flight>) {
        flight.settle(1, |flown| match result {
            Ok(message) => {
                let place = u32::try_from(message.partition()).ok();
                flown.given.extend(place.zip(u64::try_from(message.offset()).ok()));
            }
            Err((error, _)) => flown.failed = flown.failed.take().or_else(|| Some(error.clone())),
        });
    }
}

/// The one producer of a log.
#[derive(Clone)]
pub(super) struct Writer {
    producer: Arc<ThreadedProducer<Deliveries>>,
    heard: Heard,
    within: Duration,
}

impl Writer {
    pub(super) fn new(settings: &KafkaSettings, heard: &Heard) -> Result<Self, LogError> {
        let producer = settings.producer().create_with_context(Deliveries(heard.clone()));
        let producer = producer.map_err(|error| heard.error("making a producer", error))?;
        let within = settings.answer_within;
        Ok(Self { producer: Arc::new(producer), heard: heard.clone(), within })
    }

    /// Appends records, all under the same headers; gives their positions once every one is in.
    /// After an error some may be in.
    pub(super) async fn append(
        &self,
        topic: Arc<str>,
        headers: OwnedHeaders,
        records: Vec<NewRecord>,
    ) -> Result<Vec<Appended>, LogError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let (landed, landing) = oneshot::channel();
        let flight = Arc::new(Flight(Mutex::new(Flown {
            waiting: records.len(),
            given: Vec::with_capacity(records.len()),
            failed: None,
            landed: Some(landed),
        })));
        let doing = format!("appending to topic {topic}");
        let (writer, sent) = (self.clone(), Arc::clone(&flight));
        tokio::task::spawn_blocking(move || writer.send(&topic, &headers, &records, &sent)).await?;
        // Every record is answered within the delivery timeout; the sender lives in the flight.
        drop(landing.await);
        match flight.take() {
            (_, Some(error)) => Err(self.heard.error(doing, error)),
            (given, None) => Ok(runs_of(given)),
        }
    }

    /// Has the producer hear of a topic's new partitions; it would refuse them for minutes. Blocks.
    pub(super) fn learn(&self, topic: &str) -> Result<(), LogError> {
        let learned = self.producer.client().fetch_metadata(Some(topic), self.within);
        let failed = |error| self.heard.error(format!("asking for topic {topic}"), error);
        learned.map(drop).map_err(failed)
    }

    /// Puts records into the producer's queue, waiting for room. Stops at the first refusal.
    fn send(
        &self,
        topic: &str,
        headers: &OwnedHeaders,
        records: &[NewRecord],
        flight: &Arc<Flight>,
    ) {
        let until = Instant::now() + self.within;
        for (index, record) in records.iter().enumerate() {
            let mut unsent = BaseRecord::with_opaque_to(topic, Arc::clone(flight))
                .partition(i32::try_from(record.partition).unwrap_or(i32::MAX))
                .payload(&record.value);
            if headers.count() > 0 {
                unsent = unsent.headers(headers.clone());
            }
            if !record.key.is_empty() {
                unsent = unsent.key(&record.key);
            }
            while let Err((error, again)) = self.producer.send(unsent) {
                let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                if !is_full || Instant::now() >= until {
                    let unsent = records.len() - index;
                    flight.settle(unsent, |flown| flown.failed = Some(error));
                    return;
                }
                unsent = again;
                std::thread::sleep(ROOM_EVERY);
            }
        }
    }
}

/// Neighbouring positions of each partition as one.
fn runs_of(mut given: Vec<(u32, u64)>) -> Vec<Appended> {
    given.sort_unstable();
    let mut runs: Vec<Appended> = Vec::new();
    for (partition, offset) in given {
        match runs.last_mut() {
            Some(run) if run.partition == partition && run.offsets.end == offset => {
                run.offsets.end = offset + 1;
            }
            Some(_) | None => runs.push(Appended { partition, offsets: offset..offset + 1 }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one_and_what_others_wrote_between_stays_out() {
        let given = vec![(1, 8), (0, 3), (1, 7), (0, 2), (1, 10), (0, 4)];
        let run = |partition, offsets| Appended { partition, offsets };
        assert_eq!(runs_of(given), [run(0, 2..5), run(1, 7..9), run(1, 10..11)]);
    }
}
