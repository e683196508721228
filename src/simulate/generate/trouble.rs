//! What must be held: records that contradict an order, and records that cannot be used at all.

use super::later::SEALED_HOURS;
use super::life::{Order, Take};
use super::mix::Kind;
use super::native::{Extra, Native, Step};
use super::platforms::{CAOCAO, DIDI, HUOYUN, MEITUAN, SF, SHANSONG};
use super::regions::UNKNOWN_COUNTIES;
use super::run::Run;
use super::text::{HOUR_MS, day_of, first_hour, hour_of};
use super::truth::Outcome;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const OTHER_CONTENT: Outcome = Outcome::Held("order.same_id_other_content");
/// Records that cannot be used, with the reason for which each is held.
const UNUSABLE: [(Kind, &str); 10] = [
    (Kind::UnknownCounty, "county.unknown"),
    (Kind::WrongEncoding, "message.encoding"),
    (Kind::Malformed, "message.malformed"),
    (Kind::Truncated, "message.truncated"),
    (Kind::StatusUnknown, "status.unknown"),
    (Kind::OtherPlatform, "platform.other"),
    (Kind::TimeFuture, "time.future"),
    (Kind::TimeImpossible, "time.impossible"),
    (Kind::IdTooLong, "order.id_invalid"),
    (Kind::CountyMissing, "field.missing"),
];
const OTHER_DAY: Outcome = Outcome::Held("order.same_id_other_day");

impl Run {
    /// An order whose kind is held, or a plain order and beside it a record that is.
    pub(super) fn trouble(&mut self, order: &Order, kind: Kind) {
        if kind == Kind::CompletedOnly {
            let end_ms = order.take.at_ms + self.between(12, 75) * MINUTE_MS;
            let hour = self.arrival(order, end_ms);
            let held = Outcome::Held("order.no_acceptance");
            return self.tell_at(order, Step::Completed, &order.take, (end_ms, hour), held);
        }
        self.plain(order);
        if let Some((take, hour, outcome)) = self.contradiction(order, kind) {
            self.tell_at(order, Step::Accepted, &take, (take.at_ms, hour), outcome);
        } else {
            self.unusable(order, kind);
        }
    }

    /// A second acceptance that disagrees with the first, which stands: what it says, the hour in
    /// which it arrives and how it ends.
    fn contradiction(&mut self, order: &Order, kind: Kind) -> Option<(Take, i64, Outcome)> {
        let take = order.take;
        let day_end = first_hour(day_of(take.at_ms).plus(1));
        let across_ms = day_end * HOUR_MS + self.between(5, 50) * MINUTE_MS;
        Some(match kind {
            Kind::OtherCounty => {
                let other = (order.county + 1) % self.regions.len();
                let county = self.regions.county(other).code;
                (Take { county, ..take }, order.hour + self.between(4, 20), OTHER_CONTENT)
            }
            Kind::OtherTime => {
                let at_ms = take.at_ms + self.between(10, 40) * MINUTE_MS;
                (Take { at_ms, ..take }, order.hour + self.between(4, 20), OTHER_CONTENT)
            }
            Kind::OtherRiderTooLate => {
                let rider = self.riders.another(take.rider)?;
                let at_ms = take.at_ms + self.between(25 * 60, 30 * 60) * MINUTE_MS;
                (Take { rider, at_ms, ..take }, hour_of(at_ms) + 1, OTHER_CONTENT)
            }
            Kind::MovedMidnight | Kind::MovedMonthEnd => {
                let hour = day_end + self.between(4, 22);
                (Take { at_ms: across_ms, ..take }, hour, OTHER_CONTENT)
            }
            Kind::MovedSealed => {
                let hour = day_end + SEALED_HOURS + self.between(0, 72);
                (Take { at_ms: across_ms, ..take }, hour, OTHER_DAY)
            }
            Kind::MovedTwentyDays => {
                let at_ms = take.at_ms + 20 * DAY_MS;
                (Take { at_ms, ..take }, hour_of(at_ms) + self.between(1, 5), OTHER_DAY)
            }
            Kind::Reassigned
            | Kind::ReassignedSecondFirst
            | Kind::CompletionFirst
            | Kind::VoidFirst
            | Kind::CancelledUnaccepted
            | Kind::CancelledThenAccepted
            | Kind::VoidSoon
            | Kind::VoidSealed
            | Kind::LateOpen
            | Kind::LateSealed
            | Kind::OutsideRegion
            | Kind::PickupCounty
            | Kind::CompletedOnly
            | Kind::DailyOnly
            | Kind::CompletionInDaily
            | Kind::UnknownCounty
            | Kind::WrongEncoding
            | Kind::Malformed
            | Kind::Truncated
            | Kind::StatusUnknown
            | Kind::OtherPlatform
            | Kind::TimeFuture
            | Kind::TimeImpossible
            | Kind::IdTooLong
            | Kind::CountyMissing => return None,
        })
    }

