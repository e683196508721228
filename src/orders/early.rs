//! Orders that wait for their acceptance: what memory keeps of them, and their way to the late run.
//!
//! Their events and messages lie in early segments; memory keeps a packed order and where its
//! events lie, so that a segment with nothing left in it can be deleted.

use std::collections::HashMap;

use super::columns::{Columns, RawMessage};
use super::known::{Entry, mark};
use super::order::Order;
use super::packed::PackedOrder;
use super::shard::Shard;
use crate::domain::event::OrderEvent;
use crate::domain::time::Day;

/// An order without acceptance.
#[derive(Clone, Debug)]
pub(super) struct Early {
    pub(super) order: PackedOrder,
    /// The early segment (by batch) of each event.
    pub(super) batches: Vec<u64>,
}

/// Orders without acceptance, as [`Shard::waited_until`] splits them.
#[derive(Default)]
pub struct Waited {
    /// Fingerprints of those that go to the late run.
    pub prints: Vec<u64>,
    /// Their events.
    pub late: Columns,
    /// Events that still wait.
    pub waiting: Columns,
}

/// Rows of one early segment, and how many of them still wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) live: u32,
    pub(super) all: u32,
}

/// Early rows from which on it pays to write what still waits again.
const STALE_ROWS_MIN: u32 = 4096;

/// Early segments from which on they become one: always, and where they have few rows.
const SEGMENTS_MAX: usize = 64;
const SMALL_SEGMENTS_MAX: usize = 12;
/// Rows that are few.
const SMALL_ROWS_MAX: u32 = 256;

impl Shard {
    /// Orders that wait for their acceptance.
    #[must_use]
    pub fn early_orders(&self) -> usize {
        self.early.len()
    }

    /// Rebuild, third: an early segment. Events whose order has an acceptance by now are done.
    pub fn load_early(&mut self, batch: u64, rows: &Columns) {
        let all = u32::try_from(rows.rows()).unwrap_or(u32::MAX);
        self.early_live.insert(batch, Rows { live: 0, all });
        let platform = self.settings.platform.clone();
        for row in 0..rows.rows() {
            let Some(event) = rows.event(row, &platform, None) else { continue };
            let mut fingerprint = self.print_of(&event.order_id);
            if self.is_matched(fingerprint, &event) {
                continue;
            }
            let waiting = self.early.get(&fingerprint);
            if !waiting.is_some_and(|early| early.order.has_id(&event.order_id)) {
                fingerprint = self.new_print(&event.order_id);
            }
            self.remember_early(fingerprint, event, batch);
        }
    }

    /// Whether an early event belongs to an order that is accepted by now. An order that takes no
    /// more than its first event and kinds agrees with all its events; one that does not agree is
    /// another with the same fingerprint.
    fn is_matched(&self, fingerprint: u64, event: &OrderEvent) -> bool {
        let Some(entry) = self.known.get(fingerprint) else { return false };
        if entry.state & mark::EARLY != 0 {
            return false;
        }
        match self.amended.get(&fingerprint) {
            Some(order) => order.has_id(&event.order_id),
            None => entry.material.agrees(self.settings.fingerprints.material(event)),
        }
    }

    /// A row of an early segment that a batch wrote.
    pub(super) fn keep_early(&mut self, fingerprint: u64, event: OrderEvent, batch: u64) {
        self.early_live.entry(batch).or_default().all += 1;
        self.remember_early(fingerprint, event, batch);
    }

    fn remember_early(&mut self, fingerprint: u64, event: OrderEvent, batch: u64) {
        let material = self.settings.fingerprints.material(&event);
        self.early_live.entry(batch).or_default().live += 1;
        let (order, mut batches) = match self.early.remove(&fingerprint) {
            Some(early) => {
                let mut order = early.order.order(&self.settings.platform);
                order.add(event);
                (order, early.batches)
            }
            None => (Order::new(event), Vec::new()),
        };
        batches.push(batch);
        let early = Early { order: PackedOrder::of(&order), batches };
        self.early.insert(fingerprint, early);
        let state = order.kinds() | mark::EARLY;
        self.known.put(fingerprint, Entry { ordinal: 0, slot: 0, state, material });
    }

