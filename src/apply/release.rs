//! Releasing held messages: what waits for a key is applied again, in order of arrival, in the
//! transaction that brought what it waits for.

use std::collections::VecDeque;

use crate::domain::event::Event;
use crate::domain::hold::HoldReason;
use crate::domain::message::{Message, Source};
use crate::normalize::Normalized;
use crate::orders::effects::Fate;
use crate::store::Tx;
use crate::store::held::{self, Held};
use crate::store::outcomes::{Sums, Tallies, Tally};

use super::engine::{Engine, EngineError};
use super::{Outcome, Scope, canonical, event};

/// Applies what waits for `keys`, and what waits for that in turn, until nothing moves.
///
/// # Errors
/// [`EngineError`] where the database refuses; the transaction rolls back.
pub async fn release(
    tx: &mut Tx,
    engine: &Engine,
    keys: Vec<String>,
    sums: &mut Sums,
) -> Result<(), EngineError> {
    let scope = engine.scope();
    let mut keys: VecDeque<String> = keys.into();
    while let Some(key) = keys.pop_front() {
        for held in held::waiting(tx, &key).await? {
            let outcome = try_again(tx, engine, scope, &held).await?;
            let released = settle(tx, &held, outcome, sums).await?;
            if let Some(more) = released {
                // What came earlier and still waits goes first, as if it had arrived only now.
                keys.extend(more.into_iter().filter(|other| *other != key));
                keys.push_front(key);
                break;
            }
        }
    }
    Ok(())
}

/// Applies one held message again, as the manifest in force reads it now.
///
/// # Errors
/// As [`release`].
pub async fn try_again(
    tx: &mut Tx,
    engine: &Engine,
    scope: Scope<'_>,
    held: &Held,
) -> Result<Outcome, EngineError> {
    match normalized(engine, held) {
        Normalized::Event(event) => applied(tx, engine, scope, &event).await,
        Normalized::Held(reason) => Ok(Outcome::Held(*reason)),
        Normalized::Order(_) | Normalized::Ignored { .. } => {
            let detail = "expected no order event among released messages".to_owned();
            Ok(Outcome::Held(HoldReason::Defect { detail }))
        }
    }
}

async fn applied(
    tx: &mut Tx,
    engine: &Engine,
    scope: Scope<'_>,
    event: &Event,
) -> Result<Outcome, EngineError> {
    let outcome = event::apply_event(tx, scope, event).await?;
    if let Outcome::Applied { .. } = outcome {
        canonical::publish(tx, engine, event).await?;
    }
    Ok(outcome)
}

/// What a held message means under the manifest in force.
#[must_use]
pub fn normalized(engine: &Engine, held: &Held) -> Normalized {
    let Some(manifest) = engine.connectors.get(&held.connector) else {
        let detail = format!("no manifest of {}", held.connector);
        return Normalized::Held(Box::new(HoldReason::Defect { detail }));
    };
    let message = Message {
        connector: &held.connector,
        feed: &held.feed,
        header_digest: held.header_digest,
        source: Source {
            topic: held.topic.as_str().into(),
            partition: held.partition,
            offset: held.offset,
        },
        received_at: held.received_at,
        value: &held.value,
    };
    manifest.normalize_guarded(&message, &engine.tokens)
}

/// Takes the message out where it is done, and moves it in the promise's sums, unless another
/// transaction did so before. Gives the keys that it releases where it was applied.
///
/// # Errors
/// [`EngineError`] where the database refuses.
pub async fn settle(
    tx: &mut Tx,
    held: &Held,
    outcome: Outcome,
    sums: &mut Sums,
) -> Result<Option<Vec<String>>, EngineError> {
    let (fate, released) = match outcome {
        Outcome::Applied { releases } => (Fate::Applied, Some(releases)),
        Outcome::Duplicate => (Fate::Duplicate, None),
        Outcome::Held(reason) => {
            if reason.code() != held.reason || reason.waits_for() != held.waits_for {
                held::set_reason(tx, &held.connector, &held.digest, &reason).await?;
            }
            return Ok(None);
        }
    };
    if !held::remove(tx, &held.connector, &held.digest).await? {
        return Ok(released);
    }
    let mut tally = Tally { held: -1, ..Tally::default() };
    if fate == Fate::Applied {
        tally.applied = 1;
    } else {
        tally.duplicate = 1;
    }
    let key = (held.feed.clone(), held.received_at.day());
    sums.add(&held.connector, &Tallies::from([(key, tally)]));
    Ok(released)
}
