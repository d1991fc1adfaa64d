//! The page's cookies: the session's secret, the language, and a notice that is shown once.

use axum::http::header::{ACCEPT_LANGUAGE, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;

use super::Site;
use super::words::Words;

/// The name of the session's cookie. Over TLS, browsers take one with this prefix only from this very host, for all paths, and encrypted
/// (RFC 6265bis).
const SECURE_COOKIE: &str = "__Host-usher";
const PLAIN_COOKIE: &str = "usher";
/// The cookies of the language, and of a notice that is shown once.
const LANGUAGE: &str = "usher-language";
const NOTICE: &str = "usher-notice";

/// The texts for whoever asks: the language that was chosen, else the first that the browser names and that is there, else English.
pub fn words(headers: &HeaderMap) -> &'static Words {
    let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wanted = wanted.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
    cookie(headers, LANGUAGE).into_iter().chain(wanted).find_map(Words::of).unwrap_or_else(Words::english)
}

/// The cookie that keeps the language `tag`.
pub fn language_cookie(tag: &str) -> String {
    format!("{LANGUAGE}={tag}; Path=/; SameSite=Strict; Max-Age=31536000")
}

/// The cookie of a new session.
pub fn begin_cookie(site: &Site, secret: &str) -> String {
    let (name, secure) = (session_cookie(site), if site.settings.secure { "; Secure" } else { "" });
    let age = site.settings.session.as_secs();
    format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}")
}

/// The cookie that ends the session in the browser.
pub fn end_cookie(site: &Site) -> String {
    let (name, secure) = (session_cookie(site), if site.settings.secure { "; Secure" } else { "" });
    format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}")
}

/// The secret in the session's cookie.
pub fn secret<'a>(site: &Site, headers: &'a HeaderMap) -> Option<&'a str> {
    cookie(headers, session_cookie(site))
}

/// The cookie of the text `id`, to be shown on the next page.
pub fn notice_cookie(id: &str) -> String {
    format!("{NOTICE}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age=60")
}

/// The id of the text that is to be shown.
pub fn notice(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, NOTICE)
}

/// The cookie that says that a notice was shown.
pub fn shown_cookie() -> HeaderValue {
    HeaderValue::from_static("usher-notice=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0")
}

/// An answer that sets a cookie.
pub fn with_cookie(mut answer: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        answer.headers_mut().append(SET_COOKIE, value);
    }
    answer
}

fn session_cookie(site: &Site) -> &'static str {
    if site.settings.secure { SECURE_COOKIE } else { PLAIN_COOKIE }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// Where a login or a choice of language leads back to: a path of this page alone, never another site.
pub fn local_path(path: &str) -> &str {
    let local = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n']);
    if local { path } else { "/" }
}
