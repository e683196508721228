//! `zhibao generate`: made-up messages in the platforms' own formats, and truth.json, which
//! says what must become of them.
//!
//! The truth is an oracle: nothing here calls the hub's normalizing, merging, levy, ledger or
//! policy. Each message's end is known when it is made, because it is made for that end; nothing
//! that is generated depends on the order of arrival within one hour.
#![expect(
    clippy::indexing_slicing,
    reason = "tables are indexed by positions that the generator itself gave out; a wrong one is a \
              defect that must stop the run"
)]

mod books;
mod calendar;
mod cases;
mod daily_totals;
mod files;
mod later;
mod life;
mod mix;
mod native;
mod plan;
mod platforms;
mod regions;
mod report;
mod riders;
mod rosters;
mod run;
mod scripts;
mod statutory;
mod text;
mod trouble;
mod truth;

#[cfg(test)]
pub(crate) mod naive;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use crate::domain::time::Day;

/// What to generate.
#[derive(Clone, Debug)]
pub struct GenerateOptions {
    /// Distinct real orders over all platforms that stream orders.
    pub orders: u64,
    /// First day of acceptance.
    pub from: Day,
    /// Days of acceptance, at least 1.
    pub days: u32,
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// Injury cases; see [`GenerateOptions::usual_cases`].
    pub cases: u32,
    /// Which mix.
    pub profile: Profile,
}

impl GenerateOptions {
    /// Cases that go with so many orders: one in 10,000, at least 100, at most 400.
    #[must_use]
    pub fn usual_cases(orders: u64) -> u32 {
        u32::try_from((orders / 10_000).clamp(100, 400)).unwrap_or(400)
    }
}

/// Which messages a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// All counterparties, and everything that can go wrong.
    Demo,
    /// Orders of the platforms that stream JSON: accepted, then completed or cancelled, 1 % of the
    /// messages sent twice, and nothing else.
    Bench,
    /// The same orders' acceptances alone: a message an order, 1 % sent twice.
    Acceptances,
}

/// What was generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerateSummary {
    /// Real orders.
    pub orders: u64,
    /// Messages of all streams.
    pub messages: u64,
    /// Files.
    pub files: u64,
    /// Injury cases.
    pub cases: u64,
    /// Arrival of the last file, milliseconds since 1970.
    pub last_received_at_ms: i64,
}

/// Why nothing, or not everything, was generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// A run without days.
    #[error("days: expected 1 to 366, found {found}")]
    Days {
        /// What was asked for.
        found: u32,
    },
    /// A file that cannot be written or read again.
    #[error("{}: expected to read or write it, found: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The truth cannot be written as JSON.
    #[error("truth.json: expected to be JSON, found: {0}")]
    Truth(#[source] serde_json::Error),
}

impl GenerateError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }
}

/// Generates a run into the folder `out`: `files/<connector>/<feed>/…`, `arrivals.csv` (in order of
/// arrival) and `truth.json`. `progress` hears of the number of orders made so far.
///
/// # Errors
/// [`GenerateError`] where the options make no run or a file cannot be written.
pub fn generate(
    options: &GenerateOptions,
    out: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<GenerateSummary, GenerateError> {
    if options.days == 0 || options.days > 366 {
        return Err(GenerateError::Days { found: options.days });
    }
    run::Run::prepare(options, out)?.finish(progress)
}
