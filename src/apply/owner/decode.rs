//! Bytes of a log batch to what each message means, in order; pure but for the panic guard.

use crate::domain::event::Event;
use crate::domain::hold::HoldReason;
use crate::domain::ids::ConnectorId;
use crate::domain::message::{Message, Source};
use crate::log::Batch;
use crate::normalize::{Manifest, Normalized, TokenKeys};
use crate::orders::columns::RawMessage;
use crate::orders::effects::Incoming;

/// A batch after normalizing; numbers are places in the batch.
#[derive(Default)]
pub(super) struct Decoded {
    pub(super) orders: Vec<Incoming>,
    pub(super) events: Vec<(usize, Box<Event>)>,
    pub(super) ignored: Vec<usize>,
    pub(super) held: Vec<(usize, HoldReason)>,
}

pub(super) fn decode(
    manifest: &Manifest,
    connector: &ConnectorId,
    topic: &std::sync::Arc<str>,
    partition: u32,
    batch: &Batch,
    tokens: &TokenKeys,
) -> Decoded {
    let mut decoded = Decoded::default();
    for (index, record) in batch.records.iter().enumerate() {
        let header = usize::try_from(record.header).ok().and_then(|n| batch.headers.get(n));
        let Some(header) = header else {
            let detail = "the log gave a record without headers".to_owned();
            decoded.held.push((index, HoldReason::Defect { detail }));
            continue;
        };
        let source =
            Source { topic: std::sync::Arc::clone(topic), partition, offset: record.offset };
        let message = Message {
            connector,
            feed: &header.feed,
            header_digest: header.header_digest,
            source,
            received_at: record.received_at,
            value: batch.value(record),
        };
        match manifest.normalize_guarded(&message, tokens) {
            Normalized::Order(event) => {
                let received_at = record.received_at;
                decoded.orders.push(Incoming { index, event, received_at });
            }
            Normalized::Event(event) => decoded.events.push((index, event)),
            Normalized::Ignored { .. } => decoded.ignored.push(index),
            Normalized::Held(reason) => decoded.held.push((index, *reason)),
        }
    }
    decoded
}

/// The message of a record, for events that keep it.
pub(super) fn raw_of(batch: &Batch, partition: u32, index: usize) -> Option<RawMessage> {
    let record = batch.records.get(index)?;
    let header = batch.headers.get(usize::try_from(record.header).ok()?)?;
    Some(RawMessage {
        feed: header.feed.clone(),
        header_digest: header.header_digest,
        partition,
        offset: record.offset,
        received_at: record.received_at,
        bytes: batch.value(record).to_vec(),
    })
}
