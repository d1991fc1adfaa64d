//! How the API writes moments.

use std::time::SystemTime;

use jiff::{Timestamp, Unit};

use super::error::ApiError;

/// RFC 3339 in UTC, to the second. A moment beyond what RFC 3339 can write becomes the Unix epoch.
pub fn rfc3339(time: SystemTime) -> String {
    Timestamp::try_from(time).and_then(|at| at.round(Unit::Second)).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// A moment of a request, as the rooms take it.
///
/// # Errors
/// The system's clock cannot show that moment.
pub fn system_time(at: Timestamp) -> Result<SystemTime, ApiError> {
    SystemTime::try_from(at).map_err(|_| ApiError::Invalid(format!("{at} is beyond what this system's clock can show")))
}

/// As [`system_time`], for a limit that may be absent.
pub fn limit(at: Option<Timestamp>) -> Result<Option<SystemTime>, ApiError> {
    at.map(system_time).transpose()
}
