//! Cases, roster and money against a database: hand-worked entries, every hold, every order.

mod bench;
mod holds;
mod orders_of_arrival;
mod path;
mod records;
mod vouchers;
