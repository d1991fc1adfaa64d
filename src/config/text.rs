//! Small readings and writings of text: durations and sizes with units, quoted strings, and the nearest known word to a misspelt one.

use std::time::Duration;

use bytesize::ByteSize;
use humantime_serde::re::humantime;
use strsim::osa_distance;

/// Reads a duration: whole numbers with units, as in `800ms`, `5s`, `2m` or `1h 30m`. `None` for anything else.
pub fn read_span(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// The units that [`span`] writes, and their milliseconds, largest first.
const SPANS: [(&str, u128); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Writes a duration with the largest unit that leaves a whole number, so that [`read_span`] reads the same.
pub fn span(span: Duration) -> String {
    let milliseconds = span.as_millis();
    let whole = span.subsec_nanos().is_multiple_of(1_000_000);
    match SPANS.iter().find(|(_, unit)| milliseconds.is_multiple_of(*unit)) {
        _ if span.is_zero() => "0s".to_owned(),
        Some((name, unit)) if whole => format!("{}{name}", milliseconds / unit),
        _ => humantime::format_duration(span).to_string(),
    }
}

/// Reads a size in bytes: a number with a unit, as in `64MiB` (2^26 bytes) or `64MB` (64 million bytes). `None` for anything else.
pub fn read_size(text: &str) -> Option<u64> {
    text.parse::<ByteSize>().ok().map(|size| size.as_u64())
}

/// The units that [`size`] writes, and their bytes, largest first.
const SIZES: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Writes a size with the largest unit that leaves a whole number, so that [`read_size`] reads the same.
pub fn size(bytes: u64) -> String {
    let fits = |(_, unit): &&(&str, u64)| bytes >= *unit && bytes.is_multiple_of(*unit);
    let (name, unit) = SIZES.iter().find(fits).unwrap_or(&("B", 1));
    format!("{}{name}", bytes / unit)
}

/// `text` as a basic TOML string, with its quotes.
pub fn quote(text: &str) -> String {
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
pub fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}

/// `text` with every run of blanks and control characters as one blank: fit for a comment or a message of one line.
pub fn one_line(text: &str) -> String {
    let blank = |c: char| c.is_whitespace() || c.is_control();
    text.split(blank).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The word of `known` nearest to `word`, when it is near enough to be meant: one letter in three inserted, removed, replaced or swapped with
/// its neighbour (the optimal string alignment distance), or its beginning.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // No key is nearly this long, and the distance costs length times length.
    if word.len() > 40 {
        return None;
    }
    let word = word.to_lowercase();
    known
        .iter()
        .map(|candidate| {
            let begins = word.len() >= 3 && candidate.starts_with(&word);
            (if begins { 1 } else { osa_distance(&word, candidate) }, *candidate)
        })
        .filter(|(edits, candidate)| *edits <= (candidate.len().max(word.len()) / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

/// For serde: a duration.
pub mod span_text {
    use std::time::Duration;

    use serde::Serializer;

    pub use humantime_serde::deserialize;

    pub fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::span(*span))
    }
}

/// For serde: a duration that is off, `None`, when it is zero.
pub mod off_at_zero {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        super::span_text::serialize(&span.unwrap_or_default(), serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let span: Duration = humantime_serde::deserialize(deserializer)?;
        Ok(Some(span).filter(|span| !span.is_zero()))
    }
}

/// For serde: a size in bytes, written with a unit.
pub mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::size(*bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        bytesize::ByteSize::deserialize(deserializer).map(|size| size.as_u64())
    }
}

/// For serde: a text or a path that is not set, `None`, when it is empty.
pub mod unset_if_empty {
    use std::ffi::OsStr;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer, T: Serialize>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str(""),
        }
    }

    pub fn deserialize<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        D: Deserializer<'de>,
        T: Deserialize<'de> + AsRef<OsStr>,
    {
        T::deserialize(deserializer).map(|value| Some(value).filter(|value| !value.as_ref().is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_need_whole_numbers_with_units() {
        assert_eq!(read_span("800ms"), Some(Duration::from_millis(800)));
        assert_eq!(read_span("5 s"), Some(Duration::from_secs(5)));
        assert_eq!(read_span("2m"), Some(Duration::from_secs(120)));
        assert_eq!(read_span("1h"), Some(Duration::from_secs(3600)));
        for wrong in ["", "5", "s", "-1s", "5zec", "99999999999999999999s", "9999999999999999999h"] {
            assert_eq!(read_span(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        assert_eq!(
            (read_size("64MiB"), read_size("64MB"), read_size("96 KiB")),
            (Some(64 << 20), Some(64_000_000), Some(96 << 10))
        );
        assert_eq!([64 << 20, 1_000_000, 1 << 40, 0].map(size), ["64MiB", "1000000B", "1TiB", "0B"]);
        for wrong in ["", "MB", "5 lots", "-1MiB"] {
            assert_eq!(read_size(wrong), None, "{wrong:?}");
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
        fn a_duration_written_reads_back_the_same(number in 0..1_000_000_000_u64) {
            for written in [Duration::from_millis(number), Duration::from_secs(number), Duration::from_micros(number)] {
                prop_assert_eq!(read_span(&span(written)), Some(written));
            }
        }

        #[test]
        fn a_size_written_reads_back_the_same(bytes in 0..1_u64 << 52) {
            prop_assert_eq!(read_size(&size(bytes)), Some(bytes));
        }

        #[test]
        fn a_quoted_text_reads_back_the_same(text in any::<String>()) {
            let quoted = quote(&text);
            let value = toml::de::DeValue::parse(&quoted).unwrap();
            prop_assert_eq!(value.get_ref().as_str(), Some(text.as_str()));
        }
    }
}
