//! Verification figures by the method of the FaceNet project's `validate_on_lfw`: accuracy and validation rate over folds, and the mean ROC
//! with its area and equal error rate.

#![expect(
    clippy::indexing_slicing,
    reason = "folds and labels index the pairs that they were made from, and cuts index tables of constant length"
)]

use thiserror::Error;

use super::share::Share;

/// Cuts at 0, 0.01, 0.02 … 3.99 for the accuracy and the ROC (`facenet.calculate_roc`).
const ROC_CUTS: (usize, f64) = (400, 0.01);
/// Cuts at 0, 0.001 … 3.999 for the validation rate (`facenet.calculate_val`).
const VAL_CUTS: (usize, f64) = (4000, 0.001);

/// The pairs that choose the cut, and the pairs that are evaluated at it, as indices of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    pub train: Vec<usize>,
    pub test: Vec<usize>,
}

/// Mean and standard deviation over the folds (divided by their number, as in numpy).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub mean: f64,
    pub std: f64,
}

/// The figures of a list of pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The share of pairs classified correctly, each fold at the cut that is best on the other folds.
    pub accuracy: Spread,
    /// Validation rate: the share of pairs of one person that are accepted, each fold at the cut with the requested false accept rate on the
    /// other folds.
    pub val: Spread,
    /// The false accept rate at those cuts, on the evaluated folds.
    pub far: f64,
    /// The area under the mean ROC, by the trapezoidal rule.
    pub auc: f64,
    /// The rate at which the mean ROC has equal false accepts and false rejects.
    pub eer: f64,
    /// The cut of the accuracy: mean over the folds.
    pub threshold: f64,
    /// The mean ROC: false and true accept rate, from (0, 0) to (1, 1).
    pub curve: Vec<(f64, f64)>,
    /// Pairs classified correctly, of all.
    pub correct: Share,
    /// Pairs of one person that were accepted for the validation rate.
    pub accepted: Share,
    /// Pairs of two people that were accepted for the validation rate.
    pub false_accepts: Share,
}

/// Why figures cannot be computed for a list of pairs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RocError {
    #[error("{pairs} pairs cannot be divided into {folds} folds: give more pairs, or 2 or more and fewer --folds")]
    TooFewPairs { pairs: usize, folds: usize },
    #[error("fold {fold} has no pairs of {kind} to {what}: both kinds are needed in each fold; use fewer --folds")]
    OneKind { fold: usize, kind: &'static str, what: &'static str },
}

/// Splits `count` pairs in their order into `folds` pieces as even as possible, the longer ones first (scikit-learn's `KFold` without
/// shuffling). Each piece is evaluated at the cut of the others.
pub fn in_order(count: usize, folds: usize) -> Result<Vec<Fold>, RocError> {
    let pieces = pieces(&(0..count).collect::<Vec<_>>(), folds);
    from_tests(count, folds, pieces)
}

/// The same with both kinds of pairs split separately, so that each fold has its share of both, whatever the order of the list.
pub fn balanced(same: &[bool], folds: usize) -> Result<Vec<Fold>, RocError> {
    let of = |kind: bool| (0..same.len()).filter(|&i| same[i] == kind).collect::<Vec<_>>();
    let (one, two) = (pieces(&of(true), folds), pieces(&of(false), folds));
    let both = one.into_iter().zip(two).map(|(a, b)| [a, b].concat()).collect();
    from_tests(same.len(), folds, both)
}

/// One fold for each number in `labels`, in ascending order: the split that the list itself gives.
pub fn by_label(labels: &[u32]) -> Result<Vec<Fold>, RocError> {
    let names: std::collections::BTreeSet<u32> = labels.iter().copied().collect();
    let tests = names.iter().map(|name| (0..labels.len()).filter(|&i| labels[i] == *name).collect()).collect();
    from_tests(labels.len(), names.len(), tests)
}

fn pieces(items: &[usize], count: usize) -> Vec<Vec<usize>> {
    let (size, longer) = (items.len() / count.max(1), items.len() % count.max(1));
    let mut rest = items;
    (0..count)
        .map(|i| {
            let (piece, others) = rest.split_at(size + usize::from(i < longer));
            rest = others;
            piece.to_vec()
        })
        .collect()
}

fn from_tests(count: usize, folds: usize, tests: Vec<Vec<usize>>) -> Result<Vec<Fold>, RocError> {
    if folds < 2 || count < folds {
        return Err(RocError::TooFewPairs { pairs: count, folds });
    }
    let fold = |test: Vec<usize>| {
        let mut in_test = vec![false; count];
        test.iter().for_each(|&i| in_test[i] = true);
        Fold { train: (0..count).filter(|&i| !in_test[i]).collect(), test }
    };
    Ok(tests.into_iter().map(fold).collect())
}

