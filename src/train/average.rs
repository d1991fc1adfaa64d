//! The exponential moving average of the weights, which is validated and exported: it is steadier than the latest weights.

use std::collections::BTreeMap;

use super::weights::{Array, Weights};

/// Averages by name, computed as by `tf.train.ExponentialMovingAverage` with `num_updates`.
#[derive(Debug, Clone, PartialEq)]
pub struct Average {
    decay: f32,
    weights: BTreeMap<String, Vec<f32>>,
}

impl Average {
    /// `decay` is near 1; the FaceNet code's default is 0.9999. With 0 the average is the latest weight.
    pub fn new(decay: f32) -> Self {
        Self { decay, weights: BTreeMap::new() }
    }

    /// Restores the state that `weights` returned.
    pub fn resumed(decay: f32, weights: BTreeMap<String, Vec<f32>>) -> Self {
        Self { decay, weights }
    }

    /// Updates the average of a weight after step `step`, counted from 1. In the first steps the average follows faster: the decay is at most
    /// `(1 + step) / (10 + step)`.
    pub fn update(&mut self, name: &str, weight: &[f32], step: u64) {
        let decay = self.decay.min((1.0 + step as f32) / (10.0 + step as f32));
        match self.weights.get_mut(name) {
            Some(average) => average.iter_mut().zip(weight).for_each(|(a, &w)| *a -= (1.0 - decay) * (*a - w)),
            None => {
                self.weights.insert(name.to_owned(), weight.to_vec());
            }
        }
    }

    /// The averages by name.
    pub fn weights(&self) -> &BTreeMap<String, Vec<f32>> {
        &self.weights
    }

    /// `latest`, with every weight that has an average replaced by it.
    pub fn apply(&self, latest: &Weights) -> Weights {
        let averaged = |(name, array): (&String, &Array)| {
            let values = self.weights.get(name).unwrap_or(&array.values).clone();
            (name.clone(), Array { shape: array.shape.clone(), values })
        };
        latest.iter().map(averaged).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_fast_at_first_and_slowly_later() {
        let mut average = Average::new(0.9);
        average.update("w", &[0.0], 0);
        average.update("w", &[1.0], 1); // decay 2/11
        assert!((average.weights()["w"][0] - 9.0 / 11.0).abs() < 1e-6);
        average.update("w", &[2.0], 10_000); // decay 0.9
        assert!((average.weights()["w"][0] - (0.9 * 9.0 / 11.0 + 0.2)).abs() < 1e-6);
    }
}
