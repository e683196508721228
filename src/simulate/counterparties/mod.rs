//! The counterparties that records go to, as HTTP servers on the loopback address: they keep what
//! they accept, hold the hub to the contract, and misbehave on request.
//!
//! They share no code with `forward`: both read the contract (`schemas/openapi`) for themselves,
//! so that a common mistake cannot hide.

mod acks;
mod books;
mod misbehaviour;
mod server;
mod wire;

pub use books::{Received, Violation};
pub use misbehaviour::Misbehaviour;
pub use server::{Running, SimulatorError};

/// Which counterparty to simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counterparty {
    /// The national platform.
    NationalPlatform,
    /// Tax.
    Tax,
    /// The region's core systems on 金保工程.
    GoldenInsurance,
}

impl Counterparty {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NationalPlatform, Self::Tax, Self::GoldenInsurance];

    /// Its name in the outbox and among the connectors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NationalPlatform => "national-platform",
            Self::Tax => "tax",
            Self::GoldenInsurance => "golden-insurance",
        }
    }

    /// The kinds it takes; `true` where a refused record stops its key.
    const fn kinds(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::NationalPlatform => &[
                ("order_counts", false),
                ("levy_assessed", false),
                ("case_record", true),
                ("enrolment", false),
            ],
            Self::Tax => &[("levy_assessed", true)],
            Self::GoldenInsurance => &[("fund_posting", true), ("benefit_decided", true)],
        }
    }
}

/// Starts simulators.
pub struct Simulator;

impl Simulator {
    /// Starts a counterparty on a free loopback port. The seed decides when it misbehaves.
    ///
    /// # Errors
    /// [`SimulatorError`] where no port can be had.
    pub async fn start(
        counterparty: Counterparty,
        misbehaviour: Misbehaviour,
        seed: u64,
    ) -> Result<Running, SimulatorError> {
        server::start(counterparty, misbehaviour, seed).await
    }
}
