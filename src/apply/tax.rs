//! Facts of tax: declarations, payments, refunds. None is held for a business reason, and none is
//! cash: cash is what the treasury says.

use super::booking::{Change, Line, book, memo};
use super::content::{Content, short_hex};
use super::{ApplyError, Outcome};
use crate::domain::event::{Declaration, Envelope, Payment, Refund};
use crate::domain::ids::DocumentNo;
use crate::domain::money::Fen;
use crate::ledger::account::Account;
use crate::ledger::standing::{TaxParts, Ticket};
use crate::ledger::suspect::Rule;
use crate::store::locks::{Key, lock};
use crate::store::money::{self, TaxFact, TaxKind};
use crate::store::{Tx, suspects};

/// Keeps a declaration (申报).
///
/// # Errors
/// [`ApplyError`] where the database fails.
pub(super) async fn apply_declaration(
    tx: &mut Tx,
    cause: &Envelope,
    declared: &Declaration,
) -> Result<Outcome, ApplyError> {
    let digest = Content::of("declaration")
        .text(declared.platform.as_str())
        .text(declared.line.as_str())
        .text(&declared.period.to_string())
        .number(declared.orders)
        .number(declared.amount.get())
        .number(declared.declared_on.epoch_days())
        .digest();
    let fact = TaxFact {
        kind: TaxKind::Declaration,
        number: &declared.document_no,
        digest,
        platform: &declared.platform,
        line: &declared.line,
        period: declared.period,
        orders: Some(declared.orders),
        amount: declared.amount,
        late_fee: Fen::ZERO,
        booked_on: declared.declared_on,
        treasury_on: None,
        event_id: &cause.event_id,
        received_at: cause.received_at,
    };
    match keep(tx, &fact).await? {
        Kept::Known => return Ok(Outcome::Duplicate),
        Kept::New => {}
        Kept::Reused => {
            let subject = format!("declaration:{}", declared.document_no);
            let by = cause_of("declaration", &declared.document_no, Some(&digest));
            suspects::raise(tx, Rule::TaxNumberReused, &subject, &by, cause.received_at).await?;
        }
    }
    Ok(Outcome::Applied { releases: Vec::new() })
}

/// Keeps a payment (缴款): takes its principal from receivable to paid in the memo book, and gives
/// receipts of the treasury that wait for it their cause.
///
/// # Errors
/// [`ApplyError`] where the database fails or an amount leaves the range of money.
pub(super) async fn apply_payment(
    tx: &mut Tx,
    cause: &Envelope,
    paid: &Payment,
) -> Result<Outcome, ApplyError> {
    let digest = Content::of("payment")
        .text(paid.platform.as_str())
        .text(paid.line.as_str())
        .text(&paid.period.to_string())
        .number(paid.principal.get())
        .number(paid.late_fee.get())
        .number(paid.paid_on.epoch_days())
        .number(paid.treasury_on.epoch_days())
        .digest();
    let fact = TaxFact {
        kind: TaxKind::Payment,
        number: &paid.e_ticket,
        digest,
        platform: &paid.platform,
        line: &paid.line,
        period: paid.period,
        orders: None,
        amount: paid.principal,
        late_fee: paid.late_fee,
        booked_on: paid.paid_on,
        treasury_on: Some(paid.treasury_on),
        event_id: &cause.event_id,
        received_at: cause.received_at,
    };
    let kept = keep(tx, &fact).await?;
    let reused = match kept {
        Kept::Known => return Ok(Outcome::Duplicate),
        Kept::New => None,
        Kept::Reused => Some(&digest),
    };
    let ticket = &paid.e_ticket;
    let cause_text = cause_of("payment", ticket, reused);
    if reused.is_some() {
        let subject = format!("payment:{ticket}");
        let rule = Rule::TaxNumberReused;
        suspects::raise(tx, rule, &subject, &cause_text, cause.received_at).await?;
    }
    let subject = format!("period:{}:{}:{}", paid.platform, paid.line, paid.period);
    let line = Line { cause: &cause_text, day: paid.paid_on, subject: &subject, links: None };
    let accounts = (Account::LevyPaid, Account::LevyReceivable);
    memo(tx, cause, &line, accounts, paid.principal).await?;
    settle_receipts(tx, cause, &cause_text, paid).await?;
    Ok(Outcome::Applied { releases: Vec::new() })
}

