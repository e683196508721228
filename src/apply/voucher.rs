//! Voucher numbers of bank, treasury and finance: the same content again is a duplicate, another
//! content is booked in suspense. The money has moved either way, so nothing here is held for what
//! it means; only a place that can hold no money is no well-formed fact.

use super::booking::{Change, book};
use super::content::short_hex;
use super::{ApplyError, Outcome};
use crate::domain::event::Envelope;
use crate::domain::hold::HoldReason;
use crate::domain::ids::AccountCode;
use crate::domain::time::Day;
use crate::ledger::account::Account;
use crate::ledger::entry::Posting;
use crate::ledger::standing::Standing;
use crate::ledger::suspect::Rule;
use crate::store::Tx;
use crate::store::locks::{Key, lock};
use crate::store::money::{self, FundFact};

/// What a voucher means at the moment it comes.
pub(super) enum Voucher {
    /// The same content stands.
    Known,
    /// The first content of its number; the cause that its entries are named after.
    First(String),
    /// Another content stands under this number; the cause that its entries are named after.
    Reused(String),
}

/// A booking that no other fact belongs to.
pub(super) struct Alone {
    /// The cause that its entries are named after.
    pub(super) name: String,
    /// Date in the books.
    pub(super) day: Day,
    /// The money itself.
    pub(super) cash: Vec<Posting>,
    /// Where it stands.
    pub(super) standing: Standing,
    /// The rule of the suspect, where it stands in suspense.
    pub(super) rule: Rule,
}

/// Locks the voucher and `also`, and keeps the fact unless it is known.
pub(super) async fn keep(
    tx: &mut Tx,
    fact: &FundFact<'_>,
    also: impl IntoIterator<Item = Key>,
) -> Result<Voucher, ApplyError> {
    let (connector, number) = (fact.connector, fact.voucher_no);
    let own = Key::Voucher(connector.clone(), number.clone());
    lock(tx, also.into_iter().chain([own])).await?;
    let known = money::voucher_digests(tx, connector, number).await?;
    if known.iter().any(|digest| *digest == fact.digest) {
        return Ok(Voucher::Known);
    }
    let first = known.is_empty();
    money::put_fund(tx, fact, first).await?;
    Ok(if first {
        Voucher::First(format!("voucher:{connector}:{number}"))
    } else {
        let content = short_hex(&fact.digest);
        Voucher::Reused(format!("voucher.{content}:{connector}:{number}"))
    })
}

/// Books a fact that stands for itself.
pub(super) async fn book_alone(
    tx: &mut Tx,
    cause: &Envelope,
    alone: Alone,
) -> Result<Outcome, ApplyError> {
    let change = Change {
        cause: &alone.name,
        cash: alone.cash,
        before: &Standing::default(),
        after: &alone.standing,
        day: alone.day,
        subject: &alone.name,
        rule: alone.rule,
    };
    book(tx, cause, change).await?;
    Ok(Outcome::Applied { releases: Vec::new() })
}

/// The account of a place that a statement names, or why there is none.
pub(super) fn place(field: &str, code: &AccountCode) -> Result<Account, HoldReason> {
    Account::place(code)
        .ok_or_else(|| HoldReason::CodeUnknown { field: field.to_owned(), found: code.to_string() })
}
