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
use crate::domain::Distance;
use crate::seal::{Ring, SubKeyId};
use crate::store::{Bytes, Change, Entry, Store, Tree};

/// The tree's name. It is part of what the seals are bound to.
const UNKNOWN: &str = "unknown";
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
}

/// The visits kept at some moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptVisits {
    /// Oldest first.
    pub visits: Vec<Visit>,
    /// The number of records that cannot be read or opened. They expire like the others.
    pub unreadable: usize,
}

/// The store of visits. Open it once per store.
pub struct Visitors {
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
}

impl Visitors {
    /// Opens the tree and, if `ring` is open, seals plain visits. Expired visits stay until [`Visitors::prune`].
    pub fn open(store: &Store, ring: &Arc<Ring>, retention: Retention) -> Result<Visitors, GalleryError> {
        let visitors = Visitors {
            tree: store.tree(UNKNOWN)?,
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
        let (_, visits) = self.sub_keys.seal_plain(&self.tree, UNKNOWN, groups, false)?;
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
        let place = Location { tree: UNKNOWN, key: &key };
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
            let place = Location { tree: UNKNOWN, key: &key };
            let plain = envelope::read(&self.sub_keys.ring, place, &value);
            match plain.and_then(|plain| read(&plain).map_err(Unread::Damaged)) {
                Ok(visit) => kept.visits.push(visit),
                Err(why) => {
                    tracing::warn!(key = ?&*key, ?why, "a visitor's record cannot be read");
                    kept.unreadable += 1;
                }
            }
        }
        Ok(kept)
    }

    /// The visits to erase at `now` before `more` are added. Age counts in both directions, so that visits dated by a wrong clock do not stay
    /// for years.
    fn expired(&self, now: SystemTime, more: usize) -> Result<Vec<Entry>, GalleryError> {
        let now = nanoseconds(now);
        let span = u64::try_from(self.retention.span.as_nanos()).unwrap_or(u64::MAX);
        let (mut gone, mut stay) = (Vec::new(), Vec::new());
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            let at = <[u8; 8]>::try_from(&*key).ok().map(u64::from_be_bytes);
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

fn write(visit: &Visit) -> Result<Zeroizing<Vec<u8>>, RecordError> {
    let Visit { template, camera, door, distance } = visit;
    let place = Place { v: 1, camera: camera.clone(), door: door.clone(), distance: distance.map(|d| d.0) };
    let place = serde_json::to_vec(&place)?;
    let template = Zeroizing::new(write_template(template));
    Ok(Zeroizing::new([&(place.len() as u32).to_le_bytes()[..], &place, &template].concat()))
}

fn read(bytes: &[u8]) -> Result<Visit, RecordError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(RecordError::Truncated)?;
    let (place, template) =
        rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or(RecordError::Truncated)?;
    let Place { v, camera, door, distance } = serde_json::from_slice(place)?;
    if v != 1 {
        return Err(RecordError::Version { found: v, known: 1 });
    }
    Ok(Visit { template: read_template(template)?, camera, door, distance: distance.map(Distance) })
}

/// Nanoseconds since 1970. Times outside 1970 to 2554 are clamped.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::{Clock, SimulatedClock};
    use crate::domain::{Embedding, ModelId, Quality};
    use crate::seal::StoreKey;

    const HOUR: Duration = Duration::from_secs(3600);

    fn visit(number: f32, at: SystemTime) -> Visit {
        let embedding = Embedding::normalised(ModelId::new("net-1"), Box::new([number, 1.0])).unwrap();
        Visit {
            template: Template { embedding, quality: Quality::default(), created: at },
            camera: "porch".into(),
            door: "front".into(),
            distance: Some(Distance(1.25)),
        }
    }

    struct Fixture {
        clock: SimulatedClock,
        store: Store,
        visitors: Visitors,
        dir: tempfile::TempDir,
    }

