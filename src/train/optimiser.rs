//! The optimisers of the FaceNet code, as TensorFlow 1 computes them: plain arithmetic on a weight and its gradient. Results are reproducible bit for
//! bit, so that a run can be resumed.

use std::collections::BTreeMap;

/// An optimiser, named as in the FaceNet code's `--optimizer`, with the constants of its `train()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Optimiser {
    /// Duchi et al. 2011; accumulators start at 0.1.
    Adagrad,
    /// Zeiler 2012, with rho 0.9 and epsilon 1e-6.
    Adadelta,
    /// Kingma and Ba 2014, with 0.9, 0.999 and epsilon 0.1, which is added outside the bias correction.
    Adam,
    /// Tieleman and Hinton 2012, with decay 0.9, momentum 0.9 and epsilon 1 under the root; mean squares start at 1.
    Rmsprop,
    /// Nesterov's momentum, 0.9.
    Mom,
}

const ADAGRAD_START: f32 = 0.1;
const ADADELTA_RHO: f32 = 0.9;
const ADADELTA_EPSILON: f32 = 1e-6;
const ADAM_BETA_1: f32 = 0.9;
const ADAM_BETA_2: f32 = 0.999;
const ADAM_EPSILON: f32 = 0.1;
const RMSPROP_DECAY: f32 = 0.9;
const RMSPROP_MOMENTUM: f32 = 0.9;
const RMSPROP_EPSILON: f32 = 1.0;
const MOMENTUM: f32 = 0.9;

impl Optimiser {
    /// The number of state values for each value of a weight.
    pub fn slots(self) -> usize {
        self.start().len()
    }

    /// The initial state values.
    fn start(self) -> &'static [f32] {
        match self {
            Self::Adagrad => &[ADAGRAD_START],
            Self::Adadelta | Self::Adam => &[0.0, 0.0],
            Self::Rmsprop => &[1.0, 0.0],
            Self::Mom => &[0.0],
        }
    }
}

/// A running optimiser, with its state for each weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Descent {
    optimiser: Optimiser,
    steps: u64,
    kept: BTreeMap<String, Vec<Vec<f32>>>,
}

impl Descent {
    pub fn new(optimiser: Optimiser) -> Self {
        Self { optimiser, steps: 0, kept: BTreeMap::new() }
    }

    /// Restores the state that `steps` and `kept` returned.
    pub fn resumed(optimiser: Optimiser, steps: u64, kept: BTreeMap<String, Vec<Vec<f32>>>) -> Self {
        Self { optimiser, steps, kept }
    }

    /// The number of steps.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The state of each weight, by its name.
    pub fn kept(&self) -> &BTreeMap<String, Vec<Vec<f32>>> {
        &self.kept
    }

    /// Begins a step. To be called once, before the weights of the step are updated.
    pub fn begin(&mut self) {
        self.steps += 1;
    }

    /// Updates one weight by its gradient. Both must have the same length, in each step.
    pub fn update(&mut self, name: &str, weight: &mut [f32], gradient: &[f32], rate: f32) {
        assert_eq!(weight.len(), gradient.len(), "the gradient of {name}");
        let optimiser = self.optimiser;
        let kept = match self.kept.get_mut(name) {
            Some(kept) => kept,
            None => {
                let fresh = optimiser.start().iter().map(|&start| vec![start; weight.len()]).collect();
                self.kept.entry(name.to_owned()).or_insert(fresh)
            }
        };
        match (optimiser, kept.as_mut_slice()) {
            (Optimiser::Adagrad, [squares]) => {
                for ((w, &g), s) in weight.iter_mut().zip(gradient).zip(squares) {
                    *s += g * g;
                    *w -= rate * g / s.sqrt();
                }
            }
            (Optimiser::Adadelta, [squares, moves]) => {
                for (((w, &g), s), m) in weight.iter_mut().zip(gradient).zip(squares).zip(moves) {
                    *s = ADADELTA_RHO * *s + (1.0 - ADADELTA_RHO) * g * g;
                    let step = ((*m + ADADELTA_EPSILON) / (*s + ADADELTA_EPSILON)).sqrt() * g;
                    *m = ADADELTA_RHO * *m + (1.0 - ADADELTA_RHO) * step * step;
                    *w -= rate * step;
                }
            }
            (Optimiser::Adam, [means, squares]) => {
                let steps = self.steps.clamp(1, i32::MAX as u64) as i32;
                let bias = (1.0 - ADAM_BETA_2.powi(steps)).sqrt() / (1.0 - ADAM_BETA_1.powi(steps));
                for (((w, &g), m), s) in weight.iter_mut().zip(gradient).zip(means).zip(squares) {
                    *m = ADAM_BETA_1 * *m + (1.0 - ADAM_BETA_1) * g;
                    *s = ADAM_BETA_2 * *s + (1.0 - ADAM_BETA_2) * g * g;
                    *w -= rate * bias * *m / (s.sqrt() + ADAM_EPSILON);
                }
            }
            (Optimiser::Rmsprop, [squares, velocities]) => {
                for (((w, &g), s), v) in weight.iter_mut().zip(gradient).zip(squares).zip(velocities) {
                    *s = RMSPROP_DECAY * *s + (1.0 - RMSPROP_DECAY) * g * g;
                    *v = RMSPROP_MOMENTUM * *v + rate * g / (*s + RMSPROP_EPSILON).sqrt();
                    *w -= *v;
                }
            }
            (Optimiser::Mom, [velocities]) => {
                for ((w, &g), v) in weight.iter_mut().zip(gradient).zip(velocities) {
                    *v = MOMENTUM * *v + g;
                    *w -= rate * (g + MOMENTUM * *v);
                }
            }
            // `start` gives each optimiser its slots, and a checkpoint with another number is refused.
            (optimiser, kept) => debug_assert!(false, "{optimiser:?} with {} slots", kept.len()),
        }
    }
}