/// The figures of pairs, of which those marked in `same` show one person. `distances` returns the distance of every pair for one fold, because
/// subtracting the mean of the training pairs changes them; a pair that cannot be compared is at infinity. A pair is accepted below a cut, not
/// at it. `far` is the requested false accept rate.
///
/// # Errors
/// A fold lacks one kind of pairs.
pub fn figures(
    same: &[bool],
    folds: &[Fold],
    far: f64,
    mut distances: impl FnMut(&Fold) -> Vec<f64>,
) -> Result<Figures, RocError> {
    let (mut accuracies, mut vals, mut fars) = (Vec::new(), Vec::new(), Vec::new());
    let mut threshold = 0.0;
    let mut curve = vec![(0.0, 0.0); ROC_CUTS.0];
    let (mut correct, mut accepted, mut false_accepts) = (Share::NONE, Share::NONE, Share::NONE);
    for (number, fold) in folds.iter().enumerate() {
        let all = distances(fold);
        let train = Sorted::new(&all, same, &fold.train).both(number + 1, "choose a cut by")?;
        let test = Sorted::new(&all, same, &fold.test).both(number + 1, "evaluate")?;

        let best = first_best((0..ROC_CUTS.0).map(|i| train.correct(i as f64 * ROC_CUTS.1)));
        let cut = best as f64 * ROC_CUTS.1;
        threshold += cut;
        let classified = Share { part: test.correct(cut) as u64, whole: fold.test.len() as u64 };
        accuracies.push(classified.rate());
        correct = correct.and(classified);
        for (i, point) in curve.iter_mut().enumerate() {
            let (one, two) = test.accepted(i as f64 * ROC_CUTS.1);
            point.0 += two.rate();
            point.1 += one.rate();
        }

        let rates: Vec<f64> = (0..VAL_CUTS.0).map(|i| train.accepted(i as f64 * VAL_CUTS.1).1.rate()).collect();
        let (one, two) = test.accepted(cut_at(&rates, far));
        vals.push(one.rate());
        fars.push(two.rate());
        (accepted, false_accepts) = (accepted.and(one), false_accepts.and(two));
    }
    let count = folds.len() as f64;
    curve.iter_mut().for_each(|point| *point = (point.0 / count, point.1 / count));
    // Beyond every cut all pairs are accepted. This adds nothing unless some are at infinity.
    curve.push((1.0, 1.0));
    Ok(Figures {
        accuracy: Spread::of(&accuracies),
        val: Spread::of(&vals),
        far: Spread::of(&fars).mean,
        auc: area(&curve),
        eer: equal_error(&curve),
        threshold: threshold / count,
        curve,
        correct,
        accepted,
        false_accepts,
    })
}

impl Spread {
    fn of(values: &[f64]) -> Spread {
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        Spread { mean, std: square.sqrt() }
    }
}

/// The distances of some pairs, each kind sorted.
struct Sorted {
    /// Of one person.
    one: Vec<f64>,
    /// Of two people.
    two: Vec<f64>,
}

impl Sorted {
    fn new(all: &[f64], same: &[bool], chosen: &[usize]) -> Sorted {
        let of = |kind: bool| {
            let mut some: Vec<f64> =
                chosen.iter().filter(|&&i| same[i] == kind).map(|&i| nan_to_infinity(all[i])).collect();
            some.sort_by(f64::total_cmp);
            some
        };
        Sorted { one: of(true), two: of(false) }
    }

    fn both(self, fold: usize, what: &'static str) -> Result<Sorted, RocError> {
        match (self.one.is_empty(), self.two.is_empty()) {
            (false, false) => Ok(self),
            (true, _) => Err(RocError::OneKind { fold, kind: "one person", what }),
            (_, true) => Err(RocError::OneKind { fold, kind: "two people", what }),
        }
    }

    /// The accepted pairs of one person, and of two people.
    fn accepted(&self, cut: f64) -> (Share, Share) {
        let below =
            |sorted: &[f64]| Share { part: sorted.partition_point(|&d| d < cut) as u64, whole: sorted.len() as u64 };
        (below(&self.one), below(&self.two))
    }

    /// The number of pairs that `cut` classifies correctly.
    fn correct(&self, cut: f64) -> usize {
        let (one, two) = self.accepted(cut);
        one.part as usize + self.two.len() - two.part as usize
    }
}

fn nan_to_infinity(distance: f64) -> f64 {
    if distance.is_nan() { f64::INFINITY } else { distance }
}

fn first_best(values: impl Iterator<Item = usize>) -> usize {
    let mut best = (0, 0);
    for (i, value) in values.enumerate() {
        if value > best.1 {
            best = (i, value);
        }
    }
    best.0
}

/// The cut with a false accept rate of `far`, given the `rates` at [`VAL_CUTS`]: interpolated linearly between the last cut that has no more and
/// the first that has more. 0 if even the largest cut has less, as in the FaceNet project.
fn cut_at(rates: &[f64], far: f64) -> f64 {
    if rates.last().is_none_or(|&most| most < far) {
        return 0.0;
    }
    let above = rates.partition_point(|&rate| rate <= far);
    let cut = |i: usize| i as f64 * VAL_CUTS.1;
    let Some(low) = above.checked_sub(1) else { return 0.0 };
    match rates.get(above) {
        Some(high) => cut(low) + (far - rates[low]) / (high - rates[low]) * (cut(above) - cut(low)),
        None => cut(low),
    }
}

fn area(curve: &[(f64, f64)]) -> f64 {
    curve.windows(2).map(|w| (w[1].0 - w[0].0) * (w[0].1 + w[1].1) / 2.0).sum()
}

/// The false accept rate at which the polyline crosses `true accept rate = 1 - false accept rate`.
fn equal_error(curve: &[(f64, f64)]) -> f64 {
    let short = |(far, tar): (f64, f64)| 1.0 - far - tar;
    for pair in curve.windows(2) {
        let (before, after) = (short(pair[0]), short(pair[1]));
        if before > 0.0 && after <= 0.0 {
            return pair[0].0 + before / (before - after) * (pair[1].0 - pair[0].0);
        }
    }
    curve.first().map_or(0.0, |point| point.0)
}
