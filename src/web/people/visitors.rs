//! Visitors whom nobody knew, as cards: one click to enrol, or to forget.

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;

use super::back;
use super::fields::{self, WhoForm};
use crate::accounts::Permission;
use crate::api::people::Person;
use crate::api::visitors::{ForgetRequest, Forgotten, UnknownVisitors, VisitorEnrolRequest, VisitorGroup};
use crate::web::timeline::Shown;
use crate::web::{Area, CheckedForm, Page, Refusal, Session, Site, Words};

/// Cards on one page. The others follow once these are dealt with.
const AT_ONCE: usize = 60;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/visitors", get(show))
        .route("/visitors/enroll", post(enroll))
        .route("/visitors/forget", post(forget))
        .route("/visitors/forget-all", post(forget_all))
}

async fn show(session: Session) -> Result<Response, Refusal> {
    session.needs(Permission::Operate)?;
    let found: UnknownVisitors = session.get("/v1/unknown").await?;
    let people: Vec<Person> = session.get("/v1/people").await?;
    let faces = Shown::of(&session).await?;
    let words = session.words();
    let title = words.get("people-visitors");
    let visits: usize = found.groups.iter().map(|group| group.visits.len()).sum();
    Ok(Page::new(&session, Area::People, title.clone()).render(&html! {
        (back(words))
        h1 { (title) }
        p.soft { (words.get("people-visitors-about")) }
        @if found.keep_s == 0 {
            p.warn { (words.get("people-visitors-not-kept")) " " code { "[gallery] keep_unknown" } }
        }
        p { (words.with("people-visitors-count", &[("visitors", found.groups.len().into()), ("visits", visits.into())])) }
        @if found.foreign > 0 { p.warn { (words.with("people-visitors-foreign", &[("visits", found.foreign.into())])) } }
        @if found.unreadable > 0 { p.warn { (words.with("people-visitors-unreadable", &[("visits", found.unreadable.into())])) } }
        div.grid { @for group in found.groups.iter().take(AT_ONCE) { (card(&session, group, &people, found.distance, &faces)) } }
        @if visits > 0 {
            details.confirm {
                summary { (words.get("people-forget-all")) }
                form method="post" action="/visitors/forget-all" {
                    (session.csrf())
                    p { (words.with("people-forget-all-sure", &[("visits", visits.into())])) }
                    button.danger { (words.get("people-forget-all")) }
                }
            }
        }
    }))
}

fn card(session: &Session, group: &VisitorGroup, people: &[Person], limit: f32, faces: &Shown) -> Markup {
    let words = session.words();
    let near = group.nearest.as_ref();
    html! { article.card {
        (face(words, group, faces))
        h2 { (words.with("people-visits", &[("visits", group.visits.len().into())])) }
        dl.facts {
            dt { (words.get("people-first-visit")) } dd { (session.rfc3339(&group.first)) }
            dt { (words.get("people-last-visit")) } dd { (session.rfc3339(&group.last)) }
            dt { (words.get("people-doors")) } dd { (group.doors.join(", ")) }
            dt { (words.get("people-nearest")) }
            dd { @match near {
                Some(nearest) => {
                    a href={ "/people/" (nearest.id) } { (nearest.name) } " " (format!("{:.2}", nearest.distance))
                    @if nearest.distance <= limit { " " span.badge.warn { (words.get("people-maybe-them")) } }
                }
                None => { "–" }
            } }
        }
        @if let Some(record) = group.visits.iter().rev().find_map(|visit| visit.record) {
            p { a href={ "/records/" (record) } { (words.get("people-last-record")) } }
        }
        details {
            summary { (words.get("people-make-person")) }
            form method="post" action="/visitors/enroll" {
                (session.csrf()) (addresses(group))
                (fields::who(words, &WhoForm::default()))
                (fields::force(words, false))
                button.main { (words.get("people-enroll")) }
            }
        }
        @if !people.is_empty() {
            details {
                summary { (words.get("people-is-somebody")) }
                form method="post" action="/visitors/enroll" {
                    (session.csrf()) (addresses(group))
                    label { (words.get("people-person")) select name="person" {
                        @for person in people {
                            option value=(person.id) selected[near.is_some_and(|nearest| nearest.id == person.id)] { (person.name) " #" (person.id) }
                        }
                    } }
                    (fields::force(words, false))
                    button.main { (words.get("people-add-templates")) }
                }
            }
        }
        details.confirm {
            summary { (words.get("people-forget")) }
            form method="post" action="/visitors/forget" {
                (session.csrf()) (addresses(group))
                p { (words.get("people-forget-sure")) }
                button.danger { (words.get("people-forget")) }
            }
        }
    } }
}

