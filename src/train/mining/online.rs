//! Triplets within a batch of P people with K pictures each.

use super::{Mining, Triplet};
use crate::train::distance::Distances;

/// The triplets of a batch. `labels[i]` is whom picture i shows, `margin` is in squared distance.
///
/// In the order of anchors, then of positives; the same `draw` gives the same triplets. `Offline` takes what was listed, so it
/// finds none here.
pub fn triplets(
    mining: Mining,
    distances: &Distances,
    labels: &[u32],
    margin: f32,
    draw: &mut fastrand::Rng,
) -> Vec<Triplet> {
    match mining {
        Mining::All => all(labels),
        Mining::SemiHard => one_negative_a_pair(labels, draw, |anchor, positive, negative| {
            let (near, far) = (distances.squared(anchor, positive), distances.squared(anchor, negative));
            near < far && far < near + margin
        }),
        Mining::Easy => one_negative_a_pair(labels, draw, |anchor, positive, negative| {
            distances.squared(anchor, negative) >= distances.squared(anchor, positive) + margin
        }),
        Mining::Hard => (0..labels.len()).filter_map(|anchor| hardest(distances, labels, anchor)).collect(),
        Mining::Offline => Vec::new(),
    }
}

/// Every triplet that labels allow: n (K - 1) (n - K) of them.
fn all(labels: &[u32]) -> Vec<Triplet> {
    pairs(labels)
        .flat_map(|(anchor, positive)| {
            others(labels, anchor).map(move |negative| Triplet { anchor, positive, negative })
        })
        .collect()
}

/// For each ordered pair of one person a negative drawn among those that suit.
fn one_negative_a_pair(
    labels: &[u32],
    draw: &mut fastrand::Rng,
    suits: impl Fn(usize, usize, usize) -> bool,
) -> Vec<Triplet> {
    let mut found = Vec::new();
    let mut candidates = Vec::new();
    for (anchor, positive) in pairs(labels) {
        candidates.clear();
        candidates.extend(others(labels, anchor).filter(|&negative| suits(anchor, positive, negative)));
        if let Some(&negative) = draw.choice(&candidates) {
            found.push(Triplet { anchor, positive, negative });
        }
    }
    found
}

/// The farthest positive and the nearest negative of an anchor; none where there is no positive or no negative.
pub(super) fn hardest(distances: &Distances, labels: &[u32], anchor: usize) -> Option<Triplet> {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Some pictures of some people at some places of a plane.
    fn batch() -> impl Strategy<Value = (Vec<f32>, Vec<u32>)> {
        prop::collection::vec((-1.0f32..1.0, -1.0f32..1.0, 0u32..4), 2..14).prop_map(|pictures| {
            (pictures.iter().flat_map(|p| [p.0, p.1]).collect(), pictures.iter().map(|p| p.2).collect())
        })
    }

    /// The triplets by definition: three loops.
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
        fn all_are_all((embeddings, labels) in batch()) {
            let distances = Distances::between(&embeddings, labels.len());
            let found = triplets(Mining::All, &distances, &labels, 0.2, &mut fastrand::Rng::with_seed(1));
            prop_assert_eq!(found.len(), found.iter().collect::<BTreeSet<_>>().len());
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), brute_force(&labels, |_, _, _| true));
        }

        /// One for each pair that has any, and each of them one of those.
        #[test]
        fn semi_hard_and_easy_are_what_they_are_called((embeddings, labels) in batch(), margin in 0.05f32..1.0, seed: u64) {
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
        fn hard_is_the_farthest_positive_and_the_nearest_negative((embeddings, labels) in batch()) {
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
    fn distances_are_those_of_the_points() {
        let distances = Distances::between(&[0.0, 0.0, 3.0, 4.0, 0.0, 1.0], 3);
        assert_eq!([distances.squared(0, 1), distances.squared(2, 1), distances.squared(1, 1)], [25.0, 18.0, 0.0]);
    }
}
