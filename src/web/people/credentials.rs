//! A person's PIN and tags. No page shows a PIN, the number of a tag, or whether there is a duress PIN.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use axum::routing::post;
use maud::{Markup, html};
use serde::Deserialize;

use crate::api::credentials::{NoPinRequest, NoTagRequest, PinKindForm, PinRequest, Secret, TagForm, TagRequest};
use crate::api::people::Person;
use crate::web::{CheckedForm, Refusal, Session, Site};

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/people/{id}/pin", post(set_pin))
        .route("/people/{id}/pin/remove", post(remove_pin))
        .route("/people/{id}/tags", post(add_tag))
        .route("/people/{id}/tags/remove", post(remove_tag))
}

/// The section of a person's page.
pub async fn section(session: &Session, person: &Person) -> Result<Markup, Refusal> {
    let words = session.words();
    if person.credentials_unreadable {
        return Ok(html! {
            h2 { (words.get("people-credentials")) }
            p.bad { (words.get("people-credentials-unreadable")) }
        });
    }
    let tags: Vec<TagForm> = session.get(&format!("/v1/people/{}/tags", person.id)).await?;
    let id = person.id;
    Ok(html! {
        h2 { (words.get("people-credentials")) }
        ul {
            li { (words.get(if person.pin { "people-has-pin" } else { "people-has-no-pin" })) }
            @for tag in &tags { li {
                form.row method="post" action={ "/people/" (id) "/tags/remove" } {
                    (session.csrf())
                    span { (words.get("people-tag")) " " (tag.label.as_deref().unwrap_or_default()) " …" (tag.ending) }
                    @if let Some(label) = &tag.label {
                        input type="hidden" name="tag" value=(label);
                        button { (words.get("people-tag-remove")) span.unseen { " " (label) } }
                    }
                }
            } }
        }
        div.grid {
            details.card {
                summary { (words.get("people-pin-set")) }
                form method="post" action={ "/people/" (id) "/pin" } {
                    (session.csrf())
                    label { (words.get("people-pin")) input name="pin" type="password" inputmode="numeric" pattern="[0-9]{4,10}" required autocomplete="off"; }
                    label { (words.get("people-pin-again")) input name="again" type="password" inputmode="numeric" required autocomplete="off"; }
                    label.check { input type="checkbox" name="duress" value="yes"; (words.get("people-pin-duress")) }
                    button.main { (words.get("people-save")) }
                }
                @if person.pin {
                    form method="post" action={ "/people/" (id) "/pin/remove" } {
                        (session.csrf())
                        button { (words.get("people-pin-remove")) }
                    }
                }
            }
            details.card {
                summary { (words.get("people-tag-add")) }
                form method="post" action={ "/people/" (id) "/tags" } {
                    (session.csrf())
                    label { (words.get("people-tag-number")) input name="number" type="password" required autocomplete="off"; }
                    label { (words.get("people-tag-label")) input name="label" required maxlength="100" autocomplete="off"; }
                    button.main { (words.get("people-save")) }
                }
            }
        }
    })
}

#[derive(Deserialize)]
struct PinForm {
    pin: Secret,
    again: Secret,
    #[serde(default)]
    duress: Option<String>,
}

async fn set_pin(
    session: Session,
    Path(id): Path<u32>,
    CheckedForm(PinForm { pin, again, duress }): CheckedForm<PinForm>,
) -> Result<Response, Refusal> {
    let words = session.words();
    if !pin.is(&again) {
        return Err(Refusal::invalid(words, words.get("people-pin-differs")));
    }
    let kind = if duress.is_some() { PinKindForm::Duress } else { PinKindForm::Usual };
    let _: Person = session.send(Method::PUT, &format!("/v1/people/{id}/pin"), &PinRequest { pin, kind }).await?;
    Ok(session.done(&format!("/people/{id}"), "people-changed"))
}

#[derive(Deserialize)]
struct NoFields {}

async fn remove_pin(session: Session, Path(id): Path<u32>, _: CheckedForm<NoFields>) -> Result<Response, Refusal> {
    let request = NoPinRequest { kind: PinKindForm::Usual };
    let _: Person = session.send(Method::DELETE, &format!("/v1/people/{id}/pin"), &request).await?;
    Ok(session.done(&format!("/people/{id}"), "people-changed"))
}

#[derive(Deserialize)]
struct AddTag {
    number: Secret,
    label: String,
}

async fn add_tag(
    session: Session,
    Path(id): Path<u32>,
    CheckedForm(AddTag { number, label }): CheckedForm<AddTag>,
) -> Result<Response, Refusal> {
    let request = TagRequest { number, label: Some(label) };
    let _: Person = session.send(Method::POST, &format!("/v1/people/{id}/tags"), &request).await?;
    Ok(session.done(&format!("/people/{id}"), "people-changed"))
}

#[derive(Deserialize)]
struct RemoveTag {
    tag: Secret,
}

async fn remove_tag(
    session: Session,
    Path(id): Path<u32>,
    CheckedForm(RemoveTag { tag }): CheckedForm<RemoveTag>,
) -> Result<Response, Refusal> {
    let _: Person = session.send(Method::DELETE, &format!("/v1/people/{id}/tags"), &NoTagRequest { tag }).await?;
    Ok(session.done(&format!("/people/{id}"), "people-changed"))
}
