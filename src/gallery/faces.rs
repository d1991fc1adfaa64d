//! Pictures of faces beside records, for a limited time, on request alone, and never plain: without a store key none is kept.
//!
//! | key | value |
//! |---|---|
//! | when: nanoseconds since 1970, 8 bytes; the record's number, 8 bytes; both big-endian | sealed: whose it is, 4 bytes (0 is nobody's); a JPEG file |
//!
//! Each day's faces have one sub-key, which leaves the key ring when the last of them is erased.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use zeroize::Zeroizing;

use super::GalleryError;
use super::envelope::{self, Location};
use super::record::{erased, is_erased};
use super::sub_keys::{SubKeys, sub_keys};
use super::visitors::Retention;
use crate::domain::{ModelId, PersonId};
use crate::seal::{Ring, SubKeyId};
use crate::store::{Change, Entry, Store, Tree};

/// The tree's name. It is part of what the seals are bound to.
const FACES: &str = "faces";
/// What the envelope has in place of a model: pictures are of none.
const NO_MODEL: &str = "jpeg";
/// The number of faces erased in one commit.
const ERASED_AT_ONCE: usize = 50;
/// How long a sub-key is used for new faces.
const SUB_KEY_SERVES: Duration = Duration::from_secs(86_400);

/// A face beside a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFace {
    /// The record's number.
    pub record: u64,
    /// Whose it is, where the decision was about somebody; `None` for a face that nobody knew.
    pub person: Option<PersonId>,
    /// A JPEG file.
    pub jpeg: Vec<u8>,
}

/// The store of faces. Open it once per store.
pub struct FacePictures {
    store: Store,
    tree: Tree,
    retention: Retention,
    sub_keys: SubKeys,
    /// The sub-key for new faces, and since when it is used. Held while writing.
    writer: Mutex<Option<(SubKeyId, SystemTime)>>,
}

impl FacePictures {
    /// Opens the store of faces. Expired ones stay until [`FacePictures::prune`].
    pub fn open(store: &Store, ring: &Arc<Ring>, retention: Retention) -> Result<FacePictures, GalleryError> {
        Ok(FacePictures {
            tree: store.tree(FACES)?,
            store: store.clone(),
            retention,
            sub_keys: SubKeys::open(store, ring)?,
            writer: Mutex::new(None),
        })
    }

    /// Whether faces are kept: they are asked for, and can be sealed.
    pub fn keeps(&self) -> bool {
        !self.retention.span.is_zero() && self.sub_keys.ring.is_open()
    }

    /// Stores a face seen at `now`, and erases those that are expired or exceed the limit.
    pub fn keep(&self, face: &KeptFace, now: SystemTime) -> Result<(), GalleryError> {
        let mut writing = self.writing();
        if !self.keeps() {
            return Ok(());
        }
        // A clock that was set back starts a new one too.
        let serves = |since: &SystemTime| now.duration_since(*since).is_ok_and(|age| age < SUB_KEY_SERVES);
        let on_ring = |id: &SubKeyId| self.sub_keys.ring.ids().contains(id);
        if writing.as_ref().is_none_or(|(id, since)| !serves(since) || !on_ring(id)) {
            *writing = self.sub_keys.ring.add(1)?.pop().map(|id| (id, now));
        }
        let Some((sub_key, _)) = *writing else { return Ok(()) };
        let key = [nanoseconds(now).to_be_bytes(), face.record.to_be_bytes()].concat();
        let put = self.put(&key, sub_key, face.person, &face.jpeg)?;
        let gone = self.expired(now, 1)?;
        self.erase(&gone, Some((put, sub_key)))
    }

    fn put(
        &self,
        key: &[u8],
        sub_key: SubKeyId,
        person: Option<PersonId>,
        jpeg: &[u8],
    ) -> Result<Change, GalleryError> {
        let whose = person.map_or(0, |person| person.0).to_be_bytes();
        let plain = Zeroizing::new([&whose[..], jpeg].concat());
        let place = Location { tree: FACES, key };
        let value = envelope::write(&self.sub_keys.ring, Some(sub_key), place, &ModelId::new(NO_MODEL), plain)?;
        Ok(self.tree.put(key, value))
    }