    fn fixture(span: Duration, most: usize) -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let visitors = Visitors::open(&store, &Arc::new(Ring::plain()), Retention { span, most }).unwrap();
        let clock = SimulatedClock::new(SystemTime::UNIX_EPOCH + HOUR * 500_000);
        Fixture { clock, store, visitors, dir }
    }

    impl Fixture {
        fn keep(&self, number: f32) {
            let now = self.clock.wall();
            self.visitors.keep(&visit(number, now), now).unwrap();
        }

        fn kept(&self) -> Vec<Visit> {
            self.visitors.kept(self.clock.wall()).unwrap().visits
        }

        fn tree_len(&self) -> usize {
            self.visitors.tree.iter().count()
        }
    }

    #[test]
    fn a_visit_is_kept_until_it_expires() {
        let house = fixture(HOUR, 10);
        house.keep(1.0);
        let first = visit(1.0, house.clock.wall());
        house.clock.advance(HOUR / 2);
        house.keep(2.0);
        assert_eq!(house.kept(), [first, visit(2.0, house.clock.wall())]);
        house.clock.advance(HOUR / 2);
        assert_eq!(house.kept().len(), 2, "an hour is not more than an hour");
        house.clock.advance(Duration::from_nanos(1));
        assert_eq!(house.visitors.prune(house.clock.wall()).unwrap(), 1);
        assert_eq!(house.kept().len(), 1);
        // Storing a visit erases expired ones too.
        house.clock.advance(HOUR);
        house.keep(3.0);
        assert_eq!(house.visitors.prune(house.clock.wall()).unwrap(), 0);
        assert_eq!(house.kept(), [visit(3.0, house.clock.wall())]);
    }

    #[test]
    fn visits_dated_by_a_wrong_clock_expire() {
        let house = fixture(HOUR, 10);
        house.keep(1.0);
        house.clock.set_wall(house.clock.wall() - HOUR / 2);
        assert_eq!(house.kept().len(), 1);
        house.clock.set_wall(house.clock.wall() - HOUR);
        assert_eq!(house.kept(), []);
    }

    #[test]
    fn the_oldest_visit_is_erased_when_there_are_too_many() {
        let house = fixture(HOUR, 2);
        for number in [1.0, 2.0, 3.0] {
            // All at the same moment: none replaces another.
            house.keep(number);
        }
        let at = house.clock.wall();
        assert_eq!(house.kept(), [visit(2.0, at), visit(3.0, at)]);
    }

    #[test]
    fn a_retention_of_zero_keeps_nothing_and_erases_what_was_kept() {
        let house = fixture(HOUR, 10);
        house.keep(1.0);
        let off = Visitors::open(&house.store, &Arc::new(Ring::plain()), Retention { span: Duration::ZERO, most: 10 })
            .unwrap();
        assert_eq!(off.prune(house.clock.wall()).unwrap(), 1);
        off.keep(&visit(2.0, house.clock.wall()), house.clock.wall()).unwrap();
        assert_eq!(house.tree_len(), 0);
    }

    #[test]
    fn erased_visits_leave_the_tree_and_the_second_copy() {
        let house = fixture(HOUR, 10);
        house.keep(1.0);
        house.keep(2.0);
        let needle = b"\"camera\":\"porch\"";
        let holding = |dir: &std::path::Path| {
            let files =
                std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
            files.filter(|path| std::fs::read(path).unwrap().windows(needle.len()).any(|w| w == needle)).count()
        };
        assert!(holding(house.dir.path()) > 0);
        assert_eq!(house.visitors.erase_all().unwrap(), 2);
        assert_eq!((house.kept(), house.tree_len()), (vec![], 0));
        assert_eq!(holding(house.dir.path()), 0);
    }

    #[test]
    fn each_days_visits_share_a_sub_key_that_is_removed_with_the_last_of_them() {
        let house = fixture(HOUR * 48, 10);
        house.keep(1.0);
        let ring = Arc::new(Ring::open(house.dir.path(), StoreKey::generate().map(Some)));
        let sealed = Visitors::open(&house.store, &ring, house.visitors.retention()).unwrap();
        let all_sealed = || house.visitors.tree.iter().all(|entry| envelope::is_sealed(&entry.unwrap().1));
        assert!(all_sealed(), "plain visits are sealed once there is a key");
        for hour in 0..3u8 {
            let now = house.clock.wall();
            sealed.keep(&visit(2.0 + f32::from(hour), now), now).unwrap();
            house.clock.advance(HOUR * 16);
        }
        assert!(all_sealed());
        assert_eq!(sealed.kept(house.clock.wall()).unwrap().visits.len(), 4);
        // One for the plain visit, one for each of two days.
        assert_eq!(ring.ids().len(), 3);
        let plain = Visitors::open(&house.store, &Arc::new(Ring::plain()), house.visitors.retention()).unwrap();
        assert_eq!(plain.kept(house.clock.wall()).unwrap().unreadable, 4);
        house.clock.advance(HOUR * 17);
        assert_eq!(sealed.prune(house.clock.wall()).unwrap(), 3);
        assert_eq!((ring.ids().len(), sealed.kept(house.clock.wall()).unwrap().visits.len()), (1, 1));
        assert_eq!(sealed.erase_all().unwrap(), 1);
        assert_eq!(ring.ids(), []);
    }

    #[test]
    fn an_unreadable_visit_is_counted_and_expires() {
        let house = fixture(HOUR, 10);
        house.keep(1.0);
        let key = (nanoseconds(house.clock.wall()) + 5).to_be_bytes();
        let torn = [house.visitors.tree.put(key, *b"torn"), house.visitors.tree.put(*b"odd", *b"key")];
        house.store.commit(&torn).unwrap();
        let kept = house.visitors.kept(house.clock.wall()).unwrap();
        assert_eq!((kept.visits.len(), kept.unreadable), (1, 1));
        house.clock.advance(HOUR * 2);
        assert_eq!(house.visitors.kept(house.clock.wall()).unwrap(), KeptVisits::default());
        assert_eq!(house.tree_len(), 0);
    }

    proptest! {
        #[test]
        fn reading_any_bytes_never_panics(bytes: Vec<u8>, cut in 0usize..200) {
            let _ = read(&bytes);
            let whole = write(&visit(1.0, SystemTime::UNIX_EPOCH)).unwrap();
            prop_assert_eq!(read(&whole).unwrap(), visit(1.0, SystemTime::UNIX_EPOCH));
            let cut = cut.min(whole.len());
            let shorter = read(&whole[..cut]);
            prop_assert!(shorter.as_ref().map_or(true, |found| *found != visit(1.0, SystemTime::UNIX_EPOCH)) || cut == whole.len());
        }
    }
}
