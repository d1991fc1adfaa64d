//! Who is inside, admitting somebody, and forgetting places.

use axum::http::Method;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::{door_choice, person_choice};
use crate::accounts::Permission;
use crate::api::credentials::{AdmitDirection, AdmitRequest};
use crate::api::doors::{AmnestyRequest, DoorStatus, Inside, PersonInside};
use crate::api::hours::HouseHours;
use crate::api::people::Person;
use crate::web::{CheckedForm, Refusal, Session};

/// The people in each zone.
pub fn section(session: &Session, inside: &Inside) -> Markup {
    let words = session.words();
    let operates = session.may(Permission::Operate);
    html! {
        section aria-labelledby="inside" {
            h2 #inside { (words.get("doors-inside")) }
            @if inside.zones.is_empty() { p.soft { (words.get("doors-nobody-inside")) } }
            @for zone in &inside.zones {
                table.wide {
                    caption { (words.with("doors-zone", &[("zone", zone.zone.as_str().into()), ("count", zone.people.len().into())])) }
                    thead { tr {
                        th scope="col" { (words.get("doors-name")) }
                        th scope="col" { (words.get("doors-since")) }
                        @if operates { th scope="col" { span.unseen { (words.get("doors-acts")) } } }
                    } }
                    tbody { @for person in &zone.people { (row(session, person)) } }
                }
            }
            @if !inside.zones.is_empty() {
                p.soft { (words.get("doors-inside-about")) }
                @if operates {
                    details.confirm {
                        summary { (words.get("doors-forget-all")) }
                        (forget_form(session, None, &words.get("doors-forget-all-sure"), &words.get("doors-forget-all")))
                    }
                }
            }
        }
    }
}

fn row(session: &Session, person: &PersonInside) -> Markup {
    let words = session.words();
    html! { tr {
        th scope="row" { (person.name) }
        td data-label=(words.get("doors-since")) {
            @match &person.since { Some(since) => { (session.rfc3339(since)) } None => { (words.get("doors-since-unknown")) } }
        }
        @if session.may(Permission::Operate) {
            td {
                details.confirm {
                    summary { (words.get("doors-forget")) }
                    (forget_form(session, Some(person.id), &words.with("doors-forget-sure", &[("name", person.name.as_str().into())]), &words.get("doors-forget")))
                }
            }
        }
    } }
}

fn forget_form(session: &Session, person: Option<u32>, sure: &str, act: &str) -> Markup {
    html! {
        form method="post" action="/doors/amnesty" {
            (session.csrf())
            @if let Some(person) = person { input type="hidden" name="person" value=(person); }
            p { (sure) }
            button.danger { (act) }
        }
    }
}

#[derive(Deserialize)]
pub struct ForgetForm {
    person: Option<u32>,
}

/// Forgets where a person is, or where everybody is.
pub async fn forget(
    session: Session,
    CheckedForm(ForgetForm { person }): CheckedForm<ForgetForm>,
) -> Result<Response, Refusal> {
    let () = session.send(Method::POST, "/v1/amnesty", &AmnestyRequest { person }).await?;
    Ok(session.done("/doors", "doors-forgotten"))
}

/// Lets somebody in who stands at the door and whom the operator knows.
pub fn admission(session: &Session, hours: &HouseHours, people: &[Person]) -> Markup {
    let words = session.words();
    html! {
        details.card {
            summary { (words.get("doors-admit")) }
            p { (words.get("doors-admit-about")) }
            form method="post" action="/doors/admit" {
                (session.csrf())
                label for="admit-person" { (words.get("doors-person")) }
                (person_choice("admit-person", people, ""))
                label for="admit-door" { (words.get("doors-door")) }
                (door_choice("admit-door", hours, None, ""))
                label for="admit-direction" { (words.get("doors-direction")) }
                select id="admit-direction" name="direction" {
                    option value="" { (words.get("doors-direction-usual")) }
                    option value="in" { (words.get("doors-direction-in")) }
                    option value="out" { (words.get("doors-direction-out")) }
                }
                label { (words.get("doors-reason")) input name="reason" required maxlength="200" autocomplete="off"; }
                p { button.main { (words.get("doors-admit")) } }
            }
        }
    }
}

#[derive(Deserialize)]
pub struct AdmitForm {
    person: u32,
    door: String,
    #[serde(default)]
    direction: String,
    reason: String,
}

/// Lets somebody in.
pub async fn admit(session: Session, CheckedForm(form): CheckedForm<AdmitForm>) -> Result<Response, Refusal> {
    let AdmitForm { person, door, direction, reason } = form;
    let direction = match direction.as_str() {
        "in" => Some(AdmitDirection::In),
        "out" => Some(AdmitDirection::Out),
        _ => None,
    };
    let request = AdmitRequest { person, door: Some(door), direction, reason };
    let _: Vec<DoorStatus> = session.send(Method::POST, "/v1/admit", &request).await?;
    Ok(session.done("/doors", "doors-admitted"))
}
