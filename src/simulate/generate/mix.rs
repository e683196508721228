//! What goes wrong, and how often: the mix of a generated run.
//!
//! Rates are per million orders. Whatever the rate, a run of 2,000 orders or more has at least
//! [`Mix::at_least`] of every kind, so that a small run shows them all.

use super::platforms::{DIDI, ELEME, MEITUAN, PLATFORMS, SHANSONG, Shape};

/// Something unusual that happens to one order, or one record that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Another rider takes over; the first acceptance arrives first.
    Reassigned,
    /// Another rider takes over; the first acceptance arrives last.
    ReassignedSecondFirst,
    /// Another rider, more than 24 hours later: held.
    OtherRiderTooLate,
    /// The completion arrives hours before the acceptance.
    CompletionFirst,
    /// The void arrives hours before the acceptance.
    VoidFirst,
    /// Cancelled, no acceptance ever.
    CancelledUnaccepted,
    /// Cancelled, then an acceptance with a later time: not counted.
    CancelledThenAccepted,
    /// Void within the hour.
    VoidSoon,
    /// Void three to five days after its day: the count of a sealed day goes down.
    VoidSealed,
    /// All messages late, the day still open.
    LateOpen,
    /// All messages late, after the day was sealed, up to 40 days.
    LateSealed,
    /// The acceptance again, on the other side of midnight, the day still open: held.
    MovedMidnight,
    /// The same across the end of a month.
    MovedMonthEnd,
    /// The acceptance again, on the other side of midnight, after the day was sealed: held.
    MovedSealed,
    /// The acceptance again, 20 days later: held.
    MovedTwentyDays,
    /// The acceptance again in another county: held.
    OtherCounty,
    /// The acceptance again at another time of the same day: held.
    OtherTime,
    /// Accepted in another province: applied, not counted.
    OutsideRegion,
    /// No county of acceptance, the pick-up county stands for it.
    PickupCounty,
    /// A completion without any acceptance ever: held at the end.
    CompletedOnly,
    /// The stream lost the order; the next day's file has it.
    DailyOnly,
    /// The stream lost the completion; the next day's file has it.
    CompletionInDaily,
    /// A county code of the region that does not exist.
    UnknownCounty,
    /// Bytes of another character encoding.
    WrongEncoding,
    /// Not the format.
    Malformed,
    /// Ends in the middle.
    Truncated,
    /// A status that nobody listed.
    StatusUnknown,
    /// Another platform's code.
    OtherPlatform,
    /// A time days ahead.
    TimeFuture,
    /// A time that cannot be.
    TimeImpossible,
    /// An order number of more than 64 characters.
    IdTooLong,
    /// An acceptance without any county.
    CountyMissing,
}

/// How often each kind happens, per million orders, in the order of [`Kind`].
const DEMO: [(Kind, u64); 32] = [
    (Kind::Reassigned, 4000),
    (Kind::ReassignedSecondFirst, 1500),
    (Kind::OtherRiderTooLate, 50),
    (Kind::CompletionFirst, 3000),
    (Kind::VoidFirst, 200),
    (Kind::CancelledUnaccepted, 8000),
    (Kind::CancelledThenAccepted, 300),
    (Kind::VoidSoon, 500),
    (Kind::VoidSealed, 300),
    (Kind::LateOpen, 3000),
    (Kind::LateSealed, 600),
    (Kind::MovedMidnight, 30),
    (Kind::MovedMonthEnd, 4),
    (Kind::MovedSealed, 20),
    (Kind::MovedTwentyDays, 20),
    (Kind::OtherCounty, 100),
    (Kind::OtherTime, 100),
    (Kind::OutsideRegion, 500),
    (Kind::PickupCounty, 1500),
    (Kind::CompletedOnly, 150),
    (Kind::DailyOnly, 300),
    (Kind::CompletionInDaily, 800),
    (Kind::UnknownCounty, 100),
    (Kind::WrongEncoding, 60),
    (Kind::Malformed, 60),
    (Kind::Truncated, 60),
    (Kind::StatusUnknown, 100),
    (Kind::OtherPlatform, 60),
    (Kind::TimeFuture, 60),
    (Kind::TimeImpossible, 60),
    (Kind::IdTooLong, 30),
    (Kind::CountyMissing, 60),
];

impl Kind {
    pub(super) const COUNT: usize = DEMO.len();

    /// The kind at a position of the table.
    pub(super) fn at(position: usize) -> Self {
        DEMO[position].0
    }

