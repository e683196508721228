//! The whole hub, driven through its command line as an operator does, on generated messages whose
//! outcome the generator knows.
#![expect(clippy::unwrap_used, reason = "a test stops where something is not as prepared")]
#![expect(clippy::indexing_slicing, reason = "a section that is absent reads as null")]

mod again;
mod books;
mod broken_inputs;
mod crash;
mod demo_truth;
#[path = "../services/facts.rs"]
mod facts;
mod fed_again;
mod foreign_clients;
mod full_disk;
mod grown;
mod grown_on_kafka;
mod https;
mod hub;
mod kafka_rights;
mod killed;
mod log_trim;
mod new_platform;
mod on_kafka;
mod other_producers;
mod paused;
mod published;
mod published_ids;
mod service;
mod status_closes;
#[path = "../services/topics.rs"]
mod topics;
mod watched;
