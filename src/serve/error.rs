//! Why figures cannot be shown or exported.

use crate::domain::money::MoneyError;
use crate::domain::time::Day;
use crate::levy::LevyError;
use crate::orders::CodecError;
use crate::store::StoreError;

/// Why figures cannot be shown or exported.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database failed or holds a damaged value.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is due cannot be computed from the counts.
    #[error(transparent)]
    Levy(#[from] LevyError),
    /// A sum left the range of money.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A stored segment of riders is damaged.
    #[error("riders of {topic} on {day}: {source}")]
    Riders {
        /// The topic.
        topic: String,
        /// The segment's day.
        day: Day,
        /// What is wrong with its bytes.
        source: CodecError,
    },
}
