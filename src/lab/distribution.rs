//! The distances of millions of pairs in bounded memory: the hundred thousand at the relevant end exactly, the others counted in fine steps.

#![expect(
    clippy::indexing_slicing,
    reason = "`step` and `step_below` clamp to the table, and ranks are looked up with `get` first"
)]

use super::share::Share;

/// The number of distances that are kept exactly.
const KEPT: usize = 100_000;
/// Width of the steps in which the others are counted.
const STEP: f64 = 1e-4;
/// Steps from 0 to 2, the largest distance between unit vectors. Step i counts distances above `(i - 1) * STEP` and up to `i * STEP`.
const STEPS: usize = 20_001;
/// Points of a table per decade of the rate.
const PER_DECADE: f64 = 10.0;

/// The end of a distribution that is kept exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The smallest distances. For impostor pairs: two people who are taken for one.
    Near,
    /// The largest distances. For genuine pairs: one person who is not recognised.
    Far,
}

/// Distances from 0 to 2. Exact within the [`KEPT`] distances at one end, and to a step of 1e-4 elsewhere. [`Distribution::settle`] must be called
/// between pushing and reading.
#[derive(Clone, Debug)]
pub struct Distribution {
    end: End,
    /// The kept distances; negated for [`End::Far`], so that the relevant end is always the smallest. Sorted once settled.
    kept: Vec<f32>,
    keep: usize,
    /// Distances not below this need not be kept.
    bound: f32,
    steps: Vec<u64>,
    count: u64,
}

/// A distance, and the share of pairs on its wrong side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub share: Share,
    pub distance: f64,
}

impl Distribution {
    /// No distances yet.
    pub fn new(end: End) -> Distribution {
        Distribution::keeping(end, KEPT)
    }

    fn keeping(end: End, keep: usize) -> Distribution {
        Distribution { end, kept: Vec::new(), keep, bound: f32::INFINITY, steps: vec![0; STEPS], count: 0 }
    }

    /// Adds one distance, 0 to 2. NaN is ignored.
    pub fn push(&mut self, distance: f32) {
        if distance.is_nan() {
            return;
        }
        self.count += 1;
        self.steps[step(distance)] += 1;
        let key = match self.end {
            End::Near => distance,
            End::Far => -distance,
        };
        if key < self.bound {
            self.kept.push(key);
            if self.kept.len() >= 2 * self.keep {
                self.thin();
            }
        }
    }

    fn thin(&mut self) {
        let (_, last, _) = self.kept.select_nth_unstable_by(self.keep - 1, f32::total_cmp);
        self.bound = *last;
        self.kept.truncate(self.keep);
    }

    /// Sorts the kept distances. Call it after pushing and before reading.
    pub fn settle(&mut self) {
        if self.kept.len() > self.keep {
            self.thin();
        }
        self.kept.sort_by(f32::total_cmp);
    }

    /// The number of distances.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The share of distances at or below `distance` ([`End::Near`]), or above it ([`End::Far`]). Accurate to a step of 1e-4 outside the kept
    /// distances.
    pub fn share(&self, distance: f64) -> Share {
        let exact = self.kept.len() as u64 == self.count;
        let part = match self.end {
            End::Near => {
                let kept = self.kept.partition_point(|&d| f64::from(d) <= distance);
                match kept < self.kept.len() || exact {
                    true => kept as u64,
                    false => self.steps[..=step_below(distance)].iter().sum(),
                }
            }
            End::Far => {
                let kept = self.kept.partition_point(|&d| f64::from(-d) > distance);
                match kept < self.kept.len() || exact {
                    true => kept as u64,
                    false => self.steps[step_below(distance) + 1..].iter().sum(),
                }
            }
        };
        Share { part, whole: self.count }
    }

    /// The table of a calibration file: rates with their distances.
    pub fn rates(&self) -> Vec<[f64; 2]> {
        self.table().iter().map(|point| [point.share.rate(), point.distance]).collect()
    }

