//! The page in a real browser: Debian's Chromium, driven by its own driver, in front of the real daemon.
//!
//! `tests/web/prepare` installs what these tests need. They keep pictures of what they saw in `target/web-screenshots`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod attendance;
mod axe;
mod browser;
mod doors;
mod figures;
mod fleet;
#[path = "../support/rumqttd.rs"]
mod in_process;
mod login;
mod looks;
mod people;
#[path = "../fleet/server.rs"]
#[allow(dead_code, reason = "what the tests of the fleet need besides")]
mod server;
mod site;
#[allow(dead_code, reason = "what the end-to-end tests need besides")]
mod support;
