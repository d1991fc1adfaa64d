//! Pictures that are probably labelled wrongly: in most batches they are farther from their own person than strangers are.

use std::collections::BTreeMap;

use super::Distances;
use super::select::{others, positives};

/// The number of batches in which a picture must have been seen.
const MIN_BATCHES: u32 = 5;
/// The share of those batches in which it must have looked wrong.
const MIN_SHARE: f32 = 0.8;

/// Counts for each picture, by its index in the data set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Suspects {
    seen: BTreeMap<usize, Seen>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Seen {
    batches: u32,
    wrong: u32,
}

impl Suspects {
    /// Counts a batch. `pictures[i]` is the data set's index of the i-th picture.
    ///
    /// A picture looks wrong if more than half of the strangers are nearer than the nearest picture of its own person.
    pub fn count(&mut self, distances: &Distances, labels: &[u32], pictures: &[usize]) {
        for (place, &picture) in pictures.iter().enumerate() {
            let nearest = positives(labels, place).map(|other| distances.squared(place, other)).min_by(f32::total_cmp);
            let Some(nearest) = nearest else { continue };
            let (mut nearer, mut strangers) = (0, 0);
            for other in others(labels, place) {
                strangers += 1;
                nearer += usize::from(distances.squared(place, other) < nearest);
            }
            if strangers > 0 {
                let seen = self.seen.entry(picture).or_default();
                seen.batches += 1;
                seen.wrong += u32::from(2 * nearer > strangers);
            }
        }
    }

    /// The suspected pictures, those with the largest share first.
    pub fn listed(&self) -> Vec<usize> {
        let share = |seen: &Seen| seen.wrong as f32 / seen.batches as f32;
        let mut listed: Vec<(usize, f32)> = self
            .seen
            .iter()
            .filter(|(_, seen)| seen.batches >= MIN_BATCHES && share(seen) >= MIN_SHARE)
            .map(|(&picture, seen)| (picture, share(seen)))
            .collect();
        listed.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        listed.into_iter().map(|(picture, _)| picture).collect()
    }

    /// Rows of picture, batches, wrong: for a checkpoint.
    pub fn rows(&self) -> impl Iterator<Item = [u64; 3]> + '_ {
        self.seen.iter().map(|(&picture, seen)| [picture as u64, seen.batches.into(), seen.wrong.into()])
    }

    /// Restores the state that `rows` returned.
    pub fn from_rows(rows: impl IntoIterator<Item = [u64; 3]>) -> Self {
        let seen = rows
            .into_iter()
            .map(|[picture, batches, wrong]| (picture as usize, Seen { batches: batches as u32, wrong: wrong as u32 }))
            .collect();
        Self { seen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_among_strangers_is_suspected_after_some_batches() {
        // Person 1 lives near 0, person 2 near 10; picture 2 is labelled 1 and shows 2.
        let distances = Distances::between(&[0.0, 0.1, 10.1, 10.0, 10.2], 5);
        let labels = [1, 1, 1, 2, 2];
        let mut suspects = Suspects::default();
        for batch in 0..6 {
            assert_eq!(suspects.listed(), if batch < 5 { vec![] } else { vec![72] });
            suspects.count(&distances, &labels, &[70, 71, 72, 73, 74]);
        }
        assert_eq!(Suspects::from_rows(suspects.rows()), suspects);
    }
}
