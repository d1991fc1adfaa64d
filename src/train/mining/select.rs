//! Selecting triplets: within a batch of P people with K pictures each, or over a larger part of the data set ("offline").

#![expect(clippy::indexing_slicing, reason = "indices are those of `labels`")]

use super::{Distances, Mining, Triplet};

/// The triplets of a batch, sorted by anchor, then by positive. `labels[i]` is the person of picture i; `margin` is in squared distance. The same
/// `rng` gives the same triplets. For `Offline` there are none: its triplets come from [`hardest_of_all`].
pub fn triplets(
    mining: Mining,
    distances: &Distances,
    labels: &[u32],
    margin: f32,
    rng: &mut fastrand::Rng,
) -> Vec<Triplet> {
    match mining {
        Mining::All => all(labels),
        Mining::SemiHard => one_negative_per_pair(labels, rng, |anchor, positive, negative| {
            let (near, far) = (distances.squared(anchor, positive), distances.squared(anchor, negative));
            near < far && far < near + margin
        }),
        Mining::Easy => one_negative_per_pair(labels, rng, |anchor, positive, negative| {
            distances.squared(anchor, negative) >= distances.squared(anchor, positive) + margin
        }),
        Mining::Hard => (0..labels.len()).filter_map(|anchor| hardest(distances, labels, anchor)).collect(),
        Mining::Offline => Vec::new(),
    }
}

/// All valid triplets: n (K - 1) (n - K) of them.
fn all(labels: &[u32]) -> Vec<Triplet> {
    pairs(labels)
        .flat_map(|(anchor, positive)| {
            others(labels, anchor).map(move |negative| Triplet { anchor, positive, negative })
        })
        .collect()
}

/// For each ordered pair of pictures of one person, a random negative among those for which `suits` is true.
fn one_negative_per_pair(
    labels: &[u32],
    rng: &mut fastrand::Rng,
    suits: impl Fn(usize, usize, usize) -> bool,
) -> Vec<Triplet> {
    let mut found = Vec::new();
    let mut candidates = Vec::new();
    for (anchor, positive) in pairs(labels) {
        candidates.clear();
        candidates.extend(others(labels, anchor).filter(|&negative| suits(anchor, positive, negative)));
        if let Some(&negative) = rng.choice(&candidates) {
            found.push(Triplet { anchor, positive, negative });
        }
    }
    found
}

/// The farthest positive and the nearest negative of an anchor; `None` without a positive or a negative.
fn hardest(distances: &Distances, labels: &[u32], anchor: usize) -> Option<Triplet> {
    let by_distance = |&a: &usize, &b: &usize| distances.squared(anchor, a).total_cmp(&distances.squared(anchor, b));
    let positive = positives(labels, anchor).max_by(by_distance)?;
    let negative = others(labels, anchor).min_by(by_distance)?;
    Some(Triplet { anchor, positive, negative })
}

/// All ordered pairs of different pictures of one person.
fn pairs(labels: &[u32]) -> impl Iterator<Item = (usize, usize)> + '_ {
    (0..labels.len()).flat_map(|anchor| positives(labels, anchor).map(move |positive| (anchor, positive)))
}

pub(super) fn positives(labels: &[u32], anchor: usize) -> impl Iterator<Item = usize> + '_ {
    (0..labels.len()).filter(move |&other| other != anchor && labels[other] == labels[anchor])
}

pub(super) fn others(labels: &[u32], anchor: usize) -> impl Iterator<Item = usize> + '_ {
    (0..labels.len()).filter(move |&other| labels[other] != labels[anchor])
}

/// Offline mining: for each picture its farthest positive and its nearest negative, in random order.
pub fn hardest_of_all(distances: &Distances, labels: &[u32], rng: &mut fastrand::Rng) -> Vec<Triplet> {
    let mut listed: Vec<Triplet> = (0..labels.len()).filter_map(|anchor| hardest(distances, labels, anchor)).collect();
    rng.shuffle(&mut listed);
    listed
}

