//! What is counted about the triplets of a step.

use super::Triplet;
use crate::train::distance::Distances;

/// The triplets of one step in figures; distances are squared.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tally {
    /// How many were taken.
    pub triplets: usize,
    /// How many still cost something: the negative is not yet farther than the positive by the margin.
    pub active: usize,
    /// How many have a negative nearer than the positive.
    pub hard: usize,
    /// Mean distance to the positive.
    pub positive: f32,
    /// Mean distance to the negative.
    pub negative: f32,
}

impl Tally {
    pub fn of(triplets: &[Triplet], distances: &Distances, margin: f32) -> Self {
        let mut tally = Self { triplets: triplets.len(), ..Self::default() };
        for triplet in triplets {
            let positive = distances.squared(triplet.anchor, triplet.positive);
            let negative = distances.squared(triplet.anchor, triplet.negative);
            tally.active += usize::from(positive - negative + margin > 0.0);
            tally.hard += usize::from(negative < positive);
            tally.positive += positive / triplets.len() as f32;
            tally.negative += negative / triplets.len() as f32;
        }
        tally
    }

    /// The share of triplets that still cost something, 0 to 1; 0 where there is none.
    pub fn active_share(&self) -> f32 {
        self.active as f32 / self.triplets.max(1) as f32
    }

    /// The share of triplets whose negative is nearer than the positive, 0 to 1.
    pub fn hard_share(&self) -> f32 {
        self.hard as f32 / self.triplets.max(1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triplets_are_counted_by_their_difficulty() {
        // Squared distances from picture 0: to 1 it is 1, to 2 it is 1.21, to 3 it is 0.25, to 4 it is 9.
        let distances = Distances::between(&[0.0, 1.0, 1.1, 0.5, 3.0], 5);
        let triplet = |negative| Triplet { anchor: 0, positive: 1, negative };
        let tally = Tally::of(&[triplet(2), triplet(3), triplet(4)], &distances, 0.5);
        assert_eq!((tally.triplets, tally.active, tally.hard), (3, 2, 1));
        assert!((tally.positive - 1.0).abs() < 1e-6 && (tally.negative - (1.21 + 0.25 + 9.0) / 3.0).abs() < 1e-5);
        assert_eq!(Tally::of(&[], &distances, 0.5).active_share(), 0.0);
    }
}
