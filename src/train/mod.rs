//! How FaceNet learns: from aligned faces to a network whose embeddings of one person lie together and of two people apart.
//!
//! Owns losses, mining, optimisers, the networks and a run with its checkpoints. Built with the cargo feature `train` only, since a
//! board needs none of it. Knows nothing of doors, people enrolled, or cameras. Reading order: `loss`, `mining`, `network`,
//! `optimiser`.

pub mod average;
pub mod checkpoint;
pub mod data;
pub mod distance;
pub mod events;
pub mod loss;
pub mod mining;
pub mod network;
pub mod optimiser;
pub mod run;
pub mod sampler;
pub mod schedule;
pub mod validation;
pub mod weights;
