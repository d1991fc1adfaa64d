//! Reproducible randomness: every random choice follows from the run's seed, a purpose and the position in the run, and from nothing else.

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
