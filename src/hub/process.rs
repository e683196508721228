//! The process role in one process: an owner for every partition, two working at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::{Hub, HubError};
use crate::apply::engine::{Engine, EngineError};
use crate::apply::owner::{Owner, Step};
use crate::domain::time::{Day, Moment};
use crate::store::positions::{PartitionKey, topics};

/// Owners that work at the same time: one more than the smallest machine has cores, since one
/// waits for the disk.
const AT_ONCE: usize = 3;

/// The owners of this instance.
#[derive(Default)]
pub(super) struct Owners(Vec<Owner>);

/// What every owner is asked to do.
#[derive(Clone, Copy)]
enum Task {
    /// Work until nothing is left.
    Work,
    /// Seal up to this day and run late events.
    Seal(Day),
}

impl Owners {
    pub(super) async fn release_all(&mut self) -> Result<(), EngineError> {
        for owner in self.0.drain(..) {
            owner.release().await?;
        }
        Ok(())
    }
}

impl Hub {
    /// Applies everything that is in the log, and returns how many messages that was. `progress`
    /// grows by the messages of each batch. Then trims what the log need not keep. A hub that is
    /// told to stop stops at a batch boundary.
    ///
    /// # Errors
    /// [`HubError`] where an owner cannot go on; the others have stopped at a batch boundary.
    pub async fn process_until_idle(&mut self, progress: &Arc<AtomicU64>) -> Result<u64, HubError> {
        let mut total = 0;
        loop {
            let messages = self.each_owner(Task::Work, progress).await?;
            total += messages;
            // One partition may have left a handoff for another that had nothing to do.
            if messages == 0 || *self.stop.borrow() {
                break;
            }
        }
        if total > 0 {
            self.trim_log().await?;
        }
        Ok(total)
    }

    /// Seals every day up to `day` and runs late events, as an operator's command.
    ///
    /// # Errors
    /// As [`Hub::process_until_idle`].
    pub async fn seal_until(&mut self, day: Day) -> Result<(), HubError> {
        let progress = Arc::new(AtomicU64::new(0));
        self.each_owner(Task::Seal(day), &progress).await?;
        Ok(())
    }

    /// The latest append time that any partition has applied.
    ///
    /// # Errors
    /// [`HubError`] where the owners cannot be claimed.
    pub async fn applied_until(&mut self) -> Result<Moment, HubError> {
        self.claim_all().await?;
        let clocks = self.owners.0.iter().map(|owner| owner.progress().1);
        Ok(clocks.max().unwrap_or(Moment::from_ms(0)))
    }

    async fn each_owner(&mut self, task: Task, progress: &Arc<AtomicU64>) -> Result<u64, HubError> {
        self.claim_all().await?;
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let mut running = JoinSet::new();
        for owner in self.owners.0.drain(..) {
            let (engine, permits) = (Arc::clone(&self.engine), Arc::clone(&permits));
            let progress = Arc::clone(progress);
            let stopped = self.stop.subscribe();
            running.spawn(async move {
                run(engine, owner, task, (&permits, &progress, &stopped)).await
            });
        }
        let mut messages = 0;
        let mut failed = None;
        while let Some(done) = running.join_next().await {
            match done? {
                Ok((owner, worked)) => {
                    messages += worked;
                    self.owners.0.push(owner);
                }
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(messages), Err)
    }

    async fn claim_all(&mut self) -> Result<(), HubError> {
        let mut tx = self.engine.db.snapshot().await?;
        let topics = topics(&mut tx).await?;
        tx.commit().await?;
        for (topic, partitions) in topics {
            for partition in 0..partitions {
                let key = PartitionKey { topic: topic.clone(), partition };
                if self.owners.0.iter().any(|owner| *owner.key() == key) {
                    continue;
                }
                self.owners.0.push(claim(&self.engine, key, partitions).await?);
            }
        }
        Ok(())
    }
}

async fn claim(
    engine: &Arc<Engine>,
    key: PartitionKey,
    partitions: u32,
) -> Result<Owner, HubError> {
    let leased = HubError::Leased { topic: key.topic.clone(), partition: key.partition };
    let deadline = (engine.clock)().plus_ms(2 * engine.settings.lease_ms);
    loop {
        if let Some(owner) = Owner::claim(Arc::clone(engine), key.clone(), partitions).await? {
            return Ok(owner);
        }
        // A killed predecessor's lease runs out by itself.
        if (engine.clock)() > deadline {
            return Err(leased);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

async fn run(
    engine: Arc<Engine>,
    mut owner: Owner,
    task: Task,
    (permits, progress, stopped): (&Semaphore, &AtomicU64, &watch::Receiver<bool>),
) -> Result<(Owner, u64), HubError> {
    let mut messages = 0;
    loop {
        if *stopped.borrow() {
            return Ok((owner, messages));
        }
        let step = {
            // The semaphore is never closed, so a missing permit only means no limit.
            let _permit = permits.acquire().await;
            match task {
                Task::Work => owner.step().await?,
                Task::Seal(day) => owner.seal_until(day).await?,
            }
        };
        match step {
            // Whoever it waits for works in the same round, or did before it left this much.
            Step::Idle | Step::Waits => return Ok((owner, messages)),
            Step::Worked(count) => {
                messages += count;
                progress.fetch_add(count, Ordering::Relaxed);
                if let Task::Seal(_) = task {
                    return Ok((owner, messages));
                }
            }
            Step::Lost => {
                let (key, partitions) = (owner.key().clone(), owner.partitions());
                drop(owner);
                owner = claim(&engine, key, partitions).await?;
            }
        }
    }
}
