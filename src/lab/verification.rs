//! Distances of pairs of photographs or videos by a metric, optionally after subtracting the mean of the training pairs.

#![expect(
    clippy::indexing_slicing,
    reason = "comparisons and folds hold indices of the lists that they are passed with"
)]

use super::roc::{Figures, Fold, RocError, figures};

/// The measure by which two vectors are compared; lower is closer (the FaceNet project's `distance`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The squared Euclidean distance: 0 to 4 between unit vectors.
    Euclidean,
    /// The angle between them divided by pi: 0 to 1.
    Cosine,
}

/// The vectors of a photograph's face (one, or none if no face was found) or of a video's frames (any number).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaceVectors(pub Vec<Box<[f32]>>);

/// The indices of two of a list of [`FaceVectors`], and whether they show one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    pub a: usize,
    pub b: usize,
    pub same: bool,
}

/// How pairs are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Protocol {
    pub metric: Metric,
    /// Subtract the mean of the training pairs' vectors from every vector.
    pub subtract_mean: bool,
    /// The false accept rate at which the validation rate is measured.
    pub far: f64,
}

/// The figures of `pairs` of `faces`. A pair without vectors on one side is at infinity: no cut accepts it.
pub fn measure(
    faces: &[FaceVectors],
    pairs: &[Comparison],
    folds: &[Fold],
    protocol: Protocol,
) -> Result<Figures, RocError> {
    let same: Vec<bool> = pairs.iter().map(|pair| pair.same).collect();
    // A common shift does not change Euclidean distances.
    if protocol.metric == Metric::Euclidean || !protocol.subtract_mean {
        let all = distances(faces, pairs, protocol.metric, &[]);
        return figures(&same, folds, protocol.far, |_| all.clone());
    }
    figures(&same, folds, protocol.far, |fold| {
        distances(faces, pairs, protocol.metric, &mean(faces, pairs, &fold.train))
    })
}

/// The distance of each pair: the mean over all combinations of a vector of one side and a vector of the other. `mean` is subtracted from each
/// vector first; it may be empty.
pub fn distances(faces: &[FaceVectors], pairs: &[Comparison], metric: Metric, mean: &[f64]) -> Vec<f64> {
    pairs.iter().map(|pair| between(&faces[pair.a], &faces[pair.b], metric, mean)).collect()
}

fn between(a: &FaceVectors, b: &FaceVectors, metric: Metric, mean: &[f64]) -> f64 {
    let count = a.0.len() * b.0.len();
    if count == 0 {
        return f64::INFINITY;
    }
    let sum: f64 = a.0.iter().flat_map(|x| b.0.iter().map(move |y| metric.between(x, y, mean))).sum();
    sum / count as f64
}

impl Metric {
    /// The distance between two vectors of the same length after subtracting `mean`, which may be empty.
    pub fn between(self, a: &[f32], b: &[f32], mean: &[f64]) -> f64 {
        let shifts = mean.iter().copied().chain(std::iter::repeat(0.0));
        let numbers = a.iter().zip(b).map(|(&x, &y)| (f64::from(x), f64::from(y)));
        match self {
            Metric::Euclidean => numbers.map(|(x, y)| (x - y) * (x - y)).sum(),
            Metric::Cosine => {
                let (mut dot, mut square_a, mut square_b) = (0.0, 0.0, 0.0);
                for ((x, y), shift) in numbers.zip(shifts) {
                    let (x, y) = (x - shift, y - shift);
                    dot += x * y;
                    square_a += x * x;
                    square_b += y * y;
                }
                let length = (square_a * square_b).sqrt();
                // A vector equal to the mean has no direction: it counts as orthogonal to everything.
                let cosine = if length > 0.0 { dot / length } else { 0.0 };
                cosine.clamp(-1.0, 1.0).acos() / std::f64::consts::PI
            }
        }
    }
}

/// The mean of the vectors on both sides of the `chosen` pairs; a vector in several pairs counts several times.
fn mean(faces: &[FaceVectors], pairs: &[Comparison], chosen: &[usize]) -> Vec<f64> {
    let sides = chosen.iter().flat_map(|&i| [pairs[i].a, pairs[i].b]);
    let (mut sum, mut count) = (Vec::new(), 0u64);
    for vector in sides.flat_map(|side| &faces[side].0) {
        sum.resize(vector.len(), 0.0);
        sum.iter_mut().zip(vector).for_each(|(s, &v)| *s += f64::from(v));
        count += 1;
    }
    sum.iter_mut().for_each(|s| *s /= count.max(1) as f64);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(x: f32, y: f32) -> FaceVectors {
        FaceVectors(vec![[x, y].into()])
    }

    #[test]
    fn the_metrics_are_those_of_facenet() {
        let (a, b) = ([1.0f32, 0.0], [0.0f32, 1.0]);
        assert_eq!(Metric::Euclidean.between(&a, &b, &[]), 2.0);
        assert!((Metric::Cosine.between(&a, &b, &[]) - 0.5).abs() < 1e-12);
        assert_eq!(Metric::Euclidean.between(&a, &b, &[0.3, 0.1]), 2.0, "a shift changes nothing");
        assert!(
            (Metric::Cosine.between(&a, &b, &[0.5, 0.5]) - 1.0).abs() < 1e-7,
            "seen from the middle they are opposite"
        );
        assert_eq!(Metric::Cosine.between(&a, &a, &[1.0, 0.0]), 0.5);
    }

    #[test]
    fn the_distance_of_a_video_is_the_mean_over_its_frames() {
        let video = FaceVectors(vec![[1.0, 0.0].into(), [0.0, 1.0].into()]);
        let views = [video, photo(1.0, 0.0), FaceVectors::default()];
        let pair = |a, b| Comparison { a, b, same: true };
        let found = distances(&views, &[pair(0, 1), pair(0, 0), pair(0, 2)], Metric::Euclidean, &[]);
        assert_eq!(found, [1.0, 1.0, f64::INFINITY]);
    }

    #[test]
    fn the_mean_counts_each_side_of_each_training_pair() {
        let views = [photo(1.0, 0.0), photo(0.0, 1.0), FaceVectors::default()];
        let pairs = [(0, 0), (0, 1), (1, 2), (1, 1)].map(|(a, b)| Comparison { a, b, same: true });
        assert_eq!(mean(&views, &pairs, &[0, 1, 2]), [0.6, 0.4]);
    }
}
