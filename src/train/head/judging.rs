//! Whether a head helps: people are put into folds, a head is learned without a fold's people and judged on them alone.

use thiserror::Error;

use super::bootstrap::{Drawn, Pair, Pairs, middle};
use super::gradient::Projected;
use super::learning::{HeadPlan, learn};
use crate::domain::Distance;
use crate::lab::calibrate::Person;
use crate::lab::distribution::{Distribution, End};
use crate::train::random::draw;

/// Parts that the people are put into; each is judged by a head that has learned from the others.
pub const FOLDS: usize = 4;
/// How often people are drawn anew for the intervals.
const REPLICATES: u64 = 2000;
/// A rate that rests on fewer impostor pairs than this is known to no better than a factor of two (Poisson, 95 %).
const FEWEST: f64 = 10.0;

/// A share, 0 to 1, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// What leaving people out has shown.
pub struct Judgement {
    /// Pairs of two people of one fold.
    pub impostor_pairs: u64,
    /// Pairs of one person.
    pub genuine_pairs: u64,
    /// The false non-match rate at the false match rate that was asked for, as the embedder is.
    pub before: Estimate,
    /// The same behind heads that did not know the people.
    pub after: Estimate,
    /// `after` less `before`, of the same people drawn.
    pub difference: Estimate,
    /// Distances behind those heads, of two people and of one.
    pub impostor: Distribution,
    pub genuine: Distribution,
}

/// Why nothing can be said about a head.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum JudgingError {
    #[error(
        "{people} people with {photographs} photographs make {pairs} pairs of two people, and {needed:.0} are needed to say anything at a false \
         match rate of {fmr}: take photographs of more people, or ask for a larger --fmr"
    )]
    TooFewPairs { people: usize, photographs: usize, pairs: u64, needed: f64, fmr: f64 },
    #[error("nobody has two photographs with a face: nothing can be learned from them")]
    NoPairs,
}

impl Judgement {
    /// Whether the head lowers the error, and chance does not explain it.
    pub fn is_better(&self) -> bool {
        self.difference.high < 0.0
    }
}

/// Judges heads learned by `plan` at the false match rate `fmr` of one comparison. `told` is called with the number of folds done.
pub fn judge(
    people: &[Person],
    plan: &HeadPlan,
    fmr: f64,
    mut told: impl FnMut(usize),
) -> Result<Judgement, JudgingError> {
    let folds = folds(people.len(), plan.seed);
    enough(people, &folds, fmr)?;
    let (mut before, mut after) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for fold in 0..FOLDS {
        let (left_out, known): (Vec<usize>, Vec<usize>) = (0..people.len()).partition(|&place| folds[place] == fold);
        let matrix = learn(&known.iter().map(|&place| &people[place]).collect::<Vec<_>>(), plan);
        let vectors = left_out
            .iter()
            .flat_map(|&place| people[place].vectors.iter().map(move |vector| (place as u32, &**vector)));
        let (owners, vectors): (Vec<u32>, Vec<&[f32]>) = vectors.unzip();
        let behind = Projected::new(&matrix, &vectors).into_units();
        for i in 0..owners.len() {
            for j in 0..i {
                let (a, b) = (owners[j], owners[i]);
                let kind = usize::from(a == b);
                before[kind].push(Pair { a, b, distance: Distance::between(vectors[j], vectors[i]).0 });
                after[kind].push(Pair { a, b, distance: Distance::between(&behind[j], &behind[i]).0 });
            }
        }
        told(fold + 1);
    }
    let spread = |end, pairs: &[Pair]| {
        let mut distribution = Distribution::new(end);
        pairs.iter().for_each(|pair| distribution.push(pair.distance));
        distribution.settle();
        distribution
    };
    let (impostor, genuine) = (spread(End::Near, &after[0]), spread(End::Far, &after[1]));
    let [before, after] = [before, after].map(|[impostor, genuine]| Pairs::new(impostor, genuine));
    let measured = |drawn: &Drawn| Some((before.fnmr(fmr, drawn)?, after.fnmr(fmr, drawn)?));
    let (before_value, after_value) = measured(&Drawn::once(people.len())).ok_or(JudgingError::NoPairs)?;
    let replicates: Vec<(f64, f64)> = (0..REPLICATES)
        .filter_map(|replicate| {
            measured(&Drawn::by_chance(people.len(), &mut draw(plan.seed, "people drawn anew", 0, replicate)))
        })
        .collect();
    let estimate = |value: f64, of: fn(&(f64, f64)) -> f64| {
        let (low, high) = middle(replicates.iter().map(of).collect());
        Estimate { value, low, high }
    };
    Ok(Judgement {
        impostor_pairs: impostor.count(),
        genuine_pairs: genuine.count(),
        before: estimate(before_value, |rates| rates.0),
        after: estimate(after_value, |rates| rates.1),
        difference: estimate(after_value - before_value, |rates| rates.1 - rates.0),
        impostor,
        genuine,
    })
}

