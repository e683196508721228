//! Forward: delivers what the outbox owes, in order per (destination, key, seq), and writes down
//! what the counterparty answered.
//!
//! An adapter is cut in four: `settings` (limits), `request` (pure: record to wire),
//! `client` (HTTP), `answer` (wire to one of a few classes). What the counterparties have in
//! common stands there once; `national`, `tax` and `golden_insurance` hold what is their own.
//! Nothing here changes books: only the delivery columns of the outbox are written.

pub mod acks;
mod answer;
mod breaker;
mod budget;
pub mod canonical;
pub mod client;
pub mod contract;
mod delivery;
pub mod golden_insurance;
mod lane;
pub mod national;
mod parcel;
pub mod relay;
mod request;
pub mod settings;
pub mod tax;

#[cfg(test)]
mod tests;
