//! Logging in and out, the choice of language, and the way from `/`.

use std::sync::Arc;

use axum::extract::{Query, RawForm, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use maud::{Markup, html};
use serde::Deserialize;

use super::cookies::{self, with_cookie};
use super::refusal::Refusal;
use super::session::Session;
use super::words::Words;
use super::{Area, CheckedForm, From, Site, sheet};
use crate::accounts::{LoginRefused, Permission};

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/", get(home))
        .route("/login", get(show).post(log_in))
        .route("/logout", post(log_out))
        .route("/language", get(language))
}

async fn home(session: Session) -> Redirect {
    let first = Area::all(session.site().settings.place).first().copied().filter(|_| session.may(Permission::See));
    Redirect::to(first.unwrap_or(Area::Attendance).path())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Login {
    name: String,
    password: String,
    next: String,
}

async fn show(State(site): State<Arc<Site>>, headers: HeaderMap, Query(login): Query<Login>) -> Markup {
    page(&site, cookies::words(&headers), &login, None)
}

async fn log_in(
    State(site): State<Arc<Site>>,
    Extension(From(address)): Extension<From>,
    headers: HeaderMap,
    RawForm(form): RawForm,
) -> Result<Response, Refusal> {
    let words = cookies::words(&headers);
    let login: Login = serde_html_form::from_bytes(&form).map_err(|error| Refusal::invalid(words, error))?;
    let (accounts, clock) = (site.accounts.clone(), site.clock.clone());
    let (name, password) = (login.name.trim().to_owned(), login.password.clone());
    let checked = tokio::task::spawn_blocking(move || accounts.log_in(&name, &password, address, clock.now())).await;
    let refused = match checked.map_err(|error| Refusal::failed(words, &error))? {
        Ok(account) => {
            let secret = site.sessions.begin(&account, site.clock.now());
            let secret = secret.ok_or_else(|| Refusal::failed(words, "no random bytes"))?;
            // The session that this browser had before is over.
            if let Some(before) = cookies::secret(&site, &headers) {
                site.sessions.end(before);
            }
            tracing::info!(account = account.name, %address, "logged in to the page");
            let to = Redirect::to(cookies::local_path(&login.next)).into_response();
            return Ok(with_cookie(to, &cookies::begin_cookie(&site, &secret)));
        }
        Err(refused) => refused,
    };
    tracing::warn!(%address, "a login to the page was refused: {refused}");
    let (status, why) = match refused {
        LoginRefused::Wrong => (StatusCode::UNAUTHORIZED, words.get("login-wrong")),
        LoginRefused::Wait { wait } => {
            let seconds = wait.as_secs().max(1);
            (StatusCode::TOO_MANY_REQUESTS, words.with("login-wait", &[("seconds", seconds.into())]))
        }
    };
    Ok((status, page(&site, words, &login, Some(&why))).into_response())
}

async fn log_out(State(site): State<Arc<Site>>, headers: HeaderMap, _: Session, _: CheckedForm<NoFields>) -> Response {
    if let Some(secret) = cookies::secret(&site, &headers) {
        site.sessions.end(secret);
    }
    with_cookie(Redirect::to("/login").into_response(), &cookies::end_cookie(&site))
}

#[derive(Deserialize)]
struct NoFields {}

#[derive(Deserialize)]
struct Language {
    to: String,
    #[serde(default)]
    back: String,
}

async fn language(Query(Language { to, back }): Query<Language>) -> Response {
    let back = Redirect::to(cookies::local_path(&back)).into_response();
    match Words::of(&to) {
        Some(words) => with_cookie(back, &cookies::language_cookie(words.tag())),
        None => back,
    }
}

fn page(site: &Site, words: &'static Words, login: &Login, error: Option<&str>) -> Markup {
    let nobody = site.accounts.list().is_empty();
    sheet::bare(
        words,
        &words.get("login-title"),
        &html! {
            h1 { (site.settings.device) }
            @if let Some(error) = error { p.bad role="alert" { (error) } }
            @if nobody {
                p { (words.get("login-nobody")) }
                p { code { "sudo usher " (site.settings.place.flag()) "web user add NAME --role admin" } }
            }
            form.card method="post" action="/login" {
                input type="hidden" name="next" value=(login.next);
                label { (words.get("login-name")) input name="name" value=(login.name) autocomplete="username" required autofocus; }
                label { (words.get("login-password")) input name="password" type="password" autocomplete="current-password" required; }
                button.main { (words.get("login-enter")) }
            }
        },
    )
}
