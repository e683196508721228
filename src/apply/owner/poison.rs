//! Records that crash the applying side. The first crash of a batch may have been anybody's: it is
//! applied again. From the second one on, each attempt has half as many records, until a single one
//! has crashed twice: that one is held as a defect, with its bytes, and everything else goes on.
//!
//! A crash is a panic, or a refusal that lies in what would be written (a constraint of the
//! database, an entry that does not balance). It always costs the owner its memory. What ends the
//! whole process, such as a stack that overflows, is not seen here.
//!
//! Of a handoff that crashes each event becomes a row of its own; one that crashes alone, too, is
//! held.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use sha2::Sha256;

use crate::domain::hold::{HoldReason, said_by};
use crate::log::Batch;
use crate::orders::columns::Columns;
use crate::orders::late::events_of;
use crate::orders::segment;
use crate::store::crashes::{self, Crash};
use crate::store::positions::{PartitionKey, stands};
use crate::store::segments;

use super::decode::Decoded;
use super::{Owner, Step};
use crate::apply::engine::EngineError;

/// Numbers of handoffs from here on are of one event that crashed in company; recycled messages
/// have greater ones.
const ALONE: u64 = 1 << 61;

impl Owner {
    /// Applies a batch of the log, or as much of it as is tried at once after a crash, and writes
    /// down where that crashes.
    pub(super) async fn apply_guarded(&mut self, mut batch: Batch) -> Result<Step, EngineError> {
        let tried = self.tried_at_once(batch.records.len());
        batch.records.truncate(tried);
        let batch = Arc::new(batch);
        let is_offender = self.offence().is_some();
        let attempt = self.apply_or_hold(Arc::clone(&batch));
        let detail = match AssertUnwindSafe(attempt).catch_unwind().await {
            Ok(Err(error)) if error.is_of_the_messages() => error.to_string(),
            Ok(Ok(step)) => {
                if is_offender && matches!(step, Step::Worked(_)) {
                    self.end_search().await?;
                }
                return Ok(step);
            }
            Ok(Err(error)) => return Err(error),
            Err(panic) => said_by(&*panic),
        };
        self.note_crash(&batch, detail).await?;
        Ok(Step::Lost)
    }

    /// The offender is held: what comes behind it is applied as ever, until it crashes itself.
    async fn end_search(&mut self) -> Result<(), EngineError> {
        let Some(crash) = self.crash.take() else { return Ok(()) };
        let ended = Crash { until: self.claim.next_offset, ..crash };
        let mut tx = self.engine.db.begin().await?;
        crashes::note(&mut tx, &self.key, &ended).await?;
        Ok(tx.commit().await?)
    }

    /// The last crash, where the position has not left its batch yet.
    fn crash_ahead(&self) -> Option<&Crash> {
        self.crash.as_ref().filter(|crash| self.claim.next_offset < crash.until)
    }

    fn tried_at_once(&self, records: usize) -> usize {
        let half = |crash: &Crash| usize::try_from((crash.records / 2).max(1)).unwrap_or(1);
        match self.crash_ahead() {
            Some(crash) if crash.crashes > 1 => records.min(half(crash)),
            Some(_) | None => records,
        }
    }

    /// What the record at the position said when it crashed, where it has done so twice, alone.
    fn offence(&self) -> Option<String> {
        let crash = self.crash_ahead()?;
        let is_found = crash.records == 1 && crash.crashes > 1;
        (is_found && crash.at == self.claim.next_offset).then(|| crash.detail.clone())
    }

    async fn apply_or_hold(&mut self, batch: Arc<Batch>) -> Result<Step, EngineError> {
        let decoded = match self.offence() {
            Some(detail) => {
                let (topic, offset) = (&self.key.topic, self.claim.next_offset);
                let partition = self.key.partition;
                tracing::error!(topic, partition, offset, detail, "held: it crashes the hub");
                let held = vec![(0, HoldReason::Defect { detail })];
                Decoded { held, ..Decoded::default() }
            }
            None => self.decode(Arc::clone(&batch)).await?,
        };
        self.apply_log(&batch, decoded).await
    }

    async fn note_crash(&mut self, batch: &Batch, detail: String) -> Result<(), EngineError> {
        let at = self.claim.next_offset;
        let rest = batch.records.iter().filter(|record| record.offset >= at).count();
        let end = batch.records.last().map_or(at, |record| record.offset + 1);
        let before = self.crash_ahead();
        let crash = Crash {
            at,
            until: before.map_or(end, |crash| crash.until),
            records: u64::try_from(rest).unwrap_or(1).max(1),
            crashes: before.map_or(1, |crash| crash.crashes + 1),
            detail: shown(&detail),
        };
        let Crash { records, crashes, detail, .. } = &crash;
        let (topic, partition) = (&self.key.topic, self.key.partition);
        tracing::error!(topic, partition, offset = at, records, crashes, detail, "crashed");
        let mut tx = self.engine.db.begin().await?;
        // Who has lost the partition meanwhile says nothing about it any more.
        if stands(&mut tx, &self.key, &self.claim).await? {
            crashes::note(&mut tx, &self.key, &crash).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Applies what another partition left, and takes apart what crashes.
    pub(super) async fn drain_guarded(
        &mut self,
        (from, batch): (u32, u64),
        bytes: &[u8],
    ) -> Result<Step, EngineError> {
        let attempt = self.apply_handoff((from, batch), bytes, None);
        let detail = match AssertUnwindSafe(attempt).catch_unwind().await {
            Ok(Err(error)) if error.is_of_the_messages() => error.to_string(),
            Ok(outcome) => return outcome,
            Err(panic) => said_by(&*panic),
        };
        let detail = shown(&detail);
        let (topic, partition) = (&self.key.topic, self.key.partition);
        tracing::error!(topic, partition, from, detail, "a handoff crashed");
        if batch < ALONE {
            return self.take_apart((from, batch), bytes).await;
        }
        // A message that is held touches no memory.
        self.apply_handoff((from, batch), bytes, Some(HoldReason::Defect { detail })).await?;
        Ok(Step::Lost)
    }

    /// Writes the events of a handoff as a row each.
    async fn take_apart(
        &mut self,
        (from, batch): (u32, u64),
        bytes: &[u8],
    ) -> Result<Step, EngineError> {
        let Some(platform) = self.platform.clone() else { return Ok(Step::Lost) };
        let events = events_of(&segment::decode(bytes)?.1, &platform);
        let Some(mut tx) = self.begin().await? else { return Ok(Step::Lost) };
        let source = PartitionKey { topic: self.key.topic.clone(), partition: from };
        for late in events {
            let number = ALONE + late.raw.offset;
            let mut rows = Columns::default();
            rows.push_raw(&late.event, late.raw);
            let bytes = segment::encode(self.head(), &rows)?;
            let to = self.key.partition;
            segments::hand_off(&mut tx, &source, to, number, 1, &bytes).await?;
        }
        segments::delete_handoff(&mut tx, &self.key, from, batch).await?;
        let progress = self.still("handoff");
        self.progress_row(&mut tx, &progress, Vec::new(), Sha256::default()).await?;
        self.is_committed(tx).await?;
        Ok(Step::Lost)
    }
}

/// A detail as it is kept: not too long, and without what PostgreSQL takes for no text.
fn shown(detail: &str) -> String {
    detail.chars().filter(|c| *c != '\0').take(400).collect()
}
