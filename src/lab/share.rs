//! Counted shares, and their exact confidence intervals by Clopper and Pearson.

use statrs::distribution::{Beta, ContinuousCDF};

/// `part` of `whole` trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub part: u64,
    pub whole: u64,
}

impl Share {
    pub(super) const NONE: Share = Share { part: 0, whole: 0 };

    /// 0 to 1; 0 of 0 is 0.
    pub fn rate(&self) -> f64 {
        self.part as f64 / self.whole.max(1) as f64
    }

    /// The sums of both parts and both wholes.
    pub(super) fn and(self, other: Share) -> Share {
        Share { part: self.part + other.part, whole: self.whole + other.whole }
    }
}

/// The confidence of the intervals that commands print.
pub const CONFIDENCE: f64 = 0.95;

/// The two-sided interval of Clopper and Pearson (1934): all true shares for which a count at least as extreme as this one has a probability of
/// at least `(1 - confidence) / 2` on either side. Its coverage is never below `confidence`, even for counts of none and of all, if the trials
/// are independent. (0, 1) without trials.
pub fn clopper_pearson(share: Share, confidence: f64) -> (f64, f64) {
    let Share { part, whole } = share;
    if whole == 0 || part > whole {
        return (0.0, 1.0);
    }
    let tail = (1.0 - confidence) / 2.0;
    let (part, rest) = (part as f64, (whole - part) as f64);
    let quantile = |a: f64, b: f64, p: f64, else_: f64| Beta::new(a, b).map_or(else_, |beta| beta.inverse_cdf(p));
    let low = if part == 0.0 { 0.0 } else { quantile(part, rest + 1.0, tail, 0.0) };
    let high = if rest == 0.0 { 1.0 } else { quantile(part + 1.0, rest, 1.0 - tail, 1.0) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn none_and_all_have_closed_forms() {
        // Zero of n: the upper end is 1 - tail^(1/n).
        let (low, high) = clopper_pearson(Share { part: 0, whole: 20 }, 0.95);
        assert_eq!(low, 0.0);
        assert!((high - (1.0 - 0.025f64.powf(1.0 / 20.0))).abs() < 1e-9, "{high}");
        let (low, high) = clopper_pearson(Share { part: 20, whole: 20 }, 0.95);
        assert!((low - 0.025f64.powf(1.0 / 20.0)).abs() < 1e-9 && high == 1.0, "{low}");
        assert_eq!(clopper_pearson(Share { part: 0, whole: 0 }, 0.95), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_share_and_narrows_with_more_trials(part in 0u64..500, rest in 1u64..500) {
            let share = Share { part, whole: part + rest };
            let (low, high) = clopper_pearson(share, 0.95);
            prop_assert!(low <= share.rate() && share.rate() <= high && low >= 0.0 && high <= 1.0);
            let (low10, high10) = clopper_pearson(Share { part: part * 10, whole: share.whole * 10 }, 0.95);
            prop_assert!(high10 - low10 < high - low);
        }
    }
}
