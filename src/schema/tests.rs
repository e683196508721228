//! Holds the Rust types, the schemas and their released versions together.

mod agreement;
mod evolution;
mod money;
mod numbers;
mod round_trip;

use crate::domain::event::Envelope;
use crate::domain::ids::{ConnectorId, EventId, FeedId};
use crate::domain::message::Source;
use crate::domain::time::Moment;

fn envelope() -> Envelope {
    Envelope {
        event_id: EventId::new("tax:payment:E1").expect("an id"),
        connector: ConnectorId::new("tax").expect("an id"),
        feed: FeedId::new("levies").expect("an id"),
        source: Source { topic: "raw.tax".into(), partition: 3, offset: 4_000_000_000 },
        occurred_at: Moment::from_ms(1_782_867_601_123),
        received_at: Moment::from_ms(1_782_867_605_000),
    }
}
