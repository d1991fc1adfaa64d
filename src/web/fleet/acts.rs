//! What is done from the page of the fleet. The answer says which boards have confirmed it, as the command line does.

use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::query::escape;
use super::{Area, CheckedForm, Page, Refusal, Session, Words};
use crate::api::fleet::{Done, Proof, SiteForgetting, SiteLockdown};

#[derive(Deserialize)]
pub struct LockdownForm {
    on: bool,
    #[serde(default)]
    group: String,
}

/// Begins a site's lockdown, or ends it.
pub async fn lockdown(
    session: Session,
    Path(site): Path<String>,
    CheckedForm(LockdownForm { on, group }): CheckedForm<LockdownForm>,
) -> Result<Response, Refusal> {
    let group = Some(group.trim().to_owned()).filter(|group| on && !group.is_empty());
    let path = format!("/v1/fleet/sites/{}/lockdown", escape(&site));
    let done: Done = session.send(Method::POST, &path, &SiteLockdown { on, group }).await?;
    let title = if on { "fleet-lock-down" } else { "fleet-end-lockdown" };
    Ok(answer(&session, Area::Fleet, session.words().get(title), &done))
}

#[derive(Deserialize)]
pub struct Nothing {}

/// Shuts a board out.
pub async fn revoke(session: Session, Path(board): Path<String>, _: CheckedForm<Nothing>) -> Result<Response, Refusal> {
    let path = format!("/v1/fleet/boards/{}/revoke", escape(&board));
    let done: Done = session.send(Method::POST, &path, &()).await?;
    let title = session.words().with("fleet-revoke-board", &[("board", board.as_str().into())]);
    Ok(answer(&session, Area::Fleet, title, &done))
}

#[derive(Deserialize)]
pub struct ForgetForm {
    site: String,
    /// The uuid: names may change meanwhile.
    person: String,
}

/// Forgets somebody of a site for good.
pub async fn forget(
    session: Session,
    CheckedForm(ForgetForm { site, person }): CheckedForm<ForgetForm>,
) -> Result<Response, Refusal> {
    let path = format!("/v1/fleet/sites/{}/forget", escape(&site));
    let done: Done = session.send(Method::POST, &path, &SiteForgetting { person }).await?;
    Ok(answer(&session, Area::People, session.words().get("fleet-forget"), &done))
}

/// What was done, and who has confirmed it.
fn answer(session: &Session, area: Area, title: String, done: &Done) -> Response {
    let t = session.words();
    let (back, name) = match area {
        Area::People => ("/people", "area-people"),
        _ => ("/fleet", "area-fleet"),
    };
    Page::new(session, area, title.clone()).render(&html! {
        p { a href=(back) { "← " (t.get(name)) } }
        h1 { (title) }
        p.notice role="status" { (done.what) }
        @for note in &done.notes { p.warn { (note) } }
        (confirmations(t, done))
        @if let Some(proof) = &done.proof { (shown(t, proof)) }
    })
}

fn confirmations(t: &Words, done: &Done) -> Markup {
    html! {
        @if !done.sent {
            p.warn { (t.get("fleet-not-sent")) }
        }
        @if !done.confirmed.is_empty() {
            p { span.badge.good { (t.get("fleet-confirmed")) } " " (done.confirmed.join(", ")) }
        }
        @if !done.missing.is_empty() {
            p { span.badge.warn { (t.get("fleet-missing")) } " " (done.missing.join(", ")) }
            p.soft { (t.get("fleet-missing-about")) }
        }
        @if !done.unheard.is_empty() {
            p { span.badge { (t.get("fleet-unheard")) } " " (done.unheard.join(", ")) }
        }
    }
}

/// What can be shown of a forgetting.
fn shown(t: &Words, proof: &Proof) -> Markup {
    let Proof { uuid, record, mark, destroyed_epoch, epoch, erased_records } = proof;
    html! {
        h2 { (t.get("fleet-proof")) }
        dl.facts {
            dt { (t.get("fleet-uuid")) } dd { code { (uuid) } }
            dt { (t.get("fleet-proof-record")) } dd { code { (record) } " BLAKE3" }
            dt { (t.get("fleet-proof-mark")) } dd { code { (mark) } " BLAKE3" }
            dt { (t.get("fleet-proof-destroyed")) } dd { (destroyed_epoch) }
            dt { (t.get("fleet-proof-key")) } dd { (epoch) }
            dt { (t.get("fleet-proof-erased")) } dd { (erased_records) }
        }
    }
}
