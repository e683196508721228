//! What is sent: orders with their messages, and messages that are none of ours or cannot be used.
//!
//! Only what has one right outcome is sent, whatever the order of arrival that the faults make of
//! it. Where the first of two messages that disagree stands, the second one is sent only once the
//! first is confirmed.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::faults::{pick, strikes};
use super::platforms::{Fact, Kind, Platform};
use crate::domain::time::{Day, Moment};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Days on which orders are accepted.
const DAYS: i64 = 4;
/// Counties of the region; the first has most orders.
const COUNTIES: [u32; 5] = [150_102, 150_102, 150_103, 150_203, 150_724];
/// A county of another province, and a code of this one that is none.
const OUTSIDE: u32 = 140_203;
const UNKNOWN: u32 = 159_999;

/// One message as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) platform: Platform,
    pub(super) partition: u32,
    pub(super) value: Vec<u8>,
    /// When it is sent first.
    pub(super) at: Moment,
    /// The message that has to be confirmed before it is sent.
    pub(super) after: Option<usize>,
    /// Whether it may not come again much later.
    pub(super) is_calm: bool,
    /// Whether its producer may put it elsewhere than the order's other messages.
    pub(super) is_free: bool,
    pub(super) says: Says,
}

/// What a message is, as its sender knows.
#[derive(Clone, Debug)]
pub(super) enum Says {
    /// Something of an order, by its number.
    Order(String, Fact),
    /// Something that is no event of ours.
    Ignored,
    /// Nothing that can be used.
    Broken,
}

/// What is unusual about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Plain,
    CompletedFirst,
    CancelledAfter,
    CancelledBefore,
    Void,
    VoidFirst,
    OnlyCancelled,
    OnlyCompleted,
    Reassigned,
    ReassignedSecondFirst,
    Late,
    VoidLate,
    Moved,
    Outside,
    Unknown,
}

const STORIES: [(Story, u32); 15] = [
    (Story::Plain, 40),
    (Story::CompletedFirst, 5),
    (Story::CancelledAfter, 6),
    (Story::CancelledBefore, 4),
    (Story::Void, 6),
    (Story::VoidFirst, 4),
    (Story::OnlyCancelled, 2),
    (Story::OnlyCompleted, 3),
    (Story::Reassigned, 6),
    (Story::ReassignedSecondFirst, 5),
    (Story::Late, 9),
    (Story::VoidLate, 5),
    (Story::Moved, 8),
    (Story::Outside, 3),
    (Story::Unknown, 3),
];

/// Whether no message of the story has to be behind another, nor to find it in time: a completion
/// that does not say the acceptance again waits for it no longer than its day is open.
const fn is_free(platform: Platform, story: Story) -> bool {
    match story {
        Story::Late
        | Story::VoidLate
        | Story::Moved
        | Story::Reassigned
        | Story::ReassignedSecondFirst => false,
        Story::Plain | Story::CompletedFirst | Story::Void | Story::Outside => {
            matches!(platform, Platform::Meituan)
        }
        Story::CancelledAfter
        | Story::CancelledBefore
        | Story::VoidFirst
        | Story::OnlyCancelled
        | Story::OnlyCompleted
        | Story::Unknown => true,
    }
}

/// Makes all messages of a run, in the order in which they are sent first.
pub(super) fn traffic(
    random: &mut ChaCha8Rng,
    (orders, grows): (u32, bool),
    first_day: Day,
) -> Vec<Message> {
    let mut traffic = Traffic { random, grows, start: first_day.start(), messages: Vec::new() };
    for number in 0..orders {
        traffic.order(number);
    }
    for number in 0..orders / 6 {
        traffic.other(number);
    }
    traffic.ticks();
    in_order(traffic.messages)
}

/// Sorts by time; what comes after something names its new place.
fn in_order(messages: Vec<Message>) -> Vec<Message> {
    let mut sorted: Vec<(usize, Message)> = messages.into_iter().enumerate().collect();
    sorted.sort_by_key(|(place, message)| (message.at, *place));
    let places: std::collections::BTreeMap<usize, usize> =
        sorted.iter().enumerate().map(|(new, (old, _))| (*old, new)).collect();
    let renamed = sorted.into_iter().map(|(_, message)| Message {
        after: message.after.and_then(|old| places.get(&old).copied()),
        ..message
    });
    renamed.collect()
}

struct Traffic<'r> {
    random: &'r mut ChaCha8Rng,
    /// Whether topics grow while it is sent.
    grows: bool,
    start: Moment,
    messages: Vec<Message>,
}

/// An order that is being written.
struct Writing {
    platform: Platform,
    id: String,
    partition: u32,
    /// How much later than it happened everything is sent.
    delay_ms: i64,
    is_repeated: bool,
    /// Whether what its messages come to does not hang on their order.
    is_free: bool,
    /// Whether nothing of it may come again once the next message of the order is sent: then it
    /// would no longer have one right outcome.
    is_calm: bool,
}

