//! The calendar by which commands read and show days: a command needs no configuration of its own for that.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ledger::attendance::Rules;

/// The time zones, and when a day begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Calendar {
    /// The device's time zone, that of schedules and of days of validity; null where it has no name, and is the machine's.
    pub time_zone: Option<String>,
    /// The time zone of attendance and of the journal's days; null as above.
    pub attendance_time_zone: Option<String>,
    /// When a day of attendance begins: `02:00:00`.
    #[schemars(with = "String")]
    pub day_starts: Time,
}

/// Why there is no calendar, in words: a time zone that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NoCalendar(pub String);

impl Calendar {
    /// Of the device's time zone and the rules of attendance.
    pub fn new(zone: &TimeZone, rules: &Rules) -> Calendar {
        let name = |zone: &TimeZone| zone.iana_name().map(str::to_owned);
        Calendar { time_zone: name(zone), attendance_time_zone: name(&rules.zone), day_starts: rules.day_starts }
    }
}
