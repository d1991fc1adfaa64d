//! How the risk of several pictures of one face accumulates: if one of three photographs of a person matches a stranger, how often do the others
//! match too?
//!
//! Distances are symmetric, so the answer holds for several templates of one person and for several pictures of one visit.

use super::calibrate::Person;
use crate::domain::Distance;

/// Photographs of each person that are considered together.
const TOGETHER: usize = 3;
/// The number of false matches, the nearest ones, on which it is measured.
const EVENTS: usize = 100;
/// The largest share of all comparisons that these false matches may be, for the result to apply at a door: the rarer false matches are, the less
/// they are shared by pictures of one face.
const RARE: f64 = 1e-4;
/// Standard deviations to the upper 95 % bound.
const UPPER: f64 = 1.645;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repeats {
    /// k pictures of one face count as `k^exponent` people. From 0 to 1; the upper 95 % bound.
    pub exponent: f64,
    /// People with at least three photographs.
    pub people: usize,
    /// Strangers' photographs within `distance` of at least one of a person's three.
    pub events: usize,
    /// The distance of the farthest of them.
    pub distance: f32,
}

/// Compares the first three photographs of each person who has as many with all photographs of everyone else. `None` if there are too few
/// to measure on [`EVENTS`] sufficiently rare false matches.
pub fn repeats(people: &[Person]) -> Option<Repeats> {
    let mut nearest: Vec<[f32; TOGETHER]> = Vec::new();
    let (mut several, mut comparisons) = (0, 0u64);
    for (p, person) in people.iter().enumerate() {
        let Some(three) = person.vectors.first_chunk::<TOGETHER>() else { continue };
        several += 1;
        for (_, other) in people.iter().enumerate().filter(|(q, _)| *q != p) {
            for vector in &other.vectors {
                let mut distances = three.each_ref().map(|own| Distance::between(own, vector).0);
                distances.sort_by(f32::total_cmp);
                comparisons += TOGETHER as u64;
                nearest.push(distances);
            }
        }
        keep_nearest(&mut nearest);
    }
    let [distance, ..] = *nearest.get(EVENTS - 1)?;
    let within = |distances: &[f32; TOGETHER]| distances.iter().filter(|d| **d <= distance).count() as f64;
    let counts: Vec<f64> = nearest.iter().take(EVENTS).map(within).collect();
    let all: f64 = counts.iter().sum();
    if all > RARE * comparisons as f64 {
        return None;
    }
    // If only one of three matches, the other pictures add to the rate; if all three match, they add nothing.
    let mean = all / EVENTS as f64;
    let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / (EVENTS - 1) as f64;
    let least = (mean - UPPER * (variance / EVENTS as f64).sqrt()).max(1.0);
    let exponent = (1.0 - least.ln() / (TOGETHER as f64).ln()).clamp(0.0, 1.0);
    Some(Repeats { exponent, people: several, events: EVENTS, distance })
}

/// Keeps only the [`EVENTS`] nearest, sorted.
fn keep_nearest(found: &mut Vec<[f32; TOGETHER]>) {
    found.sort_by(|a, b| a[0].total_cmp(&b[0]));
    found.truncate(EVENTS);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` people at random points of a sphere, each with three photographs: identical ones for the first `alike`, for the others as far
    /// apart as strangers.
    fn crowd(count: usize, alike: usize) -> Vec<Person> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut place = || -> Box<[f32]> {
            let v: [f32; 4] = std::array::from_fn(|_| (0..6).map(|_| random.f32() - 0.5).sum());
            let length = v.iter().map(|v| v * v).sum::<f32>().sqrt();
            v.map(|v| v / length).into()
        };
        let person = |p: usize| {
            let first = place();
            let vectors =
                if p < alike { vec![first.clone(), first.clone(), first] } else { vec![first, place(), place()] };
            Person { vectors }
        };
        (0..count).map(person).collect()
    }

    #[test]
    fn identical_pictures_add_nothing_and_unrelated_ones_add_fully() {
        let same = repeats(&crowd(700, 700)).unwrap();
        assert_eq!((same.exponent, same.people, same.events), (0.0, 700, 100), "{same:?}");
        let strangers = repeats(&crowd(700, 0)).unwrap();
        assert!(strangers.exponent > 0.98, "{strangers:?}");
        let half = repeats(&crowd(700, 350)).unwrap();
        assert!(half.exponent > 0.3 && half.exponent < 0.98, "{half:?}");
    }

    #[test]
    fn too_few_people_give_no_result() {
        assert_eq!(repeats(&crowd(50, 50)), None, "false matches are too common");
        assert_eq!(repeats(&[]), None);
        let single = |person: Person| Person { vectors: person.vectors[..2].to_vec() };
        assert_eq!(repeats(&crowd(700, 0).into_iter().map(single).collect::<Vec<_>>()), None);
    }
}
