//! One destination's way through the outbox: read a page of keys, claim them, deliver them in
//! parcels, write down the answers. What a lane remembers (place, breaker, budget) may be lost.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use futures_util::stream;

use super::answer::Answer;
use super::breaker::{Breaker, Permit};
use super::budget::{RetryBudget, jitter_seed, wait_ms};
use super::client::Client;
use super::contract::Contract;
use super::delivery::{Delivery, deliver};
use super::parcel::{self, Allowance, Choice};
use super::relay::{RelayError, RelayReport};
use super::settings::Settings;
use crate::domain::ids::DestinationId;
use crate::domain::time::Moment;
use crate::store::Database;
use crate::store::relay::{self, DeliveryState, OpenRecord, Page, Settled};

/// The clock of a run; it must move on by itself, for retries wait for it.
pub(super) type Now<'a> = &'a (dyn Fn() -> Moment + Sync);

pub(super) struct Lane<'a> {
    contract: &'static Contract,
    settings: &'a Settings,
    client: &'a Client,
    destination: DestinationId,
    db: &'a Database,
    now: Now<'a>,
    breaker: Breaker,
    budget: RetryBudget,
    cycle: Cycle,
    fruitless: u32,
    pub(super) report: RelayReport,
}

/// One walk over all keys of the destination.
#[derive(Default)]
struct Cycle {
    after_key: String,
    claimed: bool,
    due_at: Option<Moment>,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There may be more to do at once.
    Worked,
    /// Nothing can be done before that moment.
    Wait(Moment),
    /// Nothing is owed that could be delivered.
    Idle,
}

