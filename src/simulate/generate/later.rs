//! Orders with an unusual life that all the same can be applied: another rider, late or early
//! messages, cancellations, voids.

use super::life::{Order, Take};
use super::mix::Kind;
use super::native::Step;
use super::regions::OUTSIDE_COUNTIES;
use super::run::Run;
use super::text::{HOUR_MS, day_of, first_hour};
use super::truth::Outcome;

const MINUTE_MS: i64 = 60_000;
/// A day is sealed 48 hours after its end; unusual things keep three hours away from that.
pub(super) const SEALED_HOURS: i64 = 51;
/// Late messages come up to 40 days after the day's end.
const LATE_HOURS_MAX: i64 = 40 * 24 - 4;

impl Run {
    /// An order to which `kind` happens.
    pub(super) fn unusual(&mut self, order: &Order, kind: Kind) {
        match kind {
            Kind::Reassigned => self.reassigned(order, false),
            Kind::ReassignedSecondFirst => self.reassigned(order, true),
            Kind::CompletionFirst => self.completion_first(order),
            Kind::VoidFirst => self.void_first(order),
            Kind::CancelledUnaccepted => self.cancelled_unaccepted(order),
            Kind::CancelledThenAccepted => self.cancelled_then_accepted(order),
            Kind::VoidSoon => self.void_soon(order),
            Kind::VoidSealed => self.void_sealed(order),
            Kind::LateOpen => {
                let delay_hours = self.between(3, 20);
                self.plain(&Order { delay_hours, in_daily: false, ..*order });
            }
            Kind::LateSealed => {
                let sealed = first_hour(day_of(order.take.at_ms).plus(1)) + SEALED_HOURS;
                let delay_hours =
                    sealed - order.hour + self.between(0, LATE_HOURS_MAX - SEALED_HOURS);
                self.plain(&Order { delay_hours, in_daily: false, ..*order });
            }
            Kind::OutsideRegion => self.outside_region(order),
            Kind::PickupCounty => self.plain(&Order { pickup_only: true, ..*order }),
            Kind::DailyOnly => {
                let end_ms = order.take.at_ms + self.between(12, 60) * MINUTE_MS;
                self.daily(order, Step::Completed, Some(&order.take), end_ms, Outcome::Applied);
                self.count(order);
            }
            Kind::CompletionInDaily => {
                self.tell(order, Step::Accepted, &order.take, order.take.at_ms);
                let end_ms = order.take.at_ms + self.between(12, 60) * MINUTE_MS;
                self.daily(order, Step::Completed, Some(&order.take), end_ms, Outcome::Applied);
                self.count(order);
            }
            Kind::OtherRiderTooLate
            | Kind::MovedMidnight
            | Kind::MovedMonthEnd
            | Kind::MovedSealed
            | Kind::MovedTwentyDays
            | Kind::OtherCounty
            | Kind::OtherTime
            | Kind::CompletedOnly
            | Kind::UnknownCounty
            | Kind::WrongEncoding
            | Kind::Malformed
            | Kind::Truncated
            | Kind::StatusUnknown
            | Kind::OtherPlatform
            | Kind::TimeFuture
            | Kind::TimeImpossible
            | Kind::IdTooLong
            | Kind::CountyMissing => self.trouble(order, kind),
        }
    }

    /// Another rider takes over, now and then in another county or many hours later. Day and
    /// county of the first acceptance count, whichever arrives first; both riders worked.
    fn reassigned(&mut self, order: &Order, second_first: bool) {
        let Some(rider) = self.riders.another(order.take.rider) else {
            return self.plain(order);
        };
        let long = !order.in_daily && self.chance(250_000);
        let after = if long { self.between(60, 20 * 60) } else { self.between(2, 15) };
        let mut second = Take { rider, at_ms: order.take.at_ms + after * MINUTE_MS, ..order.take };
        if self.chance(200_000) {
            let unit = self.regions.county(order.county).unit;
            let counties = self.regions.counties_of(unit);
            let other = counties.last().copied().unwrap_or(order.county);
            second.county = self.regions.county(other).code;
        }
        let first_hour = self.arrival(order, order.take.at_ms);
        let second_hour = self.arrival(order, second.at_ms) + self.between(1, 4);
        let first_hour = if second_first { second_hour + self.between(1, 4) } else { first_hour };
        let first = order.take;
        let told = (first.at_ms, first_hour);
        self.tell_at(order, Step::Accepted, &first, told, Outcome::Applied);
        let told = (second.at_ms, second_hour);
        self.tell_at(order, Step::Accepted, &second, told, Outcome::Applied);
        let end_ms = second.at_ms + self.between(15, 70) * MINUTE_MS;
        let hour = self.arrival(order, end_ms).max(first_hour).max(second_hour) + 1;
        self.tell_at(order, Step::Completed, &second, (end_ms, hour), Outcome::Applied);
        self.daily_after(order, &second, end_ms, hour);
        self.count(order);
        let day = day_of(first.at_ms);
        if self.truth.in_force(day) {
            self.riders.work(second.rider, day);
        }
    }

