//! Whoever sends: a platform's own producer, which sends what was not confirmed again, and now and
//! then what was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::FutureExt;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::faults::strikes;
use super::traffic::{Message, Says};
use crate::domain::ids::FeedId;
use crate::domain::time::Moment;
use crate::log::simulated::SimulatedLog;
use crate::log::{Append, Log, NewRecord, partition_of};

/// How long at most until something is sent again.
const AGAIN_MS_MAX: i64 = 600_000;
const MUCH_LATER_MS_MAX: i64 = 2 * 86_400_000;

/// All senders, and what they have still to send.
pub(super) struct Senders {
    log: Arc<SimulatedLog>,
    messages: Vec<Message>,
    /// Places of messages by when they are sent next.
    queue: BTreeSet<(Moment, usize)>,
    confirmed: BTreeMap<usize, u32>,
    sent_again: u32,
}

fn topic_of(message: &Message) -> String {
    format!("raw.{}", message.platform.name())
}

impl Senders {
    pub(super) fn new(log: Arc<SimulatedLog>, messages: Vec<Message>, sent_again: u32) -> Self {
        let places = messages.iter().enumerate();
        let queue = places.map(|(place, message)| (message.at, place)).collect();
        Self { log, messages, queue, confirmed: BTreeMap::new(), sent_again }
    }

    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub(super) fn are_done(&self) -> bool {
        self.queue.is_empty()
    }

    /// When something is sent next.
    pub(super) fn next_at(&self) -> Option<Moment> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Sends what is next; says what came of it.
    pub(super) fn send(&mut self, random: &mut ChaCha8Rng, now: Moment) -> String {
        let Some((_, place)) = self.queue.pop_first() else { return "nothing to send".to_owned() };
        let Some(message) = self.messages.get(place) else { return String::new() };
        let again = now.plus_ms(random.random_range(1..AGAIN_MS_MAX));
        if message.after.is_some_and(|after| !self.confirmed.contains_key(&after)) {
            self.queue.insert((again, place));
            return format!("send {place} waits");
        }
        let partition = self.partition_now(random, message);
        if !self.append(message, partition) {
            self.queue.insert((again, place));
            return format!("send {place} in doubt");
        }
        let times = self.confirmed.entry(place).or_default();
        *times += 1;
        if *times < 3 && !message.is_calm && strikes(random, self.sent_again) {
            let later = now.plus_ms(random.random_range(1..MUCH_LATER_MS_MAX));
            self.queue.insert((later, place));
        }
        format!("send {place}")
    }

    /// The partition that a producer puts the message in. One that has heard that the topic was
    /// grown uses the new partitions, well or badly; another goes on as before, and so do all
    /// messages of an order that go one way.
    fn partition_now(&self, random: &mut ChaCha8Rng, message: &Message) -> u32 {
        let before = message.platform.partitions();
        let now = self.log.partition_count(&topic_of(message));
        if now <= before || !message.is_free || strikes(random, 400) {
            return message.partition;
        }
        match &message.says {
            Says::Order(id, _) if !strikes(random, 100) => partition_of(id.as_bytes(), now),
            Says::Order(..) | Says::Ignored | Says::Broken => random.random_range(0..now),
        }
    }

    /// Whether the log confirmed it.
    fn append(&self, message: &Message, partition: u32) -> bool {
        let Ok(feed) = FeedId::new("orders") else { return false };
        let append = Append {
            topic: topic_of(message).into(),
            feed,
            header_digest: None,
            records: vec![NewRecord { partition, key: Vec::new(), value: message.value.clone() }],
            received_at: None,
            mark: None,
        };
        // The simulated log answers at once.
        self.log.append(append).now_or_never().is_some_and(|answer| answer.is_ok())
    }
}