/// The newest face that is kept of a visitor; a drawn one where there is none.
fn face(words: &Words, group: &VisitorGroup, faces: &Shown) -> Markup {
    html! { @match faces.last_of(group.visits.iter().filter_map(|visit| visit.record)) {
        Some(record) => { (faces.beside(record, "face large", &words.get("people-visitor-face"))) }
        None => {
            svg.face.large.nobody viewBox="0 0 40 40" role="img" aria-label=(words.get("people-visitor-no-face")) {
                circle cx="20" cy="15" r="8" {}
                path d="M4 40c0-10 7-15 16-15s16 5 16 15z" {}
            }
        }
    } }
}

fn addresses(group: &VisitorGroup) -> Markup {
    html! { @for visit in &group.visits { input type="hidden" name="visits" value=(visit.id); } }
}

async fn enroll(session: Session, CheckedForm(form): CheckedForm<WhoForm>) -> Result<Response, Refusal> {
    let request = VisitorEnrolRequest {
        visits: form.visits.clone(),
        person: form.person,
        name: form.person.is_none().then(|| form.name.clone()),
        employee_id: form.employee_id(),
        groups: form.groups(),
        force: form.force(),
    };
    match session.send::<Person>(Method::POST, "/v1/unknown/enroll", &request).await {
        Ok(person) => Ok(session.done(&format!("/people/{}", person.id), "people-enrolled")),
        Err(refusal) if refusal.may_force() => {
            Ok((refusal.status(), anyway(&session, &form, &refusal)).into_response())
        }
        Err(refusal) => Err(refusal),
    }
}

/// Why a visitor was not enrolled, with a button that does it all the same.
fn anyway(session: &Session, form: &WhoForm, refusal: &Refusal) -> Response {
    let words = session.words();
    let title = words.get("refused-title");
    Page::new(session, Area::People, title.clone()).render(&html! {
        h1 { (title) }
        p.bad role="alert" { (refusal.why()) }
        form.row method="post" action="/visitors/enroll" {
            (session.csrf())
            @for visit in &form.visits { input type="hidden" name="visits" value=(visit); }
            @if let Some(person) = form.person { input type="hidden" name="person" value=(person); }
            input type="hidden" name="name" value=(form.name);
            input type="hidden" name="employee_id" value=(form.employee_id);
            input type="hidden" name="groups" value=(form.groups);
            input type="hidden" name="force" value="yes";
            button { (words.get("people-force-now")) }
            a.button data-back href="/visitors" { (words.get("refused-back")) }
        }
    })
}

#[derive(Deserialize)]
struct ForgetForm {
    #[serde(default)]
    visits: Vec<String>,
}

async fn forget(
    session: Session,
    CheckedForm(ForgetForm { visits }): CheckedForm<ForgetForm>,
) -> Result<Response, Refusal> {
    let _: Forgotten = session.send(Method::POST, "/v1/unknown/forget", &ForgetRequest { visits }).await?;
    Ok(session.done("/visitors", "people-forgotten"))
}

#[derive(Deserialize)]
struct NoFields {}

async fn forget_all(session: Session, _: CheckedForm<NoFields>) -> Result<Response, Refusal> {
    let _: Forgotten = session.send(Method::DELETE, "/v1/unknown", &()).await?;
    Ok(session.done("/visitors", "people-forgotten"))
}
