//! What forms send. A form without the session's token is refused.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Multipart, RawForm, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::refusal::Refusal;
use super::session::Session;
use super::words::Words;
use super::{LARGEST_UPLOAD_BYTES, Site};

/// The name of the field that holds the session's token.
const TOKEN: &str = "csrf";
/// The most files of one form.
const MOST_FILES: usize = 20;
/// The limit for a form with files.
const UPLOADED_WITHIN: Duration = Duration::from_secs(120);

/// The fields of a form, which carried the session's token.
pub struct CheckedForm<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Site>> for CheckedForm<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, site: &Arc<Site>) -> Result<CheckedForm<T>, Refusal> {
        let (mut parts, body) = request.into_parts();
        let session = Session::from_request_parts(&mut parts, site).await?;
        let words = session.words();
        let request = Request::from_parts(parts, body);
        let RawForm(bytes) =
            RawForm::from_request(request, site).await.map_err(|error| unreadable(words, &error.body_text()))?;
        let fields: Vec<(String, String)> =
            serde_html_form::from_bytes(&bytes).map_err(|error| unreadable(words, &error))?;
        let (tokens, fields): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(name, _)| name == TOKEN);
        check(&session, tokens.first().map_or("", |(_, token)| token))?;
        let fields = serde_html_form::to_string(fields).unwrap_or_default();
        serde_html_form::from_str(&fields).map(CheckedForm).map_err(|error| unreadable(words, &error))
    }
}

/// A file of a form.
pub struct Uploaded {
    /// The file's name, as the browser says.
    pub name: String,
    pub bytes: Bytes,
}

/// The fields and files of a form that carried the session's token. The token must be the form's first field, so that nothing is read of a form
/// without it. A route that takes one needs [`CheckedUpload::limit`].
pub struct CheckedUpload {
    pub fields: BTreeMap<String, String>,
    pub files: Vec<Uploaded>,
}

impl CheckedUpload {
    /// The layer that lets a route take as much as photographs need.
    pub fn limit() -> DefaultBodyLimit {
        DefaultBodyLimit::max(LARGEST_UPLOAD_BYTES)
    }
}

impl FromRequest<Arc<Site>> for CheckedUpload {
    type Rejection = Refusal;

    async fn from_request(request: Request, site: &Arc<Site>) -> Result<CheckedUpload, Refusal> {
        let (mut parts, body) = request.into_parts();
        let session = Session::from_request_parts(&mut parts, site).await?;
        let words = session.words();
        let form = Multipart::from_request(Request::from_parts(parts, body), site).await;
        let form = form.map_err(|error| unreadable(words, &error.body_text()))?;
        match timeout(UPLOADED_WITHIN, read(form, &session)).await {
            Ok(upload) => upload,
            Err(_) => Err(Refusal::new(words, StatusCode::REQUEST_TIMEOUT, words.get("refused-late"))),
        }
    }
}

async fn read(mut form: Multipart, session: &Session) -> Result<CheckedUpload, Refusal> {
    let invalid = |error: axum::extract::multipart::MultipartError| unreadable(session.words(), &error.body_text());
    let mut upload = CheckedUpload { fields: BTreeMap::new(), files: Vec::new() };
    let mut checked = false;
    while let Some(field) = form.next_field().await.map_err(invalid)? {
        let name = field.name().unwrap_or_default().to_owned();
        if !checked {
            let token = if name == TOKEN { field.text().await.map_err(invalid)? } else { String::new() };
            check(session, &token)?;
            checked = true;
            continue;
        }
        match field.file_name().map(str::to_owned) {
            // A browser sends an empty file where none was chosen.
            Some(file) => {
                let bytes = field.bytes().await.map_err(invalid)?;
                if !bytes.is_empty() {
                    upload.files.push(Uploaded { name: file, bytes });
                }
            }
            None => drop(upload.fields.insert(name, field.text().await.map_err(invalid)?)),
        }
        if upload.files.len() > MOST_FILES {
            return Err(Refusal::invalid(session.words(), session.words().get("refused-many-files")));
        }
    }
    if checked { Ok(upload) } else { check(session, "").map(|()| upload) }
}

/// A form that no page of usher's sends, or that did not arrive as a whole.
fn unreadable(words: &'static Words, why: &impl Display) -> Refusal {
    Refusal::invalid(words, words.with("refused-form", &[("why", why.to_string().into())]))
}

fn check(session: &Session, token: &str) -> Result<(), Refusal> {
    let words = session.words();
    let refusal = || Refusal::new(words, StatusCode::FORBIDDEN, words.get("refused-token"));
    if session.is_token(token) { Ok(()) } else { Err(refusal()) }
}
