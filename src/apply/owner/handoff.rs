//! Events between partitions: how many may wait for an owner, and draining what waits for this one.
//!
//! Nobody waits for ever: an owner drains what waits for it before it reads the log, whatever
//! waits elsewhere, and what it drains is never handed on.

use crate::orders::effects::Effects;
use crate::store::positions::PartitionKey;
use crate::store::{Tx, segments};

use super::Owner;
use crate::apply::engine::EngineError;

impl Owner {
    /// Whether a partition that the batch would leave events for has too much waiting already.
    pub(super) async fn is_handoff_full(
        &self,
        tx: &mut Tx,
        effects: &Effects,
    ) -> Result<bool, EngineError> {
        for to in effects.handoff.keys() {
            let to = PartitionKey { topic: self.key.topic.clone(), partition: *to };
            let waiting = segments::handoff_bytes(tx, &to).await?;
            if waiting > self.engine.settings.handoff_bytes_max {
                tracing::debug!(topic = to.topic, to = to.partition, waiting, "handoff is full");
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What other partitions left for this one, one batch of theirs: from partition, batch, bytes.
    pub(super) async fn waiting_handoff(
        &self,
        tx: &mut Tx,
    ) -> Result<Option<(u32, u64, Vec<u8>)>, EngineError> {
        if self.shard.is_none() {
            return Ok(None);
        }
        Ok(segments::waiting_handoff(tx, &self.key).await?)
    }
}
