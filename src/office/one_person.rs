//! Whether the templates of one enrolment are of one person: all of them lie about one in the middle, the medoid.
//!
//! A neighbour for each is not enough: two photographs of one person and three of another would pass.
//!
//! Knows nothing of how distances are measured, and of what is near enough.

use crate::domain::Distance;

/// Templates that do not belong to the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Odd {
    /// The place of the one in the middle of the largest group.
    pub middle: usize,
    /// The places of those too far from it, with the distance; `None` where it cannot be measured.
    pub apart: Vec<(usize, Option<Distance>)>,
}

/// Looks for templates farther than `limit` from the medoid of `count` templates; `None` when there are none, so with one template or
/// none at all. The medoid is the one with the most others within `limit`; of those with as many, the one that is nearest to them in
/// sum.
pub fn odd_ones(count: usize, limit: Distance, between: impl Fn(usize, usize) -> Option<Distance>) -> Option<Odd> {
    let row = |i: usize| (0..count).map(|j| if i == j { Some(Distance(0.0)) } else { between(i, j) }).collect();
    let rows: Vec<Vec<Option<Distance>>> = (0..count).map(row).collect();
    let near = |distance: &Option<Distance>| distance.is_some_and(|d| d.0.is_finite() && d.0 <= limit.0);
    let far = |row: &[Option<Distance>]| row.iter().filter(|distance| !near(distance)).count();
    let sum = |row: &[Option<Distance>]| row.iter().filter(|d| near(d)).flatten().map(|d| f64::from(d.0)).sum::<f64>();
    let central = |(_, a): &(usize, &Vec<_>), (_, b): &(usize, &Vec<_>)| {
        far(a).cmp(&far(b)).then_with(|| sum(a).total_cmp(&sum(b)))
    };
    let (middle, row) = rows.iter().enumerate().min_by(central)?;
    let apart: Vec<_> = row.iter().copied().enumerate().filter(|(_, distance)| !near(distance)).collect();
    (!apart.is_empty()).then_some(Odd { middle, apart })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Templates at places of a line.
    fn odd(places: &[f32], limit: f32) -> Option<(usize, Vec<usize>)> {
        let between = |i: usize, j: usize| Some(Distance((places[i] - places[j]).abs()));
        let odd = odd_ones(places.len(), Distance(limit), between)?;
        Some((odd.middle, odd.apart.into_iter().map(|(at, _)| at).collect()))
    }

    #[test]
    fn two_of_one_and_three_of_another_are_not_one_person() {
        assert_eq!(odd(&[0.0, 1.3, 0.1, 1.4, 1.55], 1.0), Some((3, vec![0, 2])));
        assert_eq!(odd(&[0.0, 0.1, 1.3, 1.4], 1.0), Some((0, vec![2, 3])), "of two groups as large the first");
        assert_eq!(odd(&[0.0, 1.3], 1.0), Some((0, vec![1])));
        // A chain: each has a neighbour, and the ends are apart from the middle.
        assert_eq!(odd(&[0.0, 0.9, 1.7, 2.5, 3.4], 1.0), Some((2, vec![0, 4])));
    }

    #[test]
    fn one_group_is_one_person_though_its_ends_are_apart() {
        for places in [&[][..], &[0.3], &[0.0, 1.0], &[0.0, 0.6, 1.2], &[0.0, 0.0, 0.0]] {
            assert_eq!(odd(places, 1.0), None, "{places:?}");
        }
    }

    #[test]
    fn what_cannot_be_measured_does_not_belong() {
        let nothing = odd_ones(3, Distance(1.0), |i, j| (i.min(j) > 0).then_some(Distance(0.5))).unwrap();
        assert_eq!((nothing.middle, nothing.apart), (1, vec![(0, None)]));
        let broken =
            odd_ones(3, Distance(1.0), |i, j| Some(Distance(if i.max(j) == 2 { f32::NAN } else { 0.5 }))).unwrap();
        assert_eq!((broken.middle, broken.apart.len(), broken.apart[0].0), (0, 1, 2));
    }

    proptest! {
        /// Whatever is taken lies about one template; and mixtures of two who are apart never are.
        #[test]
        fn what_is_taken_is_one_group(places in prop::collection::vec(0f32..3.0, 1..8), limit in 0.1f32..1.5) {
            let about = |middle: &f32| places.iter().all(|place| (place - middle).abs() <= limit);
            prop_assert_eq!(odd(&places, limit).is_none(), places.iter().any(about));
        }

        #[test]
        fn a_mixture_is_refused_and_the_larger_part_stays(
            one in prop::collection::vec(0f32..0.4, 1..6), other in prop::collection::vec(1.5f32..1.9, 1..6), turn in any::<usize>(),
        ) {
            let mut places: Vec<f32> = one.iter().chain(&other).copied().collect();
            let at = turn % places.len();
            places.rotate_left(at);
            let (middle, apart) = odd(&places, 1.0).unwrap();
            let low = places[middle] < 1.0;
            prop_assert!(apart.iter().all(|&at| (places[at] < 1.0) != low));
            prop_assert_eq!(apart.len(), one.len().min(other.len()));
        }
    }
}
