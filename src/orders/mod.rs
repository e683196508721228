//! The order book: counts each order once, finds it again as evidence, keeps it in few bytes.
//!
//! An order is the merge of its events, a function of their set ([`order`]). The owner of a
//! partition keeps the open days in a known set ([`known`], [`shard`]) and resolves a batch
//! against it as a pure function ([`resolve`]) to plain effects ([`effects`]), which the caller
//! writes in one transaction as immutable segments ([`segment`]) and then gives back to memory.
//! No SQL, no log, no clock here.

mod bits;
pub mod columns;
pub mod early;
pub mod effects;
pub mod fates;
pub mod identity;
mod ids;
pub mod index;
mod ints;
mod known;
pub mod late;
mod occurred;
pub mod order;
mod packed;
pub mod part;
pub mod resolve;
pub mod seal;
pub mod segment;
pub mod shard;
pub mod split;
#[cfg(test)]
mod tests;
pub mod whole;

pub use bits::CodecError;
