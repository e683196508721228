//! Zhibao (职保): the message-driven integration hub of occupational-injury protection for
//! new-employment-form workers in Inner Mongolia.
//!
//! Data flows one way: intake → log → normalize → apply → forward; see ARCHITECTURE.md.

pub mod apply;
pub mod domain;
pub mod log;
pub mod normalize;
pub mod policy;
pub mod schema;
pub mod store;
