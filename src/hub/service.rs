//! The hub as a service: page, API and intake, process, publish, forward and acknowledgements, all
//! of them or some, until it is told to stop. It ends at a batch boundary and gives its leases
//! back.
//!
//! What the log brings is applied as soon as intake over HTTP says so; what another process
//! appends to the same data folder is found within a second. Days are sealed and late events are
//! run by the partitions' own clocks. Freezing and evidence stay an operator's commands.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::forward::{connector_of, fetch_acks};
use super::http::HttpAccess;
use super::process::beat_until_stopped;
use super::publish::Publishing;
use super::{Destinations, Hub, HubError, Role};
use crate::apply::engine::Engine;
use crate::forward::contract::Contract;
use crate::forward::relay::{Relay, RelayError};
use crate::forward::settings::Settings;
use crate::store::instances::lead;

/// How long a record that another process appended may lie before it is seen.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two sweeps of publishing, at least.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);
/// Events that make a sweep worth its while. A smaller one reads about as much as a large one, for
/// the orders that its completions are of: the next waits [`REST`] times as long as it took.
const SWEEP_EVENTS: u64 = 65_536;
const REST: u32 = 3;
/// How long is waited at most before brokers that are away are asked again.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(30);
/// Between two looks at what the log need not keep.
const TRIM_EVERY: Duration = Duration::from_secs(60);
/// Between two looks at a counterparty's acknowledgements.
const ACKS_EVERY: Duration = Duration::from_secs(2);

/// What a hub that runs as a service needs to know.
#[derive(Clone, Debug)]
pub struct Service {
    /// Address of page, API and intake.
    pub listen: String,
    /// Who may send over HTTP.
    pub access: HttpAccess,
    /// Where what is owed goes.
    pub destinations: Destinations,
    /// What this instance does.
    pub roles: Vec<Role>,
}

impl Service {
    fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

impl Hub {
    /// Runs its roles until `stop` is there, or until one of them cannot go on. `ready` hears the
    /// address (`http://…`) once it is listened on; whether it lives is answered there whatever the
    /// roles.
    ///
    /// # Errors
    /// [`HubError`] where a role cannot go on; the others have stopped as if they had been told.
    pub async fn run(
        mut self,
        service: &Service,
        stop: impl Future<Output = ()> + Send + 'static,
        ready: impl FnOnce(&str),
    ) -> Result<(), HubError> {
        let relay = service.destinations.relay()?;
        // An instance that owns no partitions need not be able to say that it lives.
        self.owners.is_shared = service.has(Role::Process);
        let front = self.front(&service.listen, &service.access, &service.roles).await?;
        ready(&front.url());
        let mut roles = JoinSet::new();
        let told = self.stop.clone();
        roles.spawn(async move {
            let mut stopped = told.subscribe();
            tokio::select! {
                () = stop => {}
                // The sender lives in this task: the wait ends with the value alone.
                _ = stopped.wait_for(|stop| *stop) => {}
            }
            told.send_replace(true);
            Ok(())
        });
        if service.has(Role::Process) {
            let (engine, due) = (Arc::clone(&self.engine), self.share_due.clone());
            let told = self.stop.clone();
            roles.spawn(async move {
                ended(&told, beat_until_stopped(engine, due, told.subscribe()).await)
            });
        }
        if service.has(Role::Forward) {
            self.spawn_publish(&mut roles);
            self.spawn_forward(&mut roles, relay, &service.destinations);
        }
        let processed = self.work_until_stopped(&service.roles).await;
        let outcome = ended(&self.stop, processed);
        let served = front.stop().await;
        let mut outcome = outcome.and(served);
        while let Some(role) = roles.join_next().await {
            outcome = outcome.and(role?);
        }
        let closed = self.close().await;
        outcome.and(closed)
    }

    fn spawn_publish(&self, roles: &mut JoinSet<Result<(), HubError>>) {
        let (publishing, told) = (self.publishing(), self.stop.clone());
        let committed = self.committed.subscribe();
        roles.spawn(async move {
            let stopped = told.subscribe();
            ended(&told, publish(publishing, committed, stopped).await)
        });
    }

    fn spawn_forward(
        &self,
        roles: &mut JoinSet<Result<(), HubError>>,
        relay: Relay,
        destinations: &Destinations,
    ) {
        let (engine, told) = (Arc::clone(&self.engine), self.stop.clone());
        roles.spawn(async move { ended(&told, forward(&engine, &relay, told.subscribe()).await) });
        for destination in destinations.settings() {
            // What could not be taken in is not asked for.
            if connector_of(destination.0.destination).is_ok_and(|to| self.lost.of(&to).is_some()) {
                continue;
            }
            let (engine, told) = (Arc::clone(&self.engine), self.stop.clone());
            let appended = self.appended.clone();
            roles.spawn(async move {
                let outcome = acks(&engine, destination, &appended, told.subscribe()).await;
                ended(&told, outcome)
            });
        }
    }

