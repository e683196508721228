//! Facts of tax, treasury and bank.

use crate::domain::event::{
    BankOutcome, BankResult, Declaration, Interest, Payment, Receipt, Refund, Transfer,
};

use super::super::Record;
use super::super::wire::Datum;
use super::EncodeError;

pub(super) fn write_declaration(
    datum: &mut Datum,
    declaration: &Declaration,
) -> Result<Record, EncodeError> {
    let Declaration { platform, line, period, orders, amount, declared_on, document_no } =
        declaration;
    datum.string(platform.as_str());
    datum.string(line.as_str());
    datum.string(&period.to_string());
    datum.count("orders", *orders)?;
    datum.money("amount", *amount)?;
    datum.long(i64::from(declared_on.epoch_days()));
    datum.string(document_no.as_str());
    Ok(Record::Declaration)
}

pub(super) fn write_payment(datum: &mut Datum, payment: &Payment) -> Result<Record, EncodeError> {
    let Payment { platform, line, period, principal, late_fee, paid_on, treasury_on, e_ticket } =
        payment;
    datum.string(platform.as_str());
    datum.string(line.as_str());
    datum.string(&period.to_string());
    datum.money("principal", *principal)?;
    datum.money("late_fee", *late_fee)?;
    datum.long(i64::from(paid_on.epoch_days()));
    datum.long(i64::from(treasury_on.epoch_days()));
    datum.string(e_ticket.as_str());
    Ok(Record::Payment)
}

pub(super) fn write_refund(datum: &mut Datum, refund: &Refund) -> Result<Record, EncodeError> {
    let Refund { platform, line, period, amount, refunded_on, e_ticket } = refund;
    datum.string(platform.as_str());
    datum.string(line.as_str());
    datum.string(&period.to_string());
    datum.money("amount", *amount)?;
    datum.long(i64::from(refunded_on.epoch_days()));
    datum.string(e_ticket.as_str());
    Ok(Record::Refund)
}

pub(super) fn write_receipt(datum: &mut Datum, receipt: &Receipt) -> Result<Record, EncodeError> {
    let Receipt { account, amount, booked_on, voucher_no, e_ticket, item } = receipt;
    datum.string(account.as_str());
    datum.money("amount", *amount)?;
    datum.long(i64::from(booked_on.epoch_days()));
    datum.string(voucher_no.as_str());
    datum.optional(e_ticket.as_ref(), |datum, number| datum.string(number.as_str()));
    datum.optional(item.as_ref(), |datum, item| datum.string(item.as_str()));
    Ok(Record::Receipt)
}

pub(super) fn write_transfer(
    datum: &mut Datum,
    transfer: &Transfer,
) -> Result<Record, EncodeError> {
    let Transfer { from, to, amount, booked_on, voucher_no } = transfer;
    datum.string(from.as_str());
    datum.string(to.as_str());
    datum.money("amount", *amount)?;
    datum.long(i64::from(booked_on.epoch_days()));
    datum.string(voucher_no.as_str());
    Ok(Record::Transfer)
}

pub(super) fn write_interest(
    datum: &mut Datum,
    interest: &Interest,
) -> Result<Record, EncodeError> {
    let Interest { account, amount, booked_on, voucher_no } = interest;
    datum.string(account.as_str());
    datum.money("amount", *amount)?;
    datum.long(i64::from(booked_on.epoch_days()));
    datum.string(voucher_no.as_str());
    Ok(Record::Interest)
}

pub(super) fn write_bank_result(
    datum: &mut Datum,
    result: &BankResult,
) -> Result<Record, EncodeError> {
    let BankResult { instruction, case, account, amount, outcome, booked_on, voucher_no } = result;
    datum.string(instruction.as_str());
    datum.string(case.as_str());
    datum.string(account.as_str());
    datum.money("amount", *amount)?;
    datum.string(match outcome {
        BankOutcome::Paid => "paid",
        BankOutcome::Returned => "returned",
    });
    datum.long(i64::from(booked_on.epoch_days()));
    datum.string(voucher_no.as_str());
    Ok(Record::BankResult)
}
