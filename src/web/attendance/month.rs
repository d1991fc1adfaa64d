//! The month: totals of everybody by week, or the days of one person.

use axum::extract::Query;
use axum::response::Response;
use jiff::ToSpan;
use jiff::civil::Date;
use maud::{Markup, html};
use serde::Deserialize;

use super::cells::{clock, doubts, group_choice, groups, hours, late, of_group, remarks, zone};
use super::file;
use crate::api::attendance::{Attendance, AttendanceDay, PersonTotals};
use crate::ledger::attendance::Period;
use crate::web::query::{escape, unless_empty};
use crate::web::{Area, Page, Refusal, Session, Words};

/// Which month, and of whom.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Month {
    /// `2026-05`; this month without it.
    #[serde(default, deserialize_with = "unless_empty")]
    month: Option<String>,
    #[serde(default, deserialize_with = "unless_empty")]
    person: Option<u32>,
    #[serde(default, deserialize_with = "unless_empty")]
    group: Option<String>,
}

/// The page of a month.
pub async fn show(session: Session, Query(asked): Query<Month>) -> Result<Response, Refusal> {
    let month = match &asked.month {
        Some(month) => month.clone(),
        None => today(&session).await?.strftime("%Y-%m").to_string(),
    };
    let person = asked.person.map(|person| format!("&person={person}")).unwrap_or_default();
    let of = of_group(asked.group.as_deref());
    let found: Attendance = session.get(&format!("/v1/attendance?month={}{person}{of}", escape(&month))).await?;
    let groups = groups(&session).await?;
    let t = session.words();
    let name = found.totals.first().map(|totals| totals.person.name.clone());
    let title = match (asked.person, name) {
        (Some(_), Some(name)) => {
            t.with("attendance-of-person", &[("name", name.as_str().into()), ("month", month.as_str().into())])
        }
        _ => t.with("attendance-of-month", &[("month", month.as_str().into())]),
    };
    let kept = format!("{person}{of}");
    Ok(Page::new(&session, Area::Attendance, title.clone()).render(&html! {
        h1 { (title) }
        nav.row aria-label=(t.get("attendance-month")) {
            (neighbour(&found, -1, &kept, &t.get("attendance-previous-month")))
            (neighbour(&found, 1, &kept, &t.get("attendance-next-month")))
            a href={ "/attendance/day?" (of.trim_start_matches('&')) } { (t.get("attendance-today")) }
            @if asked.person.is_some() {
                a href={ "/attendance?month=" (month) (of) } { (t.get("attendance-everybody")) }
            }
        }
        form.row method="get" action="/attendance" {
            label { (t.get("attendance-month")) input type="month" name="month" value=(month) pattern="[0-9]{4}-[0-9]{2}" required; }
            (group_choice(t, &groups, asked.group.as_deref()))
            @if let Some(person) = asked.person { input type="hidden" name="person" value=(person); }
            button { (t.get("attendance-show")) }
        }
        (late(&session, &found.late))
        @if found.days.is_empty() { p { (t.get("attendance-none")) } }
        @else if asked.person.is_some() {
            (days_of_one(&session, &found))
        }
        @else { (totals_of_all(t, &found, &month)) }
        (file::form(t, &month, asked.person, asked.group.as_deref()))
    }))
}

/// The day that now belongs to.
async fn today(session: &Session) -> Result<Date, Refusal> {
    let now: Attendance = session.get("/v1/attendance").await?;
    Ok(now.today)
}

/// A link to the month `by` months away.
fn neighbour(found: &Attendance, by: i32, kept: &str, words: &str) -> Markup {
    let month = found.from.checked_add(by.months()).map(|date| date.strftime("%Y-%m").to_string());
    html! { @if let Ok(month) = month { a href={ "/attendance?month=" (month) (kept) } { (words) } } }
}

