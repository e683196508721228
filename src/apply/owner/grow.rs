//! Splitting a partition between those that it becomes when its topic grows (`store::growth` keeps
//! everybody else away meanwhile).
//!
//! Each day, what waits, and each handoff is one batch: it takes out of this partition what belongs
//! to another, and puts it there. A split that was broken off is begun again, and finds nothing to
//! do where it has been. Counts, riders' lists and what is still to be published stay where they
//! are: they are read over all partitions.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::domain::time::Day;
use crate::orders::seal::{OpenDay, SealedDay};
use crate::orders::segment::{self, SegmentError, decode};
use crate::orders::shard::Phase;
use crate::orders::split::{DaySplit, Descent, Part, split_rows};
use crate::store::positions::PartitionKey;
use crate::store::segments::{self, SegmentKind, StoredSegment};
use crate::store::{Tx, order_days};

use super::{Owner, Step};
use crate::apply::day::read_day;
use crate::apply::engine::{Engine, EngineError};

/// A day as it is to be written: its segments and its number of orders, by partition.
struct Split {
    /// What is replaced, without bytes.
    read: Vec<StoredSegment>,
    segments: Vec<(u32, StoredSegment)>,
    orders: Vec<(u32, u32)>,
}

impl Split {
    /// Whether another partition gets anything.
    fn moves_something(&self, own: u32) -> bool {
        self.orders.iter().any(|(partition, orders)| *partition != own && *orders > 0)
    }
}

impl Owner {
    /// Claims a partition of a topic that is being grown to `to`, without its memory; `None` where
    /// another command has it.
    ///
    /// # Errors
    /// As [`Owner::claim`].
    pub async fn claim_to_split(
        engine: Arc<Engine>,
        key: PartitionKey,
        to: u32,
    ) -> Result<Option<Self>, EngineError> {
        Self::claim_for(engine, key, to).await
    }

    /// Gives to each partition that this one becomes what belongs to it. [`Step::Lost`] where
    /// another command grows the topic.
    ///
    /// # Errors
    /// [`EngineError`] where the database refuses or a segment is damaged: then the topic stays as
    /// it is, until the command is given again.
    pub async fn split(&mut self, to: u32) -> Result<Step, EngineError> {
        if self.platform.is_none() {
            return Ok(Step::Idle);
        }
        let descent = Descent::new(self.key.partition, self.partitions, to);
        let mut tx = self.engine.db.snapshot().await?;
        let days = order_days::of_partition(&mut tx, &self.key).await?;
        tx.commit().await?;
        for (day, phase, _) in days {
            let split = if phase == Phase::Sealed.code() {
                self.sealed_split(descent, day).await?
            } else {
                self.open_split(descent, day).await?
            };
            if !self.write_split(descent, (day, &phase), split).await? {
                return Ok(Step::Lost);
            }
        }
        for kind in [SegmentKind::Early, SegmentKind::Late] {
            if !self.split_waiting(descent, kind).await? {
                return Ok(Step::Lost);
            }
        }
        if !self.split_handoffs(descent).await? {
            return Ok(Step::Lost);
        }
        Ok(Step::Worked(0))
    }

    fn at(&self, partition: u32) -> PartitionKey {
        PartitionKey { topic: self.key.topic.clone(), partition }
    }

    /// An open day: each segment's parts stay segments of the same batches, so that what is
    /// published of them is the same.
    async fn open_split(&self, descent: Descent, day: Day) -> Result<Split, EngineError> {
        let mut tx = self.engine.db.snapshot().await?;
        let mut read = segments::of_kind(&mut tx, &self.key, SegmentKind::Base, Some(day)).await?;
        read.extend(segments::of_kind(&mut tx, &self.key, SegmentKind::Delta, Some(day)).await?);
        tx.commit().await?;
        let splitting = move || {
            let mut split = DaySplit::new(descent);
            let mut parts = Vec::new();
            for whole in &mut read {
                let (head, rows) = decode(&whole.bytes)?;
                whole.bytes = Vec::new();
                let of_whole = if whole.kind == SegmentKind::Delta {
                    split.delta(&rows)?
                } else {
                    split.base(whole.first_ordinal, &rows)
                };
                for part in of_whole {
                    let bytes = segment::encode_joined(head, &part.rows)?;
                    parts.push((part.partition, part_of(whole, &part, bytes)));
                }
            }
            let orders = split.orders().iter().map(|(partition, next)| (*partition, *next));
            let orders = orders.collect();
            Ok::<_, SegmentError>(Split { read, segments: parts, orders })
        };
        Ok(tokio::task::spawn_blocking(splitting).await??)
    }

