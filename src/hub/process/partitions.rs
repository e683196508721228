//! Which partitions this instance has: all for a command, its share beside others for a service.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::apply::engine::Engine;
use crate::hub::share::{Plan, plan};
use crate::hub::{Hub, HubError};
use crate::store::growth::{self, Growth};
use crate::store::instances::{beat, holdings, leave, living};
use crate::store::positions::PartitionKey;

impl Hub {
    /// The partitions that this instance has not.
    pub(super) async fn missing(&self) -> Result<Vec<PartitionKey>, HubError> {
        let mut tx = self.engine.db.snapshot().await?;
        let topics = growth::of_all(&mut tx).await?;
        tx.commit().await?;
        for (topic, growth) in &topics {
            if let Some(to) = growth.growing_to {
                return Err(HubError::Growing { topic: topic.clone(), to });
            }
        }
        let all = topics.iter().flat_map(|(topic, Growth { partitions, .. })| {
            (0..*partitions).map(|partition| PartitionKey { topic: topic.clone(), partition })
        });
        let is_own = |key: &PartitionKey| self.owners.own.iter().any(|own| own.key() == key);
        Ok(all.filter(|key| !is_own(key)).collect())
    }

    /// Whether the partitions that this instance has beside others are those that it should have,
    /// as of a moment ago, and each has its owner here.
    pub(super) fn is_share_known(&self) -> bool {
        let taken_at = self.owners.share_taken_at;
        !*self.share_due.borrow() && taken_at.is_some_and(|at| self.engine.is_recent(at))
    }

    /// Gives back what others should have, and says what to claim: what is free of the own share,
    /// and what the database says is this instance's though no owner here has it, since its memory
    /// was lost. What others have claimed, such as an operator's command, is lost.
    pub(super) async fn take_share(&mut self) -> Result<Vec<PartitionKey>, HubError> {
        self.share_due.send_replace(false);
        self.owners.share_taken_at = None;
        let Plan { release, mut claim } = next_moves(&self.engine).await?;
        self.owners.release(&release).await?;
        let mut tx = self.engine.db.snapshot().await?;
        let mut held = holdings(&mut tx, (self.engine.clock)()).await?;
        tx.commit().await?;
        held.retain(|one| one.owner.as_ref() == Some(&self.engine.owner));
        let epochs: HashMap<&PartitionKey, u64> =
            held.iter().map(|one| (&one.key, one.epoch)).collect();
        self.owners.own.retain(|owner| epochs.get(owner.key()) == Some(&owner.epoch()));
        for one in held {
            if !self.owners.own.iter().any(|owner| *owner.key() == one.key) {
                claim.push(one.key);
            }
        }
        let now = Instant::now();
        let stopped = &self.owners.stopped_until;
        let mut stopped = stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.retain(|_, until| *until > now);
        claim.retain(|key| !stopped.contains_key(key));
        self.owners.share_taken_at = Some((self.engine.clock)());
        Ok(claim)
    }

    /// Says that this instance lives no more.
    pub(in crate::hub) async fn leave(&self) -> Result<(), HubError> {
        let mut tx = self.engine.db.begin().await?;
        leave(&mut tx, self.engine.lease()).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Says that this instance lives, and what it should give back and claim.
async fn next_moves(engine: &Engine) -> Result<Plan, HubError> {
    let mut tx = engine.db.begin().await?;
    beat(&mut tx, engine.lease()).await?;
    let now = (engine.clock)();
    let (alive, all) = (living(&mut tx, now).await?, holdings(&mut tx, now).await?);
    tx.commit().await?;
    Ok(plan(&all, &alive, &engine.owner, engine.settings.lease_ms))
}

/// Says that this instance lives, three times a lease, until it is told to stop; and tells the
/// owners when partitions are to be claimed or given back. A database that is away is asked again.
///
/// # Errors
/// [`HubError`] where the database refuses for good.
pub(in crate::hub) async fn beat_until_stopped(
    engine: Arc<Engine>,
    due: watch::Sender<bool>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), HubError> {
    let every = u64::try_from(engine.settings.lease_ms / 3).unwrap_or(1_000);
    while !*stopped.borrow() {
        beat_once(&engine, &due).await?;
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep(Duration::from_millis(every)) => {}
        }
    }
    Ok(())
}

/// One beat.
///
/// # Errors
/// As [`beat_until_stopped`].
pub(in crate::hub) async fn beat_once(
    engine: &Engine,
    due: &watch::Sender<bool>,
) -> Result<(), HubError> {
    match next_moves(engine).await {
        Ok(plan) => {
            if !plan.is_empty() {
                due.send_replace(true);
            }
        }
        Err(error) if error.is_passing() => tracing::warn!("{error}; asked again"),
        Err(error) => return Err(error),
    }
    Ok(())
}