/// Scales all gradients so that their joint norm is at most `limit`. Returns the norm before scaling.
pub fn clip(gradients: &mut [Vec<f32>], limit: Option<f32>) -> f32 {
    let squares: f64 = gradients.iter().flatten().map(|&g| f64::from(g) * f64::from(g)).sum();
    let length = squares.sqrt() as f32;
    if let Some(limit) = limit
        && length > limit
    {
        gradients.iter_mut().flatten().for_each(|g| *g *= limit / length);
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three steps of one weight that starts at 1, with the gradients 0.5, -0.25 and 1, at rate 0.1.
    fn trajectory(optimiser: Optimiser) -> [f32; 3] {
        let mut descent = Descent::new(optimiser);
        let mut weight = [1.0];
        [0.5, -0.25, 1.0].map(|gradient| {
            descent.begin();
            descent.update("w", &mut weight, &[gradient], 0.1);
            weight[0]
        })
    }

    fn near(found: [f32; 3], right: [f64; 3]) {
        for (found, right) in found.iter().zip(right) {
            assert!((f64::from(*found) - right).abs() < 2e-6, "{found} is not {right}");
        }
    }

    /// 0.1 + 0.25 = 0.35; + 0.0625 = 0.4125; + 1 = 1.4125.
    #[test]
    fn adagrad_by_hand() {
        let first = 1.0 - 0.05 / 0.35f64.sqrt();
        let second = first + 0.025 / 0.4125f64.sqrt();
        near(trajectory(Optimiser::Adagrad), [first, second, second - 0.1 / 1.4125f64.sqrt()]);
    }

    #[test]
    fn adadelta_by_hand() {
        // Squares: 0.025, then 0.0225 + 0.00625 = 0.02875, then 0.025875 + 0.1 = 0.125875.
        let u1 = (1e-6f64 / 0.025_001).sqrt() * 0.5;
        let m1 = 0.1 * u1 * u1;
        let u2 = ((m1 + 1e-6) / 0.028_751).sqrt() * -0.25;
        let m2 = 0.9 * m1 + 0.1 * u2 * u2;
        let u3 = ((m2 + 1e-6) / 0.125_876).sqrt();
        near(trajectory(Optimiser::Adadelta), [1.0 - 0.1 * u1, 1.0 - 0.1 * (u1 + u2), 1.0 - 0.1 * (u1 + u2 + u3)]);
    }

    #[test]
    fn adam_by_hand() {
        // Means: 0.05, 0.02, 0.118. Squares: 0.00025, 0.00031225, 0.00131193775.
        let step = |mean: f64, square: f64, t: i32| {
            0.1 * (1.0 - 0.999f64.powi(t)).sqrt() / (1.0 - 0.9f64.powi(t)) * mean / (square.sqrt() + 0.1)
        };
        let first = 1.0 - step(0.05, 0.000_25, 1);
        let second = first - step(0.02, 0.000_312_25, 2);
        near(trajectory(Optimiser::Adam), [first, second, second - step(0.118, 0.001_311_937_75, 3)]);
    }

    #[test]
    fn rmsprop_by_hand() {
        // Squares: 0.9 + 0.025 = 0.925, 0.8325 + 0.00625 = 0.83875, 0.754875 + 0.1 = 0.854875.
        let v1 = 0.05 / 1.925f64.sqrt();
        let v2 = 0.9 * v1 - 0.025 / 1.838_75f64.sqrt();
        let v3 = 0.9 * v2 + 0.1 / 1.854_875f64.sqrt();
        near(trajectory(Optimiser::Rmsprop), [1.0 - v1, 1.0 - v1 - v2, 1.0 - v1 - v2 - v3]);
    }

    #[test]
    fn momentum_by_hand() {
        // Velocities: 0.5, 0.2, 1.18; moves: 0.1 (0.5 + 0.45), 0.1 (-0.25 + 0.18), 0.1 (1 + 1.062).
        near(trajectory(Optimiser::Mom), [0.905, 0.912, 0.7058]);
    }

    #[test]
    fn a_resumed_descent_continues_unchanged() {
        for optimiser in [Optimiser::Adagrad, Optimiser::Adadelta, Optimiser::Adam, Optimiser::Rmsprop, Optimiser::Mom]
        {
            let mut whole = Descent::new(optimiser);
            let mut weight = [0.3, -0.7];
            for step in 0..6 {
                if step == 3 {
                    whole = Descent::resumed(optimiser, whole.steps(), whole.kept().clone());
                }
                whole.begin();
                whole.update("w", &mut weight, &[0.1 * step as f32, -0.2], 0.05);
            }
            let mut unbroken = Descent::new(optimiser);
            let mut other = [0.3, -0.7];
            for step in 0..6 {
                unbroken.begin();
                unbroken.update("w", &mut other, &[0.1 * step as f32, -0.2], 0.05);
            }
            assert_eq!((weight, whole), (other, unbroken));
        }
    }

    #[test]
    fn gradients_are_clipped_jointly() {
        let mut gradients = [vec![3.0], vec![0.0, 4.0]];
        assert_eq!(clip(&mut gradients, Some(10.0)), 5.0);
        assert_eq!(gradients, [vec![3.0], vec![0.0, 4.0]]);
        assert_eq!(clip(&mut gradients, Some(1.0)), 5.0);
        assert_eq!(gradients, [vec![0.6], vec![0.0, 0.8]]);
    }
}
