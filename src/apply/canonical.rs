//! What an applied event other than an order owes to its canonical topic: a row written by the
//! transaction that applies it, so that nothing is published that is not committed.

use super::ApplyError;
use super::engine::Engine;
use crate::domain::event::Event;
use crate::schema::encode::encode_event;
use crate::schema::topics::key_of;
use crate::store::Tx;
use crate::store::publish_outbox::{Outgoing, put};

/// The row of an event that was applied; `None` where its record has no topic.
///
/// An event that no longer fits its schema (an amount of more than 18 digits) is no reason to stop
/// the books: it is reported and not published.
#[must_use]
pub fn outgoing(engine: &Engine, event: &Event) -> Option<Outgoing> {
    if !engine.settings.canonical_topics {
        return None;
    }
    let event_id = event.envelope.event_id.as_str();
    match encode_event(event) {
        Ok((record, datum)) => Some(Outgoing {
            topic: record.topic()?,
            event_id: event_id.to_owned(),
            key: key_of(event),
            record: record.name(),
            datum,
        }),
        Err(error) => {
            tracing::error!(event_id, %error, "an applied event is not published");
            None
        }
    }
}

/// Owes one applied event to its topic.
///
/// # Errors
/// [`ApplyError`] where the database refuses.
pub async fn publish(tx: &mut Tx, engine: &Engine, event: &Event) -> Result<(), ApplyError> {
    if let Some(row) = outgoing(engine, event) {
        put(tx, &[row]).await?;
    }
    Ok(())
}
