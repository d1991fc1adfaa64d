//! Which pictures are probably labelled wrongly: in batch after batch they lie farther from their own person than strangers do.

use std::collections::BTreeMap;

use super::online::{others, positives};
use crate::train::distance::Distances;

/// A picture must have been seen this often before it is suspected.
const ENOUGH: u32 = 5;
/// And it must have looked wrong in this share of those batches.
const MOSTLY: f32 = 0.8;

/// What was seen of each picture, by its number in the data set.
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
    /// Looks at a batch. `pictures[i]` is the number in the data set of the i-th of it.
    ///
    /// A picture looks wrong when the nearest of its own person is farther than half of the others are: then even its easy
    /// negatives are nearer than its positives.
    pub fn look(&mut self, distances: &Distances, labels: &[u32], pictures: &[usize]) {
        for (place, &picture) in pictures.iter().enumerate() {
            let nearest = positives(labels, place).map(|other| distances.squared(place, other)).min_by(f32::total_cmp);
            let Some(nearest) = nearest else { continue };
            let (mut nearer, mut count) = (0, 0);
            for other in others(labels, place) {
                count += 1;
                nearer += usize::from(distances.squared(place, other) < nearest);
            }
            if count > 0 {
                let seen = self.seen.entry(picture).or_default();
                seen.batches += 1;
                seen.wrong += u32::from(2 * nearer > count);
            }
        }
    }

    /// The pictures that looked wrong in most of many batches, the surest first.
    pub fn listed(&self) -> Vec<usize> {
        let share = |seen: &Seen| seen.wrong as f32 / seen.batches as f32;
        let mut listed: Vec<(usize, f32)> = self
            .seen
            .iter()
            .filter(|(_, seen)| seen.batches >= ENOUGH && share(seen) >= MOSTLY)
            .map(|(&picture, seen)| (picture, share(seen)))
            .collect();
        listed.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        listed.into_iter().map(|(picture, _)| picture).collect()
    }

    /// As rows of picture, batches, wrong: for a checkpoint.
    pub fn rows(&self) -> impl Iterator<Item = [u64; 3]> + '_ {
        self.seen.iter().map(|(&picture, seen)| [picture as u64, seen.batches.into(), seen.wrong.into()])
    }

    /// From what `rows` gave.
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
            suspects.look(&distances, &labels, &[70, 71, 72, 73, 74]);
        }
        assert_eq!(Suspects::from_rows(suspects.rows()), suspects);
    }
}
