//! How near is near enough: from a model's measured impostor distances, and the number of people and templates enrolled, to a cut.
//!
//! A stranger's visit is compared with everybody: each of its pictures with each template. When one comparison mistakes a stranger for
//! the other person with probability `f` (the false match rate, FMR), n independent ones do so with `1 - (1 - f)^n`, the false positive
//! identification rate (FPIR; ISO/IEC 19795-1). The operator states the FPIR of a visit to the whole gallery; the cut is the distance at
//! which the model's impostor distribution has the FMR that gives it: `f = 1 - (1 - FPIR)^(1/n)`.
//!
//! Pictures of one face are alike, so the T templates of a person and the [`VISIT_PICTURES`] of a visit make fewer independent comparisons
//! than their product. How many is measured with the distances, as an exponent: `n = people * (T * VISIT_PICTURES)^repeats`, where T is
//! the mean of the gallery. Without a measured exponent it is 1, the most that there can be.
//!
//! Knows nothing of files, and nothing of how the distances were measured.

use std::sync::Arc;

use crate::domain::{Distance, GallerySize};

/// Pictures of a visit that differ as much as photographs of different days. The frames of a visit are many more and much more alike; the
/// rule that several of them must agree takes none of this back, because a pose may last.
pub const VISIT_PICTURES: f64 = 3.0;
/// A rate that rests on fewer measured pairs than this is taken from the extrapolated tail: with 10 pairs a rate is known to a
/// factor of about two (Poisson, 95 %).
const FEWEST_PAIRS: f64 = 10.0;
/// The tail is fitted to the measured rates from the smallest reliable one up to this many times it.
const TAIL_SPAN: f64 = 100.0;

/// What was measured of a model: at which distance which share of impostors is let in, and of genuine people turned away.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    impostor: Vec<Point>,
    genuine: Vec<Point>,
    impostor_pairs: u64,
    tail: Tail,
    repeats: f64,
}

/// A distance with the share of pairs at or below it (impostors), or above it (genuine).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub rate: f64,
    pub distance: f64,
}

/// `ln(rate) = ln(rate0) + slope * (distance - distance0)` below the smallest rate that was measured reliably.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tail {
    rate: f64,
    distance: f64,
    slope: f64,
}

/// A distance that is near enough, and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    pub distance: Distance,
    /// The false match rate of one comparison at it; `None` for a distance that the operator fixed.
    pub false_match_rate: Option<f64>,
    /// It lies beyond what was measured, on the fitted tail.
    pub extrapolated: bool,
    /// The share of genuine comparisons, 0 to 1, that lie above it; `None` when that was not measured.
    pub false_non_match_rate: Option<f64>,
}

/// Where the cut comes from.
#[derive(Clone, Debug)]
pub enum NearEnough {
    /// The operator's own distance, whatever the gallery's size.
    Fixed(Distance),
    /// From what was measured of the model, for a rate of a visit to the whole gallery, 0 to 1.
    Calibrated { calibration: Arc<Calibration>, false_identification_rate: f64 },
}

impl NearEnough {
    /// The cut for a gallery of that size.
    pub fn cut(&self, size: GallerySize) -> Cut {
        match self {
            NearEnough::Fixed(distance) => {
                Cut { distance: *distance, false_match_rate: None, extrapolated: false, false_non_match_rate: None }
            }
            NearEnough::Calibrated { calibration, false_identification_rate } => {
                calibration.cut(*false_identification_rate, size)
            }
        }
    }

    /// The rate that the operator asked for; `None` for a fixed distance.
    pub fn false_identification_rate(&self) -> Option<f64> {
        match self {
            NearEnough::Fixed(_) => None,
            NearEnough::Calibrated { false_identification_rate, .. } => Some(*false_identification_rate),
        }
    }
}

