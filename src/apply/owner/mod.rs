//! The owner of one partition: claims it, rebuilds its memory, and goes batch by batch.
//!
//! Every batch begins with the swap of the position row. A lost swap, or a commit whose outcome
//! is unknown, ends this owner: its memory is dropped, and the partition is claimed again.

mod batch;
mod close;
mod decode;
mod flood;
mod grow;
mod handoff;
mod held;
mod lag;
mod late;
mod load;
mod merge;
mod poison;
mod records;
mod sealed_days;
mod tally;
#[cfg(test)]
mod tests;
mod trace;
mod unpublished;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::ids::{ConnectorId, LineCode, PlatformId};
use crate::domain::time::{Day, Moment, Month};
use crate::log::position::{Position, check_position};
use crate::orders::identity::Fingerprints;
use crate::orders::shard::{Phase, Shard, ShardSettings};
use crate::store::crashes::{self, Crash};
use crate::store::levy;
use crate::store::news::News;
use crate::store::pauses;
use crate::store::positions::{
    Claim, PartitionKey, claim, log_id, partitions_of, release, stands, swap,
};
use crate::store::{StoreError, Tx};

use self::held::HeldOrders;
use super::engine::{Engine, EngineError, connector_of};
use super::under_way::UnderWay;

/// Cut of each frozen period of the partition's platform.
type Cuts = HashMap<(LineCode, Month), Moment>;

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There was nothing to do.
    Idle,
    /// Too much waits for another partition, whose owner must drain it first; or the connector is
    /// paused.
    Waits,
    /// So many messages were applied, held, ignored or found to be duplicates.
    Worked(u64),
    /// The partition has another owner now, or a commit's outcome is unknown.
    Lost,
}

/// One partition under this instance's lease.
pub struct Owner {
    engine: Arc<Engine>,
    key: PartitionKey,
    connector: ConnectorId,
    platform: Option<PlatformId>,
    partitions: u32,
    claim: Claim,
    shard: Option<Arc<Shard>>,
    cuts: Cuts,
    held: HeldOrders,
    late_waiting: bool,
    /// When the first event that a late run left waiting has waited long enough.
    late_waiting_until: Option<Moment>,
    late_run_at: Moment,
    early_left_until: Option<Day>,
    /// Last closed day up to which the days of the topic's other partitions were looked for.
    others_sealed_until: Option<Day>,
    /// Batch at which records of batches were last joined.
    records_joined: u64,
    /// Batch at which no segments were left to join.
    segments_joined: u64,
    lag: lag::Lag,
    /// The partition's last crash, as far as this owner knows.
    crash: Option<Crash>,
    flood: flood::Flood,
    found_paused: bool,
}

impl Owner {
    /// Claims the partition, holds its position against the log, and rebuilds its memory; `None`
    /// where another lease holds.
    ///
    /// # Errors
    /// [`EngineError`] where database or segments cannot be read, or where the log is not the one
    /// that the position was counted in: then nothing is read from it.
    pub async fn claim(
        engine: Arc<Engine>,
        key: PartitionKey,
    ) -> Result<Option<Self>, EngineError> {
        let claimed = Self::claim_for(engine, key, 0).await?;
        let Some(mut owner) = claimed else { return Ok(None) };
        if let Some(settings) = owner.shard_settings() {
            owner.load(settings).await?;
        }
        Ok(Some(owner))
    }

    /// Claims the partition of a topic that is being grown to so many (0: to none), and holds its
    /// position against the log.
    async fn claim_for(
        engine: Arc<Engine>,
        key: PartitionKey,
        growing_to: u32,
    ) -> Result<Option<Self>, EngineError> {
        let no_connector = || EngineError::NoConnector { topic: key.topic.clone() };
        let connector = connector_of(&key).ok_or_else(no_connector)?;
        let manifest = engine.connectors.get(&connector).ok_or_else(no_connector)?;
        let platform = manifest.platform().cloned();
        let mut tx = engine.db.begin().await?;
        let claimed = claim(&mut tx, &key, engine.lease(), growing_to).await?;
        // As it is under the claim: before, the topic may have grown.
        let partitions = partitions_of(&mut tx, &key.topic).await?;
        let topic_id = log_id(&mut tx, &key.topic).await?;
        let crash = crashes::last(&mut tx, &key).await?;
        let known = pauses::known(&mut tx, &connector).await?;
        tx.commit().await?;
        let Some(claimed) = claimed else { return Ok(None) };
        let position = Position {
            topic_id,
            partitions,
            next_offset: claimed.next_offset,
            last_digest: claimed.last_digest,
        };
        check_position(&*engine.log, (&key.topic, key.partition), &position).await?;
        let retention_ms = engine.log.retention_ms(&key.topic).await?;
        Ok(Some(Self {
            late_run_at: claimed.received_at,
            engine,
            key,
            connector,
            platform,
            partitions,
            claim: claimed,
            shard: None,
            cuts: Cuts::new(),
            held: HeldOrders::default(),
            late_waiting: false,
            late_waiting_until: None,
            early_left_until: None,
            others_sealed_until: None,
            records_joined: 0,
            segments_joined: 0,
            lag: lag::Lag::new(retention_ms),
            crash,
            flood: flood::Flood::new(known),
            found_paused: false,
        }))
    }

