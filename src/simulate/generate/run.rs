//! One run: hour after hour, orders are made and what arrives is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::calendar::Calendar;
use super::cases::Cases;
use super::files::{Files, Written};
use super::mix::{Kind, Mix};
use super::native::Encoder;
use super::plan::{Plan, shares};
use super::platforms::{ELEME_DAILY, STREAMING};
use super::regions::Regions;
use super::riders::Riders;
use super::text::{HOUR_MS, day_of, first_hour};
use super::truth::{Outcome, START, Truth};
use super::{GenerateError, GenerateOptions, GenerateSummary, Profile};
use crate::domain::time::Day;

/// Part of the orders after which no new unusual thing is planned, so that each finds an order.
const PLANNED_PERMILLE: u64 = 850;
/// Orders between two reports of progress.
const PROGRESS_ORDERS: u64 = 65_536;

/// Everything of a run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) options: GenerateOptions,
    pub(super) mix: Mix,
    pub(super) regions: Regions,
    pub(super) riders: Riders,
    pub(super) calendar: Calendar,
    pub(super) truth: Truth,
    pub(super) cases: Cases,
    pub(super) encoder: Encoder,
    pub(super) scratch: Vec<u8>,
    pub(super) rng: ChaCha8Rng,
    /// Random choices of everything but orders.
    pub(super) side_rng: ChaCha8Rng,
    pub(super) next_order: u64,
    files: Files,
    out: PathBuf,
    plan: Plan,
    made: u64,
    /// Unusual things by the number of the order from which on they wait, latest first.
    planned: Vec<(u64, Kind)>,
    /// How many of each kind wait for an order that fits.
    waiting: [u64; Kind::COUNT],
    again: BTreeMap<i64, Vec<Written>>,
}

impl Run {
    pub(super) fn prepare(options: &GenerateOptions, out: &Path) -> Result<Self, GenerateError> {
        let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
        let side_rng = ChaCha8Rng::seed_from_u64(rng.random());
        let files = Files::create(out, ChaCha8Rng::seed_from_u64(rng.random()))?;
        let mix = match options.profile {
            Profile::Demo => Mix::demo(),
            Profile::Bench | Profile::Acceptances => Mix::bench(),
        };
        let regions = Regions::load();
        // The day before the first one has orders too, and a day's work may be told a day later.
        let span = (options.from.plus(-1), options.days + 1);
        let orders_a_day = options.orders / u64::from(options.days);
        let shares = shares(options.profile);
        let riders =
            Riders::recruit(&regions, &shares, orders_a_day, span, mix.unrostered, &mut rng);
        let planned = plan_kinds(&mix, options.orders, &mut rng);
        Ok(Self {
            truth: Truth::new(span.0, span.1, regions.len()),
            calendar: Calendar::new(first_hour(options.from) - 2),
            cases: Cases::default(),
            encoder: Encoder::new(),
            scratch: Vec::new(),
            next_order: rng.random_range(0..10_000_000_000_000_000),
            plan: Plan::new(options),
            options: options.clone(),
            mix,
            regions,
            riders,
            rng,
            side_rng,
            files,
            out: out.to_owned(),
            made: 0,
            planned,
            waiting: [0; Kind::COUNT],
            again: BTreeMap::new(),
        })
    }

    /// Makes the whole run and writes the truth.
    pub(super) fn finish(
        mut self,
        progress: &mut dyn FnMut(u64),
    ) -> Result<GenerateSummary, GenerateError> {
        let demo = self.options.profile == Profile::Demo;
        if demo {
            self.plan_cases();
            self.rosters();
            self.registrations();
            self.opening_money();
        }
        let first = first_hour(self.options.from);
        let end = first + i64::from(self.options.days) * 24;
        loop {
            let hour = self.calendar.now();
            if demo && hour == first - 1 {
                self.orders_before_start();
            }
            if hour >= first && hour < end {
                self.hour_of_orders(hour, progress);
            }
            if demo {
                if (hour - first) % 24 == 0 && hour >= first {
                    self.day_begins(day_of(hour * HOUR_MS), hour < end);
                }
                if hour == end {
                    self.start_remaining_cases();
                }
            }
            let batches = self.calendar.turn();
            let written = self.files.write_hour(hour, &batches)?;
            self.resend(hour, written, hour < end)?;
            if hour >= end && self.calendar.is_empty() && self.again.is_empty() && self.settled() {
                break;
            }
        }
        progress(self.made);
        self.close()
    }

