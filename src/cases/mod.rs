//! Injury cases: their states, who may decide, and the orders that bear witness.
//!
//! Pure: no clock, no SQL, no log line. Within a source order is the position; between sources it
//! is [`state::step`]: an event without its predecessor waits.

pub mod competence;
pub mod evidence;
pub mod state;

#[cfg(test)]
mod tests;
