//! One person: what is known, changing it, removing, exporting and erasing the person.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use maud::{Markup, html};
use serde::Deserialize;

use super::{about_fleet, back, credentials, fields, state, templates};
use crate::accounts::Permission;
use crate::api::import::split_groups;
use crate::api::people::{ChangeRequest, EmployeeId, Person, Validity};
use crate::api::personal_data::ErasedPerson;
use crate::web::{Area, CheckedForm, Page, Refusal, Session, Site};

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/people/{id}", get(show).post(change))
        .route("/people/{id}/enable", post(enable))
        .route("/people/{id}/disable", post(disable))
        .route("/people/{id}/remove", post(remove))
        .route("/people/{id}/export", post(export))
        .route("/people/{id}/erase", post(erase))
}

/// The person of a number.
///
/// # Errors
/// Nobody has it.
pub async fn find(session: &Session, id: u32) -> Result<Person, Refusal> {
    let people: Vec<Person> = session.get("/v1/people").await?;
    let found = people.into_iter().find(|person| person.id == id);
    found.ok_or_else(|| {
        let words = session.words();
        let why = words.with("people-no-number", &[("number", id.into())]);
        Refusal::new(words, axum::http::StatusCode::NOT_FOUND, why)
    })
}

async fn show(session: Session, Path(id): Path<u32>) -> Result<Response, Refusal> {
    let person = find(&session, id).await?;
    let words = session.words();
    let operates = session.may(Permission::Operate);
    let templates = if operates {
        templates::section(&session, &person).await?
    } else {
        html! {}
    };
    let credentials = if operates {
        credentials::section(&session, &person).await?
    } else {
        html! {}
    };
    Ok(Page::new(&session, Area::People, person.name.clone()).render(&html! {
        (back(words))
        div.spread {
            h1 { (person.name) " " span.soft { "#" (person.id) } }
            (state(words, &person))
        }
        dl.facts {
            dt { (words.get("people-employee-id")) } dd { (person.employee_id.as_deref().unwrap_or("–")) }
            dt { (words.get("people-groups")) } dd { @if person.groups.is_empty() { "–" } @else { (person.groups.join(", ")) } }
            dt { (words.get("people-valid")) } dd { (valid(&session, &person)) }
            dt { (words.get("people-since")) } dd { (session.rfc3339(&person.created)) }
        }
        (about_fleet(words, &person))
        p { a href={ "/timeline?person=" (person.id) } { (words.get("people-records")) } }
        @if operates { (change_form(&session, &person)) }
        (templates)
        (credentials)
        @if operates { (endings(&session, &person)) }
    }))
}

fn valid(session: &Session, person: &Person) -> Markup {
    let words = session.words();
    html! {
        @match (&person.valid_from, &person.valid_until) {
            (None, None) => { (words.get("people-always")) }
            (from, until) => {
                @if let Some(from) = from { (words.get("people-from")) " " (session.rfc3339(from)) " " }
                @if let Some(until) = until { (words.get("people-before")) " " (session.rfc3339(until)) }
            }
        }
    }
}

fn change_form(session: &Session, person: &Person) -> Markup {
    let (words, zone) = (session.words(), &session.site().settings.zone);
    let last = |until: &String| day(zone, until, 1);
    html! { details.card {
        summary { (words.get("people-change")) }
        form method="post" action={ "/people/" (person.id) } {
            (session.csrf())
            label { (words.get("people-name")) input name="name" value=(person.name) required maxlength="100" autocomplete="off"; }
            label { (words.get("people-employee-id"))
                input name="employee_id" value=(person.employee_id.as_deref().unwrap_or_default()) maxlength="100" autocomplete="off"; }
            (fields::groups(words, &person.groups.join("; ")))
            label { (words.get("people-first-day"))
                input type="date" name="first_day" value=(person.valid_from.as_ref().and_then(|from| day(zone, from, 0)).unwrap_or_default()); }
            label { (words.get("people-last-day"))
                input type="date" name="last_day" value=(person.valid_until.as_ref().and_then(last).unwrap_or_default()); }
            p.soft { (words.get("people-days-about")) }
            button.main { (words.get("people-save")) }
        }
    } }
}

/// The local day of a moment, so many days before.
fn day(zone: &TimeZone, moment: &str, before: i32) -> Option<String> {
    let local = moment.parse::<Timestamp>().ok()?.to_zoned_datetime(zone.clone());
    Some(local.date().checked_sub(before.days()).ok()?.to_string())
}

