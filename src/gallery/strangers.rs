//! An index of people who do not exist, to measure a search with.
//!
//! Knows nothing of stores.

use crate::domain::PersonId;

use super::Index;

/// `people` strangers with one random template of `dimension` numbers each: the same on every machine.
pub fn strangers(people: u32, dimension: usize) -> Index {
    let mut index = Index::new(dimension);
    let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
    for person in 1..=people {
        let mut values: Vec<f32> = (0..dimension)
            .map(|_| {
                // xorshift64 (Marsaglia 2003).
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                (noise >> 40) as f32 / (1u32 << 23) as f32 - 1.0
            })
            .collect();
        let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
        values.iter_mut().for_each(|v| *v /= length);
        index.push(PersonId(person), &values);
    }
    index
}