    /// Fixed facts of the partition's memory; `None` where no orders are in it.
    fn shard_settings(&self) -> Option<ShardSettings> {
        let feeds = self.engine.connectors.get(&self.connector)?.feeds();
        let of_orders = feeds.iter().filter(|feed| feed.makes_orders());
        let resolution_ms = of_orders.map(|feed| feed.resolution_ms()).max().unwrap_or(1);
        let windows = self.engine.policy.windows();
        Some(ShardSettings {
            topic: self.key.topic.as_str().into(),
            partition: self.key.partition,
            partitions: self.partitions,
            platform: self.platform.clone()?,
            fingerprints: Fingerprints::new(self.engine.fingerprint_key, resolution_ms),
            seal_after_ms: windows.seal_after_ms,
            reassign_window_ms: windows.reassign_window_ms,
        })
    }

    /// The partition.
    #[must_use]
    pub const fn key(&self) -> &PartitionKey {
        &self.key
    }

    /// The epoch that it claimed.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.claim.epoch
    }

    /// Position of the next record and the partition's clock.
    #[must_use]
    pub const fn progress(&self) -> (u64, Moment) {
        (self.claim.next_offset, self.claim.received_at)
    }

    /// Drains handoff, applies one batch of the log, or does the upkeep that is due; nothing while
    /// the connector is paused.
    ///
    /// # Errors
    /// [`EngineError`] where nothing was committed and the cause must be mended; the owner must
    /// be dropped.
    pub async fn step(&mut self) -> Result<Step, EngineError> {
        let mut tx = self.engine.db.snapshot().await?;
        if self.find_paused(&mut tx).await? {
            tx.commit().await?;
            self.watch_lag().await?;
            return Ok(Step::Waits);
        }
        let handoff = self.waiting_handoff(&mut tx).await?;
        tx.commit().await?;
        if let Some((from, batch, bytes)) = handoff {
            let drained = self.drain_guarded((from, batch), &bytes).await?;
            if drained != Step::Idle {
                return Ok(drained);
            }
        }
        self.step_in_log().await
    }

    /// [`Owner::step`] where the connector is not paused and nothing is handed to this partition, by
    /// what was found for all before any of them worked: that is not asked again.
    ///
    /// # Errors
    /// As [`Owner::step`].
    pub async fn step_after(&mut self, news: &News) -> Result<Step, EngineError> {
        if self.found_paused || news.has_any(&self.connector, &self.key) {
            return self.step().await;
        }
        self.step_in_log().await
    }

    async fn step_in_log(&mut self) -> Result<Step, EngineError> {
        let from = self.claim.next_offset;
        let bytes_max = self.engine.settings.batch_bytes_max;
        let log = Arc::clone(&self.engine.log);
        let mut batch = log.read(&self.key.topic, self.key.partition, from, bytes_max).await?;
        batch.not_before(self.claim.received_at);
        if let Some(first) = batch.records.first() {
            self.lag.check(&self.key, first.received_at, (self.engine.clock)());
        }
        if batch.records.is_empty() {
            return self.upkeep().await;
        }
        let worked = self.apply_guarded(batch).await?;
        if let Step::Worked(_) = worked
            && self.upkeep().await? == Step::Lost
        {
            return Ok(Step::Lost);
        }
        Ok(worked)
    }

    /// What is due by the partition's own clock: seal days, run late events, join segments.
    async fn upkeep(&mut self) -> Result<Step, EngineError> {
        if self.shard.is_none() {
            return Ok(Step::Idle);
        }
        let sealed = self.seal_due_days().await?;
        if sealed != Step::Idle {
            return Ok(sealed);
        }
        let every = self.engine.settings.late_run_every_ms;
        let is_due = self.claim.received_at.since_ms(self.late_run_at) >= every;
        if self.late_waiting && (is_due || self.has_waited().await?) {
            let ran = self.late_run(false).await?;
            if ran != Step::Idle {
                return Ok(ran);
            }
        }
        let dropped = self.drop_finished_early().await?;
        if dropped != Step::Idle {
            return Ok(dropped);
        }
        self.merge_segments().await
    }

    /// Seals every day up to the given one now, and runs late events: an operator's command, for
    /// example after a backfill.
    ///
    /// # Errors
    /// As [`Owner::step`].
    pub async fn seal_until(&mut self, day: Day) -> Result<Step, EngineError> {
        let Some(shard) = &self.shard else { return Ok(Step::Idle) };
        let open = shard.days().filter(|(_, state)| state.phase == Phase::Open);
        // Days that are due by themselves too: the late run must find no closed day in memory.
        let now = self.claim.received_at;
        let is_due = |open: &Day| *open <= day || !shard.is_open(*open, now);
        let days: Vec<_> = open.map(|(open, _)| open).filter(is_due).collect();
        for open in days {
            if self.seal_day(open, true).await? == Step::Lost {
                return Ok(Step::Lost);
            }
        }
        // Of a partition that gets no messages, nobody else would ever say that it closed the day.
        if self.seal_days_of_others(day.max(self.last_closed_day()), true).await? == Step::Lost {
            return Ok(Step::Lost);
        }
        self.early_left_until = None;
        if self.leave_early(day).await? == Step::Lost {
            return Ok(Step::Lost);
        }
        self.late_run(true).await
    }

    /// Whether the partition is still this owner's. One that has lost it may look for what another
    /// has sealed or joined meanwhile, before its next swap tells it so.
    ///
    /// # Errors
    /// [`EngineError`] where the database refuses.
    pub async fn stands(&self) -> Result<bool, EngineError> {
        let mut tx = self.engine.db.snapshot().await?;
        let stands = stands(&mut tx, &self.key, &self.claim).await?;
        tx.commit().await?;
        Ok(stands)
    }

    /// Gives the partition back at a batch boundary.
    ///
    /// # Errors
    /// [`EngineError`] where the database refuses.
    pub async fn release(self) -> Result<(), EngineError> {
        let mut tx = self.engine.db.begin().await?;
        release(&mut tx, &self.key, &self.claim).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Says that a long step of this partition begins.
    fn under_way(&self, step: &'static str) -> UnderWay {
        UnderWay::begin(step, format!("{}/{}", self.key.topic, self.key.partition))
    }

    /// The memory, to be changed after a commit. `None` where somebody still reads it: then it is
    /// given up rather than allowed to fall behind.
    fn memory(&mut self) -> Option<&mut Shard> {
        let shard = self.shard.as_mut().and_then(Arc::get_mut);
        if shard.is_none() {
            tracing::warn!(topic = self.key.topic, partition = self.key.partition, "memory shared");
        }
        shard
    }

    /// Begins a batch: the transaction, the swap, and the cuts as they stand under it. `None`
    /// where the swap is lost.
    async fn begin(&mut self) -> Result<Option<Tx>, EngineError> {
        let mut tx = self.engine.db.begin().await?;
        if !swap(&mut tx, &self.key, &self.claim, self.engine.lease()).await? {
            tx.rollback().await?;
            return Ok(None);
        }
        self.read_cuts(&mut tx).await?;
        Ok(Some(tx))
    }

    /// Commits a batch; `false` where its outcome is unknown, which ends the owner.
    ///
    /// # Errors
    /// [`EngineError`] where the database itself says that it refuses what was written: some
    /// constraints are looked at only now.
    async fn is_committed(&self, tx: Tx) -> Result<bool, EngineError> {
        let Err(error) = tx.commit().await else { return Ok(true) };
        let error = StoreError::from(error);
        if error.is_of_the_values() {
            return Err(error.into());
        }
        let (topic, partition) = (&self.key.topic, self.key.partition);
        tracing::warn!(topic, partition, "{error}: whether it committed is unknown; claimed again");
        Ok(false)
    }

    async fn read_cuts(&mut self, tx: &mut Tx) -> Result<(), EngineError> {
        if let Some(platform) = &self.platform {
            let cuts = levy::cuts(tx, platform).await?;
            let cuts = cuts.into_iter().map(|cut| ((cut.line, cut.month), cut.cut_at));
            self.cuts = cuts.collect();
        }
        Ok(())
    }
}
