//! Chance that can be repeated: what is drawn follows from a run's seed, the purpose and the place in the run, and from nothing else.

/// A random source for one purpose at one place of a run. Different purposes, epochs and steps draw independently.
pub fn draw(seed: u64, purpose: &str, epoch: u64, step: u64) -> fastrand::Rng {
    let mut hasher = blake3::Hasher::new_derive_key("usher training: a random source");
    hasher.update(purpose.as_bytes());
    for number in [seed, epoch, step] {
        hasher.update(&number.to_le_bytes());
    }
    let bytes: [u8; 8] = hasher.finalize().as_bytes()[..8].try_into().expect("a hash has 32 bytes");
    fastrand::Rng::with_seed(u64::from_le_bytes(bytes))
}
