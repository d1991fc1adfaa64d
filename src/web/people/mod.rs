//! People: who is enrolled, their templates, visitors whom nobody knew, possible duplicates, lists, and what a person may ask for.
//!
//! - this file: the list; `person`: one person; `templates`: that person's templates; `credentials`: PIN and tags
//! - `enrolment`: from photographs; `sitting`: in front of a camera
//! - `visitors`, `duplicates`, `import`: what their names say
//! - `fields`: what several forms ask for; `advice`: what to do about a face

mod advice;
mod credentials;
mod duplicates;
mod enrolment;
mod fields;
mod import;
mod person;
mod sitting;
mod templates;
mod visitors;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::{Area, Page, Refusal, Session, Site, Words};
use crate::accounts::Permission;
use crate::api::people::{FleetStanding, Person};
use crate::names;

/// People on one page of the list.
const AT_ONCE: usize = 100;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/people", get(list))
        .merge(person::routes())
        .merge(templates::routes())
        .merge(credentials::routes())
        .merge(enrolment::routes())
        .merge(sitting::routes())
        .merge(visitors::routes())
        .merge(duplicates::routes())
        .merge(import::routes())
}

/// What the list is narrowed to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Wanted {
    /// Part of a name, an employee id, or a number.
    #[serde(default)]
    q: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    state: State,
    /// The page, from 0.
    #[serde(default)]
    page: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    Any,
    Enabled,
    Disabled,
    /// No template recognises them.
    Faceless,
}

impl State {
    const ALL: [State; 4] = [State::Any, State::Enabled, State::Disabled, State::Faceless];

    fn value(self) -> &'static str {
        match self {
            State::Any => "any",
            State::Enabled => "enabled",
            State::Disabled => "disabled",
            State::Faceless => "faceless",
        }
    }

    fn name(self, words: &Words) -> String {
        words.get(match self {
            State::Any => "people-state-any",
            State::Enabled => "people-state-enabled",
            State::Disabled => "people-state-disabled",
            State::Faceless => "people-state-faceless",
        })
    }
}

impl Wanted {
    fn fits(&self, person: &Person) -> bool {
        let text = names::key(&self.q);
        let in_name = || names::key(&person.name).contains(&text);
        let in_id = || person.employee_id.as_deref().is_some_and(|id| names::key(id).contains(&text));
        let is_number = || self.q.trim().trim_start_matches('#') == person.id.to_string();
        let state = match self.state {
            State::Any => true,
            State::Enabled => person.enabled,
            State::Disabled => !person.enabled,
            State::Faceless => person.templates == 0,
        };
        (text.is_empty() || in_name() || in_id() || is_number())
            && (self.group.is_empty() || person.groups.contains(&self.group))
            && state
    }

    fn link(&self, page: usize) -> String {
        let query = serde_html_form::to_string(Wanted { page, ..self.clone() }).unwrap_or_default();
        format!("/people?{query}")
    }
}

async fn list(session: Session, Query(wanted): Query<Wanted>) -> Result<Response, Refusal> {
    let people: Vec<Person> = session.get("/v1/people").await?;
    let words = session.words();
    let groups: BTreeSet<&str> = people.iter().flat_map(|person| &person.groups).map(String::as_str).collect();
    let found: Vec<&Person> = people.iter().filter(|person| wanted.fits(person)).collect();
    let shown: Vec<&Person> = found.iter().copied().skip(wanted.page.saturating_mul(AT_ONCE)).take(AT_ONCE).collect();
    let last = found.len().saturating_sub(1) / AT_ONCE;
    let title = words.get("area-people");
    Ok(Page::new(&session, Area::People, title.clone()).render(&html! {
        div.spread {
            h1 { (title) }
            (sections(&session))
        }
        form.row role="search" method="get" action="/people" {
            label { (words.get("people-search")) input type="search" name="q" value=(wanted.q); }
            label { (words.get("people-group")) select name="group" {
                option value="" { (words.get("people-group-any")) }
                @for group in groups { option value=(group) selected[group == wanted.group] { (group) } }
            } }
            label { (words.get("people-state")) select name="state" {
                @for state in State::ALL {
                    option value=(state.value()) selected[state == wanted.state] { (state.name(words)) }
                }
            } }
            button { (words.get("people-show")) }
        }
        p.soft { (words.with("people-count", &[("found", found.len().into()), ("all", people.len().into())])) }
        @if people.is_empty() {
            p { (words.get("people-nobody")) }
        } @else if !shown.is_empty() {
            (table(&session, &shown))
        }
        @if last > 0 {
            nav.row aria-label=(words.get("people-pages")) {
                @for page in 0..=last {
                    a href=(wanted.link(page)) aria-current=[(page == wanted.page).then_some("page")] { (page.saturating_add(1)) }
                }
            }
        }
    }))
}

