//! How often a destination may be asked again: waits that double and are jittered, and a budget
//! that keeps retries a small share of the traffic.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::settings::Retry;
use crate::domain::time::Moment;

/// Retries are counted in hundredths, so that a share of the delivered records can be earned.
const ONE_RETRY: u64 = 100;

/// A seed that no other instance shares, so that what failed together does not come back together.
#[must_use]
pub(super) fn jitter_seed(retry: &Retry) -> u64 {
    retry.jitter_seed.unwrap_or_else(|| RandomState::new().build_hasher().finish())
}

/// The wait after `tries` tries: doubled each time up to `most_ms`, with jitter of up to as much
/// again. The retry library has no random source of its own here: without a seed every wait would
/// be the same.
#[must_use]
pub(super) fn wait_ms(least_ms: u64, most_ms: u64, tries: u32, seed: u64) -> i64 {
    let place = usize::try_from(tries.min(32)).unwrap_or(32);
    let wait = ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(least_ms))
        .with_max_delay(Duration::from_millis(most_ms))
        .with_jitter()
        .with_jitter_seed(seed)
        .without_max_times()
        .build()
        .nth(place)
        .unwrap_or(Duration::from_millis(most_ms));
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)
}

/// A bucket of retries.
#[derive(Clone, Debug)]
pub(super) struct RetryBudget {
    retry: Retry,
    hundredths: u64,
    filled_at: Moment,
}

impl RetryBudget {
    /// A full bucket.
    #[must_use]
    pub(super) fn new(retry: Retry, now: Moment) -> Self {
        let hundredths = u64::from(retry.budget_max) * ONE_RETRY;
        Self { retry, hundredths, filled_at: now }
    }

    /// Earns what time gives until `now`, and says how many retries there are.
    pub(super) fn available(&mut self, now: Moment) -> u64 {
        let elapsed_ms = u64::try_from(now.since_ms(self.filled_at)).unwrap_or(0);
        let earned = elapsed_ms * u64::from(self.retry.budget_per_s) * ONE_RETRY / 1000;
        // A step too short to earn anything must not lose its time.
        if earned > 0 {
            self.filled_at = now;
            self.add(earned);
        }
        self.hundredths / ONE_RETRY
    }

    /// Takes retries out.
    pub(super) const fn take(&mut self, retries: u64) {
        self.hundredths = self.hundredths.saturating_sub(retries * ONE_RETRY);
    }

    /// Earns the share of delivered records.
    pub(super) fn earn(&mut self, delivered: u64) {
        self.add(delivered * u64::from(self.retry.budget_per_100_delivered));
    }

    /// How long one retry takes to be earned by time alone.
    #[must_use]
    pub(super) fn one_ms(&self) -> i64 {
        1000 / i64::from(self.retry.budget_per_s.max(1)) + 1
    }

    fn add(&mut self, hundredths: u64) {
        let most = u64::from(self.retry.budget_max) * ONE_RETRY;
        self.hundredths = self.hundredths.saturating_add(hundredths).min(most);
    }
}
