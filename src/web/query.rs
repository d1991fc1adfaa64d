//! Queries of pages, and the paths that the API is asked for.

use std::fmt::Display;
use std::fmt::Write as _;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};

/// Reads a field of a query or a form; `None` for an empty text: a form sends its empty fields, too.
///
/// # Errors
/// The text is no `T`.
pub fn unless_empty<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T::Err: Display,
{
    let text = String::deserialize(deserializer)?;
    let text = text.trim();
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(D::Error::custom) }
}

/// A text as part of a path or a query (RFC 3986): all but unreserved characters as their bytes in hexadecimal digits.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            // Writing to a String does not fail.
            other => drop(write!(escaped, "%{other:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    #[test]
    fn an_empty_field_is_none() {
        let read = |text: &'static str| {
            let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
            unless_empty::<_, u32>(deserializer).ok()
        };
        assert_eq!([read(""), read(" "), read("7"), read("seven")], [Some(None), Some(None), Some(Some(7)), None]);
    }

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(escape("front & back/é"), "front%20%26%20back%2F%C3%A9");
    }
}
