//! Which records the timeline shows.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use thiserror::Error;

use crate::domain::{AccessEvent, DaemonEvent, DoorEvent, PeopleEvent, StoreEvent};
use crate::web::query::{escape, unless_empty};

/// The kinds of one subject.
pub struct Subject {
    /// As the query has it, after `@`.
    pub word: &'static str,
    /// The id of its name.
    pub name: &'static str,
    pub kinds: &'static [&'static str],
}

/// All kinds of records.
pub const SUBJECTS: &[Subject] = &[
    Subject { word: "access", name: "timeline-group-access", kinds: AccessEvent::KINDS },
    Subject { word: "door", name: "timeline-group-door", kinds: DoorEvent::KINDS },
    Subject { word: "people", name: "timeline-group-people", kinds: PeopleEvent::KINDS },
    Subject { word: "store", name: "timeline-group-store", kinds: StoreEvent::KINDS },
    Subject { word: "daemon", name: "timeline-group-daemon", kinds: DaemonEvent::KINDS },
];

/// A day that no calendar has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{day} is beyond the calendar")]
pub struct BeyondTheCalendar {
    day: Date,
}

/// What the form asks for. An empty field asks for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Filter {
    #[serde(default, deserialize_with = "unless_empty")]
    pub door: Option<String>,
    #[serde(default, deserialize_with = "unless_empty")]
    pub person: Option<u32>,
    /// A kind, or `@` and a subject.
    #[serde(default, deserialize_with = "unless_empty")]
    pub kind: Option<String>,
    #[serde(default, deserialize_with = "unless_empty")]
    pub day: Option<Date>,
    /// Records before this number.
    #[serde(default, deserialize_with = "unless_empty")]
    pub before: Option<u64>,
}

impl Filter {
    /// Whether new records belong to what is shown.
    pub fn is_live(&self) -> bool {
        self.before.is_none() && self.day.is_none()
    }

    /// The query of the page without the place in the list.
    pub fn kept(&self) -> String {
        let mut query = String::new();
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                query += &format!("{}{name}={}", if query.is_empty() { "" } else { "&" }, escape(&value));
            }
        };
        add("door", self.door.clone());
        add("person", self.person.map(|person| person.to_string()));
        add("kind", self.kind.clone());
        add("day", self.day.map(|day| day.to_string()));
        query
    }

    /// What the API is asked, beginning with `&`.
    ///
    /// # Errors
    /// A day beyond the calendar.
    pub fn query(&self, zone: &TimeZone) -> Result<String, BeyondTheCalendar> {
        let mut query = self.selection();
        if let Some(day) = self.day {
            let beyond = |_| BeyondTheCalendar { day };
            let midnight = |day: Date| day.to_zoned_datetime(zone.clone()).map(|at| at.timestamp());
            let next = day.checked_add(1.day()).and_then(midnight).map_err(beyond)?;
            query += &format!("&since={}&until={next}", midnight(day).map_err(beyond)?);
        }
        if let Some(before) = self.before {
            query += &format!("&before={before}");
        }
        Ok(query)
    }

    /// Door, person and kinds as the API takes them, beginning with `&`.
    pub fn selection(&self) -> String {
        let mut query = String::new();
        if let Some(door) = &self.door {
            query += &format!("&door={}", escape(door));
        }
        if let Some(person) = self.person {
            query += &format!("&person={person}");
        }
        if let Some(kind) = &self.kind {
            let subject = SUBJECTS.iter().find(|subject| kind.strip_prefix('@') == Some(subject.word));
            let kinds = subject.map_or_else(|| kind.clone(), |subject| subject.kinds.join(","));
            query += &format!("&kinds={}", escape(&kinds));
        }
        query
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_day_is_that_of_the_zone_also_when_the_clocks_change() {
        let filter = Filter { day: Some(date(2026, 3, 29)), person: Some(7), ..Filter::default() };
        let query = filter.query(&TimeZone::get("Europe/Berlin").unwrap()).unwrap();
        assert_eq!(query, "&person=7&since=2026-03-28T23:00:00Z&until=2026-03-29T22:00:00Z");
        assert_eq!(filter.kept(), "person=7&day=2026-03-29");
        assert!(!filter.is_live());
    }

    #[test]
    fn a_subject_stands_for_its_kinds() {
        let of = |kind: &str| Filter { kind: Some(kind.into()), ..Filter::default() }.selection();
        assert_eq!(of("denied"), "&kinds=denied");
        assert!(of("@people").starts_with("&kinds=enrolled%2C"));
        let all: Vec<&str> = SUBJECTS.iter().flat_map(|subject| subject.kinds.iter().copied()).collect();
        assert_eq!(all, crate::domain::Event::kinds().collect::<Vec<_>>());
        let door = Filter { door: Some("front & back".into()), before: Some(9), ..Filter::default() };
        assert_eq!(door.query(&TimeZone::UTC).unwrap(), "&door=front%20%26%20back&before=9");
    }
}
