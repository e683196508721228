//! The messages that made an order which is taken back, found again in the log: they go to the late
//! run as if they had come for a sealed day.
//!
//! Only messages that the batches' own records call applied can be among them: what was held,
//! ignored or a duplicate at the time stays that. Of those, the order's are all from its first
//! event on, since memory knew it from then; before, only what waited for that first event.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::domain::event::OrderEvent;
use crate::domain::ids::OrderId;
use crate::log::Batch;
use crate::orders::CodecError;
use crate::orders::columns::{Columns, RawMessage};
use crate::orders::effects::Fate;
use crate::orders::fates::decode_fates;
use crate::orders::order::Order;
use crate::store::growth;
use crate::store::outcomes::{batches_over, first_offset};
use crate::store::positions::PartitionKey;
use crate::store::segments::StoredSegment;

use super::Owner;
use super::decode::{Decoded, raw_of};
use crate::apply::engine::EngineError;

/// Applied messages of one order number, in order of the log.
pub(super) type Applied = Vec<(OrderEvent, RawMessage)>;

impl Owner {
    /// The messages of orders that are taken back, as late events, out of the applied ones.
    pub(super) fn messages_of(
        &self,
        doubles: &[(u32, Order)],
        mut applied: HashMap<OrderId, Applied>,
    ) -> Columns {
        let mut late = Columns::default();
        for (_, order) in doubles {
            let messages = order.id().and_then(|id| applied.remove(id)).unwrap_or_default();
            for (event, raw) in messages_that_made(order, messages) {
                late.push_raw(&event, raw);
            }
        }
        self.add_untraceable(doubles, &mut late);
        late
    }

    /// Reads the applied messages of these order numbers, from the first batch of their day on,
    /// whose segments are `read`.
    pub(super) async fn read_applied(
        &self,
        ids: Vec<OrderId>,
        read: &[StoredSegment],
    ) -> Result<HashMap<OrderId, Applied>, EngineError> {
        let mut into: HashMap<OrderId, Applied> =
            ids.into_iter().map(|id| (id, Applied::new())).collect();
        if into.is_empty() {
            return Ok(into);
        }
        let first_batch = read.iter().map(|segment| segment.batch).min().unwrap_or(0);
        let mut tx = self.engine.db.snapshot().await?;
        let from = growth::ancestors(&mut tx, &self.key, first_batch).await?;
        tx.commit().await?;
        let ancestors = from.iter().map(|ancestor| (ancestor.partition, ancestor.next_offset));
        for (partition, until) in ancestors.chain([(self.key.partition, self.claim.next_offset)]) {
            self.read_applied_of(partition, (first_batch, until), &mut into).await?;
        }
        Ok(into)
    }

    /// Reads what one partition applied from a batch on, up to a position.
    async fn read_applied_of(
        &self,
        partition: u32,
        (first_batch, until): (u64, u64),
        into: &mut HashMap<OrderId, Applied>,
    ) -> Result<(), EngineError> {
        let key = PartitionKey { topic: self.key.topic.clone(), partition };
        let mut tx = self.engine.db.snapshot().await?;
        let first = first_offset(&mut tx, &key, first_batch).await?;
        let batches = batches_over(&mut tx, &key, first, until).await?;
        tx.commit().await?;
        let applied = ranges_of(Fate::Applied, &batches)?;
        let extents = self.engine.log.extents(&key.topic).await?;
        let kept = extents.iter().find(|extent| extent.partition == partition);
        let mut from = first.max(kept.map_or(0, |extent| extent.first));
        while from < until {
            let bytes_max = self.engine.settings.batch_bytes_max;
            let batch = self.engine.log.read(&key.topic, partition, from, bytes_max).await?;
            let Some(last) = batch.records.last() else { break };
            from = last.offset + 1;
            let batch = Arc::new(batch);
            let decoded = self.decode(Arc::clone(&batch)).await?;
            keep_applied((&batch, partition), decoded, &applied, into);
        }
        Ok(())
    }

    /// What is known of an order beside the messages that were found, whose messages the log has
    /// trimmed or had in another partition, is left to the late run by its events alone.
    fn add_untraceable(&self, doubles: &[(u32, Order)], late: &mut Columns) {
        for (_, order) in doubles {
            let Some(id) = order.id() else { continue };
            let traced = late.kinds_of(id);
            for event in order.events_of_all_kinds() {
                let is_it = |(kind, worker): &(u8, Option<_>)| {
                    kind & event.kind.bit() != 0
                        && (worker.is_none() || event.worker.is_none() || *worker == event.worker)
                };
                if traced.iter().any(is_it) {
                    continue;
                }
                let mut raw = RawMessage::nothing();
                raw.received_at = self.claim.received_at;
                raw.bytes = format!("{event:?}").into_bytes();
                late.push_raw(&event, raw);
            }
        }
    }
}

fn keep_applied(
    (batch, partition): (&Batch, u32),
    decoded: Decoded,
    applied: &[Range<u64>],
    into: &mut HashMap<OrderId, Applied>,
) {
    for item in decoded.orders {
        let Some(messages) = into.get_mut(&item.event.order_id) else { continue };
        let raw = raw_of(batch, partition, item.index);
        let raw = raw.filter(|raw| is_among(raw.offset, applied));
        messages.extend(raw.map(|raw| (item.event, raw)));
    }
}

fn is_among(offset: u64, ranges: &[Range<u64>]) -> bool {
    let place = ranges.partition_point(|range| range.end <= offset);
    ranges.get(place).is_some_and(|range| range.contains(&offset))
}

/// Positions that batches gave one fate, ascending. A handoff's batch applied none of this log.
fn ranges_of(fate: Fate, batches: &[(u64, u64, Vec<u8>)]) -> Result<Vec<Range<u64>>, CodecError> {
    let mut ranges = Vec::new();
    for (first, next, outcomes) in batches {
        let mut at = *first;
        for run in decode_fates(outcomes)?.chunk_by(|one, other| one == other) {
            let length = u64::try_from(run.len()).unwrap_or(u64::MAX);
            let end = at.saturating_add(length).min(*next);
            if run.first() == Some(&fate) && at < end {
                ranges.push(at..end);
            }
            at = end;
        }
    }
    Ok(ranges)
}

/// Those of the applied messages of an order's number that made this order. Earlier ones made the
/// order that stands on another day, also where they say the same.
///
/// An order takes each kind of each rider once, and what is stored of it does not say which came
/// first. So its messages are found from the last one back, each kind and rider once, until one has
/// an acceptance and cannot be among them; before that one, only what waited for an acceptance can.
fn messages_that_made(order: &Order, messages: Applied) -> Applied {
    let is_known = |event: &OrderEvent| {
        let riders = order.events().iter().map(|known| known.worker);
        let is_rider = |known: Option<_>| known.is_none() || known == event.worker;
        event.worker.is_none() || riders.into_iter().any(is_rider)
    };
    let (mut made, mut seen) = (Applied::new(), Vec::new());
    let mut is_before = false;
    for (event, raw) in messages.into_iter().rev() {
        let is_seen = |(kind, worker): &(_, Option<_>)| {
            *kind == event.kind
                && (worker.is_none() || event.worker.is_none() || *worker == event.worker)
        };
        let is_own =
            order.kinds() & event.kind.bit() != 0 && is_known(&event) && !seen.iter().any(is_seen);
        if is_own && !(is_before && event.accepted_at.is_some()) {
            seen.push((event.kind, event.worker));
            made.push((event, raw));
        } else {
            is_before |= event.accepted_at.is_some();
        }
    }
    made.reverse();
    made
}
