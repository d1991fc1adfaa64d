//! How long the embeddings of a data set's photographs are before they are brought to unit length: the table of shares and lengths of a
//! calibration. Short ones come from faces that are blurred, dark, turned or covered, so the table says how good a photograph is among others.

/// The shares of photographs whose lengths are kept: close together at the low end, where the limits are.
const SHARES: [f64; 15] = [0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
/// With fewer photographs, the smallest shares are those of single ones.
const FEWEST: usize = 100;

/// The lengths below which each of the kept shares of `lengths` is. Empty if there are fewer than a hundred, or one is not a number.
pub fn lengths(mut lengths: Vec<f32>) -> Vec<[f64; 2]> {
    if lengths.len() < FEWEST || lengths.iter().any(|length| !length.is_finite()) {
        return Vec::new();
    }
    lengths.sort_by(f32::total_cmp);
    let last = lengths.len() - 1;
    let at = |share: f64| lengths.get((share * last as f64).round() as usize).map(|&length| [share, f64::from(length)]);
    SHARES.into_iter().filter_map(at).collect()
}

/// The share of `lengths` that is below `limit`.
pub fn share_below(lengths: &[f32], limit: f32) -> f64 {
    let below = lengths.iter().filter(|&&length| length < limit).count();
    below as f64 / lengths.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_table_holds_the_shares_below_each_length() {
        let table = lengths((0..=1000).rev().map(|n| n as f32 / 100.0).collect());
        assert_eq!(table.len(), SHARES.len());
        for [share, length] in table {
            assert!((length - share * 10.0).abs() < 1e-6, "{share}: {length}");
        }
    }

    #[test]
    fn few_or_broken_lengths_give_no_table() {
        assert_eq!(lengths(vec![1.0; FEWEST - 1]), Vec::<[f64; 2]>::new());
        assert_eq!(lengths(vec![1.0; FEWEST]).len(), SHARES.len());
        let mut broken = vec![1.0; FEWEST];
        broken[7] = f32::NAN;
        assert_eq!(lengths(broken), Vec::<[f64; 2]>::new());
    }

    #[test]
    fn shares_are_counted() {
        assert_eq!((share_below(&[1.0, 2.0, 3.0, 4.0], 3.0), share_below(&[], 3.0)), (0.5, 0.0));
    }

    proptest! {
        #[test]
        fn the_table_rises(all in prop::collection::vec(0.1f32..20.0, FEWEST..400)) {
            let table = lengths(all.clone());
            prop_assert!(table.is_sorted_by(|[a, short], [b, long]| a < b && short <= long));
            // A share is met to within one photograph.
            for [share, length] in table {
                let below = share_below(&all, length as f32);
                let at_most = all.iter().filter(|&&l| f64::from(l) <= length).count() as f64 / all.len() as f64;
                prop_assert!(below <= share + 0.011 && at_most >= share - 0.011, "{share} {below} {at_most}");
            }
        }
    }
}
