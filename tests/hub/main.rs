//! The hub against real brokers: rumqttd in the test process, and mosquitto beside it. A small proxy is in between where a test
//! has to cut or slow the connection.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod certificates;
mod commands;
mod discovery_rules;
mod entries;
mod home_assistant;
#[path = "../support/rumqttd.rs"]
mod in_process;
mod left_behind;
mod outages;
mod pictures;
mod proxy;
mod refusals;
mod schemas;
mod secure;
mod support;
mod talk;
