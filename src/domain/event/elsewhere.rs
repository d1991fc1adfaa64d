//! An event of one journal as it reads beside those of other journals: numbers of people and of records, and names of doors, are those that hold over
//! all of them.

use serde_json::Value;

use super::{Content, Part, Personal, PersonalData};
use crate::domain::PersonId;

/// Before a person's number in generated words.
const BEFORE_NUMBERS: [&str; 3] = ["person ", "person/", "person_"];
/// The fields that name another record.
const RECORDS: [&str; 2] = ["record", "void"];

/// What people, records and doors of a journal are called elsewhere.
pub struct Elsewhere<'a> {
    pub person: &'a dyn Fn(PersonId) -> PersonId,
    pub record: &'a dyn Fn(u64) -> u64,
    pub door: &'a dyn Fn(&str) -> String,
}

impl Content {
    /// The content as it reads elsewhere. What an event says of many records at once stays: it is about its own journal. Of a content that this version
    /// does not know, only the door is changed.
    pub fn elsewhere(self, names: &Elsewhere<'_>) -> Content {
        match self {
            Content::Known(event) => {
                let mut json = event.to_json();
                names.rename(&mut json);
                let mut content = Content::from_json(event.kind(), json);
                if let Content::Known(event) = &mut content {
                    event.each_part(&mut |part| names.renumber(part));
                }
                content
            }
            Content::Unknown(mut json) => {
                names.rename_door(&mut json);
                Content::Unknown(json)
            }
            Content::Erased => Content::Erased,
        }
    }
}

impl Elsewhere<'_> {
    fn rename(&self, json: &mut Value) {
        self.rename_door(json);
        for field in RECORDS {
            // 0 stands for a record that could not be written.
            if let Some(number) = json.get_mut(field)
                && let Some(seq) = number.as_u64().filter(|seq| *seq > 0)
            {
                *number = (self.record)(seq).into();
            }
        }
    }

    fn rename_door(&self, json: &mut Value) {
        if let Some(Value::String(door)) = json.get_mut("door") {
            *door = (self.door)(door);
        }
    }

    fn renumber(&self, part: Part<'_>) {
        match part {
            Part::Person(Personal::Known(named)) | Part::Other(Personal::Known(named)) => {
                named.id = (self.person)(named.id);
            }
            Part::Words(words) => *words = self.words(words),
            Part::Person(Personal::Erased) | Part::Other(Personal::Erased) | Part::Text(_) => {}
        }
    }

    /// Generated words with the other numbers of people.
    fn words(&self, words: &str) -> String {
        let (mut out, mut rest) = (String::with_capacity(words.len()), words);
        loop {
            let next = BEFORE_NUMBERS.iter().filter_map(|before| Some(rest.find(before)?.saturating_add(before.len())));
            let Some((head, tail)) = next.min().and_then(|end| rest.split_at_checked(end)) else { return out + rest };
            let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
            let (number, after) = tail.split_at_checked(digits).unwrap_or((tail, ""));
            out.push_str(head);
            match number.parse() {
                Ok(number) => out.push_str(&(self.person)(PersonId(number)).to_string()),
                Err(_) => out.push_str(number),
            }
            rest = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::one_of_each;

    #[test]
    fn every_event_reads_elsewhere_with_other_numbers_and_doors() {
        let names = Elsewhere {
            person: &|person| PersonId(person.0 + 1000),
            record: &|record| record + 1_000_000,
            door: &|door| format!("north/{door}"),
        };
        let (mut people, mut doors, mut records) = (0, 0, 0);
        for event in one_of_each() {
            let content = Content::from(&event).elsewhere(&names);
            let read = content.event().unwrap_or_else(|| panic!("{} cannot be read any more", event.kind()));
            assert_eq!(read.kind(), event.kind());
            let ids = |event: &crate::domain::Event| event.people().map(|named| named.id.0).collect::<Vec<_>>();
            assert_eq!(ids(read), ids(&event).iter().map(|id| id + 1000).collect::<Vec<_>>(), "{}", event.kind());
            assert_eq!(read.door(), event.door().map(|door| format!("north/{door}")).as_deref());
            assert_eq!(read.allowed_by(), event.allowed_by().map(|record| record + 1_000_000));
            people += ids(&event).len();
            doors += usize::from(event.door().is_some());
            let before = event.to_json();
            for field in RECORDS {
                if let Some(number) = before.get(field).and_then(Value::as_u64).filter(|number| *number > 0) {
                    assert_eq!(read.to_json()[field], number + 1_000_000, "{}", event.kind());
                    records += 1;
                }
            }
        }
        assert!(people > 10 && doors > 15 && records >= 5, "{people} {doors} {records}");
    }

    #[test]
    fn numbers_in_words_are_changed_whole() {
        let names =
            Elsewhere { person: &|person| PersonId(person.0 * 10), record: &|record| record, door: &str::to_owned };
        assert_eq!(names.words("0.5 to person 1, 0.7 to person 12"), "0.5 to person 10, 0.7 to person 120");
        assert_eq!(names.words("usher/x/person/3 and person_4"), "usher/x/person/30 and person_40");
        assert_eq!(names.words("a person, no number"), "a person, no number");
    }
}
