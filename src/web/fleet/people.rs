//! Who is enrolled at a site. They are enrolled with the command line, which looks at photographs; here they are seen and forgotten.

use axum::extract::Query;
use axum::response::Response;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use super::super::query::escape;
use super::{Area, Page, Refusal, Session};
use crate::accounts::Permission;
use crate::api::fleet::{PersonRow, SiteRow};
use crate::names;

/// People on one page of the list.
const AT_ONCE: usize = 100;

/// What the list is narrowed to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Wanted {
    /// Empty: the first site.
    site: String,
    /// Part of a name, an employee id, a group or a uuid.
    q: String,
    /// The page, from 0.
    page: usize,
}

impl Wanted {
    fn fits(&self, person: &PersonRow) -> bool {
        let text = names::key(&self.q);
        let has = |of: &str| names::key(of).contains(&text);
        has(&person.name)
            || person.employee_id.as_deref().is_some_and(has)
            || person.groups.iter().any(|group| has(group))
            || person.uuid.starts_with(self.q.trim())
    }

    fn link(&self, page: usize) -> String {
        let query = serde_html_form::to_string(Wanted { page, ..self.clone() }).unwrap_or_default();
        format!("/people?{query}")
    }
}

/// The page of a site's people.
pub async fn list(session: Session, Query(mut wanted): Query<Wanted>) -> Result<Response, Refusal> {
    let sites: Vec<SiteRow> = session.get("/v1/fleet/sites").await?;
    if wanted.site.is_empty() {
        wanted.site = sites.first().map(|row| row.site.clone()).unwrap_or_default();
    }
    let people: Vec<PersonRow> = match wanted.site.as_str() {
        "" => Vec::new(),
        site => session.get(&format!("/v1/fleet/sites/{}/people", escape(site))).await?,
    };
    let found: Vec<&PersonRow> = people.iter().filter(|person| wanted.fits(person)).collect();
    let shown: Vec<&PersonRow> =
        found.iter().copied().skip(wanted.page.saturating_mul(AT_ONCE)).take(AT_ONCE).collect();
    let last = found.len().saturating_sub(1) / AT_ONCE;
    let t = session.words();
    let title = t.get("area-people");
    Ok(Page::new(&session, Area::People, title.clone()).render(&html! {
        h1 { (title) }
        form.row role="search" method="get" action="/people" {
            label { (t.get("fleet-site")) select name="site" {
                @for SiteRow { site, .. } in &sites { option value=(site) selected[*site == wanted.site] { (site) } }
            } }
            label { (t.get("fleet-search")) input type="search" name="q" value=(wanted.q); }
            button { (t.get("people-show")) }
        }
        p.soft { (t.with("people-count", &[("found", found.len().into()), ("all", people.len().into())])) }
        @if people.is_empty() {
            p { (t.get("people-nobody")) " " code { "usher fleet enroll" } }
        } @else if !shown.is_empty() {
            (table(&session, &wanted.site, &shown))
        }
        @if last > 0 {
            nav.row aria-label=(t.get("people-pages")) {
                @for page in 0..=last {
                    a href=(wanted.link(page)) aria-current=[(page == wanted.page).then_some("page")] { (page.saturating_add(1)) }
                }
            }
        }
    }))
}

fn table(session: &Session, site: &str, people: &[&PersonRow]) -> Markup {
    let t = session.words();
    let acts = session.may(Permission::Administer);
    html! { table.wide {
        caption.unseen { (t.get("area-people")) }
        thead { tr {
            @for head in ["people-name", "people-employee-id", "people-groups", "people-state"] { th scope="col" { (t.get(head)) } }
            th.number scope="col" { (t.get("people-templates")) }
            th scope="col" { (t.get("fleet-uuid")) }
            @if acts { th scope="col" { span.unseen { (t.get("fleet-acts")) } } }
        } }
        tbody { @for person in people { tr {
            th scope="row" { (person.name) }
            td data-label=(t.get("people-employee-id")) { (person.employee_id.as_deref().unwrap_or("–")) }
            td data-label=(t.get("people-groups")) { (person.groups.join(", ")) }
            td data-label=(t.get("people-state")) {
                @if person.enabled { span.badge.good { (t.get("people-enabled")) } } @else { span.badge.quiet { (t.get("people-disabled")) } }
            }
            td.number data-label=(t.get("people-templates")) { (person.templates) }
            td data-label=(t.get("fleet-uuid")) { code.soft { (person.uuid) } }
            @if acts { td { (forgetting(session, site, person)) } }
        } } }
    } }
}

fn forgetting(session: &Session, site: &str, person: &PersonRow) -> Markup {
    let t = session.words();
    let named = [("name", person.name.as_str().into()), ("site", site.into())];
    html! {
        details.confirm {
            summary aria-label=(t.with("fleet-forget-person", &[("name", person.name.as_str().into())])) { (t.get("fleet-forget")) }
            form method="post" action="/people/forget" {
                (session.csrf())
                input type="hidden" name="site" value=(site);
                input type="hidden" name="person" value=(person.uuid);
                p { (t.with("fleet-forget-sure", &named)) }
                button.danger { (t.get("fleet-forget")) }
            }
        }
    }
}
