//! What the database itself guarantees, on each engine; and what transactions beside one another
//! do to each other on PostgreSQL.

mod constraints;
mod full;
mod growth;
mod leases;
mod order;
mod roles;
mod settings;
