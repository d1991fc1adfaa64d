//! A digest of a set of records, whatever the order in which they came: equal digests mean equal sets.
//!
//! It is LtHash (Bellare and Micciancio, "A New Paradigm for Collision-Free Hashing", EUROCRYPT 1997; Lewi et al., "Securing Update Propagation with
//! Homomorphic Hashing", IACR ePrint 2019/227) with 1,024 lanes of 16 bits: each element is expanded by BLAKE3, and lanes are added without carry.
//! Elements are added and removed one by one. Sums of short hashes can be made equal for different sets on purpose; of vectors this long that is
//! as hard as a lattice problem, at more than 200 bits.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::encoding;

/// Numbers in the sum.
const LANES: usize = 1024;
/// For which use BLAKE3 expands elements and shortens the sum.
const ELEMENT: &str = "usher fleet 1: element of a digest";
const SUM: &str = "usher fleet 1: value of a digest";

/// The digest of a set that changes.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest {
    lanes: Box<[u16; LANES]>,
}

/// A digest, shortened to 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DigestValue(#[serde(with = "encoding")] pub [u8; 32]);

impl Default for Digest {
    /// The digest of the empty set.
    fn default() -> Digest {
        Digest { lanes: Box::new([0; LANES]) }
    }
}

impl Digest {
    /// Adds a record: whom it is about, its version, and BLAKE3 of its bytes.
    pub fn add(&mut self, uuid: Uuid, version: u64, hash: &[u8; 32]) {
        self.each(uuid, version, hash, u16::wrapping_add);
    }

    /// Removes a record that was added.
    pub fn remove(&mut self, uuid: Uuid, version: u64, hash: &[u8; 32]) {
        self.each(uuid, version, hash, u16::wrapping_sub);
    }

    /// The digest in 32 bytes.
    pub fn value(&self) -> DigestValue {
        let mut hasher = blake3::Hasher::new_derive_key(SUM);
        for lane in self.lanes.iter() {
            hasher.update(&lane.to_le_bytes());
        }
        DigestValue(*hasher.finalize().as_bytes())
    }

    fn each(&mut self, uuid: Uuid, version: u64, hash: &[u8; 32], change: fn(u16, u16) -> u16) {
        let mut hasher = blake3::Hasher::new_derive_key(ELEMENT);
        hasher.update(uuid.as_bytes()).update(&version.to_be_bytes()).update(hash);
        let mut expanded = [0; 2 * LANES];
        hasher.finalize_xof().fill(&mut expanded);
        let (numbers, _) = expanded.as_chunks::<2>();
        for (lane, number) in self.lanes.iter_mut().zip(numbers) {
            *lane = change(*lane, u16::from_le_bytes(*number));
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.value())
    }
}

impl fmt::Display for DigestValue {
    /// The first 8 bytes in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DigestValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DigestValue({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn element(n: u8) -> (Uuid, u64, [u8; 32]) {
        (Uuid::from_u128(n.into()), u64::from(n) * 3, [n; 32])
    }

    fn of(elements: impl IntoIterator<Item = u8>) -> Digest {
        let mut digest = Digest::default();
        for (uuid, version, hash) in elements.into_iter().map(element) {
            digest.add(uuid, version, &hash);
        }
        digest
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter_and_the_set_does(mut set in prop::collection::hash_set(any::<u8>(), 1..20), seed: u64) {
            let mut shuffled: Vec<u8> = set.iter().copied().collect();
            shuffled.sort_by_key(|n| u64::from(*n).wrapping_mul(seed | 1));
            let mut digest = of(shuffled.iter().copied());
            prop_assert_eq!(&digest, &of(set.iter().copied()));
            let leaves = shuffled[0];
            let (uuid, version, hash) = element(leaves);
            digest.remove(uuid, version, &hash);
            set.remove(&leaves);
            prop_assert_eq!(digest.value(), of(set.iter().copied()).value());
            prop_assert_ne!(digest.value(), of(shuffled).value());
        }
    }

    #[test]
    fn every_part_of_an_element_counts_and_twice_is_not_once() {
        let (uuid, version, hash) = element(7);
        let one = |uuid, version, hash: [u8; 32]| {
            let mut digest = Digest::default();
            digest.add(uuid, version, &hash);
            digest.value()
        };
        let base = one(uuid, version, hash);
        assert_ne!(base, one(Uuid::from_u128(8), version, hash));
        assert_ne!(base, one(uuid, version + 1, hash));
        assert_ne!(base, one(uuid, version, [8; 32]));
        assert_ne!(base, of([7, 7]).value());
        assert_ne!(base, Digest::default().value());
    }

    #[test]
    fn the_value_of_a_known_set_stays() {
        // A digest that changes with a version of usher would say that boards differ.
        assert_eq!(of([1, 2, 3]).value().to_string(), "20055a91384e925a");
    }
}
