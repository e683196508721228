//! The relay against simulated counterparties, over real HTTP and a real database.
#![expect(clippy::panic, reason = "a failed set-up fails the test")]

use std::collections::BTreeMap;

use super::contract::Contract;
use super::relay::{Relay, RelayReport};
use super::settings::{Limits, Retry, Settings};
use super::{golden_insurance, national, tax};
use crate::domain::ids::{DestinationId, EventId};
use crate::domain::time::Moment;
use crate::simulate::counterparties::{Counterparty, Misbehaviour, Running, Simulator};
use crate::store::Database;
use crate::store::outbox::{self, Owed};
use crate::store::relay as store;
use crate::store::scratch::Scratch;
use crate::store::standing::{self, Standing};

mod acks;
mod classes;
mod contract;
mod faults;
mod flow;
mod limits;

/// A database of its own, removed at the end.
struct Bench {
    db: Database,
    _scratch: Scratch,
}

impl Bench {
    async fn new() -> Self {
        let scratch = Scratch::open().await;
        Self { db: scratch.database.clone(), _scratch: scratch }
    }

    /// Owes `records` of (key, revision) in that order, in one transaction.
    async fn owe(&self, contract: &Contract, kind: &'static str, records: &[(&str, u32)]) {
        let mut tx = self.db.begin().await.unwrap();
        for (key, revision) in records {
            let owed = owed(contract, kind, key, *revision);
            assert!(outbox::owe(&mut tx, &owed).await.unwrap(), "{} twice", owed.id);
        }
        tx.commit().await.unwrap();
    }

    async fn standing(&self, contract: &Contract) -> Standing {
        let mut tx = self.db.snapshot().await.unwrap();
        let all = standing::standings(&mut tx).await.unwrap();
        all.into_iter()
            .find(|standing| standing.destination.as_str() == contract.destination)
            .unwrap_or_else(|| panic!("expected records owed to {}", contract.destination))
    }

    /// State and answer by id.
    async fn states(&self) -> BTreeMap<String, (String, Option<String>)> {
        use sqlx::Row;
        let mut tx = self.db.snapshot().await.unwrap();
        let rows =
            sqlx::query("select id, state, answer from outbox").fetch_all(&mut *tx).await.unwrap();
        rows.iter().map(|row| (row.get("id"), (row.get("state"), row.get("answer")))).collect()
    }

    async fn close(self) {
        self.db.close().await;
    }
}

fn owed(contract: &Contract, kind: &'static str, key: &str, revision: u32) -> Owed {
    let id = format!("{}:{kind}:{key}:{revision}", contract.destination);
    Owed {
        id: EventId::new(&id).unwrap(),
        destination: DestinationId::new(contract.destination).unwrap(),
        key: key.to_owned(),
        kind,
        revision,
        body: format!("{{\"key\": \"{key}\", \"amount\": \"1.{revision:02}\"}}"),
        caused_at: Moment::from_local((2026, 7, 1), (8, 0, 0), 0).unwrap(),
    }
}

/// Short waits, so that a hundred faults take no time.
fn quick(url: String) -> Settings {
    let mut settings = Settings::new(url);
    let Limits { request_timeout_ms, poll_ms, .. } = &mut settings.limits;
    (*request_timeout_ms, *poll_ms) = (5_000, 5);
    settings.retry = Retry {
        wait_ms_min: 1,
        wait_ms_max: 4,
        retry_after_ms_max: 5,
        breaker_wait_ms_min: 1,
        breaker_wait_ms_max: 4,
        idle_failures_max: 60,
        ..settings.retry
    };
    settings
}

/// The wall clock of the tests: retries wait for real time.
fn now() -> Moment {
    use std::sync::LazyLock;
    use std::time::Instant;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let elapsed_ms = i64::try_from(START.elapsed().as_millis()).unwrap();
    Moment::from_ms(1_782_867_600_000).plus_ms(elapsed_ms)
}

async fn run(bench: &Bench, contract: &'static Contract, settings: Settings) -> RelayReport {
    let relay = Relay::new(vec![(contract, settings)]).unwrap();
    relay.run_until_idle(&bench.db, now).await.unwrap()
}

async fn simulator(counterparty: Counterparty, misbehaviour: Misbehaviour, seed: u64) -> Running {
    Simulator::start(counterparty, misbehaviour, seed).await.unwrap()
}
