//! Enrolment in front of a camera, with advice while it runs.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::Method;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use futures_util::stream;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;

use super::advice::advice;
use super::fields::{self, Trouble, WhoForm};
use super::{back, person};
use crate::accounts::Permission;
use crate::api::kept_templates::MoreTemplatesRequest;
use crate::api::people::{EnrollRequest, Person};
use crate::api::sittings::{SittingRequest, SittingState, SittingStatus, USUAL_VIEWS};
use crate::api::status::Status;
use crate::web::{Area, CheckedForm, Page, Refusal, Session, Site};

/// How often the page hears how a sitting goes.
const TELL_EVERY: Duration = Duration::from_millis(250);

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/people/sittings", post(begin))
        .route("/people/sittings/{sitting}", get(show).post(take))
        .route("/people/sittings/{sitting}/events", get(events))
        .route("/people/sittings/{sitting}/end", post(end))
}

/// The cameras that recognise people.
///
/// # Errors
/// The daemon's status cannot be had.
pub async fn cameras(session: &Session) -> Result<Vec<String>, Refusal> {
    let status: Status = session.get("/v1/status").await?;
    Ok(status.stages.into_iter().filter(|stage| stage.role == "vision").map(|stage| stage.name).collect())
}

/// The form that begins a sitting, of somebody new or of `person`.
pub fn start_form(session: &Session, cameras: &[String], person: Option<&Person>) -> Markup {
    let words = session.words();
    html! { form.card method="post" action="/people/sittings" {
        (session.csrf())
        h2 { (words.get("people-from-camera")) }
        @if let Some(person) = person { input type="hidden" name="person" value=(person.id); }
        label { (words.get("people-camera")) select name="camera" {
            @for camera in cameras { option value=(camera) { (camera) } }
        } }
        label.check { input type="checkbox" name="weak" value="yes"; (words.get("people-weak")) }
        p.soft { (words.with("people-camera-about", &[("views", USUAL_VIEWS.into())])) }
        button.main { (words.get("people-look")) }
    } }
}

#[derive(Deserialize)]
struct BeginForm {
    camera: String,
    #[serde(default)]
    weak: Option<String>,
    #[serde(default)]
    person: Option<u32>,
}

async fn begin(session: Session, CheckedForm(form): CheckedForm<BeginForm>) -> Result<Response, Refusal> {
    let request = SittingRequest { camera: form.camera, views: None, weak: form.weak.is_some() };
    let begun: SittingStatus = session.send(Method::POST, "/v1/sittings", &request).await?;
    Ok(Redirect::to(&page_path(begun.sitting, form.person)).into_response())
}

fn page_path(sitting: u64, person: Option<u32>) -> String {
    let person = person.map_or_else(String::new, |id| format!("?person={id}"));
    format!("/people/sittings/{sitting}{person}")
}

/// Whose sitting it is; somebody new without a number.
#[derive(Deserialize)]
struct Whose {
    #[serde(default)]
    person: Option<u32>,
}

async fn status(session: &Session, sitting: u64) -> Result<SittingStatus, Refusal> {
    session.get(&format!("/v1/sittings/{sitting}")).await
}

async fn show(
    session: Session,
    Path(sitting): Path<u64>,
    Query(Whose { person }): Query<Whose>,
) -> Result<Response, Refusal> {
    show_with(&session, sitting, &WhoForm { person, ..WhoForm::default() }, None).await
}

async fn show_with(
    session: &Session,
    sitting: u64,
    before: &WhoForm,
    trouble: Option<&Trouble>,
) -> Result<Response, Refusal> {
    session.needs(Permission::Operate)?;
    let words = session.words();
    let status = status(session, sitting).await?;
    let person = match before.person {
        Some(id) => Some(person::find(session, id).await?),
        None => None,
    };
    let again =
        person.as_ref().map_or_else(|| "/people/new".to_owned(), |person| format!("/people/{}/more", person.id));
    let title = match &person {
        Some(person) => words.with("people-more-of", &[("name", person.name.as_str().into())]),
        None => words.get("people-new"),
    };
    Ok(Page::new(session, Area::People, title.clone()).with_scripts(&["people.js"]).render(&html! {
        (back(words))
        h1 { (title) }
        @if let Some(trouble) = trouble { (fields::trouble(words, trouble)) }
        @match status.state {
            SittingState::Running => { (running(session, &status, before.person)) }
            SittingState::Complete => { (complete(session, &status, person.as_ref(), before)) }
            SittingState::Over => {
                p.bad role="alert" { (words.get("people-sitting-over")) " " (advice(words, &status.advice, &status.text)) }
                p { a.button.main href=(again) { (words.get("people-again")) } }
            }
        }
    }))
}

