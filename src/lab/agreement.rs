//! How well clusters agree with the truth: precision, recall and F1, over pairs and B-cubed.

use std::collections::HashMap;
use std::hash::Hash;

/// Precision: how pure the clusters are. Recall: how complete the people are. Each from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    pub precision: f64,
    pub recall: f64,
}

impl Agreement {
    /// The harmonic mean of the two.
    pub fn f1(&self) -> f64 {
        match self.precision + self.recall {
            0.0 => 0.0,
            sum => 2.0 * self.precision * self.recall / sum,
        }
    }
}

/// Over all pairs of items `(group, person)`. Precision: the share of pairs in one group that are of one person; recall: the share of pairs of
/// one person that are in one group. Large groups weigh by their square. 1 if there is no such pair.
pub fn pairwise<G: Eq + Hash + Copy, T: Eq + Hash + Copy>(items: &[(G, T)]) -> Agreement {
    let pairs = |count: &usize| (count * (count - 1) / 2) as f64;
    let sum = |counts: &mut dyn Iterator<Item = &usize>| counts.map(pairs).sum::<f64>();
    let (cells, groups, people) = (count(items, |i| i), count(items, |i| i.0), count(items, |i| i.1));
    let correct = sum(&mut cells.values());
    let share = |of: f64| if of > 0.0 { correct / of } else { 1.0 };
    Agreement { precision: share(sum(&mut groups.values())), recall: share(sum(&mut people.values())) }
}

/// The mean over all items `(group, person)` of each one's precision (the share of its group that is the same person) and recall (the share of
/// the person that is in its group). Bagga and Baldwin 1998; the usual measure of face clustering.
pub fn b_cubed<G: Eq + Hash + Copy, T: Eq + Hash + Copy>(items: &[(G, T)]) -> Agreement {
    let (groups, people) = (count(items, |i| i.0), count(items, |i| i.1));
    let (mut precision, mut recall) = (0.0, 0.0);
    for ((group, person), together) in count(items, |i| i) {
        // The `together` items of a cell have `together` items like them each.
        let square = (together * together) as f64;
        precision += square / groups.get(&group).map_or(1.0, |&count| count as f64);
        recall += square / people.get(&person).map_or(1.0, |&count| count as f64);
    }
    let all = items.len().max(1) as f64;
    Agreement { precision: precision / all, recall: recall / all }
}

fn count<I: Copy, K: Eq + Hash>(items: &[I], key: impl Fn(I) -> K) -> HashMap<K, usize> {
    let mut counts = HashMap::new();
    for &item in items {
        *counts.entry(key(item)).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_example_by_hand() {
        // One group of two people, one of one: (a a b) (b).
        let items = [(0, 'a'), (0, 'a'), (0, 'b'), (1, 'b')];
        let pairs = pairwise(&items);
        // Three pairs in a group, one right; two true pairs, one found.
        assert_eq!((pairs.precision, pairs.recall), (1.0 / 3.0, 0.5));
        let cubed = b_cubed(&items);
        assert!((cubed.precision - (2.0 / 3.0 + 2.0 / 3.0 + 1.0 / 3.0 + 1.0) / 4.0).abs() < 1e-12);
        assert!((cubed.recall - (1.0 + 1.0 + 0.5 + 0.5) / 4.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn both_follow_their_definitions(items in prop::collection::vec((0u8..5, 0u8..5), 1..40)) {
            let (mut precision, mut recall) = (0.0, 0.0);
            let (mut grouped, mut same, mut both) = (0.0, 0.0, 0.0);
            for (i, a) in items.iter().enumerate() {
                let here = |f: &dyn Fn(&(u8, u8)) -> bool| items.iter().filter(|b| f(b)).count() as f64;
                let right = here(&|b| b == a);
                precision += right / here(&|b| b.0 == a.0) / items.len() as f64;
                recall += right / here(&|b| b.1 == a.1) / items.len() as f64;
                for b in &items[..i] {
                    grouped += f64::from(a.0 == b.0);
                    same += f64::from(a.1 == b.1);
                    both += f64::from(a == b);
                }
            }
            let cubed = b_cubed(&items);
            prop_assert!((cubed.precision - precision).abs() < 1e-9 && (cubed.recall - recall).abs() < 1e-9);
            let pairs = pairwise(&items);
            prop_assert!(grouped == 0.0 || (pairs.precision - both / grouped).abs() < 1e-9);
            prop_assert!(same == 0.0 || (pairs.recall - both / same).abs() < 1e-9);
        }

        #[test]
        fn the_truth_agrees_with_itself(people in prop::collection::vec(0u8..5, 1..40)) {
            let items: Vec<_> = people.iter().map(|&p| (p, p)).collect();
            prop_assert!((b_cubed(&items).f1() - 1.0).abs() < 1e-9 && (pairwise(&items).f1() - 1.0).abs() < 1e-9);
        }
    }
}
