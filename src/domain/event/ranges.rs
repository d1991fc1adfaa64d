//! Sequence numbers of records, written short: `3-5,9`.

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// A set of sequence numbers, as ranges. Written `3-5,9`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SeqRanges(Vec<RangeInclusive<u64>>);

impl SeqRanges {
    /// Of numbers that ascend.
    pub fn of(numbers: &[u64]) -> SeqRanges {
        let mut ranges: Vec<RangeInclusive<u64>> = Vec::new();
        for number in numbers {
            match ranges.last_mut() {
                Some(range) if range.end().checked_add(1) == Some(*number) => *range = *range.start()..=*number,
                _ => ranges.push(*number..=*number),
            }
        }
        SeqRanges(ranges)
    }

    /// Whether a number is in the set.
    pub fn contains(&self, seq: u64) -> bool {
        self.0.iter().any(|range| range.contains(&seq))
    }
}

impl fmt::Display for SeqRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, range) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            match range.start() == range.end() {
                true => write!(f, "{comma}{}", range.start())?,
                false => write!(f, "{comma}{}-{}", range.start(), range.end())?,
            }
        }
        Ok(())
    }
}

impl From<SeqRanges> for String {
    fn from(ranges: SeqRanges) -> String {
        ranges.to_string()
    }
}

impl TryFrom<String> for SeqRanges {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<SeqRanges, Self::Error> {
        let range = |part: &str| match part.split_once('-') {
            Some((first, last)) => Ok(first.parse()?..=last.parse()?),
            None => part.parse().map(|number| number..=number),
        };
        text.split(',').filter(|part| !part.is_empty()).map(range).collect::<Result<_, _>>().map(SeqRanges)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_are_written_short() {
        assert_eq!(SeqRanges::of(&[3, 4, 5, 9]).to_string(), "3-5,9");
        assert_eq!(SeqRanges::of(&[]).to_string(), "");
        assert_eq!(SeqRanges::of(&[u64::MAX]).to_string(), u64::MAX.to_string());
        assert!(SeqRanges::try_from("3-x".to_owned()).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(numbers in prop::collection::btree_set(0u64..60, 0..40)) {
            let written = SeqRanges::of(&numbers.iter().copied().collect::<Vec<_>>());
            let back = SeqRanges::try_from(written.to_string()).unwrap();
            prop_assert_eq!(&back, &written);
            prop_assert!((0..60).all(|seq| back.contains(seq) == numbers.contains(&seq)));
        }
    }
}