fn running(session: &Session, status: &SittingStatus, whose: Option<u32>) -> Markup {
    let words = session.words();
    let number = status.sitting;
    html! {
        div.card data-sitting={ "/people/sittings/" (number) "/events" } {
            img.picture src={ "/cameras/" (status.camera) "/picture" } data-reload="500" alt=(words.with("people-picture-of", &[("camera", status.camera.as_str().into())]));
            p.advice role="status" aria-live="polite" data-advice { (advice(words, &status.advice, &status.text)) }
            label { (words.get("people-good-views"))
                progress data-taken max=(status.wanted) value=(status.taken) { (status.taken) " / " (status.wanted) } }
            p.soft { (words.get("people-sitting-about")) }
            div.row {
                a.button href=(page_path(number, whose)) { (words.get("people-refresh")) }
                form method="post" action={ "/people/sittings/" (number) "/end" } {
                    (session.csrf())
                    button { (words.get("people-cancel")) }
                }
            }
        }
    }
}

fn complete(session: &Session, status: &SittingStatus, person: Option<&Person>, before: &WhoForm) -> Markup {
    let words = session.words();
    html! { form.card method="post" action={ "/people/sittings/" (status.sitting) } {
        (session.csrf())
        p.notice role="status" { (words.with("people-views-taken", &[("views", status.taken.into())])) }
        @match person {
            Some(person) => {
                input type="hidden" name="person" value=(person.id);
                (fields::force(words, before.force()))
                button.main { (words.get("people-add-templates")) }
            }
            None => {
                (fields::who(words, before))
                (fields::force(words, before.force()))
                button.main { (words.get("people-enroll")) }
            }
        }
        p.soft { (words.get("people-sitting-kept")) }
    } }
}

/// How a sitting goes, as it goes: `{"taken", "wanted", "state", "advice"}`.
async fn events(session: Session, Path(sitting): Path<u64>) -> Result<Response, Refusal> {
    // So that a number that leads nowhere is an error, and not an empty stream.
    status(&session, sitting).await?;
    let told = stream::unfold((session, None::<SittingStatus>), move |(session, before)| async move {
        if before.as_ref().is_some_and(|before| before.state != SittingState::Running) {
            return None;
        }
        loop {
            let now = status(&session, sitting).await.ok()?;
            let news = |before: &SittingStatus| {
                (&before.advice, before.taken, before.state) != (&now.advice, now.taken, now.state)
            };
            if before.as_ref().is_none_or(news) {
                let text = advice(session.words(), &now.advice, &now.text);
                let told = json!({ "taken": now.taken, "wanted": now.wanted, "state": now.state, "advice": text });
                let event = Event::default().event("sitting").data(told.to_string());
                return Some((Ok::<_, Infallible>(event), (session, Some(now))));
            }
            tokio::time::sleep(TELL_EVERY).await;
        }
    });
    Ok(Sse::new(told).keep_alive(KeepAlive::default()).into_response())
}

/// Enrols somebody with the views, or adds those to a person.
async fn take(
    session: Session,
    Path(sitting): Path<u64>,
    CheckedForm(who): CheckedForm<WhoForm>,
) -> Result<Response, Refusal> {
    let done = match who.person {
        Some(id) => {
            let request =
                MoreTemplatesRequest { sitting: Some(sitting), force: who.force(), ..MoreTemplatesRequest::default() };
            let sent = session.send::<Person>(Method::POST, &format!("/v1/people/{id}/templates"), &request).await;
            sent.map(|person| (person.id, "people-templates-added"))
        }
        None => {
            let request = EnrollRequest { sitting: Some(sitting), ..who.enrolment() };
            let sent = session.send::<Person>(Method::POST, "/v1/people", &request).await;
            sent.map(|person| (person.id, "people-enrolled"))
        }
    };
    match done {
        Ok((id, notice)) => Ok(session.done(&format!("/people/{id}"), notice)),
        Err(refusal) => {
            let page = show_with(&session, sitting, &who, Some(&(&refusal).into())).await?;
            Ok((refusal.status(), page).into_response())
        }
    }
}

#[derive(Deserialize)]
struct NoFields {}

async fn end(session: Session, Path(sitting): Path<u64>, _: CheckedForm<NoFields>) -> Result<Response, Refusal> {
    let () = session.send(Method::DELETE, &format!("/v1/sittings/{sitting}"), &()).await?;
    Ok(Redirect::to("/people").into_response())
}