/// Why a calibration is of no use.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    #[error("it needs at least two impostor points that rest on {FEWEST_PAIRS} pairs or more; measure more people")]
    TooFew,
    #[error("point {index} of its {which} table does not fit: rates from 0 to 1 and distances from 0 to 2, both rising{falling}", falling = if *which == "genuine" { " (genuine rates falling)" } else { "" })]
    Disorder { which: &'static str, index: usize },
    #[error("its exponent of repeats is {0}, and 0 to 1 is possible")]
    Repeats(f64),
}

impl Calibration {
    /// `impostor`: rising rates at rising distances. `genuine`: falling rates at rising distances; may be empty.
    pub fn new(
        impostor: Vec<Point>,
        genuine: Vec<Point>,
        impostor_pairs: u64,
    ) -> Result<Calibration, CalibrationError> {
        let sane = |p: &Point| (0.0..=1.0).contains(&p.rate) && (0.0..=2.0).contains(&p.distance);
        let ordered = |which, points: &[Point], rising: bool| {
            for (index, point) in points.iter().enumerate() {
                let before = index.checked_sub(1).map(|i| points[i]);
                let fits = before.is_none_or(|b| {
                    b.distance <= point.distance && if rising { b.rate < point.rate } else { b.rate >= point.rate }
                });
                if !sane(point) || (rising && point.rate == 0.0) || !fits {
                    return Err(CalibrationError::Disorder { which, index });
                }
            }
            Ok(())
        };
        ordered("impostor", &impostor, true)?;
        ordered("genuine", &genuine, false)?;
        let tail = tail(&impostor, impostor_pairs).ok_or(CalibrationError::TooFew)?;
        Ok(Calibration { impostor, genuine, impostor_pairs, tail, repeats: 1.0 })
    }

    /// The same with a measured exponent of repeats, 0 to 1: 0 where further pictures of a face show nothing new, 1 where each is like
    /// that of another person.
    pub fn with_repeats(self, repeats: f64) -> Result<Calibration, CalibrationError> {
        match (0.0..=1.0).contains(&repeats) {
            true => Ok(Calibration { repeats, ..self }),
            false => Err(CalibrationError::Repeats(repeats)),
        }
    }

    /// The cut at which a gallery of that size lets in the share `false_identification_rate` (0 to 1) of strangers' visits. A gallery of
    /// nobody is taken as one person, and a person as having one template at least.
    pub fn cut(&self, false_identification_rate: f64, size: GallerySize) -> Cut {
        self.cut_at(one_comparison(false_identification_rate, self.comparisons(size)))
    }

    /// Independent comparisons that a visit makes.
    fn comparisons(&self, size: GallerySize) -> f64 {
        let people = size.people.max(1) as f64;
        let templates = (size.templates as f64 / people).max(1.0);
        people * (templates * VISIT_PICTURES).powf(self.repeats)
    }

    /// The cut with that false match rate of one comparison.
    pub fn cut_at(&self, rate: f64) -> Cut {
        let (distance, extrapolated) = self.distance_at(rate);
        Cut {
            distance: Distance(distance as f32),
            false_match_rate: Some(rate),
            extrapolated,
            false_non_match_rate: self.false_non_match_rate(distance),
        }
    }

    /// Pairs of different people that were measured.
    pub fn impostor_pairs(&self) -> u64 {
        self.impostor_pairs
    }

    /// The distance at which the false match rate is `rate`, and whether it lies on the fitted tail. Between two measured points
    /// the distance is taken to be linear in the logarithm of the rate. Never below 0, never beyond the last measured point.
    fn distance_at(&self, rate: f64) -> (f64, bool) {
        if rate < self.tail.rate {
            let distance = self.tail.distance + (rate / self.tail.rate).ln() / self.tail.slope;
            return (if distance.is_finite() { distance.max(0.0) } else { 0.0 }, true);
        }
        let after = self.impostor.partition_point(|p| p.rate < rate);
        let distance = match (after.checked_sub(1).and_then(|i| self.impostor.get(i)), self.impostor.get(after)) {
            (Some(a), Some(b)) => {
                let share = (rate / a.rate).ln() / (b.rate / a.rate).ln();
                a.distance + share * (b.distance - a.distance)
            }
            (None, Some(only)) | (Some(only), None) => only.distance,
            (None, None) => 0.0,
        };
        (distance, false)
    }

