//! Who may pass where and when: the rules of all doors as the API shows them, and trying them out.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::people::Person;
use crate::access::{Authority, DoorRules, Holder, HouseRules, Judgement, Now, PassRequest, Permit, Schedule};
use crate::domain::{Assurance, DoorIndex, Mode, Moment, PersonId, ScheduleIndex};

/// Holidays that are listed of one schedule.
const MOST_HOLIDAYS: usize = 50;

/// The rules of all doors, and the doors' names in the same order.
#[derive(Clone, Debug)]
pub struct House {
    pub rules: HouseRules,
    pub doors: Vec<String>,
}

/// Asks for the hours of a week.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoursQuery {
    /// A day of that week, as `2026-12-25`; this week without it.
    pub week: Option<String>,
}

/// The rules of all doors, with the hours of one week.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HouseHours {
    /// The device's time zone; empty for one without a name.
    pub zone: String,
    /// The week's first day, as `2026-12-21`.
    pub monday: String,
    pub schedules: Vec<ScheduleHours>,
    pub doors: Vec<DoorHours>,
    /// Where schedules and permits come from, as `rules 7 of berlin`; null for the board's own configuration.
    #[serde(default)]
    pub source: Option<String>,
}

/// A schedule.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleHours {
    pub name: String,
    /// Its time zone; empty for one without a name.
    pub zone: String,
    /// Whether it is open now.
    pub open: bool,
    /// When that changes next, RFC 3339 in UTC; null if it does not within two weeks.
    pub until: Option<String>,
    /// Monday to Sunday.
    pub days: Vec<DayHours>,
    /// The holidays of the next twelve months.
    pub holidays: Vec<Holiday>,
}

/// One day of a schedule, by its own clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DayHours {
    /// As `2026-12-25`.
    pub date: String,
    /// The holiday's name, which may be empty; null on other days.
    pub holiday: Option<String>,
    /// When it is open: from and to in minutes since midnight, 0 to 1440, in order, without overlaps.
    pub open_min: Vec<[u16; 2]>,
}

/// A holiday.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holiday {
    /// As `2026-12-25`.
    pub date: String,
    /// May be empty.
    pub name: String,
}

/// The rules of a door.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DoorHours {
    pub name: String,
    /// Any of these lets a person in; null lets in everybody who is enrolled, at any time.
    pub permits: Option<Vec<PermitForm>>,
    /// The schedule by which the door stands unlocked.
    pub unlock_hours: Option<String>,
    /// The group of which somebody has to come first each day.
    pub first_person: Option<String>,
    /// Two people have to come within this time.
    pub two_person_s: Option<u64>,
    /// The zones on its two sides; null if it has none.
    pub zones: Option<DoorZones>,
    /// What is asked beyond the face; any of these suffices.
    pub assurance: Vec<String>,
}

/// Lets groups in at certain hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PermitForm {
    /// Empty is everybody.
    pub groups: Vec<String>,
    /// Null is any time.
    pub schedule: Option<String>,
    /// What is asked beyond the face; null leaves it to the door.
    pub assurance: Option<Vec<String>>,
}

/// The zones on the two sides of a door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoorZones {
    pub outside: String,
    pub inside: String,
}

/// Asks whether a person may pass.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleQuery {
    /// The person's number.
    pub person: u32,
    /// All doors without it.
    pub door: Option<String>,
    /// Local time as `2026-03-29T02:30`, or a moment with its offset as `2026-03-29T02:30:00+02:00`; now without it.
    pub at: Option<String>,
}

/// Whether a person may pass a door at a moment.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleTest {
    pub door: String,
    pub person: TestedPerson,
    /// RFC 3339, UTC.
    pub at: String,
    pub passes: bool,
    /// Why not, as in the journal's decisions.
    pub reason: Option<String>,
    /// Each question, in order.
    pub gates: Vec<GateForm>,
    /// What the door asks beyond the face; any of these suffices.
    pub assurance: Vec<String>,
}

