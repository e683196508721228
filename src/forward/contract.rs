//! What a counterparty's contract says of the kinds of record it takes. `schemas/openapi` says
//! the same to others, and a test holds the two together.

use crate::domain::ids::{DestinationId, IdError};

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The name on the wire.
    pub name: &'static str,
    /// Whether a refused record stops its key: later records build on earlier ones. Where not,
    /// each record stands for itself and the next one passes.
    pub ordered: bool,
}

/// One counterparty's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contract {
    /// The counterparty, as the outbox names it.
    pub destination: &'static str,
    /// The kinds it takes.
    pub kinds: &'static [Kind],
    /// Most records in one request.
    pub records_max: u32,
}

impl Contract {
    /// The counterparty's name as an id.
    ///
    /// # Errors
    /// [`IdError`] where the name is no id.
    pub fn destination_id(&self) -> Result<DestinationId, IdError> {
        DestinationId::new(self.destination)
    }

    /// The kind of that name, if the counterparty takes it.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<&'static Kind> {
        self.kinds.iter().find(|kind| kind.name == name)
    }

    /// Whether a refusal of this kind stops its key. A kind that the contract does not have is
    /// refused by us, and stops its key too: nobody knows what would build on it.
    #[must_use]
    pub fn stops(&self, name: &str) -> bool {
        self.kind(name).is_none_or(|kind| kind.ordered)
    }
}

/// All counterparties that records are forwarded to.
pub const CONTRACTS: [&Contract; 3] =
    [&super::national::CONTRACT, &super::tax::CONTRACT, &super::golden_insurance::CONTRACT];
