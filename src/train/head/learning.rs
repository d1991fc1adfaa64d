//! Learning a head: batches of people, triplets among them as they lie behind the newest map, a step of the optimiser.

use super::gradient::Projected;
use crate::lab::calibrate::Person;
use crate::train::mining::{Mining, online};
use crate::train::optimiser::{Descent, Optimiser};
use crate::train::random::draw;

/// How a head is learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadPlan {
    pub mining: Mining,
    /// Alpha, in squared distance.
    pub margin: f32,
    /// People of a batch, or as many as there are.
    pub people: usize,
    /// Pictures of each, or as many as there are.
    pub pictures: usize,
    pub steps: u32,
    pub optimiser: Optimiser,
    pub rate: f32,
    /// Pull towards the map that changes nothing: this times half the squared difference is added to the loss.
    pub pull: f32,
    pub seed: u64,
}

/// The map, row by row, that `plan` learns from people with two vectors or more; the others serve as negatives. All vectors have
/// the same number of figures. The same people and plan give the same map, bit for bit.
pub fn learn(people: &[&Person], plan: &HeadPlan) -> Box<[f32]> {
    let dimension = people.iter().flat_map(|person| &person.vectors).map(|vector| vector.len()).next().unwrap_or(0);
    let mut matrix = unchanged(dimension);
    let several: Vec<usize> = (0..people.len()).filter(|&place| people[place].vectors.len() >= 2).collect();
    if several.is_empty() || people.len() < 2 {
        return matrix;
    }
    let neutral = matrix.clone();
    let mut descent = Descent::new(plan.optimiser);
    for step in 0..plan.steps {
        let mut chance = draw(plan.seed, "head", 0, step.into());
        let (batch, labels) = batch(people, &several, plan, &mut chance);
        let projected = Projected::new(&matrix, &batch);
        let distances = projected.distances();
        let triplets = online::triplets(plan.mining, &distances, &labels, plan.margin, &mut chance);
        let mut gradient = projected.gradient(&batch, &distances, &triplets, plan.margin);
        for ((sum, &value), &still) in gradient.iter_mut().zip(&matrix).zip(&neutral) {
            *sum += plan.pull * (value - still);
        }
        descent.begin();
        descent.move_weight("head", &mut matrix, &gradient, plan.rate);
    }
    matrix
}

/// The map that changes nothing.
fn unchanged(dimension: usize) -> Box<[f32]> {
    (0..dimension * dimension).map(|place| if place % (dimension + 1) == 0 { 1.0 } else { 0.0 }).collect()
}

/// Some people's vectors, and whose they are.
fn batch<'p>(
    people: &[&'p Person],
    several: &[usize],
    plan: &HeadPlan,
    chance: &mut fastrand::Rng,
) -> (Vec<&'p [f32]>, Vec<u32>) {
    let mut chosen = chance.choose_multiple(several.iter().copied(), plan.people);
    let missing = plan.people.saturating_sub(chosen.len()).max(usize::from(chosen.len() == 1));
    let others = (0..people.len()).filter(|&place| people[place].vectors.len() == 1);
    chosen.extend(chance.choose_multiple(others, missing));
    let (mut batch, mut labels) = (Vec::new(), Vec::new());
    for person in chosen {
        for vector in chance.choose_multiple(people[person].vectors.iter(), plan.pictures) {
            batch.push(&**vector);
            labels.push(person as u32);
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
    fn what_tells_nobody_apart_comes_to_count_less_for_other_people_too() {
        let people = disturbed(40, 9);
        let (known, others) = people.split_at(20);
        let matrix = learn(&known.iter().collect::<Vec<_>>(), &PLAN);
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
        let (before, after) = (right(&unchanged(6)), right(&matrix));
        assert!(after > before + 0.1, "{before} before, {after} after");
    }

    #[test]
    fn who_has_too_little_to_learn_from_gets_the_map_that_changes_nothing() {
        assert_eq!(learn(&[], &PLAN).len(), 0);
        let alone = disturbed(1, 9);
        assert_eq!(learn(&[&alone[0]], &PLAN), unchanged(6));
        let once: Vec<Person> =
            disturbed(5, 9).into_iter().map(|p| Person { vectors: p.vectors[..1].to_vec() }).collect();
        assert_eq!(learn(&once.iter().collect::<Vec<_>>(), &PLAN), unchanged(6));
    }

    #[test]
    fn the_same_plan_gives_the_same_map() {
        let people = disturbed(6, 9);
        let people: Vec<&Person> = people.iter().collect();
        assert_eq!(learn(&people, &PLAN), learn(&people, &PLAN));
        assert_ne!(learn(&people, &PLAN), learn(&people, &HeadPlan { seed: 2, ..PLAN }));
    }
}
