//! The real program on real devices of a kernel, without hardware: in emulated machines with cameras that show photographs, and with
//! GPIO lines whose level is read where the kernel, or the chip itself, keeps it.
//!
//! `tests/hil/prepare` makes the machines; `README.md` beside this file says what they are and what they cannot show.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod gpio;
mod guest;
mod house;
mod pc;
mod pi;
#[allow(dead_code, reason = "what the end-to-end tests draw besides")]
#[path = "../e2e/support/pictures.rs"]
mod pictures;
mod pins;
#[path = "../support/raw.rs"]
mod raw;
mod readers;
mod scenes;