    /// The share of genuine pairs above `distance`.
    fn false_non_match_rate(&self, distance: f64) -> Option<f64> {
        let after = self.genuine.partition_point(|p| p.distance < distance);
        match (after.checked_sub(1).and_then(|i| self.genuine.get(i)), self.genuine.get(after)) {
            (Some(a), Some(b)) if b.distance > a.distance => {
                Some(a.rate + (b.rate - a.rate) * (distance - a.distance) / (b.distance - a.distance))
            }
            (_, Some(only)) | (Some(only), None) => Some(only.rate),
            (None, None) => None,
        }
    }
}

/// The false match rate of one comparison at which so many independent ones make `false_identification_rate`.
fn one_comparison(false_identification_rate: f64, comparisons: f64) -> f64 {
    let of_all = false_identification_rate.clamp(0.0, 1.0 - f64::EPSILON);
    -((-of_all).ln_1p() / comparisons.max(1.0)).exp_m1()
}

/// A straight line through the logarithms of the smallest reliable rates (least squares), made to pass through the smallest one.
/// Impostor distances thin out faster than that towards zero, so the line errs on the strict side.
fn tail(impostor: &[Point], pairs: u64) -> Option<Tail> {
    let reliable = FEWEST_PAIRS / pairs.max(1) as f64;
    let first = impostor.iter().position(|p| p.rate >= reliable * (1.0 - 1e-9))?;
    let anchor = impostor[first];
    let fitted: Vec<&Point> = impostor[first..].iter().take_while(|p| p.rate <= anchor.rate * TAIL_SPAN).collect();
    let (mut across, mut up) = (0.0, 0.0);
    for point in &fitted {
        let x = point.distance - anchor.distance;
        across += x * x;
        up += x * (point.rate / anchor.rate).ln();
    }
    let slope = up / across;
    (slope.is_finite() && slope > 0.0).then_some(Tail { rate: anchor.rate, distance: anchor.distance, slope })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Rates `10^(-6 + k/10)` at distances that are exactly linear in the logarithm: 0.8 at 1e-6, 0.05 more each decade.
    fn straight() -> Calibration {
        let impostor: Vec<Point> = (0..=55)
            .map(|k| Point { rate: 10f64.powf(-6.0 + f64::from(k) / 10.0), distance: 0.8 + 0.005 * f64::from(k) })
            .collect();
        let genuine = vec![Point { rate: 0.2, distance: 0.8 }, Point { rate: 0.1, distance: 1.0 }];
        Calibration::new(impostor, genuine, 10_000_000).unwrap()
    }

    #[test]
    fn the_rate_of_one_comparison_adds_up_to_that_of_the_gallery() {
        for comparisons in [1.0, 10.0, 1000.0, 1e6] {
            let one = one_comparison(0.003, comparisons);
            let all = -(comparisons * (-one).ln_1p()).exp_m1();
            assert!((all - 0.003).abs() < 1e-12, "{comparisons}: {all}");
        }
        assert_eq!(one_comparison(0.003, 0.0), one_comparison(0.003, 1.0));
    }

    #[test]
    fn people_templates_and_the_pictures_of_a_visit_are_counted() {
        let size = |people, templates| GallerySize { people, templates };
        let calibration = straight();
        // Without a measured exponent each picture counts like another person.
        assert_eq!(calibration.comparisons(size(10, 10)), 30.0);
        assert_eq!(calibration.comparisons(size(10, 50)), 150.0);
        // 12.5 templates of each of two people.
        assert_eq!(calibration.comparisons(size(2, 25)), 75.0);
        assert_eq!(calibration.comparisons(size(0, 0)), 3.0);
        assert_eq!(calibration.comparisons(GallerySize::of(4, 5)), calibration.comparisons(size(4, 20)));
        let shared = straight().with_repeats(0.5).unwrap();
        assert!((shared.comparisons(size(10, 30)) - 30.0).abs() < 1e-9, "ten people, a root of nine");
        assert_eq!(straight().with_repeats(0.0).unwrap().comparisons(size(10, 30)), 10.0);
        for bad in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(straight().with_repeats(bad), Err(CalibrationError::Repeats(_))));
        }
        // A rate of one comparison is one, whatever is enrolled.
        assert!((calibration.cut_at(0.001).distance.0 - 0.95).abs() < 1e-6);
        assert_eq!(calibration.cut(0.003, GallerySize::ONE).false_match_rate, Some(one_comparison(0.003, 3.0)));
    }

    #[test]
    fn the_cut_follows_the_measured_distribution() {
        let cut = straight().cut_at(0.001);
        assert!((cut.distance.0 - 0.95).abs() < 1e-6 && !cut.extrapolated, "{cut:?}");
        // 0.8 + 0.05 * log10(0.00031623 / 1e-6) = 0.925
        let cut = straight().cut_at(10f64.powf(-3.5));
        assert!((cut.distance.0 - 0.925).abs() < 1e-6, "{cut:?}");
        assert!((cut.false_non_match_rate.unwrap() - 0.1375).abs() < 1e-6, "{cut:?}");
    }

    #[test]
    fn beyond_what_was_measured_the_tail_goes_on() {
        // Below 1e-6 there are fewer than ten of the ten million pairs.
        let cut = straight().cut_at(1e-8);
        assert!(cut.extrapolated && (cut.distance.0 - 0.7).abs() < 1e-6, "{cut:?}");
        let nothing = straight().cut(0.0, GallerySize::ONE);
        assert_eq!((nothing.distance, nothing.extrapolated), (Distance(0.0), true));
    }

    #[test]
    fn unfit_tables_are_refused() {
        let point = |rate, distance| Point { rate, distance };
        let refused = |impostor| Calibration::new(impostor, Vec::new(), 1_000_000).unwrap_err();
        assert_eq!(refused(vec![]), CalibrationError::TooFew);
        assert_eq!(refused(vec![point(1e-4, 0.9)]), CalibrationError::TooFew);
        assert_eq!(refused(vec![point(1e-4, 0.9), point(1e-3, 0.9)]), CalibrationError::TooFew);
        let disorder = |index| CalibrationError::Disorder { which: "impostor", index };
        assert_eq!(refused(vec![point(1e-4, 0.9), point(1e-3, 0.8)]), disorder(1));
        assert_eq!(refused(vec![point(1e-4, f64::NAN)]), disorder(0));
        assert_eq!(refused(vec![point(0.0, 0.5), point(1e-3, 0.8)]), disorder(0));
    }

    proptest! {
        #[test]
        fn more_people_or_templates_or_a_smaller_rate_never_widen_the_cut(
            rate in 1e-9f64..0.5, people in 0usize..2_000_000, more in 0usize..5_000_000, repeats in 0.0f64..=1.0,
        ) {
            let calibration = straight().with_repeats(repeats).unwrap();
            let size = GallerySize { people, templates: people + more };
            let cut = calibration.cut(rate, size);
            let wider = |rate, size| calibration.cut(rate, size).distance > cut.distance;
            let (another, more) = (size.people + 1, size.templates + 1);
            for (rate, people, templates) in [(rate, another, more), (rate, size.people, more), (rate / 2.0, size.people, size.templates)] {
                prop_assert!(!wider(rate, GallerySize { people, templates }), "{people} {templates}");
            }
            prop_assert!(straight().cut(rate, size).distance <= cut.distance, "what is not measured errs on the strict side");
            prop_assert!((0.0..=2.0).contains(&cut.distance.0));
        }
    }
}
