//! How sure a counted share is: the exact interval of Clopper and Pearson.
//!
//! Knows nothing of what was counted.

use statrs::distribution::{Beta, ContinuousCDF};

use super::roc::Share;

/// The usual confidence.
pub const CONFIDENCE: f64 = 0.95;

/// The two-sided interval of Clopper and Pearson (1934): all true shares at which a count as extreme as this one would not be rarer than
/// `(1 - confidence) / 2` to either side. It never promises more than `confidence`, also at counts of none and of all; it takes the
/// trials as independent. (0, 1) when nothing was tried.
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
        fn the_share_lies_inside_and_more_trials_say_more(part in 0u64..500, rest in 1u64..500) {
            let share = Share { part, whole: part + rest };
            let (low, high) = clopper_pearson(share, 0.95);
            prop_assert!(low <= share.rate() && share.rate() <= high && low >= 0.0 && high <= 1.0);
            let (low10, high10) = clopper_pearson(Share { part: part * 10, whole: share.whole * 10 }, 0.95);
            prop_assert!(high10 - low10 < high - low);
        }
    }
}