/// The pictures of `triplets`, each once, and the triplets as indices of those.
pub fn compact(triplets: &[Triplet]) -> (Vec<usize>, Vec<Triplet>) {
    let mut pictures: Vec<usize> = triplets.iter().flat_map(|t| [t.anchor, t.positive, t.negative]).collect();
    pictures.sort_unstable();
    pictures.dedup();
    // Each picture of a triplet is listed, so the search always succeeds.
    let place = |picture: usize| pictures.binary_search(&picture).unwrap_or_default();
    let placed = triplets
        .iter()
        .map(|t| Triplet { anchor: place(t.anchor), positive: place(t.positive), negative: place(t.negative) })
        .collect();
    (pictures, placed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Pictures of several people at points of a plane.
    fn batch() -> impl Strategy<Value = (Vec<f32>, Vec<u32>)> {
        prop::collection::vec((-1.0f32..1.0, -1.0f32..1.0, 0u32..4), 2..14).prop_map(|pictures| {
            (pictures.iter().flat_map(|p| [p.0, p.1]).collect(), pictures.iter().map(|p| p.2).collect())
        })
    }

    /// The triplets by their definition, in three loops.
    fn brute_force(labels: &[u32], wanted: impl Fn(usize, usize, usize) -> bool) -> BTreeSet<Triplet> {
        let mut found = BTreeSet::new();
        for anchor in 0..labels.len() {
            for positive in 0..labels.len() {
                for negative in 0..labels.len() {
                    let valid =
                        anchor != positive && labels[anchor] == labels[positive] && labels[anchor] != labels[negative];
                    if valid && wanted(anchor, positive, negative) {
                        found.insert(Triplet { anchor, positive, negative });
                    }
                }
            }
        }
        found
    }

    proptest! {
        #[test]
        fn all_selects_every_valid_triplet((embeddings, labels) in batch()) {
            let distances = Distances::between(&embeddings, labels.len());
            let found = triplets(Mining::All, &distances, &labels, 0.2, &mut fastrand::Rng::with_seed(1));
            prop_assert_eq!(found.len(), found.iter().collect::<BTreeSet<_>>().len());
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), brute_force(&labels, |_, _, _| true));
        }

        /// One triplet for each pair that has a suitable negative.
        #[test]
        fn semi_hard_and_easy_follow_their_definitions((embeddings, labels) in batch(), margin in 0.05f32..1.0, seed: u64) {
            let distances = Distances::between(&embeddings, labels.len());
            let near = |a, p| distances.squared(a, p);
            let semi_hard = brute_force(&labels, |a, p, n| near(a, p) < near(a, n) && near(a, n) < near(a, p) + margin);
            let easy = brute_force(&labels, |a, p, n| near(a, n) >= near(a, p) + margin);
            for (mining, right) in [(Mining::SemiHard, semi_hard), (Mining::Easy, easy)] {
                let found = triplets(mining, &distances, &labels, margin, &mut fastrand::Rng::with_seed(seed));
                let pairs = |of: &mut dyn Iterator<Item = &Triplet>| of.map(|t| (t.anchor, t.positive)).collect::<Vec<_>>();
                let mut wanted = pairs(&mut right.iter());
                wanted.dedup();
                prop_assert_eq!(pairs(&mut found.iter()), wanted);
                prop_assert!(found.iter().all(|triplet| right.contains(triplet)));
            }
        }

        #[test]
        fn hard_selects_the_farthest_positive_and_the_nearest_negative((embeddings, labels) in batch()) {
            let distances = Distances::between(&embeddings, labels.len());
            let found = triplets(Mining::Hard, &distances, &labels, 0.2, &mut fastrand::Rng::with_seed(1));
            let anchors = brute_force(&labels, |_, _, _| true).into_iter().map(|t| t.anchor).collect::<BTreeSet<_>>();
            prop_assert_eq!(found.iter().map(|t| t.anchor).collect::<BTreeSet<_>>(), anchors);
            for hard in found {
                for other in brute_force(&labels, |a, _, _| a == hard.anchor) {
                    prop_assert!(distances.squared(hard.anchor, other.positive) <= distances.squared(hard.anchor, hard.positive));
                    prop_assert!(distances.squared(hard.anchor, other.negative) >= distances.squared(hard.anchor, hard.negative));
                }
            }
        }
    }

    #[test]
    fn offline_mining_lists_each_anchor_with_its_hardest_triplet() {
        // Two people on a line: 0, 1 and 5 against 2 and 9.
        let distances = Distances::between(&[0.0, 1.0, 5.0, 2.0, 9.0], 5);
        let mut listed = hardest_of_all(&distances, &[7, 7, 7, 8, 8], &mut fastrand::Rng::with_seed(3));
        listed.sort();
        let triplet = |anchor, positive, negative| Triplet { anchor, positive, negative };
        assert_eq!(listed, [triplet(0, 2, 3), triplet(1, 2, 3), triplet(2, 0, 3), triplet(3, 4, 1), triplet(4, 3, 2)]);
    }

    #[test]
    fn a_compact_batch_has_each_picture_once() {
        let triplet = |anchor, positive, negative| Triplet { anchor, positive, negative };
        let (pictures, placed) = compact(&[triplet(40, 10, 30), triplet(10, 40, 20)]);
        assert_eq!(pictures, [10, 20, 30, 40]);
        assert_eq!(placed, [triplet(3, 0, 2), triplet(0, 3, 1)]);
    }
}
