//! The life of an order: who took it, what is told of it and when, and whether it counts.

use rand::Rng;

use super::Profile;
use super::mix::Kind;
use super::native::{Extra, Native, Step};
use super::platforms::{ELEME, ELEME_DAILY, PLATFORMS};
use super::riders::Role;
use super::run::Run;
use super::text::{HOUR_MS, day_of, first_hour, hour_of};
use super::truth::Outcome;

const MINUTE_MS: i64 = 60_000;
/// Most messages arrive within so long.
const LAG_MS_MAX: i64 = 5 * MINUTE_MS;

/// One acceptance by one rider.
#[derive(Clone, Copy, Debug)]
pub(super) struct Take {
    pub(super) rider: usize,
    pub(super) at_ms: i64,
    pub(super) county: u32,
}

/// A real order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) platform: usize,
    pub(super) number: u64,
    /// The hour in which it is made; nothing of it arrives before.
    pub(super) hour: i64,
    /// Position of the county of acceptance.
    pub(super) county: usize,
    /// The acceptance that counts.
    pub(super) take: Take,
    /// Whether the county is known as the pick-up's alone.
    pub(super) pickup_only: bool,
    /// How much later than usual its messages arrive, in hours.
    pub(super) delay_hours: i64,
    /// Whether the next day's file has it.
    pub(super) in_daily: bool,
}

impl Run {
    /// Makes one order, with the unusual `kind` where its rider allows. Says whether it did.
    pub(super) fn order(&mut self, platform: usize, hour: i64, kind: Option<Kind>) -> bool {
        let county = self.regions.draw(self.rng.random());
        let place = self.regions.county(county);
        let rider = self.riders.pick(platform, place.unit, &mut self.rng);
        let mut at_ms = hour * HOUR_MS + self.rng.random_range(0..HOUR_MS);
        if PLATFORMS[platform].whole_seconds {
            at_ms -= at_ms % 1000;
        }
        let order = Order {
            platform,
            number: self.new_number(),
            hour,
            county,
            take: Take { rider, at_ms, county: place.code },
            pickup_only: false,
            delay_hours: 0,
            in_daily: platform == ELEME && self.options.profile == Profile::Demo,
        };
        if self.riders.get(rider).role == Role::Watched {
            self.plain(&order);
            self.watched_order(&order);
            return false;
        }
        match kind {
            None => {
                self.plain(&order);
            }
            Some(kind) => {
                self.truth.note(kind.name());
                self.unusual(&order, kind);
            }
        }
        true
    }

