//! Erasing a person from events: their name, numbers and groups go, and the texts that say who they are; the event stays.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Content, Event, Named, Part, Personal, PersonalData};
use crate::domain::PersonId;

/// What generated words read in place of a person's number.
const SOMEBODY: &str = "an erased person";
/// Shorter names are not looked for in texts: they would be found in other words.
const SHORTEST_NAME: usize = 3;

/// A person who is to be erased.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Erasure {
    person: PersonId,
    /// The names and employee ids under which they were recorded, in lower case.
    names: BTreeSet<String>,
}

impl Erasure {
    /// Of this person, whose names are not known yet.
    pub fn of(person: PersonId) -> Erasure {
        Erasure { person, names: BTreeSet::new() }
    }

    /// Learns under which names `content` mentions the person, so that [`Erasure::erase`] finds those names in other people's texts.
    pub fn learn(&mut self, content: &Content) {
        let Content::Known(event) = content else { return };
        let (person, names) = (self.person, &mut self.names);
        event.clone().each_part(&mut |part| {
            if let Part::Person(Personal::Known(named)) | Part::Other(Personal::Known(named)) = part
                && named.id == person
            {
                let Named { id: _, name, card } = named;
                let employee_id = card.as_ref().and_then(|card| card.employee_id.as_ref());
                let texts = name.iter().chain(employee_id).map(|text| text.to_lowercase());
                names.extend(texts.filter(|text| text.chars().count() >= SHORTEST_NAME));
            }
        });
    }

    /// Erases the person from `content`; whether they were in it. An unknown content that mentions them becomes [`Content::Erased`].
    pub fn erase(&self, content: &mut Content) -> bool {
        match content {
            Content::Known(event) => self.erase_event(event),
            Content::Unknown(json) if self.is_in(json) => {
                *content = Content::Erased;
                true
            }
            Content::Unknown(_) | Content::Erased => false,
        }
    }

    fn erase_event(&self, event: &mut Event) -> bool {
        let (mut found, mut about_them) = (false, false);
        event.each_part(&mut |part| match part {
            Part::Person(person) => {
                about_them = self.erase_person(person);
                found |= about_them;
            }
            Part::Other(person) => found |= self.erase_person(person),
            Part::Text(text) => {
                if text.known().is_some_and(|known| about_them || self.is_named_in(known)) {
                    *text = Personal::Erased;
                    found = true;
                }
            }
            Part::Words(words) => {
                let without = self.without_number(words);
                if without != *words {
                    *words = without;
                    found = true;
                }
            }
        });
        found
    }

    fn erase_person(&self, person: &mut Personal<Named>) -> bool {
        let is_them = person.known().is_some_and(|named| named.id == self.person);
        if is_them {
            *person = Personal::Erased;
        }
        is_them
    }

    /// Whether one of the person's names stands in a text, as whole words.
    fn is_named_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.names.iter().any(|name| {
            text.match_indices(name.as_str()).any(|(at, _)| {
                let before = text.get(..at).and_then(|before| before.chars().next_back());
                let after = text.get(at + name.len()..).and_then(|after| after.chars().next());
                ![before, after].into_iter().flatten().any(char::is_alphanumeric)
            })
        })
    }

    /// Words without the person's number, as in `person 7` and in the topic `person/7`.
    fn without_number(&self, words: &str) -> String {
        ["person ", "person/", "person_"].iter().fold(words.to_owned(), |words, before| {
            let number = format!("{before}{}", self.person);
            let mut out = String::with_capacity(words.len());
            let mut rest = words.as_str();
            while let Some((until, after)) = rest.split_once(&number) {
                out.push_str(until);
                out.push_str(if after.starts_with(|c: char| c.is_ascii_digit()) { &number } else { SOMEBODY });
                rest = after;
            }
            out + rest
        })
    }

    /// Whether an object of that number and with a name, or a text with one of the names, is in `json`.
    fn is_in(&self, json: &Value) -> bool {
        match json {
            Value::Object(fields) => {
                let id = fields.get("id").and_then(Value::as_u64);
                (fields.contains_key("name") && id == Some(self.person.0.into()))
                    || fields.values().any(|value| self.is_in(value))
            }
            Value::Array(values) => values.iter().any(|value| self.is_in(value)),
            Value::String(text) => self.is_named_in(text) || self.without_number(text) != *text,
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_words_are_erased_whole() {
        let erasure = Erasure::of(PersonId(1));
        let without = erasure.without_number("0.5 to person 1, not person 12");
        assert_eq!(without, "0.5 to an erased person, not person 12");
        assert_eq!(erasure.without_number("usher/d/person/1"), "usher/d/an erased person");
    }

    #[test]
    fn names_are_found_as_whole_words() {
        let erasure = Erasure { person: PersonId(1), names: BTreeSet::from(["ann".to_owned()]) };
        assert!(erasure.is_named_in("Came with Ann.") && erasure.is_named_in("ann"));
        assert!(!erasure.is_named_in("Joanna forgot her card") && !erasure.is_named_in("annual"));
    }
}
