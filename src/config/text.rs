//! Small readings and writings of text: durations with units, quoted strings, and the nearest known word to a misspelt one.
//!
//! Knows nothing of sections and keys.

use std::time::Duration;

/// The units of a duration and their milliseconds, largest first.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a whole number with a unit, as in `800ms`, `5s`, `2m` or `1h`. `None` for anything else.
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*milliseconds).map(Duration::from_millis)
}

/// Writes a span of whole milliseconds with the largest unit that leaves a whole number.
pub(super) fn from_duration(span: Duration) -> String {
    let all = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if all == 0 {
        return "0s".to_string();
    }
    let (unit, milliseconds) = UNITS.iter().find(|(_, size)| all.is_multiple_of(*size)).unwrap_or(&UNITS[3]);
    format!("{}{unit}", all / milliseconds)
}

/// The units of a size and their bytes, largest first.
const SIZES: [(&str, u64); 3] = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];

/// Reads a whole number with a unit, as in `64MB`. `None` for anything else.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, size) = SIZES.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

/// Writes a size of whole kilobytes with the largest unit that leaves a whole number.
pub(super) fn from_bytes(bytes: u64) -> String {
    let (unit, size) = SIZES.iter().find(|(_, size)| bytes.is_multiple_of(*size)).unwrap_or(&SIZES[2]);
    format!("{}{unit}", bytes / size)
}

/// Writes `text` as a basic TOML string with its quotes.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// `text` for a message: control characters escaped, and no longer than 40 characters.
pub(super) fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}

/// `text` with every run of blanks and control characters as one blank: fit for a comment or a message of one line.
pub(super) fn one_line(text: &str) -> String {
    let blank = |c: char| c.is_whitespace() || c.is_control();
    text.split(blank).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The word of `known` nearest to `word`, when it is near enough to be meant: one edit for every three letters, or its beginning.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // No key is nearly this long, and the distance costs length times length.
    if word.len() > 40 {
        return None;
    }
    let word = word.to_lowercase();
    known
        .iter()
        .map(|candidate| {
            let begins = word.len() >= 3 && candidate.starts_with(&word);
            (if begins { 1 } else { edits(&word, candidate) }, *candidate)
        })
        .filter(|(edits, candidate)| *edits <= (candidate.len().max(word.len()) / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// The least number of letters inserted, removed, replaced or swapped with their neighbour that turns `a` into `b`
/// (the optimal string alignment distance; Damerau, "A technique for computer detection and correction of spelling errors", 1964).
fn edits(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_need_a_whole_number_and_a_unit() {
        assert_eq!(duration("800ms"), Some(Duration::from_millis(800)));
        assert_eq!(duration("5 s"), Some(Duration::from_secs(5)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(duration("1h"), Some(Duration::from_secs(3600)));
        for wrong in ["", "5", "s", "1.5s", "-1s", "5 s ", "5sec", "99999999999999999999s", "9999999999999999999h"] {
            assert_eq!(duration(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_misspelt_key_finds_its_neighbour() {
        let known = ["frames_agree", "frames_window", "fps", "path"];
        assert_eq!(nearest("frame_agree", &known), Some("frames_agree"));
        assert_eq!(nearest("Frames_Window", &known), Some("frames_window"));
        assert_eq!(nearest("fsp", &known), Some("fps"));
        assert_eq!(nearest("frames_w", &known), Some("frames_window"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest(&"frames_agree".repeat(100), &known), None);
    }

    proptest! {
        #[test]
        fn a_duration_written_reads_back_the_same(milliseconds in 0..1_000_000_000_u64) {
            let span = Duration::from_millis(milliseconds);
            prop_assert_eq!(duration(&from_duration(span)), Some(span));
        }

        #[test]
        fn a_quoted_text_reads_back_the_same(text in any::<String>()) {
            let quoted = quote(&text);
            let value = toml::de::DeValue::parse(&quoted).unwrap();
            prop_assert_eq!(value.get_ref().as_str(), Some(text.as_str()));
        }

        #[test]
        fn one_changed_letter_is_one_edit(word in "[a-z]{1,12}", at in any::<prop::sample::Index>()) {
            let at = at.index(word.len());
            let mut changed = word.clone();
            changed.replace_range(at..=at, "_");
            prop_assert_eq!(edits(&word, &changed), 1);
            prop_assert_eq!(edits(&changed, &word), 1);
            prop_assert_eq!(edits(&word, &word), 0);
        }
    }
}
