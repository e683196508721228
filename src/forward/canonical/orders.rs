//! One pass over the order events of one partition: what the snapshot has beyond the cursor is
//! appended; confirming it is a step of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::frames::{Deltas, Origin, Route, Whole};
use super::{CanonicalError, Publisher};
use crate::domain::time::Day;
use crate::log::NewRecord;
use crate::schema::Record;
use crate::schema::topics::ORDERS;
use crate::store::positions::PartitionKey;
use crate::store::publish::{self, Waiting};
use crate::store::segments::{self, AFTER_KEPT, SegmentKind, StoredSegment};
use crate::store::{StoreError, Tx};

/// What the log has confirmed and the database does not know yet.
#[derive(Debug)]
pub(crate) struct OrderPass {
    pub(crate) events: u64,
    key: PartitionKey,
    /// The last batch that is published whole now.
    cursor: Option<u64>,
    /// Unpublished segments that are published now.
    done: Vec<Waiting>,
}

/// Appends records by the thousand.
struct Appender<'p> {
    publisher: &'p Publisher,
    records: Vec<NewRecord>,
    events: u64,
}

impl Appender<'_> {
    async fn add(&mut self, records: Vec<NewRecord>) -> Result<(), CanonicalError> {
        self.events += u64::try_from(records.len()).unwrap_or(0);
        self.records.extend(records);
        if self.records.len() >= self.publisher.limits.append_records_max {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), CanonicalError> {
        if !self.records.is_empty() {
            self.publisher.append(ORDERS, std::mem::take(&mut self.records)).await?;
        }
        Ok(())
    }

    /// Adds every row of a segment that is to be published, and the deltas that point into it.
    async fn add_whole(
        &mut self,
        whole: Whole,
        deltas: &Arc<Deltas>,
        route: &Arc<Route>,
    ) -> Result<(), CanonicalError> {
        let whole = Arc::new(whole);
        let step = self.publisher.limits.append_records_max.max(1);
        for from in (0..whole.rows()).step_by(step) {
            let rows = from..whole.rows().min(from + step);
            let (whole, deltas) = (Arc::clone(&whole), Arc::clone(deltas));
            let route = Arc::clone(route);
            let framing = move || whole.records(rows, &deltas, &route);
            self.add(tokio::task::spawn_blocking(framing).await??).await?;
        }
        Ok(())
    }
}