    /// Erases the faces that are expired at `now`, and returns their number. Where none are kept any more, all are.
    pub fn prune(&self, now: SystemTime) -> Result<usize, GalleryError> {
        let _writing = self.writing();
        let gone = self.expired(now, 0)?;
        self.erase_many(&gone)
    }

    /// Erases the faces of a person, and returns their number. One that cannot be opened might be theirs, and expires.
    pub fn erase_of(&self, person: PersonId) -> Result<usize, GalleryError> {
        self.erase_those(|_| true, Some(person))
    }

    /// Erases the faces beside these records that nobody knew, and returns their number; `None` is all records.
    pub fn erase_unknown(&self, records: Option<&[u64]>) -> Result<usize, GalleryError> {
        self.erase_those(|record| records.is_none_or(|records| records.contains(&record)), None)
    }

    fn erase_those(&self, wanted: impl Fn(u64) -> bool, whose: Option<PersonId>) -> Result<usize, GalleryError> {
        let _writing = self.writing();
        let mut found = Vec::new();
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            if number(&key).is_some_and(&wanted)
                && self.open_face(&key, &value).is_some_and(|face| face.person == whose)
            {
                found.push((key, value));
            }
        }
        self.erase_many(&found)
    }

    /// Makes the faces beside these records, which nobody knew, those of a person, and returns their number.
    pub fn give_to(&self, records: &[u64], person: PersonId) -> Result<usize, GalleryError> {
        let _writing = self.writing();
        let mut changes = Vec::new();
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            if !number(&key).is_some_and(|record| records.contains(&record)) {
                continue;
            }
            let unknown = self.open_face(&key, &value).filter(|face| face.person.is_none());
            if let (Some(face), Some(header)) = (unknown, envelope::header(&value)) {
                changes.push(self.put(&key, header.sub_key, Some(person), &face.jpeg)?);
            }
        }
        if !changes.is_empty() {
            self.store.commit(&changes)?;
        }
        Ok(changes.len())
    }

    /// The faces of a person that are kept at `now` and can be opened, in order of time.
    pub fn of_person(&self, person: PersonId, now: SystemTime) -> Result<Vec<KeptFace>, GalleryError> {
        let mut own = Vec::new();
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            if self.is_fresh(&key, &value, now) {
                own.extend(self.open_face(&key, &value).filter(|face| face.person == Some(person)));
            }
        }
        Ok(own)
    }

    /// The face beside a record, if it is kept at `now` and can be opened.
    pub fn of_record(&self, record: u64, now: SystemTime) -> Result<Option<KeptFace>, GalleryError> {
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            if number(&key) == Some(record) && self.is_fresh(&key, &value, now) {
                return Ok(self.open_face(&key, &value));
            }
        }
        Ok(None)
    }

    /// The numbers of the records that have a face at `now`, in order of time.
    pub fn records(&self, now: SystemTime) -> Result<Vec<u64>, GalleryError> {
        let mut found = Vec::new();
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            found.extend(number(&key).filter(|_| self.is_fresh(&key, &value, now)));
        }
        Ok(found)
    }

    fn open_face(&self, key: &[u8], value: &[u8]) -> Option<KeptFace> {
        let record = number(key)?;
        if is_erased(value) || !envelope::is_sealed(value) {
            return None;
        }
        let plain = envelope::read(&self.sub_keys.ring, Location { tree: FACES, key }, value).ok()?;
        let (whose, jpeg) = plain.split_first_chunk::<4>()?;
        let person = Some(u32::from_be_bytes(*whose)).filter(|number| *number > 0).map(PersonId);
        Some(KeptFace { record, person, jpeg: jpeg.to_vec() })
    }

    /// Age counts in both directions, so that faces dated by a wrong clock do not stay for years.
    fn is_fresh(&self, key: &[u8], value: &[u8], now: SystemTime) -> bool {
        let span = u64::try_from(self.retention.span.as_nanos()).unwrap_or(u64::MAX);
        let at = key.split_first_chunk::<8>().map(|(at, _)| u64::from_be_bytes(*at));
        at.is_some_and(|at| span > 0 && nanoseconds(now).abs_diff(at) <= span) && !is_erased(value)
    }

    /// The faces to erase at `now` before `more` are added.
    fn expired(&self, now: SystemTime, more: usize) -> Result<Vec<Entry>, GalleryError> {
        let (mut gone, mut stay) = (Vec::new(), Vec::new());
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            if self.is_fresh(&key, &value, now) { &mut stay } else { &mut gone }.push((key, value));
        }
        let surplus = (stay.len() + more).saturating_sub(self.retention.most).min(stay.len());
        gone.extend(stay.drain(..surplus));
        Ok(gone)
    }

    /// Erases in several commits, so that a waiting record is delayed by one commit at most, then makes the store's second copy anew.
    fn erase_many(&self, gone: &[Entry]) -> Result<usize, GalleryError> {
        for part in gone.chunks(ERASED_AT_ONCE) {
            let began = Instant::now();
            self.erase(part, None)?;
            self.store.yield_to_writers(began.elapsed());
        }
        if !gone.is_empty()
            && let Err(error) = self.store.compact()
        {
            tracing::warn!(%error, "the second copy of the store still holds erased faces, sealed");
        }
        Ok(gone.len())
    }

    /// Overwrites faces, then deletes them. Sub-keys that no longer seal anything are removed.
    fn erase(&self, gone: &[Entry], with: Option<(Change, SubKeyId)>) -> Result<(), GalleryError> {
        let mut leaving = sub_keys(gone.iter().map(|(_, value)| &**value));
        if !leaving.is_empty() {
            for entry in self.tree.iter() {
                let (key, value) = entry?;
                if !gone.iter().any(|(going, _)| *going == key) {
                    leaving.retain(|id| sub_keys([&*value]) != [*id]);
                }
            }
        }
        let mut changes: Vec<Change> =
            gone.iter().map(|(key, value)| self.tree.put(&**key, erased(value.len()))).collect();
        if let Some((new, sub_key)) = with {
            changes.push(new);
            leaving.retain(|id| *id != sub_key);
        }
        changes.extend(self.sub_keys.note_removal(&leaving));
        if !changes.is_empty() {
            self.store.commit(&changes)?;
        }
        if !leaving.is_empty() {
            self.sub_keys.settle_or_defer();
        }
        if !gone.is_empty() {
            self.store.commit(&gone.iter().map(|(key, _)| self.tree.delete(&**key)).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn writing(&self) -> MutexGuard<'_, Option<(SubKeyId, SystemTime)>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record's number in a key.
fn number(key: &[u8]) -> Option<u64> {
    let (_, number) = key.split_last_chunk::<8>()?;
    (key.len() == 16).then(|| u64::from_be_bytes(*number))
}

/// Nanoseconds since 1970. Times outside 1970 to 2554 are clamped.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::StoreKey;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(days: f64) -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY.mul_f64(20_000.0 + days)
    }

    fn face(record: u64, person: Option<u32>) -> KeptFace {
        let jpeg = format!("picture {record} of somebody").into_bytes();
        KeptFace { record, person: person.map(PersonId), jpeg }
    }

    fn opened(dir: &std::path::Path, days: u32, most: usize) -> (Store, Arc<Ring>, FacePictures) {
        let store = Store::open(dir).unwrap();
        let key = StoreKey::generate().unwrap();
        let ring = Arc::new(Ring::open(dir, Ok(Some(key))));
        let faces = FacePictures::open(&store, &ring, Retention { span: DAY * days, most }).unwrap();
        (store, ring, faces)
    }

    #[test]
    fn a_face_is_kept_sealed_for_its_days() {
        let dir = tempfile::tempdir().unwrap();
        let (store, ring, faces) = opened(dir.path(), 7, 100);
        faces.keep(&face(3, Some(7)), at(0.0)).unwrap();
        faces.keep(&face(9, None), at(3.0)).unwrap();
        assert_eq!(faces.records(at(3.0)).unwrap(), [3, 9]);
        assert_eq!(faces.of_record(3, at(3.0)).unwrap(), Some(face(3, Some(7))));
        assert_eq!(faces.of_record(9, at(3.0)).unwrap().unwrap().person, None);
        assert_eq!(faces.of_record(4, at(3.0)).unwrap(), None);
        // Two days, two sub-keys; nothing of a picture is in the clear.
        assert_eq!(ring.ids().len(), 2);
        for entry in store.tree(FACES).unwrap().iter() {
            let (_, value) = entry.unwrap();
            assert!(!value.windows(7).any(|bytes| bytes == b"picture"));
        }
        // Expired ones are gone, and so is their sub-key; before that they are no longer shown.
        assert_eq!(faces.of_record(3, at(7.5)).unwrap(), None);
        assert_eq!((faces.prune(at(7.5)).unwrap(), faces.records(at(7.5)).unwrap()), (1, vec![9]));
        assert_eq!(ring.ids().len(), 1);
        // A clock that was a year ahead leaves nothing behind for a year.
        faces.keep(&face(10, None), at(365.0)).unwrap();
        assert_eq!(faces.prune(at(4.0)).unwrap(), 1);
    }

    #[test]
    fn the_faces_of_a_person_leave_with_the_person() {
        let dir = tempfile::tempdir().unwrap();
        let (_store, _ring, faces) = opened(dir.path(), 7, 100);
        for (record, person) in [(1, Some(7)), (2, Some(8)), (3, None), (4, Some(7))] {
            faces.keep(&face(record, person), at(0.0)).unwrap();
        }
        let own: Vec<u64> =
            faces.of_person(PersonId(7), at(0.0)).unwrap().into_iter().map(|face| face.record).collect();
        assert_eq!(own, [1, 4]);
        assert_eq!(faces.erase_of(PersonId(7)).unwrap(), 2);
        assert_eq!(faces.records(at(0.0)).unwrap(), [2, 3]);
    }

    #[test]
    fn the_faces_of_a_visitor_leave_with_the_visitor_or_become_a_persons() {
        let dir = tempfile::tempdir().unwrap();
        let (_store, ring, faces) = opened(dir.path(), 7, 100);
        for (record, person) in [(1, Some(7)), (2, None), (3, None), (4, None), (5, None)] {
            faces.keep(&face(record, person), at(0.0)).unwrap();
        }
        assert_eq!(faces.erase_unknown(Some(&[1, 2, 9])).unwrap(), 1, "that of a person stays");
        assert_eq!(faces.records(at(0.0)).unwrap(), [1, 3, 4, 5]);
        assert_eq!(faces.give_to(&[1, 3, 4, 9], PersonId(8)).unwrap(), 2);
        assert_eq!(faces.of_record(3, at(0.0)).unwrap(), Some(face(3, Some(8))));
        assert_eq!(faces.erase_unknown(None).unwrap(), 1);
        assert_eq!(faces.erase_of(PersonId(8)).unwrap(), 2);
        assert_eq!(faces.records(at(0.0)).unwrap(), [1]);
        assert_eq!(ring.ids().len(), 1, "the sub-key serves the one that is left");
        assert_eq!(faces.erase_of(PersonId(7)).unwrap(), 1);
        assert!(ring.ids().is_empty());
    }

    #[test]
    fn the_oldest_leaves_first() {
        let dir = tempfile::tempdir().unwrap();
        let (_store, _ring, faces) = opened(dir.path(), 7, 3);
        (1..=5).for_each(|record| faces.keep(&face(record, None), at(record as f64 / 100.0)).unwrap());
        assert_eq!(faces.records(at(0.1)).unwrap(), [3, 4, 5]);
    }

    #[test]
    fn nothing_is_kept_without_a_key_or_when_it_is_switched_off() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let week = Retention { span: DAY * 7, most: 10 };
        let plain = FacePictures::open(&store, &Arc::new(Ring::plain()), week).unwrap();
        plain.keep(&face(1, None), at(0.0)).unwrap();
        assert!(!plain.keeps() && plain.records(at(0.0)).unwrap().is_empty());
        drop((plain, store));
        let other = tempfile::tempdir().unwrap();
        let (store, ring, faces) = opened(other.path(), 7, 10);
        faces.keep(&face(1, None), at(0.0)).unwrap();
        let off = FacePictures::open(&store, &ring, Retention { span: Duration::ZERO, ..week }).unwrap();
        assert!(!off.keeps() && off.of_record(1, at(0.0)).unwrap().is_none());
        assert_eq!(off.prune(at(0.0)).unwrap(), 1, "those kept before are erased");
    }
}
