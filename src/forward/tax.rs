//! Tax (税务): gets the shadow assessment of each platform, line and period.

use super::contract::{Contract, Kind};

/// What it takes. An adjustment names the figure that it corrects, so a refused figure stops what
/// follows it in the same period.
pub const CONTRACT: Contract = Contract {
    destination: "tax",
    kinds: &[Kind { name: "levy_assessed", ordered: true }],
    records_max: 200,
};