    fn close(mut self) -> Result<GenerateSummary, GenerateError> {
        self.find_evidence();
        self.assess_levies();
        self.truth.write(&self.out, &self.regions, &self.riders, self.options.orders)?;
        let summary = GenerateSummary {
            orders: self.made,
            messages: self.truth.received(),
            files: self.files.count,
            cases: super::text::number(self.truth.cases.len()),
            last_received_at_ms: self.files.last_ms,
        };
        self.files.finish()?;
        Ok(summary)
    }

    fn hour_of_orders(&mut self, hour: i64, progress: &mut dyn FnMut(u64)) {
        let day = day_of(hour * HOUR_MS);
        let hour_of_day = hour - first_hour(day);
        let month_ends = day.plus(1).month() != day.month();
        for platform in 0..STREAMING {
            let orders = self.plan.next(i64::from(day.epoch_days()), hour_of_day, platform);
            let fitting: Vec<usize> = (0..Kind::COUNT)
                .filter(|&kind| Kind::at(kind).fits(platform, hour_of_day, month_ends))
                .collect();
            for _ in 0..orders {
                while let Some((from, kind)) = self.planned.pop_if(|plan| plan.0 <= self.made) {
                    debug_assert!(from <= self.made, "plans are taken in order");
                    self.waiting[position(kind)] += 1;
                }
                let kind = fitting.iter().copied().find(|&kind| self.waiting[kind] > 0);
                if self.order(platform, hour, kind.map(Kind::at))
                    && let Some(kind) = kind
                {
                    self.waiting[kind] -= 1;
                }
                self.made += 1;
                if self.made.is_multiple_of(PROGRESS_ORDERS) {
                    progress(self.made);
                }
            }
        }
    }

    /// Orders accepted in the hour before the first day: where that day is the start of the scheme,
    /// they do not count; some have their acceptance moved across midnight, which is the end of a
    /// month.
    fn orders_before_start(&mut self) {
        let (year, month, day) = START;
        if Day::from_ymd(year, month, day) != Some(self.options.from) || self.options.orders < 500 {
            return;
        }
        let hour = self.calendar.now();
        let orders = (self.options.orders / 2000).clamp(9, 5000);
        for n in 0..orders {
            let platform = usize::try_from(n % 9).unwrap_or(0);
            let kind = (n % 9 > 4 || n == 0).then_some(Kind::MovedMonthEnd);
            if self.order(platform, hour, kind.filter(|_| n < 9)) {
                let kind = position(Kind::MovedMonthEnd);
                self.waiting[kind] = self.waiting[kind].saturating_sub(1);
            }
            self.truth.note("before_start");
        }
    }

    /// Sends some of the written files again, hours later.
    fn resend(
        &mut self,
        hour: i64,
        written: Vec<Written>,
        in_order_days: bool,
    ) -> Result<(), GenerateError> {
        for file in self.again.remove(&hour).unwrap_or_default() {
            self.files.send_again(hour, &file)?;
            self.truth.file_again(file.stream, file.records, file.ignored);
        }
        let every = self.mix.resend_every_hours;
        if every > 0 && in_order_days && hour % every == 0 {
            let orders: Vec<Written> =
                written.into_iter().filter(|file| file.stream <= ELEME_DAILY).collect();
            if !orders.is_empty() {
                let file = orders[self.side_rng.random_range(0..orders.len())].clone();
                let later = hour + self.side_rng.random_range(3..=20);
                self.again.entry(later).or_default().push(file);
            }
        }
        Ok(())
    }

    /// Puts the record in `scratch` into the calendar.
    pub(super) fn deliver(&mut self, hour: i64, stream: usize, outcome: Outcome) {
        let hour = hour.max(self.calendar.now());
        self.truth.message(stream, outcome);
        self.calendar.push(hour, stream, &self.scratch, outcome == Outcome::Ignored);
    }

    /// A record that few are of.
    pub(super) fn deliver_text(&mut self, hour: i64, stream: usize, text: &str, outcome: Outcome) {
        self.scratch.clear();
        self.scratch.extend_from_slice(text.as_bytes());
        self.deliver(hour, stream, outcome);
    }
}

fn position(kind: Kind) -> usize {
    (0..Kind::COUNT).find(|&at| Kind::at(at) == kind).unwrap_or(Kind::COUNT)
}

fn plan_kinds(mix: &Mix, orders: u64, rng: &mut ChaCha8Rng) -> Vec<(u64, Kind)> {
    let last = (orders / 1000 * PLANNED_PERMILLE).max(1);
    let mut planned = Vec::new();
    for at in 0..Kind::COUNT {
        for _ in 0..mix.quota(at, orders) {
            planned.push((rng.random_range(0..last), Kind::at(at)));
        }
    }
    planned.sort_unstable_by(|a, b| b.cmp(a));
    planned
}
