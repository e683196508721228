//! What people and programs read of the hub: the page, its API, the status and the export. It reads
//! snapshots and changes nothing.

pub mod error;
pub mod export;
pub mod status;
pub mod text;

pub use error::ServeError;