async fn settle_receipts(
    tx: &mut Tx,
    cause: &Envelope,
    cause_text: &str,
    paid: &Payment,
) -> Result<(), ApplyError> {
    let ticket = &paid.e_ticket;
    let parts = TaxParts { principal: paid.principal, late_fee: paid.late_fee };
    let amount = paid.principal.plus(paid.late_fee)?;
    let receipts = money::receipts_on(tx, ticket, amount).await?;
    let after = Ticket { amount, receipts, payments: money::payments_on(tx, ticket).await? };
    let mut before = after.clone();
    if let Some(at) = before.payments.iter().position(|known| *known == parts) {
        before.payments.swap_remove(at);
    }
    let change = Change {
        cause: cause_text,
        cash: Vec::new(),
        before: &before.standing()?,
        after: &after.standing()?,
        day: cause.received_at.day(),
        subject: &ticket_subject(ticket, amount),
        rule: Rule::ReceivedTwice,
    };
    book(tx, cause, change).await
}

/// Keeps a refund (退费). It posts nothing: the money has left when the treasury says so.
///
/// # Errors
/// [`ApplyError`] where the database fails.
pub(super) async fn apply_refund(
    tx: &mut Tx,
    cause: &Envelope,
    refund: &Refund,
) -> Result<Outcome, ApplyError> {
    let digest = Content::of("refund")
        .text(refund.platform.as_str())
        .text(refund.line.as_str())
        .text(&refund.period.to_string())
        .number(refund.amount.get())
        .number(refund.refunded_on.epoch_days())
        .digest();
    let fact = TaxFact {
        kind: TaxKind::Refund,
        number: &refund.e_ticket,
        digest,
        platform: &refund.platform,
        line: &refund.line,
        period: refund.period,
        orders: None,
        amount: refund.amount,
        late_fee: Fen::ZERO,
        booked_on: refund.refunded_on,
        treasury_on: None,
        event_id: &cause.event_id,
        received_at: cause.received_at,
    };
    // One ticket may be given back in parts: another content is another refund, not a suspect.
    match keep(tx, &fact).await? {
        Kept::Known => Ok(Outcome::Duplicate),
        Kept::New | Kept::Reused => Ok(Outcome::Applied { releases: Vec::new() }),
    }
}

/// What receipts and payments of one e-ticket and amount have in common.
pub(super) fn ticket_subject(ticket: &DocumentNo, amount: Fen) -> String {
    format!("ticket:{ticket}:{}", amount.get())
}

enum Kept {
    /// The same content stands.
    Known,
    /// The first content of its number.
    New,
    /// Another content of a number that stands.
    Reused,
}

async fn keep(tx: &mut Tx, fact: &TaxFact<'_>) -> Result<Kept, ApplyError> {
    lock(tx, [Key::Ticket(fact.number.clone())]).await?;
    let known = money::tax_digests(tx, fact.kind, fact.number).await?;
    if known.iter().any(|digest| *digest == fact.digest) {
        return Ok(Kept::Known);
    }
    money::put_tax(tx, fact).await?;
    Ok(if known.is_empty() { Kept::New } else { Kept::Reused })
}

fn cause_of(kind: &str, number: &DocumentNo, reused: Option<&[u8; 32]>) -> String {
    match reused {
        None => format!("{kind}:{number}"),
        Some(digest) => format!("{kind}.{}:{number}", short_hex(digest)),
    }
}
