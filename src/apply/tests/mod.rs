//! Cases, roster and money against a database: entries worked out by hand.

mod bench;
mod path;
