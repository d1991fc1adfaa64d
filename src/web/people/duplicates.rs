//! People whose templates are near each other, side by side: somebody who is there twice, or two whom the doors may take for each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};

use super::{back, state};
use crate::accounts::Permission;
use crate::api::people::{GalleryCheck, Person};
use crate::web::{Area, Page, Refusal, Session, Site};

/// Pairs up to this many times the limit are shown: better light may bring them within it.
const NEAR: f32 = 1.1;
/// Pairs on the page, the nearest first.
const SHOWN: usize = 50;

pub fn routes() -> Router<Arc<Site>> {
    Router::new().route("/people/duplicates", get(show))
}

/// Two people and the distance between their nearest templates.
struct Pair<'a> {
    one: &'a Person,
    other: &'a Person,
    distance: f32,
}

fn pairs(check: &GalleryCheck) -> Vec<Pair<'_>> {
    let people: BTreeMap<u32, &Person> = check.people.iter().map(|one| (one.person.id, &one.person)).collect();
    let mut nearest: BTreeMap<(u32, u32), f32> = BTreeMap::new();
    for one in &check.people {
        for (other, distance) in one.views.iter().filter_map(|view| view.other) {
            let own = one.person.id;
            let known = nearest.entry((own.min(other), own.max(other))).or_insert(distance);
            *known = known.min(distance);
        }
    }
    let pair = |((one, other), distance)| Some(Pair { one: people.get(&one)?, other: people.get(&other)?, distance });
    let mut pairs: Vec<Pair<'_>> = nearest.into_iter().filter_map(pair).collect();
    pairs.retain(|pair| pair.distance <= check.limit * NEAR);
    pairs.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    pairs.truncate(SHOWN);
    pairs
}

async fn show(session: Session) -> Result<Response, Refusal> {
    session.needs(Permission::Operate)?;
    let check: GalleryCheck = session.get("/v1/standings").await?;
    let words = session.words();
    let pairs = pairs(&check);
    let title = words.get("people-duplicates");
    Ok(Page::new(&session, Area::People, title.clone()).render(&html! {
        (back(words))
        h1 { (title) }
        p.soft { (words.with("people-duplicates-about", &[("limit", format!("{:.2}", check.limit).into())])) }
        @if pairs.is_empty() { p.notice { (words.get("people-no-duplicates")) } }
        @for pair in &pairs { (side_by_side(&session, pair, check.limit)) }
    }))
}

fn side_by_side(session: &Session, pair: &Pair<'_>, limit: f32) -> Markup {
    let words = session.words();
    let within = pair.distance <= limit;
    let (class, id) = if within { ("badge bad", "people-within") } else { ("badge warn", "people-nearly") };
    html! { section.card {
        div.spread {
            h2 { (pair.one.name) " – " (pair.other.name) }
            span class=(class) { (words.get(id)) }
        }
        p.row { (words.with("people-distance", &[("distance", format!("{:.2}", pair.distance).into())])) (bar(pair.distance, limit)) }
        div.grid { (facts(session, pair.one)) (facts(session, pair.other)) }
    } }
}

/// The distance against the limit, on a scale from 0 to 2.
fn bar(distance: f32, limit: f32) -> Markup {
    let at = |value: f32| format!("{:.1}", (value.clamp(0.0, 2.0)) * 100.0);
    let class = if distance <= limit { "value bad" } else { "value" };
    html! { svg.bar width="200" height="14" viewBox="0 0 200 14" aria-hidden="true" {
        rect.track x="0" y="3" width="200" height="8" {}
        rect class=(class) x="0" y="3" width=(at(distance)) height="8" {}
        line.limit x1=(at(limit)) x2=(at(limit)) y1="0" y2="14" {}
    } }
}

fn facts(session: &Session, person: &Person) -> Markup {
    let words = session.words();
    html! { div {
        h3 { a href={ "/people/" (person.id) } { (person.name) } " " span.soft { "#" (person.id) } " " (state(words, person)) }
        dl.facts {
            dt { (words.get("people-employee-id")) } dd { (person.employee_id.as_deref().unwrap_or("–")) }
            dt { (words.get("people-groups")) } dd { @if person.groups.is_empty() { "–" } @else { (person.groups.join(", ")) } }
            dt { (words.get("people-templates")) } dd { (person.templates) }
            dt { (words.get("people-since")) } dd { (session.rfc3339(&person.created)) }
        }
        details.confirm {
            summary { (words.get("people-remove")) span.unseen { " " (person.name) } }
            form method="post" action={ "/people/" (person.id) "/remove" } {
                (session.csrf())
                p { (words.with("people-remove-sure", &[("name", person.name.as_str().into())])) }
                button.danger { (words.get("people-remove")) }
            }
        }
    } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::people::{PersonCheck, TemplateCheck};

    fn person(id: u32, others: &[(u32, f32)]) -> PersonCheck {
        let views = others.iter().map(|other| TemplateCheck { own: None, other: Some(*other) }).collect();
        let person: Person = serde_json::from_value(serde_json::json!({
            "id": id, "name": format!("P{id}"), "employee_id": null, "groups": [], "enabled": true, "valid_from": null, "valid_until": null,
            "created": "2026-01-02T03:04:05Z", "templates": 1, "foreign_templates": 0, "locked_templates": 0,
        }))
        .unwrap();
        PersonCheck { person, views }
    }

    #[test]
    fn each_pair_is_there_once_with_its_smallest_distance_the_nearest_first() {
        let check = GalleryCheck {
            limit: 1.0,
            people: vec![
                person(1, &[(2, 0.9), (2, 0.8), (3, 1.05)]),
                person(2, &[(1, 0.8)]),
                person(3, &[(2, 0.5), (9, 0.1)]),
                person(4, &[(1, 1.2)]),
            ],
        };
        let found: Vec<(u32, u32, f32)> =
            pairs(&check).iter().map(|pair| (pair.one.id, pair.other.id, pair.distance)).collect();
        assert_eq!(found, [(2, 3, 0.5), (1, 2, 0.8), (1, 3, 1.05)]);
    }
}