/// A row for each person: a column for each week, and the total.
fn totals_of_all(t: &Words, found: &Attendance, month: &str) -> Markup {
    let weeks = weeks(found);
    html! {
        div.scroll tabindex="0" role="region" aria-label=(t.get("attendance-total")) {
            table {
                thead { tr {
                    th scope="col" { (t.get("attendance-name")) }
                    @for (_, week) in &weeks {
                        th.number scope="col" { (t.with("attendance-week", &[("week", week.to_string().into())])) }
                    }
                    th.number scope="col" { (t.get("attendance-total")) }
                    th.number scope="col" { (t.get("attendance-days")) }
                    th scope="col" { (t.get("attendance-remarks")) }
                } }
                tbody {
                    @for totals in &found.totals {
                        tr {
                            th scope="row" {
                                a href={ "/attendance?month=" (month) "&person=" (totals.person.id) } { (totals.person.name) }
                                @if let Some(id) = &totals.person.employee_id { " " span.soft { (id) } }
                            }
                            @for week in &weeks { td.number { (of_week(totals, *week)) } }
                            td.number { strong { (hours(totals.total.worked_seconds)) } }
                            td.number { (totals.total.days) }
                            td { (doubts(t, &totals.total)) }
                        }
                    }
                }
            }
        }
    }
}

/// Year and number of each week with a day.
fn weeks(found: &Attendance) -> Vec<(i16, i8)> {
    let mut weeks: Vec<(i16, i8)> =
        found.totals.iter().flat_map(|totals| &totals.weeks).map(|week| (week.year, week.week)).collect();
    weeks.sort_unstable();
    weeks.dedup();
    weeks
}

fn of_week(totals: &PersonTotals, week: (i16, i8)) -> String {
    let of = totals.weeks.iter().find(|of| (of.year, of.week) == week);
    of.map(|of| hours(of.total.worked_seconds)).unwrap_or_default()
}

/// A row for each day of the month, with those that have no reading, and the totals of the weeks.
fn days_of_one(session: &Session, found: &Attendance) -> Markup {
    let t = session.words();
    let zone = zone(found.time_zone.as_deref(), &session.site().settings.zone);
    let period = Period { from: found.from, to: found.to.min(found.today) };
    let id = found.totals.first().map_or(0, |totals| totals.person.id);
    html! {
        table.wide {
            thead { tr {
                th scope="col" { (t.get("attendance-date")) }
                th.number scope="col" { (t.get("attendance-in")) }
                th.number scope="col" { (t.get("attendance-out")) }
                th.number scope="col" { (t.get("attendance-hours")) }
                th.number scope="col" { (t.get("attendance-gaps")) }
                th scope="col" { (t.get("attendance-remarks")) }
                th scope="col" { span.unseen { (t.get("attendance-amend")) } }
            } }
            tbody {
                @for date in period.dates() {
                    @let day = found.days.iter().find(|day| day.date == date);
                    tr {
                        th scope="row" { a href={ "/attendance/day?date=" (date) } { (date) } }
                        (times(t, day, &zone))
                        td {
                            a href={ "/attendance/amend?person=" (day.map_or(id, |day| day.person.id)) "&date=" (date) } { (t.get("attendance-amend")) }
                        }
                    }
                }
            }
        }
        @for totals in &found.totals {
            h2 { (t.get("attendance-total")) }
            dl.facts {
                @for week in &totals.weeks {
                    dt { (t.with("attendance-week", &[("week", week.week.to_string().into())])) " " span.soft { (week.from) " – " (week.to) } }
                    dd { (hours(week.total.worked_seconds)) " " (doubts(t, &week.total)) }
                }
                dt { strong { (t.get("attendance-total")) } }
                dd { strong { (hours(totals.total.worked_seconds)) } " " (doubts(t, &totals.total)) }
            }
        }
    }
}

fn times(t: &Words, day: Option<&AttendanceDay>, zone: &jiff::tz::TimeZone) -> Markup {
    html! {
        @match day {
            None => { td.number {} td.number {} td.number {} td.number {} td {} }
            Some(day) => {
                td.number { (clock(day.first_in, zone)) }
                td.number { @if day.open { span.badge.good { (t.get("attendance-open")) } } @else { (clock(day.last_out, zone)) } }
                td.number { (hours(day.worked_seconds)) }
                td.number { @if day.gap_seconds > 0 { (hours(day.gap_seconds)) } }
                td { (remarks(t, day)) }
            }
        }
    }
}
