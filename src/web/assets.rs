//! Style, scripts and the icon, which are part of the program.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Site;

const FILES: &[(&str, &str, &str)] = &[
    ("usher.css", "text/css; charset=utf-8", include_str!("assets/usher.css")),
    ("usher.js", "text/javascript; charset=utf-8", include_str!("assets/usher.js")),
    ("timeline.js", "text/javascript; charset=utf-8", include_str!("assets/timeline.js")),
    ("people.js", "text/javascript; charset=utf-8", include_str!("assets/people.js")),
    ("live.js", "text/javascript; charset=utf-8", include_str!("assets/live.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/assets/{name}", get(file))
}

async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        // A page of another version asks for another address (frame.rs).
        Some((_, kind, text)) => {
            ([(CONTENT_TYPE, *kind), (CACHE_CONTROL, "private, max-age=604800, immutable")], *text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
