//! What an order came through, for the few that did not come straight from the platform.

use super::event::OrderEvent;
use super::ids::{ConnectorId, OrderId, PlatformId};

/// What an order came through on its way from the customer to the platform, and to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Who reported for it, where another than the platform.
    pub agent: Option<ConnectorId>,
    /// Aggregator or merchant channel it came through.
    pub channel: Option<String>,
    /// The platform and order it was passed on from (聚合, 转单).
    pub upstream: Option<(PlatformId, OrderId)>,
}

impl Origin {
    /// As an event keeps it: nothing where it says nothing.
    #[must_use]
    pub fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

impl OrderEvent {
    /// Who reported for it, where another than the platform.
    #[must_use]
    pub fn agent(&self) -> Option<&ConnectorId> {
        self.origin.as_ref()?.agent.as_ref()
    }

    /// Aggregator or merchant channel it came through.
    #[must_use]
    pub fn channel(&self) -> Option<&str> {
        self.origin.as_ref()?.channel.as_deref()
    }

    /// The platform and order it was passed on from.
    #[must_use]
    pub fn upstream(&self) -> Option<&(PlatformId, OrderId)> {
        self.origin.as_ref()?.upstream.as_ref()
    }
}
