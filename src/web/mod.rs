//! The page: HTML made here, filled with what the API answers. Each page asks the API in this process, as a command or a program does, so an act has
//! one handler, and the permission for it is in one table ([`crate::api::permission`]).
//!
//! - `site`: what all pages share; `session`, `sessions`, `cookies`: who is logged in; `ask`: asking the API
//! - `guard`: what every request must pass, and the headers of every answer; `login`: logging in and out
//! - `programs`: the API over the network, for tokens; `lasting`: streams and downloads, which end with the session or the token
//! - `sheet`, `frame`: the frame around a page; `words`: its texts; `assets`: style and scripts
//! - `form`: what forms send; `query`: what addresses ask; `refusal`: errors; `framed`: the page's frame around those
//! - each other folder or file: one area of the page
//!
//! Nothing is loaded from elsewhere, no script or style stands in the HTML, and everything but what changes by itself works without a script.

mod accounts;
mod ask;
mod assets;
mod attendance;
mod cookies;
mod doors;
mod fleet;
mod form;
mod frame;
mod framed;
mod guard;
mod health;
mod lasting;
mod live;
mod login;
mod people;
mod programs;
mod query;
mod refusal;
mod session;
mod sessions;
mod sheet;
mod site;
mod timeline;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;

pub use site::{Hosts, Place, Site, SiteSettings};

use form::{CheckedForm, CheckedUpload, Uploaded};
use frame::{Area, Page};
use refusal::Refusal;
use session::Session;
use words::Words;

/// A form without files is smaller than this.
const LARGEST_FORM_BYTES: usize = 256 << 10;
/// Photographs and lists that are sent at once are smaller than this.
pub const LARGEST_UPLOAD_BYTES: usize = 32 << 20;

/// Which address a request comes from. The transport puts it into each request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct From(pub std::net::IpAddr);

/// The router of everything that the page's address serves. Each request must carry [`From`] in its extensions.
pub fn router(site: Arc<Site>) -> Router {
    let shared = Router::new()
        .merge(login::routes())
        .merge(timeline::routes())
        .merge(attendance::routes())
        .merge(accounts::routes())
        .merge(assets::routes());
    let pages = match site.settings.place {
        Place::Board => {
            shared.merge(health::routes()).merge(live::routes()).merge(doors::routes()).merge(people::routes())
        }
        Place::Office => shared.merge(fleet::routes()),
    };
    let pages = pages
        .fallback(refusal::no_page)
        .layer(DefaultBodyLimit::max(LARGEST_FORM_BYTES))
        .layer(middleware::from_fn_with_state(site.clone(), framed::in_frame))
        .layer(middleware::from_fn_with_state(site.clone(), lasting::of_session));
    Router::new()
        .merge(pages)
        .merge(programs::routes())
        .layer(middleware::from_fn_with_state(site.clone(), guard::pass))
        .with_state(site)
}
