//! How many orders each platform has in each hour: shares, the day's curve, busy weekends.

use super::platforms::{Line, PLATFORMS, STREAMING};
use super::text::{index, unsigned};
use super::{GenerateOptions, Profile};

/// Share of each hour in a day of deliveries, in parts of a thousand: noon and evening.
const DELIVERY: [u64; 24] =
    [10, 5, 3, 2, 2, 4, 12, 25, 35, 40, 60, 120, 110, 60, 45, 40, 50, 100, 110, 70, 42, 28, 17, 10];
/// The same for rides and freight.
const OTHER: [u64; 24] =
    [12, 8, 5, 4, 6, 12, 28, 60, 72, 55, 48, 50, 50, 48, 48, 50, 58, 75, 72, 60, 55, 52, 42, 30];
/// Weight of a day, Monday first.
const WEEK: [u64; 7] = [96, 95, 97, 98, 104, 108, 102];

/// The shares of the platforms that stream JSON, of all that these have: two dominate.
const BENCH: [u64; STREAMING] = [30, 122, 652, 120, 49, 0, 27, 0, 0];

/// Shares of the platforms, parts of a thousand.
pub(super) fn shares(profile: Profile) -> [u64; STREAMING] {
    std::array::from_fn(|platform| match profile {
        Profile::Demo => PLATFORMS[platform].share,
        Profile::Bench | Profile::Acceptances => BENCH[platform],
    })
}

/// Gives out the orders hour by hour so that they sum exactly.
#[derive(Debug)]
pub(super) struct Plan {
    shares: [u64; STREAMING],
    orders: u128,
    whole: u128,
    passed: u128,
    given: u128,
}

impl Plan {
    pub(super) fn new(options: &GenerateOptions) -> Self {
        let mut plan = Self {
            shares: shares(options.profile),
            orders: u128::from(options.orders),
            whole: 0,
            passed: 0,
            given: 0,
        };
        let first = i64::from(options.from.epoch_days());
        plan.whole = (first..first + i64::from(options.days))
            .flat_map(|day| (0..24).map(move |hour| (day, hour)))
            .flat_map(|(day, hour)| (0..STREAMING).map(move |platform| (day, hour, platform)))
            .map(|(day, hour, platform)| plan.weight(day, hour, platform))
            .sum();
        plan
    }

    /// Orders of a platform in the next hour; to be asked in order of hours, then platforms.
    pub(super) fn next(&mut self, day: i64, hour_of_day: i64, platform: usize) -> u64 {
        self.passed += self.weight(day, hour_of_day, platform);
        let until = self.orders * self.passed / self.whole;
        let orders = until - self.given;
        self.given = until;
        u64::try_from(orders).unwrap_or(0)
    }

    fn weight(&self, day: i64, hour_of_day: i64, platform: usize) -> u128 {
        let curve = match PLATFORMS[platform].line {
            Line::InstantDelivery => DELIVERY,
            Line::RideHailing | Line::Freight => OTHER,
        };
        let sum: u64 = curve.iter().sum();
        let hour = curve[index(unsigned(hour_of_day)) % curve.len()];
        // 1970-01-01 was a Thursday.
        let weekday = WEEK[index(unsigned((day + 3).rem_euclid(7)))];
        u128::from(self.shares[platform] * hour * weekday * 1_000_000 / sum)
    }
}
