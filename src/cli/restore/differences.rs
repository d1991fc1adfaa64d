//! The differences between a store and a backup: people, modes, and the newest record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Result;
use jiff::Timestamp;

use crate::domain::{Mode, ModelId, PersonId};
use crate::gallery::{Gallery, Person};
use crate::ledger::Journal;
use crate::office::saved::SavedState;
use crate::seal::Ring;
use crate::store::Store;

/// The parts of a store that are compared.
pub struct Held {
    pub people: BTreeMap<PersonId, Person>,
    /// Modes other than normal, by door.
    pub modes: BTreeMap<String, Mode>,
    /// The newest record's number and time. `None` without records, or where it cannot be read.
    pub newest: Option<(u64, SystemTime)>,
    /// It holds nobody, no mode and surely no record: something has opened it, and nothing has used it.
    pub is_empty: bool,
}

impl Held {
    /// Reads a store. Needs no key, because it reads no templates.
    pub fn of(store: &Store) -> Result<Held> {
        let gallery = Gallery::open(store, &Arc::new(Ring::plain()), ModelId::new("none"), 1)?;
        let saved = SavedState::load(&store.tree("standing")?)?;
        let last = Journal::open(store)?.last();
        let is_empty = gallery.people().is_empty() && gallery.damaged().is_empty() && saved.modes.is_empty();
        Ok(Held {
            people: gallery.people().into_iter().map(|person| (person.id, person)).collect(),
            modes: saved.modes.into_iter().filter(|(_, mode)| *mode != Mode::Normal).collect(),
            is_empty: is_empty && matches!(last, Ok(None)),
            newest: last.ok().flatten().map(|record| (record.seq, record.at)),
        })
    }
}

/// The differences between the existing store and the backup, one line each. Those that let somebody in come first.
pub fn differences(now: &Held, backup: &Held) -> String {
    let mut text = String::new();
    let line = |text: &mut String, words: String| {
        // Writing to a string does not fail.
        writeln!(text, "{words}").ok();
    };
    for (name, held) in [("the backup", backup), ("the existing store", now)] {
        let newest =
            held.newest.map_or("no record".to_owned(), |(seq, at)| format!("newest record {seq} of {}", time(at)));
        line(&mut text, format!("{name}: {} people, {newest}", held.people.len()));
    }
    if let (Some((now, _)), Some((backup, _))) = (now.newest, backup.newest)
        && now > backup
    {
        line(&mut text, format!("{} records made since are not in the backup", now - backup));
    }
    let mut differ = false;
    let mut report = |text: &mut String, what: &str, person: &Person, more: &str| {
        differ = true;
        line(text, format!("  {what}: {} (#{}){more}", person.name, person.id));
    };
    for person in backup.people.values().filter(|person| !now.people.contains_key(&person.id)) {
        let sleeping = if person.enabled { "" } else { ", disabled" };
        report(&mut text, "returns, removed since", person, sleeping);
    }
    for (person, then) in both(now, backup) {
        if then.enabled && !person.enabled {
            report(&mut text, "is enabled again, disabled since", person, "");
        }
    }
    for (person, then) in both(now, backup) {
        if !then.enabled && person.enabled {
            report(&mut text, "is disabled again, enabled since", person, "");
        }
        if then.name != person.name {
            report(&mut text, "has another name in the backup", person, &format!(": {}", then.name));
        }
        if then.groups != person.groups {
            let more = format!(": {} instead of {}", groups(then), groups(person));
            report(&mut text, "is in other groups again", person, &more);
        }
        if (then.valid_from, then.valid_until) != (person.valid_from, person.valid_until) {
            let more = format!(": {} instead of {}", validity(then), validity(person));
            report(&mut text, "may pass at other times again", person, &more);
        }
    }
    for person in now.people.values().filter(|person| !backup.people.contains_key(&person.id)) {
        report(&mut text, "is missing, enrolled since", person, "");
    }
    let doors: BTreeSet<&String> = now.modes.keys().chain(backup.modes.keys()).collect();
    for door in doors {
        let mode = |held: &Held| held.modes.get(door).cloned().unwrap_or_default();
        let (now, then) = (mode(now), mode(backup));
        if now != then {
            differ = true;
            line(&mut text, format!("  {door}: in {} now, in {} in the backup", now.as_str(), then.as_str()));
        }
    }
    if !differ {
        line(&mut text, "people and modes are the same".to_owned());
    }
    text
}

/// People in both: as they are now, and as they are in the backup.
fn both<'a>(now: &'a Held, backup: &'a Held) -> impl Iterator<Item = (&'a Person, &'a Person)> {
    now.people.values().filter_map(|person| Some((person, backup.people.get(&person.id)?)))
}

fn groups(person: &Person) -> String {
    if person.groups.is_empty() { "no group".to_owned() } else { person.groups.join(", ") }
}

fn validity(person: &Person) -> String {
    match (person.valid_from, person.valid_until) {
        (None, None) => "without limit".to_owned(),
        (Some(from), None) => format!("from {}", time(from)),
        (None, Some(until)) => format!("before {}", time(until)),
        (Some(from), Some(until)) => format!("from {}, before {}", time(from), time(until)),
    }
}

fn time(at: SystemTime) -> String {
    Timestamp::try_from(at)
        .map_or_else(|_| "an unknown time".to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(id: u32, name: &str) -> Person {
        Person {
            id: PersonId(id),
            name: name.to_owned(),
            employee_id: None,
            groups: vec!["staff".to_owned()],
            enabled: true,
            valid_from: None,
            valid_until: None,
            created: SystemTime::UNIX_EPOCH,
            templates: 0,
            learned_templates: 0,
            foreign_templates: 0,
            locked_templates: 0,
            held: Default::default(),
            uuid: None,
        }
    }

    fn held(people: Vec<Person>, modes: &[(&str, Mode)], newest: u64) -> Held {
        Held {
            people: people.into_iter().map(|person| (person.id, person)).collect(),
            modes: modes.iter().map(|(door, mode)| ((*door).to_owned(), mode.clone())).collect(),
            newest: Some((newest, SystemTime::UNIX_EPOCH)),
            is_empty: false,
        }
    }

    #[test]
    fn each_difference_is_a_line_and_people_who_return_come_first() {
        let disabled = Person { enabled: false, ..person(2, "Bob") };
        let regrouped = Person { groups: Vec::new(), ..person(3, "Cy") };
        let now = held(vec![disabled, regrouped, person(5, "Eve")], &[("front", Mode::Lockdown { group: None })], 90);
        let backup = held(vec![person(1, "Ada"), person(2, "Bob"), person(3, "Cy")], &[], 70);
        let text = differences(&now, &backup);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "the backup: 3 people, newest record 70 of 1970-01-01T00:00:00Z",
                "the existing store: 3 people, newest record 90 of 1970-01-01T00:00:00Z",
                "20 records made since are not in the backup",
                "  returns, removed since: Ada (#1)",
                "  is enabled again, disabled since: Bob (#2)",
                "  is in other groups again: Cy (#3): staff instead of no group",
                "  is missing, enrolled since: Eve (#5)",
                "  front: in lockdown now, in normal in the backup",
            ]
        );
        let same = differences(&backup, &backup);
        assert!(same.ends_with("people and modes are the same\n"), "{same}");
    }
}
