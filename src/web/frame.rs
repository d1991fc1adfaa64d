//! The frame around a page: head, navigation, notice, and foot.

use axum::http::Method;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::cookies::shown_cookie;
use super::session::Session;
use super::sheet::{foot, head};
use super::site::Place;
use crate::accounts::Permission;

/// The areas of the page, in the order of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    Live,
    Timeline,
    People,
    Attendance,
    Doors,
    Health,
    /// Boards and sites, at the office of a fleet.
    Fleet,
    Accounts,
}

impl Area {
    /// The areas of a page that is served there.
    pub fn all(place: Place) -> &'static [Area] {
        use Area::{Accounts, Attendance, Doors, Fleet, Health, Live, People, Timeline};
        match place {
            Place::Board => &[Live, Timeline, People, Attendance, Doors, Health, Accounts],
            Place::Office => &[Fleet, Timeline, People, Attendance, Accounts],
        }
    }

    /// The area that a request belongs to; `None` for a path of none.
    pub fn of(method: &Method, path: &str) -> Option<Area> {
        let first = path.split('/').nth(1).unwrap_or_default();
        Some(match first {
            "live" | "cameras" => Area::Live,
            // Orders are given on the live page.
            "doors" if *method != Method::GET && path.ends_with("/order") => Area::Live,
            "timeline" | "records" => Area::Timeline,
            "people" | "visitors" => Area::People,
            "attendance" => Area::Attendance,
            "doors" => Area::Doors,
            "health" => Area::Health,
            "fleet" => Area::Fleet,
            "accounts" | "tokens" => Area::Accounts,
            _ => return None,
        })
    }

    /// The path of its first page.
    pub fn path(self) -> &'static str {
        self.entry().1
    }

    /// Whether it is there, and the visitor's role shows it.
    pub fn is_for(self, session: &Session) -> bool {
        Area::all(session.site().settings.place).contains(&self) && session.may(self.entry().2)
    }

    /// The id of its name, its path, and the permission without which it is not shown.
    fn entry(self) -> (&'static str, &'static str, Permission) {
        match self {
            Area::Live => ("area-live", "/live", Permission::See),
            Area::Timeline => ("area-timeline", "/timeline", Permission::See),
            Area::People => ("area-people", "/people", Permission::Attendance),
            Area::Attendance => ("area-attendance", "/attendance", Permission::Attendance),
            Area::Doors => ("area-doors", "/doors", Permission::See),
            Area::Health => ("area-health", "/health", Permission::See),
            Area::Fleet => ("area-fleet", "/fleet", Permission::See),
            Area::Accounts => ("area-accounts", "/accounts", Permission::Administer),
        }
    }
}

/// A page for somebody who is logged in.
pub struct Page<'a> {
    title: String,
    area: Option<Area>,
    session: &'a Session,
    /// Files of `assets` besides the common one.
    scripts: &'a [&'a str],
}

impl<'a> Page<'a> {
    /// A page without scripts of its own.
    pub fn new(session: &'a Session, area: Area, title: String) -> Page<'a> {
        Page { title, area: Some(area), session, scripts: &[] }
    }

    /// A page that may be of no area: an error.
    pub fn of_error(session: &'a Session, area: Option<Area>, title: String) -> Page<'a> {
        Page { title, area, session, scripts: &[] }
    }

    /// With a script of its own.
    pub fn with_scripts(self, scripts: &'a [&'a str]) -> Page<'a> {
        Page { scripts, ..self }
    }

    /// The whole page around `body`, which begins with its heading.
    pub fn render(self, body: &Markup) -> Response {
        let Page { title, area, session, scripts } = self;
        let words = session.words();
        let page = html! {
            (DOCTYPE)
            html lang=(words.tag()) {
                (head(&title, &session.site().settings.device, scripts))
                body {
                    a.skip href="#main" { (words.get("frame-skip")) }
                    header {
                        span.device { (session.site().settings.device) }
                        nav aria-label=(words.get("frame-areas")) {
                            @for other in Area::all(session.site().settings.place).iter().copied() {
                                @let (name, path, _) = other.entry();
                                @if other.is_for(session) {
                                    a href=(path) aria-current=[(Some(other) == area).then_some("page")] { (words.get(name)) }
                                }
                            }
                        }
                        form.logout method="post" action="/logout" {
                            (session.csrf())
                            span.who { (session.account().name) }
                            button.quiet { (words.get("frame-log-out")) }
                        }
                    }
                    main #main tabindex="-1" {
                        @if let Some(notice) = session.notice() {
                            p.notice role="status" { (words.get(notice)) }
                        }
                        (body)
                    }
                    (foot(words, session.path()))
                }
            }
        };
        let mut answer = page.into_response();
        if session.notice().is_some() {
            answer.headers_mut().append(SET_COOKIE, shown_cookie());
        }
        answer
    }
}
