//! `usher` watches a door. A camera frame comes in; a door opens, or it does not; and the reason is written down for good.
//!
//! ```text
//! frame ─► faces ─► sightings ─► verdict ─► door ─► journal ─► hub
//! camera   vision   gallery      access     door    ledger     MQTT
//! ```
//!
//! Read the rooms in that order:
//!
//! 1. [`domain`]: the nouns that travel; [`clock`]: the one place that reads the time; [`board`]: what the machine tells of itself.
//! 2. [`config`]: every setting, its default and its unit.
//! 3. [`photo`]: picture files and JPEG frames to upright pixels; [`camera`]: where frames come from.
//! 4. [`vision`]: a frame's faces and their embeddings.
//! 5. [`names`]: when two names are the same; [`table`]: CSV in and out. [`store`]: the database's door; [`seal`]: what only the holder of a key can read; [`gallery`]: who is enrolled and who is nearest.
//! 6. [`access`]: near enough, often enough, fresh enough? Pure rules.
//! 7. [`door`]: the wires. [`ledger`]: the record. [`hub`]: the broker. [`fleet`]: what an office and many boards say to each other.
//! 8. [`office`] enrols people and keeps the pen; [`setup`] turns the configuration into open devices; [`checks`] says what is well with them.
//! 9. [`accounts`]: who may use the page. [`api`]: requests and their answers; [`web`]: the page, which asks the API. [`daemon`] serves both, [`cli`] asks the API. [`lab`] measures on data sets.
//! 10. `train`, with the feature of that name: how a network learns.

pub mod access;
pub mod accounts;
pub mod api;
pub mod board;
pub mod camera;
pub mod checks;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod door;
pub mod fleet;
pub mod gallery;
pub mod hub;
pub mod lab;
pub mod ledger;
pub mod names;
pub mod office;
pub mod photo;
pub mod seal;
pub mod setup;
pub mod store;
pub mod table;
pub mod train;
pub mod vision;
pub mod web;