/// The person of a [`ScheduleTest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestedPerson {
    pub id: u32,
    pub name: String,
}

/// A question that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateForm {
    pub name: String,
    /// What is, in words.
    pub input: String,
    /// What must be, in words.
    pub limit: String,
    pub passed: bool,
    /// The answer is not known, and so the gate has not passed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cannot_judge: bool,
}

/// A person at a door at a moment, judged.
pub struct Tested {
    pub door: String,
    pub at: Timestamp,
    pub judgement: Judgement,
}

impl Tested {
    /// As the API shows it.
    pub fn form(&self, person: &Person) -> ScheduleTest {
        let judgement = &self.judgement;
        let gates = judgement.gates.iter().map(|gate| GateForm {
            name: gate.name.to_string(),
            input: gate.input.clone(),
            limit: gate.limit.clone(),
            passed: gate.passed,
            cannot_judge: gate.cannot_judge,
        });
        ScheduleTest {
            door: self.door.clone(),
            person: TestedPerson { id: person.id, name: person.name.clone() },
            at: self.at.to_string(),
            passes: judgement.refused.is_none(),
            reason: judgement.refused.map(|reason| reason.as_str().to_owned()),
            gates: gates.collect(),
            assurance: words(&judgement.assurance),
        }
    }
}

impl House {
    /// Whether `person` may pass the door of that name, or each of them, at each of the moments. By the rules alone: as if no door were in lockdown,
    /// everybody's place were unknown, and nobody had come that day.
    ///
    /// # Errors
    /// There is no such door.
    pub fn test(&self, person: &Person, door: Option<&str>, at: &[Timestamp]) -> Result<Vec<Tested>, ApiError> {
        let holder = holder(person)?;
        let mut authority = Authority::new(self.rules.clone());
        let mut tested = Vec::new();
        for (index, name) in self.doors.iter().enumerate().filter(|(_, name)| door.is_none_or(|door| door == *name)) {
            for at in at {
                let request = PassRequest {
                    door: DoorIndex(index),
                    direction: None,
                    holder: &holder,
                    shown: None,
                    first: None,
                    mode: &Mode::Normal,
                    other_open: None,
                    interlocked: false,
                };
                let judgement = authority.judge(&request, Now::by_the_wall(Moment::default(), *at));
                tested.push(Tested { door: name.clone(), at: *at, judgement });
            }
        }
        match door {
            Some(name) if tested.is_empty() => {
                Err(ApiError::NoDoor { name: name.to_owned(), doors: self.doors.join(", ") })
            }
            _ => Ok(tested),
        }
    }

    /// The rules, with the hours of the week of `day`.
    pub fn hours(&self, day: Date, now: Timestamp) -> HouseHours {
        let since_monday = i64::from(day.weekday().to_monday_zero_offset());
        let monday = day.checked_sub(since_monday.days()).unwrap_or(day);
        HouseHours {
            zone: zone_name(&self.rules.zone),
            monday: monday.to_string(),
            schedules: self.rules.schedules.iter().map(|schedule| schedule_hours(schedule, monday, now)).collect(),
            doors: self.doors.iter().zip(&self.rules.doors).map(|(name, rules)| self.door(name, rules)).collect(),
            source: self.rules.source.clone(),
        }
    }

    fn door(&self, name: &str, rules: &DoorRules) -> DoorHours {
        let schedule = |at: ScheduleIndex| self.rules.schedules.get(at.0).map(|schedule| schedule.name.clone());
        let permit = |permit: &Permit| PermitForm {
            groups: permit.groups.clone(),
            schedule: permit.schedule.and_then(schedule),
            assurance: permit.assurance.as_deref().map(words),
        };
        DoorHours {
            name: name.to_owned(),
            permits: rules.permits.as_ref().map(|permits| permits.iter().map(permit).collect()),
            unlock_hours: rules.unlock_hours.and_then(schedule),
            first_person: rules.first_person.clone(),
            two_person_s: rules.two_person.map(|within| within.as_secs()),
            zones: rules
                .zones
                .as_ref()
                .map(|zones| DoorZones { outside: zones.outside.clone(), inside: zones.inside.clone() }),
            assurance: words(&rules.assurance),
        }
    }
}

