//! What the doors need of the rest of the daemon: a writer for events, and the enrolled people. The daemon implements both with the journal and
//! the gallery, tests with memory.

use std::sync::Arc;

use jiff::Timestamp;

use crate::access::Holder;
use crate::daemon::kept_faces::FaceQueue;
use crate::daemon::learning::LearningQueue;
use crate::daemon::snapshots::SnapshotQueue;
use crate::daemon::visitors::VisitorQueue;
use crate::daemon::visits::Visits;
use crate::domain::{Event, GallerySize, Named, PersonId, TagNumber};
use crate::gallery::{Gallery, Person};
use crate::ledger::LedgerError;
use crate::office::Recorder;
use crate::office::saved::SavedEntry;
use crate::store::Tree;

/// Records events.
pub trait EventWriter: Send {
    /// Records `event` together with the entries of the saved state that change with it. Returns the record's sequence number once both are on
    /// disk.
    fn write(&self, event: &Event, saved: &[SavedEntry]) -> Result<u64, Unwritten>;

    /// The number of events that wait to be written.
    fn waiting(&self) -> usize {
        0
    }
}

/// An event may not be on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritten {
    pub reason: String,
    /// It waits for a stalled disk and will be written once the disk answers.
    pub pending: bool,
}

/// The enrolled people.
pub trait People: Send {
    /// A person as the rules see them, and the name; `None` if that person is not enrolled.
    fn holder(&self, person: PersonId) -> Option<(Holder, String)>;

    /// A person as records name them; `None` if that person is not enrolled.
    fn named(&self, person: PersonId) -> Option<Named> {
        let (Holder { groups, .. }, name) = self.holder(person)?;
        Some(Named::new(person, name, None, groups))
    }

    /// Whose tag this is; `None` if nobody has it.
    fn owner_of(&self, _tag: &TagNumber) -> Option<PersonId> {
        None
    }

    /// The number of people and templates that a face is compared with.
    fn count(&self) -> GallerySize;
}

/// The daemon's writer: journal and saved state in one database.
pub struct JournalWriter {
    pub recorder: Arc<Recorder>,
    pub saved: Tree,
    /// Takes every decision once it is on disk; `None` unless visitors' faces are kept.
    pub visitor_queue: Option<VisitorQueue>,
    /// Takes every decision once it is on disk; `None` unless faces are kept beside records.
    pub face_queue: Option<FaceQueue>,
    /// Takes every decision once it is on disk; `None` unless templates are learned from grants.
    pub learning_queue: Option<LearningQueue>,
    /// Takes every grant once it is on disk; `None` before the switch of models is open.
    pub visits: Option<Arc<Visits>>,
    /// Takes every event once it is on disk; `None` unless snapshots are sent.
    pub snapshot_queue: Option<SnapshotQueue>,
}

impl EventWriter for JournalWriter {
    fn write(&self, event: &Event, saved: &[SavedEntry]) -> Result<u64, Unwritten> {
        let change = |SavedEntry { key, value }: &SavedEntry| match value {
            Some(value) => self.saved.put(key.as_bytes(), value.as_bytes()),
            None => self.saved.delete(key.as_bytes()),
        };
        let changes: Vec<_> = saved.iter().map(change).collect();
        let unwritten = |error: LedgerError| Unwritten { reason: error.to_string(), pending: false };
        let record = self.recorder.record_with(event, &changes).map_err(unwritten)?;
        if let (Some(visitor_queue), Some(decided)) = (&self.visitor_queue, event.decided()) {
            visitor_queue.decided(decided, record.seq);
        }
        if let (Some(face_queue), Some(decided)) = (&self.face_queue, event.decided()) {
            face_queue.decided(decided, record.seq);
        }
        if let (Some(learning_queue), Some(decided)) = (&self.learning_queue, event.decided()) {
            learning_queue.decided(decided, record.seq);
        }
        if let (Some(visits), Some(decided)) = (&self.visits, event.decided()) {
            visits.decided(decided, record.seq);
        }
        if let Some(snapshot_queue) = &self.snapshot_queue {
            snapshot_queue.written(event, &record);
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

    fn owner_of(&self, tag: &TagNumber) -> Option<PersonId> {
        Gallery::owner_of(self, tag)
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
