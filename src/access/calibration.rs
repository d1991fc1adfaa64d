//! The distance limit: from a model's measured impostor distances and the size of the gallery to a cut.
//!
//! A stranger's visit is compared with everybody: each of its pictures with each template. If one comparison falsely matches with probability
//! `f` (the false match rate, FMR), n independent ones do so with `1 - (1 - f)^n`, the false positive identification rate (FPIR; ISO/IEC
//! 19795-1). The operator chooses the FPIR of a visit to the whole gallery; the cut is the distance at which the model's impostor distribution
//! has the FMR for it: `f = 1 - (1 - FPIR)^(1/n)`.
//!
//! Pictures of one face are similar, so the T templates of a person and the [`VISIT_PICTURES`] of a visit make fewer independent comparisons
//! than their product. The number is measured along with the distances, as an exponent: `n = people * (T * VISIT_PICTURES)^repeats`, where T
//! is the mean of the gallery. Without a measured exponent it is 1, the most possible.

use std::sync::Arc;

use crate::domain::{Distance, GallerySize};

/// Pictures of a visit that differ as much as photographs of different days. A visit has many more frames, but they are much more similar. The
/// rule that several of them must agree does not reduce the number, because a pose may last.
pub const VISIT_PICTURES: f64 = 3.0;
/// A rate supported by fewer measured pairs than this is taken from the extrapolated tail: with 10 pairs, a rate is known to a factor of about
/// two (Poisson, 95 %).
const FEWEST_PAIRS: f64 = 10.0;
/// The tail is fitted to the measured rates from the smallest reliable one up to this many times that rate.
const TAIL_SPAN: f64 = 100.0;

/// The measurements of a model: the shares of impostors accepted and of genuine people rejected at each distance.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    impostor: Vec<Point>,
    genuine: Vec<Point>,
    impostor_pairs: u64,
    tail: Tail,
    repeats: f64,
}

/// A distance, with the share of impostor pairs at or below it, or of genuine pairs above it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub rate: f64,
    pub distance: f64,
}

/// `ln(rate) = ln(rate0) + slope * (distance - distance0)` below the smallest reliably measured rate.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tail {
    rate: f64,
    distance: f64,
    slope: f64,
}

/// A distance limit, and what it is based on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    pub distance: Distance,
    /// The false match rate of one comparison at this distance; `None` for a distance fixed by the operator.
    pub false_match_rate: Option<f64>,
    /// Whether it is beyond the measurements, on the fitted tail.
    pub extrapolated: bool,
    /// The share of genuine comparisons above it, 0 to 1; `None` if not measured.
    pub false_non_match_rate: Option<f64>,
}

/// How the cut is determined.
#[derive(Clone, Debug)]
pub enum NearEnough {
    /// A distance fixed by the operator, for any gallery size.
    Fixed(Distance),
    /// From the model's calibration, for a false identification rate of a visit to the whole gallery, 0 to 1.
    Calibrated { calibration: Arc<Calibration>, false_identification_rate: f64 },
}

impl NearEnough {
    /// The cut for a gallery of this size.
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

    /// The rate that the operator chose; `None` for a fixed distance.
    pub fn false_identification_rate(&self) -> Option<f64> {
        match self {
            NearEnough::Fixed(_) => None,
            NearEnough::Calibrated { false_identification_rate, .. } => Some(*false_identification_rate),
        }
    }
}

/// Why a calibration cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    #[error("it needs at least two impostor points with {FEWEST_PAIRS} pairs or more; measure more people")]
    TooFew,
    #[error("point {index} of its {which} table is invalid: rates must be 0 to 1 and distances 0 to 2, both rising{falling}", falling = if *which == "genuine" { " (genuine rates falling)" } else { "" })]
    Disorder { which: &'static str, index: usize },
    #[error("its exponent of repeats is {0}, but must be 0 to 1")]
    Repeats(f64),
}

