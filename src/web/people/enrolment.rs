//! Enrolment from photographs: somebody new, or more templates of a person.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use maud::{Markup, html};

use super::advice::advice;
use super::fields::{self, Trouble, WhoForm};
use super::{back, person, sitting};
use crate::api::kept_templates::MoreTemplatesRequest;
use crate::api::people::{EnrollRequest, Person};
use crate::api::photographs::{PhotographAnswer, PhotographRefusal};
use crate::api::remedy::Remedy;
use crate::api::template::Template;
use crate::web::{Area, CheckedUpload, Page, Refusal, Session, Site, Uploaded, Words};

/// The most photographs of one form, and the largest of them.
const MOST: usize = 10;
const LARGEST_BYTES: usize = 8 << 20;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/people/new", get(new))
        .route("/people/{id}/more", get(more))
        .route("/people/photographs", post(enroll).layer(CheckedUpload::limit()))
        .route("/people/{id}/photographs", post(add).layer(CheckedUpload::limit()))
}

/// What was done with photographs, or why nothing was.
#[derive(Default)]
struct Outcome {
    /// Each photograph's name, and why it was not taken.
    photographs: Vec<(String, Option<PhotographRefusal>)>,
    /// Why nobody was enrolled.
    trouble: Option<Trouble>,
}

async fn new(session: Session) -> Result<Response, Refusal> {
    session.needs(crate::accounts::Permission::Operate)?;
    new_page(&session, &WhoForm::default(), &Outcome::default()).await
}

async fn new_page(session: &Session, before: &WhoForm, outcome: &Outcome) -> Result<Response, Refusal> {
    let words = session.words();
    let cameras = sitting::cameras(session).await?;
    let title = words.get("people-new");
    let page = Page::new(session, Area::People, title.clone()).render(&html! {
        (back(words))
        h1 { (title) }
        (verdicts(words, outcome))
        div.grid {
            form.card method="post" action="/people/photographs" enctype="multipart/form-data" {
                (session.csrf())
                h2 { (words.get("people-from-photographs")) }
                (fields::who(words, before))
                (photographs_field(words))
                (fields::force(words, before.force()))
                button.main { (words.get("people-enroll")) }
            }
            (sitting::start_form(session, &cameras, None))
        }
    });
    Ok(with_status(page, outcome))
}

async fn more(session: Session, Path(id): Path<u32>) -> Result<Response, Refusal> {
    session.needs(crate::accounts::Permission::Operate)?;
    more_page(&session, id, &Outcome::default()).await
}

async fn more_page(session: &Session, id: u32, outcome: &Outcome) -> Result<Response, Refusal> {
    let words = session.words();
    let person = person::find(session, id).await?;
    let cameras = sitting::cameras(session).await?;
    let title = words.with("people-more-of", &[("name", person.name.as_str().into())]);
    let page = Page::new(session, Area::People, title.clone()).render(&html! {
        p { a href={ "/people/" (id) } { "← " (person.name) } }
        h1 { (title) }
        (verdicts(words, outcome))
        div.grid {
            form.card method="post" action={ "/people/" (id) "/photographs" } enctype="multipart/form-data" {
                (session.csrf())
                h2 { (words.get("people-from-photographs")) }
                (photographs_field(words))
                (fields::force(words, false))
                button.main { (words.get("people-add-templates")) }
            }
            (sitting::start_form(session, &cameras, Some(&person)))
        }
    });
    Ok(with_status(page, outcome))
}

/// A form that was refused is answered as an error, so that nothing takes it for done.
fn with_status(page: Response, outcome: &Outcome) -> Response {
    match outcome.trouble {
        Some(_) => (StatusCode::UNPROCESSABLE_ENTITY, page).into_response(),
        None => page,
    }
}

fn photographs_field(words: &Words) -> Markup {
    html! {
        label {
            (words.with("people-photographs", &[("most", MOST.into())]))
            input type="file" name="photographs" multiple required accept="image/jpeg,image/png,image/webp,image/bmp";
        }
        label.check { input type="checkbox" name="largest" value="yes"; (words.get("people-largest")) }
        p.soft { (words.get("people-photographs-about")) }
    }
}

