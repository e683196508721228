//! The answer: orders by platform, day and county.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::hash::{BuildHasherDefault, Hasher};
use std::path::Path;

use crate::orders::{Acceptance, PLATFORMS};

/// Platform, day, county.
type Cell = (usize, i32, u32);

/// Counts in memory.
#[derive(Debug, Default)]
pub(crate) struct Counts(HashMap<u64, u64, BuildHasherDefault<CellHasher>>);

/// Spreads a cell's number over a table; whoever picks counties has no reason to attack it.
#[derive(Debug, Default)]
pub(crate) struct CellHasher(u64);

impl Hasher for CellHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

fn number((platform, day, county): Cell) -> u64 {
    let day = u64::from(day.unsigned_abs());
    (u64::try_from(platform).unwrap_or(0) << 56) | (day << 32) | u64::from(county)
}

fn cell(number: u64) -> Cell {
    let part = |shift: u32, bits: u32| (number >> shift) & ((1 << bits) - 1);
    let to_32 = |n: u64| u32::try_from(n).unwrap_or(0);
    let day = i32::try_from(part(32, 24)).unwrap_or(0);
    (usize::try_from(part(56, 8)).unwrap_or(0), day, to_32(part(0, 32)))
}

impl Counts {
    /// One more order.
    pub(crate) fn add(&mut self, platform: usize, accepted: &Acceptance<'_>) {
        *self.0.entry(number((platform, accepted.day, accepted.county))).or_default() += 1;
    }

    /// Adds what another thread counted.
    pub(crate) fn join(&mut self, other: Self) {
        for (cell, orders) in other.0 {
            *self.0.entry(cell).or_default() += orders;
        }
    }

    /// Writes a line a cell: platform, day since 1970, county, orders.
    pub(crate) fn write(&self, path: &Path) -> std::io::Result<()> {
        let cells: BTreeMap<Cell, u64> =
            self.0.iter().map(|(number, orders)| (cell(*number), *orders)).collect();
        write(path, cells.into_iter())
    }
}

/// Writes the lines of cells.
pub(crate) fn write(path: &Path, cells: impl Iterator<Item = (Cell, u64)>) -> std::io::Result<()> {
    let mut text = String::new();
    for ((platform, day, county), orders) in cells {
        let platform = PLATFORMS.get(platform).copied().unwrap_or_default();
        writeln!(text, "{platform},{day},{county},{orders}").map_err(std::io::Error::other)?;
    }
    std::fs::write(path, text)
}