impl Publisher {
    /// Appends what waits of a partition, about as much as one pass may; `None` where nothing
    /// waits.
    pub(crate) async fn append_orders(
        &self,
        key: &PartitionKey,
    ) -> Result<Option<OrderPass>, CanonicalError> {
        let mut tx = self.db.snapshot().await?;
        let cursor = publish::cursor(&mut tx, key).await?;
        let waiting = publish::waiting(&mut tx, key, cursor).await?;
        if waiting.is_empty() {
            // Batches of repeats alone, or handed on whole, publish nothing: they are done with.
            let last = publish::last_batch(&mut tx, key).await?;
            tx.commit().await?;
            let pass = OrderPass { events: 0, key: key.clone(), cursor: Some(last), done: vec![] };
            return Ok((last > cursor).then_some(pass));
        }
        let schema_id = self.ids.get(Record::Order);
        let route = Arc::new(Route::new(key, self.limits.order_partitions, schema_id)?);
        let mut appender = Appender { publisher: self, records: Vec::new(), events: 0 };
        let (left, open): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|one| one.kind == SegmentKind::Unpublished);
        let pass = if left.is_empty() {
            let (lot, cursor) = lot(&open, self.limits.pass_events_max);
            let mut days: BTreeMap<Day, Vec<Waiting>> = BTreeMap::new();
            lot.into_iter().for_each(|one| days.entry(one.day).or_default().push(one));
            for (day, lot) in days {
                self.append_day(&mut tx, (key, day), &lot, &route, &mut appender).await?;
            }
            OrderPass { events: 0, key: key.clone(), cursor: Some(cursor), done: Vec::new() }
        } else {
            let done = first_of(left, self.limits.pass_events_max);
            let none = Arc::new(Deltas::default());
            for one in &done {
                let segment = get(&mut tx, key, one).await?;
                let origin = Some(Origin::from(one));
                let whole =
                    tokio::task::spawn_blocking(move || Whole::decode(&segment.bytes, 0, origin));
                appender.add_whole(whole.await??, &none, &route).await?;
            }
            OrderPass { events: 0, key: key.clone(), cursor: None, done }
        };
        appender.flush().await?;
        tx.commit().await?;
        Ok(Some(OrderPass { events: appender.events, ..pass }))
    }

    /// Appends base and delta segments of one open day, along its ordinals.
    async fn append_day(
        &self,
        tx: &mut Tx,
        (key, day): (&PartitionKey, Day),
        lot: &[Waiting],
        route: &Arc<Route>,
        appender: &mut Appender<'_>,
    ) -> Result<(), CanonicalError> {
        let mut deltas = Deltas::default();
        for one in lot.iter().filter(|one| one.kind == SegmentKind::Delta) {
            let segment = get(tx, key, one).await?;
            let origin = Origin::from(one);
            deltas = tokio::task::spawn_blocking(move || {
                deltas.add(&segment.bytes, origin).map(|()| deltas)
            })
            .await??;
        }
        deltas.sort();
        let expected = deltas.rows();
        let deltas = Arc::new(deltas);
        let new: BTreeMap<(u32, u64), &Waiting> = lot
            .iter()
            .filter(|one| one.kind == SegmentKind::Base)
            .map(|one| ((one.first_ordinal, one.batch), one))
            .collect();
        let mut reached = 0;
        for (first, next, batch) in publish::bases(tx, key, day).await? {
            let own = new.get(&(first, batch)).copied();
            let pointing = deltas.pointing(first..next);
            reached += pointing;
            if own.is_none() && pointing == 0 {
                continue;
            }
            let found = segments::get(tx, key, SegmentKind::Base, day, first, batch).await?;
            let segment = found.ok_or_else(|| damaged(key, day, "a base segment that is gone"))?;
            let origin = own.map(Origin::from);
            let whole =
                tokio::task::spawn_blocking(move || Whole::decode(&segment.bytes, first, origin));
            appender.add_whole(whole.await??, &deltas, route).await?;
        }
        if reached == expected {
            return Ok(());
        }
        Err(damaged(key, day, "deltas of orders that no base segment has").into())
    }

    /// Moves the cursor, and deletes what sealing had left, after the log confirmed them.
    pub(crate) async fn confirm_orders(&self, pass: OrderPass) -> Result<(), CanonicalError> {
        let mut tx = self.db.begin().await?;
        if let Some(cursor) = pass.cursor {
            publish::advance(&mut tx, &pass.key, cursor).await?;
        }
        for one in &pass.done {
            let place = (one.kind, one.day, one.first_ordinal, one.batch);
            segments::delete_at(&mut tx, &pass.key, place).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// The segments of one pass over open days, and the cursor after it.
///
/// Segments come in order of their last batch, so that everything up to a batch can be published
/// and the cursor moved there. A base segment that reaches beyond that batch, while deltas of the
/// pass may point into it, comes along with everything up to its own last batch: an order's first
/// event goes first.
pub(super) fn lot(waiting: &[Waiting], events_max: u64) -> (Vec<Waiting>, u64) {
    let mut events = 0;
    let fits = waiting.iter().take_while(|one| {
        let is_first = events == 0;
        events += one.rows;
        is_first || events <= events_max
    });
    let mut cursor = fits.last().map_or(0, |last| last.batch_last);
    loop {
        let days: BTreeSet<Day> = waiting
            .iter()
            .filter(|one| one.kind == SegmentKind::Delta && one.batch_last <= cursor)
            .map(|one| one.day)
            .collect();
        let reaching = waiting.iter().filter(|one| {
            one.kind == SegmentKind::Base
                && one.batch <= cursor
                && one.batch_last > cursor
                && days.contains(&one.day)
        });
        match reaching.map(|one| one.batch_last).max() {
            Some(further) => cursor = further,
            None => break,
        }
    }
    let all = waiting.iter().take_while(|one| one.batch_last <= cursor);
    (all.cloned().collect(), cursor)
}

/// The first unpublished segments of a partition, at least one.
///
/// What seals kept goes first, as it lies within its day. Then corrections and what late runs
/// added, as they were written, whatever their days: an order that was taken back from one day and
/// found to be of another stands only where it is withdrawn first.
pub(super) fn first_of(mut left: Vec<Waiting>, events_max: u64) -> Vec<Waiting> {
    left.sort_by_key(|one| {
        let written = if one.first_ordinal < AFTER_KEPT { 0 } else { one.batch };
        (written, one.day, one.first_ordinal, one.batch)
    });
    let mut events = 0;
    let fits = left.iter().take_while(|one| {
        let is_first = events == 0;
        events += one.rows;
        is_first || events <= events_max
    });
    let count = fits.count();
    left.truncate(count);
    left
}

async fn get(
    tx: &mut Tx,
    key: &PartitionKey,
    one: &Waiting,
) -> Result<StoredSegment, CanonicalError> {
    let found = segments::get(tx, key, one.kind, one.day, one.first_ordinal, one.batch).await?;
    Ok(found.ok_or_else(|| damaged(key, one.day, "a segment that is gone"))?)
}

fn damaged(key: &PartitionKey, day: Day, found: &str) -> StoreError {
    let detail = format!("{} partition {} day {day}: found {found}", key.topic, key.partition);
    StoreError::Damaged { what: "segment", detail }
}
