//! The levy (职业伤害保障费): counts × rates, exactly, rounded once a declaration line. Pure: no clock,
//! no database; counts and rates come in as arguments.
//!
//! What the hub computes is a shadow assessment (应缴测算); what is due is declared to tax.

pub mod assessment;
pub mod parts;
#[cfg(test)]
mod tests;

use crate::domain::ids::{AccountCode, EventId, IdError, LineCode, PlatformId};
use crate::domain::money::{Fen, MoneyError};
use crate::domain::time::{Day, Month};

/// What a levy is assessed for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LevyPeriod {
    /// The liable platform.
    pub platform: PlatformId,
    /// Line of business.
    pub line: LineCode,
    /// 所属期.
    pub month: Month,
}

/// `<platform>:<line>:<month>`: the key under which records of the period are forwarded.
impl std::fmt::Display for LevyPeriod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.platform, self.line, self.month)
    }
}

/// What the memo ledger is to post for an assessment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoPosting {
    /// `memo.levy_receivable`.
    pub debit: AccountCode,
    /// `memo.levy_assessed`.
    pub credit: AccountCode,
    /// The assessed amount, or the signed difference to what was issued before; never zero.
    pub amount: Fen,
    /// `levy_assessed:<period>:<revision>`.
    pub cause: EventId,
    /// The day in whose books it stands, whatever the period.
    pub day: Day,
}

/// Why a levy cannot be assessed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LevyError {
    /// Orders were counted on a day that has no rate.
    #[error("levy: expected a rate in force on {day}, found none for {orders} orders")]
    NoRate {
        /// The day.
        day: Day,
        /// Orders of that day.
        orders: i64,
    },
    /// A share of a negative weight, or of a whole without weights.
    #[error("levy parts: expected weights of 0 or more with a sum above 0, found {found}")]
    Weights {
        /// The sum or the weight.
        found: i128,
    },
    /// An amount left the range of money.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A key is longer than an identifier may be.
    #[error(transparent)]
    Id(#[from] IdError),
}