    /// A sealed day: sealed again for each partition, with what late runs have added.
    async fn sealed_split(&self, descent: Descent, day: Day) -> Result<Split, EngineError> {
        let mut tx = self.engine.db.snapshot().await?;
        let whole = read_day(&mut tx, &self.key, day).await?;
        let mut read = whole.segments;
        read.extend(segments::of_kind(&mut tx, &self.key, SegmentKind::Index, Some(day)).await?);
        tx.commit().await?;
        let Some(settings) = self.shard_settings() else {
            return Ok(Split { read: Vec::new(), segments: Vec::new(), orders: Vec::new() });
        };
        let (engine, head, day_read) = (Arc::clone(&self.engine), self.head(), whole.day);
        let sealing = move || {
            let none = BTreeSet::new();
            let seal = |(partition, day): (u32, OpenDay)| {
                let (prints, platform) = (&settings.fingerprints, &settings.platform);
                Ok((partition, day.seal(head, prints, platform, &engine.policy, &none)?))
            };
            let days = day_read.split(descent).into_iter().map(seal);
            days.collect::<Result<Vec<(u32, SealedDay)>, SegmentError>>()
        };
        let sealed = tokio::task::spawn_blocking(sealing).await??;
        let batch = self.head().batch;
        let mut split = Split { read, segments: Vec::new(), orders: Vec::new() };
        for (partition, day_of) in sealed {
            split.orders.push((partition, day_of.orders));
            let stored = stored_of(day, batch, day_of);
            split.segments.extend(stored.into_iter().map(|one| (partition, one)));
        }
        Ok(split)
    }

    /// Writes a day in one transaction; `false` where the partition is lost. The other partitions
    /// have the day in the phase that this one has it in, also without an order of it.
    async fn write_split(
        &mut self,
        descent: Descent,
        (day, phase): (Day, &str),
        split: Split,
    ) -> Result<bool, EngineError> {
        let Some(mut tx) = self.begin().await? else { return Ok(false) };
        let mut hasher = Sha256::default();
        if split.moves_something(self.key.partition) {
            for segment in &split.read {
                segments::delete(&mut tx, &self.key, segment).await?;
            }
            for (partition, segment) in &split.segments {
                hasher.update(&segment.bytes);
                segments::put(&mut tx, &self.at(*partition), segment).await?;
            }
            for (partition, orders) in &split.orders {
                order_days::put(&mut tx, &self.at(*partition), day, phase, *orders).await?;
            }
        } else {
            for partition in descent.partitions() {
                order_days::keep(&mut tx, &self.at(partition), day, phase).await?;
            }
        }
        self.commit_split(tx, hasher).await
    }

    /// Events that wait for an acceptance or for a late run.
    async fn split_waiting(
        &mut self,
        descent: Descent,
        kind: SegmentKind,
    ) -> Result<bool, EngineError> {
        let mut tx = self.engine.db.snapshot().await?;
        let waiting = segments::of_kind(&mut tx, &self.key, kind, None).await?;
        tx.commit().await?;
        let mut split = Vec::with_capacity(waiting.len());
        for whole in waiting {
            let parts = parts_of(descent, &whole.bytes)?;
            let parts = parts.into_iter().map(|(part, bytes)| {
                let stored = part_of(&whole, &part, bytes);
                (part.partition, stored)
            });
            split.push((parts.collect::<Vec<_>>(), whole));
        }
        let Some(mut tx) = self.begin().await? else { return Ok(false) };
        let mut hasher = Sha256::default();
        for (parts, whole) in &split {
            segments::delete(&mut tx, &self.key, whole).await?;
            for (partition, stored) in parts {
                hasher.update(&stored.bytes);
                segments::put(&mut tx, &self.at(*partition), stored).await?;
            }
        }
        self.commit_split(tx, hasher).await
    }

