//! Checks the enrolled people: whether each is recognised, and who is too near to whom.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use anyhow::Result;
use serde_json::{Value, json};

use super::super::client::Client;
use super::super::context::Context;
use super::super::listing::Listing;
use super::super::print::Tone;
use crate::api::people::{GalleryCheck, PersonCheck};

/// Whether a person would be recognised by their own templates, leaving out each one in turn.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    /// Every template is recognised by the others.
    Works,
    /// How many of how many templates would be missed.
    Misses(usize, usize),
    /// There are fewer than two templates of this model.
    Unknown,
}

/// Two people and their smallest distance.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Near {
    a: u32,
    b: u32,
    distance: f32,
}

/// Gets the enrolled people's distances, from the daemon if it runs, and prints the result.
pub fn run(as_json: bool, context: &Context) -> Result<()> {
    let config = context.config()?;
    let standings = Client::open(&config)?.check_gallery()?;
    let margin = config.access.margin as f32;
    let mut out = std::io::stdout().lock();
    match as_json {
        true => writeln!(out, "{}", in_json(&standings, margin))?,
        false => print(&standings, margin, &mut out)?,
    }
    Ok(())
}

/// The door's rule: near enough, and no one else nearly as near.
fn verdict(standing: &PersonCheck, limit: f32, margin: f32) -> Verdict {
    let known: Vec<(f32, Option<f32>)> =
        standing.views.iter().filter_map(|v| Some((v.own?, v.other.map(|(_, d)| d)))).collect();
    let right = |&&(own, other): &&(f32, Option<f32>)| own <= limit && other.is_none_or(|other| other - own >= margin);
    match (known.len(), known.iter().filter(right).count()) {
        (0, _) => Verdict::Unknown,
        (all, right) if all == right => Verdict::Works,
        (all, right) => Verdict::Misses(all - right, all),
    }
}

/// Pairs of people within the limit of each other, each pair once, the nearest first.
fn too_near(standings: &GalleryCheck) -> Vec<Near> {
    let mut nearest: BTreeMap<(u32, u32), f32> = BTreeMap::new();
    for standing in &standings.people {
        for (other, distance) in standing.views.iter().filter_map(|v| v.other).filter(|(_, d)| *d <= standings.limit) {
            let own = standing.person.id;
            let known = nearest.entry((own.min(other), own.max(other))).or_insert(distance);
            *known = known.min(distance);
        }
    }
    let mut near: Vec<Near> = nearest.into_iter().map(|((a, b), distance)| Near { a, b, distance }).collect();
    near.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    near
}

/// The largest distance of a template to the nearest of the person's others.
fn widest(standing: &PersonCheck) -> Option<f32> {
    standing.views.iter().filter_map(|v| v.own).max_by(f32::total_cmp)
}

/// The nearest other person.
fn neighbour(standing: &PersonCheck) -> Option<(u32, f32)> {
    standing.views.iter().filter_map(|v| v.other).min_by(|a, b| a.1.total_cmp(&b.1))
}

fn print(standings: &GalleryCheck, margin: f32, out: &mut impl Write) -> Result<()> {
    if standings.people.is_empty() {
        writeln!(out, "nobody is enrolled")?;
        return Ok(());
    }
    let names: HashMap<u32, &str> = standings.people.iter().map(|s| (s.person.id, s.person.name.as_str())).collect();
    let name = |id: u32| names.get(&id).copied().unwrap_or("a removed person");
    let heads = ["#", "NAME", "TEMPLATES", "OWN, FARTHEST", "NEAREST OTHER", "RECOGNISED"];
    let mut table = Listing::new(heads).giving_way(&["TEMPLATES"]);
    let mut counts = (0, 0, 0);
    for standing in &standings.people {
        let verdict = verdict(standing, standings.limit, margin);
        match verdict {
            Verdict::Works => counts.0 += 1,
            Verdict::Misses(..) => counts.1 += 1,
            Verdict::Unknown => counts.2 += 1,
        }
        let number = |distance: Option<f32>| distance.map_or_else(|| "-".to_owned(), |d| format!("{d:.3}"));
        let tone = if matches!(verdict, Verdict::Misses(..)) { Tone::Bad } else { Tone::Plain };
        let cells = [
            standing.person.id.to_string(),
            standing.person.name.clone(),
            standing.views.len().to_string(),
            number(widest(standing)),
            neighbour(standing).map_or_else(|| "-".to_owned(), |(id, d)| format!("{d:.3} {}", name(id))),
            match verdict {
                Verdict::Works => "yes".to_owned(),
                Verdict::Misses(missed, all) => {
                    format!("no: {missed} of {all} templates would be missed")
                }
                Verdict::Unknown if standing.views.is_empty() => "unknown: no template of this model".to_owned(),
                Verdict::Unknown => "unknown: only one template; enrol at least two photographs".to_owned(),
            },
        ];
        table.row(tone, cells);
    }
    table.write(out)?;
    writeln!(
        out,
        "\nA face is identified as a person up to distance {:.3}, unless another person is less than {margin:.2} farther.",
        standings.limit
    )?;
    writeln!(out, "{} people are recognised, {} are not, {} are unknown.", counts.0, counts.1, counts.2)?;
    let near = too_near(standings);
    if near.is_empty() {
        writeln!(out, "No two people are too near to each other.")?;
        return Ok(());
    }
    writeln!(out, "\nToo near to each other: one may be identified as the other")?;
    for pair in near {
        writeln!(out, "  {:.3}  {} (#{}) and {} (#{})", pair.distance, name(pair.a), pair.a, name(pair.b), pair.b)?;
    }
    writeln!(
        out,
        "If it is the same person twice, remove one. Otherwise enrol more and better photographs of both, or set a smaller distance."
    )?;
    Ok(())
}

