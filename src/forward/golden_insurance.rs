//! Golden Insurance (金保工程): the region's core systems get every posting of the fund and every
//! benefit that was determined.

use super::contract::{Contract, Kind};

/// What it takes. A ledger with a gap proves nothing, so a refused posting stops its key.
pub const CONTRACT: Contract = Contract {
    destination: "golden-insurance",
    kinds: &[
        Kind { name: "fund_posting", ordered: true },
        Kind { name: "benefit_decided", ordered: true },
    ],
    records_max: 200,
};
