//! The process role: an owner for every partition that this instance has, a few working at a time.
//! A command has every partition; a service has its share beside others (`share`).

mod partitions;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::task::JoinSet;

pub(super) use self::partitions::{beat_once, beat_until_stopped};
use super::{Hub, HubError};
use crate::apply::engine::{Engine, EngineError};
use crate::apply::owner::{Owner, Step};
use crate::domain::time::{Day, Moment};
use crate::store::news::{self, News};
use crate::store::positions::PartitionKey;

/// Owners that work at the same time: one more than the smallest machine has cores, since one
/// waits for the disk.
const AT_ONCE: usize = 3;

/// Owners that rebuild their memory at the same time. Beside those that work, so that the first
/// batch commits while others still load.
const LOADS_AT_ONCE: usize = 2;

/// How long an owner that finds more and more works in one round: long enough to use what the log
/// has read ahead, short enough for the messages of the others.
const TURN: Duration = Duration::from_millis(200);

/// A batch with fewer messages was all that was there: its owner has no more for now, though more
/// may come at any moment. It has done its part of the round, so that the round comes to its end
/// and whoever found nothing looks again. Less where batches are cut smaller.
const FEW: u64 = 1_024;
/// Bytes of a message that is larger than nearly all are.
const MESSAGE_BYTES: usize = 1_024;

/// How often in a row a command's step meets an error that may pass before the command ends.
const IN_VAIN_MAX: u32 = 20;

/// How many leases a partition rests whose log is not the one that its position was counted in: a
/// person has to mend it, and until then each try says so.
const REST_LEASES: i64 = 10;

/// The owners of this instance.
pub(super) struct Owners {
    own: Vec<Owner>,
    /// When partitions are tried again that only a person can mend. The others go on.
    stopped_until: Arc<Mutex<HashMap<PartitionKey, Instant>>>,
    /// Whether the instance has its share beside others, instead of everything.
    pub(super) is_shared: bool,
    /// When the database was last asked which partitions this instance has beside others; `None`
    /// where it must be asked.
    share_taken_at: Option<Moment>,
    /// Owners that work at the same time. One alone works in the task of whoever calls, so that a
    /// simulation decides who goes on.
    pub(super) at_once: usize,
}

impl Default for Owners {
    fn default() -> Self {
        Self {
            own: Vec::new(),
            stopped_until: Arc::default(),
            is_shared: false,
            share_taken_at: None,
            at_once: AT_ONCE,
        }
    }
}

/// What owners that work look at between two batches.
#[derive(Clone)]
struct Round {
    engine: Arc<Engine>,
    task: Task,
    /// As of the round's begin: good until an owner has worked, since that may make more of it.
    news: Arc<News>,
    has_worked: Arc<AtomicBool>,
    permits: Arc<Semaphore>,
    loads: Arc<Semaphore>,
    progress: Arc<AtomicU64>,
    stopped: watch::Receiver<bool>,
    /// Whether partitions are to be claimed or given back.
    due: watch::Receiver<bool>,
    stopped_until: Arc<Mutex<HashMap<PartitionKey, Instant>>>,
    is_shared: bool,
    /// Messages of a batch that make its owner go on.
    few: u64,
}

/// What every owner is asked to do.
#[derive(Clone, Copy)]
enum Task {
    /// Work until nothing is left.
    Work,
    /// Seal up to this day and run late events.
    Seal(Day),
    /// Only have the partition.
    Hold,
}

impl Owners {
    pub(super) async fn release_all(&mut self) -> Result<(), EngineError> {
        for owner in self.own.drain(..) {
            owner.release().await?;
        }
        Ok(())
    }