    /// The row of a reassigned order, where all its messages have arrived before the file.
    fn daily_after(&mut self, order: &Order, take: &Take, end_ms: i64, told_hour: i64) {
        let file_hour = first_hour(day_of(order.take.at_ms).plus(1)) + 2;
        if told_hour < file_hour {
            self.daily(order, Step::Completed, Some(take), end_ms, Outcome::Duplicate);
        }
    }

    fn completion_first(&mut self, order: &Order) {
        let take = order.take;
        let end_ms = take.at_ms + self.between(12, 75) * MINUTE_MS;
        let hour = self.arrival(order, end_ms);
        self.tell_at(order, Step::Completed, &take, (end_ms, hour), Outcome::Applied);
        let later = hour + self.between(3, 20);
        self.tell_at(order, Step::Accepted, &take, (take.at_ms, later), Outcome::Applied);
        self.daily(order, Step::Completed, Some(&take), end_ms, Outcome::Duplicate);
        self.count(order);
    }

    fn void_first(&mut self, order: &Order) {
        let take = order.take;
        let void_ms = take.at_ms + self.between(2, 20) * MINUTE_MS;
        let hour = self.arrival(order, void_ms);
        self.tell_at(order, Step::Void, &take, (void_ms, hour), Outcome::Applied);
        let later = hour + self.between(2, 10);
        self.tell_at(order, Step::Accepted, &take, (take.at_ms, later), Outcome::Applied);
    }

    fn cancelled_unaccepted(&mut self, order: &Order) {
        self.before_acceptance(order);
        let at_ms = order.take.at_ms;
        self.tell(order, Step::Cancelled, &order.take, at_ms);
        self.daily(order, Step::Cancelled, None, at_ms, Outcome::Duplicate);
    }

    fn cancelled_then_accepted(&mut self, order: &Order) {
        let take = order.take;
        let cancel_ms = take.at_ms - self.between(60_000, 300_000);
        self.tell(order, Step::Cancelled, &take, cancel_ms);
        let hour = self.arrival(order, take.at_ms) + self.between(0, 2);
        self.tell_at(order, Step::Accepted, &take, (take.at_ms, hour), Outcome::Applied);
    }

    fn void_soon(&mut self, order: &Order) {
        self.tell(order, Step::Accepted, &order.take, order.take.at_ms);
        let void_ms = order.take.at_ms + self.between(2, 20) * MINUTE_MS;
        self.tell(order, Step::Void, &order.take, void_ms);
    }

    /// The count of a day that is sealed goes down.
    fn void_sealed(&mut self, order: &Order) {
        self.tell(order, Step::Accepted, &order.take, order.take.at_ms);
        self.after_acceptance(order, &order.take);
        let hour = first_hour(day_of(order.take.at_ms).plus(1)) + self.between(72, 120);
        let void_ms = hour * HOUR_MS + self.between(0, HOUR_MS);
        self.tell_at(order, Step::Void, &order.take, (void_ms, hour), Outcome::Applied);
    }

    fn outside_region(&mut self, order: &Order) {
        let pick = usize::try_from(order.number % 3).unwrap_or(0);
        let take = Take { county: OUTSIDE_COUNTIES[pick], ..order.take };
        self.tell(order, Step::Accepted, &take, take.at_ms);
        self.after_acceptance(order, &take);
    }
}
