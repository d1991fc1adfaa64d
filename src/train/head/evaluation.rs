//! Evaluates whether a head helps, by cross-validation over people: for each fold, a head is trained without the fold's people and evaluated on
//! them alone.

#![expect(clippy::indexing_slicing, reason = "people are indexed by their fold, and folds by numbers below FOLDS")]

use thiserror::Error;

use super::bootstrap::{Pair, Pairs, Resample, interval_95};
use super::gradient::Projected;
use super::training::{HeadPlan, train};
use crate::domain::Distance;
use crate::lab::calibrate::Person;
use crate::lab::distribution::{Distribution, End};
use crate::train::rng_for;

/// The number of folds.
pub const FOLDS: usize = 4;
/// The number of bootstrap resamples.
const REPLICATES: u64 = 2000;
/// The fewest impostor pairs on which a rate may rest: with fewer, it is uncertain by more than a factor of two (Poisson, 95 %).
const MIN_IMPOSTORS: f64 = 10.0;

/// A share, 0 to 1, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// The result of the cross-validation.
pub struct Evaluation {
    /// The number of pairs of two people within folds.
    pub impostor_pairs: u64,
    /// The number of pairs of one person.
    pub genuine_pairs: u64,
    /// The false non-match rate at the requested false match rate, without a head.
    pub before: Estimate,
    /// The same behind heads that were not trained on the people.
    pub after: Estimate,
    /// `after` minus `before`, of the same resamples.
    pub difference: Estimate,
    /// Distances of two people and of one person behind those heads.
    pub impostor: Distribution,
    pub genuine: Distribution,
}

/// Why a head cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum EvaluationError {
    #[error(
        "{people} people with {photographs} photographs make {pairs} pairs of two people, but a false match rate of {fmr} needs {needed:.0}: take \
         photographs of more people, or use a larger --fmr"
    )]
    TooFewPairs { people: usize, photographs: usize, pairs: u64, needed: f64, fmr: f64 },
    #[error("no person has two photographs with a face: there is nothing to learn from")]
    NoPairs,
}

impl Evaluation {
    /// Whether the head reduces the error significantly (95 %).
    pub fn is_better(&self) -> bool {
        self.difference.high < 0.0
    }
}

/// Evaluates heads trained by `plan` at the false match rate `fmr` of one comparison. Calls `progress` with the number of folds done.
pub fn evaluate(
    people: &[Person],
    plan: &HeadPlan,
    fmr: f64,
    mut progress: impl FnMut(usize),
) -> Result<Evaluation, EvaluationError> {
    let folds = folds(people.len(), plan.seed);
    check_pairs(people, &folds, fmr)?;
    let (mut before, mut after) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for fold in 0..FOLDS {
        let (held_out, training): (Vec<usize>, Vec<usize>) = (0..people.len()).partition(|&place| folds[place] == fold);
        let matrix = train(&training.iter().map(|&place| &people[place]).collect::<Vec<_>>(), plan);
        let vectors = held_out
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
        progress(fold + 1);
    }
    let spread = |end, pairs: &[Pair]| {
        let mut distribution = Distribution::new(end);
        pairs.iter().for_each(|pair| distribution.push(pair.distance));
        distribution.settle();
        distribution
    };
    let (impostor, genuine) = (spread(End::Near, &after[0]), spread(End::Far, &after[1]));
    let [before, after] = [before, after].map(|[impostor, genuine]| Pairs::new(impostor, genuine));
    let measured = |resample: &Resample| Some((before.fnmr(fmr, resample)?, after.fnmr(fmr, resample)?));
    let (before_value, after_value) = measured(&Resample::once(people.len())).ok_or(EvaluationError::NoPairs)?;
    let replicates: Vec<(f64, f64)> = (0..REPLICATES)
        .filter_map(|replicate| {
            measured(&Resample::random(people.len(), &mut rng_for(plan.seed, "people drawn anew", 0, replicate)))
        })
        .collect();
    let estimate = |value: f64, of: fn(&(f64, f64)) -> f64| {
        let (low, high) = interval_95(replicates.iter().map(of).collect());
        Estimate { value, low, high }
    };
    Ok(Evaluation {
        impostor_pairs: impostor.count(),
        genuine_pairs: genuine.count(),
        before: estimate(before_value, |rates| rates.0),
        after: estimate(after_value, |rates| rates.1),
        difference: estimate(after_value - before_value, |rates| rates.1 - rates.0),
        impostor,
        genuine,
    })
}

