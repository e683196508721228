//! The accounts (科目) that the hub posts to.

use std::fmt;

use crate::domain::ids::{AccountCode, ItemCode};

/// Which of the two sub-ledgers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Book {
    /// 收付实现制: posts on evidence only.
    Cash,
    /// Assessed, decided, owed: statistics, never money.
    Memo,
}

impl Book {
    /// The word used in the database and in records.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Memo => "memo",
        }
    }
}

/// An account of one of the two books.
///
/// Legal source: 《社会保险基金会计制度》 (the kinds of account); the official codes of the new items
/// are not public, so the words are the hub's own and are mapped at the edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// Where money lies: `treasury` 国库存款, `fiscal` 财政专户, `expenditure` 支出户.
    Place(AccountCode),
    /// 暂收款: came in, cause unknown.
    SuspenseReceipts,
    /// 暂付款: went out, cause unknown.
    SuspensePayments,
    /// 职业伤害保障费收入.
    IncomeLevy,
    /// 滞纳金.
    IncomeLateFee,
    /// 利息收入.
    IncomeInterest,
    /// 职业伤害保障支出, by item.
    Expense(ItemCode),
    /// Levy due from platforms (应收).
    LevyReceivable,
    /// Levy assessed (应缴测算).
    LevyAssessed,
    /// Levy paid at tax (已缴), before the treasury has it.
    LevyPaid,
    /// Benefits decided (核定).
    BenefitDecided,
    /// Benefits owed (应付).
    BenefitPayable,
    /// Benefits that the bank paid.
    BenefitPaid,
}

impl Account {
    /// The account of a place of money that a statement names; `None` where the name is one of
    /// the hub's own other accounts, on which no statement can have booked.
    #[must_use]
    pub fn place(code: &AccountCode) -> Option<Self> {
        let text = code.as_str();
        let own = text.starts_with("suspense_") || text.contains('.');
        if own { None } else { Some(Self::Place(code.clone())) }
    }

    /// The memo account of a levy by its code, if the code is one.
    #[must_use]
    pub fn of_levy(code: &AccountCode) -> Option<Self> {
        [Self::LevyReceivable, Self::LevyAssessed, Self::LevyPaid]
            .into_iter()
            .find(|account| account.to_string() == code.as_str())
    }

    /// The book that it belongs to.
    #[must_use]
    pub const fn book(&self) -> Book {
        match self {
            Self::Place(_)
            | Self::SuspenseReceipts
            | Self::SuspensePayments
            | Self::IncomeLevy
            | Self::IncomeLateFee
            | Self::IncomeInterest
            | Self::Expense(_) => Book::Cash,
            Self::LevyReceivable
            | Self::LevyAssessed
            | Self::LevyPaid
            | Self::BenefitDecided
            | Self::BenefitPayable
            | Self::BenefitPaid => Book::Memo,
        }
    }
}

/// The code in the books, in exports and in records.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(code) => f.write_str(code.as_str()),
            Self::SuspenseReceipts => f.write_str("suspense_receipts"),
            Self::SuspensePayments => f.write_str("suspense_payments"),
            Self::IncomeLevy => f.write_str("income.levy"),
            Self::IncomeLateFee => f.write_str("income.late_fee"),
            Self::IncomeInterest => f.write_str("income.interest"),
            Self::Expense(item) => write!(f, "expense.{item}"),
            Self::LevyReceivable => f.write_str("memo.levy_receivable"),
            Self::LevyAssessed => f.write_str("memo.levy_assessed"),
            Self::LevyPaid => f.write_str("memo.levy_paid"),
            Self::BenefitDecided => f.write_str("memo.benefit_decided"),
            Self::BenefitPayable => f.write_str("memo.benefit_payable"),
            Self::BenefitPaid => f.write_str("memo.benefit_paid"),
        }
    }
}