fn in_json(standings: &GalleryCheck, margin: f32) -> Value {
    let people: Vec<Value> = standings
        .people
        .iter()
        .map(|standing| {
            let (works, missed) = match verdict(standing, standings.limit, margin) {
                Verdict::Works => (Some(true), 0),
                Verdict::Misses(missed, _) => (Some(false), missed),
                Verdict::Unknown => (None, 0),
            };
            json!({
                "id": standing.person.id, "name": standing.person.name, "templates": standing.views.len(), "works": works,
                "missed": missed, "own_farthest": widest(standing),
                "nearest_other": neighbour(standing).map(|(id, distance)| json!({ "id": id, "distance": distance })),
            })
        })
        .collect();
    let near: Vec<Value> =
        too_near(standings).iter().map(|n| json!({ "a": n.a, "b": n.b, "distance": n.distance })).collect();
    json!({ "limit": standings.limit, "margin": margin, "people": people, "too_near": near })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::people::{Person, TemplateCheck};

    /// The distances to the nearest own template, and to another person.
    type Seen = (Option<f32>, Option<(u32, f32)>);

    fn person(id: u32, views: &[Seen]) -> PersonCheck {
        let person = Person {
            id,
            name: format!("person {id}"),
            employee_id: None,
            groups: Vec::new(),
            enabled: true,
            valid_from: None,
            valid_until: None,
            created: String::new(),
            templates: views.len(),
            foreign_templates: 0,
            locked_templates: 0,
            pin: false,
            tags: 0,
            credentials_unreadable: false,
            fleet: None,
        };
        PersonCheck { person, views: views.iter().map(|&(own, other)| TemplateCheck { own, other }).collect() }
    }

    #[test]
    fn the_verdict_follows_the_door_s_rule() {
        let of = |views: &[_]| verdict(&person(1, views), 0.9, 0.05);
        assert_eq!(of(&[(Some(0.9), None), (Some(0.3), Some((2, 0.36)))]), Verdict::Works);
        assert_eq!(of(&[(Some(0.91), None), (Some(0.3), None)]), Verdict::Misses(1, 2));
        assert_eq!(of(&[(Some(0.3), Some((2, 0.34))), (Some(0.3), Some((2, 0.1)))]), Verdict::Misses(2, 2));
        assert_eq!(of(&[(None, Some((2, 1.2)))]), Verdict::Unknown);
        assert_eq!(of(&[]), Verdict::Unknown);
    }

    #[test]
    fn near_people_are_listed_once_with_their_smallest_distance() {
        let people = vec![
            person(1, &[(None, Some((3, 0.8))), (None, Some((2, 1.0)))]),
            person(2, &[(None, Some((3, 0.85)))]),
            person(3, &[(None, Some((1, 0.7)))]),
        ];
        let near = too_near(&GalleryCheck { limit: 0.9, people });
        assert_eq!(near, [Near { a: 1, b: 3, distance: 0.7 }, Near { a: 2, b: 3, distance: 0.85 }]);
    }
}
