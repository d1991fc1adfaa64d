//! The losses that training minimises.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};

use super::mining::Triplet;

/// The triplet loss: the mean over the triplets of `max(0, |a - p|^2 - |a - n|^2 + margin)` (Schroff et al. 2015, equation 3, which sums).
///
/// `distances` are the squared distances of a batch, n x n; see [`squared_distances`]. `None` without triplets.
pub fn triplet(distances: Tensor<2>, triplets: &[Triplet], margin: f32) -> Option<Tensor<1>> {
    if triplets.is_empty() {
        return None;
    }
    let [count, _] = distances.dims();
    let flat = distances.reshape([count * count]);
    let of = |other: fn(&Triplet) -> usize| {
        let places: Vec<i32> = triplets.iter().map(|t| (t.anchor * count + other(t)) as i32).collect();
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [triplets.len()]), &flat.device());
        flat.clone().select(0, places)
    };
    Some((of(|t| t.positive) - of(|t| t.negative) + margin).clamp_min(0.0).mean())
}

/// The mean cross-entropy of a softmax over people. `logits` is batch x people, `labels` has the person of each row.
pub fn cross_entropy(logits: Tensor<2>, labels: &[u32]) -> Tensor<1> {
    let [count, _] = logits.dims();
    let labels: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
    let labels = Tensor::<2, Int>::from_data(TensorData::new(labels, [count, 1]), &logits.device());
    -log_softmax(logits, 1).gather(1, labels).mean()
}

/// The squared distances between all embeddings, n x n, with gradients: `|a|^2 + |b|^2 - 2 a.b`.
///
/// `embeddings` is n x dimension.
pub fn squared_distances(embeddings: Tensor<2>) -> Tensor<2> {
    let squares = embeddings.clone().square().sum_dim(1);
    let products = embeddings.clone().matmul(embeddings.transpose());
    squares.clone() + squares.transpose() - products * 2.0
}

/// Each row divided by its length, as FaceNet's embeddings are (`l2_normalize` with epsilon 1e-10).
pub fn unit_length(rows: Tensor<2>) -> Tensor<2> {
    let squares = rows.clone().square().sum_dim(1).clamp_min(1e-10);
    rows / squares.sqrt()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::train::mining::select::triplets as select;
    use crate::train::mining::{Distances, Mining};
    use crate::train::network::pass::values;

    const MARGIN: f32 = 0.2;
    const DIMENSION: usize = 5;

    fn random(count: usize, rng: &mut fastrand::Rng) -> Vec<f32> {
        (0..count).map(|_| rng.f32() * 2.0 - 1.0).collect()
    }

    /// The loss and its gradient by burn.
    fn by_tensors(rows: &[f32], triplets: &[Triplet]) -> (f32, Vec<f32>) {
        let device = Device::flex().autodiff();
        let shape = [rows.len() / DIMENSION, DIMENSION];
        let leaf = Tensor::<2>::from_data(TensorData::new(rows.to_vec(), shape), &device).require_grad();
        let loss = triplet(squared_distances(unit_length(leaf.clone())), triplets, MARGIN).unwrap();
        let gradient = leaf.grad(&loss.backward()).map(values).unwrap();
        (values(loss)[0], gradient)
    }

    /// The loss by its definition, in double precision.
    fn by_definition(rows: &[f64], triplets: &[Triplet]) -> f64 {
        let unit: Vec<Vec<f64>> = rows
            .chunks_exact(DIMENSION)
            .map(|row| {
                let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                row.iter().map(|x| x / length).collect()
            })
            .collect();
        let squared = |a: usize, b: usize| unit[a].iter().zip(&unit[b]).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
        let each = triplets
            .iter()
            .map(|t| (squared(t.anchor, t.positive) - squared(t.anchor, t.negative) + f64::from(MARGIN)).max(0.0));
        each.sum::<f64>() / triplets.len() as f64
    }

    #[test]
    fn the_triplet_loss_and_its_gradient_follow_the_definition() {
        let mut rng = fastrand::Rng::with_seed(11);
        let mut checked = 0;
        for _ in 0..50 {
            let labels: Vec<u32> = (0..9).map(|_| rng.u32(0..3)).collect();
            let rows = random(labels.len() * DIMENSION, &mut rng);
            let flat: Vec<f32> = values(unit_length(Tensor::<2>::from_data(
                TensorData::new(rows.clone(), [labels.len(), DIMENSION]),
                &Device::flex(),
            )));
            let distances = Distances::between(&flat, labels.len());
            for mining in [Mining::All, Mining::SemiHard, Mining::Hard] {
                let triplets = select(mining, &distances, &labels, MARGIN, &mut rng);
                if triplets.is_empty() {
                    continue;
                }
                let (loss, gradient) = by_tensors(&rows, &triplets);
                let exact: Vec<f64> = rows.iter().map(|&x| f64::from(x)).collect();
                assert!((f64::from(loss) - by_definition(&exact, &triplets)).abs() < 2e-6);
                for (place, found) in gradient.iter().enumerate() {
                    const STEP: f64 = 1e-6;
                    let shifted = |by: f64| {
                        let mut moved = exact.clone();
                        moved[place] += by;
                        by_definition(&moved, &triplets)
                    };
                    let right = (shifted(STEP) - shifted(-STEP)) / (2.0 * STEP);
                    assert!((f64::from(*found) - right).abs() < 1e-4, "{found} is not {right}");
                }
                checked += 1;
            }
        }
        assert!(checked > 100);
    }

    #[test]
    fn squared_distances_are_those_between_the_points() {
        let mut rng = fastrand::Rng::with_seed(5);
        let rows = random(12 * DIMENSION, &mut rng);
        let by_points = Distances::between(&rows, 12);
        let tensor = Tensor::<2>::from_data(TensorData::new(rows, [12, DIMENSION]), &Device::flex());
        for (place, found) in values(squared_distances(tensor)).into_iter().enumerate() {
            assert!((found - by_points.squared(place / 12, place % 12)).abs() < 5e-6);
        }
    }

    #[test]
    fn cross_entropy_follows_the_definition() {
        let rows = [[1.0f32, 2.0, 3.0], [0.0, 0.0, 0.0]];
        let logits = Tensor::<2>::from_floats(rows, &Device::flex());
        let first = (1f64.exp() + 2f64.exp() + 3f64.exp()).ln() - 1.0;
        let right = (first + 3f64.ln()) / 2.0;
        assert!((f64::from(values(cross_entropy(logits, &[0, 2]))[0]) - right).abs() < 1e-6);
    }
}
