//! What the doors ask of the rest of the house: to write an event down, and who somebody is.
//!
//! Knows nothing of databases: the daemon answers from the journal and the gallery, tests from memory.

use std::sync::Arc;

use jiff::Timestamp;

use super::standing::Entry;
use crate::access::Holder;
use crate::daemon::snapshots::Photographer;
use crate::daemon::visitors::Porter;
use crate::domain::{Event, GallerySize, Named, PersonId};
use crate::gallery::{Gallery, Person};
use crate::ledger::LedgerError;
use crate::office::Recorder;
use crate::store::Tree;

/// Writes down.
pub trait Pen: Send {
    /// Writes `event` down together with what of the doors' standing changes by it; both are on disk when this returns. The record's
    /// sequence number.
    fn write(&self, event: &Event, standing: &[Entry]) -> Result<u64, Unwritten>;

    /// How many events wait to be written.
    fn waiting(&self) -> usize {
        0
    }
}

/// An event is not known to be on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritten {
    pub reason: String,
    /// It waits for a disk that has stalled, and will be written when the disk answers.
    pub pending: bool,
}

/// Who is enrolled.
pub trait People: Send {
    /// What the rules need to know of a person, and the name; `None` when nobody of that number is enrolled.
    fn holder(&self, person: PersonId) -> Option<(Holder, String)>;

    /// The person as records name them; `None` when nobody of that number is enrolled.
    fn named(&self, person: PersonId) -> Option<Named> {
        let (Holder { groups, .. }, name) = self.holder(person)?;
        Some(Named { id: person, name, employee_id: None, groups })
    }

    /// How many people and templates a face is compared with.
    fn count(&self) -> GallerySize;
}

/// The daemon's pen: journal and standing in one database.
pub struct JournalPen {
    pub recorder: Arc<Recorder>,
    pub standing: Tree,
    /// Hears of every decision once it is on disk; `None` when nobody unknown is kept.
    pub porter: Option<Porter>,
    /// Hears of everything once it is on disk; `None` when no pictures are sent.
    pub photographer: Option<Photographer>,
}

impl Pen for JournalPen {
    fn write(&self, event: &Event, standing: &[Entry]) -> Result<u64, Unwritten> {
        let change = |Entry { key, value }: &Entry| match value {
            Some(value) => self.standing.put(key.as_bytes(), value.as_bytes()),
            None => self.standing.delete(key.as_bytes()),
        };
        let changes: Vec<_> = standing.iter().map(change).collect();
        let unwritten = |error: LedgerError| Unwritten { reason: error.to_string(), pending: false };
        let record = self.recorder.record_with(event, &changes).map_err(unwritten)?;
        if let (Some(porter), Event::Decided { door, decision, .. }) = (&self.porter, event) {
            porter.decided(door, decision);
        }
        if let Some(photographer) = &self.photographer {
            photographer.written(event, &record);
        }
        Ok(record.seq)
    }
}

impl People for Arc<Gallery> {
    fn holder(&self, person: PersonId) -> Option<(Holder, String)> {
        self.person(person).ok().map(|person| (holder(&person), person.name))
    }

    fn named(&self, person: PersonId) -> Option<Named> {
        self.person(person).ok().map(|person| person.named())
    }

    fn count(&self) -> GallerySize {
        self.size()
    }
}

/// A person as the rules see them.
pub fn holder(person: &Person) -> Holder {
    let at = |time: Option<std::time::SystemTime>| time.and_then(|time| Timestamp::try_from(time).ok());
    Holder {
        person: person.id,
        groups: person.groups.clone(),
        enabled: person.enabled,
        valid_from: at(person.valid_from),
        valid_until: at(person.valid_until),
    }
}
