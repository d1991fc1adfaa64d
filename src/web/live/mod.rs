//! The live view: each door with its cameras' pictures, the faces before them, and orders.
//!
//! - `faces`: what the rules say of faces, as boxes and in words; `state`: doors and cameras in words
//! - `events`: what changes, while the page is open; `orders`: what operators order; `aiming`: help with aiming a camera

mod aiming;
mod events;
mod faces;
mod orders;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::{Area, Page, Refusal, Session, Site};
use crate::accounts::Permission;
use crate::api::doors::DoorStatus;
use crate::api::live::LiveCamera;
use crate::api::status::Status;

pub use state::reason;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/live", get(page))
        .route("/live/events", get(events::follow))
        .route("/cameras/{name}/picture", get(picture))
        .route("/cameras/{name}/stream", get(stream))
        .route("/cameras/{name}/aim", post(aiming::aim))
        .route("/cameras/{name}/rotate", post(aiming::rotate))
        .route("/doors/order", post(orders::to_all))
        .route("/doors/{name}/order", post(orders::to_one))
}

async fn page(session: Session) -> Result<Response, Refusal> {
    let status: Status = session.get("/v1/status").await?;
    let cameras: Vec<LiveCamera> = session.get("/v1/cameras").await?;
    let words = session.words();
    let title = words.get("area-live");
    Ok(Page::new(&session, Area::Live, title.clone()).with_scripts(&["live.js"]).render(&html! {
        div.spread {
            h1 { (title) }
            p.soft role="status" data-connection="off" data-open=(words.get("live-connected")) data-lost=(words.get("live-disconnected")) {}
        }
        noscript { p.warn { (words.get("live-no-script")) } }
        div.doors {
            @for door in &status.doors { (door_card(&session, door, &cameras)) }
        }
        @if session.may(Permission::Operate) && status.doors.len() > 1 {
            section.card aria-labelledby="all-doors" {
                h2 #all-doors { (words.get("live-all-doors")) }
                (orders::forms(&session, None))
            }
        }
    }))
}

fn door_card(session: &Session, door: &DoorStatus, cameras: &[LiveCamera]) -> Markup {
    let id = format!("door-{}", door.name);
    html! {
        section.card.door #(id) aria-labelledby={ (id) "-name" } {
            div.spread {
                h2 #{ (id) "-name" } { (door.name) }
                div.row data-door=(door.name) aria-live="polite" { (state::door(session.words(), door)) }
            }
            @for camera in cameras.iter().filter(|camera| camera.door == door.name) { (camera_figure(session, camera)) }
            @if session.may(Permission::Operate) { (orders::forms(session, Some(&door.name))) }
        }
    }
}

fn camera_figure(session: &Session, camera: &LiveCamera) -> Markup {
    let (words, name) = (session.words(), camera.name.as_str());
    html! {
        figure.camera #{ "camera-" (name) } data-camera=(name) data-away[camera.trouble.is_some()] {
            div.view {
                img src={ "/cameras/" (name) "/picture" } alt=(words.with("live-picture-of", &[("camera", name.into())]));
                svg data-boxes="" aria-hidden="true" {}
            }
            figcaption {
                div.spread {
                    strong { (name) }
                    span data-state="" { (state::camera(words, camera)) }
                }
                ul.faces data-faces="" {}
                p.unseen role="status" data-said="" {}
                noscript { a href={ "/cameras/" (name) "/stream" } { (words.get("live-stream")) } }
                (aiming::panel(session, camera))
            }
        }
    }
}

async fn picture(session: Session, Path(name): Path<String>) -> Result<Response, Refusal> {
    pass_on(&session, &name, "picture").await
}

async fn stream(session: Session, Path(name): Path<String>) -> Result<Response, Refusal> {
    pass_on(&session, &name, "stream").await
}

/// The API's answer about a camera, as it comes.
async fn pass_on(session: &Session, camera: &str, what: &str) -> Result<Response, Refusal> {
    session.answer(Method::GET, &camera_path(camera, what), Body::empty()).await
}

/// A path of the API about a camera. Names of cameras are letters, digits, `-` and `_`; anything else is no camera.
fn camera_path(camera: &str, what: &str) -> String {
    let name: String = camera.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    format!("/v1/cameras/{name}/{what}")
}
