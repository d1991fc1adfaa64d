//! What the tables of attendance share: clock times, hours, remarks, the choice of a group.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::api::attendance::{AttendanceDay, DaysTotal, LateBoard};
use crate::api::people::Person;
use crate::domain::zone_named;
use crate::ledger::attendance::hours_and_minutes;
use crate::web::query::escape;
use crate::web::{Refusal, Session, Words};

/// `7:45`.
pub fn hours(seconds: i64) -> String {
    hours_and_minutes(SignedDuration::from_secs(seconds))
}

/// `08:30` by the clock of the days.
pub fn clock(at: Option<Timestamp>, zone: &TimeZone) -> String {
    at.map_or_else(|| "–".to_owned(), |at| at.to_zoned_datetime(zone.clone()).strftime("%H:%M").to_string())
}

/// The zone of the days.
pub fn zone(name: Option<&str>, site: &TimeZone) -> TimeZone {
    name.and_then(|name| zone_named(name).ok()).unwrap_or_else(|| site.clone())
}

/// The boards of a fleet that have not sent everything yet.
pub fn late(session: &Session, boards: &[LateBoard]) -> Markup {
    let t = session.words();
    let named = |late: &LateBoard| match late.until {
        None => late.board.clone(),
        Some(until) => {
            let until = until.to_zoned_datetime(session.site().settings.zone.clone()).strftime("%Y-%m-%d %H:%M");
            t.with(
                "attendance-late-until",
                &[("board", late.board.as_str().into()), ("until", until.to_string().into())],
            )
        }
    };
    let boards: Vec<String> = boards.iter().map(named).collect();
    html! {
        @if !boards.is_empty() { p.warn role="status" { (t.with("attendance-late", &[("boards", boards.join(", ").into())])) } }
    }
}

/// What is odd with a day.
pub fn remarks(t: &Words, day: &AttendanceDay) -> Markup {
    html! {
        @for anomaly in &day.anomalies {
            span.badge.warn { (anomaly_name(t, anomaly)) } " "
        }
        @if day.stints.iter().flat_map(|stint| [&stint.came, &stint.went]).flatten().any(|reading| reading.amended) {
            span.badge.quiet { (t.get("attendance-amended")) }
        }
    }
}

/// An anomaly as the API names it, in words.
pub fn anomaly_name(t: &Words, anomaly: &str) -> String {
    let id = match anomaly {
        "out_without_in" => "attendance-anomaly-out-without-in",
        "in_twice" => "attendance-anomaly-in-twice",
        "no_out" => "attendance-anomaly-no-out",
        "long_day" => "attendance-anomaly-long-day",
        "no_direction" => "attendance-anomaly-no-direction",
        "clock_not_set" => "attendance-anomaly-clock-not-set",
        other => return other.to_owned(),
    };
    t.get(id)
}

/// `1 open, 2 with remarks`.
pub fn doubts(t: &Words, total: &DaysTotal) -> Markup {
    let count = |id: &str, count: u32| t.with(id, &[("count", count.into())]);
    html! {
        @if total.open > 0 { span.badge.good { (count("attendance-open-days", total.open)) } " " }
        @if total.anomalous > 0 { span.badge.warn { (count("attendance-odd-days", total.anomalous)) } }
    }
}

/// The groups that people are in, in order.
pub async fn groups(session: &Session) -> Result<Vec<String>, Refusal> {
    let people: Vec<Person> = session.get("/v1/people").await?;
    let mut groups: Vec<String> = people.into_iter().flat_map(|person| person.groups).collect();
    groups.sort();
    groups.dedup();
    Ok(groups)
}

/// The choice of a group; nothing where there is none.
pub fn group_choice(t: &Words, groups: &[String], chosen: Option<&str>) -> Markup {
    html! {
        @if !groups.is_empty() {
            label { (t.get("attendance-group"))
                select name="group" {
                    option value="" { (t.get("attendance-any-group")) }
                    @for group in groups { option value=(group) selected[chosen == Some(group.as_str())] { (group) } }
                }
            }
        }
    }
}

/// `&group=night`, or nothing.
pub fn of_group(group: Option<&str>) -> String {
    group.map(|group| format!("&group={}", escape(group))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::attendance::Anomaly;

    #[test]
    fn every_anomaly_has_a_name() {
        use Anomaly::{ClockNotSet, InTwice, LongDay, NoDirection, NoOut, OutWithoutIn};
        for anomaly in [OutWithoutIn, InTwice, NoOut, LongDay, NoDirection, ClockNotSet] {
            assert_ne!(anomaly_name(Words::english(), anomaly.as_str()), anomaly.as_str());
        }
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let at = "2026-05-04T06:30:00Z".parse().unwrap();
        assert_eq!(clock(Some(at), &zone(Some("Europe/Berlin"), &TimeZone::UTC)), "08:30");
        assert_eq!(clock(Some(at), &zone(Some("no such"), &TimeZone::UTC)), "06:30");
        assert_eq!((clock(None, &TimeZone::UTC).as_str(), hours(3 * 3600 + 5 * 60)), ("–", "3:05".to_owned()));
    }
}
