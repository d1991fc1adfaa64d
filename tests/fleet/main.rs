//! The fleet at real servers: nats-server of Debian and a newer one, as children of the test. `tests/fleet/prepare` fetches both.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod alone;
mod attacker;
mod cluster;
mod commands;
mod cut;
mod doors;
mod leaf;
mod measure;
mod models;
mod places;
mod postgres;
mod raw;
mod requests;
mod rogue;
mod rules;
mod server;
mod site;
mod streams;
#[allow(dead_code, reason = "what the end-to-end tests need besides")]
mod support;
mod trust;