    /// The name under `generated` in truth.json.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Reassigned => "reassigned",
            Self::ReassignedSecondFirst => "reassigned_second_first",
            Self::OtherRiderTooLate => "other_rider_too_late",
            Self::CompletionFirst => "completion_first",
            Self::VoidFirst => "void_first",
            Self::CancelledUnaccepted => "cancelled_unaccepted",
            Self::CancelledThenAccepted => "cancelled_then_accepted",
            Self::VoidSoon => "void_soon",
            Self::VoidSealed => "void_sealed",
            Self::LateOpen => "late_open",
            Self::LateSealed => "late_sealed",
            Self::MovedMidnight => "moved_midnight",
            Self::MovedMonthEnd => "moved_month_end",
            Self::MovedSealed => "moved_sealed",
            Self::MovedTwentyDays => "moved_twenty_days",
            Self::OtherCounty => "other_county",
            Self::OtherTime => "other_time",
            Self::OutsideRegion => "outside_region",
            Self::PickupCounty => "pickup_county",
            Self::CompletedOnly => "completed_only",
            Self::DailyOnly => "daily_only",
            Self::CompletionInDaily => "completion_in_daily",
            Self::UnknownCounty => "unknown_county",
            Self::WrongEncoding => "wrong_encoding",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::StatusUnknown => "status_unknown",
            Self::OtherPlatform => "other_platform",
            Self::TimeFuture => "time_future",
            Self::TimeImpossible => "time_impossible",
            Self::IdTooLong => "id_too_long",
            Self::CountyMissing => "county_missing",
        }
    }

    /// Whether it can happen on this platform in this hour of the day.
    pub(super) fn fits(self, platform: usize, hour_of_day: i64, month_ends: bool) -> bool {
        let json = PLATFORMS[platform].shape == Shape::Json;
        match self {
            Self::MovedMidnight | Self::MovedSealed => hour_of_day == 23,
            Self::MovedMonthEnd => hour_of_day == 23 && month_ends,
            Self::PickupCounty => platform == DIDI,
            Self::CompletedOnly => !PLATFORMS[platform].completion_carries_acceptance,
            Self::DailyOnly | Self::CompletionInDaily => platform == ELEME,
            Self::WrongEncoding => json || platform == SHANSONG,
            Self::Malformed | Self::Truncated => json,
            Self::CountyMissing => platform == MEITUAN || platform == DIDI,
            Self::OtherTime => hour_of_day < 22,
            Self::Reassigned
            | Self::ReassignedSecondFirst
            | Self::OtherRiderTooLate
            | Self::CompletionFirst
            | Self::VoidFirst
            | Self::CancelledUnaccepted
            | Self::CancelledThenAccepted
            | Self::VoidSoon
            | Self::VoidSealed
            | Self::LateOpen
            | Self::LateSealed
            | Self::MovedTwentyDays
            | Self::OtherCounty
            | Self::OutsideRegion
            | Self::UnknownCounty
            | Self::StatusUnknown
            | Self::OtherPlatform
            | Self::TimeFuture
            | Self::TimeImpossible
            | Self::IdTooLong => true,
        }
    }
}

/// Shares and rates of a run. All are per million.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mix {
    /// Messages that are sent again, up to two hours later.
    pub(super) duplicates: u32,
    /// Orders announced by a message before acceptance.
    pub(super) created: u32,
    /// Orders with a message on the way.
    pub(super) arrived: u32,
    /// Orders cancelled after acceptance.
    pub(super) cancelled: u32,
    /// Least number of each kind in a run of 2,000 orders or more.
    pub(super) at_least: u64,
    /// A file is sent again every so many hours; 0 never.
    pub(super) resend_every_hours: i64,
    /// Riders missing from their platform's roster.
    pub(super) unrostered: u32,
    /// Rate of each kind.
    kinds: [u64; Kind::COUNT],
}

impl Mix {
    /// Everything that the demo and the tests need.
    pub(super) fn demo() -> Self {
        Self {
            duplicates: 10_000,
            created: 350_000,
            arrived: 350_000,
            cancelled: 40_000,
            at_least: 4,
            resend_every_hours: 7,
            unrostered: 5000,
            kinds: DEMO.map(|row| row.1),
        }
    }

    /// Plain lives and 1 % duplicates, nothing else.
    pub(super) fn bench() -> Self {
        Self {
            created: 0,
            arrived: 0,
            at_least: 0,
            resend_every_hours: 0,
            unrostered: 0,
            kinds: [0; Kind::COUNT],
            ..Self::demo()
        }
    }

    /// How many of each kind a run of `orders` has.
    pub(super) fn quota(&self, position: usize, orders: u64) -> u64 {
        let least = if orders >= 2000 { self.at_least } else { self.at_least.min(orders / 500) };
        (orders.saturating_mul(self.kinds[position]) / 1_000_000).max(least)
    }
}
