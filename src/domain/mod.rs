//! The words of the scheme as types. Pure: no clock, no I/O, no SQL, no serde.
//!
//! Every other module speaks in these types; they know nothing of any other module.

pub mod event;
pub mod hold;
pub mod ids;
pub mod message;
pub mod money;
pub mod order_view;
pub mod origin;
pub mod personal;
pub mod time;

#[cfg(test)]
mod tests;