/// Links to the other pages of this area.
fn sections(session: &Session) -> Markup {
    let words = session.words();
    html! {
        @if session.may(Permission::Operate) {
            nav.row aria-label=(words.get("people-sections")) {
                a.button.main href="/people/new" { (words.get("people-new")) }
                a.button href="/visitors" { (words.get("people-visitors")) }
                a.button href="/people/duplicates" { (words.get("people-duplicates")) }
                a.button href="/people/import" { (words.get("people-import")) }
            }
        }
    }
}

fn table(session: &Session, people: &[&Person]) -> Markup {
    let words = session.words();
    html! { table.wide {
        caption.unseen { (words.get("area-people")) }
        thead { tr {
            th scope="col" { (words.get("people-name")) }
            th scope="col" { (words.get("people-employee-id")) }
            th scope="col" { (words.get("people-groups")) }
            th scope="col" { (words.get("people-state")) }
            th.number scope="col" { (words.get("people-templates")) }
            th scope="col" { (words.get("people-since")) }
        } }
        tbody { @for person in people { tr {
            th scope="row" { a href={ "/people/" (person.id) } { (person.name) } }
            td data-label=(words.get("people-employee-id")) { (person.employee_id.as_deref().unwrap_or("–")) }
            td data-label=(words.get("people-groups")) { (person.groups.join(", ")) }
            td data-label=(words.get("people-state")) { (state(words, person)) }
            td.number data-label=(words.get("people-templates")) { (person.templates) }
            td data-label=(words.get("people-since")) { (session.rfc3339(&person.created)) }
        } } }
    } }
}

/// How it stands with a person, in a word.
fn state(words: &Words, person: &Person) -> Markup {
    let (class, id) = match (person.enabled, person.templates) {
        (false, _) => ("badge quiet", "people-disabled"),
        (true, 0) if person.locked_templates > 0 => ("badge bad", "people-locked"),
        (true, 0) if person.foreign_templates > 0 => ("badge warn", "people-foreign"),
        (true, 0) => ("badge warn", "people-no-face"),
        (true, _) => ("badge good", "people-enabled"),
    };
    html! {
        span class=(class) { (words.get(id)) }
        @if let Some(id) = with_fleet(person) { " " span.badge.warn { (words.get(id)) } }
    }
}

/// What to say of a person's standing with the fleet's office; `None` if nothing is open.
fn with_fleet(person: &Person) -> Option<&'static str> {
    match person.fleet.as_ref()? {
        FleetStanding::Taken => None,
        FleetStanding::Asked | FleetStanding::Waits => Some("people-fleet-asked"),
        FleetStanding::Refused { .. } => Some("people-fleet-refused"),
        FleetStanding::DisabledHere { .. } => Some("people-fleet-disabled-here"),
    }
}

/// The same in full, with the office's reason.
fn about_fleet(words: &Words, person: &Person) -> Markup {
    let (id, why) = match &person.fleet {
        None => return html! {},
        Some(FleetStanding::Taken) => ("people-fleet-taken-about", None),
        Some(FleetStanding::Asked) => ("people-fleet-asked-about", None),
        Some(FleetStanding::Waits) => ("people-fleet-waits-about", None),
        Some(FleetStanding::Refused { why }) => ("people-fleet-refused-about", Some(why)),
        Some(FleetStanding::DisabledHere { why }) => ("people-fleet-disabled-here-about", why.as_ref()),
    };
    html! {
        p.soft { (words.get(id)) @if let Some(why) = why { " " q { (why) } } }
    }
}

/// A path back to the list, above the heading of the area's other pages.
fn back(words: &Words) -> Markup {
    html! { p { a href="/people" { "← " (words.get("area-people")) } } }
}