    pub(super) fn new_number(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    /// Accepted, then completed or cancelled: it counts.
    pub(super) fn plain(&mut self, order: &Order) {
        self.before_acceptance(order);
        self.tell(order, Step::Accepted, &order.take, order.take.at_ms);
        if self.options.profile != Profile::Acceptances {
            self.after_acceptance(order, &order.take);
        }
        self.count(order);
    }

    /// Perhaps an announcement, which is no event.
    pub(super) fn before_acceptance(&mut self, order: &Order) {
        if self.chance(self.mix.created) {
            let at_ms = order.take.at_ms - self.between(5_000, 200_000);
            let hour = self.arrival(order, at_ms);
            self.send(
                &self.native(order, Step::Created, &order.take, at_ms),
                hour,
                Outcome::Ignored,
            );
        }
    }

    /// The rest of a usual life after `take`; answers when it ended.
    pub(super) fn after_acceptance(&mut self, order: &Order, take: &Take) -> i64 {
        if self.chance(self.mix.arrived) {
            let at_ms = take.at_ms + self.between(3, 10) * MINUTE_MS;
            let hour = self.arrival(order, at_ms);
            self.send(&self.native(order, Step::Arrived, take, at_ms), hour, Outcome::Ignored);
        }
        let (step, end_ms) = if self.chance(self.mix.cancelled) {
            (Step::Cancelled, take.at_ms + self.between(MINUTE_MS, 10 * MINUTE_MS))
        } else {
            (Step::Completed, take.at_ms + self.between(12 * MINUTE_MS, 75 * MINUTE_MS))
        };
        self.tell(order, step, take, end_ms);
        self.daily(order, step, Some(take), end_ms, Outcome::Duplicate);
        if day_of(end_ms) != day_of(take.at_ms) {
            self.truth.note("crosses_midnight");
        }
        end_ms
    }

    /// The order counts on the day and in the county of its take, if the scheme has started.
    pub(super) fn count(&mut self, order: &Order) {
        let day = day_of(order.take.at_ms);
        if self.truth.in_force(day) {
            self.truth.count(order.platform, day, order.county, 1);
            self.riders.work(order.take.rider, day);
        }
    }

    /// A message that is applied, arriving as usual.
    pub(super) fn tell(&mut self, order: &Order, step: Step, take: &Take, at_ms: i64) {
        let hour = self.arrival(order, at_ms);
        self.tell_at(order, step, take, (at_ms, hour), Outcome::Applied);
    }

    /// A message with its time, the hour of its arrival and its end.
    pub(super) fn tell_at(
        &mut self,
        order: &Order,
        step: Step,
        take: &Take,
        (at_ms, hour): (i64, i64),
        outcome: Outcome,
    ) {
        self.send(&self.native(order, step, take, at_ms), hour, outcome);
    }

    /// The message as the platform would write it; half of the cancellations, and all that happens
    /// before acceptance, name no rider.
    pub(super) fn native(&self, order: &Order, step: Step, take: &Take, at_ms: i64) -> Native {
        let named = match step {
            Step::Accepted | Step::Arrived | Step::Completed | Step::Unlisted => true,
            Step::Cancelled => at_ms > take.at_ms && order.number.is_multiple_of(2),
            Step::Created | Step::Void => false,
        };
        Native {
            platform: order.platform,
            step,
            order: order.number,
            worker: named.then_some(take.rider),
            at_ms,
            accepted_ms: take.at_ms,
            county: Some(take.county),
            pickup_only: order.pickup_only,
            extra: Extra::Nothing,
            code: None,
            long_id: false,
        }
    }

    /// Writes and delivers a message, and now and then the same once more.
    pub(super) fn send(&mut self, message: &Native, hour: i64, outcome: Outcome) {
        self.scratch.clear();
        self.encoder.write(&mut self.scratch, message);
        self.deliver(hour, message.platform, outcome);
        if !self.chance(self.mix.duplicates) {
            return;
        }
        let held = matches!(outcome, Outcome::Held(_));
        if !held && self.rng.random::<bool>() {
            let again = Native { extra: Extra::Rewritten, ..*message };
            self.scratch.clear();
            self.encoder.write(&mut self.scratch, &again);
            self.truth.note("duplicate_rewritten");
        } else {
            self.truth.note("duplicate_identical");
        }
        let hour = hour.max(self.calendar.now()) + self.between(0, 3);
        let outcome =
            if outcome == Outcome::Ignored { Outcome::Ignored } else { Outcome::Duplicate };
        self.deliver(hour, message.platform, outcome);
    }

    /// The row of the next day's file, where the platform has one and the order ended in time.
    pub(super) fn daily(
        &mut self,
        order: &Order,
        step: Step,
        take: Option<&Take>,
        end_ms: i64,
        outcome: Outcome,
    ) {
        let hour = first_hour(day_of(order.take.at_ms).plus(1)) + 2;
        if !order.in_daily || hour_of(end_ms) >= hour {
            return;
        }
        let mut row = self.native(order, step, take.unwrap_or(&order.take), end_ms);
        row.worker = take.map(|take| take.rider);
        self.scratch.clear();
        self.encoder.eleme_daily(&mut self.scratch, &row);
        self.deliver(hour, ELEME_DAILY, outcome);
    }

    /// The hour in which a message of `at_ms` arrives.
    pub(super) fn arrival(&mut self, order: &Order, at_ms: i64) -> i64 {
        let hour = hour_of(at_ms + self.between(0, LAG_MS_MAX));
        hour.max(order.hour) + order.delay_hours
    }

    pub(super) fn chance(&mut self, per_million: u32) -> bool {
        self.rng.random_range(0..1_000_000) < per_million
    }

    /// A number of `from..below`.
    pub(super) fn between(&mut self, from: i64, below: i64) -> i64 {
        self.rng.random_range(from..below)
    }
}