    /// A record of an order number of its own that cannot be used.
    fn unusable(&mut self, order: &Order, kind: Kind) {
        let number = self.new_number();
        let take = order.take;
        let mut record = self.native(order, Step::Accepted, &take, take.at_ms);
        record.order = number;
        let pick = usize::try_from(number % 3).unwrap_or(0);
        let Some(&(_, code)) = UNUSABLE.iter().find(|row| row.0 == kind) else {
            return;
        };
        if kind == Kind::UnknownCounty {
            record.county = Some(UNKNOWN_COUNTIES[pick]);
        } else if kind == Kind::WrongEncoding {
            record.extra = Extra::BadBytes;
        } else if kind == Kind::StatusUnknown {
            record.step = Step::Unlisted;
        } else if kind == Kind::OtherPlatform {
            record.code = Some(if order.platform == MEITUAN { "ELEME" } else { "MEITUAN" });
        } else if kind == Kind::TimeFuture {
            let ahead_ms = self.between(2, 30) * DAY_MS;
            record.at_ms += ahead_ms;
            record.accepted_ms += ahead_ms;
        } else if kind == Kind::IdTooLong {
            record.long_id = true;
        } else if kind == Kind::CountyMissing {
            record.county = None;
        }
        let hour = self.arrival(order, take.at_ms);
        self.write_unusable(&mut record, kind);
        self.deliver(hour, order.platform, Outcome::Held(code));
    }

    fn write_unusable(&mut self, record: &mut Native, kind: Kind) {
        let written_as_text = [CAOCAO, DIDI, SHANSONG, SF, HUOYUN].contains(&record.platform);
        let impossible = kind == Kind::TimeImpossible;
        if impossible && !written_as_text {
            // Seconds where milliseconds are meant: January 1970.
            record.at_ms /= 1000;
            record.accepted_ms /= 1000;
        }
        self.scratch.clear();
        self.encoder.write(&mut self.scratch, record);
        if impossible && written_as_text {
            thirteenth_month(&mut self.scratch, record);
        }
        if kind == Kind::Truncated {
            // Behind the order number: two records cut before it would be the same bytes.
            self.scratch.truncate(self.scratch.len() / 4 * 3);
        }
        if kind == Kind::Malformed {
            // The first value loses its opening quote.
            let quote = self.scratch.windows(2).position(|pair| pair == b":\"");
            if let Some(at) = quote {
                self.scratch.remove(at + 1);
            }
        }
    }
}

/// Overwrites the month of every time in the record with 13.
fn thirteenth_month(record: &mut [u8], native: &Native) {
    let year = day_of(native.at_ms).ymd().0;
    let mark = match native.platform {
        CAOCAO => format!("\"{year:04}"),
        SHANSONG => format!("{year:04}/"),
        _ => format!("{year:04}-"),
    };
    let width = mark.len();
    for at in 0..record.len().saturating_sub(width + 2) {
        if record[at..].starts_with(mark.as_bytes()) {
            record[at + width..at + width + 2].copy_from_slice(b"13");
        }
    }
}
