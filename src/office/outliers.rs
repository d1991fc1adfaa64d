//! Whether the templates of one enrolment belong to one person: all must be near one of them, the medoid. Requiring only a near neighbour for
//! each would accept two photographs of one person mixed with three of another.

use crate::domain::Distance;

/// Templates that do not belong with the others, by their index.
#[derive(Clone, Debug, PartialEq)]
pub struct Outliers {
    /// The medoid of the largest group.
    pub middle: usize,
    /// The templates too far from it, with their distances; `None` if a distance is undefined.
    pub apart: Vec<(usize, Option<Distance>)>,
}

/// Finds the templates farther than `limit` from the medoid of `count` templates; `None` if there are none. The medoid is the template with
/// the most others within `limit`; of several, the one with the smallest sum of distances to those.
pub fn find_outliers(
    count: usize,
    limit: Distance,
    between: impl Fn(usize, usize) -> Option<Distance>,
) -> Option<Outliers> {
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
    (!apart.is_empty()).then_some(Outliers { middle, apart })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Templates at positions on a line.
    fn odd(places: &[f32], limit: f32) -> Option<(usize, Vec<usize>)> {
        let between = |i: usize, j: usize| Some(Distance((places[i] - places[j]).abs()));
        let odd = find_outliers(places.len(), Distance(limit), between)?;
        Some((odd.middle, odd.apart.into_iter().map(|(at, _)| at).collect()))
    }

    #[test]
    fn two_of_one_and_three_of_another_are_not_one_person() {
        assert_eq!(odd(&[0.0, 1.3, 0.1, 1.4, 1.55], 1.0), Some((3, vec![0, 2])));
        assert_eq!(odd(&[0.0, 0.1, 1.3, 1.4], 1.0), Some((0, vec![2, 3])), "of two equal groups the first");
        assert_eq!(odd(&[0.0, 1.3], 1.0), Some((0, vec![1])));
        // A chain: each has a near neighbour, but the ends are far from the middle.
        assert_eq!(odd(&[0.0, 0.9, 1.7, 2.5, 3.4], 1.0), Some((2, vec![0, 4])));
    }

    #[test]
    fn one_group_is_one_person_even_if_its_ends_are_far_apart() {
        for places in [&[][..], &[0.3], &[0.0, 1.0], &[0.0, 0.6, 1.2], &[0.0, 0.0, 0.0]] {
            assert_eq!(odd(places, 1.0), None, "{places:?}");
        }
    }

    #[test]
    fn an_undefined_distance_makes_an_outlier() {
        let nothing = find_outliers(3, Distance(1.0), |i, j| (i.min(j) > 0).then_some(Distance(0.5))).unwrap();
        assert_eq!((nothing.middle, nothing.apart), (1, vec![(0, None)]));
        let broken =
            find_outliers(3, Distance(1.0), |i, j| Some(Distance(if i.max(j) == 2 { f32::NAN } else { 0.5 }))).unwrap();
        assert_eq!((broken.middle, broken.apart.len(), broken.apart[0].0), (0, 1, 2));
    }

    proptest! {
        /// Accepted templates are all near one of them.
        #[test]
        fn accepted_templates_are_one_group(places in prop::collection::vec(0f32..3.0, 1..8), limit in 0.1f32..1.5) {
            let about = |middle: &f32| places.iter().all(|place| (place - middle).abs() <= limit);
            prop_assert_eq!(odd(&places, limit).is_none(), places.iter().any(about));
        }

        #[test]
        fn of_a_mixture_the_smaller_part_is_reported(
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
