//! What must become of everything that was generated, collected while it is made.

use std::collections::{BTreeMap, BTreeSet};

use super::platforms::{Line, PLATFORMS, STREAMS};
use crate::domain::time::{Day, Month};

/// First day whose orders count (2026-07-01).
pub(super) const START: (i32, u32, u32) = (2026, 7, 1);

/// How a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Applied,
    Duplicate,
    /// Held, with the reason's code.
    Held(&'static str),
    Ignored,
}

/// Messages of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) applied: u64,
    pub(super) duplicate: u64,
    pub(super) held: u64,
    pub(super) ignored: u64,
}

impl Tally {
    pub(super) fn received(self) -> u64 {
        self.applied + self.duplicate + self.held + self.ignored
    }
}

/// What the hub must find out about one case.
#[derive(Clone, Debug)]
pub(super) struct CaseTruth {
    pub(super) state: &'static str,
    pub(super) evidence: &'static str,
    pub(super) orders: BTreeSet<String>,
}

/// The expected end of everything.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) tallies: Vec<Tally>,
    pub(super) held: BTreeMap<&'static str, u64>,
    counts: Vec<u64>,
    counties: usize,
    pub(super) days: usize,
    first_day: Day,
    start: Day,
    pub(super) generated: BTreeMap<&'static str, u64>,
    pub(super) cases: BTreeMap<String, CaseTruth>,
    pub(super) balances: BTreeMap<String, i64>,
}

impl Truth {
    /// For orders of `days` days from `first_day`.
    pub(super) fn new(first_day: Day, days: u32, counties: usize) -> Self {
        let days = usize::try_from(days).unwrap_or(0);
        let (year, month, day) = START;
        Self {
            tallies: vec![Tally::default(); STREAMS.len()],
            held: BTreeMap::new(),
            counts: vec![0; PLATFORMS.len() * days * counties],
            counties,
            days,
            first_day,
            start: Day::from_ymd(year, month, day).unwrap_or(first_day),
            generated: BTreeMap::new(),
            cases: BTreeMap::new(),
            balances: BTreeMap::new(),
        }
    }

    /// One message of a stream.
    pub(super) fn message(&mut self, stream: usize, outcome: Outcome) {
        let tally = &mut self.tallies[stream];
        match outcome {
            Outcome::Applied => tally.applied += 1,
            Outcome::Duplicate => tally.duplicate += 1,
            Outcome::Ignored => tally.ignored += 1,
            Outcome::Held(code) => {
                tally.held += 1;
                *self.held.entry(code).or_default() += 1;
            }
        }
    }

    /// A whole file again.
    pub(super) fn file_again(&mut self, stream: usize, records: u64, ignored: u64) {
        self.tallies[stream].ignored += ignored;
        self.tallies[stream].duplicate += records - ignored;
        self.note("file_resent");
    }

    /// One more of a kind of thing that was generated.
    pub(super) fn note(&mut self, name: &'static str) {
        *self.generated.entry(name).or_default() += 1;
    }

    /// Whether orders of the day count.
    pub(super) fn in_force(&self, day: Day) -> bool {
        day >= self.start
    }

    /// Orders that count.
    pub(super) fn count(&mut self, platform: usize, day: Day, county: usize, orders: u64) {
        let day = self.day_position(day);
        self.counts[(platform * self.days + day) * self.counties + county] += orders;
    }

    fn day_position(&self, day: Day) -> usize {
        let offset = day.epoch_days() - self.first_day.epoch_days();
        usize::try_from(offset).unwrap_or(usize::MAX)
    }

    pub(super) fn day_counts(&self, platform: usize, day: usize) -> &[u64] {
        let first = (platform * self.days + day) * self.counties;
        &self.counts[first..first + self.counties]
    }

    pub(super) fn day_at(&self, position: usize) -> Day {
        self.first_day.plus(i32::try_from(position).unwrap_or(0))
    }

    /// Counted orders of a platform by month.
    pub(super) fn by_month(&self, platform: usize) -> BTreeMap<Month, u64> {
        let mut months = BTreeMap::new();
        for day in 0..self.days {
            let orders: u64 = self.day_counts(platform, day).iter().sum();
            if orders > 0 {
                *months.entry(self.day_at(day).month()).or_default() += orders;
            }
        }
        months
    }

    /// Posts `fen` to the debit of one account and the credit of another.
    pub(super) fn post(&mut self, debit: &str, credit: &str, fen: i64) {
        *self.balances.entry(debit.to_owned()).or_default() += fen;
        *self.balances.entry(credit.to_owned()).or_default() -= fen;
    }

    /// Messages of all streams.
    pub(super) fn received(&self) -> u64 {
        self.all_messages().received()
    }

    pub(super) fn all_messages(&self) -> Tally {
        self.tallies.iter().fold(Tally::default(), add)
    }
}

/// The sum of two rows of messages.
pub(super) fn add(sum: Tally, tally: &Tally) -> Tally {
    Tally {
        applied: sum.applied + tally.applied,
        duplicate: sum.duplicate + tally.duplicate,
        held: sum.held + tally.held,
        ignored: sum.ignored + tally.ignored,
    }
}

/// Orders × rate in 厘, rounded once to fen, half up; computed here apart from the hub's money.
pub(super) fn levy_fen(line: Line, orders: u64) -> i64 {
    i64::try_from((orders * line.rate_li() + 5) / 10).unwrap_or(i64::MAX)
}
