//! Normalize: a pure function of (manifest version, message) to what it means. No clock, no
//! database, no log line.

use compact_str::CompactString;

use crate::domain::event::{Event, OrderEvent};
use crate::domain::hold::HoldReason;

/// What normalizing made of one message.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "almost every message is an order event; a box would cost an allocation each"
)]
pub enum Normalized {
    /// Something happened to an order.
    Order(OrderEvent),
    /// Something else happened.
    Event(Box<Event>),
    /// The manifest lists its status as no event of ours.
    Ignored {
        /// The native status.
        status: CompactString,
    },
    /// It cannot be read, or not yet.
    Held(Box<HoldReason>),
}
