//! Doors and hours: who is inside, who may pass where and when, and trying that out.
//!
//! - `inside`: who is inside, admitting somebody, forgetting places; `week`: schedules as pictures of a week; `permits`: the doors' rules
//! - `trial`: whether a person may pass at a given time

mod inside;
mod permits;
mod trial;
mod week;

use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::{Area, Page, Refusal, Session, Site};
use crate::accounts::Permission;
use crate::api::doors::Inside;
use crate::api::hours::HouseHours;
use crate::api::people::Person;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/doors", get(page))
        .route("/doors/admit", post(inside::admit))
        .route("/doors/amnesty", post(inside::forget))
}

/// What is asked of the page.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// A day of the week that is shown.
    week: String,
    /// A trial of the rules; the fields are empty before one is asked for.
    person: String,
    door: String,
    at: String,
}

async fn page(session: Session, Query(asked): Query<Asked>) -> Result<Response, Refusal> {
    let week = match asked.week.as_str() {
        "" => String::new(),
        day => format!("?{}", query(&[("week", day)])),
    };
    let hours: HouseHours = session.get(&format!("/v1/hours{week}")).await?;
    let inside: Inside = session.get("/v1/inside").await?;
    let people: Vec<Person> = match session.may(Permission::Attendance) {
        true => session.get("/v1/people").await?,
        false => Vec::new(),
    };
    let tested = trial::ask(&session, &asked).await;
    let words = session.words();
    let title = words.get("area-doors");
    Ok(Page::new(&session, Area::Doors, title.clone()).render(&html! {
        h1 { (title) }
        (inside::section(&session, &inside))
        @if session.may(Permission::Operate) { (inside::admission(&session, &hours, &people)) }
        (permits::section(&session, &hours))
        (week::section(&session, &hours))
        @if session.may(Permission::Attendance) { (trial::section(&session, &hours, &people, &asked, tested)) }
    }))
}

/// A query of these fields.
fn query(fields: &[(&str, &str)]) -> String {
    serde_html_form::to_string(fields).unwrap_or_default()
}

/// The doors to choose from; the first choice is `all`, where there is a word for it.
fn door_choice(id: &str, hours: &HouseHours, all: Option<&str>, chosen: &str) -> Markup {
    html! {
        select id=(id) name="door" {
            @if let Some(all) = all { option value="" { (all) } }
            @for door in &hours.doors { option value=(door.name) selected[door.name == chosen] { (door.name) } }
        }
    }
}

/// The people to choose from, by name.
fn person_choice(id: &str, people: &[Person], chosen: &str) -> Markup {
    let mut people: Vec<&Person> = people.iter().collect();
    people.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    html! {
        select id=(id) name="person" required {
            option value="" {}
            @for person in people {
                option value=(person.id) selected[person.id.to_string() == chosen] {
                    (person.name) @if let Some(employee) = &person.employee_id { " (" (employee) ")" }
                }
            }
        }
    }
}
