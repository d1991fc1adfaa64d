//! What every request must pass before any page, and the headers of every answer.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{From, Site};

/// Nothing but what this address itself serves; no script or style in the HTML, no frame, no plugin.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";
const HEADERS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
];

/// Refuses requests by a stranger's name, from around the proxy, or from another site's page; adds the headers to every answer.
pub async fn pass(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let mut answer = match check(&site, &mut request) {
        Ok(()) => next.run(request).await,
        Err((status, why)) => (status, format!("usher: {why}\n")).into_response(),
    };
    let headers = answer.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

fn check(site: &Site, request: &mut Request) -> Result<(), (StatusCode, String)> {
    let host = text(request.headers(), &HOST).or(request.uri().host()).unwrap_or_default();
    if !site.settings.hosts.accept(host) {
        let why = format!(
            "this page is not called {host:?} but {}, or by its address; add other names to [web] names",
            site.settings.hosts.names()
        );
        return Err((StatusCode::MISDIRECTED_REQUEST, why));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) && is_of_another_site(request.headers(), host) {
        return Err((StatusCode::FORBIDDEN, "a page of another site sent this; nothing was done".to_owned()));
    }
    let Some(From(address)) = request.extensions().get::<From>().copied() else {
        return Err((StatusCode::INTERNAL_SERVER_ERROR, "the transport does not say who asks".to_owned()));
    };
    let address = address.to_canonical();
    if site.settings.proxies.contains(&address) {
        // The last one: those before it are what the client claims.
        let told = text(request.headers(), &HeaderName::from_static("x-forwarded-for"));
        let told = told.and_then(|told| told.rsplit(',').next()).and_then(|last| last.trim().parse::<IpAddr>().ok());
        request.extensions_mut().insert(From(told.unwrap_or(address)));
    } else if !site.settings.proxies.is_empty() {
        return Err((StatusCode::FORBIDDEN, format!("{address} is none of [web] proxies")));
    }
    Ok(())
}

/// Whether a browser says that another site's page sent the request. Programs say nothing of that kind.
fn is_of_another_site(headers: &HeaderMap, host: &str) -> bool {
    if let Some(site) = text(headers, &HeaderName::from_static("sec-fetch-site")) {
        return !matches!(site, "same-origin" | "none");
    }
    text(headers, &ORIGIN).is_some_and(|origin| origin.split_once("://").is_none_or(|(_, of)| of != host))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
