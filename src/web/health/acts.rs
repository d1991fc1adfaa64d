//! What is done from the page of health: checking the journal's chain, downloading a backup.

use axum::body::Body;
use axum::http::Method;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use maud::html;
use serde::Deserialize;

use crate::api::journal::Verification;
use crate::web::{Area, CheckedForm, Page, Refusal, Session};

/// A form without fields.
#[derive(Deserialize)]
pub struct Nothing {}

/// Checks the chain, and shows the outcome.
pub async fn verify(session: Session, CheckedForm(Nothing {}): CheckedForm<Nothing>) -> Result<Response, Refusal> {
    let found: Verification = session.get("/v1/journal/verify").await?;
    let t = session.words();
    let count = |id: &str, count: u64| t.with(id, &[("count", count.into())]);
    Ok(Page::new(&session, Area::Health, t.get("health-journal")).render(&html! {
        p { a href="/health" { (t.get("health-back")) } }
        h1 { (t.get("health-journal")) }
        p role="status" { span.badge.good { (count("health-sound", found.records)) } }
        @if found.pruned_through > 0 {
            p { (t.with("health-pruned", &[("through", found.pruned_through.into())])) }
        }
        @if found.erased > 0 { p { (count("health-erased-from", found.erased)) } }
        @if found.lost > 0 { p { span.badge.warn { (count("health-lost", found.lost)) } } }
        @if let Some(gap) = &found.untold {
            @let about = [("count", gap.lost.into()), ("since", gap.since.as_str().into()), ("reason", gap.reason.as_str().into())];
            p { span.badge.bad { (t.with("health-untold", &about)) } }
        }
    }))
}

/// The whole store as one file.
pub async fn backup(session: Session, CheckedForm(Nothing {}): CheckedForm<Nothing>) -> Result<Response, Refusal> {
    let body = session.answer(Method::GET, "/v1/backup", Body::empty()).await?.into_body();
    let name = format!("usher-{}.backup", session.zoned(session.site().clock.wall()).strftime("%Y-%m-%dT%H%M"));
    let disposition = format!("attachment; filename=\"{name}\"");
    Ok(([(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_DISPOSITION, disposition)], body)
        .into_response())
}