impl Calibration {
    /// `impostor` has rising rates at rising distances; `genuine` has falling rates at rising distances, and may be empty.
    pub fn new(
        impostor: Vec<Point>,
        genuine: Vec<Point>,
        impostor_pairs: u64,
    ) -> Result<Calibration, CalibrationError> {
        let sane = |p: &Point| (0.0..=1.0).contains(&p.rate) && (0.0..=2.0).contains(&p.distance);
        let ordered = |which, points: &[Point], rising: bool| {
            let mut before: Option<Point> = None;
            for (index, point) in points.iter().enumerate() {
                let fits = before.is_none_or(|b| {
                    b.distance <= point.distance && if rising { b.rate < point.rate } else { b.rate >= point.rate }
                });
                if !sane(point) || (rising && point.rate == 0.0) || !fits {
                    return Err(CalibrationError::Disorder { which, index });
                }
                before = Some(*point);
            }
            Ok(())
        };
        ordered("impostor", &impostor, true)?;
        ordered("genuine", &genuine, false)?;
        let tail = tail(&impostor, impostor_pairs).ok_or(CalibrationError::TooFew)?;
        Ok(Calibration { impostor, genuine, impostor_pairs, tail, repeats: 1.0 })
    }

    /// Sets the measured exponent of repeats, 0 to 1: 0 if further pictures of a face add nothing new, 1 if each counts like a picture of another
    /// person.
    pub fn with_repeats(self, repeats: f64) -> Result<Calibration, CalibrationError> {
        match (0.0..=1.0).contains(&repeats) {
            true => Ok(Calibration { repeats, ..self }),
            false => Err(CalibrationError::Repeats(repeats)),
        }
    }

    /// The cut at which a gallery of this size lets in the share `false_identification_rate` (0 to 1) of strangers' visits. An empty gallery
    /// counts as one person, and a person as having at least one template.
    pub fn cut(&self, false_identification_rate: f64, size: GallerySize) -> Cut {
        self.cut_at(one_comparison(false_identification_rate, self.comparisons(size)))
    }

    /// The number of independent comparisons of a visit.
    fn comparisons(&self, size: GallerySize) -> f64 {
        let people = size.people.max(1) as f64;
        let templates = (size.templates as f64 / people).max(1.0);
        people * (templates * VISIT_PICTURES).powf(self.repeats)
    }

    /// The cut with this false match rate of one comparison.
    pub fn cut_at(&self, rate: f64) -> Cut {
        let (distance, extrapolated) = self.distance_at(rate);
        Cut {
            distance: Distance(distance as f32),
            false_match_rate: Some(rate),
            extrapolated,
            false_non_match_rate: self.false_non_match_rate(distance),
        }
    }

    /// The number of measured pairs of different people.
    pub fn impostor_pairs(&self) -> u64 {
        self.impostor_pairs
    }

    /// The distance at which the false match rate is `rate`, and whether it is on the fitted tail. Between two measured points, the distance is
    /// linear in the logarithm of the rate. Never below 0, never beyond the last measured point.
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

/// The false match rate of one comparison at which `comparisons` independent ones have `false_identification_rate`.
fn one_comparison(false_identification_rate: f64, comparisons: f64) -> f64 {
    let of_all = false_identification_rate.clamp(0.0, 1.0 - f64::EPSILON);
    -((-of_all).ln_1p() / comparisons.max(1.0)).exp_m1()
}

/// Fits a straight line (least squares) through the logarithms of the smallest reliable rates, passing through the smallest one. Impostor
/// distances thin out faster than that towards zero, so the line errs on the strict side.
fn tail(impostor: &[Point], pairs: u64) -> Option<Tail> {
    let least = FEWEST_PAIRS / pairs.max(1) as f64;
    let first = impostor.iter().position(|p| p.rate >= least * (1.0 - 1e-9))?;
    let reliable = impostor.get(first..)?;
    let anchor = reliable.first()?;
    let fitted = reliable.iter().take_while(|p| p.rate <= anchor.rate * TAIL_SPAN);
    let (mut across, mut up) = (0.0, 0.0);
    for point in fitted {
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

    /// Rates `10^(-6 + k/10)` at distances exactly linear in the logarithm: 0.8 at 1e-6, 0.05 more per decade.
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
        // Without a measured exponent, each picture counts like another person.
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
        // A rate of one comparison does not depend on the gallery.
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
    fn beyond_the_measurements_the_tail_continues() {
        // Below 1e-6 there are fewer than ten of the ten million pairs.
        let cut = straight().cut_at(1e-8);
        assert!(cut.extrapolated && (cut.distance.0 - 0.7).abs() < 1e-6, "{cut:?}");
        let nothing = straight().cut(0.0, GallerySize::ONE);
        assert_eq!((nothing.distance, nothing.extrapolated), (Distance(0.0), true));
    }

    #[test]
    fn invalid_tables_are_refused() {
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
