//! The log in memory, with seeded faults.