    async fn release(&mut self, keys: &[PartitionKey]) -> Result<(), EngineError> {
        let gone = self.own.extract_if(.., |owner| keys.contains(owner.key()));
        for owner in gone.collect::<Vec<_>>() {
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
        let total = self.apply_until_idle(progress).await?;
        if total > 0 {
            self.trim_log().await?;
        }
        Ok(total)
    }

    /// [`Hub::process_until_idle`] without trimming.
    pub(super) async fn apply_until_idle(
        &mut self,
        progress: &Arc<AtomicU64>,
    ) -> Result<u64, HubError> {
        let mut total = 0;
        loop {
            let messages = self.each_owner(Task::Work, progress).await?;
            total += messages;
            // One partition may have left a handoff for another that had nothing to do, and a round
            // may have ended for partitions to be claimed or given back.
            let is_idle = messages == 0 && !*self.share_due.borrow();
            if is_idle || *self.stop.borrow() {
                return Ok(total);
            }
        }
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
        self.each_owner(Task::Hold, &Arc::default()).await?;
        let clocks = self.owners.own.iter().map(|owner| owner.progress().1);
        Ok(clocks.max().unwrap_or(Moment::from_ms(0)))
    }

    /// What is found for all owners at once, where they look for it.
    async fn news(&self, task: Task) -> Result<News, HubError> {
        let Task::Work = task else { return Ok(News::default()) };
        let mut tx = self.engine.db.snapshot().await?;
        let news = news::of_all(&mut tx).await?;
        tx.commit().await?;
        Ok(news)
    }

    async fn each_owner(&mut self, task: Task, progress: &Arc<AtomicU64>) -> Result<u64, HubError> {
        let claims = if !self.owners.is_shared {
            self.missing().await?
        } else if self.is_share_known() {
            Vec::new()
        } else {
            self.take_share().await?
        };
        // Until every partition has its owner back.
        let share_taken_at = self.owners.share_taken_at.take();
        let news = Arc::new(self.news(task).await?);
        let cut = self.engine.settings.batch_bytes_max / MESSAGE_BYTES;
        let cut = u64::try_from(cut).unwrap_or(u64::MAX);
        let round = Round {
            engine: Arc::clone(&self.engine),
            task,
            news,
            has_worked: Arc::default(),
            permits: Arc::new(Semaphore::new(self.owners.at_once)),
            loads: Arc::new(Semaphore::new(LOADS_AT_ONCE)),
            progress: Arc::clone(progress),
            stopped: self.stop.subscribe(),
            due: self.share_due.subscribe(),
            stopped_until: Arc::clone(&self.owners.stopped_until),
            is_shared: self.owners.is_shared,
            // One that works alone keeps nobody waiting.
            few: if self.owners.at_once > 1 { FEW.min(cut) } else { 0 },
        };
        let owned =
            std::mem::take(&mut self.owners.own).into_iter().map(|own| Begin::Of(Box::new(own)));
        let mut running = JoinSet::new();
        let mut worked = Vec::new();
        for begin in owned.chain(claims.into_iter().map(Begin::Claim)) {
            if self.owners.at_once > 1 {
                running.spawn(work(round.clone(), begin));
            } else {
                worked.push(work(round.clone(), begin).await);
            }
        }
        while let Some(done) = running.join_next().await {
            worked.push(done?);
        }
        let mut messages = 0;
        let mut failed = None;
        if worked.iter().all(|one| matches!(one, Ok((Some(_), _)))) {
            self.owners.share_taken_at = share_taken_at;
        }
        for one in worked {
            match one {
                Ok((owner, count)) => {
                    messages += count;
                    self.owners.own.extend(owner);
                }
                Err(error) => {
                    if let Some(other) = failed.replace(error) {
                        tracing::warn!("{other}");
                    }
                }
            }
        }
        failed.map_or(Ok(messages), Err)
    }
}

async fn claim(engine: &Arc<Engine>, key: PartitionKey) -> Result<Owner, HubError> {
    let leased = HubError::Leased { topic: key.topic.clone(), partition: key.partition };
    let deadline = (engine.clock)().plus_ms(2 * engine.settings.lease_ms);
    loop {
        match Owner::claim(Arc::clone(engine), key.clone()).await {
            Ok(Some(owner)) => return Ok(owner),
            // A killed predecessor's lease runs out by itself.
            Ok(None) if (engine.clock)() > deadline => return Err(leased),
            Err(error) if !error.is_passing() || (engine.clock)() > deadline => {
                return Err(error.into());
            }
            Ok(None) | Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What an owner's work begins with.
enum Begin {
    Of(Box<Owner>),
    Claim(PartitionKey),
}

/// Lets a partition's owner work. Beside others, a partition whose log only a person can mend rests
/// alone, loudly; an operator's command ends with the reason.
async fn work(round: Round, begin: Begin) -> Result<(Option<Owner>, u64), HubError> {
    let is_shared = round.is_shared;
    let stopped_until = Arc::clone(&round.stopped_until);
    let rest_ms = REST_LEASES.saturating_mul(round.engine.settings.lease_ms);
    let rest = Duration::from_millis(u64::try_from(rest_ms).unwrap_or(0));
    let (key, worked) = match begin {
        Begin::Of(owner) => {
            let news = Arc::clone(&round.news);
            (owner.key().clone(), run(round, *owner, Some(news)).await)
        }
        Begin::Claim(key) => (key.clone(), claim_and_run(round, key).await),
    };
    match worked {
        Err(HubError::Engine(EngineError::Log(error))) if is_shared && error.is_of_one_topic() => {
            let (topic, partition, rest_s) = (&key.topic, key.partition, rest.as_secs());
            tracing::error!(topic, partition, rest_s, "{error}; the partition rests");
            let mut stopped = stopped_until.lock().unwrap_or_else(PoisonError::into_inner);
            stopped.insert(key, Instant::now() + rest);
            Ok((None, 0))
        }
        worked => worked,
    }
}

/// Claims a partition and lets its owner work. Beside others, another may be faster.
async fn claim_and_run(round: Round, key: PartitionKey) -> Result<(Option<Owner>, u64), HubError> {
    let claimed = {
        // The semaphore is never closed, so a missing permit only means no limit.
        let _permit = round.loads.acquire().await;
        // What is to be given to others is not loaded first.
        if *round.stopped.borrow() || *round.due.borrow() {
            return Ok((None, 0));
        }
        if round.is_shared {
            Owner::claim(Arc::clone(&round.engine), key).await?
        } else {
            Some(claim(&round.engine, key).await?)
        }
    };
    match claimed {
        // While it loaded, others may have made news.
        Some(owner) => run(round, owner, None).await,
        None => Ok((None, 0)),
    }
}

/// Lets an owner work; gives it back, but for one whose partition is lost beside others.
async fn run(
    round: Round,
    mut owner: Owner,
    mut news: Option<Arc<News>>,
) -> Result<(Option<Owner>, u64), HubError> {
    let (mut messages, mut in_vain) = (0, 0);
    let mut turn: Option<Turn<'_>> = None;
    loop {
        if *round.stopped.borrow() || *round.due.borrow() {
            return Ok((Some(owner), messages));
        }
        if turn.as_ref().is_none_or(Turn::is_over) {
            // Where it has worked, the next round goes on.
            if messages > 0 {
                return Ok((Some(owner), messages));
            }
            // Given up before it is waited for again.
            drop(turn.take());
            turn = Some(Turn::begin(&round.permits).await);
        }
        let step = match round.task {
            Task::Work => match news.take() {
                Some(news) if !round.has_worked.load(Ordering::Acquire) => {
                    owner.step_after(&news).await
                }
                Some(_) | None => owner.step().await,
            },
            Task::Seal(day) => owner.seal_until(day).await,
            Task::Hold => Ok(Step::Idle),
        };
        let step = match step {
            // Whoever gave the command is told, for example of a disk that stays full.
            Err(error) if !round.is_shared && in_vain == IN_VAIN_MAX => return Err(error.into()),
            // Nothing was committed that the memory has not, but the memory may be behind.
            Err(error) if error.is_passing() || !owner.stands().await? => {
                let key = owner.key();
                let (topic, partition) = (&key.topic, key.partition);
                tracing::warn!(topic, partition, "{error}; claimed again");
                in_vain += 1;
                Step::Lost
            }
            step => {
                in_vain = 0;
                step?
            }
        };
        match step {
            // Whoever it waits for works in the same round, or did before it left this much.
            Step::Idle | Step::Waits => return Ok((Some(owner), messages)),
            Step::Worked(count) => {
                round.has_worked.store(true, Ordering::Release);
                messages += count;
                round.progress.fetch_add(count, Ordering::Relaxed);
                if matches!(round.task, Task::Seal(_)) || (1..round.few).contains(&count) {
                    return Ok((Some(owner), messages));
                }
            }
            Step::Lost if round.is_shared => return Ok((None, messages)),
            Step::Lost => {
                turn = None;
                let key = owner.key().clone();
                drop(owner);
                owner = claim(&round.engine, key).await?;
            }
        }
    }
}

/// One of the few owners that work at the same time, for a while.
struct Turn<'s> {
    /// `None` never: the semaphore is not closed.
    _permit: Option<SemaphorePermit<'s>>,
    until: Instant,
}

impl<'s> Turn<'s> {
    async fn begin(permits: &'s Semaphore) -> Self {
        let permit = permits.acquire().await.ok();
        Self { _permit: permit, until: Instant::now() + TURN }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}
