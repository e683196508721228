//! Rebuilding an owner's memory from segments, in one snapshot.

use std::sync::Arc;

use crate::domain::time::{Day, Moment};
use crate::orders::columns::Columns;
use crate::orders::resolve::FirstEvents;
use crate::orders::segment::decode;
use crate::orders::shard::{Phase, Shard, ShardSettings};
use crate::store::positions::renew;
use crate::store::segments::{self, SegmentKind};
use crate::store::{StoreError, Tx, order_days};

use super::Owner;
use crate::apply::engine::EngineError;

impl Owner {
    pub(super) async fn load(&mut self, settings: ShardSettings) -> Result<(), EngineError> {
        let mut kept_at = (self.engine.clock)();
        let mut tx = self.engine.db.snapshot().await?;
        let stored = order_days::of_partition(&mut tx, &self.key).await?;
        let mut days = Vec::with_capacity(stored.len());
        for (day, phase, next_ordinal) in stored {
            let phase = Phase::of(&phase).ok_or_else(|| StoreError::Damaged {
                what: "order_day.state",
                detail: format!("expected open, closed or sealed, found {phase:?}"),
            })?;
            days.push((day, phase, next_ordinal));
        }
        let open = days.iter().filter(|(_, phase, _)| *phase == Phase::Open);
        let open: Vec<Day> = open.map(|(day, ..)| *day).collect();
        let mut shard = Shard::new(settings, days);
        for day in open {
            self.load_day(&mut tx, &mut shard, day).await?;
            self.keep_lease(&mut kept_at).await?;
        }
        for segment in segments::of_kind(&mut tx, &self.key, SegmentKind::Early, None).await? {
            let (_, rows) = decode(&segment.bytes)?;
            shard.load_early(segment.batch, &rows);
        }
        let late = segments::of_kind(&mut tx, &self.key, SegmentKind::Late, None).await?;
        self.late_waiting = !late.is_empty();
        self.shard = Some(Arc::new(shard));
        self.load_held(&mut tx).await?;
        self.read_cuts(&mut tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Keeps the lease while the days are read. Who has lost it meanwhile finds out at its first
    /// batch.
    async fn keep_lease(&self, kept_at: &mut Moment) -> Result<(), EngineError> {
        let lease = self.engine.lease();
        if lease.process_now.since_ms(*kept_at) < lease.lease_ms / 3 {
            return Ok(());
        }
        let mut tx = self.engine.db.begin().await?;
        renew(&mut tx, &self.key, &self.claim, lease).await?;
        tx.commit().await?;
        *kept_at = lease.process_now;
        Ok(())
    }

    async fn load_day(&self, tx: &mut Tx, shard: &mut Shard, day: Day) -> Result<(), EngineError> {
        let platform = shard.settings().platform.clone();
        let mut bases: Vec<(u32, Columns)> = Vec::new();
        for segment in segments::of_kind(tx, &self.key, SegmentKind::Base, Some(day)).await? {
            let (_, rows) = decode(&segment.bytes)?;
            shard.load_base(day, segment.first_ordinal, &rows);
            bases.push((segment.first_ordinal, rows));
        }
        let first_of = |ordinal: u32| {
            let place = bases.partition_point(|(first, _)| *first <= ordinal).checked_sub(1)?;
            let (first, rows) = bases.get(place)?;
            rows.first_event(usize::try_from(ordinal - first).ok()?, &platform)
        };
        for segment in segments::of_kind(tx, &self.key, SegmentKind::Delta, Some(day)).await? {
            let (_, rows) = decode(&segment.bytes)?;
            shard.load_delta(&rows, &first_of);
        }
        Ok(())
    }

    /// Reads the first events of orders from their segments.
    pub(super) async fn first_events(
        &self,
        wanted: &[(Day, u32)],
        into: &mut FirstEvents,
    ) -> Result<(), EngineError> {
        let Some(shard) = &self.shard else { return Ok(()) };
        if wanted.is_empty() {
            return Ok(());
        }
        let mut sorted = wanted.to_vec();
        sorted.sort_unstable();
        let mut tx = self.engine.db.snapshot().await?;
        let mut open: Option<(Day, u32, u32, Columns)> = None;
        for (day, ordinal) in sorted {
            let held = open
                .as_ref()
                .filter(|(d, first, next, _)| *d == day && (*first..*next).contains(&ordinal));
            if held.is_none() {
                let found = segments::holding(&mut tx, &self.key, day, ordinal).await?;
                let segment = found.ok_or_else(|| StoreError::Damaged {
                    what: "segment",
                    detail: format!("{day}: no base segment holds ordinal {ordinal}"),
                })?;
                let (_, rows) = decode(&segment.bytes)?;
                open = Some((day, segment.first_ordinal, segment.next_ordinal, rows));
            }
            if let Some((_, first, _, rows)) = &open
                && let Ok(row) = usize::try_from(ordinal - first)
                && let Some(event) = rows.first_event(row, &shard.settings().platform)
            {
                into.insert((day, ordinal), event);
            }
        }
        tx.commit().await?;
        Ok(())
    }
}
