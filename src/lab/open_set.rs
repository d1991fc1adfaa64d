//! Open-set identification: how often a stranger is identified as someone, and how often an enrolled person is not identified, in galleries of
//! growing size.

use super::share::Share;
use crate::domain::Distance;

/// A person of the data set.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// Unit vectors that are enrolled.
    pub templates: Vec<Box<[f32]>>,
    /// Unit vectors to search for.
    pub probes: Vec<Box<[f32]>>,
    /// Probe photographs in which no face was found: searches that identify no one.
    pub failed: usize,
}

/// All searches in one gallery.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// People enrolled, and their templates.
    pub size: usize,
    pub templates: usize,
    /// The distance of each stranger to the nearest template, in ascending order.
    pub strangers: Vec<f32>,
    /// For each search for an enrolled person, the smallest limit at which it succeeds: the distance to that person if no one else is nearer,
    /// otherwise infinity. In ascending order.
    pub members: Vec<f32>,
}

/// The errors at one cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// A face is identified as the nearest person up to this distance.
    pub distance: f32,
    /// False positive identification rate: strangers who are identified as someone.
    pub fpir: Share,
    /// False negative identification rate: searches for an enrolled person that do not find that person.
    pub fnir: Share,
}

/// For each of `sizes`, enrols the first `size` of `people`, and searches for all of them and for all `strangers`. A size of more people than there
/// are is skipped.
pub fn trials(people: &[Member], strangers: &[Box<[f32]>], sizes: &[usize]) -> Vec<Trial> {
    let mut sizes: Vec<usize> = sizes.iter().copied().filter(|&size| size > 0 && size <= people.len()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut trials: Vec<Trial> = sizes
        .iter()
        .map(|&size| Trial {
            size,
            templates: people.iter().take(size).map(|p| p.templates.len()).sum(),
            strangers: Vec::new(),
            members: Vec::new(),
        })
        .collect();
    for stranger in strangers {
        let nearest = nearest_in_galleries(people, stranger, None, &sizes);
        trials.iter_mut().zip(nearest).for_each(|(trial, distance)| trial.strangers.push(distance));
    }
    for (owner, member) in people.iter().enumerate().take(sizes.last().copied().unwrap_or(0)) {
        let first = sizes.partition_point(|&size| size <= owner);
        for probe in &member.probes {
            let own = nearest(&member.templates, probe);
            let others = nearest_in_galleries(people, probe, Some(owner), &sizes);
            for (trial, other) in trials.iter_mut().zip(others).skip(first) {
                trial.members.push(if own < other { own } else { f32::INFINITY });
            }
        }
        let failed = std::iter::repeat_n(f32::INFINITY, member.failed);
        trials.iter_mut().skip(first).for_each(|trial| trial.members.extend(failed.clone()));
    }
    for trial in &mut trials {
        trial.strangers.sort_by(f32::total_cmp);
        trial.members.sort_by(f32::total_cmp);
    }
    trials
}

/// The distance to the nearest person except `without` among the first `size` people, for each of `sizes` in ascending order.
fn nearest_in_galleries(people: &[Member], probe: &[f32], without: Option<usize>, sizes: &[usize]) -> Vec<f32> {
    let (mut best, mut from) = (f32::INFINITY, 0);
    sizes
        .iter()
        .map(|&size| {
            for (i, person) in people.iter().enumerate().take(size).skip(from) {
                if Some(i) != without {
                    best = best.min(nearest(&person.templates, probe));
                }
            }
            from = size;
            best
        })
        .collect()
}

fn nearest(templates: &[Box<[f32]>], probe: &[f32]) -> f32 {
    templates.iter().map(|t| Distance::between(t, probe).0).fold(f32::INFINITY, f32::min)
}

impl Trial {
    /// The errors if faces up to `distance` are identified as the nearest person.
    pub fn at(&self, distance: f32) -> Point {
        let within = |sorted: &[f32]| sorted.partition_point(|&d| d <= distance) as u64;
        let searches = self.members.len() as u64;
        Point {
            distance,
            fpir: Share { part: within(&self.strangers), whole: self.strangers.len() as u64 },
            fnir: Share { part: searches - within(&self.members), whole: searches },
        }
    }

    /// The largest cut at which at most `fpir` of the strangers are identified as someone: half way to the next stranger. `None` if there are too
    /// few strangers to measure so small a rate.
    pub fn cut(&self, fpir: f64) -> Option<Point> {
        // Slightly more, so that 0.01 of 100 is 1 despite rounding.
        let allowed = (fpir * self.strangers.len() as f64 * (1.0 + 1e-9)) as usize;
        let last = *self.strangers.get(allowed.checked_sub(1)?)?;
        let next = self.strangers.get(allowed).copied().unwrap_or(2.0);
        let mut distance = last + (next - last) / 2.0;
        if distance >= next {
            // Adjacent or equal distances: then fewer of them.
            distance = next.next_down();
        }
        Some(self.at(distance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(degrees: f32) -> Box<[f32]> {
        let (sin, cos) = degrees.to_radians().sin_cos();
        [cos, sin].into()
    }

    fn member(template: f32, probes: &[f32], failed: usize) -> Member {
        Member { templates: vec![at(template)], probes: probes.iter().map(|&p| at(p)).collect(), failed }
    }

    #[test]
    fn rates_are_counted_as_defined() {
        // Ada at 0 degrees, Bob at 90. Bob's second probe is nearer to Ada; one photograph of Ada shows no face.
        let people = [member(0.0, &[10.0], 1), member(90.0, &[80.0, 20.0], 0)];
        let strangers = [at(5.0), at(180.0)];
        let found = trials(&people, &strangers, &[2, 1, 7]);
        assert_eq!(found.iter().map(|t| (t.size, t.templates)).collect::<Vec<_>>(), [(1, 1), (2, 2)]);
        let ten_degrees = 2.0 * 5f32.to_radians().sin();
        let point = found[1].at(ten_degrees + 1e-3);
        assert_eq!((point.fpir.part, point.fpir.whole), (1, 2));
        assert_eq!((point.fnir.part, point.fnir.whole), (2, 4), "the face not found and the one taken for Ada");
        let alone = found[0].at(2.0);
        assert_eq!((alone.fnir.part, alone.fnir.whole), (1, 2), "Bob is not searched for where he is not enrolled");
        assert_eq!(alone.fpir.part, 2);
    }

    #[test]
    fn a_cut_keeps_its_rate_and_is_none_if_the_rate_cannot_be_measured() {
        let strangers: Vec<_> = (0..100).map(|i| at(10.0 + i as f32)).collect();
        let trial = trials(&[member(0.0, &[1.0], 0)], &strangers, &[1]).remove(0);
        let cut = trial.cut(0.01).unwrap();
        assert_eq!(cut.fpir, Share { part: 1, whole: 100 });
        assert!(trial.strangers[0] < cut.distance && cut.distance < trial.strangers[1]);
        assert_eq!(trial.cut(0.001), None);
        assert_eq!(trial.cut(1.0).unwrap().fpir.part, 100);
    }

    proptest! {
        #[test]
        fn a_larger_gallery_never_has_fewer_false_positives(angles in prop::collection::vec(0f32..360.0, 2..20), strangers in prop::collection::vec(0f32..360.0, 1..20)) {
            let people: Vec<_> = angles.iter().map(|&a| member(a, &[a + 3.0], 0)).collect();
            let strangers: Vec<_> = strangers.iter().map(|&a| at(a)).collect();
            let sizes: Vec<usize> = (1..=people.len()).collect();
            let found = trials(&people, &strangers, &sizes);
            for pair in found.windows(2) {
                for distance in [0.05, 0.2, 1.0] {
                    prop_assert!(pair[0].at(distance).fpir.part <= pair[1].at(distance).fpir.part);
                }
                if let Some(cut) = pair[0].cut(0.3) {
                    prop_assert!(cut.fpir.rate() <= 0.3 + 1e-9);
                }
            }
        }
    }
}