fn schedule_hours(schedule: &Schedule, monday: Date, now: Timestamp) -> ScheduleHours {
    let hours = schedule.at(now);
    let day = |offset: i64| {
        let date = monday.checked_add(offset.days()).unwrap_or(monday);
        DayHours {
            date: date.to_string(),
            holiday: schedule.holidays.name(date).map(str::to_owned),
            open_min: schedule.on_the_clock(date).iter().map(|window| [window.from_min, window.to_min]).collect(),
        }
    };
    let today = schedule.zone.to_datetime(now).date();
    let holidays = schedule.holidays.of_a_year(today).into_iter().take(MOST_HOLIDAYS);
    ScheduleHours {
        name: schedule.name.clone(),
        zone: zone_name(&schedule.zone),
        open: hours.open,
        until: hours.until.map(|until| until.to_string()),
        days: (0..7).map(day).collect(),
        holidays: holidays.map(|(date, name)| Holiday { date: date.to_string(), name: name.to_owned() }).collect(),
    }
}

fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or_default().to_owned()
}

fn words(tiers: &[Assurance]) -> Vec<String> {
    tiers.iter().map(|tier| tier.as_str().to_owned()).collect()
}

fn holder(person: &Person) -> Result<Holder, ApiError> {
    let moment = |text: &Option<String>| {
        let moment = text.as_deref().map(str::parse).transpose();
        moment.map_err(|error: jiff::Error| ApiError::Failed(error.to_string()))
    };
    Ok(Holder {
        person: PersonId(person.id),
        groups: person.groups.clone(),
        enabled: person.enabled,
        valid_from: moment(&person.valid_from)?,
        valid_until: moment(&person.valid_until)?,
    })
}

/// The moments that `text` names: one with an offset, or those at which the clock of `zone` shows it ([`moments_of`]). `None` if it is not a time.
pub fn moments(text: &str, zone: &TimeZone) -> Option<Vec<Timestamp>> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(vec![at]);
    }
    moments_of(text.parse().ok()?, zone)
}

