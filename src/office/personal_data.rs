//! Everything that is kept of a person: put together for the person, and erased in one act.

use std::collections::HashSet;
use std::ops::Bound;
use std::time::{Duration, SystemTime};

use super::{OfficeError, Recorder, Register};
use crate::domain::{
    AccessEvent, Actor, Card, Content, Erasure, Event, Named, Part, PeopleEvent, PersonId, Personal, PersonalData,
};
use crate::gallery::{GalleryError, KeptTemplate, KeptVisit, Visitors};
use crate::ledger::attendance::{CORRECTIONS, PASSAGES, Reading, readings};
use crate::ledger::{Dated, Journal, LedgerError, ReadOrder, RecordFilter};

/// Records read at once.
const AT_ONCE: usize = 1000;
/// Later than any record, whatever clock dated it: 31 December 9999.
const AFTER_ALL: Duration = Duration::from_secs(253_402_214_400);

/// Everything that is kept of a person, besides the person.
#[derive(Debug, Default)]
pub struct KeptOf {
    pub templates: Vec<KeptTemplate>,
    /// Faces kept of grants.
    pub visits: Vec<KeptVisit>,
    pub readings: Vec<Reading>,
    /// The records that say something about the person, oldest first, without other people.
    pub records: Vec<Dated>,
}

/// How much was erased of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErasedOf {
    pub removed: bool,
    pub templates: usize,
    pub visits: usize,
    pub records: u64,
}

/// Puts together everything that is kept of a person, enrolled or removed, and records who asked for it.
///
/// # Errors
/// [`GalleryError::NotFound`] where nobody of that number is enrolled or in a record.
pub fn kept_of(
    id: PersonId,
    register: &Register,
    recorder: &Recorder,
    granted: &Visitors,
    by: Actor,
) -> Result<KeptOf, OfficeError> {
    let person = register.gallery().person(id).ok();
    let (records, readings) = in_journal(id, recorder.journal())?;
    if person.is_none() && records.is_empty() {
        return Err(GalleryError::NotFound { wanted: format!("#{id}") }.into());
    }
    let templates = match &person {
        Some(_) => register.gallery().kept_templates(id)?,
        None => Vec::new(),
    };
    let visits = granted.kept(recorder.wall())?.visits;
    let visits = visits.into_iter().filter(|kept| kept.visit.granted == Some(id)).collect();
    let named = person.map_or_else(|| Named { id, name: None, card: None }, |person| person.named());
    recorder.record_change(&PeopleEvent::Exported { person: named.into(), by }.into(), &[])?;
    Ok(KeptOf { templates, visits, readings, records })
}

/// The records that say something about a person, and the readings of the person by them.
fn in_journal(id: PersonId, journal: &Journal) -> Result<(Vec<Dated>, Vec<Reading>), LedgerError> {
    let mut erasure = Erasure::of(id);
    journal.each(|record| {
        erasure.learn(&record.content);
        Ok(())
    })?;
    let (mut own, mut attendance) = (Vec::new(), Vec::new());
    let mut doors = HashSet::new();
    let mut after = 0;
    loop {
        let range = (Bound::Excluded(after), Bound::Unbounded);
        let records = journal.select(range, ReadOrder::OldestFirst, AT_ONCE, &RecordFilter::default())?;
        let Some(last) = records.last() else { break };
        after = last.record.seq;
        for mut dated in records {
            // What erasing would change is what says something about them.
            let theirs = erasure.erase(&mut dated.record.content.clone());
            let kind = dated.record.kind.as_str();
            let counts = PASSAGES.contains(&kind) || CORRECTIONS.contains(&kind);
            // Whether a grant counts as a reading depends on the first passage that its door ever recorded.
            if counts && (theirs || is_first_passage(&dated, &mut doors)) {
                attendance.push(dated.clone());
            }
            if theirs {
                leave_out_others(&mut dated.record.content, id);
                own.push(dated);
            }
        }
    }
    let unknown = |_: PersonId| -> Option<Card> { None };
    let mut found = readings(&attendance, &unknown);
    found.retain(|reading| reading.person == id);
    Ok((own, found))
}

fn is_first_passage(dated: &Dated, doors: &mut HashSet<String>) -> bool {
    match dated.record.content.event() {
        Some(Event::Access(AccessEvent::Passed { door, .. })) => doors.insert(door.to_string()),
        _ => false,
    }
}