    /// The largest ([`End::Near`]) or smallest ([`End::Far`]) distance whose share of pairs on the wrong side is at most `rate`; `None` if that is
    /// less than one pair.
    pub fn at(&self, rate: f64) -> Option<Point> {
        // Slightly more, so that 0.01 of 100 is 1 despite rounding.
        let rank = (rate * self.count as f64 * (1.0 + 1e-9)) as u64;
        if rank == 0 || self.count == 0 {
            return None;
        }
        match self.end {
            End::Near => self.ranked(rank.min(self.count)),
            // The distance of the next one has `rank` above it.
            End::Far => self.ranked(rank + 1).or_else(|| self.ranked(self.count)),
        }
    }

    /// Points at ten rates per decade, from one pair up to half of them; for [`End::Far`] from half of them down to none, at the largest distance.
    pub fn table(&self) -> Vec<Point> {
        let mut points: Vec<Point> = Vec::new();
        if self.count == 0 {
            return points;
        }
        let steps = ((self.count as f64 / 2.0).log10() * PER_DECADE).ceil().max(0.0) as i32;
        let mut rates: Vec<f64> =
            (0..=steps).map(|k| (10f64.powf(f64::from(k) / PER_DECADE) / self.count as f64).min(0.5)).collect();
        // The first rate is always one pair, even of a single one.
        rates[0] = 1.0 / self.count as f64;
        match self.end {
            End::Near => points.extend(rates.iter().filter_map(|&rate| self.at(rate))),
            End::Far => {
                points.extend(rates.iter().rev().filter_map(|&rate| self.at(rate)));
                points.extend(self.ranked(1));
            }
        }
        // If many pairs have the same distance, several rates have the same point.
        points.dedup_by(|next, before| match self.end {
            End::Near => next.share.part <= before.share.part,
            End::Far => next.share.part >= before.share.part,
        });
        points
    }

    /// Shares of all distances in bins of `steps` steps of 1e-4, beginning at 0.
    pub fn histogram(&self, steps: usize) -> Vec<f64> {
        // Step 0 holds only the distance 0 and belongs to the first bin.
        let bins = self.steps[1..].chunks(steps.max(1)).map(|chunk| chunk.iter().sum::<u64>() as f64);
        let mut bins: Vec<f64> = bins.collect();
        bins[0] += self.steps[0] as f64;
        bins.iter_mut().for_each(|bin| *bin /= self.count.max(1) as f64);
        bins
    }

    /// The distance of the given rank from the relevant end, counted from 1, with its share: for [`End::Near`] at most `rank` distances are at or
    /// below it, for [`End::Far`] fewer than `rank` are above it. For equal distances, or if only steps are known, the stricter side; `None` if
    /// nothing is left there.
    fn ranked(&self, rank: u64) -> Option<Point> {
        let whole = self.count;
        let place = usize::try_from(rank.checked_sub(1)?).ok()?;
        let known = self.kept.len() as u64 == whole || place + 1 < self.kept.len();
        let (part, distance) = match (self.end, known) {
            (End::Near, true) => {
                let key = *self.kept.get(place)?;
                // Equal distances belong together: if the next one is equal, none of them counts.
                let upto = match self.kept.get(place + 1) {
                    Some(next) if *next == key => self.kept.partition_point(|k| *k < key),
                    _ => place + 1,
                };
                (upto as u64, f64::from(self.kept[upto.checked_sub(1)?]))
            }
            (End::Far, true) => {
                let key = *self.kept.get(place)?;
                (self.kept.partition_point(|k| *k < key) as u64, f64::from(-key))
            }
            (_, false) if rank > whole => return None,
            // The last edge of a step with at most `rank` at or below it.
            (End::Near, false) => {
                let (mut seen, mut edge) = (0, 0);
                for (i, &here) in self.steps.iter().enumerate() {
                    if seen + here > rank {
                        break;
                    }
                    if here > 0 {
                        (seen, edge) = (seen + here, i);
                    }
                }
                if seen == 0 {
                    return None;
                }
                (seen, edge as f64 * STEP)
            }
            (End::Far, false) => {
                let (mut seen, mut edge) = (0, 0);
                for (i, &here) in self.steps.iter().enumerate().rev() {
                    edge = i;
                    if seen + here >= rank {
                        break;
                    }
                    seen += here;
                }
                (seen, edge as f64 * STEP)
            }
        };
        Some(Point { share: Share { part, whole }, distance })
    }
}

/// The step in which a distance is counted.
fn step(distance: f32) -> usize {
    // Rounded at the seventh digit first: 0.0003 as a float is slightly above 3 steps.
    let steps = (f64::from(distance) / STEP * 1e3).round() / 1e3;
    (steps.ceil().max(0.0) as usize).min(STEPS - 1)
}

