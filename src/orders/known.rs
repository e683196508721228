//! The known set: every order of the open days of one partition, 21 bytes each.
//!
//! Independent tables with open addressing, each a list of pages of one size: a table that is full
//! grows by one page in place, so that nothing ever doubles, holds two copies of itself, or leaves
//! holes of other sizes behind. Growing moves every entry of the table, so where tables have come
//! to have many, each is split in two, one after another: an entry costs the same to put among a
//! hundred million as among a few. Slots lie in order of their fingerprints, which are keyed and so
//! spread evenly: a look ends where a greater fingerprint lies, however full the table is.

#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "slots are computed within the table's length, and fields have fixed places"
)]

use std::cmp::Ordering;
use std::hint::black_box;

use super::identity::Material;

const TABLE_BITS: u32 = 8;
/// Tables of a set at least.
const TABLES: usize = 1 << TABLE_BITS;
/// Entries of a table on the average before all are split: some twenty pages, of which half of one
/// is free.
const SPLIT_AT: usize = 512;
/// Seven bytes of the fingerprint (the table is the eighth), ordinal, day slot, state, material.
const ENTRY_BYTES: usize = 21;
/// Slots of a page: 504 bytes, so that half an allocator's kibibyte holds one.
const PAGE_SLOTS: usize = 24;
/// Slots in use of 64 at most before a table grows.
const LOAD_OF_64: usize = 59;
/// Slots of the first page that are no home: they lie behind the last one, for what does not find
/// its place before them.
const SPILL_SLOTS: usize = 12;

/// Orders that are fetched at once before the first of them is looked at: their lines fit the
/// nearest cache.
pub(super) const FETCH: usize = 64;

/// Marks beside the kinds in an entry's second byte of state.
pub(super) mod mark {
    /// No acceptance yet: the order lies in the early map.
    pub(in crate::orders) const EARLY: u8 = 0x10;
    /// More than the first event and plain kinds: the order lies in the amended map.
    pub(in crate::orders) const AMENDED: u8 = 0x20;
}

/// What the owner knows of one order without reading a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) ordinal: u32,
    pub(super) slot: u8,
    /// Bits of [`crate::domain::event::OrderKind`] and of [`mark`]; never 0.
    pub(super) state: u8,
    pub(super) material: Material,
}

/// Orders by fingerprint.
pub(super) struct KnownSet {
    /// As many as a power of two; by the lowest bits of the fingerprint.
    tables: Vec<Table>,
    len: usize,
}

type Slot = [u8; ENTRY_BYTES];
const FREE: Slot = [0; ENTRY_BYTES];

#[derive(Default)]
#[expect(clippy::vec_box, reason = "a list of pages grows without moving them")]
struct Table {
    pages: Vec<Box<[Slot; PAGE_SLOTS]>>,
    used: usize,
    /// Slots that fingerprints are spread over.
    homes: usize,
}

impl KnownSet {
    /// An empty set whose tables need not grow on the way to so many orders: growing page by page
    /// moves each entry again and again.
    pub(super) fn with_room_for(orders: usize) -> Self {
        let count = orders.div_ceil(SPLIT_AT).next_power_of_two().max(TABLES);
        let mut tables = Vec::new();
        tables.resize_with(count, || Table::with_room_for(orders / count));
        Self { tables, len: 0 }
    }

    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Touches where fingerprints lie, some [`FETCH`] of them: they wait for memory together
    /// instead of one after another, and are near when each is looked at.
    pub(super) fn fetch(&self, fingerprints: impl Iterator<Item = u64>) {
        let touched = fingerprints.map(|fingerprint| {
            let table = &self.tables[self.table_of(fingerprint)];
            let place = table.home(upper_of(fingerprint));
            table.pages.get(place / PAGE_SLOTS).map_or(0, |page| page[place % PAGE_SLOTS][12])
        });
        black_box(touched.fold(0, u8::wrapping_add));
    }

    pub(super) fn get(&self, fingerprint: u64) -> Option<Entry> {
        let table = &self.tables[self.table_of(fingerprint)];
        let place = table.find(upper_of(fingerprint)).ok()?;
        Some(unpack(table.slot(place)))
    }

