//! Where orders happen: the counties with their reporting units, weighted by people.
//!
//! The table is the generator's own copy; the hub reads another.

use super::text::{index, number};

/// Codes of the region that no table has.
pub(super) const UNKNOWN_COUNTIES: [u32; 3] = [150_199, 150_399, 152_299];
/// Counties of other provinces: Beijing, Xi'an, Shenyang.
pub(super) const OUTSIDE_COUNTIES: [u32; 3] = [110_105, 610_113, 210_102];

const TABLE: &str = include_str!("regions.csv");
const SLOTS: u64 = 8192;

/// Thousands of people of each unit (census of 2020, rounded; the two cities addressed apart are
/// taken out of their league).
const UNIT_PEOPLE: [(u32, u64); 14] = [
    (150_100, 3446),
    (150_200, 2709),
    (150_300, 557),
    (150_400, 4036),
    (150_500, 2873),
    (150_600, 2154),
    (150_700, 2092),
    (150_781, 151),
    (150_800, 1539),
    (150_900, 1706),
    (152_200, 1417),
    (152_500, 1031),
    (152_501, 76),
    (152_900, 262),
];

/// A county-level division.
#[derive(Clone, Copy, Debug)]
pub(super) struct County {
    /// Six digits.
    pub(super) code: u32,
    /// Position of its unit among the 14.
    pub(super) unit: usize,
}

/// All counties, and a table that draws one by weight.
#[derive(Debug)]
pub(super) struct Regions {
    counties: Vec<County>,
    by_unit: Vec<Vec<usize>>,
    slots: Vec<usize>,
}

impl Regions {
    pub(super) fn load() -> Self {
        let mut counties = Vec::new();
        let mut weights = Vec::new();
        let mut by_unit = vec![Vec::new(); UNIT_PEOPLE.len()];
        for line in TABLE.lines().skip(1) {
            let mut cells = line.split(',');
            let code: u32 = cells.next().and_then(|cell| cell.parse().ok()).unwrap_or(0);
            let name = cells.next().unwrap_or("");
            let unit_code: u32 = cells.next().and_then(|cell| cell.parse().ok()).unwrap_or(0);
            let unit = UNIT_PEOPLE.iter().position(|row| row.0 == unit_code);
            let unit = unit.expect("every county of the embedded table is in one of the 14 units");
            by_unit[unit].push(counties.len());
            counties.push(County { code, unit });
            weights.push(if name.ends_with('区') {
                10
            } else if name.ends_with('市') {
                6
            } else {
                2
            });
        }
        let slots = draw_table(&counties, &by_unit, &weights);
        Self { counties, by_unit, slots }
    }

    /// The county at a position.
    pub(super) fn county(&self, at: usize) -> County {
        self.counties[at]
    }

    /// How many counties there are.
    pub(super) fn len(&self) -> usize {
        self.counties.len()
    }

    /// How many units there are.
    pub(super) fn units(&self) -> usize {
        self.by_unit.len()
    }

    /// The unit's code.
    pub(super) fn unit_code(&self, unit: usize) -> u32 {
        UNIT_PEOPLE[unit].0
    }

    /// Positions of the unit's counties.
    pub(super) fn counties_of(&self, unit: usize) -> &[usize] {
        &self.by_unit[unit]
    }

    /// Share of the unit in all orders, in parts of ten thousand.
    pub(super) fn unit_share(&self, unit: usize) -> u64 {
        let all: u64 = UNIT_PEOPLE.iter().map(|row| row.1).sum();
        UNIT_PEOPLE[unit].1 * 10_000 / all
    }

    /// A county drawn by weight from any random number.
    pub(super) fn draw(&self, random: u32) -> usize {
        self.slots[index(u64::from(random) % number(self.slots.len()))]
    }
}

/// Each county fills slots in proportion to its unit's people and its own weight in the unit; at
/// least one.
fn draw_table(counties: &[County], by_unit: &[Vec<usize>], weights: &[u64]) -> Vec<usize> {
    let people: u64 = UNIT_PEOPLE.iter().map(|row| row.1).sum();
    let mut slots = Vec::new();
    for (at, county) in counties.iter().enumerate() {
        let in_unit: u64 = by_unit[county.unit].iter().map(|&other| weights[other]).sum();
        let share = SLOTS * UNIT_PEOPLE[county.unit].1 * weights[at] / (people * in_unit);
        slots.extend(std::iter::repeat_n(at, index(share.max(1))));
    }
    slots
}
