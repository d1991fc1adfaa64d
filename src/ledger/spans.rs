//! Numbers of records, written short: `3-5,9`.
//!
//! Knows nothing of what the records say.

use std::fmt::Write;
use std::ops::RangeInclusive;

/// Ascending numbers as `3-5,9`.
pub(super) fn write(numbers: &[u64]) -> String {
    let mut text = String::new();
    let mut rest = numbers;
    while let [first, ..] = rest {
        let run = rest.iter().zip(*first..).take_while(|(number, expected)| **number == *expected).count();
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = match rest[run - 1] {
            last if last == *first => write!(text, "{comma}{first}"),
            last => write!(text, "{comma}{first}-{last}"),
        };
        rest = &rest[run..];
    }
    text
}

/// What [`write`] wrote; `None` for anything else.
pub(super) fn read(text: &str) -> Option<Vec<RangeInclusive<u64>>> {
    let span = |part: &str| match part.split_once('-') {
        Some((first, last)) => Some(first.parse().ok()?..=last.parse().ok()?),
        None => part.parse().ok().map(|number| number..=number),
    };
    text.split(',').filter(|part| !part.is_empty()).map(span).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_are_written_short() {
        assert_eq!(write(&[3, 4, 5, 9]), "3-5,9");
        assert_eq!(write(&[]), "");
        assert_eq!(read("3-x"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(numbers in prop::collection::btree_set(0u64..60, 0..40)) {
            let written = write(&numbers.iter().copied().collect::<Vec<_>>());
            let back: BTreeSet<u64> = read(&written).unwrap().into_iter().flatten().collect();
            prop_assert_eq!(back, numbers);
        }
    }
}
