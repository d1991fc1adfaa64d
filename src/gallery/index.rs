//! The index: all templates that can be recognised, in memory, and the search for the two nearest people. The answers are exact, as if every
//! template were compared.

use std::thread;

use crate::domain::{Distance, Match, PersonId};

use super::nearest_two::NearestTwo;
use super::scan::{Frontier, LINE, NativeStep, Probe, Rows, encode, scan};

/// Rows per thread. With fewer, starting a thread (20 to 50 µs) costs more than it saves.
const ROWS_PER_THREAD: usize = 50_000;

/// One row per template, in no particular order. The columns have equal numbers of rows.
pub struct Index {
    dimension: usize,
    /// The dimension, rounded up to whole cache lines.
    stride: usize,
    codes: Vec<i8>,
    scales: Vec<f32>,
    errors: Vec<f32>,
    owners: Vec<PersonId>,
    /// The unit vectors, `dimension` values per row.
    exact: Vec<f32>,
}

impl Index {
    /// An empty index of vectors with `dimension` values.
    pub fn new(dimension: usize) -> Index {
        Index {
            dimension,
            stride: dimension.next_multiple_of(LINE),
            codes: Vec::new(),
            scales: Vec::new(),
            errors: Vec::new(),
            owners: Vec::new(),
            exact: Vec::new(),
        }
    }

    /// Whether the index has no templates.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// The number of templates.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Adds a template, which must be a unit vector. One of another dimension is ignored.
    pub fn push(&mut self, owner: PersonId, values: &[f32]) {
        if values.len() != self.dimension {
            return;
        }
        let begin = self.codes.len();
        self.codes.resize(begin + self.stride, 0);
        let (scale, error) = encode(values, self.codes.split_at_mut(begin).1);
        self.scales.push(scale);
        self.errors.push(error);
        self.owners.push(owner);
        self.exact.extend_from_slice(values);
    }

    /// The templates of some people.
    pub fn only(&self, wanted: impl Fn(PersonId) -> bool) -> Index {
        let mut some = Index::new(self.dimension);
        for (row, owner) in self.owners.iter().enumerate().filter(|(_, owner)| wanted(**owner)) {
            if let Some(values) = self.exact.get(row * self.dimension..(row + 1) * self.dimension) {
                some.push(*owner, values);
            }
        }
        some
    }

    /// Removes all templates of `owner`. The last rows replace them, and the freed memory is overwritten.
    pub fn remove(&mut self, owner: PersonId) {
        for row in (0..self.len()).rev() {
            if self.owners.get(row) == Some(&owner) {
                self.scales.swap_remove(row);
                self.errors.swap_remove(row);
                self.owners.swap_remove(row);
                swap_remove_row(&mut self.codes, row, self.stride);
                swap_remove_row(&mut self.exact, row, self.dimension);
            }
        }
    }

    /// The nearest person to a unit vector, and the nearest template of anyone else; at equal distance (in single precision) the person with
    /// the lower number. `None` if the index is empty or `values` has another dimension.
    pub fn nearest(&self, values: &[f32], threads: usize) -> Option<Match> {
        if values.len() != self.dimension {
            return None;
        }
        let probe = Probe::<NativeStep>::new(values, self.stride);
        let rows =
            Rows { codes: &self.codes, scales: &self.scales, errors: &self.errors, owners: &self.owners, first: 0 };
        let frontier = self.scan_in_parts(&probe, rows, threads.min(self.len() / ROWS_PER_THREAD).max(1));
        let mut two = NearestTwo::default();
        for row in frontier.candidates() {
            let exact = self.exact.get(row * self.dimension..(row + 1) * self.dimension);
            if let (Some(exact), Some(owner)) = (exact, self.owners.get(row)) {
                two.offer(Distance::between(values, exact), *owner);
            }
        }
        let (distance, person) = two.first()?;
        Some(Match { person, distance, runner_up: two.second().map(|(distance, person)| (person, distance)) })
    }

