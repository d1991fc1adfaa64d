//! Triplet mining: which triplets a network learns from. Hard ones teach, easy ones cost time, and the hardest often come from wrong labels.
//!
//! `select` chooses triplets by distances and labels; `suspects` collects pictures that are probably labelled wrongly.

pub mod select;
pub mod suspects;

/// An anchor, another picture of the same person, and a picture of another person, by their indices in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Triplet {
    pub anchor: usize,
    pub positive: usize,
    pub negative: usize,
}

/// Which triplets are selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mining {
    /// All valid triplets.
    All,
    /// For each pair of pictures of a person, a random negative among those that are farther than the positive by less than the margin (Schroff et
    /// al. 2015, 3.2).
    SemiHard,
    /// For each anchor the farthest positive and the nearest negative (Hermans et al. 2017, "batch hard").
    Hard,
    /// For each pair of pictures of a person, a random negative that is already far enough, as in random sampling late in training.
    Easy,
    /// Every `n` steps the latest network embeds a part of the data set, and its farthest positives and nearest negatives are the next triplets
    /// (Schroff et al. 2015, 3.2, "offline").
    Offline,
}

/// The squared Euclidean distances between all embeddings of a batch: n x n, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Distances {
    count: usize,
    squared: Vec<f32>,
}

impl Distances {
    /// The distances between `count` embeddings that follow each other in `embeddings`, whose length must be a multiple of `count`.
    #[expect(clippy::indexing_slicing, reason = "rows and columns are below `count`")]
    pub fn between(embeddings: &[f32], count: usize) -> Self {
        assert!(
            count > 0 && embeddings.len().is_multiple_of(count),
            "{count} embeddings in {} values",
            embeddings.len()
        );
        let rows: Vec<&[f32]> = embeddings.chunks_exact(embeddings.len() / count).collect();
        let mut squared = vec![0.0; count * count];
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate().take(i) {
                let distance = a.iter().zip(*b).map(|(x, y)| (x - y) * (x - y)).sum();
                squared[i * count + j] = distance;
                squared[j * count + i] = distance;
            }
        }
        Self { count, squared }
    }

    /// From n x n squared distances, row-major.
    pub fn new(count: usize, squared: Vec<f32>) -> Self {
        assert_eq!(squared.len(), count * count, "the distances of {count} embeddings");
        Self { count, squared }
    }

    /// The number of embeddings.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The squared distance between two embeddings; 0 to 4 if they have unit length.
    #[expect(clippy::indexing_slicing, reason = "`a` and `b` are indices of the batch")]
    pub fn squared(&self, a: usize, b: usize) -> f32 {
        self.squared[a * self.count + b]
    }
}

/// Statistics of the triplets of one step; distances are squared.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TripletStats {
    /// The number of triplets.
    pub triplets: usize,
    /// The number with a loss: the negative is not yet farther than the positive by the margin.
    pub active: usize,
    /// The number whose negative is nearer than the positive.
    pub hard: usize,
    /// Mean distance to the positive.
    pub positive: f32,
    /// Mean distance to the negative.
    pub negative: f32,
}

impl TripletStats {
    pub fn of(triplets: &[Triplet], distances: &Distances, margin: f32) -> Self {
        let mut stats = Self { triplets: triplets.len(), ..Self::default() };
        for triplet in triplets {
            let positive = distances.squared(triplet.anchor, triplet.positive);
            let negative = distances.squared(triplet.anchor, triplet.negative);
            stats.active += usize::from(positive - negative + margin > 0.0);
            stats.hard += usize::from(negative < positive);
            stats.positive += positive / triplets.len() as f32;
            stats.negative += negative / triplets.len() as f32;
        }
        stats
    }

    /// The share of triplets with a loss, 0 to 1; 0 without triplets.
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
    fn distances_are_those_of_the_points() {
        let distances = Distances::between(&[0.0, 0.0, 3.0, 4.0, 0.0, 1.0], 3);
        assert_eq!([distances.squared(0, 1), distances.squared(2, 1), distances.squared(1, 1)], [25.0, 18.0, 0.0]);
    }

    #[test]
    fn triplets_are_counted_by_their_difficulty() {
        // Squared distances from picture 0: to 1 it is 1, to 2 it is 1.21, to 3 it is 0.25, to 4 it is 9.
        let distances = Distances::between(&[0.0, 1.0, 1.1, 0.5, 3.0], 5);
        let triplet = |negative| Triplet { anchor: 0, positive: 1, negative };
        let stats = TripletStats::of(&[triplet(2), triplet(3), triplet(4)], &distances, 0.5);
        assert_eq!((stats.triplets, stats.active, stats.hard), (3, 2, 1));
        assert!((stats.positive - 1.0).abs() < 1e-6 && (stats.negative - (1.21 + 0.25 + 9.0) / 3.0).abs() < 1e-5);
        assert_eq!(TripletStats::of(&[], &distances, 0.5).active_share(), 0.0);
    }
}