    pub(super) fn put(&mut self, fingerprint: u64, entry: Entry) {
        let table = self.table_of(fingerprint);
        let is_new = self.tables[table].put(pack(upper_of(fingerprint), entry));
        self.len += usize::from(is_new);
        if self.len > self.tables.len() * SPLIT_AT {
            self.split();
        }
    }

    pub(super) fn put_all(&mut self, entries: &[(u64, Entry)]) {
        for some in entries.chunks(FETCH) {
            self.fetch(some.iter().map(|(fingerprint, _)| *fingerprint));
            some.iter().for_each(|(fingerprint, entry)| self.put(*fingerprint, *entry));
        }
    }

    const fn table_of(&self, fingerprint: u64) -> usize {
        fingerprint as usize % self.tables.len()
    }

    /// Splits every table by the next bit of the fingerprints.
    fn split(&mut self) {
        let bit = self.tables.len().trailing_zeros() - TABLE_BITS;
        let is_of_second = |slot: &Slot| upper(slot) >> bit & 1 == 1;
        let mut second = Vec::with_capacity(self.tables.len());
        for table in &mut self.tables {
            let whole = std::mem::take(table);
            let of_second = whole.slots().filter(|slot| is_of_second(slot)).count();
            let mut other = Table::with_room_for(of_second);
            *table = Table::with_room_for(whole.used - of_second);
            for slot in whole.slots() {
                if is_of_second(slot) { &mut other } else { &mut *table }.put(*slot);
            }
            second.push(other);
        }
        self.tables.append(&mut second);
    }

    /// Forgets every entry that `keep` does not keep, and gives the memory back.
    pub(super) fn retain(&mut self, keep: impl Fn(u64, Entry) -> bool) {
        self.len = 0;
        for (table, number) in self.tables.iter_mut().zip(0..) {
            let old = std::mem::take(table);
            let lowest = number % TABLES as u64;
            let fingerprint = |slot: &Slot| upper(slot) << TABLE_BITS | lowest;
            let is_kept = |slot: &&Slot| keep(fingerprint(slot), unpack(slot));
            old.slots().filter(is_kept).for_each(|slot| {
                table.put(*slot);
            });
            self.len += table.used;
        }
        while self.tables.len() > TABLES && self.len < self.tables.len() * SPLIT_AT / 4 {
            self.join();
        }
    }

    /// Undoes a split.
    fn join(&mut self) {
        let second = self.tables.split_off(self.tables.len() / 2);
        self.tables.shrink_to_fit();
        for (table, other) in self.tables.iter_mut().zip(second) {
            other.slots().for_each(|slot| {
                table.put(*slot);
            });
        }
    }
}

impl Table {
    /// An empty table that grows by a page at most on the way to so many entries.
    fn with_room_for(entries: usize) -> Self {
        let pages = entries * 64 / LOAD_OF_64 / PAGE_SLOTS;
        let mut table = Self::default();
        if pages > 0 {
            table.pages.resize_with(pages, || Box::new([FREE; PAGE_SLOTS]));
            table.homes = pages * PAGE_SLOTS - SPILL_SLOTS;
        }
        table
    }

    fn len(&self) -> usize {
        self.pages.len() * PAGE_SLOTS
    }

