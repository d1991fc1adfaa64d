//! Names within a fleet: sites, galleries and boards. They are part of subjects, file names and journals, so they are short and plain.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// The longest name, in characters.
const MAX_CHARS: usize = 32;

/// Why a text is not a name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{text:?} cannot be the name of a {of}: use 1 to {MAX_CHARS} of the characters a to z, 0 to 9 and -, and begin and end with a letter or a digit"
)]
pub struct NameError {
    of: &'static str,
    text: String,
}

/// Whether a text may be a name.
fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let dash_outside = text.starts_with('-') || text.ends_with('-');
    (1..=MAX_CHARS).contains(&text.len()) && text.bytes().all(plain) && !dash_outside
}

macro_rules! name {
    ($(#[$doc:meta])* $Name:ident, $of:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $Name(String);

        impl $Name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $Name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<$Name, NameError> {
                $Name::try_from(text.to_owned())
            }
        }

        impl TryFrom<String> for $Name {
            type Error = NameError;

            fn try_from(text: String) -> Result<$Name, NameError> {
                match is_name(&text) {
                    true => Ok($Name(text)),
                    // A long text is cut: it may come from anywhere.
                    false => Err(NameError { of: $of, text: text.chars().take(2 * MAX_CHARS).collect() }),
                }
            }
        }

        impl From<$Name> for String {
            fn from(name: $Name) -> String {
                name.0
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A place with doors under one set of rules, such as `berlin`.
    Site,
    "site"
);
name!(
    /// A set of people. A board holds one.
    Gallery,
    "gallery"
);
name!(
    /// A board: one usher with its doors.
    Board,
    "board"
);

impl From<&Site> for Gallery {
    /// The gallery of a site has its name.
    fn from(site: &Site) -> Gallery {
        Gallery(site.0.clone())
    }
}

/// A fleet, by a random id. Records of one fleet are refused in every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FleetId(pub Uuid);

impl FleetId {
    /// A new fleet's id.
    pub fn generate() -> FleetId {
        FleetId(Uuid::new_v4())
    }
}

impl fmt::Display for FleetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for FleetId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<FleetId, uuid::Error> {
        Uuid::parse_str(text).map(FleetId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for good in ["a", "berlin", "hall-2", "0", &"x".repeat(32)] {
            assert_eq!(good.parse::<Site>().unwrap().as_str(), good);
        }
        for bad in ["-", "--", "-a", "a-", "", "Berlin", "a.b", "a b", "a*", "a>", "é", &"x".repeat(33)] {
            let error = bad.parse::<Board>().unwrap_err().to_string();
            assert!(error.contains("name of a board") && error.contains("1 to 32"), "{error}");
            assert!(serde_json::from_value::<Gallery>(bad.into()).is_err(), "{bad}");
        }
        let long = "y".repeat(100_000).parse::<Board>().unwrap_err().to_string();
        assert!(long.len() < 300);
        let site: Site = "berlin".parse().unwrap();
        assert_eq!(Gallery::from(&site).as_str(), "berlin");
        assert_eq!(serde_json::to_string(&site).unwrap(), "\"berlin\"");
    }

    #[test]
    fn a_fleet_is_read_as_it_is_written() {
        let fleet = FleetId::generate();
        assert_eq!(fleet.to_string().parse::<FleetId>().unwrap(), fleet);
        assert!("x".parse::<FleetId>().is_err());
    }
}
