//! The site head: a linear map behind a frozen embedder, trained with the triplet loss on a site's own people.
//!
//! A camera, a light or a lens that the embedder was not trained with shifts everyone's embeddings in the same few directions. A linear map can
//! reduce their weight. Its many parameters could also memorise the site's people, so it is regularised towards the identity and evaluated on
//! people that it was not trained on (`evaluation`).

mod bootstrap;
pub mod evaluation;
mod gradient;
mod training;

pub use training::{HeadPlan, train};

#[cfg(test)]
mod tests {
    //! People for the tests of this folder.

    use super::HeadPlan;
    use crate::lab::calibrate::Person;
    use crate::train::mining::Mining;
    use crate::train::optimiser::Optimiser;

    pub const PLAN: HeadPlan = HeadPlan {
        mining: Mining::All,
        margin: 0.5,
        people: 8,
        pictures: 3,
        steps: 60,
        optimiser: Optimiser::Adagrad,
        rate: 0.05,
        pull: 0.01,
        seed: 1,
    };

    /// People whose photographs vary along the last dimension by much more than the people differ in the others.
    pub fn disturbed(count: usize, seed: u64) -> Vec<Person> {
        people(count, seed, 3.0)
    }

    /// People whose photographs vary along the last dimension as little as along any other.
    pub fn undisturbed(count: usize, seed: u64) -> Vec<Person> {
        people(count, seed, 0.3)
    }

    fn people(count: usize, seed: u64, last: f32) -> Vec<Person> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let person = |_| {
            let own: Vec<f32> = (0..5).map(|_| rng.f32() - 0.5).collect();
            let vectors = (0..4).map(|_| {
                let mut vector: Vec<f32> = own.iter().map(|v| v + (rng.f32() - 0.5) * 0.3).collect();
                vector.push((rng.f32() - 0.5) * last);
                let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
                vector.iter().map(|v| v / length).collect()
            });
            Person { vectors: vectors.collect() }
        };
        (0..count).map(person).collect()
    }
}
