//! Checks of the fleet: a limit that the office can keep, and settings that do nothing.

use std::time::Duration;

use super::Checks;
use crate::config::sections::WhenStale;
use crate::domain::Passback;

/// The office speaks every minute. Two words may be lost.
const SHORTEST_AGE: Duration = Duration::from_secs(180);

impl Checks<'_> {
    pub(super) fn fleet(&mut self) {
        let fleet = &self.config.fleet;
        let limited = !fleet.max_age.is_zero();
        if limited && fleet.max_age < SHORTEST_AGE && self.sound("fleet.max_age") {
            self.reject("fleet.max_age", "must be \"0s\" or at least \"3m\": the office speaks once a minute");
        }
        if fleet.when_stale == WhenStale::Deny && !limited {
            self.warn("fleet.when_stale", "it has no effect: fleet.max_age is not set");
        }
        if limited && !fleet.enabled {
            self.warn("fleet.max_age", "it has no effect: fleet.enabled is false");
        }
        if !fleet.places {
            return;
        }
        if !fleet.enabled {
            self.warn("fleet.places", "it has no effect: fleet.enabled is false");
        }
        if self.config.access.passback == Passback::Off {
            self.reject("fleet.places", "it needs access.passback: set that to \"soft\" or \"hard\"");
        }
        if self.config.doors.iter().all(|door| door.zones().is_none()) {
            self.reject(
                "fleet.places",
                "it needs a door with zones: set outside and inside, with the same names at all boards of the site",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn fleet(keys: &str) -> Result<Config, String> {
        let text =
            format!("[[door]]\nname = \"front\"\n[[camera]]\nname = \"porch\"\nkind = \"v4l2\"\n[fleet]\n{keys}");
        Config::from_toml(&text).map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_limit_that_the_office_cannot_keep_is_refused() {
        let error = fleet("enabled = true\nmax_age = \"2m\"").unwrap_err();
        assert!(error.contains("fleet.max_age") && error.contains("once a minute"), "{error}");
        assert!(fleet("enabled = true\nmax_age = \"3m\"\nwhen_stale = \"deny\"").unwrap().warnings().is_empty());
        assert!(fleet("enabled = true").unwrap().warnings().is_empty());
    }

    #[test]
    fn settings_without_effect_are_told() {
        for keys in ["enabled = true\nwhen_stale = \"deny\"", "max_age = \"1h\""] {
            let warnings = fleet(keys).unwrap().warnings().len();
            assert_eq!(warnings, 1, "{keys}");
        }
    }

    #[test]
    fn places_need_zones_and_anti_passback() {
        let with = |door: &str, access: &str| {
            let text = format!(
                "[[door]]\nname = \"front\"\n{door}\n[[camera]]\nname = \"porch\"\nkind = \"v4l2\"\n[access]\n{access}\n[fleet]\nenabled = true\nplaces = true"
            );
            Config::from_toml(&text).map_err(|errors| errors.to_string())
        };
        let (zones, hard) = ("outside = \"street\"\ninside = \"office\"", "passback = \"hard\"");
        with(zones, hard).unwrap();
        assert!(with(zones, "").unwrap_err().contains("access.passback"));
        assert!(with("", hard).unwrap_err().contains("zones"));
    }
}