impl Traffic<'_> {
    fn below(&mut self, end: i64) -> i64 {
        self.random.random_range(0..end.max(1))
    }

    fn platform(&mut self) -> Platform {
        if strikes(self.random, 400) { Platform::Caocao } else { Platform::Meituan }
    }

    fn story(&mut self) -> Story {
        let all: u32 = STORIES.iter().map(|(_, weight)| weight).sum();
        let mut place = self.random.random_range(0..all);
        for (story, weight) in STORIES {
            if place < weight {
                // Which of two days stands is a matter of their order at the order's owner. A
                // partition that was just made may be days ahead of the one that has the first.
                let is_open = self.grows && story == Story::Moved;
                return if is_open { Story::Plain } else { story };
            }
            place -= weight;
        }
        Story::Plain
    }

    fn order(&mut self, number: u32) {
        let (platform, story) = (self.platform(), self.story());
        let id = format!("{}{:06}", 700 + number % 7, number);
        // Somebody else's producer hashes otherwise; all messages of an order go one way.
        let is_calm = story == Story::Moved;
        let is_in_place = is_calm || story == Story::CompletedFirst;
        let is_elsewhere = !is_in_place && strikes(self.random, 120);
        let home = platform.partition(&id);
        let partition = if is_elsewhere { (home + 1) % platform.partitions() } else { home };
        let is_late = matches!(story, Story::Late);
        let delay_ms = if is_late { 55 * HOUR_MS + self.below(60 * HOUR_MS) } else { 0 };
        let is_repeated = strikes(self.random, 250);
        let is_free = is_free(platform, story);
        let order = Writing { platform, id, partition, delay_ms, is_repeated, is_free, is_calm };
        // Near midnight often enough.
        let day = self.below(DAYS) * DAY_MS;
        let of_day = if strikes(self.random, 300) {
            DAY_MS - 40 * MINUTE_MS + self.below(39 * MINUTE_MS)
        } else {
            self.below(DAY_MS)
        };
        let second = (day + of_day) / 1000 * 1000;
        let accepted_at = self.start.plus_ms(second + self.below(platform.resolution_ms().min(2)));
        self.tell(&order, story, accepted_at);
    }

    fn tell(&mut self, order: &Writing, story: Story, accepted_at: Moment) {
        let rider = u32::try_from(self.below(40)).unwrap_or(0) + 1;
        let county = pick(self.random, &COUNTIES).unwrap_or(UNKNOWN);
        let county = if story == Story::Outside { OUTSIDE } else { county };
        let county = if story == Story::Unknown { UNKNOWN } else { county };
        let accepted = Fact {
            kind: Kind::Accepted,
            rider: Some(rider),
            accepted_at: Some(accepted_at),
            at: accepted_at,
            county: Some(county),
        };
        let minutes = 5 + self.below(50);
        let completed = self.further(order, Kind::Completed, accepted, minutes);
        let cancelled = self.further(order, Kind::Cancelled, accepted, minutes);
        let void = self.further(order, Kind::Void, accepted, minutes + 5);
        match story {
            Story::Plain | Story::Outside | Story::Late => {
                let first = self.say(order, accepted, 0, None);
                // What is late must not be taken for an order that nobody accepted.
                self.say(order, completed, minutes, (order.delay_ms > 0).then_some(first));
            }
            Story::CompletedFirst => {
                self.say(order, completed, minutes, None);
                self.say(order, accepted, minutes + 20, None);
            }
            Story::CancelledAfter => {
                self.say(order, accepted, 0, None);
                self.say(order, cancelled, minutes, None);
            }
            Story::CancelledBefore => {
                let before = accepted_at.plus_ms(-30 * MINUTE_MS);
                let early = Fact { at: before, accepted_at: None, ..cancelled };
                self.say(order, early, -30, None);
                self.say(order, accepted, 0, None);
            }
            Story::Void => {
                self.say(order, accepted, 0, None);
                self.say(order, completed, minutes, None);
                self.say(order, void, minutes + 5, None);
            }
            Story::VoidFirst => {
                self.say(order, Fact { accepted_at: None, county: None, ..void }, minutes, None);
                self.say(order, accepted, minutes + 30, None);
            }
            Story::OnlyCancelled => {
                self.say(order, Fact { accepted_at: None, county: None, ..cancelled }, 0, None);
            }
            Story::OnlyCompleted => {
                self.say(order, Fact { accepted_at: None, county: None, ..completed }, 0, None);
            }
            Story::Unknown => {
                self.say(order, accepted, 0, None);
            }
            Story::VoidLate => {
                let first = self.say(order, accepted, 0, None);
                let hours = 50 + self.below(60);
                let after_ms = hours * HOUR_MS;
                let at = accepted_at.plus_ms(after_ms / 1000 * 1000);
                self.say(order, Fact { at, ..void }, hours * 60 + 1, Some(first));
            }
            Story::Reassigned | Story::ReassignedSecondFirst => {
                self.reassigned(order, accepted, story == Story::Reassigned);
            }
            Story::Moved => self.moved(order, accepted, completed, minutes),
        }
    }

    /// A later message of an order: a platform says the acceptance again, or does not.
    fn further(&self, order: &Writing, kind: Kind, accepted: Fact, minutes: i64) -> Fact {
        let at = accepted.at.plus_ms(minutes * MINUTE_MS);
        match order.platform {
            Platform::Meituan => Fact { kind, at, ..accepted },
            Platform::Caocao => {
                let rider = (kind == Kind::Completed).then_some(accepted.rider).flatten();
                Fact { kind, at, rider, accepted_at: None, county: None }
            }
        }
    }

    /// Another rider within the hour: whoever accepted first decides day and county.
    fn reassigned(&mut self, order: &Writing, first: Fact, in_order: bool) {
        let minutes = 10 + self.below(50);
        let rider = first.rider.map(|rider| rider + 100);
        let at = first.at.plus_ms(minutes * MINUTE_MS);
        let second = Fact { rider, accepted_at: Some(at), at, ..first };
        let completed = self.further(order, Kind::Completed, second, minutes);
        let later = if in_order { 0 } else { minutes + 60 + self.below(3_000) };
        let said = self.say(order, first, later, None);
        let taken = self.say(order, second, minutes, None);
        let after = if in_order { said } else { taken };
        let done = self.say(order, completed, 2 * minutes, Some(after));
        if strikes(self.random, 250) {
            let void = self.further(order, Kind::Void, second, 3 * minutes);
            self.say(order, void, 3 * minutes, Some(done));
        }
    }

    /// The same number again for another day: the first one stands.
    fn moved(&mut self, order: &Writing, accepted: Fact, completed: Fact, minutes: i64) {
        let first = self.say(order, accepted, 0, None);
        let done = self.say(order, completed, minutes, Some(first));
        let days = 1 + self.below(3);
        let at = accepted.at.plus_ms(days * DAY_MS);
        let again = Fact { accepted_at: Some(at), at, ..accepted };
        self.say(order, again, days * 24 * 60, Some(done));
    }

    /// Sends a fact so many minutes after the acceptance, or later; gives its place.
    fn say(&mut self, order: &Writing, fact: Fact, minutes: i64, after: Option<usize>) -> usize {
        // Nobody sends what has not happened.
        let accepted_at = fact.accepted_at.map(|at| at.plus_ms(minutes * MINUTE_MS));
        let due = accepted_at.map_or(fact.at, |at| at.max(fact.at)).plus_ms(order.delay_ms);
        let at = due.plus_ms(self.below(90_000));
        let place = self.messages.len();
        let message = |value: Vec<u8>, at: Moment| Message {
            platform: order.platform,
            partition: order.partition,
            value,
            at,
            after,
            is_calm: order.is_calm,
            is_free: order.is_free,
            says: Says::Order(order.id.clone(), fact),
        };
        self.messages.push(message(order.platform.message(&order.id, &fact, false), at));
        if order.is_repeated && strikes(self.random, 500) {
            let may_differ = fact.accepted_at.is_some() && !order.is_calm;
            let is_written_again = may_differ && strikes(self.random, 500);
            let value = order.platform.message(&order.id, &fact, is_written_again);
            let hours = pick(self.random, &[1, 1, 30, 90]).filter(|_| !order.is_calm).unwrap_or(1);
            let again = at.plus_ms(self.below(hours * HOUR_MS));
            self.messages.push(Message { after: Some(place), ..message(value, again) });
        }
        place
    }

    /// A message that is no order.
    fn other(&mut self, number: u32) {
        let platform = self.platform();
        let id = format!("90{number:05}");
        let at = self.start.plus_ms(self.below(DAYS * DAY_MS) / 1000 * 1000);
        let (value, says) = if strikes(self.random, 500) {
            (platform.ignored(&id, at), Says::Ignored)
        } else {
            (platform.broken(&id, strikes(self.random, 500)), Says::Broken)
        };
        let partition = u32::try_from(self.below(i64::from(platform.partitions()))).unwrap_or(0);
        let at = at.plus_ms(1_000);
        let message = Message {
            platform,
            partition,
            value,
            at,
            after: None,
            is_calm: false,
            is_free: true,
            says,
        };
        self.messages.push(message.clone());
        if strikes(self.random, 300) {
            self.messages.push(Message { at: at.plus_ms(HOUR_MS), ..message });
        }
    }

    /// Messages of no meaning that move the clock of each partition on, so that days are sealed.
    fn ticks(&mut self) {
        let mut number = 0;
        for day in 0..DAYS + 4 {
            for platform in Platform::ALL {
                for partition in 0..platform.partitions() {
                    // Some partitions hear nothing for a day.
                    if day < DAYS && strikes(self.random, 600) {
                        continue;
                    }
                    number += 1;
                    let of_day = self.below(DAY_MS) / 1000 * 1000;
                    let at = self.start.plus_ms(day * DAY_MS + of_day);
                    let value = platform.ignored(&format!("99{number:05}"), at);
                    self.messages.push(Message {
                        platform,
                        partition,
                        value,
                        at: at.plus_ms(1_000),
                        after: None,
                        is_calm: false,
                        is_free: true,
                        says: Says::Ignored,
                    });
                }
            }
        }
    }
}
