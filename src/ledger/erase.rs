//! Erasing a person from old records: their name, numbers and groups go, the record and the chain stay.
//!
//! Knows nothing of who may ask for it.

use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use super::journal::Journal;
use super::record::erased;
use super::{Dated, LedgerError, Order, Record, Window};
use crate::domain::{Event, PersonId, Stamp};
use crate::store::Change;

/// Records that are read at once.
const AT_ONCE: usize = 1000;
/// Records that are changed in one commit. A record that has to be written meanwhile waits for one such commit at most.
const CHANGED_AT_ONCE: usize = 50;
/// What stands in the place of a text.
const ERASED: &str = "(erased)";

impl Journal {
    /// Erases `person` from all records before `before`. Each commit changes contents together with a record that says which; the
    /// store's copy is then written anew without what was erased. Returns how many records were changed.
    pub fn erase(&self, person: PersonId, before: SystemTime, by: &str, stamp: &Stamp) -> Result<u64, LedgerError> {
        let _alone = self.tidying();
        let mut count = 0;
        let mut after = 0;
        loop {
            let records = self.select(after + 1.., Order::OldestFirst, AT_ONCE, &Window::default())?;
            let Some(last) = records.last() else { break };
            after = last.record.seq;
            let mut changed: Vec<(u64, Change)> = Vec::new();
            for Dated { record, at, .. } in records {
                let Record { seq, kind, mut content, .. } = record;
                if at < before && redact(&kind, &mut content, person) {
                    changed.push((seq, self.contents.put(seq.to_be_bytes(), erased(&content))));
                }
            }
            for part in changed.chunks(CHANGED_AT_ONCE) {
                let (numbers, changes): (Vec<u64>, Vec<Change>) = part.iter().cloned().unzip();
                count += numbers.len() as u64;
                let began = Instant::now();
                self.append_with(&Event::Erased { records: numbers, by: by.to_owned() }, stamp, &changes)?;
                self.store.yield_to_writers(began.elapsed());
            }
        }
        if count > 0 {
            self.compact();
        }
        Ok(count)
    }

    /// Shows every record, oldest first.
    pub fn each(&self, mut show: impl FnMut(&Record) -> Result<(), LedgerError>) -> Result<(), LedgerError> {
        let mut after = 0;
        loop {
            let records = self.list(after + 1.., Order::OldestFirst, AT_ONCE)?;
            let Some(last) = records.last() else { return Ok(()) };
            after = last.seq;
            records.iter().try_for_each(&mut show)?;
        }
    }
}

fn id_of(value: &Value) -> Option<u32> {
    u32::try_from(value.get("id")?.as_u64()?).ok()
}

/// Takes a person out of a content; whether they were in it: as somebody it is about, or in the words of a gate, as the person who was recognised
/// before a second person is.
fn redact(kind: &str, content: &mut Value, person: PersonId) -> bool {
    let mut found = redact_objects(content, person);
    // The words beside the person: a former name, an operator's reason.
    let about_them = found && content["person"]["erased"] == true;
    for (of, field) in [("renamed", "before"), ("attendance_amended", "reason"), ("changed", "what")] {
        if about_them && kind == of {
            content[field] = ERASED.into();
        }
    }
    // Gates name people by number.
    let gates = content.get_mut("gates").and_then(Value::as_array_mut);
    for gate in gates.into_iter().flatten() {
        for field in ["input", "limit"] {
            let Some(text) = gate.get(field).and_then(Value::as_str) else { continue };
            let redacted = without(text, &format!("person {person}"));
            if redacted != text {
                gate[field] = redacted.into();
                found = true;
            }
        }
    }
    found
}

fn redact_objects(value: &mut Value, person: PersonId) -> bool {
    let its_own = value.get("name").is_some() && id_of(value) == Some(person.0);
    match value {
        Value::Object(fields) => {
            if its_own {
                for field in ["id", "name", "employee_id", "groups"] {
                    fields.remove(field);
                }
                fields.insert("erased".to_owned(), json!(true));
            }
            fields.values_mut().fold(its_own, |found, value| redact_objects(value, person) | found)
        }
        Value::Array(values) => values.iter_mut().fold(false, |found, value| redact_objects(value, person) | found),
        _ => false,
    }
}