fn verdicts(words: &Words, outcome: &Outcome) -> Markup {
    html! {
        @if let Some(trouble) = &outcome.trouble { (fields::trouble(words, trouble)) }
        @if !outcome.photographs.is_empty() {
            ul.verdicts { @for (name, refusal) in &outcome.photographs { li {
                (name) ": "
                @match refusal {
                    None => { span.badge.good { (words.get("people-photograph-taken")) } }
                    Some(refusal) => { span.badge.bad { (words.get("people-photograph-refused")) } " " (advice(words, &refusal.code, &refusal.reason)) }
                }
            } } }
        }
    }
}

/// What photographs gave.
struct Looked {
    templates: Vec<Template>,
    labels: Vec<String>,
    outcome: Outcome,
}

/// Has the photographs looked at, one after the other.
async fn look_at(session: &Session, upload: CheckedUpload, weak: bool) -> Result<Looked, Refusal> {
    let words = session.words();
    let largest = upload.fields.contains_key("largest");
    let mut looked = Looked { templates: Vec::new(), labels: Vec::new(), outcome: Outcome::default() };
    let mut beside = Vec::new();
    if upload.files.len() > MOST {
        return Err(Refusal::invalid(words, words.with("people-too-many", &[("most", MOST.into())])));
    }
    for Uploaded { name, bytes, .. } in upload.files {
        if bytes.len() > LARGEST_BYTES {
            let refusal =
                PhotographRefusal { code: String::new(), reason: words.get("people-too-large"), remedy: None };
            looked.outcome.photographs.push((name, Some(refusal)));
            continue;
        }
        let path = format!("/v1/photographs?largest={largest}&weak={weak}");
        let answer = session.answer(Method::POST, &path, Body::from(bytes)).await?;
        let body = answer.into_body().collect().await.map_err(|error| Refusal::failed(words, &error))?;
        let answer: PhotographAnswer =
            serde_json::from_slice(&body.to_bytes()).map_err(|error| Refusal::failed(words, &error))?;
        if let Some(template) = answer.template {
            looked.templates.push(template);
            looked.labels.push(name.clone());
            beside.extend(answer.beside);
        }
        looked.outcome.photographs.push((name, answer.refused));
    }
    looked.templates.extend(beside);
    if looked.templates.is_empty() {
        let weak = |(_, refused): &(_, Option<PhotographRefusal>)| {
            refused.as_ref().is_some_and(|refused| refused.remedy == Some(Remedy::Force))
        };
        let may_force = looked.outcome.photographs.iter().any(weak);
        looked.outcome.trouble = Some(Trouble { why: words.get("people-no-photograph"), may_force });
    }
    Ok(looked)
}

async fn enroll(session: Session, mut upload: CheckedUpload) -> Result<Response, Refusal> {
    session.needs(crate::accounts::Permission::Operate)?;
    let mut field = |name: &str| upload.fields.remove(name).unwrap_or_default();
    let form = WhoForm {
        name: field("name"),
        employee_id: field("employee_id"),
        groups: field("groups"),
        force: Some(field("force")).filter(|force| !force.is_empty()),
        ..WhoForm::default()
    };
    let Looked { templates, labels, mut outcome } = look_at(&session, upload, form.force()).await?;
    if outcome.trouble.is_some() {
        return new_page(&session, &form, &outcome).await;
    }
    let request = EnrollRequest { templates, labels, ..form.enrolment() };
    match session.send::<Person>(Method::POST, "/v1/people", &request).await {
        Ok(person) => Ok(session.done(&format!("/people/{}", person.id), "people-enrolled")),
        Err(refusal) => {
            // Those that could be used were not taken after all.
            outcome.photographs.retain(|(_, refused)| refused.is_some());
            outcome.trouble = Some((&refusal).into());
            new_page(&session, &form, &outcome).await
        }
    }
}

async fn add(session: Session, Path(id): Path<u32>, upload: CheckedUpload) -> Result<Response, Refusal> {
    session.needs(crate::accounts::Permission::Operate)?;
    let force = upload.fields.contains_key("force");
    let Looked { templates, labels, mut outcome } = look_at(&session, upload, force).await?;
    if outcome.trouble.is_some() {
        return more_page(&session, id, &outcome).await;
    }
    let request = MoreTemplatesRequest { templates, sitting: None, labels, force };
    match session.send::<Person>(Method::POST, &format!("/v1/people/{id}/templates"), &request).await {
        Ok(_) => Ok(session.done(&format!("/people/{id}"), "people-templates-added")),
        Err(refusal) => {
            // Those that could be used were not taken after all.
            outcome.photographs.retain(|(_, refused)| refused.is_some());
            outcome.trouble = Some((&refusal).into());
            more_page(&session, id, &outcome).await
        }
    }
}
