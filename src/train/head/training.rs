//! Training a head: batches of people, triplets among them behind the current map, and a step of the optimiser.

use super::gradient::Projected;
use crate::lab::calibrate::Person;
use crate::train::mining::{Mining, select};
use crate::train::optimiser::{Descent, Optimiser};
use crate::train::rng_for;

/// How a head is trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadPlan {
    pub mining: Mining,
    /// The margin alpha, in squared distance.
    pub margin: f32,
    /// People in a batch, or as many as there are.
    pub people: usize,
    /// Pictures of each person, or as many as there are.
    pub pictures: usize,
    pub steps: u32,
    pub optimiser: Optimiser,
    pub rate: f32,
    /// Regularisation towards the identity: this times half the squared difference is added to the loss.
    pub pull: f32,
    pub seed: u64,
}

/// Trains a matrix (row-major) by `plan` on people with at least two vectors; the others serve as negatives. All vectors must have the same
/// dimension. The same people and plan give the same matrix, bit for bit.
pub fn train(people: &[&Person], plan: &HeadPlan) -> Box<[f32]> {
    let dimension = people.iter().flat_map(|person| &person.vectors).map(|vector| vector.len()).next().unwrap_or(0);
    let mut matrix = identity(dimension);
    let several: Vec<usize> =
        people.iter().enumerate().filter(|(_, person)| person.vectors.len() >= 2).map(|(place, _)| place).collect();
    if several.is_empty() || people.len() < 2 {
        return matrix;
    }
    let identity = matrix.clone();
    let mut descent = Descent::new(plan.optimiser);
    for step in 0..plan.steps {
        let mut rng = rng_for(plan.seed, "head", 0, step.into());
        let (batch, labels) = batch(people, &several, plan, &mut rng);
        let projected = Projected::new(&matrix, &batch);
        let distances = projected.distances();
        let triplets = select::triplets(plan.mining, &distances, &labels, plan.margin, &mut rng);
        let mut gradient = projected.gradient(&batch, &distances, &triplets, plan.margin);
        for ((sum, &value), &neutral) in gradient.iter_mut().zip(&matrix).zip(&identity) {
            *sum += plan.pull * (value - neutral);
        }
        descent.begin();
        descent.update("head", &mut matrix, &gradient, plan.rate);
    }
    matrix
}

/// The identity matrix.
fn identity(dimension: usize) -> Box<[f32]> {
    (0..dimension * dimension).map(|place| if place % (dimension + 1) == 0 { 1.0 } else { 0.0 }).collect()
}

/// The vectors of randomly chosen people, and their labels. `several` are the people with at least two vectors.
fn batch<'p>(
    people: &[&'p Person],
    several: &[usize],
    plan: &HeadPlan,
    rng: &mut fastrand::Rng,
) -> (Vec<&'p [f32]>, Vec<u32>) {
    let mut chosen = rng.choose_multiple(several.iter().copied(), plan.people);
    let missing = plan.people.saturating_sub(chosen.len()).max(usize::from(chosen.len() == 1));
    let others = people.iter().enumerate().filter(|(_, person)| person.vectors.len() == 1).map(|(place, _)| place);
    chosen.extend(rng.choose_multiple(others, missing));
    let (mut batch, mut labels) = (Vec::new(), Vec::new());
    for place in chosen {
        let Some(person) = people.get(place) else { continue };
        for vector in rng.choose_multiple(person.vectors.iter(), plan.pictures) {
            batch.push(&**vector);
            labels.push(place as u32);
        }
    }
    (batch, labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Distance, product};
    use crate::train::head::tests::{PLAN, disturbed};

    #[test]
    fn a_direction_that_distinguishes_no_one_counts_less_for_other_people_too() {
        let people = disturbed(40, 9);
        let (known, others) = people.split_at(20);
        let matrix = train(&known.iter().collect::<Vec<_>>(), &PLAN);
        // The share of probes whose nearest photograph is of the same person.
        let right = |map: &[f32]| {
            let images: Vec<(usize, Box<[f32]>)> = others
                .iter()
                .enumerate()
                .flat_map(|(place, person)| person.vectors.iter().map(move |vector| (place, vector)))
                .map(|(place, vector)| {
                    let image = product(map, vector);
                    let length = image.iter().map(|v| v * v).sum::<f32>().sqrt();
                    (place, image.iter().map(|v| v / length).collect())
                })
                .collect();
            let is_right = |probe: &usize| {
                let distance = |other: &&usize| Distance::between(&images[**other].1, &images[*probe].1).0;
                let nearest = (0..images.len()).filter(|other| other != probe).collect::<Vec<_>>();
                let nearest = nearest.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap();
                images[*nearest].0 == images[*probe].0
            };
            (0..images.len()).filter(is_right).count() as f32 / images.len() as f32
        };
        let (before, after) = (right(&identity(6)), right(&matrix));
        assert!(after > before + 0.1, "{before} before, {after} after");
    }

    #[test]
    fn too_few_vectors_give_the_identity() {
        assert_eq!(train(&[], &PLAN).len(), 0);
        let alone = disturbed(1, 9);
        assert_eq!(train(&[&alone[0]], &PLAN), identity(6));
        let once: Vec<Person> =
            disturbed(5, 9).into_iter().map(|p| Person { vectors: p.vectors[..1].to_vec() }).collect();
        assert_eq!(train(&once.iter().collect::<Vec<_>>(), &PLAN), identity(6));
    }

    #[test]
    fn the_same_plan_gives_the_same_matrix() {
        let people = disturbed(6, 9);
        let people: Vec<&Person> = people.iter().collect();
        assert_eq!(train(&people, &PLAN), train(&people, &PLAN));
        assert_ne!(train(&people, &PLAN), train(&people, &HeadPlan { seed: 2, ..PLAN }));
    }
}
