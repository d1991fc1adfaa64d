//! The timeline: records as they come, with a filter; each opens its receipt.
//!
//! - `filter`: which records are wanted
//! - `face`: the faces beside records, while they are kept
//! - `row`: a record as a row of the table; `names`: kinds and gates in words
//! - `follow`: new rows as they are written
//! - `receipt`: one record in full; `bars` draws its gates beside their limits

mod bars;
mod face;
mod filter;
mod follow;
mod names;
mod receipt;
mod row;

use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};

use super::{Area, Page, Refusal, Session, Site};
use crate::accounts::Permission;
use crate::api::journal::Record;
use crate::api::people::Person;
use crate::api::status::Status;
pub use face::Shown;
use filter::{Filter, SUBJECTS, Subject};

/// Rows of a page.
const ROWS: usize = 100;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/timeline", get(list))
        .route("/timeline/rows", get(follow::rows))
        .route("/timeline/events", get(follow::events))
        .route("/records/{which}", get(receipt::show))
        .route("/records/{which}/face", get(receipt::face))
}

async fn list(session: Session, Query(filter): Query<Filter>) -> Result<Response, Refusal> {
    let query =
        filter.query(&session.site().settings.zone).map_err(|error| Refusal::invalid(session.words(), error))?;
    let records: Vec<Record> = session.get(&format!("/v1/journal?limit={ROWS}{query}")).await?;
    let newest: Vec<Record> = session.get("/v1/journal?limit=1").await?;
    let newest = newest.first().map_or(0, |Record(dated)| dated.record.seq);
    let faces = face::Shown::of(&session).await?;
    let t = session.words();
    let oldest = records.last().filter(|_| records.len() == ROWS).map(|Record(dated)| dated.record.seq);
    let scripts: &[&str] = if filter.is_live() { &["timeline.js"] } else { &[] };
    let choices = choices(&session, &filter).await?;
    let page = Page::new(&session, Area::Timeline, t.get("area-timeline")).with_scripts(scripts);
    Ok(page.render(&html! {
        h1 { (t.get("area-timeline")) }
        (choices)
        @if filter.is_live() {
            p #following .soft role="status" data-lost=(t.get("timeline-not-following")) data-well=(t.get("timeline-following")) {
                (t.get("timeline-following"))
            }
        }
        table.wide {
            thead { tr {
                th scope="col" { (t.get("timeline-time")) }
                th scope="col" { (t.get("timeline-event")) }
                th scope="col" { (t.get("timeline-door")) }
                th scope="col" { (t.get("timeline-details")) }
                @if faces.are_kept() { th scope="col" { (t.get("timeline-face")) } }
            } }
            tbody #rows aria-live="polite" aria-relevant="additions" data-follow=[filter.is_live().then(|| format!("/timeline/events?{}", filter.kept()))] data-after=(newest) {
                @for Record(dated) in &records { (row::row(&session, dated, &faces)) }
            }
        }
        @if records.is_empty() { p #none { (t.get("timeline-none")) } }
        nav.row aria-label=(t.get("area-timeline")) {
            @if filter.before.is_some() { a href={ "/timeline?" (filter.kept()) } { (t.get("timeline-newest")) } }
            @if let Some(oldest) = oldest {
                a href={ "/timeline?" (filter.kept()) "&before=" (oldest) } { (t.get("timeline-older")) }
            }
        }
    }))
}

/// The form of the filter.
async fn choices(session: &Session, filter: &Filter) -> Result<Markup, Refusal> {
    let t = session.words();
    let people: Vec<Person> = match session.may(Permission::Attendance) {
        true => session.get("/v1/people").await?,
        false => Vec::new(),
    };
    let status: Status = session.get("/v1/status").await?;
    let doors: Vec<&str> = status.doors.iter().map(|door| door.name.as_str()).collect();
    Ok(html! {
        form.row method="get" action="/timeline" aria-label=(t.get("timeline-filter")) {
            @if doors.len() > 1 {
                label { (t.get("timeline-door"))
                    select name="door" {
                        option value="" { (t.get("timeline-any")) }
                        @for door in &doors { option value=(door) selected[filter.door.as_deref() == Some(door)] { (door) } }
                    }
                }
            }
            @if !people.is_empty() {
                label { (t.get("timeline-person"))
                    select name="person" {
                        option value="" { (t.get("timeline-any")) }
                        @for person in &people {
                            option value=(person.id) selected[filter.person == Some(person.id)] { (person.name) " (#" (person.id) ")" }
                        }
                    }
                }
            }
            label { (t.get("timeline-kind"))
                select name="kind" {
                    option value="" { (t.get("timeline-any")) }
                    @for Subject { word, name, kinds } in SUBJECTS {
                        @let name = t.get(name);
                        optgroup label=(name) {
                            @let all = format!("@{word}");
                            option value=(all) selected[filter.kind.as_deref() == Some(&all)] {
                                (t.with("timeline-all-of", &[("group", name.as_str().into())]))
                            }
                            @for kind in *kinds {
                                option value=(kind) selected[filter.kind.as_deref() == Some(kind)] { (names::kind(t, kind)) }
                            }
                        }
                    }
                }
            }
            label { (t.get("timeline-day")) input type="date" name="day" value=[filter.day]; }
            button { (t.get("timeline-apply")) }
            @if *filter != Filter::default() { a href="/timeline" { (t.get("timeline-clear")) } }
        }
    })
}