/// Takes everybody but `id` out of a record, and texts that are not about `id`.
fn leave_out_others(content: &mut Content, id: PersonId) {
    let Content::Known(event) = content else { return };
    let mut about_them = false;
    event.each_part(&mut |part| match part {
        Part::Person(person) => {
            about_them = person.known().is_some_and(|known| known.id == id);
            if !about_them {
                *person = Personal::Erased;
            }
        }
        Part::Other(person) => {
            if person.known().is_some_and(|known| known.id != id) {
                *person = Personal::Erased;
            }
        }
        Part::Text(text) => {
            if !about_them {
                *text = Personal::Erased;
            }
        }
        // They name nobody but by number.
        Part::Words(_) => {}
    });
}

/// Erases everything that is kept of a person, enrolled or removed: faces of grants, the person with templates, PINs and tags, and the person in
/// every record. If it is interrupted, doing it again erases the rest.
///
/// # Errors
/// [`GalleryError::NotFound`] where nobody of that number is enrolled or in a record.
pub fn erase_all_of(
    id: PersonId,
    register: &Register,
    recorder: &Recorder,
    granted: &Visitors,
    by: &Actor,
) -> Result<ErasedOf, OfficeError> {
    // Faces of grants before the templates: whatever is kept of somebody who is no longer enrolled cannot be asked for.
    let mut erased = ErasedOf { visits: granted.erase_of(id)?, ..ErasedOf::default() };
    match register.gallery().kept_templates(id) {
        Ok(kept) => erased.templates = kept.len(),
        Err(GalleryError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    match register.remove(id, by.clone()) {
        Ok(_) => erased.removed = true,
        Err(OfficeError::Gallery(GalleryError::NotFound { .. })) => {}
        Err(error) => return Err(error),
    }
    erased.records = recorder.erase(id, Some(SystemTime::UNIX_EPOCH + AFTER_ALL), by)?;
    if erased == ErasedOf::default() {
        return Err(GalleryError::NotFound { wanted: format!("#{id}") }.into());
    }
    Ok(erased)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::access::NearEnough;
    use crate::clock::{Clock, SystemClock};
    use crate::domain::{
        Decided, Direction, Distance, Embedding, ModelId, Moment, Outcome, Quality, RunnerUp, TrackId,
    };
    use crate::gallery::{Gallery, NewPerson, Retention, Template, Visit};
    use crate::ledger::explain;
    use crate::office::Enrolment;
    use crate::seal::Ring;
    use crate::store::Store;

    struct Site {
        dir: tempfile::TempDir,
        register: Register,
        recorder: Arc<Recorder>,
        granted: Visitors,
    }

    const ADA: PersonId = PersonId(1);
    const BOB: PersonId = PersonId(2);

    fn face(degrees: f32) -> Template {
        let values = Box::new([degrees.to_radians().cos(), degrees.to_radians().sin()]);
        let embedding = Embedding::normalised(ModelId::new("net"), values).unwrap();
        Template { embedding, quality: Quality::default(), created: SystemClock::new().wall() }
    }

    /// Ada Lovelace and Bob Cole; a grant of Ada with Bob as the runner-up, and one of Bob; passages of both.
    fn site() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let ring = Arc::new(Ring::plain());
        let gallery = Arc::new(Gallery::open(&store, &ring, ModelId::new("net"), 2).unwrap());
        let recorder = Recorder::new(&store, Journal::open(&store).unwrap(), Arc::new(SystemClock::new()));
        let recorder = Arc::new(recorder);
        let register = Register::new(gallery, recorder.clone(), NearEnough::Fixed(Distance(0.5)));
        let named = [("Ada Lovelace", 0.0), ("Bob Cole", 90.0)].map(|(name, degrees)| {
            let person = NewPerson { name: name.into(), ..NewPerson::default() };
            let templates = vec![face(degrees)];
            let by = "anna".into();
            register.enroll(Enrolment { person, templates, labels: Vec::new(), force: false, by }).unwrap().named()
        });
        register.note_lookalike(ADA, &face(80.0), 3, false, "anna".into()).unwrap();
        let keep = Retention { span: Duration::from_secs(3600), most: 10 };
        let granted = Visitors::open_granted(&store, &ring, keep).unwrap();
        let passed = |person: &Named, record| AccessEvent::Passed {
            door: "front".into(),
            person: person.clone().into(),
            direction: Some(Direction::In),
            zone: None,
            record,
        };
        for (own, other) in [(0, 1), (1, 0)] {
            let mut decided = Decided::at_porch(Outcome::Granted, 7, Moment::default(), TrackId(3));
            let bare = Named { card: None, ..named[other].clone() };
            decided.person = Some(named[own].clone().into());
            decided.runner_up = Some(RunnerUp { person: bare.into(), distance: Distance(0.9) });
            let record = recorder.record(&decided.into()).unwrap();
            recorder.record(&passed(&named[own], record.seq).into()).unwrap();
            let visit = Visit {
                template: face(1.0),
                camera: "porch".into(),
                door: "front".into(),
                distance: None,
                record: Some(record.seq),
                granted: Some(named[own].id),
            };
            granted.keep(&visit, recorder.wall()).unwrap();
        }
        Site { dir, register, recorder, granted }
    }

    #[test]
    fn an_export_has_all_of_the_person_and_nobody_else() {
        let Site { dir: _dir, register, recorder, granted } = site();
        let kept = kept_of(ADA, &register, &recorder, &granted, "anna".into()).unwrap();
        let templates: Vec<String> = kept.templates.iter().map(|kept| kept.id.to_string()).collect();
        assert_eq!((templates, kept.visits.len(), kept.readings.len()), (vec!["0".into(), "lookalike-0".into()], 1, 1));
        let kinds: Vec<&str> = kept.records.iter().map(|dated| dated.record.kind.as_str()).collect();
        // Her own grant and passage, and Bob's grant, which names her as the runner-up.
        assert_eq!(kinds, ["enrolled", "lookalike_noted", "granted", "passed", "granted"]);
        for dated in &kept.records {
            let text = format!("{} {}", explain(&dated.record), dated.record.content.to_json());
            assert!(!text.contains("Bob"), "{text}");
        }
        assert!(
            kept.records.iter().filter(|dated| dated.record.content.to_json().to_string().contains("Ada")).count() == 5
        );
        let last = recorder.journal().last().unwrap().unwrap();
        assert!(
            explain(&last).contains("exported everything that is kept of Ada Lovelace, by anna"),
            "{}",
            explain(&last)
        );
        assert!(matches!(
            kept_of(PersonId(9), &register, &recorder, &granted, "anna".into()),
            Err(OfficeError::Gallery(GalleryError::NotFound { .. }))
        ));
    }

    #[test]
    fn an_erasure_leaves_nothing_of_the_person() {
        let Site { dir, register, recorder, granted } = site();
        kept_of(ADA, &register, &recorder, &granted, "anna".into()).unwrap();
        let erased = erase_all_of(ADA, &register, &recorder, &granted, &"anna".into()).unwrap();
        assert_eq!((erased.removed, erased.templates, erased.visits), (true, 2, 1));
        // Also the records of the export and of the removal.
        assert_eq!(erased.records, 7);
        let again = erase_all_of(ADA, &register, &recorder, &granted, &"anna".into());
        assert!(matches!(again, Err(OfficeError::Gallery(GalleryError::NotFound { .. }))), "{again:?}");
        recorder.journal().verify().unwrap();
        recorder
            .journal()
            .each(|record| {
                let text = format!("{} {}", explain(record), record.content.to_json());
                assert!(!text.contains("Ada") && !text.contains("person 1 "), "{text}");
                Ok(())
            })
            .unwrap();
        let copy = std::fs::read(dir.path().join("copy")).unwrap();
        assert!(!String::from_utf8_lossy(&copy).contains("Lovelace"));
        assert_eq!(register.gallery().person(BOB).unwrap().name, "Bob Cole");
        assert_eq!(granted.kept(recorder.wall()).unwrap().visits.len(), 1);
        let kept = kept_of(BOB, &register, &recorder, &granted, "anna".into()).unwrap();
        assert_eq!(kept.readings.len(), 1);
    }

    #[test]
    fn somebody_who_was_removed_before_is_erased_from_the_records() {
        let Site { dir: _dir, register, recorder, granted } = site();
        register.remove(ADA, "anna".into()).unwrap();
        let kept = kept_of(ADA, &register, &recorder, &granted, "anna".into()).unwrap();
        assert_eq!((kept.templates.len(), kept.records.len()), (0, 6));
        let erased = erase_all_of(ADA, &register, &recorder, &granted, &"anna".into()).unwrap();
        assert_eq!((erased.removed, erased.records), (false, 7), "and the record of the export");
    }
}