    /// The order found its acceptance: its early events are done.
    pub(super) fn forget_early(&mut self, fingerprint: u64) {
        let Some(early) = self.early.remove(&fingerprint) else { return };
        for batch in early.batches {
            if let Some(rows) = self.early_live.get_mut(&batch) {
                rows.live = rows.live.saturating_sub(1);
            }
        }
    }

    /// Early segments, by batch, that nothing waits in any more.
    #[must_use]
    pub fn finished_early(&self) -> Vec<u64> {
        let done = self.early_live.iter().filter(|(_, rows)| rows.live == 0);
        done.map(|(batch, _)| *batch).collect()
    }

    /// Forgets early segments that the database has deleted.
    pub fn forget_finished_early(&mut self, batches: &[u64]) {
        self.early_live.retain(|batch, _| !batches.contains(batch));
    }

    /// Whether there are many early segments, or most of their rows have found their acceptance, so
    /// that it pays to write those that still wait again.
    #[must_use]
    pub fn is_early_stale(&self) -> bool {
        let sum =
            |of: fn(&Rows) -> u32| self.early_live.values().map(of).fold(0, u32::saturating_add);
        let all = sum(|rows| rows.all);
        let is_mostly_done = all >= STALE_ROWS_MIN && all / 4 > sum(|rows| rows.live);
        let segments_max = if all <= SMALL_ROWS_MAX { SMALL_SEGMENTS_MAX } else { SEGMENTS_MAX };
        is_mostly_done || self.early_live.len() >= segments_max
    }

    /// Whether any order waits for its acceptance.
    #[must_use]
    pub fn has_early(&self) -> bool {
        !self.early.is_empty()
    }

    /// Orders without acceptance, split by whether their first event happened on `day` or before.
    /// `segments` are all early segments, in order of batches.
    #[must_use]
    pub fn waited_until(&self, day: Day, segments: &[Columns]) -> Waited {
        let mut due: HashMap<u64, bool> = HashMap::with_capacity(self.early.len());
        for (print, early) in &self.early {
            let order = early.order.order(&self.settings.platform);
            let first = order.events().first();
            due.insert(*print, first.is_some_and(|event| event.occurred_at.day() <= day));
        }
        // By order, so that what is written does not hang on how a rebuild read the segments.
        let mut events: Vec<(u64, OrderEvent, &RawMessage)> = Vec::new();
        for rows in segments {
            for (row, raw) in &rows.raws {
                let row = usize::try_from(*row).unwrap_or(usize::MAX);
                let event = rows.event(row, &self.settings.platform, None);
                let print = event.as_ref().map(|event| self.print_of(&event.order_id));
                if let (Some(event), Some(print)) = (event, print)
                    && due.contains_key(&print)
                {
                    events.push((print, event, raw));
                }
            }
        }
        events.sort_by_key(|(print, ..)| *print);
        let mut waited = Waited::default();
        for (print, event, raw) in events {
            let is_due = due.get(&print).copied().unwrap_or(false);
            let into = if is_due { &mut waited.late } else { &mut waited.waiting };
            into.push_raw(&event, raw.clone());
        }
        waited.prints = due.into_iter().filter(|(_, is_due)| *is_due).map(|(p, _)| p).collect();
        waited.prints.sort_unstable();
        waited
    }

    /// Forgets the orders that went to the late run; what still waits lies in the early segment
    /// of `batch` now.
    pub fn forget_waited(&mut self, prints: &[u64], batch: u64) {
        for print in prints {
            self.early.remove(print);
        }
        self.early_live.clear();
        let mut live = 0;
        for early in self.early.values_mut() {
            early.batches.iter_mut().for_each(|own| *own = batch);
            live += u32::try_from(early.batches.len()).unwrap_or(u32::MAX);
        }
        if live > 0 {
            self.early_live.insert(batch, Rows { live, all: live });
        }
        if !prints.is_empty() {
            let early = &self.early;
            self.known.retain(|print, e| e.state & mark::EARLY == 0 || early.contains_key(&print));
            self.forget_collided();
        }
    }
}
