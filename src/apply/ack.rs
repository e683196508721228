//! Applies a counterparty's acknowledgement to the outbox record it names.
//!
//! An acknowledgement says what the counterparty made of the record later on; it does not touch
//! delivery, which is forward's.

use super::{ApplyError, Outcome};
use crate::domain::event::{Ack, Envelope};
use crate::domain::hold::HoldReason;
use crate::store::Tx;
use crate::store::standing::{self, Acknowledged};

/// Writes the acknowledgement down; the first one stands.
///
/// # Errors
/// [`ApplyError::Store`] where the database fails.
pub async fn apply_ack(tx: &mut Tx, envelope: &Envelope, ack: &Ack) -> Result<Outcome, ApplyError> {
    match standing::acknowledged(tx, &ack.destination, &ack.record).await? {
        None => Ok(Outcome::Held(HoldReason::RecordUnknown)),
        Some(Acknowledged::With(refused)) if refused == ack.refused => Ok(Outcome::Duplicate),
        Some(Acknowledged::With(_)) => {
            Ok(Outcome::Held(HoldReason::SameIdentityOtherContent { what: "acknowledgement" }))
        }
        Some(Acknowledged::NotYet) => {
            let refused = ack.refused.as_deref();
            standing::acknowledge(tx, &ack.record, refused, envelope.received_at).await?;
            Ok(Outcome::Applied { releases: Vec::new() })
        }
    }
}

#[cfg(test)]
#[path = "ack_tests.rs"]
mod tests;