    async fn work_until_stopped(&mut self, roles: &[Role]) -> Result<(), HubError> {
        let progress = Arc::new(AtomicU64::new(0));
        let mut appended = self.appended.subscribe();
        let mut stopped = self.stop.subscribe();
        if !roles.contains(&Role::Process) {
            // The sender lives in the hub: the wait ends with the value alone.
            drop(stopped.wait_for(|stop| *stop).await);
            return Ok(());
        }
        let mut pause = LOOK_EVERY;
        let mut trim_at = Instant::now();
        while !*stopped.borrow() {
            appended.mark_unchanged();
            // Nothing was committed by halves; what is owned is claimed again.
            let mut round = self.apply_until_idle(&progress).await.map(drop);
            self.committed.send_replace(());
            if round.is_ok() && trim_at <= Instant::now() {
                trim_at = Instant::now() + TRIM_EVERY;
                round = self.trim_log().await.map(drop);
            }
            let is_whole = round.is_ok();
            pause = pause_after(round, pause)?;
            tokio::select! {
                // Both senders live in the hub: the waits end with a new value alone.
                _ = appended.changed(), if is_whole => {}
                _ = stopped.wait_for(|stop| *stop) => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        Ok(())
    }
}

/// How long to wait after a round of a role: longer after each error that passes by itself.
fn pause_after(round: Result<(), HubError>, pause: Duration) -> Result<Duration, HubError> {
    match round {
        Ok(()) => Ok(LOOK_EVERY),
        Err(error) if error.is_passing() => {
            tracing::warn!(pause_s = pause.as_secs(), "{error}; going on by itself");
            Ok(LOOK_EVERY_MAX.min(2 * pause))
        }
        Err(error) => Err(error),
    }
}

/// Publishes what is committed, beside whoever commits: at once where the own process role has
/// nothing more to do, and once a second while it works, or others do.
async fn publish(
    mut publishing: Publishing,
    mut committed: watch::Receiver<()>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), HubError> {
    let mut pause = LOOK_EVERY;
    while !*stopped.borrow() {
        committed.mark_unchanged();
        let began = Instant::now();
        let swept = publishing.sweep(&stopped).await;
        let is_whole = swept.is_ok();
        let is_large = swept.as_ref().is_ok_and(|events| *events >= SWEEP_EVENTS);
        let rest = if is_large { PUBLISH_EVERY } else { PUBLISH_EVERY.max(REST * began.elapsed()) };
        pause = pause_after(swept.map(drop), pause)?;
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(rest) => {}
        }
        tokio::select! {
            // Its sender lives in the hub that waits for this role.
            _ = committed.changed(), if is_whole => {}
            _ = stopped.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    Ok(())
}

/// Whether this instance does some work for all.
pub(super) async fn leads(engine: &Engine, work: &str) -> Result<bool, HubError> {
    let mut tx = engine.db.begin().await?;
    let is_leader = lead(&mut tx, work, engine.lease()).await?;
    tx.commit().await?;
    Ok(is_leader)
}

/// A role has ended: where that was its own doing, the others stop too.
fn ended(told: &watch::Sender<bool>, outcome: Result<(), HubError>) -> Result<(), HubError> {
    told.send_replace(true);
    outcome
}

async fn forward(
    engine: &Engine,
    relay: &Relay,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), HubError> {
    while !*stopped.borrow() {
        match relay.run(&engine.db, || (engine.clock)(), stopped.clone()).await {
            Err(RelayError::Store(error)) if error.is_passing() => {
                tracing::warn!("{error}; tried again");
                tokio::time::sleep(LOOK_EVERY).await;
            }
            outcome => {
                outcome?;
                break;
            }
        }
    }
    // Without a destination the relay has nothing to wait for, and that is no reason to stop.
    drop(stopped.wait_for(|stop| *stop).await);
    Ok(())
}

/// One instance asks a counterparty, for all.
async fn fetch_as_leader(
    engine: &Engine,
    from: (&'static str, &Settings),
) -> Result<u64, HubError> {
    if !leads(engine, &format!("acks:{}", from.0)).await? {
        return Ok(0);
    }
    fetch_acks(engine, from, None).await
}

/// Brings one counterparty's acknowledgements in. That it does not answer is no reason to stop.
async fn acks(
    engine: &Engine,
    (contract, settings): (&'static Contract, Settings),
    appended: &watch::Sender<()>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), HubError> {
    let mut is_silent = false;
    while !*stopped.borrow() {
        let from = (contract.destination, &settings);
        match fetch_as_leader(engine, from).await {
            Ok(lines) => {
                is_silent = false;
                if lines > 0 {
                    appended.send_replace(());
                }
            }
            Err(error) if error.is_passing() => {
                if !is_silent {
                    tracing::warn!(destination = contract.destination, "{error}; tried again");
                }
                is_silent = true;
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(ACKS_EVERY) => {}
        }
    }
    Ok(())
}