/// The last step that is entirely at or below a distance.
fn step_below(distance: f64) -> usize {
    ((distance / STEP + 1e-6).floor().max(0.0) as usize).min(STEPS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(end: End, keep: usize, distances: &[f32]) -> Distribution {
        let mut distribution = Distribution::keeping(end, keep);
        distances.iter().for_each(|&d| distribution.push(d));
        distribution.settle();
        distribution
    }

    #[test]
    fn rates_and_distances_of_a_small_set() {
        let distances: Vec<f32> = (1..=10).map(|i| i as f32 / 10.0).collect();
        let near = filled(End::Near, 100, &distances);
        assert_eq!(near.at(0.2).unwrap(), Point { share: Share { part: 2, whole: 10 }, distance: f64::from(0.2f32) });
        assert_eq!(near.at(0.05), None);
        assert_eq!(near.share(0.35).part, 3);
        let far = filled(End::Far, 100, &distances);
        let point = far.at(0.2).unwrap();
        assert_eq!((point.share.part, point.distance), (2, f64::from(0.8f32)), "two of ten are above 0.8");
        assert_eq!(far.share(point.distance).part, 2);
        let table = far.table();
        assert_eq!(table.last().unwrap(), &Point { share: Share { part: 0, whole: 10 }, distance: 1.0 });
        assert!(filled(End::Near, 100, &[]).table().is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let mut distribution = Distribution::keeping(End::Near, 50);
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..10_000 {
            distribution.push(random.f32() * 2.0);
            assert!(distribution.kept.len() < 100);
        }
        distribution.settle();
        assert_eq!((distribution.kept.len(), distribution.count()), (50, 10_000));
    }

    #[test]
    fn a_histogram_holds_everything() {
        let bins = filled(End::Near, 10, &[0.0, 0.01, 0.02, 0.0201, 2.0]).histogram(200);
        assert_eq!(bins.len(), 100);
        assert_eq!((bins[0], bins[1], bins[99]), (0.6, 0.2, 0.2));
    }

    proptest! {
        #[test]
        fn counted_distances_agree_with_kept_ones(
            distances in prop::collection::vec(0f32..2.0, 1..400), keep in 1usize..60, rate in 0.0f64..0.6, near in any::<bool>(),
        ) {
            let end = if near { End::Near } else { End::Far };
            let (bounded, exact) = (filled(end, keep, &distances), filled(end, 1000, &distances));
            let wrong = |limit: f64| distances.iter().filter(|&&d| (f64::from(d) <= limit) == near).count() as u64;
            if let (Some(a), Some(b)) = (bounded.at(rate), exact.at(rate)) {
                // Never more than requested, and the same distance to a step: bounded memory errs on the strict side.
                prop_assert!(wrong(b.distance) <= (rate * distances.len() as f64 + 1e-6) as u64);
                prop_assert_eq!(b.share.part, wrong(b.distance));
                prop_assert!(a.share.part <= b.share.part && b.share.rate() <= rate + 1e-9);
                let strict = if near { b.distance - a.distance } else { a.distance - b.distance };
                prop_assert!(strict > -1.1e-4 && (a.share.part < b.share.part || strict < 1.1e-4), "{:?} {:?}", a, b);
                let moved = distances.iter().filter(|&&d| (f64::from(d) - a.distance).abs() < 1.1e-4).count() as u64;
                prop_assert!(a.share.part.abs_diff(wrong(a.distance)) <= moved);
            }
            for table in [bounded.table(), exact.table()] {
                let rising = if near { 1.0 } else { -1.0 };
                for pair in table.windows(2) {
                    prop_assert!((pair[1].share.rate() - pair[0].share.rate()) * rising > 0.0);
                    prop_assert!(pair[1].distance >= pair[0].distance);
                }
            }
            for limit in [0.3, 0.77777, 1.5] {
                prop_assert_eq!(exact.share(limit).part, wrong(limit));
                let slack = distances.iter().filter(|d| (f64::from(**d) - limit).abs() < 1.1e-4).count() as u64;
                prop_assert!(bounded.share(limit).part.abs_diff(wrong(limit)) <= slack);
            }
        }
    }
}
