//! Pairs of photographs, or of videos, as distances: by which measure, and less the mean of the training pairs where that is wanted.
//!
//! Knows nothing of files and networks.

use super::roc::{Figures, Fold, RocError, figures};

/// By what number two vectors are compared; lower is closer (the FaceNet project's `distance`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The squared Euclidean distance: 0 to 4 between unit vectors.
    Euclidean,
    /// The angle between them in parts of a half turn: 0 to 1.
    Cosine,
}

/// The vectors of a photograph's face (one, or none where no face was found) or of a video's frames (any number).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Views(pub Vec<Box<[f32]>>);

/// Two of a list of [`Views`], and whether they show one person.
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
    /// Take the mean of the training pairs' vectors from every vector first.
    pub subtract_mean: bool,
    /// The false accept rate at which the validation rate is wanted.
    pub far: f64,
}

/// The figures of `pairs`, each of which names two of `views`. A pair with no vectors on one side is at infinity: accepted by no cut.
pub fn measure(views: &[Views], pairs: &[Comparison], folds: &[Fold], protocol: Protocol) -> Result<Figures, RocError> {
    let same: Vec<bool> = pairs.iter().map(|pair| pair.same).collect();
    // A common shift leaves Euclidean distances what they are.
    if protocol.metric == Metric::Euclidean || !protocol.subtract_mean {
        let all = distances(views, pairs, protocol.metric, &[]);
        return figures(&same, folds, protocol.far, |_| all.clone());
    }
    figures(&same, folds, protocol.far, |fold| {
        distances(views, pairs, protocol.metric, &mean(views, pairs, &fold.train))
    })
}

/// The distance of each pair, mean over all pairs of a vector of one side and a vector of the other. `mean` is taken from each vector
/// first; it may be empty.
pub fn distances(views: &[Views], pairs: &[Comparison], metric: Metric, mean: &[f64]) -> Vec<f64> {
    pairs.iter().map(|pair| between(&views[pair.a], &views[pair.b], metric, mean)).collect()
}

fn between(a: &Views, b: &Views, metric: Metric, mean: &[f64]) -> f64 {
    let count = a.0.len() * b.0.len();
    if count == 0 {
        return f64::INFINITY;
    }
    let sum: f64 = a.0.iter().flat_map(|x| b.0.iter().map(move |y| metric.between(x, y, mean))).sum();
    sum / count as f64
}

impl Metric {
    /// Between two vectors of one length, less `mean`, which may be empty.
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
                // What is the mean itself has no direction: a right angle to everything.
                let cosine = if length > 0.0 { dot / length } else { 0.0 };
                cosine.clamp(-1.0, 1.0).acos() / std::f64::consts::PI
            }
        }
    }
}

/// The mean of the vectors on both sides of the `chosen` pairs; one that is in several pairs counts as often.
fn mean(views: &[Views], pairs: &[Comparison], chosen: &[usize]) -> Vec<f64> {
    let sides = chosen.iter().flat_map(|&i| [pairs[i].a, pairs[i].b]);
    let (mut sum, mut count) = (Vec::new(), 0u64);
    for vector in sides.flat_map(|side| &views[side].0) {
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

    fn photo(x: f32, y: f32) -> Views {
        Views(vec![[x, y].into()])
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
    fn a_video_is_as_far_as_its_frames_are_on_average() {
        let video = Views(vec![[1.0, 0.0].into(), [0.0, 1.0].into()]);
        let views = [video, photo(1.0, 0.0), Views::default()];
        let pair = |a, b| Comparison { a, b, same: true };
        let found = distances(&views, &[pair(0, 1), pair(0, 0), pair(0, 2)], Metric::Euclidean, &[]);
        assert_eq!(found, [1.0, 1.0, f64::INFINITY]);
    }

    #[test]
    fn the_mean_counts_each_side_of_each_training_pair() {
        let views = [photo(1.0, 0.0), photo(0.0, 1.0), Views::default()];
        let pairs = [(0, 0), (0, 1), (1, 2), (1, 1)].map(|(a, b)| Comparison { a, b, same: true });
        assert_eq!(mean(&views, &pairs, &[0, 1, 2]), [0.6, 0.4]);
    }
}
