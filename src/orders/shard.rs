//! What the owner of one partition keeps in memory: the known set of the open days, orders that
//! wait for their acceptance, orders that a few bits do not describe, and the state of days.
//!
//! All of it is rebuilt from segments by [`Shard::load_base`], [`Shard::load_delta`] and
//! [`Shard::load_early`], in that order; nothing enters it before the database has confirmed the
//! batch (see [`Shard::accept`]).

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::columns::Columns;
use super::early::{Early, Rows};
use super::effects::Effects;
use super::identity::Fingerprints;
use super::known::{Entry, KnownSet, mark};
use super::order::{Order, Tolerance};
use super::packed::PackedOrder;
use crate::domain::event::OrderEvent;
use crate::domain::ids::{OrderId, PlatformId};
use crate::domain::time::{Day, Moment};

/// A map by fingerprint, which is a good hash already.
pub type ByFingerprint<V> = HashMap<u64, V, BuildHasherDefault<Same>>;

/// The hasher that returns the fingerprint itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// Whether a day takes orders, and where its numbering stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayState {
    /// Its phase.
    pub phase: Phase,
    /// The ordinal of its next order.
    pub next_ordinal: u32,
    pub(super) slot: u8,
}

/// A day is open, then closed (no longer in memory), then sealed (folded and sorted).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// In memory.
    Open,
    /// Evicted: what comes for it is late.
    Closed,
    /// Folded, sorted by rider, with a run of fingerprints.
    Sealed,
}

impl Phase {
    /// The word in the database.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Sealed => "sealed",
        }
    }

    /// The phase of a stored word.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        [Self::Open, Self::Closed, Self::Sealed].into_iter().find(|phase| phase.code() == code)
    }
}

/// Fixed facts of one partition.
#[derive(Clone, Debug)]
pub struct ShardSettings {
    /// `raw.<connector>`.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// How many partitions the topic has.
    pub partitions: u32,
    /// The platform whose orders these are.
    pub platform: PlatformId,
    /// How identities are hashed.
    pub fingerprints: Fingerprints,
    /// A day closes this long after its end, by append time.
    pub seal_after_ms: i64,
    /// Another rider within this time is a reassignment.
    pub reassign_window_ms: i64,
}

impl ShardSettings {
    /// How far events of one order may lie apart.
    pub(super) const fn tolerance(&self) -> Tolerance {
        Tolerance {
            reassign_window_ms: self.reassign_window_ms,
            time_resolution_ms: self.fingerprints.time_resolution_ms(),
        }
    }
}

/// The memory of one partition's owner.
pub struct Shard {
    pub(super) settings: ShardSettings,
    pub(super) known: KnownSet,
    pub(super) days: BTreeMap<Day, DayState>,
    pub(super) early: ByFingerprint<Early>,
    pub(super) amended: ByFingerprint<PackedOrder>,
    /// Events of each early segment that still wait.
    pub(super) early_live: BTreeMap<u64, Rows>,
    /// Orders whose fingerprint another order of the open days has, with the one that they go
    /// by instead. Not stored: a rebuild may give it to the other one of the two.
    pub(super) collided: HashMap<OrderId, u64>,
    /// The open day in each slot.
    open_slots: Vec<Option<Day>>,
}

impl Shard {
    /// An owner that knows nothing yet but the states of days.
    #[must_use]
    pub fn new(settings: ShardSettings, days: Vec<(Day, Phase, u32)>) -> Self {
        let open = days.iter().filter(|(_, phase, _)| *phase == Phase::Open);
        let orders: u64 = open.map(|(_, _, next_ordinal)| u64::from(*next_ordinal)).sum();
        let mut shard = Self {
            settings,
            known: KnownSet::with_room_for(usize::try_from(orders).unwrap_or(0)),
            days: BTreeMap::new(),
            early: ByFingerprint::default(),
            amended: ByFingerprint::default(),
            early_live: BTreeMap::new(),
            collided: HashMap::new(),
            open_slots: Vec::new(),
        };
        for (day, phase, next_ordinal) in days {
            let slot = if phase == Phase::Open { shard.free_slot() } else { 0 };
            shard.set_day(day, DayState { phase, next_ordinal, slot });
        }
        shard
    }

    /// Fixed facts of the partition.
    #[must_use]
    pub const fn settings(&self) -> &ShardSettings {
        &self.settings
    }

    /// Days and their states, in order.
    pub fn days(&self) -> impl Iterator<Item = (Day, DayState)> {
        self.days.iter().map(|(day, state)| (*day, *state))
    }

    /// Whether an order of this day, received at this moment, enters memory. Replayed later, the
    /// answer is the same, since it hangs on the append time.
    #[must_use]
    pub fn is_open(&self, day: Day, received_at: Moment) -> bool {
        let in_time = received_at < day.end().plus_ms(self.settings.seal_after_ms);
        in_time && self.days.get(&day).is_none_or(|state| state.phase == Phase::Open)
    }

    /// Whether the open days have this order number.
    #[must_use]
    pub fn knows(&self, id: &OrderId) -> bool {
        let entry = self.known.get(self.print_of(id));
        entry.is_some_and(|entry| entry.state & mark::EARLY == 0)
    }

    /// The day in a slot.
    pub(super) fn day_of(&self, slot: u8) -> Option<Day> {
        self.open_slots.get(usize::from(slot)).copied().flatten()
    }

    /// The lowest slot that no open day has.
    fn free_slot(&self) -> u8 {
        (0..=u8::MAX).find(|slot| self.day_of(*slot).is_none()).unwrap_or(u8::MAX)
    }