    /// What it has, in order.
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.pages.iter().flat_map(|page| page.iter()).filter(|slot| is_used(slot))
    }

    fn slot(&self, place: usize) -> &Slot {
        &self.pages[place / PAGE_SLOTS][place % PAGE_SLOTS]
    }

    fn slot_mut(&mut self, place: usize) -> &mut Slot {
        &mut self.pages[place / PAGE_SLOTS][place % PAGE_SLOTS]
    }

    /// Where a fingerprint would lie if it had the table to itself. Grows with the fingerprint.
    fn home(&self, upper: u64) -> usize {
        ((u128::from(upper) * self.homes as u128) >> (u64::BITS - TABLE_BITS)) as usize
    }

    /// The place of a fingerprint, or where it is to be put: before what lies there.
    fn find(&self, wanted: u64) -> Result<usize, usize> {
        for place in self.home(wanted)..self.len() {
            let slot = self.slot(place);
            if !is_used(slot) {
                return Err(place);
            }
            match upper(slot).cmp(&wanted) {
                Ordering::Less => {}
                Ordering::Equal => return Ok(place),
                Ordering::Greater => return Err(place),
            }
        }
        Err(self.len())
    }

    /// Puts an entry, and says whether its fingerprint is new.
    fn put(&mut self, slot: Slot) -> bool {
        if let Ok(place) = self.find(upper(&slot)) {
            *self.slot_mut(place) = slot;
            return false;
        }
        if (self.used + 1) * 64 > self.len() * LOAD_OF_64 {
            self.grow();
        }
        while !self.insert(slot) {
            self.pages.push(Box::new([FREE; PAGE_SLOTS]));
        }
        true
    }

    /// Moves what lies from its place on up to the next free slot by one; says no where there is
    /// none.
    fn insert(&mut self, slot: Slot) -> bool {
        let Err(place) = self.find(upper(&slot)) else { return true };
        let mut free = place;
        while free < self.len() && is_used(self.slot(free)) {
            free += 1;
        }
        if free == self.len() {
            return false;
        }
        while free > place {
            *self.slot_mut(free) = *self.slot(free - 1);
            free -= 1;
        }
        *self.slot_mut(place) = slot;
        self.used += 1;
        true
    }

    /// Adds one page of homes, and moves every entry to where it belongs now. A home moves up by a
    /// page at most, so that every entry fits between its new home and the end.
    fn grow(&mut self) {
        let before = self.len();
        self.pages.push(Box::new([FREE; PAGE_SLOTS]));
        self.homes += if before == 0 { PAGE_SLOTS - SPILL_SLOTS } else { PAGE_SLOTS };
        // Entries are packed to the upper end first, then laid out from the lower end.
        let mut to = self.len();
        for from in (0..before).rev() {
            if is_used(self.slot(from)) {
                to -= 1;
                *self.slot_mut(to) = *self.slot(from);
                if to != from {
                    *self.slot_mut(from) = FREE;
                }
            }
        }
        let mut next = 0;
        for from in to..self.len() {
            let slot = *self.slot(from);
            let place = self.home(upper(&slot)).max(next);
            if place != from {
                *self.slot_mut(place) = slot;
                *self.slot_mut(from) = FREE;
            }
            next = place + 1;
        }
    }
}

/// What the table does not say of a fingerprint.
const fn upper_of(fingerprint: u64) -> u64 {
    fingerprint >> TABLE_BITS
}

fn upper(slot: &Slot) -> u64 {
    u64::from_le_bytes([slot[0], slot[1], slot[2], slot[3], slot[4], slot[5], slot[6], 0])
}

const fn is_used(slot: &Slot) -> bool {
    slot[12] != 0
}

fn pack(upper: u64, entry: Entry) -> Slot {
    let mut slot = FREE;
    slot[..8].copy_from_slice(&upper.to_le_bytes());
    slot[7..11].copy_from_slice(&entry.ordinal.to_le_bytes());
    slot[11] = entry.slot;
    slot[12] = entry.state;
    slot[13..15].copy_from_slice(&entry.material.line.to_le_bytes());
    slot[15..17].copy_from_slice(&entry.material.worker.to_le_bytes());
    slot[17..19].copy_from_slice(&entry.material.time.to_le_bytes());
    slot[19..21].copy_from_slice(&entry.material.county.to_le_bytes());
    slot
}

