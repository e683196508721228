//! The numbers of canonical schemas in the frames that this hub writes: its own, or those that
//! another registry gave.

use std::collections::BTreeMap;

use super::Record;

/// A number for each record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaIds {
    elsewhere: BTreeMap<Record, u32>,
}

impl SchemaIds {
    /// The built-in numbers, but for these.
    #[must_use]
    pub const fn of(elsewhere: BTreeMap<Record, u32>) -> Self {
        Self { elsewhere }
    }

    /// The number of a record's schema.
    #[must_use]
    pub fn get(&self, record: Record) -> u32 {
        self.elsewhere.get(&record).copied().unwrap_or_else(|| record.schema_id())
    }
}