    fn scan_in_parts(&self, probe: &Probe<NativeStep>, rows: Rows<'_>, parts: usize) -> Frontier {
        let mut frontier = Frontier::default();
        if parts == 1 {
            scan(probe, rows, &mut frontier);
            return frontier;
        }
        let (mine, others) = rows.split_at(rows.owners.len() / parts, self.stride);
        thread::scope(|scope| {
            let theirs = scope.spawn(move || self.scan_in_parts(probe, others, parts - 1));
            scan(probe, mine, &mut frontier);
            match theirs.join() {
                Ok(found) => frontier.merge(found),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        frontier
    }
}

fn swap_remove_row<T: Copy + Default>(table: &mut Vec<T>, row: usize, width: usize) {
    let last = table.len() - width;
    table.copy_within(last.., row * width);
    table.split_at_mut(last).1.fill(T::default());
    table.truncate(last);
}

/// An index of `people` people who do not exist, with one random template each, for measuring. It is the same on every machine.
pub fn strangers(people: u32, dimension: usize) -> Index {
    let mut index = Index::new(dimension);
    let mut random = fastrand::Rng::with_seed(1);
    for person in 1..=people {
        let mut values: Vec<f32> = (0..dimension).map(|_| 2.0 * random.f32() - 1.0).collect();
        let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
        values.iter_mut().for_each(|v| *v /= length);
        index.push(PersonId(person), &values);
    }
    index
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Embedding, ModelId};

    fn unit(values: Vec<f32>) -> Vec<f32> {
        let model = ModelId::new("m");
        Embedding::normalised(model, values.into()).map_or_else(|| vec![1.0], |e| e.values().to_vec())
    }

    /// Compares with every template in turn.
    fn brute(rows: &[(u32, Vec<f32>)], probe: &[f32]) -> Option<Match> {
        let far = |row: &&(u32, Vec<f32>)| (Distance::between(probe, &row.1), row.0);
        let first = rows.iter().min_by(|a, b| far(a).partial_cmp(&far(b)).unwrap())?;
        let second = rows.iter().filter(|r| r.0 != first.0).min_by(|a, b| far(a).partial_cmp(&far(b)).unwrap());
        Some(Match {
            person: PersonId(first.0),
            distance: far(&first).0,
            runner_up: second.map(|r| (PersonId(r.0), far(&r).0)),
        })
    }

    /// Rows of a few people around a few centres. A `spread` of 0 makes duplicates, a tiny one near-duplicates.
    fn gallery() -> impl Strategy<Value = (Vec<(u32, Vec<f32>)>, Vec<f32>)> {
        let sizes = prop_oneof![1usize..8, Just(64), Just(128), Just(192), 1usize..512, Just(512)];
        (
            sizes,
            1usize..6,
            prop_oneof![Just(0.0f32), Just(1e-7), Just(1e-6), Just(1e-4), Just(1e-2), Just(0.3), Just(3.0)],
        )
            .prop_flat_map(|(n, centres, spread)| {
                let vector = prop::collection::vec(-1.0f32..1.0, n);
                let centres = prop::collection::vec(vector.clone(), centres);
                let rows = prop::collection::vec((1u32..9, 0usize..6, vector.clone()), 0..60);
                (centres, rows, vector, 0usize..6).prop_map(move |(centres, rows, probe, at)| {
                    let near = |at: usize, noise: &[f32]| {
                        let centre = &centres[at % centres.len()];
                        unit(centre.iter().zip(noise).map(|(c, e)| c + spread * e).collect())
                    };
                    let fit = |v: Vec<f32>| if v.len() == n { v } else { unit(vec![1.0; n]) };
                    let probe = fit(near(at, &probe));
                    (rows.iter().map(|(id, at, e)| (*id, fit(near(*at, e)))).collect(), probe)
                })
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn the_search_agrees_with_brute_force((mut rows, probe) in gallery(), gone in 1u32..9) {
            let mut index = Index::new(probe.len());
            for (id, values) in &rows {
                index.push(PersonId(*id), values);
            }
            prop_assert_eq!(index.nearest(&probe, 1), brute(&rows, &probe));
            index.remove(PersonId(gone));
            rows.retain(|r| r.0 != gone);
            prop_assert_eq!(index.len(), rows.len());
            prop_assert_eq!(index.nearest(&probe, 1), brute(&rows, &probe));
        }
    }

    #[test]
    fn large_galleries_and_threads_give_the_same_answer() {
        let (n, dimension) = (150_000usize, 16);
        let mut state = 1u64;
        let mut noise = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
        };
        let rows: Vec<(u32, Vec<f32>)> =
            (0..n).map(|i| (i as u32 / 5 + 1, unit((0..dimension).map(|_| noise()).collect()))).collect();
        let mut index = Index::new(dimension);
        for (id, values) in &rows {
            index.push(PersonId(*id), values);
        }
        for probe in (0..6).map(|_| unit((0..dimension).map(|_| noise()).collect())) {
            let expected = brute(&rows, &probe);
            for threads in [1, 2, 3] {
                assert_eq!(index.nearest(&probe, threads), expected);
            }
        }
        // The first and last rows of each part are found.
        for row in [0, n / 2 - 1, n / 2, n - 1] {
            for threads in [1, 2] {
                assert_eq!(index.nearest(&rows[row].1, threads).unwrap().distance, Distance(0.0));
            }
        }
    }

    #[test]
    fn one_person_has_no_runner_up_and_nobody_no_match() {
        let mut index = Index::new(2);
        assert_eq!(index.nearest(&[1.0, 0.0], 2), None);
        index.push(PersonId(9), &[1.0]);
        assert!(index.is_empty());
        index.push(PersonId(4), &[1.0, 0.0]);
        index.push(PersonId(4), &[0.0, 1.0]);
        let found = index.nearest(&[1.0, 0.0], 1).unwrap();
        assert_eq!((found.person, found.distance, found.runner_up), (PersonId(4), Distance(0.0), None));
        assert_eq!(index.nearest(&[1.0], 1), None);
    }
}
