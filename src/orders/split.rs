//! What one partition has, between the partitions that it becomes when its topic grows. Pure: rows
//! in, rows out; nothing of a row changes but its ordinal.

use std::collections::BTreeMap;

use super::columns::Columns;
use super::ints::ABSENT;
use super::seal::OpenDay;
use super::segment::SegmentError;
use crate::log::partition_of;

/// A partition and those that it becomes: itself, and every so many above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descent {
    partition: u32,
    before: u32,
    after: u32,
}

/// Rows that go to one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The partition.
    pub partition: u32,
    /// Ordinal of the first row, where rows are numbered.
    pub first_ordinal: u32,
    /// The rows.
    pub rows: Columns,
}

impl Descent {
    /// A partition of a topic that grows from `before` to `after`, a multiple of it.
    #[must_use]
    pub const fn new(partition: u32, before: u32, after: u32) -> Self {
        Self { partition, before, after }
    }

    /// The partitions that it becomes, itself first.
    pub fn partitions(self) -> impl Iterator<Item = u32> {
        let every = usize::try_from(self.before.max(1)).unwrap_or(usize::MAX);
        (self.partition..self.after).step_by(every)
    }

    /// The partition of an order number. One that hashes to no descendant stays where it is.
    fn of(self, id: &str) -> u32 {
        let to = partition_of(id.as_bytes(), self.after);
        if to % self.before.max(1) == self.partition { to } else { self.partition }
    }
}

/// Splits rows that have order numbers and no ordinals.
#[must_use]
pub fn split_rows(descent: Descent, rows: &Columns) -> Vec<Part> {
    let mut parts = BTreeMap::new();
    for row in 0..rows.rows() {
        let partition = descent.of(rows.ids.get(row).unwrap_or_default());
        let part = parts.entry(partition).or_insert_with(|| Part { partition, ..Part::default() });
        part.rows.push_row(rows, row, None);
    }
    parts.into_values().collect()
}

/// A day whose orders have ordinals, segment by segment: each part stays a segment of its batches.
#[derive(Debug)]
pub struct DaySplit {
    descent: Descent,
    /// Partition and new ordinal of each old ordinal.
    places: BTreeMap<u32, Vec<(u32, u32)>>,
    next: BTreeMap<u32, u32>,
}

impl DaySplit {
    /// Begins with the day's first base segment.
    #[must_use]
    pub fn new(descent: Descent) -> Self {
        let next = descent.partitions().map(|partition| (partition, 0)).collect();
        Self { descent, places: BTreeMap::new(), next }
    }

    /// Splits a base segment; they come in order of ordinals.
    pub fn base(&mut self, first_ordinal: u32, rows: &Columns) -> Vec<Part> {
        let parts = split_rows(self.descent, rows);
        let mut numbers: BTreeMap<u32, u32> = self.next.clone();
        let place = |row: usize| {
            let partition = self.descent.of(rows.ids.get(row).unwrap_or_default());
            let number = numbers.entry(partition).or_default();
            *number += 1;
            (partition, *number - 1)
        };
        self.places.insert(first_ordinal, (0..rows.rows()).map(place).collect());
        let before = std::mem::replace(&mut self.next, numbers);
        let numbered = parts.into_iter().map(|part| Part {
            first_ordinal: before.get(&part.partition).copied().unwrap_or(0),
            ..part
        });
        numbered.collect()
    }

    /// Splits a delta segment; all base segments have come before.
    ///
    /// # Errors
    /// [`SegmentError::Damaged`] for a row of no order of the day.
    pub fn delta(&self, rows: &Columns) -> Result<Vec<Part>, SegmentError> {
        let mut parts = BTreeMap::new();
        for row in 0..rows.rows() {
            let ordinal = rows.ordinals.get(row).copied().unwrap_or(ABSENT);
            let (partition, ordinal) = self
                .place_of(ordinal)
                .ok_or(SegmentError::Damaged("a further event of no order of its day"))?;
            let part =
                parts.entry(partition).or_insert_with(|| Part { partition, ..Part::default() });
            part.rows.push_row(rows, row, Some(i64::from(ordinal)));
        }
        Ok(parts.into_values().collect())
    }

    fn place_of(&self, ordinal: i64) -> Option<(u32, u32)> {
        let ordinal = u32::try_from(ordinal).ok()?;
        let (first, places) = self.places.range(..=ordinal).next_back()?;
        places.get(usize::try_from(ordinal - first).ok()?).copied()
    }

    /// How many orders each partition has of the day.
    #[must_use]
    pub const fn orders(&self) -> &BTreeMap<u32, u32> {
        &self.next
    }
}

impl OpenDay {
    /// Splits a day that was read whole; every partition gets one, also without orders.
    #[must_use]
    pub fn split(&self, descent: Descent) -> Vec<(u32, Self)> {
        let mut days: BTreeMap<u32, Self> =
            descent.partitions().map(|partition| (partition, Self::default())).collect();
        for (row, old) in (0..self.base.rows()).zip(0u32..) {
            let partition = descent.of(self.base.ids.get(row).unwrap_or_default());
            let day = days.entry(partition).or_default();
            let ordinal = u32::try_from(day.base.rows()).unwrap_or(u32::MAX);
            day.base.push_row(&self.base, row, None);
            if let Some(side) = self.amending.get(&old) {
                let own = day.amending.entry(ordinal).or_default();
                let number = Some(i64::from(ordinal));
                (0..side.rows()).for_each(|row| own.push_row(side, row, number));
            }
        }
        days.into_iter().collect()
    }
}
