//! Domain event to Avro datum, field by field in the order of the schema.
//!
//! Every struct is taken apart with all its fields, so that a new one does not compile until it is
//! decided here whether it is published. Clear identity of a roster is not.

mod case;
mod fund;
pub mod order;

use self::order::{write_county, write_order, write_source};
use crate::domain::event::{
    Ack, CountStatement, Enrolment, Envelope, Event, Fact, OrderEvent, Registration,
    RegistrationAction,
};
use crate::domain::ids::WorkerToken;
use crate::domain::money::Fen;
use crate::domain::order_view::OrderView;
use crate::domain::time::Moment;

use super::Record;
use super::wire::Datum;

/// Why an event has no canonical form. Nothing is cut or rounded to make it fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// More than a `long` holds.
    #[error("{field}: expected at most {max}, found {found}")]
    CountTooLarge {
        /// Field of the schema.
        field: &'static str,
        /// The largest that fits.
        max: i64,
        /// What was found.
        found: u64,
    },
    /// More than 18 digits.
    #[error("{field}: expected an amount of at most 18 digits, found {found} yuan")]
    AmountTooLarge {
        /// Field of the schema.
        field: &'static str,
        /// What was found.
        found: Fen,
    },
}

/// The datum of an order event. The event's own `occurred_at` is written; the envelope's is the
/// same moment.
///
/// # Errors
/// [`EncodeError::CountTooLarge`] where a position does not fit.
pub fn encode_order(envelope: &Envelope, order: &OrderEvent) -> Result<Vec<u8>, EncodeError> {
    let mut datum = Datum::default();
    write_envelope(&mut datum, envelope, order.occurred_at)?;
    write_order(&mut datum, &OrderView::from(order));
    Ok(datum.into_bytes())
}

/// The record and the datum of any other event.
///
/// # Errors
/// [`EncodeError`] where a count or an amount does not fit its field.
pub fn encode_event(event: &Event) -> Result<(Record, Vec<u8>), EncodeError> {
    let Event { envelope, fact } = event;
    let mut datum = Datum::default();
    write_envelope(&mut datum, envelope, envelope.occurred_at)?;
    let record = match fact {
        Fact::Statement(statement) => write_statement(&mut datum, statement)?,
        Fact::Registration(registration) => write_registration(&mut datum, registration),
        Fact::Enrolment(enrolment) => write_enrolment(&mut datum, enrolment),
        Fact::Case(event) => case::write(&mut datum, event)?,
        Fact::Declaration(declaration) => fund::write_declaration(&mut datum, declaration)?,
        Fact::Payment(payment) => fund::write_payment(&mut datum, payment)?,
        Fact::Refund(refund) => fund::write_refund(&mut datum, refund)?,
        Fact::Receipt(receipt) => fund::write_receipt(&mut datum, receipt)?,
        Fact::Transfer(transfer) => fund::write_transfer(&mut datum, transfer)?,
        Fact::Interest(interest) => fund::write_interest(&mut datum, interest)?,
        Fact::BankResult(result) => fund::write_bank_result(&mut datum, result)?,
        Fact::Ack(ack) => write_ack(&mut datum, ack),
    };
    Ok((record, datum.into_bytes()))
}

fn write_envelope(
    datum: &mut Datum,
    envelope: &Envelope,
    occurred_at: Moment,
) -> Result<(), EncodeError> {
    let Envelope { event_id, connector, feed, source, occurred_at: _, received_at } = envelope;
    datum.string(event_id.as_str());
    datum.string(connector.as_str());
    datum.string(feed.as_str());
    write_source(datum, source)?;
    datum.long(occurred_at.ms());
    datum.long(received_at.ms());
    Ok(())
}

fn write_worker(datum: &mut Datum, worker: WorkerToken) {
    datum.fixed(&worker.0.to_be_bytes());
}

fn write_statement(datum: &mut Datum, statement: &CountStatement) -> Result<Record, EncodeError> {
    let CountStatement { platform, line, day, revision, orders } = statement;
    datum.string(platform.as_str());
    datum.string(line.as_str());
    datum.long(i64::from(day.epoch_days()));
    datum.long(i64::from(*revision));
    datum.array(orders, |datum, (county, orders)| {
        write_county(datum, *county);
        datum.count("orders.orders", *orders)
    })?;
    Ok(Record::Statement)
}

fn write_registration(datum: &mut Datum, registration: &Registration) -> Record {
    let Registration { credit_code, platform, line, action, effective_from, document_no } =
        registration;
    datum.string(credit_code.as_str());
    datum.string(platform.as_str());
    datum.string(line.as_str());
    datum.string(match action {
        RegistrationAction::Registered => "registered",
        RegistrationAction::Changed => "changed",
        RegistrationAction::Cancelled => "cancelled",
    });
    datum.long(i64::from(effective_from.epoch_days()));
    datum.string(document_no.as_str());
    Record::Registration
}

fn write_enrolment(datum: &mut Datum, enrolment: &Enrolment) -> Record {
    let Enrolment { platform, worker, person, rider: _, name: _, identity_no: _, from } = enrolment;
    datum.string(platform.as_str());
    write_worker(datum, *worker);
    datum.fixed(&person.0.to_be_bytes());
    datum.long(i64::from(from.epoch_days()));
    Record::Enrolment
}

fn write_ack(datum: &mut Datum, ack: &Ack) -> Record {
    let Ack { destination, record, refused } = ack;
    datum.string(destination.as_str());
    datum.string(record.as_str());
    datum.optional(refused.as_deref(), Datum::string);
    Record::Ack
}
