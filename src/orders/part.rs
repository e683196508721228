//! A part of a day read by itself: some of its first events, with what came after them. What one
//! person did that day stands in one or two parts of many.

use std::collections::BTreeSet;

use super::columns::Columns;
use super::seal::OpenDay;
use crate::domain::ids::WorkerToken;

/// What came after the first events of a day, for all of its parts.
#[derive(Clone, Debug, Default)]
pub struct Deltas(Vec<Columns>);

impl Deltas {
    /// Adds a delta segment; segments come in order of batches.
    pub fn add(&mut self, rows: Columns) {
        self.0.push(rows);
    }

    /// Ordinals of the orders that one of these riders was given later.
    #[must_use]
    pub fn ordinals_of(&self, workers: &BTreeSet<WorkerToken>) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        for rows in &self.0 {
            let pairs = rows.workers.iter().zip(&rows.ordinals);
            let own =
                pairs.filter(|(token, _)| workers.contains(&WorkerToken(token.cast_unsigned())));
            found.extend(own.filter_map(|(_, ordinal)| u32::try_from(*ordinal).ok()));
        }
        found
    }

    /// The part of the day that begins with `first_ordinal` and has these first events.
    #[must_use]
    pub fn over(&self, first_ordinal: u32, rows: &Columns) -> OpenDay {
        let mut part = OpenDay::default();
        part.add_base(rows);
        let first = i64::from(first_ordinal);
        let length = i64::try_from(rows.rows()).unwrap_or(i64::MAX);
        for deltas in &self.0 {
            let mut own = Columns::default();
            for (row, ordinal) in deltas.ordinals.iter().enumerate() {
                let place = ordinal.saturating_sub(first);
                if (0..length).contains(&place) {
                    own.push_row(deltas, row, Some(place));
                }
            }
            part.add_delta(&own);
        }
        part
    }
}
