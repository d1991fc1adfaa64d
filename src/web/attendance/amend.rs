//! Amendments: a time that no door saw, a reading that does not count, or one in place of the other.

use axum::extract::Query;
use axum::http::Method;
use axum::response::Response;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;

use super::cells::{clock, zone};
use crate::accounts::Permission;
use crate::api::attendance::{AmendRequest, Attendance, AttendanceDay, DayPerson, DayReading};
use crate::api::journal::Record;
use crate::api::people::Person;
use crate::web::query::unless_empty;
use crate::web::{Area, CheckedForm, Page, Refusal, Session, Words};

/// Whose day.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Asked {
    person: u32,
    date: Date,
}

/// A person's day as it is amended.
struct Amended {
    person: DayPerson,
    /// In and out, by time.
    readings: Vec<(&'static str, DayReading)>,
    zone: TimeZone,
}

impl Amended {
    /// The person is enrolled, or has left and has a reading on that day.
    async fn look(session: &Session, Asked { person, date }: Asked) -> Result<Amended, Refusal> {
        let found: Attendance = session.get(&format!("/v1/attendance?day={date}&person={person}")).await?;
        let zone = zone(found.time_zone.as_deref(), &session.site().settings.zone);
        let readings: Vec<_> = found.days.iter().flat_map(readings).collect();
        let person = match found.days.first() {
            Some(day) => day.person.clone(),
            None => {
                let people: Vec<Person> = session.get("/v1/people").await?;
                let words = session.words();
                let missing = || {
                    Refusal::invalid(words, words.with("attendance-nobody", &[("number", person.to_string().into())]))
                };
                let known = people.into_iter().find(|known| known.id == person).ok_or_else(missing)?;
                DayPerson { id: known.id, name: known.name, employee_id: known.employee_id, groups: known.groups }
            }
        };
        Ok(Amended { person, readings, zone })
    }
}

fn readings(day: &AttendanceDay) -> impl Iterator<Item = (&'static str, DayReading)> + '_ {
    let both = day.stints.iter().flat_map(|stint| [("in", &stint.came), ("out", &stint.went)]);
    both.filter_map(|(way, reading)| Some((way, reading.clone()?)))
}

/// The forms for a person's day.
pub async fn show(session: Session, Query(asked): Query<Asked>) -> Result<Response, Refusal> {
    let amended = Amended::look(&session, asked).await?;
    let t = session.words();
    let about = [("name", amended.person.name.as_str().into()), ("date", asked.date.to_string().into())];
    let title = t.with("attendance-amend-title", &about);
    Ok(Page::new(&session, Area::Attendance, title.clone()).render(&html! {
        p { a href={ "/attendance/day?date=" (asked.date) } { (t.with("attendance-of-day", &[("date", asked.date.to_string().into())])) } }
        h1 { (title) }
        p.soft { (t.get("attendance-amend-what")) }
        h2 { (t.get("attendance-readings")) }
        @if amended.readings.is_empty() { p { (t.get("attendance-none")) } }
        @else {
            ul { @for (way, reading) in &amended.readings {
                li { (way_name(t, way)) " " (clock(Some(reading.at), &amended.zone)) " " (reading.door) " "
                    @if reading.amended { span.badge.quiet { (t.get("attendance-amended")) } " " }
                    @if session.may(Permission::See) { a href={ "/records/" (reading.record) } { "#" (reading.record) } }
                }
            } }
        }
        section.card {
            h2 { (t.get("attendance-add")) }
            form method="post" action="/attendance/amend" {
                (session.csrf())
                (whose(asked))
                label { (t.get("attendance-direction"))
                    select name="direction" { option value="in" { (t.get("attendance-came")) } option value="out" { (t.get("attendance-went")) } }
                }
                label { (t.get("attendance-time")) input type="datetime-local" name="at" required value={ (asked.date) "T08:00" }; }
                @if !amended.readings.is_empty() {
                    label { (t.get("attendance-instead-of"))
                        select name="void" {
                            option value="" { (t.get("attendance-instead-of-none")) }
                            (choices(t, &amended))
                        }
                    }
                }
                (reason(t))
                button { (t.get("attendance-save")) }
            }
        }
        @if !amended.readings.is_empty() {
            section.card {
                h2 { (t.get("attendance-void")) }
                form method="post" action="/attendance/amend" {
                    (session.csrf())
                    (whose(asked))
                    label { (t.get("attendance-void-what")) select name="void" required { (choices(t, &amended)) } }
                    (reason(t))
                    button { (t.get("attendance-void-save")) }
                }
            }
        }
    }))
}

fn whose(Asked { person, date }: Asked) -> Markup {
    html! { input type="hidden" name="person" value=(person); input type="hidden" name="date" value=(date); }
}

fn reason(t: &Words) -> Markup {
    html! { label { (t.get("attendance-reason")) input name="reason" required maxlength="200"; } }
}

fn choices(t: &Words, amended: &Amended) -> Markup {
    html! {
        @for (way, reading) in &amended.readings {
            option value=(reading.record) { (way_name(t, way)) " " (clock(Some(reading.at), &amended.zone)) " " (reading.door) }
        }
    }
}

fn way_name(t: &Words, way: &str) -> String {
    t.get(if way == "in" { "attendance-came" } else { "attendance-went" })
}

/// What a form sends.
#[derive(Clone, Debug, Deserialize)]
pub struct Fields {
    person: u32,
    date: Date,
    #[serde(default, deserialize_with = "unless_empty")]
    direction: Option<String>,
    /// As the browser writes it: `2026-05-04T08:00`.
    #[serde(default, deserialize_with = "unless_empty")]
    at: Option<DateTime>,
    #[serde(default, deserialize_with = "unless_empty")]
    void: Option<u64>,
    reason: String,
}

/// Records what a form asks for: first that a reading does not count, then the time that is added.
pub async fn save(session: Session, CheckedForm(fields): CheckedForm<Fields>) -> Result<Response, Refusal> {
    let Fields { person, date, direction, at, void, reason } = fields;
    let amended = Amended::look(&session, Asked { person, date }).await?;
    let add = match (direction, at) {
        (Some(direction), Some(at)) => {
            let at = moment(at, &amended.zone);
            Some((
                direction,
                at.ok_or_else(|| Refusal::invalid(session.words(), session.words().get("attendance-bad-time")))?,
            ))
        }
        (None, None) => None,
        _ => return Err(Refusal::invalid(session.words(), session.words().get("attendance-bad-time"))),
    };
    if add.is_none() && void.is_none() {
        return Err(Refusal::invalid(session.words(), session.words().get("attendance-nothing")));
    }
    let DayPerson { id, name, employee_id, groups } = amended.person;
    let request = AmendRequest { person: id, name, employee_id, groups, add: None, void: None, reason };
    if void.is_some() {
        let _: Record =
            session.send(Method::POST, "/v1/attendance/amend", &AmendRequest { void, ..request.clone() }).await?;
    }
    if add.is_some() {
        let _: Record = session.send(Method::POST, "/v1/attendance/amend", &AmendRequest { add, ..request }).await?;
    }
    Ok(session.done(&format!("/attendance/amend?person={person}&date={date}"), "attendance-saved"))
}

/// The moment at which the clock of the days shows that time; of an hour that occurs twice, the first.
fn moment(at: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(at).compatible().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_that_of_the_zone_of_the_days() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| moment(text.parse().unwrap(), &zone).unwrap().to_string();
        assert_eq!(at("2026-05-04T08:00"), "2026-05-04T06:00:00Z");
        // The hour that occurs twice, and the one that does not occur.
        assert_eq!(at("2026-10-25T02:30"), "2026-10-25T00:30:00Z");
        assert_eq!(at("2026-03-29T02:30"), "2026-03-29T01:30:00Z");
    }
}
