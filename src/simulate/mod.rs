//! Everything that is not the hub: who sends to it and who receives from it.

pub mod counterparties;
