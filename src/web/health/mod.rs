//! Health: the daemon's checks as cards, measurements of the last day, the journal's chain, backups.
//!
//! - `lines`: measurements as pictures
//! - `acts`: checking the chain, downloading a backup

mod acts;
mod lines;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::{Area, Page, Refusal, Session, Site, Words};
use crate::accounts::Permission;
use crate::api::checks::{Check, CheckState};
use crate::api::figures::Figures;
use crate::api::status::Status;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/health", get(show))
        .route("/health/verify", post(acts::verify))
        .route("/health/backup", post(acts::backup))
}

async fn show(session: Session) -> Result<Response, Refusal> {
    let mut checks: Vec<Check> = session.get("/v1/checks").await?;
    // What needs somebody comes first; otherwise the daemon's own order.
    checks.sort_by_key(|check| std::cmp::Reverse(check.state));
    let figures: Figures = session.get("/v1/figures").await?;
    let status: Status = session.get("/v1/status").await?;
    let t = session.words();
    let about = [("version", status.version.as_str().into()), ("device", status.device.as_str().into())];
    Ok(Page::new(&session, Area::Health, t.get("area-health")).render(&html! {
        h1 { (t.get("area-health")) }
        p.soft { (t.with("health-version", &about)) }
        (verdict(t, &checks))
        h2 { (t.get("health-checks")) }
        ul.grid.checks {
            @for check in &checks {
                li.card {
                    h3 { (check.check) " " span.badge .(class(check.state)) { (t.get(name_of(check.state))) } }
                    p { (check.text) }
                }
            }
        }
        h2 { (t.get("health-figures")) }
        (lines::all(&session, &figures))
        div.grid {
            section.card {
                h2 { (t.get("health-journal")) }
                p { (t.get("health-journal-what")) }
                form method="post" action="/health/verify" { (session.csrf()) button { (t.get("health-verify")) } }
            }
            section.card {
                h2 { (t.get("health-backup")) }
                @for check in checks.iter().filter(|check| check.check == "backup") { p { (check.text) } }
                p { (t.get("health-backup-what")) }
                @if session.may(Permission::Administer) {
                    form method="post" action="/health/backup" { (session.csrf()) button { (t.get("health-backup-make")) } }
                } @else { p.soft { (t.get("health-backup-admins")) } }
            }
        }
    }))
}

/// All together, in a sentence.
fn verdict(t: &Words, checks: &[Check]) -> Markup {
    let count = |state: CheckState| checks.iter().filter(|check| check.state == state).count();
    let with = |id: &str, count: usize| t.with(id, &[("count", count.into())]);
    let (words, class) = match (count(CheckState::Broken), count(CheckState::Warning)) {
        (0, 0) => (t.get("health-all-well"), "good"),
        (0, warnings) => (with("health-works", warnings), "warn"),
        (broken, _) => (with("health-broken", broken), "bad"),
    };
    html! { p role="status" { span.badge .(class) { (words) } } }
}

/// The id of a state's name.
fn name_of(state: CheckState) -> &'static str {
    match state {
        CheckState::Ok => "health-state-ok",
        CheckState::Warning => "health-state-warning",
        CheckState::Broken => "health-state-broken",
    }
}

fn class(state: CheckState) -> &'static str {
    match state {
        CheckState::Ok => "good",
        CheckState::Warning => "warn",
        CheckState::Broken => "bad",
    }
}