/// The moments at which the clock of `zone` shows `local`: two in an hour that occurs twice; in an hour that is skipped, the moments on either side.
/// `None` beyond the times that can be written.
pub fn moments_of(local: DateTime, zone: &TimeZone) -> Option<Vec<Timestamp>> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let (early, late) = (ambiguous.earlier().ok()?, ambiguous.later().ok()?);
    Some(if early == late { vec![early] } else { vec![early, late] })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::access::{Backoff, Holidays, Window};
    use crate::domain::{Passback, WithoutSync};

    fn window(from_min: u16, to_min: u16) -> Window {
        Window { from_min, to_min }
    }

    /// An office with hours on weekdays, and a night shift from Friday to Saturday.
    fn house() -> House {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let mut week: [Vec<Window>; 7] = std::array::from_fn(|_| vec![window(480, 1080)]);
        week[4].push(window(1320, 1800));
        week[5].clear();
        week[6].clear();
        let office = Schedule {
            name: "office".to_owned(),
            zone: zone.clone(),
            week,
            holidays: Holidays::parse("2026-12-25 Christmas Day\n01-01 New Year").unwrap(),
            on_holidays: Vec::new(),
        };
        let permit = Permit { groups: vec!["staff".to_owned()], schedule: Some(ScheduleIndex(0)), assurance: None };
        let front = DoorRules { permits: Some(vec![permit]), ..DoorRules::default() };
        let rules = HouseRules {
            zone,
            schedules: vec![office],
            doors: vec![front, DoorRules { unlock_hours: Some(ScheduleIndex(0)), ..DoorRules::default() }],
            passback: Passback::Off,
            passback_for: None,
            backoff: Backoff { after: 0, first: Duration::ZERO, longest: Duration::ZERO },
            without_sync: WithoutSync::Deny,
            source: None,
        };
        House { rules, doors: vec!["front".to_owned(), "yard".to_owned()] }
    }

    fn ada() -> Person {
        serde_json::from_value(serde_json::json!({
            "id": 1, "name": "Ada", "employee_id": null, "groups": ["staff"], "enabled": true, "valid_from": null, "valid_until": null,
            "created": "2026-01-01T00:00:00Z", "templates": 5, "foreign_templates": 0, "locked_templates": 0
        }))
        .unwrap()
    }

    #[test]
    fn a_week_has_the_hours_of_each_day_by_the_clock() {
        // A Wednesday.
        let day: Date = "2026-12-23".parse().unwrap();
        let hours = house().hours(day, "2026-12-23T12:00:00Z".parse().unwrap());
        assert_eq!((hours.zone.as_str(), hours.monday.as_str()), ("Europe/Berlin", "2026-12-21"));
        let office = &hours.schedules[0];
        assert_eq!((office.open, office.until.as_deref()), (true, Some("2026-12-23T17:00:00Z")));
        assert_eq!(office.days.len(), 7);
        let day = |at: usize| office.days[at].open_min.as_slice();
        assert_eq!((day(0), day(3)), (&[[480, 1080]][..], &[[480, 1080]][..]));
        assert_eq!(office.days[4].holiday.as_deref(), Some("Christmas Day"));
        assert_eq!((day(4), day(5), day(6)), (&[][..], &[][..], &[][..]), "a holiday's night shift does not begin");
        let dates: Vec<&str> = office.holidays.iter().map(|holiday| holiday.date.as_str()).collect();
        assert_eq!(dates, ["2026-12-25", "2027-01-01"]);
        assert_eq!(hours.doors[0].permits.as_ref().unwrap()[0].schedule.as_deref(), Some("office"));
        assert_eq!((hours.doors[1].permits.is_none(), hours.doors[1].unlock_hours.as_deref()), (true, Some("office")));
    }

    #[test]
    fn a_night_goes_on_into_the_next_day() {
        let hours = house().hours("2026-06-03".parse().unwrap(), "2026-06-03T12:00:00Z".parse().unwrap());
        let days = &hours.schedules[0].days;
        assert_eq!(days[4].open_min, [[480, 1080], [1320, 1440]]);
        assert_eq!(days[5].open_min, [[0, 360]]);
    }

    #[test]
    fn a_person_is_judged_at_each_door_and_moment() {
        let house = house();
        let at = moments("2026-10-25T02:30", &house.rules.zone).unwrap();
        assert_eq!(at.len(), 2, "that hour occurs twice");
        let tested = house.test(&ada(), None, &at).unwrap();
        let told: Vec<(&str, Option<&str>)> =
            tested.iter().map(|one| (one.door.as_str(), one.judgement.refused.map(|r| r.as_str()))).collect();
        let closed = Some("outside_schedule");
        assert_eq!(told, [("front", closed), ("front", closed), ("yard", None), ("yard", None)]);
        let form = tested[0].form(&ada());
        assert_eq!((form.passes, form.at.as_str(), form.person.name.as_str()), (false, "2026-10-25T00:30:00Z", "Ada"));
        assert!(form.gates.iter().any(|gate| gate.name == "permit" && !gate.passed));
        let error = house.test(&ada(), Some("attic"), &at).err().unwrap();
        assert_eq!(error.to_string(), "there is no door `attic`; the doors are front, yard");
    }

    #[test]
    fn a_time_is_local_or_has_its_offset() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let one = |text: &str| moments(text, &zone).map(|at| at[0].to_string());
        assert_eq!(one("2026-06-03T12:00").as_deref(), Some("2026-06-03T10:00:00Z"));
        assert_eq!(one("2026-06-03T12:00:00+09:00").as_deref(), Some("2026-06-03T03:00:00Z"));
        assert_eq!(moments("2026-03-29T02:30", &zone).unwrap().len(), 2, "that hour is skipped");
        assert_eq!(one("soon"), None);
    }
}
