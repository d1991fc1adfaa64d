//! How FaceNet learns: from aligned faces to a network whose embeddings of one person lie together and of two people apart.
//!
//! Owns losses, mining, optimisers, the networks and a run with its checkpoints; and the site head (`head`), which every build has. The
//! rest needs the cargo feature `train`, since a board needs none of it. Knows nothing of doors, people enrolled, or cameras. Reading
//! order: `loss`, `mining`, `network`, `optimiser`, `run`; then `head`.

pub mod distance;
pub mod head;
pub mod mining;
pub mod optimiser;
pub mod random;

#[cfg(feature = "train")]
pub mod average;
#[cfg(feature = "train")]
pub mod checkpoint;
#[cfg(feature = "train")]
pub mod data;
#[cfg(feature = "train")]
pub mod device;
#[cfg(feature = "train")]
pub mod events;
#[cfg(feature = "train")]
pub mod loss;
#[cfg(feature = "train")]
pub mod network;
#[cfg(feature = "train")]
pub mod run;
#[cfg(feature = "train")]
pub mod sampler;
#[cfg(feature = "train")]
pub mod schedule;
#[cfg(feature = "train")]
pub mod validation;
#[cfg(feature = "train")]
pub mod weights;
