//! How well a distance tells people apart, in the figures of the FaceNet project's `validate_on_lfw` and by its method: accuracy and
//! validation rate over folds, and the mean ROC with its area and its equal error rate.
//!
//! Knows nothing of photographs and of how distances are made.

use thiserror::Error;

/// Distances are cut at 0, 0.01, 0.02 … 3.99 for the accuracy and the ROC (`facenet.calculate_roc`).
const ROC_CUTS: (usize, f64) = (400, 0.01);
/// And at 0, 0.001 … 3.999 for the validation rate (`facenet.calculate_val`).
const VAL_CUTS: (usize, f64) = (4000, 0.001);

/// Which pairs choose the cut, and which are then judged by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    pub train: Vec<usize>,
    pub test: Vec<usize>,
}

/// Mean and standard deviation over the folds (divided by their number, as numpy does).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub mean: f64,
    pub std: f64,
}

/// Part of a whole, for confidence intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub part: u64,
    pub whole: u64,
}

/// What is said of a list of pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// The share of pairs sorted rightly, each fold at the cut that is best on the other folds.
    pub accuracy: Spread,
    /// Validation rate: the share of pairs of one person that are accepted, each fold at the cut that has the wanted false accept rate on
    /// the other folds.
    pub val: Spread,
    /// The false accept rate at those cuts, on the folds that are judged.
    pub far: f64,
    /// The area under the mean ROC, by trapezia.
    pub auc: f64,
    /// Where the mean ROC has as many false accepts as false rejects.
    pub eer: f64,
    /// The cut of the accuracy, mean over the folds.
    pub threshold: f64,
    /// The mean ROC: false and true accept rate, from (0, 0) to (1, 1).
    pub curve: Vec<(f64, f64)>,
    /// Pairs sorted rightly, of all.
    pub right: Share,
    /// Pairs of one person that were accepted for the validation rate.
    pub accepted: Share,
    /// Pairs of two people that were accepted for the validation rate.
    pub let_in: Share,
}

/// Why a list of pairs has no figures.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RocError {
    #[error("{pairs} pairs cannot be divided into {folds} folds: give more pairs, or 2 or more and fewer --folds")]
    TooFewPairs { pairs: usize, folds: usize },
    #[error("fold {fold} has no pairs of {kind} to {what}: both kinds are needed in each fold; use fewer --folds")]
    OneKind { fold: usize, kind: &'static str, what: &'static str },
}

/// `count` pairs in their own order, cut into `folds` pieces as even as can be, the longer ones first (scikit-learn's `KFold` without
/// shuffling). Each piece is judged by the others.
pub fn in_order(count: usize, folds: usize) -> Result<Vec<Fold>, RocError> {
    let pieces = pieces(&(0..count).collect::<Vec<_>>(), folds);
    from_tests(count, folds, pieces)
}

/// The same with the two kinds of pairs divided separately, so that each fold has its share of both, whatever the order of the list.
pub fn balanced(same: &[bool], folds: usize) -> Result<Vec<Fold>, RocError> {
    let of = |kind: bool| (0..same.len()).filter(|&i| same[i] == kind).collect::<Vec<_>>();
    let (one, two) = (pieces(&of(true), folds), pieces(&of(false), folds));
    let both = one.into_iter().zip(two).map(|(a, b)| [a, b].concat()).collect();
    from_tests(same.len(), folds, both)
}

/// One fold for each number in `labels`, in the order of the numbers: the split that a list itself names.
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
        let mut judged = vec![false; count];
        test.iter().for_each(|&i| judged[i] = true);
        Fold { train: (0..count).filter(|&i| !judged[i]).collect(), test }
    };
    Ok(tests.into_iter().map(fold).collect())
}

/// The figures of pairs that show one person where `same` says so. `distances` gives the distance of every pair for one fold, since what is
/// taken from the training pairs (a mean) may change them; a pair that cannot be compared is at infinity. A pair is accepted below a cut,
/// not at it. `far` is the wanted false accept rate.
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
    let (mut right, mut accepted, mut let_in) = (Share::NONE, Share::NONE, Share::NONE);
    for (number, fold) in folds.iter().enumerate() {
        let all = distances(fold);
        let train = Sorted::new(&all, same, &fold.train).both(number + 1, "choose a cut by")?;
        let test = Sorted::new(&all, same, &fold.test).both(number + 1, "judge")?;

        let best = first_best((0..ROC_CUTS.0).map(|i| train.right(i as f64 * ROC_CUTS.1)));
        let cut = best as f64 * ROC_CUTS.1;
        threshold += cut;
        let sorted = Share { part: test.right(cut) as u64, whole: fold.test.len() as u64 };
        accuracies.push(sorted.rate());
        right = right.and(sorted);
        for (i, point) in curve.iter_mut().enumerate() {
            let (one, two) = test.accepted(i as f64 * ROC_CUTS.1);
            point.0 += two.rate();
            point.1 += one.rate();
        }

        let rates: Vec<f64> = (0..VAL_CUTS.0).map(|i| train.accepted(i as f64 * VAL_CUTS.1).1.rate()).collect();
        let (one, two) = test.accepted(cut_at(&rates, far));
        vals.push(one.rate());
        fars.push(two.rate());
        (accepted, let_in) = (accepted.and(one), let_in.and(two));
    }
    let count = folds.len() as f64;
    curve.iter_mut().for_each(|point| *point = (point.0 / count, point.1 / count));
    // Beyond every cut all pairs are accepted. Nothing new unless some are at infinity.
    curve.push((1.0, 1.0));
    Ok(Figures {
        accuracy: Spread::of(&accuracies),
        val: Spread::of(&vals),
        far: Spread::of(&fars).mean,
        auc: area(&curve),
        eer: equal_error(&curve),
        threshold: threshold / count,
        curve,
        right,
        accepted,
        let_in,
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

impl Share {
    const NONE: Share = Share { part: 0, whole: 0 };

    /// 0 to 1; 0 of nothing is 0.
    pub fn rate(&self) -> f64 {
        self.part as f64 / self.whole.max(1) as f64
    }

    fn and(self, other: Share) -> Share {
        Share { part: self.part + other.part, whole: self.whole + other.whole }
    }
}

/// The distances of some pairs, each kind in order.
struct Sorted {
    one: Vec<f64>,
    two: Vec<f64>,
}

impl Sorted {
    fn new(all: &[f64], same: &[bool], chosen: &[usize]) -> Sorted {
        let of = |kind: bool| {
            let mut some: Vec<f64> = chosen.iter().filter(|&&i| same[i] == kind).map(|&i| known(all[i])).collect();
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

    /// Pairs that `cut` sorts rightly.
    fn right(&self, cut: f64) -> usize {
        let (one, two) = self.accepted(cut);
        one.part as usize + self.two.len() - two.part as usize
    }
}

/// Not-a-number is no distance.
fn known(distance: f64) -> f64 {
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

/// The cut with a false accept rate of `far`, given the `rates` at [`VAL_CUTS`]: on the straight line from the last cut that has no more to
/// the first that has more. 0 where even the largest cut has less (as the FaceNet project has it).
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

/// The false accept rate where the curve's broken line crosses `true accept rate = 1 - false accept rate`.
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
