//! Training: FaceNet's method, which makes a network's embeddings of one person close and those of two people distant.
//!
//! Losses, mining, optimisers, networks, and a run with its checkpoints; and the site head (`head`), which every build has. The rest needs the cargo
//! feature `train`, because boards do not need it. Reading order: `loss`, `mining`, `network`, `optimiser`, `run`; then `head`.

pub mod head;
pub mod mining;
pub mod optimiser;

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

/// A random number generator for one purpose at one position of a run. Generators of different purposes, epochs and steps are independent.
pub fn rng_for(seed: u64, purpose: &str, epoch: u64, step: u64) -> fastrand::Rng {
    let mut hasher = blake3::Hasher::new_derive_key("usher training: a random source");
    hasher.update(purpose.as_bytes());
    for number in [seed, epoch, step] {
        hasher.update(&number.to_le_bytes());
    }
    let mut first = [0; 8];
    first.iter_mut().zip(hasher.finalize().as_bytes()).for_each(|(own, &byte)| *own = byte);
    fastrand::Rng::with_seed(u64::from_le_bytes(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checkpoints of earlier versions resume bit for bit only while this derivation stays the same.
    #[test]
    fn the_derivation_never_changes() {
        let hash = blake3::Hasher::new_derive_key("usher training: a random source")
            .update(b"triplets")
            .update(&[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0])
            .finalize();
        let seed = u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap());
        assert_eq!(rng_for(1, "triplets", 2, 3).get_seed(), seed);
        assert_ne!(rng_for(1, "triplets", 2, 4).get_seed(), seed);
        assert_ne!(rng_for(1, "views", 2, 3).get_seed(), seed);
    }
}
