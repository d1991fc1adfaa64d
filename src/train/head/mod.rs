//! The site head: a linear map behind a frozen embedder, learned by the triplet loss from a site's own people.
//!
//! A camera, a light or a lens that the embedder's photographs did not have moves everybody's embeddings in the same few directions. A
//! linear map can make those count less. It has so many figures that it can as well learn the site's people by heart, so it is pulled
//! towards the map that changes nothing, and judged on people whom it has not seen (`judging`).

mod bootstrap;
mod gradient;
pub mod judging;
mod learning;

pub use learning::{HeadPlan, learn};

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

    /// People whose photographs differ along the last direction only, by much more than the people do along the others.
    pub fn disturbed(count: usize, seed: u64) -> Vec<Person> {
        people(count, seed, 3.0)
    }

    /// People whose photographs differ along the last direction as little as along any.
    pub fn undisturbed(count: usize, seed: u64) -> Vec<Person> {
        people(count, seed, 0.3)
    }

    fn people(count: usize, seed: u64, last: f32) -> Vec<Person> {
        let mut draw = fastrand::Rng::with_seed(seed);
        let person = |_| {
            let own: Vec<f32> = (0..5).map(|_| draw.f32() - 0.5).collect();
            let vectors = (0..4).map(|_| {
                let mut vector: Vec<f32> = own.iter().map(|v| v + (draw.f32() - 0.5) * 0.3).collect();
                vector.push((draw.f32() - 0.5) * last);
                let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
                vector.iter().map(|v| v / length).collect()
            });
            Person { vectors: vectors.collect() }
        };
        (0..count).map(person).collect()
    }
}
