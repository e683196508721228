//! Zhibao (职保): the message-driven integration hub of occupational-injury protection for
//! new-employment-form workers in Inner Mongolia.
//!
//! Data flows one way: intake → log → normalize → apply → forward; see ARCHITECTURE.md.

pub mod apply;
pub mod cases;
pub mod cli;
pub mod domain;
pub mod forward;
pub mod hub;
pub mod intake;
pub mod ledger;
pub mod levy;
pub mod log;
pub mod normalize;
pub mod orders;
pub mod policy;
pub mod registry;
pub mod schema;
pub mod serve;
pub mod simulate;
pub mod store;
