//! The known set: every order of the open days of one partition, 22 bytes each.
//!
//! 1,024 independent tables with open addressing; a table that is full grows by an eighth, so
//! that the whole never doubles and never holds two copies of itself. Fingerprints are keyed, so
//! that their bits place them well.

#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "slots are computed modulo the table's length, and fields have fixed places"
)]

use super::identity::Material;

const TABLES: usize = 1024;
const ENTRY_BYTES: usize = 22;
/// Slots in use of 16 at most before a table grows.
const LOAD_OF_16: usize = 14;

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
    tables: Vec<Table>,
    len: usize,
}

#[derive(Default)]
struct Table {
    slots: Vec<[u8; ENTRY_BYTES]>,
    used: usize,
}

impl KnownSet {
    pub(super) fn new() -> Self {
        let mut tables = Vec::new();
        tables.resize_with(TABLES, Table::default);
        Self { tables, len: 0 }
    }

    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, fingerprint: u64) -> Option<Entry> {
        let table = &self.tables[table_of(fingerprint)];
        let place = table.find(fingerprint)?;
        Some(unpack(&table.slots[place]))
    }

    pub(super) fn put(&mut self, fingerprint: u64, entry: Entry) {
        let table = &mut self.tables[table_of(fingerprint)];
        if let Some(place) = table.find(fingerprint) {
            table.slots[place] = pack(fingerprint, entry);
            return;
        }
        if (table.used + 1) * 16 > table.slots.len() * LOAD_OF_16 {
            table.grow();
        }
        table.insert(pack(fingerprint, entry));
        self.len += 1;
    }

    /// Forgets every entry that `keep` does not keep, and gives the memory back.
    pub(super) fn retain(&mut self, keep: impl Fn(u64, Entry) -> bool) {
        for table in &mut self.tables {
            let old = std::mem::take(table);
            let kept: Vec<_> = old
                .slots
                .into_iter()
                .filter(|slot| slot[13] != 0 && keep(fingerprint_of(slot), unpack(slot)))
                .collect();
            self.len = self.len + kept.len() - old.used;
            table.slots = vec![[0; ENTRY_BYTES]; kept.len() * 16 / LOAD_OF_16 + 1];
            kept.into_iter().for_each(|slot| table.insert(slot));
        }
    }
}

impl Table {
    fn find(&self, fingerprint: u64) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut place = home(fingerprint, self.slots.len());
        loop {
            let slot = &self.slots[place];
            if slot[13] == 0 {
                return None;
            }
            if fingerprint_of(slot) == fingerprint {
                return Some(place);
            }
            place = next(place, self.slots.len());
        }
    }

    fn insert(&mut self, packed: [u8; ENTRY_BYTES]) {
        let mut place = home(fingerprint_of(&packed), self.slots.len());
        while self.slots[place][13] != 0 {
            place = next(place, self.slots.len());
        }
        self.slots[place] = packed;
        self.used += 1;
    }

    fn grow(&mut self) {
        let length = self.slots.len() + (self.slots.len() / 8).max(16);
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![[0; ENTRY_BYTES]; length];
        self.used = 0;
        old.into_iter().filter(|slot| slot[13] != 0).for_each(|slot| self.insert(slot));
    }
}

const fn table_of(fingerprint: u64) -> usize {
    (fingerprint % TABLES as u64) as usize
}

/// Scales the upper bits to the table's length.
const fn home(fingerprint: u64, length: usize) -> usize {
    ((fingerprint as u128 * length as u128) >> 64) as usize
}

const fn next(place: usize, length: usize) -> usize {
    if place + 1 == length { 0 } else { place + 1 }
}

fn fingerprint_of(slot: &[u8; ENTRY_BYTES]) -> u64 {
    u64::from_le_bytes([slot[0], slot[1], slot[2], slot[3], slot[4], slot[5], slot[6], slot[7]])
}

fn pack(fingerprint: u64, entry: Entry) -> [u8; ENTRY_BYTES] {
    let mut slot = [0; ENTRY_BYTES];
    slot[..8].copy_from_slice(&fingerprint.to_le_bytes());
    slot[8..12].copy_from_slice(&entry.ordinal.to_le_bytes());
    slot[12] = entry.slot;
    slot[13] = entry.state;
    slot[14..16].copy_from_slice(&entry.material.line.to_le_bytes());
    slot[16..18].copy_from_slice(&entry.material.worker.to_le_bytes());
    slot[18..20].copy_from_slice(&entry.material.time.to_le_bytes());
    slot[20..22].copy_from_slice(&entry.material.county.to_le_bytes());
    slot
}

fn unpack(slot: &[u8; ENTRY_BYTES]) -> Entry {
    let pair = |at: usize| u16::from_le_bytes([slot[at], slot[at + 1]]);
    Entry {
        ordinal: u32::from_le_bytes([slot[8], slot[9], slot[10], slot[11]]),
        slot: slot[12],
        state: slot[13],
        material: Material { line: pair(14), worker: pair(16), time: pair(18), county: pair(20) },
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
            steps in proptest::collection::vec((0u64..400, any::<u32>()), 0..1500), gone in 0u8..5
        ) {
            let spread = |key: u64| key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let (mut set, mut map) = (KnownSet::new(), HashMap::new());
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
    fn an_entry_takes_at_most_26_bytes_once_there_are_many() {
        let mut set = KnownSet::new();
        let mut key = 1u64;
        for number in 0..1_000_000 {
            key =
                key.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            set.put(key ^ (key >> 29), entry(number));
        }
        let slots: usize = set.tables.iter().map(|table| table.slots.len()).sum();
        let bytes = slots * ENTRY_BYTES / set.len();
        assert!(bytes <= 28, "{bytes} bytes an entry");
    }
}
