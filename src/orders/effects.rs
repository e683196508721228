//! What one batch does to the order book, as plain values: rows to write, counts to add, outcomes
//! to record, and what memory takes over after the commit.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::columns::{Columns, RawMessage};
use super::known::Entry;
use super::order::{Order, Place};
use super::shard::ByFingerprint;
use crate::domain::event::OrderEvent;
use crate::domain::hold::HoldReason;
use crate::domain::ids::OrderId;
use crate::domain::time::Day;

/// What became of one message of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It changed the book.
    Applied,
    /// Seen already.
    Duplicate,
    /// Held, with its bytes.
    Held,
    /// No event of ours.
    Ignored,
    /// Waits for the owner of its identity.
    Handoff,
    /// There was none: a position of the log that holds no record.
    NoRecord,
}

impl Fate {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Applied, Self::Duplicate, Self::Held, Self::Ignored, Self::Handoff, Self::NoRecord];
}

/// One order event of a batch, as it comes to the book.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its number in the batch.
    pub index: usize,
    /// The event.
    pub event: OrderEvent,
    /// Append time of its message.
    pub received_at: crate::domain::time::Moment,
}

/// Orders that one cell of the count table gains or loses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CountCell {
    /// Line, day and county.
    pub place: Place,
    /// Whether the message came after the cut of the period.
    pub after_cut: bool,
}

/// What a batch does.
#[derive(Default)]
pub struct Effects {
    /// What became of each order event, by number in the batch.
    pub fates: Vec<(usize, Fate)>,
    /// Why the held ones are held, by number in the batch.
    pub held: Vec<(usize, HoldReason)>,
    /// New orders by day, with the ordinal of the first.
    pub base: BTreeMap<Day, (u32, Columns)>,
    /// Further events by day; not yet sorted by ordinal.
    pub delta: BTreeMap<Day, Columns>,
    /// Events without acceptance.
    pub early: Vec<(u64, OrderEvent, RawMessage)>,
    /// Events of days that are no longer in memory.
    pub late: Columns,
    /// Events of other partitions' identities.
    pub handoff: BTreeMap<u32, Columns>,
    /// Signed changes of counts.
    pub counts: BTreeMap<CountCell, i64>,
    /// Applied orders that do not count because they are out of the scheme's scope.
    pub out_of_scope: u64,
    pub(super) next_ordinals: BTreeMap<Day, u32>,
    pub(super) new_slots: HashMap<Day, u8>,
    pub(super) entries: ByFingerprint<Entry>,
    pub(super) amended: ByFingerprint<Order>,
    /// Early orders that found their acceptance.
    pub(super) matched: HashSet<u64>,
    /// Where the events of an early order stand in `early`.
    pub(super) early_rows: ByFingerprint<Vec<usize>>,
    /// Orders whose fingerprint another has, with the one that they go by instead.
    pub(super) collided: HashMap<OrderId, u64>,
}

impl Effects {
    /// Adds `change` to a cell and forgets it when it comes back to nothing.
    pub(super) fn count(&mut self, cell: CountCell, change: i64) {
        let orders = self.counts.entry(cell).or_insert(0);
        *orders += change;
    }

    /// Days whose numbering moved, with the next ordinal.
    pub fn next_ordinals(&self) -> impl Iterator<Item = (Day, u32)> {
        self.next_ordinals.iter().map(|(day, next)| (*day, *next))
    }
}
