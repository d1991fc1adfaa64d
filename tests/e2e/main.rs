//! The real program, from the outside: photographs of real faces, replayed cameras, its own store, socket and configuration in a
//! temporary folder.
//!
//! One binary, so that the tests share what they have drawn.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod api;
mod assurance;
mod attendance;
mod bench;
mod broker;
mod broker_commands;
#[cfg(feature = "gstreamer")]
mod camera_figures;
mod camera_modes;
mod cameras;
mod clocks;
mod commands;
mod configuration;
mod crash;
mod crowd;
mod daemon;
mod datasets;
mod demo;
mod disk;
mod doctor;
mod documents;
mod doors;
mod enrolment;
mod floods;
mod following;
mod framing;
mod head;
#[path = "../support/heads.rs"]
mod heads;
mod hours;
#[path = "../support/rumqttd.rs"]
mod in_process;
mod infrared;
mod init;
#[cfg(feature = "gstreamer")]
mod jetson;
mod keypads;
mod live;
mod liveness;
mod liveness_evaluate;
mod measuring;
mod metrics;
mod old_version;
mod people;
mod pictures;
mod presentation;
mod record;
mod register;
mod relay;
mod seal;
mod second_factor;
mod snapshots;
mod stalls;
#[cfg(feature = "gstreamer")]
mod streams;
mod supervisor;
mod support;
mod switch;
mod templates;
mod trained;
mod training;
mod visitors;
mod web;
mod web_faces;
mod web_ledger;
mod web_live;
mod web_people;
mod web_streams;
#[path = "../support/documents.rs"]
mod written;
