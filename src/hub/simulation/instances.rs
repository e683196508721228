//! An instance of the hub as the simulation runs it: the real roles, each as somebody who takes
//! turns. Only what waits for real time, or listens on a socket, is done here instead.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::Template;
use super::destinations::Destination;
use super::faults::Rates;
use super::platforms::Platform;
use super::turns::{Clock, Turns};
use crate::apply::engine::{ApplySettings, Engine};
use crate::domain::ids::ConnectorId;
use crate::domain::time::{Moment, Month};
use crate::forward::acks::AckPoller;
use crate::forward::canonical::Limits;
use crate::forward::client::Counterparty;
use crate::forward::relay::{Relay, RelayError};
use crate::forward::settings::Settings;
use crate::hub::forward::fetch_acks_from;
use crate::hub::log::HubLog;
use crate::hub::process::beat_once;
use crate::hub::publish::Publishing;
use crate::hub::service::leads;
use crate::hub::{Hub, HubError};
use crate::log::embedded::Retention;
use crate::log::simulated::SimulatedLog;
use crate::store::Database;
use crate::store::growth::{self, Growth};
use sqlx::Row;

/// How long an instance keeps its partitions without a sign of life. Hours stand for seconds, since
/// an order comes every hour.
pub(super) const LEASE_MS: i64 = 6 * 3_600_000;
/// Between two looks at the log.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// Between two looks at what is owed, and at acknowledgements.
const FORWARD_EVERY: Duration = Duration::from_secs(3 * 3_600);
/// Most held messages that an operator recycles at once.
const RECYCLED_MAX: u32 = 3;

/// What somebody who takes turns does until it ends.
pub(super) type Work = Pin<Box<dyn Future<Output = Result<(), HubError>>>>;

/// What all instances share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) template: Arc<Template>,
    pub(super) turns: Arc<Turns>,
    pub(super) clock: Clock,
    pub(super) log: Arc<SimulatedLog>,
    pub(super) db: Database,
    pub(super) destinations: Vec<Arc<Destination>>,
    pub(super) rates: Rates,
    /// Jitter of the relays.
    pub(super) seed: u64,
}

/// An instance, and how the world reaches it.
pub(super) struct Instance {
    /// How far its clock is wrong.
    pub(super) skew_ms: Arc<AtomicI64>,
    /// Told to stop, it gives everything back.
    pub(super) stop: watch::Sender<bool>,
    /// Its roles.
    pub(super) roles: Vec<(&'static str, Work)>,
}

impl Shared {
    /// A hub of this name, whose clock is wrong by so much.
    pub(super) fn hub(&self, owner: String, skew_ms: &Arc<AtomicI64>) -> Hub {
        let (clock, skew_ms) = (self.clock.clone(), Arc::clone(skew_ms));
        let template = &self.template;
        let engine = Engine {
            db: self.db.clone(),
            log: Arc::<SimulatedLog>::clone(&self.log),
            connectors: Arc::clone(&template.connectors),
            policy: Arc::clone(&template.policy),
            versions: template.versions.clone(),
            manifest_version: template.manifest_version,
            tokens: Arc::clone(&template.tokens),
            cipher: Arc::clone(&template.cipher),
            fingerprint_key: template.fingerprint_key,
            owner,
            clock: Arc::new(move || clock.now().plus_ms(skew_ms.load(Ordering::Relaxed))),
            settings: ApplySettings {
                batch_bytes_max: self.rates.batch_bytes_max,
                lease_ms: LEASE_MS,
                merge_segments_min: 2,
                early_segments_done_min: 2,
                handoff_bytes_max: self.rates.handoff_bytes_max,
                ..ApplySettings::default()
            },
        };
        let log = HubLog::Simulated(Arc::clone(&self.log));
        let limits = Limits { order_partitions: 1, ..Limits::default() };
        let mut hub = Hub::assemble(engine, log, Retention::default(), limits);
        hub.owners.is_shared = true;
        hub.owners.at_once = 1;
        hub
    }

