//! A day: who was there, from when to when, and who was absent.

use axum::extract::Query;
use axum::response::Response;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;

use super::cells::{clock, group_choice, groups, hours, late, of_group, remarks, zone};
use crate::api::attendance::{Absent, AttendanceDay, DaySheet};
use crate::web::query::unless_empty;
use crate::web::{Area, Page, Refusal, Session, Words};

/// Which day, and of which group.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default, deserialize_with = "unless_empty")]
    date: Option<Date>,
    #[serde(default, deserialize_with = "unless_empty")]
    group: Option<String>,
}

/// The page of a day.
pub async fn show(session: Session, Query(asked): Query<Asked>) -> Result<Response, Refusal> {
    let of = of_group(asked.group.as_deref());
    let date = asked.date.map(|date| format!("date={date}")).unwrap_or_default();
    let sheet: DaySheet = session.get(&format!("/v1/attendance/day?{date}{of}")).await?;
    let groups = groups(&session).await?;
    let t = session.words();
    let zone = zone(sheet.time_zone.as_deref(), &session.site().settings.zone);
    let title = t.with("attendance-of-day", &[("date", sheet.date.to_string().into())]);
    let present = sheet.days.iter().filter(|day| day.open).count();
    let month = sheet.date.strftime("%Y-%m").to_string();
    Ok(Page::new(&session, Area::Attendance, title.clone()).render(&html! {
        h1 { (title) }
        nav.row aria-label=(t.get("attendance-day-page")) {
            @if let Ok(before) = sheet.date.yesterday() { a href={ "/attendance/day?date=" (before) (of) } { (t.get("attendance-previous-day")) } }
            @if sheet.date < sheet.today {
                @if let Ok(after) = sheet.date.tomorrow() { a href={ "/attendance/day?date=" (after) (of) } { (t.get("attendance-next-day")) } }
            }
            a href={ "/attendance?month=" (month) (of) } { (t.get("attendance-month")) }
        }
        form.row method="get" action="/attendance/day" {
            label { (t.get("attendance-date")) input type="date" name="date" value=(sheet.date) required; }
            (group_choice(t, &groups, asked.group.as_deref()))
            button { (t.get("attendance-show")) }
        }
        (late(&session, &sheet.late))
        @if present > 0 { p { (t.with("attendance-present-count", &[("count", present.into())])) } }
        @if sheet.days.is_empty() { p { (t.get("attendance-none")) } }
        @else { (there(t, &sheet.days, &zone)) }
        h2 { (t.get("attendance-absent")) }
        (missing(t, &sheet))
    }))
}

fn there(t: &Words, days: &[AttendanceDay], zone: &TimeZone) -> Markup {
    html! {
        table.wide {
            thead { tr {
                th scope="col" { (t.get("attendance-name")) }
                th scope="col" { (t.get("attendance-stints")) }
                th.number scope="col" { (t.get("attendance-hours")) }
                th.number scope="col" { (t.get("attendance-gaps")) }
                th scope="col" { (t.get("attendance-remarks")) }
                th scope="col" { span.unseen { (t.get("attendance-amend")) } }
            } }
            tbody {
                @for day in days {
                    tr {
                        th scope="row" {
                            a href={ "/attendance?person=" (day.person.id) "&month=" (day.date.strftime("%Y-%m").to_string()) } { (day.person.name) }
                        }
                        td {
                            @for (place, stint) in day.stints.iter().enumerate() {
                                @if place > 0 { ", " }
                                @let open = day.open && place + 1 == day.stints.len() && stint.went.is_none();
                                (clock(stint.came.as_ref().map(|reading| reading.at), zone)) "–"
                                @if open { span.badge.good { (t.get("attendance-open")) } }
                                @else { (clock(stint.went.as_ref().map(|reading| reading.at), zone)) }
                            }
                        }
                        td.number { (hours(day.worked_seconds)) }
                        td.number { @if day.gap_seconds > 0 { (hours(day.gap_seconds)) } }
                        td { (remarks(t, day)) }
                        td { a href={ "/attendance/amend?person=" (day.person.id) "&date=" (day.date) } { (t.get("attendance-amend")) } }
                    }
                }
            }
        }
    }
}

fn missing(t: &Words, sheet: &DaySheet) -> Markup {
    html! {
        @if sheet.absent.is_empty() { p { (t.get("attendance-nobody-absent")) } }
        @else {
            ul {
                @for Absent { person, holiday, no_hours } in &sheet.absent {
                    li {
                        (person.name) " "
                        @if !person.groups.is_empty() { span.soft { (person.groups.join(", ")) } " " }
                        @match holiday.as_deref() {
                            Some("") => { span.badge.quiet { (t.get("attendance-holiday")) } }
                            Some(name) => { span.badge.quiet { (t.with("attendance-holiday-named", &[("name", name.to_owned().into())])) } }
                            None => { @if *no_hours { span.badge.quiet { (t.get("attendance-no-hours")) } } }
                        }
                        " " a href={ "/attendance/amend?person=" (person.id) "&date=" (sheet.date) } { (t.get("attendance-amend")) }
                    }
                }
            }
        }
    }
}
