//! The API over the network, for programs with a token.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tower::ServiceExt as _;

use super::Site;
use super::lasting::{Asker, lasting};
use crate::api::{self, ApiError, Caller};

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/v1/openapi.json", axum::routing::get(description))
        .route("/v1/{*rest}", any(forward))
        .route("/metrics", any(forward))
}

/// The description is the same for everybody and holds nothing about the site.
async fn description() -> Response {
    axum::Json(api::openapi()).into_response()
}

async fn forward(State(site): State<Arc<Site>>, mut request: Request) -> Response {
    let found = secret(request.headers()).and_then(|secret| Some((secret.to_owned(), site.accounts.token_of(secret)?)));
    let Some((secret, token)) = found else { return ApiError::LoggedOut.into_response() };
    // What the page's router noted about the path would mislead the API's.
    request.extensions_mut().clear();
    request.extensions_mut().insert(Caller::Web { name: token.name, role: token.role });
    match site.api.clone().oneshot(request).await {
        Ok(answer) => lasting(answer, site, Asker::Token(secret)),
        Err(never) => match never {},
    }
}

fn secret(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}
