//! Time zones by name.

use jiff::tz::TimeZone;

/// The time zone of a name, from the system's database of time zones. UTC needs none: an image without the package tzdata knows it too.
///
/// # Errors
/// There is no such zone, or no database.
pub fn zone_named(name: &str) -> Result<TimeZone, jiff::Error> {
    if name == "UTC" { Ok(TimeZone::UTC) } else { TimeZone::get(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_is_known_without_a_database() {
        // Not the zone of that name in the database: the constant, which `get` never gives.
        assert_eq!(zone_named("UTC").unwrap(), TimeZone::UTC);
        assert!(zone_named("Europe/Berlin").is_ok());
        assert!(zone_named("Europe/Bielefeld").is_err());
        assert!(zone_named("").is_err());
    }
}
