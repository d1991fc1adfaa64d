//! The triplet loss of a linear map and its gradient, by hand.

use crate::domain::product;
use crate::train::distance::Distances;
use crate::train::mining::Triplet;

/// Shorter than this an image of the map has no direction.
const SHORTEST: f32 = 1e-6;

/// A batch behind a map.
pub struct Projected {
    /// Of each picture the unit vector behind the map.
    units: Vec<Box<[f32]>>,
    /// Of each the length before it was brought to 1.
    lengths: Vec<f32>,
}

impl Projected {
    /// `batch` behind `matrix`, row by row.
    pub fn new(matrix: &[f32], batch: &[&[f32]]) -> Projected {
        let mut projected =
            Projected { units: Vec::with_capacity(batch.len()), lengths: Vec::with_capacity(batch.len()) };
        for vector in batch {
            let mut image = product(matrix, vector);
            let length = image.iter().map(|v| v * v).sum::<f32>().sqrt().max(SHORTEST);
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

    /// Between all of the batch, squared.
    pub fn distances(&self) -> Distances {
        Distances::between(&self.units.concat(), self.units.len())
    }

    /// The gradient, with respect to the map, of the mean over the triplets of `max(0, |a - p|^2 - |a - n|^2 + margin)`; as long as the map.
    pub fn gradient(&self, batch: &[&[f32]], distances: &Distances, triplets: &[Triplet], margin: f32) -> Vec<f32> {
        let dimension = batch[0].len();
        let share = 2.0 / triplets.len().max(1) as f32;
        // With respect to the unit vectors first.
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
            // Only what stands across the unit vector moves it.
            let along: f32 = gradient.iter().zip(unit).map(|(g, u)| g * u).sum();
            for (row, (g, u)) in of_matrix.chunks_exact_mut(dimension).zip(gradient.iter().zip(unit)) {
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
    fn the_gradient_is_that_of_finite_differences() {
        let (count, dimension) = (8, 4);
        let mut draw = fastrand::Rng::with_seed(5);
        let mut drawn = |count: usize| -> Vec<f32> { (0..count).map(|_| draw.f32() * 2.0 - 1.0).collect() };
        for _ in 0..10 {
            let rows = drawn(count * dimension);
            let batch: Vec<&[f32]> = rows.chunks_exact(dimension).collect();
            let matrix = drawn(dimension * dimension);
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
