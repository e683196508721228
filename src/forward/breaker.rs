//! The circuit breaker of one destination: after some failures in a row nothing is sent for a
//! while, then one record probes. Time comes in as an argument.

use super::budget::{jitter_seed, wait_ms};
use super::settings::Retry;
use crate::domain::time::Moment;

/// Whether something may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    /// Everything.
    Full,
    /// One record, to see whether the destination is back.
    Probe,
    /// Nothing before that moment.
    Wait(Moment),
}

/// Failures in a row and what follows from them.
#[derive(Clone, Debug)]
pub(super) struct Breaker {
    retry: Retry,
    failures: u32,
    wait_until: Moment,
}

impl Breaker {
    /// A breaker that lets everything pass.
    #[must_use]
    pub(super) const fn new(retry: Retry) -> Self {
        Self { retry, failures: 0, wait_until: Moment::from_ms(i64::MIN) }
    }

    /// Whether something may be sent at `now`.
    #[must_use]
    pub(super) fn permit(&self, now: Moment) -> Permit {
        if now < self.wait_until {
            return Permit::Wait(self.wait_until);
        }
        if self.failures >= self.retry.breaker_failures_max { Permit::Probe } else { Permit::Full }
    }

    /// The destination answered a request.
    pub(super) const fn succeed(&mut self) {
        self.failures = 0;
    }

    /// A request failed at `now`.
    pub(super) fn fail(&mut self, now: Moment) {
        self.failures = self.failures.saturating_add(1);
        let Some(opened) = self.failures.checked_sub(self.retry.breaker_failures_max) else {
            return;
        };
        let (least, most) = (self.retry.breaker_wait_ms_min, self.retry.breaker_wait_ms_max);
        self.pause(now, wait_ms(least, most, opened, jitter_seed(&self.retry)));
    }

    /// The destination asked for a pause (`Retry-After`).
    pub(super) fn pause(&mut self, now: Moment, pause_ms: i64) {
        let until = now.plus_ms(pause_ms.min(self.retry.retry_after_ms_max));
        self.wait_until = self.wait_until.max(until);
    }

    /// Failures since the last answer.
    #[must_use]
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }
}
