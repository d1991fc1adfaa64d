//! A person's templates with their quality: adding some, erasing one.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use axum::routing::post;
use maud::{Markup, html};
use serde::Deserialize;

use crate::api::kept_templates::{KeptKind, KeptTemplate};
use crate::api::people::Person;
use crate::api::template::Quality;
use crate::domain::Chroma;
use crate::web::{CheckedForm, Refusal, Session, Site, Words};

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/people/{id}/templates/{template}/remove", post(remove))
}

/// The section of a person's page.
pub async fn section(session: &Session, person: &Person) -> Result<Markup, Refusal> {
    let kept: Vec<KeptTemplate> = session.get(&format!("/v1/people/{}/templates", person.id)).await?;
    let words = session.words();
    Ok(html! {
        div.spread {
            h2 { (words.get("people-templates")) }
            a.button href={ "/people/" (person.id) "/more" } { (words.get("people-add-templates")) }
        }
        @if person.templates == 0 { p.warn { (words.get("people-no-face-about")) } }
        @if !kept.is_empty() {
            table.wide {
                caption.unseen { (words.get("people-templates")) }
                thead { tr {
                    th scope="col" { (words.get("people-template")) }
                    th scope="col" { (words.get("people-made")) }
                    th.number scope="col" { (words.get("people-pixels")) }
                    th.number scope="col" { (words.get("people-sharpness")) }
                    th.number scope="col" { (words.get("people-turned")) }
                    th.number scope="col" { (words.get("people-tilted")) }
                    th.number scope="col" { (words.get("people-brightness")) }
                    th scope="col" { (words.get("people-chroma")) }
                    th.number scope="col" { (words.get("people-strength")) }
                    th scope="col" { span.unseen { (words.get("people-acts")) } }
                } }
                tbody { @for template in &kept { (row(session, person, template)) } }
            }
            p.soft { (words.get("people-templates-about")) }
        }
    })
}

fn row(session: &Session, person: &Person, template: &KeptTemplate) -> Markup {
    let words = session.words();
    let last = person.templates == 1 && template.kind != KeptKind::Lookalike && template.problem.is_none();
    html! { tr {
        th scope="row" {
            (kind(words, template.kind)) " " span.soft { (template.id) }
            @if let Some(problem) = &template.problem { " " span.badge.bad { (problem) } }
        }
        td data-label=(words.get("people-made")) {
            @if let Some(created) = &template.created { (session.rfc3339(created)) } @else { "–" }
        }
        @match &template.quality {
            Some(quality) => { (figures(words, quality)) }
            None => { td colspan="7" { "–" } }
        }
        td {
            details.confirm {
                summary { (words.get("people-erase-template")) span.unseen { " " (template.id) } }
                form method="post" action={ "/people/" (person.id) "/templates/" (template.id) "/remove" } {
                    (session.csrf())
                    p { (words.get(if last { "people-last-template" } else { "people-erase-template-sure" })) }
                    @if last { input type="hidden" name="force" value="yes"; }
                    button.danger { (words.get("people-erase-template")) }
                }
            }
        }
    } }
}

fn figures(words: &Words, quality: &Quality) -> Markup {
    let strength = quality.embedding_length.map_or_else(|| "–".to_owned(), |length| format!("{length:.2}"));
    let chroma = match quality.chroma {
        Chroma::Colour => "people-chroma-colour",
        Chroma::Grey => "people-chroma-grey",
    };
    html! {
        td.number data-label=(words.get("people-pixels")) { (format!("{:.0}", quality.size_px)) }
        td.number data-label=(words.get("people-sharpness")) { (format!("{:.0}", quality.sharpness)) }
        td.number data-label=(words.get("people-turned")) { (format!("{:.0}°", quality.yaw_deg)) }
        td.number data-label=(words.get("people-tilted")) { (format!("{:.0}°", quality.pitch_deg)) }
        td.number data-label=(words.get("people-brightness")) { (format!("{:.0}", quality.brightness)) }
        td data-label=(words.get("people-chroma")) { (words.get(chroma)) }
        td.number data-label=(words.get("people-strength")) { (strength) }
    }
}

fn kind(words: &Words, kind: KeptKind) -> String {
    words.get(match kind {
        KeptKind::Enrolled => "people-kind-enrolled",
        KeptKind::Learned => "people-kind-learned",
        KeptKind::Lookalike => "people-kind-lookalike",
    })
}

#[derive(Deserialize)]
struct RemoveForm {
    #[serde(default)]
    force: Option<String>,
}

async fn remove(
    session: Session,
    Path((id, template)): Path<(u32, String)>,
    CheckedForm(RemoveForm { force }): CheckedForm<RemoveForm>,
) -> Result<Response, Refusal> {
    // What is no address has characters that a path must not have.
    let template: String = template.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let path = format!("/v1/people/{id}/templates/{template}?force={}", force.is_some());
    let _: Person = session.send(Method::DELETE, &path, &()).await?;
    Ok(session.done(&format!("/people/{id}"), "people-template-erased"))
}
