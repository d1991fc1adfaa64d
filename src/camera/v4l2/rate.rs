//! Frame rates as drivers state them: the interval between frames as a fraction of seconds. 1001/30000 is 29.97 frames a second.

use std::cmp::Ordering;
use std::fmt;

use v4l::Fraction;

/// Seconds from frame to frame, as a fraction. Displayed as frames a second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    numerator: u32,
    denominator: u32,
}

impl Interval {
    /// A whole number of frames a second.
    pub(super) fn of_fps(fps: u32) -> Interval {
        Interval { numerator: 1, denominator: fps.max(1) }
    }

    /// What a driver states; `None` for a fraction with a zero.
    pub(super) fn of(fraction: Fraction) -> Option<Interval> {
        let Fraction { numerator, denominator } = fraction;
        (numerator > 0 && denominator > 0).then_some(Interval { numerator, denominator })
    }

    /// The fraction for the driver.
    pub(super) fn fraction(self) -> Fraction {
        Fraction::new(self.numerator, self.denominator)
    }

    /// Thousandths of a frame a second.
    pub(super) fn mhz(self) -> u64 {
        (u64::from(self.denominator).saturating_mul(1000)).checked_div(u64::from(self.numerator)).unwrap_or_default()
    }

    /// Units of 100 µs from frame to frame.
    pub(super) fn in_100_us(self) -> u64 {
        u64::from(self.numerator).saturating_mul(10_000).checked_div(u64::from(self.denominator)).unwrap_or(u64::MAX)
    }

    /// How many whole frames a second it is from `fps`. Rates that television divides by 1.001 are the same.
    pub(super) fn frames_from(self, fps: u32) -> u64 {
        let off = self.mhz().abs_diff(u64::from(fps).saturating_mul(1000));
        // Half a frame, or a fiftieth where that is less.
        let same = u64::from(fps).saturating_mul(20).min(499);
        if off <= same { 0 } else { off.div_ceil(1000) }
    }
}

impl PartialEq for Interval {
    fn eq(&self, other: &Interval) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Interval {}

impl PartialOrd for Interval {
    fn partial_cmp(&self, other: &Interval) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Interval {
    /// By length: the shortest, which is the fastest rate, first.
    fn cmp(&self, other: &Interval) -> Ordering {
        let product = |a: u32, b: u32| u64::from(a).saturating_mul(u64::from(b));
        product(self.numerator, other.denominator).cmp(&product(other.numerator, self.denominator))
    }
}

impl fmt::Display for Interval {
    /// In frames a second: `30`, `7.5`, `29.97`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = f64::from(self.denominator) / f64::from(self.numerator.max(1));
        let text = format!("{rate:.2}");
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(numerator: u32, denominator: u32) -> Interval {
        Interval::of(Fraction::new(numerator, denominator)).unwrap()
    }

    #[test]
    fn rates_are_shown_as_people_say_them() {
        for (numerator, denominator, words) in [
            (1, 30, "30"),
            (2, 15, "7.5"),
            (1001, 30_000, "29.97"),
            (333_333, 10_000_000, "30"),
            (10, 1, "0.1"),
            (1, 10, "10"),
        ] {
            assert_eq!(interval(numerator, denominator).to_string(), words);
        }
        assert_eq!(Interval::of(Fraction::new(0, 30)), None);
        assert_eq!(Interval::of(Fraction::new(1, 0)), None);
    }

    #[test]
    fn rates_are_compared_as_fractions() {
        assert_eq!(interval(2, 30), interval(1, 15));
        assert!(interval(1, 30) < interval(1001, 30_000));
        assert_eq!(interval(1001, 30_000).frames_from(30), 0);
        assert_eq!(interval(2, 15).frames_from(7), 1);
        assert_eq!(interval(1, 15).frames_from(30), 15);
        assert_eq!(interval(1, 10_000).mhz(), 10_000_000);
        assert_eq!((interval(1, 15).in_100_us(), interval(2, 1).in_100_us()), (666, 20_000));
    }
}
