//! What is well with the device, what is not, and what to do about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What was looked at, in a word or two: `camera`, `door`, `seal` …
    pub check: String,
    pub state: CheckState,
    /// What was found and, where it is not well, what to do.
    pub text: String,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    Ok,
    /// Works, but not as asked.
    Warning,
    /// Must be fixed.
    Broken,
}

impl Check {
    /// All is as it should be.
    pub fn well(check: &str, text: impl Into<String>) -> Check {
        Check::new(check, CheckState::Ok, text)
    }

    /// Works, but not as asked.
    pub fn warning(check: &str, text: impl Into<String>) -> Check {
        Check::new(check, CheckState::Warning, text)
    }

    /// Must be fixed.
    pub fn broken(check: &str, text: impl Into<String>) -> Check {
        Check::new(check, CheckState::Broken, text)
    }

    pub fn new(check: &str, state: CheckState, text: impl Into<String>) -> Check {
        Check { check: check.to_owned(), state, text: text.into() }
    }
}

impl CheckState {
    /// As JSON writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            CheckState::Ok => "ok",
            CheckState::Warning => "warning",
            CheckState::Broken => "broken",
        }
    }
}