impl<'a> Lane<'a> {
    pub(super) fn new(
        (contract, settings, client): (&'static Contract, &'a Settings, &'a Client),
        db: &'a Database,
        now: Now<'a>,
    ) -> Result<Self, RelayError> {
        Ok(Self {
            contract,
            settings,
            client,
            destination: contract.destination_id()?,
            db,
            now,
            breaker: Breaker::new(settings.retry.clone()),
            budget: RetryBudget::new(settings.retry.clone(), now()),
            cycle: Cycle::default(),
            fruitless: 0,
            report: RelayReport::default(),
        })
    }

    /// Parcels in a row of which no record came to an end.
    pub(super) const fn fruitless(&self) -> u32 {
        self.fruitless
    }

    /// Reads, claims and delivers one page of keys.
    pub(super) async fn step(&mut self) -> Result<Step, RelayError> {
        let now = (self.now)();
        let probe = match self.breaker.permit(now) {
            Permit::Wait(until) => return Ok(Step::Wait(until)),
            Permit::Probe => true,
            Permit::Full => false,
        };
        let Some(choice) = self.choose(now, probe).await? else {
            return Ok(self.end_cycle());
        };
        self.cycle.after_key = choice.last_key;
        self.cycle.due_at = earliest(self.cycle.due_at, choice.due_at);
        let chosen = choice.runs.len();
        let runs = self.claim(choice.runs, now).await?;
        if runs.len() < chosen {
            // Another instance has them; to be looked at again.
            let poll_ms = i64::try_from(self.settings.limits.poll_ms).unwrap_or(i64::MAX);
            self.cycle.due_at = earliest(self.cycle.due_at, Some(now.plus_ms(poll_ms)));
        }
        if !runs.is_empty() {
            self.cycle.claimed = true;
            self.deliver_all(runs).await?;
        }
        Ok(Step::Worked)
    }

    fn end_cycle(&mut self) -> Step {
        let cycle = std::mem::take(&mut self.cycle);
        match cycle.due_at {
            _ if cycle.claimed => Step::Worked,
            Some(due_at) => Step::Wait(due_at),
            None => Step::Idle,
        }
    }

    /// Reads the next page and chooses what to deliver of it; `None` behind the last key.
    async fn choose(&mut self, now: Moment, probe: bool) -> Result<Option<Choice>, RelayError> {
        let mut tx = self.db.snapshot().await?;
        let limits = &self.settings.limits;
        let page = Page {
            destination: &self.destination,
            after_key: &self.cycle.after_key,
            records_max: limits.page_records_max,
            run_max: limits.run_max,
        };
        let open = relay::open_records(&mut tx, page).await?;
        let Some(last) = open.last() else { return Ok(None) };
        let refused =
            relay::refused_records(&mut tx, &self.destination, page.after_key, &last.key).await?;
        drop(tx);
        let allowance = Allowance {
            now,
            keys_max: if probe { 1 } else { usize::MAX },
            run_max: if probe { 1 } else { usize::MAX },
            retries_max: self.budget.available(now),
            retry_ms: self.budget.one_ms(),
        };
        let choice = parcel::choose(open, &refused, self.contract, &allowance);
        self.budget.take(choice.retries);
        Ok(Some(choice))
    }

    async fn claim(
        &self,
        mut runs: Vec<Vec<OpenRecord>>,
        now: Moment,
    ) -> Result<Vec<Vec<OpenRecord>>, RelayError> {
        let lowest: Vec<&str> =
            runs.iter().filter_map(|run| Some(run.first()?.id.as_str())).collect();
        if lowest.is_empty() {
            return Ok(runs);
        }
        let until = now.plus_ms(self.settings.limits.claim_ms);
        let mut tx = self.db.begin().await?;
        let claimed = relay::claim(&mut tx, &lowest, now, until).await?;
        tx.commit().await?;
        if claimed.len() < runs.len() {
            let claimed: HashSet<String> = claimed.into_iter().collect();
            runs.retain(|run| run.first().is_some_and(|one| claimed.contains(one.id.as_str())));
        }
        Ok(runs)
    }

    async fn deliver_all(&mut self, runs: Vec<Vec<OpenRecord>>) -> Result<(), RelayError> {
        let limits = &self.settings.limits;
        let records_max = limits.records_max.min(self.contract.records_max);
        let halted = AtomicBool::new(false);
        let (client, contract, requests_max) = (self.client, self.contract, limits.requests_max);
        let mut deliveries = stream::iter(parcel::pack(runs, records_max))
            .map(|records| {
                let halted = &halted;
                async move {
                    if halted.load(Ordering::Relaxed) {
                        return Delivery::untried(records);
                    }
                    let delivery = deliver(client, contract, records, requests_max).await;
                    if delivery.failed {
                        halted.store(true, Ordering::Relaxed);
                    }
                    delivery
                }
            })
            .buffer_unordered(requests_max)
            .ready_chunks(requests_max);
        while let Some(some) = deliveries.next().await {
            self.settle(&some).await?;
        }
        Ok(())
    }

    /// Writes down what became of deliveries, in one transaction.
    async fn settle(&mut self, deliveries: &[Delivery]) -> Result<(), RelayError> {
        let now = (self.now)();
        let mut settled = Vec::new();
        let mut given_back = Vec::new();
        for delivery in deliveries {
            self.judge(delivery, now);
            // One seed a parcel: records that failed alike are written down in one statement.
            let seed = jitter_seed(&self.settings.retry);
            let mut key = "";
            for (record, answer) in delivery.records.iter().zip(&delivery.answers) {
                let lowest = record.key != key;
                key = &record.key;
                match answer {
                    Some(answer) => settled.push(self.settled(record, answer, (now, seed))),
                    None if lowest => given_back.push(record.id.clone()),
                    None => {}
                }
            }
        }
        let mut tx = self.db.begin().await?;
        relay::give_back(&mut tx, &given_back, now).await?;
        relay::settle(&mut tx, &settled, now).await?;
        tx.commit().await?;
        for one in settled.iter().filter(|one| one.state == DeliveryState::Refused) {
            tracing::warn!(record = %one.id, code = one.answer, "record refused");
        }
        self.report.count(&settled);
        let delivered = settled.iter().filter(|one| one.state == DeliveryState::Delivered).count();
        self.budget.earn(u64::try_from(delivered).unwrap_or(u64::MAX));
        Ok(())
    }

    fn judge(&mut self, delivery: &Delivery, now: Moment) {
        self.report.requests += delivery.requests;
        if delivery.is_final_for_any() {
            self.fruitless = 0;
        } else if delivery.requests > 0 {
            self.fruitless = self.fruitless.saturating_add(1);
        }
        if delivery.failed {
            self.breaker.fail(now);
            if self.breaker.failures() == self.settings.retry.breaker_failures_max {
                tracing::warn!(destination = %self.destination, "destination fails, breaker opens");
            }
        } else if delivery.requests > 0 {
            self.breaker.succeed();
        }
        if let Some(pause_ms) = delivery.pause_ms {
            self.breaker.pause(now, pause_ms);
        }
    }

    fn settled(&self, record: &OpenRecord, answer: &Answer, (now, seed): (Moment, u64)) -> Settled {
        let retry = &self.settings.retry;
        let wait_ms = wait_ms(retry.wait_ms_min, retry.wait_ms_max, record.attempts, seed);
        let (state, text, wait_ms) = match answer {
            Answer::Delivered { superseded: false } => (DeliveryState::Delivered, "accepted", 0),
            Answer::Delivered { superseded: true } => (DeliveryState::Delivered, "superseded", 0),
            Answer::Refused { code } => (DeliveryState::Refused, code.as_str(), 0),
            Answer::Later { why, after_ms } => {
                let asked_ms = after_ms.unwrap_or(0).min(retry.retry_after_ms_max);
                (DeliveryState::Owed, why.as_str(), wait_ms.max(asked_ms))
            }
            Answer::Unknown { why } => (DeliveryState::Unknown, why.as_str(), wait_ms),
            // Asked for, never got, and not sent again in this parcel: owed as before.
            Answer::Absent => (DeliveryState::Owed, "never arrived", 0),
        };
        Settled {
            id: record.id.clone(),
            state,
            answer: text.chars().take(ANSWER_CHARS_MAX).collect(),
            next_try_at: now.plus_ms(wait_ms),
        }
    }
}

/// What is kept of an answer's text.
const ANSWER_CHARS_MAX: usize = 200;

fn earliest(one: Option<Moment>, other: Option<Moment>) -> Option<Moment> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, None) => one,
        (None, other) => other,
    }
}