    fn set_day(&mut self, day: Day, state: DayState) {
        if let Some(before) = self.days.insert(day, state)
            && before.phase == Phase::Open
            && let Some(place) = self.open_slots.get_mut(usize::from(before.slot))
        {
            *place = None;
        }
        if state.phase == Phase::Open {
            let slot = usize::from(state.slot);
            if self.open_slots.len() <= slot {
                self.open_slots.resize(slot + 1, None);
            }
            if let Some(place) = self.open_slots.get_mut(slot) {
                *place = Some(day);
            }
        }
    }

    /// The fingerprint that an order goes by.
    pub(super) fn print_of(&self, id: &OrderId) -> u64 {
        let other = if self.collided.is_empty() { None } else { self.collided.get(id).copied() };
        other.unwrap_or_else(|| self.settings.fingerprints.of(id.as_str()))
    }

    /// A fingerprint that no order has, for one whose own is taken.
    pub(super) fn free_print(&self, id: &OrderId, is_taken: impl Fn(u64) -> bool) -> u64 {
        let further = |attempt| self.settings.fingerprints.further(id.as_str(), attempt);
        let mut prints = (0..).map(further);
        let free = prints.find(|print| self.known.get(*print).is_none() && !is_taken(*print));
        free.unwrap_or_else(|| unreachable!("there are more fingerprints than orders"))
    }

    /// The fingerprint for an order that enters memory on a rebuild.
    pub(super) fn new_print(&mut self, id: &OrderId) -> u64 {
        let own = self.print_of(id);
        if self.known.get(own).is_none() {
            return own;
        }
        let other = self.free_print(id, |_| false);
        self.collided.insert(id.clone(), other);
        other
    }

    /// Rebuild, first: a base segment of an open day.
    pub fn load_base(&mut self, day: Day, first_ordinal: u32, rows: &Columns) {
        let Some(slot) = self.days.get(&day).map(|state| state.slot) else { return };
        let platform = self.settings.platform.clone();
        for (row, ordinal) in (0..rows.rows()).zip(first_ordinal..) {
            let Some(event) = rows.event(row, &platform, None) else { continue };
            let fingerprint = self.new_print(&event.order_id);
            let material = self.settings.fingerprints.material(&event);
            let order = Order::from_first(event, rows.kind_bits(row));
            let amended = if order.is_amended() { mark::AMENDED } else { 0 };
            let state = order.kinds() | amended;
            self.known.put(fingerprint, Entry { ordinal, slot, state, material });
            if amended != 0 {
                self.amended.insert(fingerprint, PackedOrder::of(&order));
            }
        }
    }

    /// Rebuild, second: a delta segment of an open day. `first_of` gives the first event of an
    /// ordinal of that day; it is asked only for deltas that are more than a kind.
    pub fn load_delta(&mut self, rows: &Columns, first_of: &dyn Fn(u32) -> Option<OrderEvent>) {
        let platform = self.settings.platform.clone();
        for row in 0..rows.rows() {
            let ordinal = rows.ordinals.get(row).and_then(|ordinal| u32::try_from(*ordinal).ok());
            let Some(first) = ordinal.and_then(first_of) else { continue };
            let fingerprint = self.print_of(&first.order_id);
            let Some(mut entry) = self.known.get(fingerprint) else { continue };
            let Some(event) = rows.event(row, &platform, Some(&first.order_id)) else { continue };
            let mut order = match self.amended.remove(&fingerprint) {
                Some(packed) => packed.order(&platform),
                None => Order::from_first(first, entry.state & 0x0f),
            };
            order.add(event);
            entry.state |= order.kinds();
            if order.is_amended() {
                entry.state |= mark::AMENDED;
                self.amended.insert(fingerprint, PackedOrder::of(&order));
            }
            self.known.put(fingerprint, entry);
        }
    }

    /// Takes over what a batch did, after the database confirmed it.
    pub fn accept(&mut self, effects: Effects, batch: u64) {
        self.collided.extend(effects.collided);
        for (day, next_ordinal) in effects.next_ordinals {
            let slot = match self.days.get(&day) {
                Some(state) => state.slot,
                None => effects.new_slots.get(&day).copied().unwrap_or_else(|| self.free_slot()),
            };
            self.set_day(day, DayState { phase: Phase::Open, next_ordinal, slot });
        }
        for fingerprint in effects.matched {
            self.forget_early(fingerprint);
        }
        self.known.put_all(&effects.entries.into_iter().collect::<Vec<_>>());
        for (fingerprint, order) in &effects.amended {
            self.amended.insert(*fingerprint, PackedOrder::of(order));
        }
        for (fingerprint, event, _) in effects.early {
            self.keep_early(fingerprint, event, batch);
        }
    }

    pub(super) fn forget_collided(&mut self) {
        let known = &self.known;
        self.collided.retain(|_, print| known.get(*print).is_some());
    }

    /// Forgets a day that the database has sealed.
    pub fn close(&mut self, day: Day, phase: Phase, next_ordinal: u32) {
        let slot = self.days.get(&day).filter(|s| s.phase == Phase::Open).map(|s| s.slot);
        let is_gone = |e: Entry| e.state & mark::EARLY == 0 && Some(e.slot) == slot;
        self.known.retain(|_, entry| !is_gone(entry));
        let known = &self.known;
        self.amended.retain(|print, _| known.get(*print).is_some());
        self.forget_collided();
        self.set_day(day, DayState { phase, next_ordinal, slot: 0 });
    }
}
