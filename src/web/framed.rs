//! Errors within the page's frame, with a way back.

use std::sync::Arc;

use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use maud::html;

use super::cookies::words;
use super::frame::{Area, Page};
use super::refusal::{Told, bare};
use super::session::Session;
use super::site::Site;
use super::words::Words;

/// The layer that shows errors within the page's frame to somebody who is logged in, also those that no page has words for: an address that
/// cannot be read, a method that it does not take.
pub async fn in_frame(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let asked = parts.clone();
    let answer = next.run(Request::from_parts(parts, body)).await;
    let (status, words) = (answer.status(), words(&asked.headers));
    if !status.is_client_error() && !status.is_server_error() {
        return answer;
    }
    let why = match answer.extensions().get::<Told>() {
        Some(Told(why)) => why.clone(),
        // It is a page already, with the error in it.
        None if answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) => {
            return answer;
        }
        None => without_words(words, status),
    };
    let page = match framed(&site, asked, &why).await {
        Some(page) => page,
        None => bare(words, &why).into_response(),
    };
    (status, page).into_response()
}

fn without_words(words: &Words, status: StatusCode) -> String {
    words.get(match status {
        StatusCode::METHOD_NOT_ALLOWED => "refused-method",
        StatusCode::PAYLOAD_TOO_LARGE => "refused-large",
        StatusCode::NOT_FOUND => "refused-nothing",
        status if status.is_server_error() => "refused-fault",
        _ => "refused-address",
    })
}

/// The page of an error for somebody who is logged in; `None` if nobody is. Its way back leads to the first page of the area; a script makes it
/// lead to the page before, where what was entered still stands.
async fn framed(site: &Arc<Site>, mut asked: Parts, why: &str) -> Option<Response> {
    let area = Area::of(&asked.method, asked.uri.path());
    let area_path = area.map_or("/", Area::path);
    // The links at the foot, which choose the language, lead to a page. What only takes forms is none.
    if asked.method != Method::GET {
        asked.method = Method::GET;
        asked.uri = Uri::from_static(area_path);
    }
    let session = Session::from_request_parts(&mut asked, site).await.ok()?;
    let area = area.filter(|area| area.is_for(&session));
    let words = session.words();
    let title = words.get("refused-title");
    Some(Page::of_error(&session, area, title.clone()).render(&html! {
        h1 { (title) }
        p.bad role="alert" { (why) }
        p { a.button data-back href=(area.map_or("/", Area::path)) { (words.get("refused-back")) } }
    }))
}
