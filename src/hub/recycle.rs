//! Recycling: an operator has held messages read and applied again after a fix of a manifest or a
//! rule. An order event goes to its owner as a handoff; any other event is applied here.

use crate::apply::engine::EngineError;
use crate::apply::release::{normalized, release, settle, try_again};
use crate::normalize::Normalized;
use crate::orders::columns::{Columns, RawMessage};
use crate::orders::segment::{SegmentHead, encode};
use crate::store::growth;
use crate::store::held::{self, Held};
use crate::store::outcomes::{Sums, Tallies, Tally};
use crate::store::positions::PartitionKey;
use crate::store::{Tx, segments};

use super::{Hub, HubError};
use crate::log::partition_of;

/// Reason of messages that crashed the hub, or that it could not make anything of by its own fault.
const DEFECT: &str = "hub.defect";

/// What became of held messages that were recycled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recycled {
    /// Applied, or found to be duplicates or ignored.
    pub done: u64,
    /// Given to the owner of their order.
    pub handed_on: u64,
    /// Held again.
    pub held_again: u64,
}

impl Hub {
    /// Recycles held messages of one reason, at most `limit`; where none is named, of all but
    /// those that crashed the hub: they would do so again until the program is mended.
    ///
    /// # Errors
    /// [`HubError`] where the database refuses; what was done before stays done.
    pub async fn recycle(&self, reason: Option<&str>, limit: u32) -> Result<Recycled, HubError> {
        let mut tx = self.engine.db.snapshot().await?;
        let messages = held::list(&mut tx, reason, limit).await?;
        tx.commit().await?;
        let mut recycled = Recycled::default();
        let is_meant = |held: &Held| reason.is_some() || held.reason != DEFECT;
        for message in messages.into_iter().filter(is_meant) {
            self.recycle_one(&message, &mut recycled).await?;
        }
        Ok(recycled)
    }

    async fn recycle_one(&self, held: &Held, done: &mut Recycled) -> Result<(), HubError> {
        let mut tx = self.engine.db.begin().await?;
        let mut sums = Sums::default();
        match normalized(&self.engine, held) {
            Normalized::Order(event) => {
                if !held::remove(&mut tx, &held.connector, &held.digest).await? {
                    return Ok(tx.rollback().await?);
                }
                self.hand_on(&mut tx, held, &event).await?;
                move_tally(&mut sums, held, Tally { held: -1, handoff: 1, ..Tally::default() });
                done.handed_on += 1;
            }
            Normalized::Ignored { .. } => {
                if !held::remove(&mut tx, &held.connector, &held.digest).await? {
                    return Ok(tx.rollback().await?);
                }
                move_tally(&mut sums, held, Tally { held: -1, ignored: 1, ..Tally::default() });
                done.done += 1;
            }
            Normalized::Event(_) | Normalized::Held(_) => {
                let scope = self.engine.scope();
                let outcome = try_again(&mut tx, &self.engine, scope, held).await?;
                let is_held = matches!(outcome, crate::apply::Outcome::Held(_));
                if let Some(keys) = settle(&mut tx, held, outcome, &mut sums).await? {
                    release(&mut tx, &self.engine, keys, &mut sums).await?;
                }
                *(if is_held { &mut done.held_again } else { &mut done.done }) += 1;
            }
        }
        sums.write(&mut tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Leaves the event for the owner of its order number.
    async fn hand_on(
        &self,
        tx: &mut Tx,
        held: &Held,
        event: &crate::domain::event::OrderEvent,
    ) -> Result<(), HubError> {
        let found = growth::of_topic(tx, &held.topic).await?;
        let partitions = found.map_or(1, |found| found.partitions);
        if let Some(to) = found.and_then(|found| found.growing_to) {
            let topic = held.topic.clone();
            return Err(HubError::Growing { topic, to });
        }
        let to = partition_of(event.order_id.as_str().as_bytes(), partitions);
        let mut rows = Columns::default();
        let raw = RawMessage {
            feed: held.feed.clone(),
            header_digest: held.header_digest,
            partition: held.partition,
            offset: held.offset,
            received_at: held.received_at,
            bytes: held.value.clone(),
        };
        rows.push_raw(event, raw);
        let head = SegmentHead { manifest_version: self.engine.manifest_version, batch: 0 };
        let bytes = encode(head, &rows).map_err(EngineError::from)?;
        let from = PartitionKey { topic: held.topic.clone(), partition: held.partition };
        // The position of the message makes the key of its handoff, which no batch number can be.
        let number = (1 << 62) + held.offset;
        Ok(segments::hand_off(tx, &from, to, number, 1, &bytes).await?)
    }
}

fn move_tally(sums: &mut Sums, held: &Held, tally: Tally) {
    let key = (held.feed.clone(), held.received_at.day());
    sums.add(&held.connector, &Tallies::from([(key, tally)]));
}