/// The fold of each person, drawn.
fn folds(people: usize, seed: u64) -> Vec<usize> {
    let mut folds: Vec<usize> = (0..people).map(|place| place % FOLDS).collect();
    draw(seed, "folds", 0, 0).shuffle(&mut folds);
    folds
}

/// Whether the pairs within folds suffice, before anything is learned.
fn enough(people: &[Person], folds: &[usize], fmr: f64) -> Result<(), JudgingError> {
    let (mut all, mut squares, mut genuine) = ([0u64; FOLDS], [0u64; FOLDS], 0);
    for (person, &fold) in people.iter().zip(folds) {
        let count = person.vectors.len() as u64;
        all[fold] += count;
        squares[fold] += count * count;
        genuine += count * count.saturating_sub(1) / 2;
    }
    let pairs: u64 = all.iter().zip(&squares).map(|(all, squares)| (all * all - squares) / 2).sum();
    let needed = FEWEST / fmr;
    if (pairs as f64) < needed {
        let photographs = all.iter().sum::<u64>() as usize;
        return Err(JudgingError::TooFewPairs { people: people.len(), photographs, pairs, needed, fmr });
    }
    if genuine == 0 {
        return Err(JudgingError::NoPairs);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::head::tests::{PLAN, disturbed, undisturbed};

    #[test]
    fn a_head_that_helps_is_told_from_one_that_does_not() {
        let helped = judge(&disturbed(80, 9), &PLAN, 0.01, |_| {}).unwrap();
        assert!(helped.is_better(), "{:?} {:?} {:?}", helped.before, helped.after, helped.difference);
        assert!(helped.after.value < helped.before.value - 0.2, "{:?} {:?}", helped.before, helped.after);
        for estimate in [helped.before, helped.after, helped.difference] {
            assert!(estimate.low <= estimate.value && estimate.value <= estimate.high, "{estimate:?}");
        }
        let useless = judge(&undisturbed(80, 9), &PLAN, 0.01, |_| {}).unwrap();
        assert!(!useless.is_better(), "{:?} {:?} {:?}", useless.before, useless.after, useless.difference);
    }

    /// Labels by chance teach nothing that holds for other people.
    #[test]
    fn what_is_only_learned_by_heart_is_not_better() {
        let mut better = 0;
        for seed in 0..20 {
            let mut vectors: Vec<Box<[f32]>> =
                undisturbed(80, seed).into_iter().flat_map(|person| person.vectors).collect();
            fastrand::Rng::with_seed(seed).shuffle(&mut vectors);
            let people: Vec<Person> = vectors.chunks(4).map(|own| Person { vectors: own.to_vec() }).collect();
            better += usize::from(judge(&people, &HeadPlan { steps: 15, ..PLAN }, 0.02, |_| {}).unwrap().is_better());
        }
        assert!(better <= 3, "{better} of 20 by chance, where one in forty is expected");
    }

    #[test]
    fn too_little_is_said_before_anything_is_learned() {
        let error = judge(&disturbed(10, 1), &PLAN, 0.001, |_| panic!("nothing is learned")).err().unwrap();
        assert!(error.to_string().contains("10 people with 40 photographs make"), "{error}");
        let once: Vec<Person> =
            disturbed(80, 1).into_iter().map(|p| Person { vectors: p.vectors[..1].to_vec() }).collect();
        assert_eq!(judge(&once, &PLAN, 0.1, |_| {}).err(), Some(JudgingError::NoPairs));
    }
}
