//! Where money stands: the counter side of the facts that belong together, as a function of their
//! set and never of their order.
//!
//! Facts of one e-ticket and amount belong together, and so do those of one payment instruction,
//! case and amount. A fact that arrives posts its own cash and the *change* of this function; the
//! cause that arrives later (a payment after its receipt, a decision after the bank's result)
//! posts the change alone, in an entry linked to the one it clears.

use std::collections::BTreeMap;

use super::account::Account;
use super::entry::Posting;
use crate::domain::ids::ItemCode;
use crate::domain::money::{Fen, MoneyError};

/// What one payment at tax consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaxParts {
    /// 职业伤害保障费.
    pub principal: Fen,
    /// 滞纳金.
    pub late_fee: Fen,
}

/// What is known of one e-ticket (电子税票) and amount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    /// The amount of each receipt.
    pub amount: Fen,
    /// Receipts of this amount that name the ticket.
    pub receipts: u32,
    /// Payments on the ticket, any amount, any order.
    pub payments: Vec<TaxParts>,
}

/// What a benefit decision lets an instruction pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Benefit {
    /// Amount by item.
    pub items: Vec<(ItemCode, Fen)>,
}

/// What is known of one instruction, case and amount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payout {
    /// The amount of each bank result.
    pub amount: Fen,
    /// Times the bank paid it.
    pub paid: u32,
    /// Times it came back (退票).
    pub returned: u32,
    /// The decision that stands for this instruction and case.
    pub benefit: Option<Benefit>,
}

/// Balances by account that a set of facts leads to, without the places of money themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    sums: BTreeMap<Account, Fen>,
    /// Facts that stand in suspense: each is one open suspect (疑点).
    pub suspended: u32,
    /// Benefits paid and kept, in fen: what the memo book takes from owed to paid.
    pub settled: Fen,
}

impl Benefit {
    /// What the instruction may pay in all.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] where the sum does not fit.
    pub fn total(&self) -> Result<Fen, MoneyError> {
        Fen::sum(self.items.iter().map(|(_, amount)| *amount))
    }
}

impl Ticket {
    /// The payments of this amount, in an order of their own.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] where a sum does not fit.
    pub fn causes(&self) -> Result<Vec<TaxParts>, MoneyError> {
        let mut causes = Vec::new();
        for parts in &self.payments {
            if parts.principal.plus(parts.late_fee)? == self.amount {
                causes.push(*parts);
            }
        }
        causes.sort_unstable();
        Ok(causes)
    }

    /// Each receipt settles one payment of the same amount, the rest is 暂收款.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] where a sum does not fit.
    pub fn standing(&self) -> Result<Standing, MoneyError> {
        let mut standing = Standing::default();
        let mut causes = self.causes()?.into_iter();
        for _ in 0..self.receipts {
            if let Some(parts) = causes.next() {
                standing.add(Account::IncomeLevy, parts.principal.negated()?)?;
                standing.add(Account::IncomeLateFee, parts.late_fee.negated()?)?;
            } else {
                standing.suspend(Account::SuspenseReceipts, self.amount.negated()?)?;
            }
        }
        Ok(standing)
    }
}

impl Payout {
    /// Whether the decision allows exactly this amount.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] where the decision's sum does not fit.
    pub fn is_due(&self) -> Result<bool, MoneyError> {
        match &self.benefit {
            Some(benefit) => Ok(benefit.total()? == self.amount),
            None => Ok(false),
        }
    }

    /// What was paid and not returned: one payment that the decision allows is expenditure, every
    /// further one 暂付款; what came back without having been paid is 暂收款.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] where a sum does not fit.
    pub fn standing(&self) -> Result<Standing, MoneyError> {
        let mut standing = Standing::default();
        let mut out = self.paid.saturating_sub(self.returned);
        if let Some(benefit) = &self.benefit
            && out > 0
            && self.is_due()?
        {
            out -= 1;
            standing.settled = self.amount;
            for (item, amount) in &benefit.items {
                standing.add(Account::Expense(item.clone()), *amount)?;
            }
        }
        for _ in 0..out {
            standing.suspend(Account::SuspensePayments, self.amount)?;
        }
        for _ in self.paid..self.returned {
            standing.suspend(Account::SuspenseReceipts, self.amount.negated()?)?;
        }
        Ok(standing)
    }
}

impl Standing {
    /// Money that came in and finds no cause by itself: 暂收款.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] where the amount has no counterpart.
    pub fn received_unknown(amount: Fen) -> Result<Self, MoneyError> {
        let mut standing = Self::default();
        standing.suspend(Account::SuspenseReceipts, amount.negated()?)?;
        Ok(standing)
    }

    /// Money that went out and finds no cause by itself: 暂付款.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] where the sum does not fit.
    pub fn paid_unknown(amount: Fen) -> Result<Self, MoneyError> {
        let mut standing = Self::default();
        standing.suspend(Account::SuspensePayments, amount)?;
        Ok(standing)
    }

    /// Money that is where it should be, though the fact itself is in doubt.
    #[must_use]
    pub fn doubted() -> Self {
        Self { suspended: 1, ..Self::default() }
    }

    /// The postings that lead from `before` to this.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] where a difference does not fit.
    pub fn change_from(&self, before: &Self) -> Result<Vec<Posting>, MoneyError> {
        let mut changes = self.sums.clone();
        for (account, amount) in &before.sums {
            let change = changes.entry(account.clone()).or_default();
            *change = change.minus(*amount)?;
        }
        Ok(changes
            .into_iter()
            .filter(|(_, amount)| *amount != Fen::ZERO)
            .map(|(account, amount)| Posting { account, amount })
            .collect())
    }

    fn add(&mut self, account: Account, amount: Fen) -> Result<(), MoneyError> {
        let sum = self.sums.entry(account).or_default();
        *sum = sum.plus(amount)?;
        Ok(())
    }

    fn suspend(&mut self, account: Account, amount: Fen) -> Result<(), MoneyError> {
        self.suspended += 1;
        self.add(account, amount)
    }
}
