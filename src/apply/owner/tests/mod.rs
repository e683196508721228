//! One owner, or a few, against a real database and the log in memory.

mod bench;
mod held_again;
