//! One owner, or a few, against a real database and the log in memory.

mod bench;
mod beside;
mod flood;
mod handoff;
mod held_again;
mod log_bound;
mod poison;
mod sealing;
mod taken_back;
