//! Unknown visitors: their embeddings in a tree of the store, for a limited time and up to a limited number. Photographs are never stored.
//!
//! | key | value |
//! |---|---|
//! | when: nanoseconds since 1970, 8 bytes | length of the JSON 4 bytes, JSON that says where, the template as in `record` |
//!
//! With a store key the value is sealed, with one sub-key for each day's visitors. The sub-key is removed from the ring when the last of
//! them is erased.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::envelope::{self, Location, Unread};
use super::error::RecordError;
use super::person::Template;
use super::record::{erased, is_erased, read_template, write_template};
use super::sub_keys::{SubKeys, sub_keys};
use super::{GalleryError, defer_on_disk_failure};
use crate::domain::{Distance, PersonId};
use crate::seal::{Ring, SubKeyId};
use crate::store::{Bytes, Change, Entry, Store, Tree};

/// The trees' names. They are part of what the seals are bound to.
const UNKNOWN: &str = "unknown";
const GRANTED: &str = "granted";
/// The number of visits erased in one commit.
const ERASED_AT_ONCE: usize = 50;
/// How long a sub-key is used for new visits.
const SUB_KEY_SERVES: Duration = Duration::from_secs(86_400);

/// How long visits are kept, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Zero keeps nothing.
    pub span: Duration,
    pub most: usize,
}

/// An unknown person seen at a door.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// The face; `created` is when it was seen.
    pub template: Template,
    pub camera: String,
    pub door: String,
    /// The distance to the nearest person enrolled at that time; `None` if nobody was.
    pub distance: Option<Distance>,
    /// The number of the journal's record about it; `None` for a visit that usher 0.1.0 kept.
    pub record: Option<u64>,
    /// Whom the door opened for; `None` if it stayed shut.
    pub granted: Option<PersonId>,
}

/// A visit as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptVisit {
    /// Its address: nanoseconds since 1970.
    pub id: u64,
    pub visit: Visit,
}

/// The visits kept at some moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptVisits {
    /// Oldest first.
    pub visits: Vec<KeptVisit>,
    /// The number of records that cannot be read or opened. They expire like the others.
    pub unreadable: usize,
}

/// The store of visits. Open it once per store.
pub struct Visitors {
    /// The tree's name.
    name: &'static str,
    store: Store,
    tree: Tree,
    retention: Retention,
    sub_keys: SubKeys,
    /// The sub-key for new visits, and since when it is used. Held while writing.
    writer: Mutex<Option<(SubKeyId, SystemTime)>>,
    /// Whether the store's second copy still holds something that was erased.
    copy_is_behind: AtomicBool,
}

#[derive(Serialize, Deserialize)]
struct Place {
    v: u8,
    camera: String,
    door: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    distance: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    granted: Option<PersonId>,
}

impl Visitors {
    /// Opens the store of unknown visitors and, if `ring` is open, seals plain visits. Expired visits stay until [`Visitors::prune`].
    pub fn open(store: &Store, ring: &Arc<Ring>, retention: Retention) -> Result<Visitors, GalleryError> {
        Visitors::open_tree(store, ring, retention, UNKNOWN)
    }

    /// As [`Visitors::open`], the store of faces that a door was opened for.
    pub fn open_granted(store: &Store, ring: &Arc<Ring>, retention: Retention) -> Result<Visitors, GalleryError> {
        Visitors::open_tree(store, ring, retention, GRANTED)
    }

    fn open_tree(
        store: &Store,
        ring: &Arc<Ring>,
        retention: Retention,
        name: &'static str,
    ) -> Result<Visitors, GalleryError> {
        let visitors = Visitors {
            name,
            tree: store.tree(name)?,
            store: store.clone(),
            retention,
            sub_keys: SubKeys::open(store, ring)?,
            writer: Mutex::new(None),
            copy_is_behind: AtomicBool::new(false),
        };
        if ring.is_open() {
            defer_on_disk_failure(visitors.seal_plain(), "plain visits will be sealed")?;
        }
        Ok(visitors)
    }