/// `text` with another word for `who`, where no further digit follows.
fn without(text: &str, who: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(who) {
        let (before, after) = (&rest[..at], &rest[at + who.len()..]);
        out.push_str(before);
        out.push_str(if after.starts_with(|c: char| c.is_ascii_digit()) { who } else { "an erased person" });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ledger::content::tests::one_of_each;
    use crate::ledger::explain;
    use crate::store::Store;

    fn stamp(n: u64) -> Stamp {
        Stamp::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_349_927 + n))
    }

    /// A journal with every kind of record, and the folder it lives in.
    fn filled() -> (tempfile::TempDir, Store, Journal) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let journal = Journal::open(&store).unwrap();
        for (n, event) in one_of_each().iter().enumerate() {
            // A deletion or an erasure is a claim, and here an empty one.
            if !matches!(event, Event::Pruned { .. } | Event::Erased { .. }) {
                journal.append(event, &stamp(n as u64)).unwrap();
            }
        }
        (dir, store, journal)
    }

    #[test]
    fn a_person_is_gone_from_every_record_and_every_file_of_the_copy() {
        let (dir, _store, journal) = filled();
        let before = journal.last().unwrap().unwrap().seq;
        let count = journal.erase(PersonId(7), stamp(1000).at, "anna", &stamp(1000)).unwrap();
        assert!(count >= 9, "{count}");
        let sound = journal.verify().unwrap();
        assert_eq!((sound.records, sound.erased), (before + 1, count));
        let told = journal.last().unwrap().unwrap();
        assert_eq!((told.kind.as_str(), &told.content["count"]), ("erased", &json!(count)));
        for record in journal.list(.., Order::OldestFirst, 100).unwrap() {
            let all = format!("{} {}", explain(&record), record.content);
            assert!(!all.contains("Obama") && !all.contains("E007"), "{all}");
        }
        let granted = journal.get(3).unwrap().unwrap();
        assert_eq!(granted.content["person"], json!({ "erased": true }));
        assert_eq!(granted.content["runner_up"]["name"], "Joe Biden");
        assert!(explain(&granted).contains("granted somebody (erased) at front"), "{}", explain(&granted));
        let copy = std::fs::read(dir.path().join("copy")).unwrap();
        assert!(!String::from_utf8_lossy(&copy).contains("Obama"));
        // Somebody else, whose name stands in the same records.
        assert!(journal.erase(PersonId(9), stamp(1000).at, "anna", &stamp(1001)).unwrap() > 0);
        journal.verify().unwrap();
        assert_eq!(journal.erase(PersonId(9), stamp(1000).at, "anna", &stamp(1001)).unwrap(), 0);
    }

    #[test]
    fn only_old_records_are_changed_when_asked_so() {
        let (_dir, _store, journal) = filled();
        let granted_at = stamp(2);
        assert_eq!(journal.erase(PersonId(7), granted_at.at, "anna", &stamp(1000)).unwrap(), 0);
        assert_eq!(journal.erase(PersonId(7), stamp(3).at, "anna", &stamp(1000)).unwrap(), 1);
    }

    #[test]
    fn a_content_changed_under_the_guise_of_an_erasure_is_found() {
        let (_dir, store, journal) = filled();
        let forged = erased(&json!({ "door": "front", "reason": "nothing happened" }));
        store.commit(&[journal.contents.put(5u64.to_be_bytes(), forged)]).unwrap();
        let broken = journal.verify().unwrap_err();
        assert_eq!(broken.seq, 5);
        assert!(broken.why.contains("no record says"), "{broken}");
    }

    #[test]
    fn a_number_in_another_persons_gate_is_erased_too() {
        let (_dir, _store, journal) = filled();
        let mut other = one_of_each().remove(2);
        let Event::Decided { person, runner_up, decision, .. } = &mut other else { panic!("a decision is the third") };
        (*person, *runner_up) = (Some(crate::ledger::content::tests::person(9, "Joe Biden")), None);
        decision.verdict = crate::domain::Verdict::Grant { person: PersonId(9) };
        decision.nearest =
            Some(crate::domain::Match { person: PersonId(9), distance: crate::domain::Distance(0.6), runner_up: None });
        let input = "person 41 was recognised 2000 ms before".to_owned();
        let limit = "two people within 10 s".to_owned();
        decision.gates.push(crate::domain::Gate { name: "second_person", input, limit, passed: true });
        let seq = journal.append(&other, &stamp(900)).unwrap().seq;
        assert_eq!(journal.erase(PersonId(4), stamp(1000).at, "anna", &stamp(1000)).unwrap(), 0);
        assert_eq!(journal.erase(PersonId(41), stamp(1000).at, "anna", &stamp(1000)).unwrap(), 1);
        let record = journal.get(seq).unwrap().unwrap();
        assert!(
            record.content.to_string().contains("an erased person was recognised 2000 ms before"),
            "{}",
            record.content
        );
        assert_eq!(record.content["person"]["name"], "Joe Biden", "{}", record.content);
        journal.verify().unwrap();
        assert_eq!(journal.erase(PersonId(41), stamp(1000).at, "anna", &stamp(1001)).unwrap(), 0);
    }

    #[test]
    fn numbers_in_words_are_taken_out_whole() {
        assert_eq!(without("0.5 to person 1, not person 12", "person 1"), "0.5 to an erased person, not person 12");
    }
}
