//! Why there is no page, or why an act was not done. The words of the API are English: they name keys and people, which are the same in every
//! language.

use std::fmt::Display;

use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::cookies::words;
use super::sheet;
use super::words::Words;
use crate::api::ErrorBody;
use crate::api::remedy::Remedy;

/// Why there is no page, or why an act was not done.
pub struct Refusal(Kind);

enum Kind {
    /// Nobody is logged in. Back to this path afterwards.
    LogIn { back: String },
    /// An error with what the API says about it.
    Failed { words: &'static Words, status: StatusCode, why: String, remedy: Option<Remedy> },
}

impl Refusal {
    /// An error with a status, in words.
    pub fn new(words: &'static Words, status: StatusCode, why: String) -> Refusal {
        Refusal(Kind::Failed { words, status, why, remedy: None })
    }

    /// An error of the API, with what can be done about it.
    pub fn of_api(words: &'static Words, status: StatusCode, body: ErrorBody) -> Refusal {
        Refusal(Kind::Failed { words, status, why: body.error, remedy: body.remedy })
    }

    /// A fault of usher or of the machine.
    pub fn failed(words: &'static Words, error: &(impl Display + ?Sized)) -> Refusal {
        Refusal::new(words, StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }

    /// What was sent will not do, in words.
    pub fn invalid(words: &'static Words, why: impl Display) -> Refusal {
        Refusal::new(words, StatusCode::UNPROCESSABLE_ENTITY, why.to_string())
    }

    /// The role does not allow it.
    pub fn forbidden(words: &'static Words) -> Refusal {
        Refusal::new(words, StatusCode::FORBIDDEN, words.get("refused-role"))
    }

    /// Nobody is logged in.
    pub fn log_in(_: &'static Words, back: &str) -> Refusal {
        Refusal(Kind::LogIn { back: back.to_owned() })
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match &self.0 {
            Kind::LogIn { .. } => StatusCode::SEE_OTHER,
            Kind::Failed { status, .. } => *status,
        }
    }

    /// Whether the same would be done by force.
    pub fn may_force(&self) -> bool {
        matches!(self.0, Kind::Failed { remedy: Some(Remedy::Force), .. })
    }

    /// The error in words, to show it within a page.
    pub fn why(&self) -> &str {
        match &self.0 {
            Kind::LogIn { .. } => "",
            Kind::Failed { why, .. } => why,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self.0 {
            Kind::LogIn { back } => {
                let next = serde_html_form::to_string([("next", back)]).unwrap_or_default();
                Redirect::to(&format!("/login?{next}")).into_response()
            }
            Kind::Failed { words, status, why, .. } => {
                let mut answer = (status, bare(words, &why)).into_response();
                answer.extensions_mut().insert(Told(why));
                answer
            }
        }
    }
}

/// Why an answer is an error, among its extensions: for the frame around it.
#[derive(Clone)]
pub struct Told(pub String);

/// The page of an error for somebody who is not logged in.
pub fn bare(words: &'static Words, why: &str) -> Markup {
    let title = words.get("refused-title");
    sheet::bare(
        words,
        &title,
        &html! {
            h1 { (title) }
            p role="alert" { (why) }
            p { a href="/" { (words.get("refused-home")) } }
        },
    )
}

/// There is no page of that path.
pub async fn no_page(headers: HeaderMap, uri: Uri) -> Refusal {
    let words = words(&headers);
    let why = words.with("refused-no-page", &[("path", uri.path().into())]);
    Refusal::new(words, StatusCode::NOT_FOUND, why)
}
