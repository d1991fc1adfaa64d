//! Training: FaceNet's method, which makes a network's embeddings of one person close and those of two people distant.
//!
//! Losses, mining, optimisers, networks, and a run with its checkpoints; and the site head (`head`), which every build has. The rest needs the cargo
//! feature `train`, because boards do not need it. Reading order: `loss`, `mining`, `network`, `optimiser`, `run`; then `head`.

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
