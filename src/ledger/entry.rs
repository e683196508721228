//! Entries (分录): balanced or not at all.

use std::collections::BTreeMap;
use std::fmt;

use super::account::{Account, Book};
use crate::domain::money::{Fen, MoneyError};

/// One line of an entry. Debit (借) is positive, credit (贷) negative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The account.
    pub account: Account,
    /// Fen, signed.
    pub amount: Fen,
}

/// A balanced entry of one book. [`Entry::balanced`] is the only way to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    book: Book,
    postings: Vec<Posting>,
}

/// Why postings are no entry.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EntryError {
    /// Nothing moves.
    #[error("entry: expected at least two postings with an amount, found none")]
    Empty,
    /// Debits and credits differ.
    #[error("entry: expected debits equal to credits, found {off_by} more debit")]
    Unbalanced {
        /// Debits less credits, in yuan when shown.
        off_by: Fen,
    },
    /// The postings are of both books.
    #[error("entry: expected postings of the {expected} book, found account {found}")]
    MixedBooks {
        /// The book of the first posting.
        expected: &'static str,
        /// An account of the other book.
        found: String,
    },
    /// A code that names no account of the kind asked for.
    #[error("entry: expected a {expected} account, found {found}")]
    NoSuchAccount {
        /// The kind of account.
        expected: &'static str,
        /// The code.
        found: String,
    },
    /// A sum left the range of money.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

impl Posting {
    /// 借.
    #[must_use]
    pub const fn debit(account: Account, amount: Fen) -> Self {
        Self { account, amount }
    }

    /// 贷.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] where the amount has no counterpart.
    pub fn credit(account: Account, amount: Fen) -> Result<Self, MoneyError> {
        Ok(Self { account, amount: amount.negated()? })
    }
}

impl Entry {
    /// Makes an entry: adds up the postings of each account, leaves out those that cancel, and
    /// checks that the rest sums to zero within one book. Debits come first, then credits, each by
    /// account.
    ///
    /// # Errors
    /// [`EntryError`] where nothing is left, the sum is not zero or the books are mixed.
    pub fn balanced(postings: Vec<Posting>) -> Result<Self, EntryError> {
        let mut sums: BTreeMap<Account, Fen> = BTreeMap::new();
        for posting in postings {
            let sum = sums.entry(posting.account).or_default();
            *sum = sum.plus(posting.amount)?;
        }
        sums.retain(|_, amount| *amount != Fen::ZERO);
        let Some((first, _)) = sums.first_key_value() else { return Err(EntryError::Empty) };
        let book = first.book();
        if let Some(other) = sums.keys().find(|account| account.book() != book) {
            return Err(EntryError::MixedBooks { expected: book.code(), found: other.to_string() });
        }
        let off_by = Fen::sum(sums.values().copied())?;
        if off_by != Fen::ZERO {
            return Err(EntryError::Unbalanced { off_by });
        }
        let mut postings: Vec<Posting> =
            sums.into_iter().map(|(account, amount)| Posting { account, amount }).collect();
        postings.sort_by_key(|posting| posting.amount < Fen::ZERO);
        Ok(Self { book, postings })
    }

    /// The same, but `None` where the postings cancel out or there are none.
    ///
    /// # Errors
    /// [`EntryError`] where the sum is not zero or the books are mixed.
    pub fn balanced_or_nothing(postings: Vec<Posting>) -> Result<Option<Self>, EntryError> {
        match Self::balanced(postings) {
            Ok(entry) => Ok(Some(entry)),
            Err(EntryError::Empty) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The book.
    #[must_use]
    pub const fn book(&self) -> Book {
        self.book
    }

    /// The lines: debits first.
    #[must_use]
    pub fn postings(&self) -> &[Posting] {
        &self.postings
    }
}

/// One line a posting: `Dr expense.medical 12.30`.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for posting in &self.postings {
            let side = if posting.amount < Fen::ZERO { "  Cr" } else { "Dr" };
            let yuan = posting.amount.to_string();
            writeln!(f, "{side} {} {}", posting.account, yuan.trim_start_matches('-'))?;
        }
        Ok(())
    }
}