fn unpack(slot: &Slot) -> Entry {
    let pair = |at: usize| u16::from_le_bytes([slot[at], slot[at + 1]]);
    Entry {
        ordinal: u32::from_le_bytes([slot[7], slot[8], slot[9], slot[10]]),
        slot: slot[11],
        state: slot[12],
        material: Material { line: pair(13), worker: pair(15), time: pair(17), county: pair(19) },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn entry(number: u32) -> Entry {
        let material = Material { line: 1, worker: 2, time: 3, county: 4 };
        Entry { ordinal: number, slot: (number % 5) as u8, state: 1, material }
    }

    proptest! {
        #[test]
        fn it_remembers_what_a_map_remembers(
            steps in proptest::collection::vec((0u64..400, any::<u32>()), 0..1500), gone in 0u8..5,
            room in 0usize..400_000
        ) {
            let spread = |key: u64| key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let (mut set, mut map) = (KnownSet::with_room_for(room), HashMap::new());
            for (key, number) in steps {
                set.put(spread(key), entry(number));
                map.insert(spread(key), entry(number));
            }
            set.retain(|_, entry| entry.slot != gone);
            map.retain(|_, entry| entry.slot != gone);
            prop_assert_eq!(set.len(), map.len());
            for key in 0..400 {
                prop_assert_eq!(set.get(spread(key)), map.get(&spread(key)).copied());
            }
        }
    }

    #[test]
    fn an_entry_takes_about_24_bytes_once_there_are_many() {
        let mut set = KnownSet::with_room_for(0);
        let mut key = 1u64;
        for number in 0..1_000_000 {
            key =
                key.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            set.put(key ^ (key >> 29), entry(number));
            if number % 97_000 == 96_999 {
                let slots: usize = set.tables.iter().map(Table::len).sum();
                let bytes_of_100 = slots * ENTRY_BYTES * 100 / set.len();
                // A table of one page has 59 entries at most: fewer pages are less even.
                assert!(bytes_of_100 <= 2700, "{bytes_of_100} bytes of 100 entries at {number}");
            }
        }
        let slots: usize = set.tables.iter().map(Table::len).sum();
        let bytes_of_100 = slots * ENTRY_BYTES * 100 / set.len();
        assert!(bytes_of_100 <= 2380, "{bytes_of_100} bytes of 100 entries");
    }

    /// Through several splits, and back when most are forgotten.
    #[test]
    fn many_are_found_again_whatever_was_split_or_joined() {
        let spread = |number: u32| u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut set = KnownSet::with_room_for(0);
        for number in 0..600_000 {
            set.put(spread(number), entry(number));
        }
        assert_eq!((set.len(), set.tables.len()), (600_000, 2_048));
        for number in 0..600_000 {
            assert_eq!(set.get(spread(number)), Some(entry(number)));
        }
        assert_eq!(set.get(spread(600_000)), None);
        set.retain(|fingerprint, entry| {
            assert_eq!(fingerprint, spread(entry.ordinal));
            entry.ordinal.is_multiple_of(20)
        });
        assert_eq!((set.len(), set.tables.len()), (30_000, 256));
        for number in 0..600_000u32 {
            let kept = number.is_multiple_of(20).then(|| entry(number));
            assert_eq!(set.get(spread(number)), kept, "{number}");
        }
        let entries: usize = set.tables.iter().map(|table| table.slots().count()).sum();
        assert_eq!(entries, 30_000);
    }

    #[test]
    fn room_for_as_many_as_come_is_no_more_than_they_take_without() {
        let spread = |number: u32| u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let slots = |mut set: KnownSet| {
            (0..100_000).for_each(|number| set.put(spread(number), entry(number)));
            set.tables.iter().map(Table::len).sum::<usize>()
        };
        let (with, without) =
            (slots(KnownSet::with_room_for(100_000)), slots(KnownSet::with_room_for(0)));
        assert!(with * 100 <= without * 101, "{with} slots with room, {without} without");
    }

    /// Fingerprints that all have their home at one end spill beyond it, and the table grows.
    #[test]
    fn fingerprints_without_spread_are_slow_but_right() {
        let mut set = KnownSet::with_room_for(0);
        for number in 0..2_000u32 {
            set.put(u64::MAX - u64::from(number) * TABLES as u64, entry(number));
        }
        assert_eq!(set.len(), 2_000);
        for number in 0..2_000u32 {
            let found = set.get(u64::MAX - u64::from(number) * TABLES as u64);
            assert_eq!(found, Some(entry(number)));
        }
    }
}
