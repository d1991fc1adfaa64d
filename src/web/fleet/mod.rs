//! The fleet, at its office: how the office stands, its sites and its boards.
//!
//! - this file: the overview; `sites`: a card for each site; `boards`: a row for each board
//! - `acts`: lockdowns, forgetting somebody, shutting a board out, and who has confirmed it
//! - `people`: who is enrolled at a site

mod acts;
mod boards;
mod people;
mod sites;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::{Area, CheckedForm, Page, Refusal, Session, Site, Words};
use crate::api::fleet::OfficeStatus;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/fleet", get(show))
        .route("/fleet/sites/{site}/lockdown", post(acts::lockdown))
        .route("/fleet/boards/{board}/revoke", post(acts::revoke))
        .route("/people", get(people::list))
        .route("/people/forget", post(acts::forget))
}

async fn show(session: Session) -> Result<Response, Refusal> {
    let status: OfficeStatus = session.get("/v1/fleet").await?;
    let t = session.words();
    Ok(Page::new(&session, Area::Fleet, t.get("area-fleet")).render(&html! {
        h1 { (t.get("area-fleet")) }
        (office(t, &status))
        @if status.sites.is_empty() {
            p { (t.get("fleet-nobody")) " " code { "usher fleet invite" } }
        } @else {
            h2 { (t.get("fleet-sites")) }
            div.grid { @for site in &status.sites { (sites::card(&session, site)) } }
            h2 { (t.get("fleet-boards")) }
            (boards::table(&session, &status.boards))
        }
    }))
}

/// How the office stands at the servers.
fn office(t: &Words, status: &OfficeStatus) -> Markup {
    html! {
        p role="status" {
            @match status.state.as_str() {
                "online" => { span.badge.good { (t.get("fleet-online")) } }
                "connecting" => { span.badge.warn { (t.get("fleet-connecting")) } }
                why => { span.badge.bad { (t.get("fleet-away")) } " " (why) }
            }
        }
        @if status.unsent > 0 { p.warn { (t.with("fleet-unsent", &[("count", status.unsent.into())])) } }
        @for refused in &status.refused { p.bad role="alert" { (refused.in_words()) } }
    }
}
