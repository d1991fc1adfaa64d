//! Compares every photograph of a labelled set with every other: the distributions of impostor and genuine distances, and the worst pairs.

#![expect(clippy::indexing_slicing, reason = "indices of people and vectors come from the loops over them")]

use super::distribution::{Distribution, End};
use super::share::Share;
use crate::domain::Distance;

/// The number of worst pairs that are kept of each kind.
const WORST: usize = 20;

/// A person with the unit vectors of their photographs.
#[derive(Clone, Debug, Default)]
pub struct Person {
    pub vectors: Vec<Box<[f32]>>,
}

/// Two photographs, each given by its person's index and its own among that person's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    pub distance: f32,
    pub a: (usize, usize),
    pub b: (usize, usize),
}

/// The distances of all pairs.
#[derive(Debug)]
pub struct Comparisons {
    /// Pairs of different people.
    pub impostor: Distribution,
    /// Pairs of one person.
    pub genuine: Distribution,
    /// The nearest pair of each two people: the nearest twenty of these.
    pub nearest: Vec<Pair>,
    /// The farthest pair of each person: the farthest twenty of these.
    pub farthest: Vec<Pair>,
    /// The distance of the farthest pair of each person with at least two photographs, in ascending order.
    pub widths: Vec<f32>,
}

/// Compares every photograph with every other. Calls `progress` with the number of people done.
pub fn compare_all(people: &[Person], mut progress: impl FnMut(usize)) -> Comparisons {
    let mut all = Comparisons {
        impostor: Distribution::new(End::Near),
        genuine: Distribution::new(End::Far),
        nearest: Vec::new(),
        farthest: Vec::new(),
        widths: Vec::new(),
    };
    for (p, person) in people.iter().enumerate() {
        let mut widest: Option<Pair> = None;
        for i in 0..person.vectors.len() {
            for j in 0..i {
                let distance = Distance::between(&person.vectors[i], &person.vectors[j]).0;
                all.genuine.push(distance);
                if widest.is_none_or(|w| distance > w.distance) {
                    widest = Some(Pair { distance, a: (p, j), b: (p, i) });
                }
            }
        }
        if let Some(pair) = widest {
            all.widths.push(pair.distance);
            keep(&mut all.farthest, pair, |kept| -kept.distance);
        }
        for (q, other) in people[..p].iter().enumerate() {
            let mut closest: Option<Pair> = None;
            for (i, one) in person.vectors.iter().enumerate() {
                for (j, two) in other.vectors.iter().enumerate() {
                    let distance = Distance::between(one, two).0;
                    all.impostor.push(distance);
                    if closest.is_none_or(|c| distance < c.distance) {
                        closest = Some(Pair { distance, a: (q, j), b: (p, i) });
                    }
                }
            }
            if let Some(pair) = closest {
                keep(&mut all.nearest, pair, |kept| kept.distance);
            }
        }
        progress(p + 1);
    }
    all.impostor.settle();
    all.genuine.settle();
    all.widths.sort_by(f32::total_cmp);
    all
}

impl Comparisons {
    /// The share of the people with at least two photographs who have a pair farther apart than `distance`.
    pub fn people_beyond(&self, distance: f64) -> Share {
        let whole = self.widths.len() as u64;
        Share { part: whole - self.widths.partition_point(|&w| f64::from(w) <= distance) as u64, whole }
    }
}

/// Inserts `pair` into the worst pairs, sorted by `key`.
fn keep(worst: &mut Vec<Pair>, pair: Pair, key: impl Fn(&Pair) -> f32) {
    if worst.len() == WORST && worst.last().is_some_and(|last| key(&pair) >= key(last)) {
        return;
    }
    let place = worst.partition_point(|kept| key(kept) <= key(&pair));
    worst.insert(place, pair);
    worst.truncate(WORST);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(degrees: &[f32]) -> Person {
        let at = |d: &f32| -> Box<[f32]> { [d.to_radians().cos(), d.to_radians().sin()].into() };
        Person { vectors: degrees.iter().map(at).collect() }
    }

    #[test]
    fn every_pair_is_counted_once_on_its_side() {
        let people = [person(&[0.0, 10.0, 20.0]), person(&[90.0]), person(&[]), person(&[95.0, 180.0])];
        let mut done = 0;
        let crossed = compare_all(&people, |n| done = n);
        assert_eq!((crossed.genuine.count(), crossed.impostor.count(), done), (4, 11, 4));
        assert_eq!((crossed.nearest[0].a, crossed.nearest[0].b), ((1, 0), (3, 0)), "5 degrees apart");
        assert_eq!((crossed.farthest[0].a, crossed.farthest[0].b), ((3, 0), (3, 1)), "85 degrees apart");
        assert_eq!(
            (crossed.nearest.len(), crossed.farthest.len()),
            (3, 2),
            "one for each two people, one for each person"
        );
        let twenty = f64::from(Distance::between(&people[0].vectors[0], &people[0].vectors[2]).0);
        assert_eq!(crossed.people_beyond(twenty), Share { part: 1, whole: 2 });
    }

    #[test]
    fn only_the_worst_are_kept_and_in_order() {
        let people: Vec<Person> = (0..40).map(|i| person(&[i as f32 * i as f32 / 10.0])).collect();
        let crossed = compare_all(&people, |_| {});
        assert_eq!(crossed.nearest.len(), WORST);
        assert!(crossed.nearest.windows(2).all(|w| w[0].distance <= w[1].distance));
        assert_eq!((crossed.nearest[0].a.0, crossed.nearest[0].b.0), (0, 1));
    }
}