/// The random fold of each person.
fn folds(people: usize, seed: u64) -> Vec<usize> {
    let mut folds: Vec<usize> = (0..people).map(|place| place % FOLDS).collect();
    rng_for(seed, "folds", 0, 0).shuffle(&mut folds);
    folds
}

/// Checks before training that there are enough pairs within folds.
fn check_pairs(people: &[Person], folds: &[usize], fmr: f64) -> Result<(), EvaluationError> {
    let (mut all, mut squares, mut genuine) = ([0u64; FOLDS], [0u64; FOLDS], 0);
    for (person, &fold) in people.iter().zip(folds) {
        let count = person.vectors.len() as u64;
        all[fold] += count;
        squares[fold] += count * count;
        genuine += count * count.saturating_sub(1) / 2;
    }
    let pairs: u64 = all.iter().zip(&squares).map(|(all, squares)| (all * all - squares) / 2).sum();
    let needed = MIN_IMPOSTORS / fmr;
    if (pairs as f64) < needed {
        let photographs = all.iter().sum::<u64>() as usize;
        return Err(EvaluationError::TooFewPairs { people: people.len(), photographs, pairs, needed, fmr });
    }
    if genuine == 0 {
        return Err(EvaluationError::NoPairs);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::head::tests::{PLAN, disturbed, undisturbed};

    #[test]
    fn a_head_that_helps_is_distinguished_from_one_that_does_not() {
        let helped = evaluate(&disturbed(80, 9), &PLAN, 0.01, |_| {}).unwrap();
        assert!(helped.is_better(), "{:?} {:?} {:?}", helped.before, helped.after, helped.difference);
        assert!(helped.after.value < helped.before.value - 0.2, "{:?} {:?}", helped.before, helped.after);
        for estimate in [helped.before, helped.after, helped.difference] {
            assert!(estimate.low <= estimate.value && estimate.value <= estimate.high, "{estimate:?}");
        }
        let useless = evaluate(&undisturbed(80, 9), &PLAN, 0.01, |_| {}).unwrap();
        assert!(!useless.is_better(), "{:?} {:?} {:?}", useless.before, useless.after, useless.difference);
    }

    /// Random labels teach nothing that generalises to other people.
    #[test]
    fn a_head_that_only_memorises_is_not_better() {
        let mut better = 0;
        for seed in 0..20 {
            let mut vectors: Vec<Box<[f32]>> =
                undisturbed(80, seed).into_iter().flat_map(|person| person.vectors).collect();
            fastrand::Rng::with_seed(seed).shuffle(&mut vectors);
            let people: Vec<Person> = vectors.chunks(4).map(|own| Person { vectors: own.to_vec() }).collect();
            better +=
                usize::from(evaluate(&people, &HeadPlan { steps: 15, ..PLAN }, 0.02, |_| {}).unwrap().is_better());
        }
        assert!(better <= 3, "{better} of 20 by chance, where one in forty is expected");
    }

    #[test]
    fn too_few_pairs_are_reported_before_training() {
        let error = evaluate(&disturbed(10, 1), &PLAN, 0.001, |_| panic!("nothing is trained")).err().unwrap();
        assert!(error.to_string().contains("10 people with 40 photographs make"), "{error}");
        let once: Vec<Person> =
            disturbed(80, 1).into_iter().map(|p| Person { vectors: p.vectors[..1].to_vec() }).collect();
        assert_eq!(evaluate(&once, &PLAN, 0.1, |_| {}).err(), Some(EvaluationError::NoPairs));
    }
}
