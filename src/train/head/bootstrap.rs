//! Error rates of pairs that share people, with confidence intervals. The bootstrap resamples people, not pairs (Bolle, Ratha and Pankanti, "Error
//! analysis of pattern recognition systems: the subsets bootstrap", 2004).

#![expect(clippy::indexing_slicing, reason = "people's indices are below the number of people of a resample")]

use std::collections::BTreeMap;

/// The people of two photographs, as indices, and the photographs' distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    pub a: u32,
    pub b: u32,
    pub distance: f32,
}

/// Pairs that are evaluated together.
pub struct Pairs {
    /// Of two people, in ascending order of distance.
    impostor: Vec<Pair>,
    /// Of one.
    genuine: Vec<Pair>,
    /// The number of impostor pairs of each two people, which is needed for every resample and much shorter than the pairs.
    counts: Vec<(Pair, u64)>,
}

/// How often each person is in a resample.
pub struct Resample(Vec<u32>);

impl Resample {
    /// Everyone once: the original sample.
    pub fn once(people: usize) -> Resample {
        Resample(vec![1; people])
    }

    /// As many people as there are, drawn with replacement.
    pub fn random(people: usize, rng: &mut fastrand::Rng) -> Resample {
        let mut counts = vec![0; people];
        (0..people).for_each(|_| counts[rng.usize(..people)] += 1);
        Resample(counts)
    }

    fn weight(&self, pair: &Pair) -> u64 {
        match pair.a == pair.b {
            true => self.0[pair.a as usize].into(),
            false => u64::from(self.0[pair.a as usize]) * u64::from(self.0[pair.b as usize]),
        }
    }
}

impl Pairs {
    pub fn new(mut impostor: Vec<Pair>, genuine: Vec<Pair>) -> Pairs {
        impostor.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        let mut counts = BTreeMap::new();
        for pair in &impostor {
            counts.entry((pair.a, pair.b)).or_insert((*pair, 0)).1 += 1;
        }
        Pairs { impostor, genuine, counts: counts.into_values().collect() }
    }

    /// The false non-match rate at the false match rate `fmr`: the share of genuine pairs, 0 to 1, that are not nearer than the impostor pair that
    /// would exceed `fmr`. `None` without genuine pairs. A person who is in the resample twice counts twice.
    pub fn fnmr(&self, fmr: f64, resample: &Resample) -> Option<f64> {
        let total: u64 = self.counts.iter().map(|(pair, count)| resample.weight(pair) * count).sum();
        let (allowed, mut nearer) = (fmr * total as f64 * (1.0 + 1e-9), 0);
        let exceeds = |pair: &&Pair| {
            nearer += resample.weight(pair);
            nearer as f64 > allowed
        };
        let bound = self.impostor.iter().find(exceeds).map_or(f32::INFINITY, |pair| pair.distance);
        let (mut all, mut missed) = (0, 0);
        for pair in &self.genuine {
            all += resample.weight(pair);
            missed += if pair.distance >= bound { resample.weight(pair) } else { 0 };
        }
        (all > 0).then(|| missed as f64 / all as f64)
    }
}

/// The 2.5 % and the 97.5 % quantile; NaN without values.
pub fn interval_95(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at =
        |share: f64| values.get(((values.len() as f64 - 1.0) * share).round() as usize).copied().unwrap_or(f64::NAN);
    (at(0.025), at(0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(a: u32, b: u32, distance: f32) -> Pair {
        Pair { a, b, distance }
    }

    #[test]
    fn the_rate_is_that_at_the_distance_of_the_allowed_impostors() {
        let impostor = (0..10).map(|n| pair(n % 2, 2 + n % 3, 1.0 + n as f32 / 10.0)).collect();
        let genuine = vec![pair(0, 0, 0.5), pair(1, 1, 1.05), pair(2, 2, 1.15), pair(3, 3, 3.0)];
        let pairs = Pairs::new(impostor, genuine);
        let once = Resample::once(5);
        assert_eq!(pairs.fnmr(0.0, &once), Some(0.75), "nearer than 1.0");
        assert_eq!(pairs.fnmr(0.1, &once), Some(0.5), "one impostor may pass: nearer than 1.1");
        assert_eq!(pairs.fnmr(0.2, &once), Some(0.25));
        assert_eq!(pairs.fnmr(1.0, &once), Some(0.0));
        // Without the first and the third person, and with the second twice.
        assert_eq!(pairs.fnmr(0.0, &Resample(vec![0, 2, 0, 1, 1])), Some(1.0 / 3.0), "the nearest left is at 1.1");
        assert_eq!(pairs.fnmr(0.5, &Resample(vec![0, 0, 0, 0, 5])), None);
    }

    #[test]
    fn a_resample_has_as_many_people_as_there_are() {
        let mut rng = fastrand::Rng::with_seed(3);
        for people in [1, 2, 50] {
            assert_eq!(Resample::random(people, &mut rng).0.iter().sum::<u32>() as usize, people);
        }
        assert_eq!(interval_95((0..=1000).map(f64::from).collect()), (25.0, 975.0));
    }
}