    /// Starts an instance of this name.
    pub(super) fn instance(&self, owner: String) -> Instance {
        let skew_ms = Arc::new(AtomicI64::new(0));
        let hub = self.hub(owner, &skew_ms);
        let (engine, due) = (Arc::clone(&hub.engine), hub.share_due.clone());
        let stop = hub.stop.clone();
        let mut roles: Vec<(&'static str, Work)> = Vec::new();
        roles.push(("beat", Box::pin(beat(Arc::clone(&engine), due, Arc::clone(&self.turns)))));
        for destination in &self.destinations {
            let relay = self.relay(destination);
            let (engine, turns) = (Arc::clone(&engine), Arc::clone(&self.turns));
            roles.push(("forward", Box::pin(forward(engine, relay, turns))));
        }
        for destination in &self.destinations {
            let (engine, turns) = (Arc::clone(&engine), Arc::clone(&self.turns));
            roles.push(("acks", Box::pin(acks(engine, Arc::clone(destination), turns))));
        }
        let (publishing, stopped) = (hub.publishing(), hub.stop.subscribe());
        roles.push(("publish", Box::pin(publish(publishing, stopped, Arc::clone(&self.turns)))));
        roles.push(("process", Box::pin(process(hub, Arc::clone(&self.turns)))));
        Instance { skew_ms, stop, roles }
    }

    /// A relay to one counterparty.
    pub(super) fn relay(&self, destination: &Arc<Destination>) -> Relay {
        let mut settings = Settings::new(String::new());
        settings.limits.requests_max = 1;
        settings.limits.records_max = 4;
        settings.limits.poll_ms = 60_000;
        settings.retry.jitter_seed = Some(self.seed);
        let counterparty: Arc<dyn Counterparty> = Arc::<Destination>::clone(destination);
        Relay::to(vec![(destination.contract, settings, counterparty)])
    }

    /// An operator's command: freeze a month with all that is applied now.
    pub(super) fn freeze(&self, month: Month, number: u64) -> Work {
        let hub = self.hub(format!("operator-{number}"), &Arc::default());
        Box::pin(async move { freeze(&hub, month).await })
    }

    /// An operator's command: give a topic more partitions.
    pub(super) fn grow(&self, platform: Platform, number: u64) -> Work {
        let hub = self.hub(format!("operator-{number}"), &Arc::default());
        Box::pin(async move { grow(&hub, platform).await })
    }

    /// An operator's command: read held messages again.
    pub(super) fn recycle(&self, number: u64) -> Work {
        let hub = self.hub(format!("operator-{number}"), &Arc::default());
        Box::pin(async move {
            // What disagrees with another message is not looked at again: which of the two stands
            // is a matter of their order.
            hub.recycle(Some("county.unknown"), RECYCLED_MAX).await.map(drop)
        })
    }
}

/// Goes on with growing a topic, or grows it to twice its partitions, up to four times what it had.
pub(super) async fn grow(hub: &Hub, platform: Platform) -> Result<(), HubError> {
    let connector = platform.name();
    let mut tx = hub.database().snapshot().await?;
    let found = growth::of_topic(&mut tx, &format!("raw.{connector}")).await?;
    tx.commit().await?;
    let Some(Growth { partitions, growing_to }) = found else { return Ok(()) };
    // A command before may have come as far as the log.
    let in_log = hub.engine.log.extents(&format!("raw.{connector}")).await?.len();
    let next = (2 * partitions).min(4 * platform.partitions());
    let in_log = u32::try_from(in_log).ok().filter(|in_log| *in_log > partitions);
    let to = growing_to.or(in_log).unwrap_or(next);
    let connector = ConnectorId::new(connector)
        .map_err(|found| HubError::NoFeed { found: found.to_string() })?;
    hub.grow(&connector, to).await.map(drop)
}

/// Ends whatever growing was begun.
pub(super) async fn end_growing(hub: &Hub) -> Result<(), HubError> {
    for platform in Platform::ALL {
        let mut tx = hub.database().snapshot().await?;
        let topic = format!("raw.{}", platform.name());
        let found = growth::of_topic(&mut tx, &topic).await?;
        tx.commit().await?;
        let in_log = hub.engine.log.extents(&topic).await?.len();
        let is_ended = found.is_some_and(|found| {
            found.growing_to.is_none() && usize::try_from(found.partitions) == Ok(in_log)
        });
        if !is_ended {
            grow(hub, platform).await?;
        }
    }
    Ok(())
}

/// Freezes and issues a month, as the command does.
pub(super) async fn freeze(hub: &Hub, month: Month) -> Result<(), HubError> {
    let mut tx = hub.database().snapshot().await?;
    let row =
        sqlx::query("select max(received_at) as at from position").fetch_one(&mut *tx).await?;
    let applied_until = Moment::from_ms(row.try_get("at")?);
    tx.commit().await?;
    let cut_at = applied_until.plus_ms(1);
    if cut_at <= month.first_day().start() {
        return Ok(());
    }
    hub.accept_missing_statements(month, cut_at, "simulation", "operator").await?;
    hub.freeze_month(month, cut_at, "simulation").await?;
    Ok(())
}

async fn process(mut hub: Hub, turns: Arc<Turns>) -> Result<(), HubError> {
    let progress = Arc::new(AtomicU64::new(0));
    loop {
        if *hub.stop.borrow() {
            // What cannot be given back is free when its lease is over.
            return passing(hub.give_back().await);
        }
        passing(hub.process_until_idle(&progress).await.map(drop))?;
        turns.sleep(LOOK_EVERY).await;
    }
}

async fn publish(
    mut publishing: Publishing,
    stopped: watch::Receiver<bool>,
    turns: Arc<Turns>,
) -> Result<(), HubError> {
    loop {
        passing(publishing.sweep(&stopped).await.map(drop))?;
        turns.sleep(LOOK_EVERY).await;
    }
}

async fn beat(
    engine: Arc<Engine>,
    due: watch::Sender<bool>,
    turns: Arc<Turns>,
) -> Result<(), HubError> {
    let every = u64::try_from(engine.settings.lease_ms / 3).unwrap_or(1_000);
    loop {
        beat_once(&engine, &due).await?;
        turns.sleep(Duration::from_millis(every)).await;
    }
}

async fn forward(engine: Arc<Engine>, relay: Relay, turns: Arc<Turns>) -> Result<(), HubError> {
    loop {
        deliver(&engine, &relay, &turns).await?;
        turns.sleep(FORWARD_EVERY).await;
    }
}

/// Delivers what can be delivered now.
pub(super) async fn deliver(
    engine: &Engine,
    relay: &Relay,
    turns: &Arc<Turns>,
) -> Result<(), HubError> {
    let wait = |wait: Duration| -> BoxFuture<'static, ()> {
        let turns = Arc::clone(turns);
        Box::pin(async move { turns.sleep(wait).await })
    };
    let delivered = relay.run_until_idle_with(&engine.db, || (engine.clock)(), &wait).await;
    match delivered {
        Err(RelayError::Store(error)) if error.is_passing() => Ok(()),
        outcome => Ok(outcome.map(drop)?),
    }
}

async fn acks(
    engine: Arc<Engine>,
    destination: Arc<Destination>,
    turns: Arc<Turns>,
) -> Result<(), HubError> {
    loop {
        passing(fetch(&engine, &destination).await)?;
        turns.sleep(FORWARD_EVERY).await;
    }
}

/// Fetches acknowledgements, where this instance does so for all.
pub(super) async fn fetch(engine: &Engine, destination: &Arc<Destination>) -> Result<(), HubError> {
    let name = destination.contract.destination;
    if leads(engine, &format!("acks:{name}")).await? {
        let counterparty: Arc<dyn Counterparty> = Arc::<Destination>::clone(destination);
        fetch_acks_from(engine, (name, &AckPoller::of(counterparty)), None).await?;
    }
    Ok(())
}

/// A role goes on by itself after an error that passes.
fn passing(outcome: Result<(), HubError>) -> Result<(), HubError> {
    match outcome {
        Err(error) if error.is_passing() => Ok(()),
        outcome => outcome,
    }
}
