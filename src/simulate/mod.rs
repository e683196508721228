//! What stands in for the world outside, for the demo and the tests: a generator of native
//! messages that knows the truth, and counterparties over real HTTP. Nothing here calls the code
//! that it is there to check.

pub mod counterparties;
pub mod generate;
