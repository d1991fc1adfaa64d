//! A collected record as a row of the table.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use uuid::Uuid;

use crate::ledger::Record;
use crate::office::fleet::protocol::CollectedRecord;

/// How deep a content is kept. Events are a few levels deep.
const DEPTH: usize = 32;
/// In seconds since 1970: PostgreSQL has no time before 4713 BC. Records of earlier times, which only a lying board makes, have none.
const EARLIEST_S: u64 = 210_000_000_000;

/// A row of the table `records`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub board: String,
    pub seq: i64,
    pub id: Uuid,
    pub site: String,
    pub at: Option<SystemTime>,
    pub synchronised: Option<bool>,
    pub kind: String,
    pub door: Option<String>,
    pub person: Option<String>,
    pub employee_id: Option<String>,
    pub direction: Option<String>,
    pub reason: Option<String>,
    pub actor: Option<String>,
    pub erased: bool,
    pub content: Value,
    pub hash: String,
}

impl Row {
    /// The row of a record; `None` for what is none.
    pub fn of(collected: &CollectedRecord) -> Option<Row> {
        let record = Record::from_json(&collected.record)?;
        let event = record.content.event();
        let person = event.and_then(|event| event.person()).and_then(|person| person.known());
        let earliest = SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(EARLIEST_S));
        Some(Row {
            board: text(&collected.board),
            seq: i64::try_from(record.seq).ok()?,
            id: record.id,
            site: text(&collected.site),
            at: earliest.is_none_or(|earliest| record.at >= earliest).then_some(record.at),
            synchronised: record.synchronised,
            kind: text(&record.kind),
            door: event.and_then(|event| event.door()).map(text),
            person: person.and_then(|person| person.name.as_deref()).map(text),
            employee_id: person.and_then(|person| person.card.as_ref()?.employee_id.as_deref()).map(text),
            direction: event.and_then(|event| event.direction()).map(|direction| text(direction.as_str())),
            reason: event.and_then(|event| event.reason()).map(|reason| text(&reason)),
            actor: event.and_then(|event| event.by()).map(|actor| text(&actor.to_string())),
            erased: record.erased,
            content: clean(record.content.to_json(), DEPTH),
            hash: record.hashes().1,
        })
    }
}

/// PostgreSQL has no text with the character 0.
fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The same for all texts in JSON.
fn clean(json: Value, depth: usize) -> Value {
    match json {
        Value::String(string) => Value::String(text(&string)),
        Value::Array(_) | Value::Object(_) if depth == 0 => Value::Null,
        Value::Array(values) => values.into_iter().map(|value| clean(value, depth.saturating_sub(1))).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(key, value)| (text(&key), clean(value, depth.saturating_sub(1))))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Actor, DaemonEvent, DoorEvent, Event, Named, PeopleEvent, PersonId, Stamp};
    use crate::ledger::{Journal, ReadOrder};
    use crate::store::Store;

    fn rows(events: &[Event]) -> Vec<Row> {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
        for event in events {
            journal.append(event, &Stamp::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))).unwrap();
        }
        let records = journal.list(.., ReadOrder::OldestFirst, 99).unwrap();
        let collected = records.iter().map(|record| {
            let (board, site) = ("front".to_owned(), "berlin".to_owned());
            CollectedRecord { board, site, record: record.to_json() }
        });
        collected.map(|record| Row::of(&record).unwrap()).collect()
    }

    #[test]
    fn a_row_says_who_did_what_where() {
        let person = Named::new(PersonId(3), "Ada", Some("E3".into()), Vec::new()).into();
        let enrolled = PeopleEvent::Enrolled { person, templates: 2, by: Actor::Fleet("anna".into()) };
        let opened = DoorEvent::DoorOpened { door: "front".into() };
        let [enrolled, opened] = &rows(&[enrolled.into(), opened.into()])[..] else { panic!("two rows") };
        assert_eq!((enrolled.seq, enrolled.kind.as_str(), enrolled.person.as_deref()), (1, "enrolled", Some("Ada")));
        assert_eq!((enrolled.employee_id.as_deref(), enrolled.actor.as_deref()), (Some("E3"), Some("fleet/anna")));
        assert_eq!(enrolled.at, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        assert_eq!((opened.door.as_deref(), opened.person.as_deref(), opened.erased), (Some("front"), None, false));
    }

    #[test]
    fn what_postgresql_cannot_hold_is_made_fit() {
        let stopped = DaemonEvent::Stopped { reason: "a\0b".into() };
        let [row] = &rows(&[stopped.into()])[..] else { panic!("one row") };
        assert_eq!(row.reason.as_deref(), Some("a\u{fffd}b"));
        assert!(!row.content.to_string().contains("\\u0000"), "{}", row.content);
        let deep = (0..100).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        assert!(clean(deep, DEPTH).to_string().len() < 100);
        let no_record =
            CollectedRecord { board: "a".into(), site: "b".into(), record: serde_json::json!({ "seq": 1 }) };
        assert_eq!(Row::of(&no_record), None);
    }
}
