//! The triplet loss of a linear map and its gradient, derived by hand.

#![expect(
    clippy::indexing_slicing,
    reason = "triplets are indices of the batch, whose vectors all have the map's dimension"
)]

use crate::domain::product;
use crate::train::mining::{Distances, Triplet};

/// Smallest length by which an image of the map is divided.
const MIN_LENGTH: f32 = 1e-6;

/// A batch of vectors, mapped and normalised.
pub struct Projected {
    /// The unit vector of each picture behind the map.
    units: Vec<Box<[f32]>>,
    /// The length of each before it was normalised.
    lengths: Vec<f32>,
}

impl Projected {
    /// Maps `batch` by the row-major `matrix`.
    pub fn new(matrix: &[f32], batch: &[&[f32]]) -> Projected {
        let mut projected =
            Projected { units: Vec::with_capacity(batch.len()), lengths: Vec::with_capacity(batch.len()) };
        for vector in batch {
            let mut image = product(matrix, vector);
            let length = image.iter().map(|v| v * v).sum::<f32>().sqrt().max(MIN_LENGTH);
            image.iter_mut().for_each(|v| *v /= length);
            projected.units.push(image);
            projected.lengths.push(length);
        }
        projected
    }

    /// The unit vectors behind the map.
    pub fn into_units(self) -> Vec<Box<[f32]>> {
        self.units
    }

    /// The distances between all vectors of the batch.
    pub fn distances(&self) -> Distances {
        Distances::between(&self.units.concat(), self.units.len())
    }

    /// The gradient of the mean over the triplets of `max(0, |a - p|^2 - |a - n|^2 + margin)` with respect to the matrix, in its layout.
    pub fn gradient(&self, batch: &[&[f32]], distances: &Distances, triplets: &[Triplet], margin: f32) -> Vec<f32> {
        let dimension = batch.first().map_or(0, |vector| vector.len());
        let share = 2.0 / triplets.len().max(1) as f32;
        // First with respect to the unit vectors.
        let mut of_units = vec![vec![0.0f32; dimension]; self.units.len()];
        for &Triplet { anchor, positive, negative } in triplets {
            if distances.squared(anchor, positive) - distances.squared(anchor, negative) + margin <= 0.0 {
                continue;
            }
            let [a, p, n] = [anchor, positive, negative].map(|place| &self.units[place]);
            for lane in 0..dimension {
                of_units[anchor][lane] += share * (n[lane] - p[lane]);
                of_units[positive][lane] += share * (p[lane] - a[lane]);
                of_units[negative][lane] += share * (a[lane] - n[lane]);
            }
        }
        let mut of_matrix = vec![0.0f32; dimension * dimension];
        for (place, gradient) in of_units.iter().enumerate().filter(|(_, g)| g.iter().any(|&v| v != 0.0)) {
            let (unit, length) = (&self.units[place], self.lengths[place]);
            // Only the component perpendicular to the unit vector matters.
            let along: f32 = gradient.iter().zip(unit).map(|(g, u)| g * u).sum();
            for (row, (g, u)) in of_matrix.chunks_exact_mut(dimension.max(1)).zip(gradient.iter().zip(unit)) {
                let of_image = (g - along * u) / length;
                row.iter_mut().zip(batch[place]).for_each(|(sum, x)| *sum += of_image * x);
            }
        }
        of_matrix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARGIN: f32 = 0.3;

    fn loss(matrix: &[f32], batch: &[&[f32]], triplets: &[Triplet]) -> f64 {
        let distances = Projected::new(matrix, batch).distances();
        let of = |t: &Triplet| {
            f64::from(
                (distances.squared(t.anchor, t.positive) - distances.squared(t.anchor, t.negative) + MARGIN).max(0.0),
            )
        };
        triplets.iter().map(of).sum::<f64>() / triplets.len() as f64
    }

    #[test]
    fn the_gradient_agrees_with_finite_differences() {
        let (count, dimension) = (8, 4);
        let mut rng = fastrand::Rng::with_seed(5);
        let mut random = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.f32() * 2.0 - 1.0).collect() };
        for _ in 0..10 {
            let rows = random(count * dimension);
            let batch: Vec<&[f32]> = rows.chunks_exact(dimension).collect();
            let matrix = random(dimension * dimension);
            let triplets: Vec<Triplet> = (0..count)
                .map(|a| Triplet { anchor: a, positive: (a + 1) % count, negative: (a + 3) % count })
                .collect();
            let projected = Projected::new(&matrix, &batch);
            let found = projected.gradient(&batch, &projected.distances(), &triplets, MARGIN);
            for place in 0..matrix.len() {
                let step = 1e-3;
                let moved = |by: f32| {
                    let mut other = matrix.clone();
                    other[place] += by;
                    loss(&other, &batch, &triplets)
                };
                let wanted = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
                assert!(
                    (f64::from(found[place]) - wanted).abs() < 5e-3 * (1.0 + wanted.abs()),
                    "{} and {wanted}",
                    found[place]
                );
            }
        }
    }
}
