//! Facts of treasury and finance: receipts, transfers, interest. The money has moved: each posts
//! on arrival, in suspense where its cause is not known.

use super::booking::{Change, book};
use super::content::Content;
use super::tax::ticket_subject;
use super::voucher::{Alone, Voucher, book_alone, keep, place};
use super::{ApplyError, Outcome};
use crate::domain::event::{Envelope, Interest, Receipt, Transfer};
use crate::domain::ids::{DocumentNo, ItemCode};
use crate::ledger::account::Account;
use crate::ledger::entry::Posting;
use crate::ledger::standing::{Standing, Ticket};
use crate::ledger::suspect::Rule;
use crate::store::Tx;
use crate::store::locks::Key;
use crate::store::money::{self, FundFact};

/// Books money that came into an account.
///
/// # Errors
/// [`ApplyError`] where the database fails or an amount leaves the range of money.
pub(super) async fn apply_receipt(
    tx: &mut Tx,
    cause: &Envelope,
    receipt: &Receipt,
) -> Result<Outcome, ApplyError> {
    let into = match place("account", &receipt.account) {
        Ok(account) => account,
        Err(reason) => return Ok(Outcome::Held(reason)),
    };
    let amount = receipt.amount;
    let fact = FundFact {
        connector: &cause.connector,
        voucher_no: &receipt.voucher_no,
        digest: receipt_digest(receipt),
        kind: "receipt",
        account: &receipt.account,
        to_account: None,
        amount,
        e_ticket: receipt.e_ticket.as_ref(),
        instruction: None,
        booked_on: receipt.booked_on,
        event_id: &cause.event_id,
        received_at: cause.received_at,
    };
    let (name, rule) = match keep(tx, &fact, receipt.e_ticket.clone().map(Key::Ticket)).await? {
        Voucher::Known => return Ok(Outcome::Duplicate),
        Voucher::Reused(name) => (name, Rule::VoucherReused),
        Voucher::First(name) => match &receipt.e_ticket {
            Some(ticket) => return settle(tx, cause, receipt, ticket, &name).await,
            None => (name, Rule::ReceiptWithoutTicket),
        },
    };
    let cash = vec![Posting::debit(into, amount)];
    let standing = Standing::received_unknown(amount)?;
    book_alone(tx, cause, Alone { name, day: receipt.booked_on, cash, standing, rule }).await
}

async fn settle(
    tx: &mut Tx,
    cause: &Envelope,
    receipt: &Receipt,
    ticket: &DocumentNo,
    name: &str,
) -> Result<Outcome, ApplyError> {
    let amount = receipt.amount;
    let receipts = money::receipts_on(tx, ticket, amount).await?;
    let after = Ticket { amount, receipts, payments: money::payments_on(tx, ticket).await? };
    let before = Ticket { receipts: receipts.saturating_sub(1), ..after.clone() };
    let rule = if after.payments.is_empty() {
        Rule::ReceiptTicketUnknown
    } else if after.causes()?.is_empty() {
        Rule::ReceiptOtherAmount
    } else {
        Rule::ReceivedTwice
    };
    let change = Change {
        cause: name,
        cash: vec![Posting::debit(Account::Place(receipt.account.clone()), amount)],
        before: &before.standing()?,
        after: &after.standing()?,
        day: receipt.booked_on,
        subject: &ticket_subject(ticket, amount),
        rule,
    };
    book(tx, cause, change).await?;
    Ok(Outcome::Applied { releases: Vec::new() })
}

/// Books money that moved between two accounts of the fund.
///
/// # Errors
/// [`ApplyError`] where the database fails or an amount leaves the range of money.
pub(super) async fn apply_transfer(
    tx: &mut Tx,
    cause: &Envelope,
    transfer: &Transfer,
) -> Result<Outcome, ApplyError> {
    let (from, to) = match (place("from", &transfer.from), place("to", &transfer.to)) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(reason), _) | (_, Err(reason)) => return Ok(Outcome::Held(reason)),
    };
    let amount = transfer.amount;
    let fact = FundFact {
        connector: &cause.connector,
        voucher_no: &transfer.voucher_no,
        digest: Content::of("transfer")
            .text(transfer.from.as_str())
            .text(transfer.to.as_str())
            .number(amount.get())
            .number(transfer.booked_on.epoch_days())
            .digest(),
        kind: "transfer",
        account: &transfer.from,
        to_account: Some(&transfer.to),
        amount,
        e_ticket: None,
        instruction: None,
        booked_on: transfer.booked_on,
        event_id: &cause.event_id,
        received_at: cause.received_at,
    };
    let (name, standing) = match keep(tx, &fact, None).await? {
        Voucher::Known => return Ok(Outcome::Duplicate),
        // Both ends lie in the fund, so that no part of the money lacks a place.
        Voucher::Reused(name) => (name, Standing::doubted()),
        Voucher::First(name) => (name, Standing::default()),
    };
    let cash = vec![Posting::debit(to, amount), Posting::credit(from, amount)?];
    let rule = Rule::VoucherReused;
    book_alone(tx, cause, Alone { name, day: transfer.booked_on, cash, standing, rule }).await
}

/// Books interest as finance's notice gives it.
///
/// # Errors
/// [`ApplyError`] where the database fails or an amount leaves the range of money.
pub(super) async fn apply_interest(
    tx: &mut Tx,
    cause: &Envelope,
    interest: &Interest,
) -> Result<Outcome, ApplyError> {
    let into = match place("account", &interest.account) {
        Ok(account) => account,
        Err(reason) => return Ok(Outcome::Held(reason)),
    };
    let amount = interest.amount;
    let fact = FundFact {
        connector: &cause.connector,
        voucher_no: &interest.voucher_no,
        digest: Content::of("interest")
            .text(interest.account.as_str())
            .number(amount.get())
            .number(interest.booked_on.epoch_days())
            .digest(),
        kind: "interest",
        account: &interest.account,
        to_account: None,
        amount,
        e_ticket: None,
        instruction: None,
        booked_on: interest.booked_on,
        event_id: &cause.event_id,
        received_at: cause.received_at,
    };
    let mut cash = vec![Posting::debit(into, amount)];
    let (name, standing) = match keep(tx, &fact, None).await? {
        Voucher::Known => return Ok(Outcome::Duplicate),
        Voucher::Reused(name) => (name, Standing::received_unknown(amount)?),
        Voucher::First(name) => {
            cash.push(Posting::credit(Account::IncomeInterest, amount)?);
            (name, Standing::default())
        }
    };
    let rule = Rule::VoucherReused;
    book_alone(tx, cause, Alone { name, day: interest.booked_on, cash, standing, rule }).await
}

fn receipt_digest(receipt: &Receipt) -> [u8; 32] {
    Content::of("receipt")
        .text(receipt.account.as_str())
        .number(receipt.amount.get())
        .number(receipt.booked_on.epoch_days())
        .maybe(receipt.e_ticket.as_ref().map(DocumentNo::as_str))
        .maybe(receipt.item.as_ref().map(ItemCode::as_str))
        .digest()
}
