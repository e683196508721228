//! Counterparties that do not exist here: made-up messages for the demo, the tests and the
//! benchmarks, together with what must become of them.

pub mod generate;