    /// Events that other partitions, or an operator, have left for this one.
    async fn split_handoffs(&mut self, descent: Descent) -> Result<bool, EngineError> {
        let mut tx = self.engine.db.snapshot().await?;
        let waiting = segments::all_handoffs(&mut tx, &self.key).await?;
        tx.commit().await?;
        let mut split = Vec::with_capacity(waiting.len());
        for (from, batch, bytes) in waiting {
            split.push((from, batch, parts_of(descent, &bytes)?));
        }
        let Some(mut tx) = self.begin().await? else { return Ok(false) };
        let mut hasher = Sha256::default();
        for (from, batch, parts) in split {
            segments::delete_handoff(&mut tx, &self.key, from, batch).await?;
            for (part, bytes) in parts {
                hasher.update(&bytes);
                let events = u64::try_from(part.rows.rows()).unwrap_or(0);
                let (source, to) = (self.at(from), part.partition);
                segments::hand_off(&mut tx, &source, to, batch, events, &bytes).await?;
            }
        }
        self.commit_split(tx, hasher).await
    }

    async fn commit_split(&mut self, mut tx: Tx, hasher: Sha256) -> Result<bool, EngineError> {
        let progress = self.still("grow");
        let after = self.progress_row(&mut tx, &progress, Vec::new(), hasher).await?;
        if !self.is_committed(tx).await? {
            return Ok(false);
        }
        self.claim = after;
        Ok(true)
    }
}

/// The parts of rows that have order numbers, each as bytes too.
fn parts_of(descent: Descent, whole: &[u8]) -> Result<Vec<(Part, Vec<u8>)>, SegmentError> {
    let (head, rows) = decode(whole)?;
    let parts = split_rows(descent, &rows).into_iter();
    parts.map(|part| segment::encode(head, &part.rows).map(|bytes| (part, bytes))).collect()
}

/// A part of a segment, of the same batches.
fn part_of(whole: &StoredSegment, part: &Part, bytes: Vec<u8>) -> StoredSegment {
    let rows = part.rows.rows();
    let numbered = whole.kind == SegmentKind::Base;
    let length = if numbered { u32::try_from(rows).unwrap_or(u32::MAX) } else { 0 };
    StoredSegment {
        day: whole.day,
        kind: whole.kind,
        first_ordinal: part.first_ordinal,
        next_ordinal: part.first_ordinal.saturating_add(length),
        batch: whole.batch,
        batch_last: whole.batch_last,
        rows: u64::try_from(rows).unwrap_or(u64::MAX),
        bytes,
    }
}

/// The segments of a sealed day.
fn stored_of(day: Day, batch: u64, sealed: SealedDay) -> Vec<StoredSegment> {
    let segment = |kind, first_ordinal: u32, length: u32, rows, bytes| StoredSegment {
        day,
        kind,
        first_ordinal,
        next_ordinal: first_ordinal.saturating_add(length),
        batch,
        batch_last: batch,
        rows,
        bytes,
    };
    let chunk = |(first, rows, bytes)| {
        let length = u32::try_from(rows).unwrap_or(u32::MAX);
        segment(SegmentKind::Sealed, first, length, rows, bytes)
    };
    let mut stored: Vec<StoredSegment> = sealed.chunks.into_iter().map(chunk).collect();
    if let Some((rows, bytes)) = sealed.amending {
        stored.push(segment(SegmentKind::Delta, 0, 0, rows, bytes));
    }
    if sealed.orders > 0 {
        let rows = u64::from(sealed.orders);
        stored.push(segment(SegmentKind::Index, 0, 0, rows, sealed.index));
    }
    stored
}
