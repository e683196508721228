//! The relay: runs one lane for each destination, side by side, until nothing is left to deliver
//! or until it is told to stop. Nothing in its memory matters: it may be killed at any point.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::sync::watch;

use super::client::{Client, ClientError, Counterparty};
use super::contract::Contract;
use super::lane::{Lane, Now, Step};
use super::settings::Settings;
use crate::domain::ids::IdError;
use crate::domain::time::Moment;
use crate::store::relay::{DeliveryState, Settled};
use crate::store::{Database, StoreError};

/// Delivers outbox records to all counterparties.
pub struct Relay {
    destinations: Vec<Destination>,
}

struct Destination {
    contract: &'static Contract,
    settings: Settings,
    client: Client,
}

/// Why the relay stopped.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A contract names no destination.
    #[error(transparent)]
    Id(#[from] IdError),
}

impl From<sqlx::Error> for RelayError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What a run did, in records but for `requests`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayReport {
    /// Requests sent or tried.
    pub requests: u64,
    /// Records that counterparties now have.
    pub delivered: u64,
    /// Records refused for good.
    pub refused: u64,
    /// Tries to be repeated.
    pub later: u64,
    /// Tries whose answer was lost.
    pub unknown: u64,
}

impl RelayReport {
    pub(super) fn count(&mut self, settled: &[Settled]) {
        for one in settled {
            match one.state {
                DeliveryState::Delivered => self.delivered += 1,
                DeliveryState::Refused => self.refused += 1,
                DeliveryState::Owed => self.later += 1,
                DeliveryState::Unknown => self.unknown += 1,
            }
        }
    }

    fn add(mut self, other: Self) -> Self {
        self.requests += other.requests;
        self.delivered += other.delivered;
        self.refused += other.refused;
        self.later += other.later;
        self.unknown += other.unknown;
        self
    }
}

impl Relay {
    /// A relay to these counterparties.
    ///
    /// # Errors
    /// [`RelayError::Client`] where an address is none.
    pub fn new(destinations: Vec<(&'static Contract, Settings)>) -> Result<Self, RelayError> {
        let destinations = destinations.into_iter().map(|(contract, settings)| {
            let client = Client::new(&settings)?;
            Ok(Destination { contract, settings, client })
        });
        Ok(Self { destinations: destinations.collect::<Result<_, RelayError>>()? })
    }

    /// A relay to counterparties within this process.
    #[must_use]
    pub fn to(destinations: Vec<(&'static Contract, Settings, Arc<dyn Counterparty>)>) -> Self {
        let destinations = destinations.into_iter().map(|(contract, settings, counterparty)| {
            let client = Client::Simulated(counterparty);
            Destination { contract, settings, client }
        });
        Self { destinations: destinations.collect() }
    }

    /// Delivers everything that can be delivered: until each destination has all, or what is left
    /// waits behind a refusal, or `idle_failures_max` parcels in a row came to nothing.
    /// `now` must move on by itself, for retries wait for it.
    ///
    /// # Errors
    /// [`RelayError::Store`] where the database fails.
    pub async fn run_until_idle(
        &self,
        db: &Database,
        now: impl Fn() -> Moment + Sync,
    ) -> Result<RelayReport, RelayError> {
        self.run_until_idle_with(db, now, &tokio::time::sleep).await
    }

    /// As [`Relay::run_until_idle`], with another way to wait.
    ///
    /// # Errors
    /// As [`Relay::run_until_idle`].
    pub async fn run_until_idle_with<W: Future<Output = ()>>(
        &self,
        db: &Database,
        now: impl Fn() -> Moment + Sync,
        wait: &impl Fn(Duration) -> W,
    ) -> Result<RelayReport, RelayError> {
        let reports = try_join_all(
            self.destinations.iter().map(|destination| until_idle(destination, db, &now, wait)),
        )
        .await?;
        Ok(reports.into_iter().fold(RelayReport::default(), RelayReport::add))
    }

    /// Delivers until `shutdown` becomes true or its sender is gone; what is in flight then is
    /// answered and written down first.
    ///
    /// # Errors
    /// [`RelayError::Store`] where the database fails.
    pub async fn run(
        &self,
        db: &Database,
        now: impl Fn() -> Moment + Sync,
        shutdown: watch::Receiver<bool>,
    ) -> Result<RelayReport, RelayError> {
        let reports = try_join_all(
            (self.destinations.iter())
                .map(|destination| until_shutdown(destination, db, &now, shutdown.clone())),
        )
        .await?;
        Ok(reports.into_iter().fold(RelayReport::default(), RelayReport::add))
    }
}

impl Destination {
    fn lane<'a>(&'a self, db: &'a Database, now: Now<'a>) -> Result<Lane<'a>, RelayError> {
        Lane::new((self.contract, &self.settings, &self.client), db, now)
    }

    /// How long to wait for `until`, at most one poll.
    fn wait(&self, until: Moment, now: Moment) -> Duration {
        let wait_ms = u64::try_from(until.since_ms(now)).unwrap_or(0);
        Duration::from_millis(wait_ms.clamp(1, self.settings.limits.poll_ms.max(1)))
    }
}

async fn until_idle<W: Future<Output = ()>>(
    destination: &Destination,
    db: &Database,
    now: Now<'_>,
    wait: &impl Fn(Duration) -> W,
) -> Result<RelayReport, RelayError> {
    let mut lane = destination.lane(db, now)?;
    loop {
        if lane.fruitless() >= destination.settings.retry.idle_failures_max {
            return Ok(lane.report);
        }
        match lane.step().await? {
            Step::Worked => {}
            Step::Wait(until) => wait(destination.wait(until, now())).await,
            Step::Idle => return Ok(lane.report),
        }
    }
}

async fn until_shutdown(
    destination: &Destination,
    db: &Database,
    now: Now<'_>,
    mut shutdown: watch::Receiver<bool>,
) -> Result<RelayReport, RelayError> {
    let mut lane = destination.lane(db, now)?;
    while !*shutdown.borrow() {
        let wait = match lane.step().await? {
            Step::Worked => continue,
            Step::Wait(until) => destination.wait(until, now()),
            Step::Idle => Duration::from_millis(destination.settings.limits.poll_ms),
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            changed = shutdown.changed() => {
                if changed.is_err() {
                    break;
                }
            }
        }
    }
    Ok(lane.report)
}
