//! Every photograph of a labelled set against every other: how near strangers come to each other, how far apart one person's photographs
//! are, and which pairs are the worst.
//!
//! Knows nothing of files and networks.

use super::distribution::{Distribution, End};
use crate::domain::Distance;

/// Pairs kept as the worst of their kind.
const WORST: usize = 20;

/// A person with the unit vectors of their photographs.
#[derive(Clone, Debug, Default)]
pub struct Person {
    pub vectors: Vec<Box<[f32]>>,
}

/// Two photographs, each by its person's number and its own among that person's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    pub distance: f32,
    pub a: (usize, usize),
    pub b: (usize, usize),
}

/// What all pairs gave.
#[derive(Debug)]
pub struct Crossed {
    /// Pairs of different people.
    pub impostor: Distribution,
    /// Pairs of one person.
    pub genuine: Distribution,
    /// The nearest pair of each two people, of the nearest twenty.
    pub nearest: Vec<Pair>,
    /// The farthest pair of each person, of the farthest twenty.
    pub farthest: Vec<Pair>,
    /// Of each person with two photographs or more the distance of the farthest pair, the smallest first.
    pub widths: Vec<f32>,
}

/// Compares every photograph with every other. `told` is called with the number of people done.
pub fn cross(people: &[Person], mut told: impl FnMut(usize)) -> Crossed {
    let mut crossed = Crossed {
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
                crossed.genuine.push(distance);
                if widest.is_none_or(|w| distance > w.distance) {
                    widest = Some(Pair { distance, a: (p, j), b: (p, i) });
                }
            }
        }
        if let Some(pair) = widest {
            crossed.widths.push(pair.distance);
            keep(&mut crossed.farthest, pair, |kept| -kept.distance);
        }
        for (q, other) in people[..p].iter().enumerate() {
            let mut closest: Option<Pair> = None;
            for (i, one) in person.vectors.iter().enumerate() {
                for (j, two) in other.vectors.iter().enumerate() {
                    let distance = Distance::between(one, two).0;
                    crossed.impostor.push(distance);
                    if closest.is_none_or(|c| distance < c.distance) {
                        closest = Some(Pair { distance, a: (q, j), b: (p, i) });
                    }
                }
            }
            if let Some(pair) = closest {
                keep(&mut crossed.nearest, pair, |kept| kept.distance);
            }
        }
        told(p + 1);
    }
    crossed.impostor.settle();
    crossed.genuine.settle();
    crossed.widths.sort_by(f32::total_cmp);
    crossed
}

impl Crossed {
    /// Of the people with two photographs or more, those with a pair farther apart than `distance`.
    pub fn torn(&self, distance: f64) -> super::roc::Share {
        let whole = self.widths.len() as u64;
        super::roc::Share { part: whole - self.widths.partition_point(|&w| f64::from(w) <= distance) as u64, whole }
    }
}

/// Puts `pair` among the worst, of which the smallest `key` comes first.
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
    use crate::lab::roc::Share;

    fn person(degrees: &[f32]) -> Person {
        let at = |d: &f32| -> Box<[f32]> { [d.to_radians().cos(), d.to_radians().sin()].into() };
        Person { vectors: degrees.iter().map(at).collect() }
    }

    #[test]
    fn every_pair_is_counted_once_on_its_side() {
        let people = [person(&[0.0, 10.0, 20.0]), person(&[90.0]), person(&[]), person(&[95.0, 180.0])];
        let mut done = 0;
        let crossed = cross(&people, |n| done = n);
        assert_eq!((crossed.genuine.count(), crossed.impostor.count(), done), (4, 11, 4));
        assert_eq!((crossed.nearest[0].a, crossed.nearest[0].b), ((1, 0), (3, 0)), "5 degrees apart");
        assert_eq!((crossed.farthest[0].a, crossed.farthest[0].b), ((3, 0), (3, 1)), "85 degrees apart");
        assert_eq!(
            (crossed.nearest.len(), crossed.farthest.len()),
            (3, 2),
            "one for each two people, one for each person"
        );
        let twenty = f64::from(Distance::between(&people[0].vectors[0], &people[0].vectors[2]).0);
        assert_eq!(crossed.torn(twenty), Share { part: 1, whole: 2 });
    }

    #[test]
    fn only_the_worst_are_kept_and_in_order() {
        let people: Vec<Person> = (0..40).map(|i| person(&[i as f32 * i as f32 / 10.0])).collect();
        let crossed = cross(&people, |_| {});
        assert_eq!(crossed.nearest.len(), WORST);
        assert!(crossed.nearest.windows(2).all(|w| w[0].distance <= w[1].distance));
        assert_eq!((crossed.nearest[0].a.0, crossed.nearest[0].b.0), (0, 1));
    }
}
