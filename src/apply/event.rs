//! The single event: everything that is no order event, each in a transaction of its own.

use super::ack::apply_ack;
use super::bank::apply_bank_result;
use super::case_event::apply_case_event;
use super::enrolment::apply_enrolments;
use super::fund::{apply_interest, apply_receipt, apply_transfer};
use super::registration::apply_registration;
use super::statement::apply_statement;
use super::tax::{apply_declaration, apply_payment, apply_refund};
use super::{ApplyError, Outcome, Scope};
use crate::domain::event::{Event, Fact};
use crate::store::Tx;

/// Applies an event in the open transaction and says what became of it.
///
/// # Errors
/// [`ApplyError`] where the database fails or an amount leaves the range of money; the transaction
/// is to be rolled back.
pub async fn apply_event(
    tx: &mut Tx,
    scope: Scope<'_>,
    event: &Event,
) -> Result<Outcome, ApplyError> {
    let cause = &event.envelope;
    match &event.fact {
        Fact::Statement(statement) => apply_statement(tx, scope, cause, statement).await,
        Fact::Registration(registered) => apply_registration(tx, scope, cause, registered).await,
        Fact::Ack(ack) => apply_ack(tx, cause, ack).await,
        Fact::Enrolment(line) => {
            let outcomes = apply_enrolments(tx, scope, &[(cause, line)]).await?;
            Ok(outcomes.into_iter().next().unwrap_or(Outcome::Duplicate))
        }
        Fact::Case(event) => apply_case_event(tx, scope, cause, event).await,
        Fact::Declaration(declared) => apply_declaration(tx, cause, declared).await,
        Fact::Payment(paid) => apply_payment(tx, cause, paid).await,
        Fact::Refund(refund) => apply_refund(tx, cause, refund).await,
        Fact::Receipt(receipt) => apply_receipt(tx, cause, receipt).await,
        Fact::Transfer(transfer) => apply_transfer(tx, cause, transfer).await,
        Fact::Interest(interest) => apply_interest(tx, cause, interest).await,
        Fact::BankResult(result) => apply_bank_result(tx, cause, result).await,
    }
}
