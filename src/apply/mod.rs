//! Apply: the only writer of state.
//!
//! One batch of orders is one transaction; an event that is no order event has a transaction of
//! its own. Functions here take that open transaction and say what became of the event.

pub mod ack;
mod bank;
mod booking;
pub mod canonical;
mod case_event;
mod case_records;
mod content;
mod day;
pub mod engine;
pub mod enrolment;
pub mod event;
pub mod evidence;
pub mod freeze;
mod fund;
pub mod levy_memo;
mod levy_record;
pub mod missing;
pub mod owner;
pub mod registration;
pub mod release;
pub mod snapshot;
pub mod statement;
mod tax;
pub mod under_way;
mod voucher;

#[cfg(test)]
mod levy_tests;
#[cfg(test)]
mod tests;

use crate::domain::hold::HoldReason;
use crate::ledger::entry::EntryError;
use crate::policy::Policy;
use crate::store::cipher::{CipherError, FieldCipher};

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It changed the books.
    Applied {
        /// Keys (see [`HoldReason::waits_for`]) whose held messages may now be applied.
        releases: Vec<String>,
    },
    /// The same identity with the same content stands already.
    Duplicate,
    /// It cannot be applied, or not yet.
    Held(HoldReason),
}

/// What every applying function may look at besides the database.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The dated rules.
    pub policy: &'a Policy,
    /// Seals clear identity.
    pub cipher: &'a FieldCipher,
}

/// Why an event could not be handled at all; the transaction rolls back.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// An amount left the range of money.
    #[error(transparent)]
    Money(#[from] crate::domain::money::MoneyError),
    /// Postings that are no entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// A clear field could not be sealed.
    #[error(transparent)]
    Cipher(#[from] CipherError),
}

impl ApplyError {
    /// As [`StoreError::is_passing`](crate::store::StoreError::is_passing).
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_passing())
    }

    /// Whether the cause lies in what the messages say, so that others may be applied.
    #[must_use]
    pub fn is_of_the_messages(&self) -> bool {
        match self {
            Self::Store(error) => error.is_of_the_values(),
            Self::Money(_) | Self::Entry(_) => true,
            Self::Cipher(_) => false,
        }
    }
}

impl From<sqlx::Error> for ApplyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
