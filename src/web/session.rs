//! Who asks: the account that is logged in, its language, and the token of its forms.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::{Timestamp, ZonedDateTime};
use maud::{Markup, html};

use super::Site;
use super::cookies::{self, notice_cookie, with_cookie};
use super::refusal::Refusal;
use super::words::Words;
use crate::accounts::{Account, Permission};

/// Who asks for a page. A request without a session goes to the login.
pub struct Session {
    site: Arc<Site>,
    account: Account,
    csrf: String,
    words: &'static Words,
    /// The id of a text that is shown once, at the top.
    notice: Option<String>,
    path: String,
}

impl FromRequestParts<Arc<Site>> for Session {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Session, Refusal> {
        let words = cookies::words(&parts.headers);
        let path = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
        // What a form sends is lost; the page that it stood on is not.
        let back = if parts.method == Method::GET { path.as_str() } else { "/" };
        let found = cookies::secret(site, &parts.headers).and_then(|secret| site.logged_in(secret));
        let Some((account, csrf)) = found else { return Err(Refusal::log_in(words, back)) };
        let notice = cookies::notice(&parts.headers).filter(|id| words.has(id)).map(str::to_owned);
        Ok(Session { site: site.clone(), account, csrf, words, notice, path })
    }
}

impl Session {
    /// The account that is logged in.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Whether the account has a permission.
    pub fn may(&self, permission: Permission) -> bool {
        self.account.role.may(permission)
    }

    /// A page that asks for more than the API does: an error unless the account has the permission.
    ///
    /// # Errors
    /// The account has not got it.
    pub fn needs(&self, permission: Permission) -> Result<(), Refusal> {
        if self.may(permission) { Ok(()) } else { Err(Refusal::forbidden(self.words)) }
    }

    /// The texts in the language of whoever asks.
    pub fn words(&self) -> &'static Words {
        self.words
    }

    /// What all pages share.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The path of this request, with its query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The id of the text that is to be shown once.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// The hidden field that each form must have.
    pub fn csrf(&self) -> Markup {
        html! { input type="hidden" name="csrf" value=(self.csrf); }
    }

    /// Whether a form carries this session's token.
    pub fn is_token(&self, token: &str) -> bool {
        // Hashes compare in constant time.
        blake3::hash(token.as_bytes()) == blake3::hash(self.csrf.as_bytes())
    }

    /// Leads to a page after an act, which shows the text `notice` once.
    pub fn done(&self, path: &str, notice: &str) -> Response {
        with_cookie(Redirect::to(path).into_response(), &notice_cookie(notice))
    }

    /// A moment in the device's time zone.
    pub fn zoned(&self, time: SystemTime) -> ZonedDateTime {
        Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned_datetime(self.site.settings.zone.clone())
    }

    /// A moment to the second, in the device's time zone.
    pub fn time(&self, time: SystemTime) -> Markup {
        let at = self.zoned(time);
        html! { time datetime=(at.timestamp()) { (at.strftime("%Y-%m-%d %H:%M:%S")) } }
    }

    /// A moment of the API's, to the minute, in the device's time zone; as it is if it is none.
    pub fn rfc3339(&self, text: &str) -> Markup {
        match text.parse::<Timestamp>() {
            Ok(at) => {
                let local = at.to_zoned_datetime(self.site.settings.zone.clone());
                html! { time datetime=(at) { (local.strftime("%Y-%m-%d %H:%M")) } }
            }
            Err(_) => html! { (text) },
        }
    }
}