    fn seal_plain(&self) -> Result<(), GalleryError> {
        let mut plain = Vec::new();
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            if !envelope::is_sealed(&value)
                && let Ok(visit) = read(&value)
            {
                plain.push((key, visit.template.embedding.model().clone(), value));
            }
        }
        let groups = if plain.is_empty() { BTreeMap::new() } else { BTreeMap::from([((), plain)]) };
        let (_, visits) = self.sub_keys.seal_plain(&self.tree, self.name, groups, false)?;
        if visits > 0 {
            tracing::info!(visits, "sealed visits that were stored plain");
        }
        Ok(())
    }

    /// How long visits are kept, and how many.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// Stores a visit, and erases those that are expired at `now` or exceed the limit.
    pub fn keep(&self, visit: &Visit, now: SystemTime) -> Result<(), GalleryError> {
        let mut writing = self.writing();
        if self.retention.span.is_zero() {
            return Ok(());
        }
        let mut at = nanoseconds(visit.template.created);
        while self.tree.contains_key(at.to_be_bytes())? {
            at = at.saturating_add(1);
        }
        let key = at.to_be_bytes();
        let plain = write(visit).map_err(|why| GalleryError::Damaged { key: "visit".to_owned(), why })?;
        let sub_key = self.sub_key(&mut writing, now)?;
        let place = Location { tree: self.name, key: &key };
        let value = envelope::write(&self.sub_keys.ring, sub_key, place, visit.template.embedding.model(), plain)?;
        let gone = self.expired(now, 1)?;
        self.erase(&gone, Some((self.tree.put(key, value), sub_key)))
    }

    /// The sub-key for a visit at `now`; `None` if nothing is sealed.
    fn sub_key(
        &self,
        newest: &mut Option<(SubKeyId, SystemTime)>,
        now: SystemTime,
    ) -> Result<Option<SubKeyId>, GalleryError> {
        // A clock that was set back starts a new one too.
        let serves = |since: &SystemTime| now.duration_since(*since).is_ok_and(|age| age < SUB_KEY_SERVES);
        let on_ring = |id: &SubKeyId| self.sub_keys.ring.ids().contains(id);
        if newest.as_ref().is_none_or(|(id, since)| !serves(since) || !on_ring(id)) {
            *newest = self.sub_keys.ring.add(1)?.pop().map(|id| (id, now));
        }
        Ok(newest.map(|(id, _)| id))
    }

    /// Erases the visits that are expired at `now`, and returns their number.
    pub fn prune(&self, now: SystemTime) -> Result<usize, GalleryError> {
        let _writing = self.writing();
        let gone = self.expired(now, 0)?;
        self.erase_in_batches(&gone)?;
        self.compact_if_needed();
        Ok(gone.len())
    }

    /// Erases all visits, and returns their number.
    pub fn erase_all(&self) -> Result<usize, GalleryError> {
        let _writing = self.writing();
        let all = self.tree.iter().collect::<Result<Vec<_>, _>>()?;
        self.erase_in_batches(&all)?;
        self.compact_if_needed();
        Ok(all.len())
    }

    /// Erases many visits in several commits, so that a waiting record is delayed by one commit at most.
    fn erase_in_batches(&self, gone: &[Entry]) -> Result<(), GalleryError> {
        for part in gone.chunks(ERASED_AT_ONCE) {
            let began = Instant::now();
            self.erase(part, None)?;
            self.store.yield_to_writers(began.elapsed());
        }
        Ok(())
    }

    /// The visits kept at `now`, after erasing the expired ones.
    pub fn kept(&self, now: SystemTime) -> Result<KeptVisits, GalleryError> {
        self.prune(now)?;
        let mut kept = KeptVisits::default();
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            match (id(&key), self.read(&key, &value)) {
                (Some(id), Ok(visit)) => kept.visits.push(KeptVisit { id, visit }),
                (_, why) => {
                    let why = why.err();
                    tracing::warn!(key = ?&*key, ?why, "a visitor's record cannot be read");
                    kept.unreadable += 1;
                }
            }
        }
        Ok(kept)
    }

    fn read(&self, key: &[u8], value: &[u8]) -> Result<Visit, Unread> {
        let plain = envelope::read(&self.sub_keys.ring, Location { tree: self.name, key }, value)?;
        read(&plain).map_err(Unread::Damaged)
    }

    /// The visit that the journal's record `record` is about, if it is kept at `now` and can be read.
    pub fn of_record(&self, record: u64, now: SystemTime) -> Result<Option<Visit>, GalleryError> {
        let kept = self.kept(now)?.visits.into_iter().map(|kept| kept.visit);
        Ok(kept.into_iter().find(|visit| visit.record == Some(record)))
    }

    /// Erases visits by their addresses, and returns how many of them were there.
    pub fn erase_some(&self, ids: &[u64]) -> Result<usize, GalleryError> {
        let _writing = self.writing();
        let mut found = Vec::new();
        for id in ids {
            let key = id.to_be_bytes();
            if let Some(value) = self.tree.get(key)? {
                found.push((Bytes::from(&key[..]), value));
            }
        }
        self.erase_in_batches(&found)?;
        self.compact_if_needed();
        Ok(found.len())
    }

    /// Erases the visits for which a door was opened as for `person`, and returns their number.
    pub fn erase_of(&self, person: PersonId) -> Result<usize, GalleryError> {
        let _writing = self.writing();
        let mut own = Vec::new();
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            // One that cannot be read might be theirs; those expire.
            if self.read(&key, &value).is_ok_and(|visit| visit.granted == Some(person)) {
                own.push((key, value));
            }
        }
        self.erase_in_batches(&own)?;
        self.compact_if_needed();
        Ok(own.len())
    }

    /// The visits to erase at `now` before `more` are added. Age counts in both directions, so that visits dated by a wrong clock do not stay
    /// for years.
    fn expired(&self, now: SystemTime, more: usize) -> Result<Vec<Entry>, GalleryError> {
        let now = nanoseconds(now);
        let span = u64::try_from(self.retention.span.as_nanos()).unwrap_or(u64::MAX);
        let (mut gone, mut stay) = (Vec::new(), Vec::new());
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            let at = id(&key);
            let fresh = at.is_some_and(|at| span > 0 && now.abs_diff(at) <= span) && !is_erased(&value);
            if fresh { &mut stay } else { &mut gone }.push((key, value));
        }
        let surplus = (stay.len() + more).saturating_sub(self.retention.most).min(stay.len());
        gone.extend(stay.drain(..surplus));
        Ok(gone)
    }

    /// Overwrites visits, then deletes them, so that no page of the live tree holds them. If the process is killed in between,
    /// [`Visitors::prune`] finishes it. Sub-keys that no longer seal anything are removed.
    fn erase(&self, gone: &[Entry], with: Option<(Change, Option<SubKeyId>)>) -> Result<(), GalleryError> {
        let overwritten = gone.iter().map(|(key, value)| self.tree.put(&**key, erased(value.len())));
        let mut leaving = self.leaving(gone)?;
        let mut changes: Vec<Change> = overwritten.collect();
        if let Some((new, sub_key)) = with {
            changes.push(new);
            leaving.retain(|id| Some(*id) != sub_key);
        }
        changes.extend(self.sub_keys.note_removal(&leaving));
        if !changes.is_empty() {
            self.store.commit(&changes)?;
        }
        if !leaving.is_empty() {
            self.sub_keys.settle_or_defer();
        }
        if !gone.is_empty() {
            self.copy_is_behind.store(true, Ordering::Relaxed);
            self.store.commit(&gone.iter().map(|(key, _)| self.tree.delete(&**key)).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// The sub-keys of `gone` that seal no other visit.
    fn leaving(&self, gone: &[Entry]) -> Result<Vec<SubKeyId>, GalleryError> {
        let mut leaving = sub_keys(gone.iter().map(|(_, value)| &**value));
        if leaving.is_empty() {
            return Ok(leaving);
        }
        let going: Vec<&Bytes> = gone.iter().map(|(key, _)| key).collect();
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            if !going.contains(&&key) {
                leaving.retain(|id| sub_keys([&*value]) != [*id]);
            }
        }
        Ok(leaving)
    }

    fn writing(&self) -> MutexGuard<'_, Option<(SubKeyId, SystemTime)>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compacts the store's second copy if it still holds erased visits. After a failure the next call tries again.
    fn compact_if_needed(&self) {
        if self.copy_is_behind.swap(false, Ordering::Relaxed)
            && let Err(error) = self.store.compact()
        {
            self.copy_is_behind.store(true, Ordering::Relaxed);
            tracing::warn!(%error, "the second copy of the store still holds erased visits");
        }
    }
}

/// The address of the visit stored under `key`; `None` if it is not a visit's key.
fn id(key: &[u8]) -> Option<u64> {
    <[u8; 8]>::try_from(key).ok().map(u64::from_be_bytes)
}

fn write(visit: &Visit) -> Result<Zeroizing<Vec<u8>>, RecordError> {
    let Visit { template, camera, door, distance, record, granted } = visit;
    let place = Place {
        v: 1,
        camera: camera.clone(),
        door: door.clone(),
        distance: distance.map(|d| d.0),
        record: *record,
        granted: *granted,
    };
    let place = serde_json::to_vec(&place)?;
    let template = Zeroizing::new(write_template(template));
    Ok(Zeroizing::new([&(place.len() as u32).to_le_bytes()[..], &place, &template].concat()))
}

fn read(bytes: &[u8]) -> Result<Visit, RecordError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(RecordError::Truncated)?;
    let (place, template) =
        rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(RecordError::Truncated)?;
    let Place { v, camera, door, distance, record, granted } = serde_json::from_slice(place)?;
    if v != 1 {
        return Err(RecordError::Version { found: v, known: 1 });
    }
    let template = read_template(template)?;
    Ok(Visit { template, camera, door, distance: distance.map(Distance), record, granted })
}

/// Nanoseconds since 1970. Times outside 1970 to 2554 are clamped.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
