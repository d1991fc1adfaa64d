//! The rules in force: the board's own, or those that the fleet's office has pushed to its site. They may change while the daemon runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attendance::AttendanceSettings;
use super::error::{NoAttendance, RulesUnknown};
use super::hours::House;

/// What follows from the rules in force.
pub struct Ruling {
    /// The rules of all doors.
    pub house: Result<House, RulesUnknown>,
    /// What attendance is computed by.
    pub attendance: Result<AttendanceSettings, NoAttendance>,
    /// Where the rules come from.
    pub origin: RulesOrigin,
}

/// Where the rules in force come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RulesOrigin {
    /// The rules of the board's site; null where the board goes by its own configuration.
    pub site: Option<SiteRulesForm>,
    /// Why the newest rules of the site are not in force; null if they are.
    pub trouble: Option<String>,
}

/// The rules of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteRulesForm {
    pub site: String,
    /// The version in which they were pushed.
    pub version: u64,
    /// Who pushed them.
    pub by: String,
    /// When, RFC 3339 in UTC, by the office's clock.
    pub since: String,
    /// TOML, with the keys of `[[schedule]]`, `[[permit]]` and `[[door]]` of the configuration.
    pub text: String,
    /// The lists of holidays, by the paths in the text.
    pub holidays: BTreeMap<String, String>,
}

/// The rules in force, shared by those who ask and those who change them.
#[derive(Clone)]
pub struct RulesInForce(Arc<Mutex<Arc<Ruling>>>);

impl RulesInForce {
    /// These rules, until others are [set](RulesInForce::set).
    pub fn new(ruling: Ruling) -> RulesInForce {
        RulesInForce(Arc::new(Mutex::new(Arc::new(ruling))))
    }

    /// The rules in force now.
    pub fn get(&self) -> Arc<Ruling> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other rules into force.
    pub fn set(&self, ruling: Ruling) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(ruling);
    }
}

impl SiteRulesForm {
    /// What the rules are called, as in receipts: `rules 7 of berlin`.
    pub fn source(&self) -> String {
        format!("rules {} of {}", self.version, self.site)
    }
}
