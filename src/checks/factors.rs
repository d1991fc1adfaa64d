//! People who cannot do what doors ask of them: no PIN, no tag, or one that cannot be read.

use crate::api::checks::Check;
use crate::api::people::Person;
use crate::config::{Config, Permit};
use crate::domain::{Assurance, Cue};

/// Who is named at most.
const NAMED: usize = 5;

/// People whom a door asks for a PIN or a tag that they do not have, with nothing else that would do.
pub fn people(config: &Config, people: &[Person]) -> Vec<Check> {
    let mut found = Vec::new();
    let unreadable: Vec<&Person> = people.iter().filter(|person| person.credentials_unreadable).collect();
    if !unreadable.is_empty() {
        let what = format!(
            "the PINs and tags of {} cannot be read: give the daemon the store's key and its ring back, or erase them and set them \
             again",
            named(&unreadable)
        );
        found.push(Check::warning("second factor", what));
    }
    let mut asks = false;
    for door in &config.doors {
        let mut without = [(Cue::Pin, Vec::new()), (Cue::Tag, Vec::new())];
        for person in people.iter().filter(|person| person.enabled) {
            let tiers = asked_of(config, &door.name, &door.tiers(), person);
            asks |= tiers.iter().any(|tier| factor(*tier).is_some());
            // Any tier suffices: only who can meet none is shut out.
            let lacks = |tier: &Assurance| factor(*tier).filter(|cue| !has(person, *cue));
            if !tiers.is_empty()
                && tiers.iter().all(|tier| lacks(tier).is_some())
                && let Some(cue) = tiers.iter().find_map(lacks)
                && let Some((_, list)) = without.iter_mut().find(|(of, _)| *of == cue)
            {
                list.push(person);
            }
        }
        for (cue, list) in without.iter().filter(|(_, list)| !list.is_empty()) {
            let (what, how) = match cue {
                Cue::Tag => ("tag", "usher people tag PERSON add NUMBER"),
                _ => ("PIN", "usher people pin PERSON"),
            };
            let (count, names) = (list.len(), named(list));
            let text = format!("{} does not open for {count} people, who have no {what}: {names}; {how}", door.name);
            found.push(Check::warning("second factor", text));
        }
        asks |= without.iter().any(|(_, list)| !list.is_empty());
    }
    if asks && unreadable.is_empty() {
        let pins = people.iter().filter(|person| person.pin).count();
        let tags = people.iter().filter(|person| person.tags > 0).count();
        found.push(Check::well("second factor", format!("{pins} people have a PIN, {tags} a tag")));
    }
    found
}

/// What a door asks of a person: what the permits ask that let them in there, else what the door asks. Nothing where no permit does.
fn asked_of(config: &Config, door: &str, tiers: &[Assurance], person: &Person) -> Vec<Assurance> {
    if !config.has_permits() {
        return tiers.to_vec();
    }
    let applies = |permit: &&Permit| permit.doors.is_empty() || permit.doors.iter().any(|name| name == door);
    let fits =
        |permit: &&Permit| permit.groups.is_empty() || permit.groups.iter().any(|group| person.groups.contains(group));
    let permits = config.permits.iter().filter(applies).filter(fits);
    permits.flat_map(|permit| permit.assurance.as_ref().map_or(tiers.to_vec(), |asked| asked.0.clone())).collect()
}

/// The second factor of a tier.
fn factor(tier: Assurance) -> Option<Cue> {
    tier.cues().iter().copied().find(|cue| matches!(cue, Cue::Pin | Cue::Tag))
}

fn has(person: &Person, cue: Cue) -> bool {
    match cue {
        Cue::Pin => person.pin,
        Cue::Tag => person.tags > 0,
        Cue::Passive | Cue::Challenge | Cue::Infrared => true,
    }
}

/// `Ada (#1), Bob (#2) and 7 others`
fn named(people: &[&Person]) -> String {
    let names: Vec<String> =
        people.iter().take(NAMED).map(|person| format!("{} (#{})", person.name, person.id)).collect();
    match people.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} others", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: u32, groups: &[&str], pin: bool, tags: usize) -> Person {
        serde_json::from_value(serde_json::json!({
            "id": id, "name": format!("P{id}"), "employee_id": null, "groups": groups, "enabled": true, "valid_from": null,
            "valid_until": null, "created": "", "templates": 1, "foreign_templates": 0, "locked_templates": 0, "pin": pin, "tags": tags,
        }))
        .unwrap()
    }

    fn config(tables: &str) -> Config {
        let rest = "[mqtt]\nhost = \"127.0.0.1\"\nentries = true\n[[camera]]\nname = \"c\"\nkind = \"v4l2\"\ndoor = \"front\"\n";
        Config::from_toml(&format!("[[door]]\nname = \"front\"\n{tables}\n{rest}")).unwrap()
    }

    #[test]
    fn what_is_asked_of_a_person_comes_from_the_permits_that_let_them_in() {
        let tiers = |config: &Config, person: &Person| {
            asked_of(config, "front", &config.doors[0].tiers(), person)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        let by_door = config("assurance = \"face+pin\"");
        assert_eq!(tiers(&by_door, &person(1, &[], false, 0)), ["face+pin"]);
        let permits = config(
            "assurance = \"face+pin\"\n[[permit]]\ngroups = [\"staff\"]\n[[permit]]\ngroups = [\"vip\"]\nassurance = \"recognised\"",
        );
        assert_eq!(tiers(&permits, &person(1, &["staff"], false, 0)), ["face+pin"]);
        assert_eq!(tiers(&permits, &person(1, &["vip", "staff"], false, 0)), ["face+pin", "recognised"]);
        assert_eq!(tiers(&permits, &person(1, &[], false, 0)), [""; 0], "nobody lets them in");
    }

    #[test]
    fn people_without_a_pin_are_counted_and_named() {
        let all: Vec<Person> = (1..=9).map(|id| person(id, &[], id % 2 == 0, 0)).collect();
        let without: Vec<&Person> = all.iter().filter(|person| !has(person, Cue::Pin)).collect();
        assert_eq!(named(&without), "P1 (#1), P3 (#3), P5 (#5), P7 (#7), P9 (#9)");
        assert_eq!(named(&all.iter().collect::<Vec<_>>()), "P1 (#1), P2 (#2), P3 (#3), P4 (#4), P5 (#5) and 4 others");
        assert!(has(&person(1, &[], false, 2), Cue::Tag) && !has(&person(1, &[], true, 0), Cue::Tag));
        assert_eq!((factor(Assurance::ChallengePin), factor(Assurance::Challenge)), (Some(Cue::Pin), None));
    }
}