/// Acts that end something: disabling, removing, and what a person may ask for.
fn endings(session: &Session, person: &Person) -> Markup {
    let (words, id) = (session.words(), person.id);
    let name = || [("name", person.name.as_str().into())];
    html! {
        h2 { (words.get("people-endings")) }
        div.acts {
            @if person.enabled {
                form method="post" action={ "/people/" (id) "/disable" } { (session.csrf()) button { (words.get("people-disable")) } }
            } @else {
                form method="post" action={ "/people/" (id) "/enable" } { (session.csrf()) button { (words.get("people-enable")) } }
            }
            details.confirm {
                summary { (words.get("people-remove")) }
                form method="post" action={ "/people/" (id) "/remove" } {
                    (session.csrf())
                    p { (words.with("people-remove-sure", &name())) }
                    button.danger { (words.get("people-remove")) }
                }
            }
            @if session.may(Permission::Administer) {
                form method="post" action={ "/people/" (id) "/export" } { (session.csrf()) button { (words.get("people-export")) } }
                details.confirm {
                    summary { (words.get("people-erase")) }
                    form method="post" action={ "/people/" (id) "/erase" } {
                        (session.csrf())
                        p { (words.with("people-erase-sure", &name())) }
                        button.danger { (words.get("people-erase")) }
                    }
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct ChangeForm {
    name: String,
    #[serde(default)]
    employee_id: String,
    #[serde(default)]
    groups: String,
    #[serde(default)]
    first_day: String,
    #[serde(default)]
    last_day: String,
}

async fn change(
    session: Session,
    Path(id): Path<u32>,
    CheckedForm(form): CheckedForm<ChangeForm>,
) -> Result<Response, Refusal> {
    let before = find(&session, id).await?;
    let zone = &session.site().settings.zone;
    // Only what was changed makes a record.
    let employee_id = Some(form.employee_id.trim().to_owned()).filter(|id| !id.is_empty());
    let groups = split_groups(&form.groups);
    let days = |person: &Person| {
        let last = |until: &String| day(zone, until, 1);
        (person.valid_from.as_ref().and_then(|from| day(zone, from, 0)), person.valid_until.as_ref().and_then(last))
    };
    let entered = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let wanted = (entered(&form.first_day), entered(&form.last_day));
    let validity = match wanted == days(&before) {
        true => None,
        false => Some(Validity {
            from: moment(&session, wanted.0.as_deref(), 0)?,
            until: moment(&session, wanted.1.as_deref(), 1)?,
        }),
    };
    let request = ChangeRequest {
        name: Some(form.name).filter(|name| *name != before.name),
        enabled: None,
        employee_id: (employee_id != before.employee_id).then_some(EmployeeId { id: employee_id }),
        groups: Some(groups).filter(|groups| *groups != before.groups),
        validity,
    };
    let _: Person = session.send(Method::PATCH, &format!("/v1/people/{id}"), &request).await?;
    Ok(session.done(&format!("/people/{id}"), "people-changed"))
}

/// The beginning of a day in the device's zone, so many days later.
fn moment(session: &Session, day: Option<&str>, later: i32) -> Result<Option<Timestamp>, Refusal> {
    let Some(text) = day else { return Ok(None) };
    let zone = &session.site().settings.zone;
    let at = || zone.to_timestamp(text.parse::<Date>().ok()?.checked_add(later.days()).ok()?.at(0, 0, 0, 0)).ok();
    let words = session.words();
    at().map(Some).ok_or_else(|| Refusal::invalid(words, words.with("people-no-day", &[("day", text.into())])))
}

#[derive(Deserialize)]
struct NoFields {}

async fn enable(session: Session, Path(id): Path<u32>, _: CheckedForm<NoFields>) -> Result<Response, Refusal> {
    set_enabled(&session, id, true).await
}

async fn disable(session: Session, Path(id): Path<u32>, _: CheckedForm<NoFields>) -> Result<Response, Refusal> {
    set_enabled(&session, id, false).await
}

async fn set_enabled(session: &Session, id: u32, enabled: bool) -> Result<Response, Refusal> {
    let request = ChangeRequest { enabled: Some(enabled), ..ChangeRequest::default() };
    let _: Person = session.send(Method::PATCH, &format!("/v1/people/{id}"), &request).await?;
    Ok(session.done(&format!("/people/{id}"), "people-changed"))
}

async fn remove(session: Session, Path(id): Path<u32>, _: CheckedForm<NoFields>) -> Result<Response, Refusal> {
    let _: Person = session.send(Method::DELETE, &format!("/v1/people/{id}"), &()).await?;
    Ok(session.done("/people", "people-removed"))
}

/// Everything that is kept of the person, as a file.
async fn export(session: Session, Path(id): Path<u32>, _: CheckedForm<NoFields>) -> Result<Response, Refusal> {
    let answer = session.answer(Method::GET, &format!("/v1/people/{id}/export"), Body::empty()).await?;
    let body = answer.into_body().collect().await.map_err(|error| Refusal::failed(session.words(), &error))?;
    let headers: [(HeaderName, String); 3] = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"usher-person-{id}.json\"")),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, body.to_bytes()).into_response())
}

async fn erase(session: Session, Path(id): Path<u32>, _: CheckedForm<NoFields>) -> Result<Response, Refusal> {
    let _: ErasedPerson = session.send(Method::POST, &format!("/v1/people/{id}/erase"), &()).await?;
    Ok(session.done("/people", "people-erased"))
}
