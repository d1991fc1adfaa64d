//! All templates that may be recognised, in memory, and the search for the nearest two people among them.
//!
//! Knows nothing of the store and of names. Its answers are exact: those of a comparison with every template in turn.

use std::thread;

use crate::domain::{Distance, Match, PersonId};

use super::podium::Podium;
use super::scan::{Frontier, LINE, NativeStep, Probe, Rows, encode, scan};

/// Rows for each thread; with fewer, starting a thread (some 20 to 50 µs) eats up what it saves.
const ROWS_PER_THREAD: usize = 50_000;

/// One row a template, in no order.
pub struct Index {
    dimension: usize,
    /// The dimension, rounded up to whole cache lines.
    stride: usize,
    codes: Vec<i8>,
    scales: Vec<f32>,
    errors: Vec<f32>,
    owners: Vec<PersonId>,
    /// The unit vectors themselves, `dimension` numbers a row.
    exact: Vec<f32>,
}

impl Index {
    /// Empty, for vectors of `dimension` numbers.
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

    /// Whether nobody can be found.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Templates held.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Adds a template, a unit vector; one that is not of the index's dimension is left out.
    pub fn push(&mut self, owner: PersonId, values: &[f32]) {
        if values.len() != self.dimension {
            return;
        }
        let begin = self.codes.len();
        self.codes.resize(begin + self.stride, 0);
        let (scale, error) = encode(values, &mut self.codes[begin..]);
        self.scales.push(scale);
        self.errors.push(error);
        self.owners.push(owner);
        self.exact.extend_from_slice(values);
    }

    /// Forgets all templates of `owner`: the last rows move into their places, and what was there is written over.
    pub fn remove(&mut self, owner: PersonId) {
        for row in (0..self.len()).rev() {
            if self.owners[row] == owner {
                self.scales.swap_remove(row);
                self.errors.swap_remove(row);
                self.owners.swap_remove(row);
                swap_remove_row(&mut self.codes, row, self.stride);
                swap_remove_row(&mut self.exact, row, self.dimension);
            }
        }
    }

    /// The nearest person to a unit vector of the index's dimension, and the nearest template of anybody else; of people as near
    /// (in the distance's own single precision) the one with the lower number. `None` when empty, or when the vector is not of that dimension.
    pub fn nearest(&self, values: &[f32], threads: usize) -> Option<Match> {
        if values.len() != self.dimension {
            return None;
        }
        let probe = Probe::<NativeStep>::new(values, self.stride);
        let rows =
            Rows { codes: &self.codes, scales: &self.scales, errors: &self.errors, owners: &self.owners, first: 0 };
        let frontier = self.scan_in_parts(&probe, rows, threads.min(self.len() / ROWS_PER_THREAD).max(1));
        let mut podium = Podium::default();
        for row in frontier.candidates() {
            let exact = &self.exact[row * self.dimension..][..self.dimension];
            podium.offer(Distance::between(values, exact), self.owners[row]);
        }
        let (distance, person) = podium.first()?;
        Some(Match { person, distance, runner_up: podium.second().map(|(distance, person)| (person, distance)) })
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
                Ok(found) => frontier.join(found),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        frontier
    }
}

fn swap_remove_row<T: Copy + Default>(table: &mut Vec<T>, row: usize, width: usize) {
    let last = table.len() - width;
    table.copy_within(last.., row * width);
    table[last..].fill(T::default());
    table.truncate(last);
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

    /// Every template in turn.
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

    /// Rows of a few people about a few centres: `spread` 0 makes duplicates, tiny ones near-duplicates.
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
        fn the_answer_is_that_of_every_template_in_turn((mut rows, probe) in gallery(), gone in 1u32..9) {
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
        // The last rows are found too, whichever thread looks at them.
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
