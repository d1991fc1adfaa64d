//! Visitors whom nobody knew: their embeddings in a tree of the store, for a limited time and up to a limited number.
//!
//! Knows nothing of who is enrolled, and nothing of how visitors are grouped. Never a photograph.
//!
//! | key | value |
//! |---|---|
//! | when: nanoseconds since 1970, 8 bytes | length of the JSON 4 bytes, JSON of where it was, the template as in `record` |
//!
//! Where there is a key the value is sealed, with a sub-key for the visitors of a day. It is taken off the ring when the last of them is
//! erased.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use sled::IVec;
use zeroize::Zeroizing;

use super::person::Template;
use super::record::{erased, is_erased, read_template, write_template};
use super::sealed::{self, Location, Unread};
use super::seals::{Seals, sub_keys};
use super::{GalleryError, later_if_need_be};
use crate::domain::Distance;
use crate::seal::{Ring, SubKeyId};
use crate::store::{Change, Entry, Store, Tree};

/// The tree's name, by which the seals are bound.
const UNKNOWN: &str = "unknown";
/// Visits that are erased in one commit when many are.
const ERASED_AT_ONCE: usize = 50;
/// A sub-key serves the visitors of so long.
const SUB_KEY_SERVES: Duration = Duration::from_secs(86_400);

/// How long and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Zero: nothing is kept.
    pub span: Duration,
    pub most: usize,
}

/// Somebody whom nobody knew, before a door.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// The face; `created` is when it was seen.
    pub template: Template,
    pub camera: String,
    pub door: String,
    /// To the nearest person enrolled at that time; `None` when nobody was.
    pub distance: Option<Distance>,
}

/// What is kept now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// Oldest first.
    pub visits: Vec<Visit>,
    /// Records that cannot be read, or not be opened; they expire like the others.
    pub unreadable: usize,
}

/// The visitors. Open it once for a store.
pub struct Visitors {
    store: Store,
    tree: Tree,
    keeping: Keeping,
    seals: Seals,
    /// Held by whoever writes: the sub-key for new visits, and since when.
    writer: Mutex<Option<(SubKeyId, SystemTime)>>,
    /// Something was deleted that the store's second copy still holds.
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
    /// Seals what lies plain when `ring` is open, and reads nothing else yet; [`Visitors::prune`] erases what is over.
    pub fn open(store: &Store, ring: &Arc<Ring>, keeping: Keeping) -> Result<Visitors, GalleryError> {
        let visitors = Visitors {
            tree: store.tree(UNKNOWN)?,
            store: store.clone(),
            keeping,
            seals: Seals::open(store, ring)?,
            writer: Mutex::new(None),
            copy_is_behind: AtomicBool::new(false),
        };
        if ring.is_open() {
            later_if_need_be(visitors.seal_plain(), "visitors that lie plain are sealed")?;
        }
        Ok(visitors)
    }

    fn seal_plain(&self) -> Result<(), GalleryError> {
        let mut plain = Vec::new();
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            if !sealed::is_sealed(&value)
                && let Ok(visit) = read(&value)
            {
                plain.push((key, visit.template.embedding.model().clone(), value));
            }
        }
        let groups = if plain.is_empty() { BTreeMap::new() } else { BTreeMap::from([((), plain)]) };
        let (_, visits) = self.seals.seal_plain(&self.tree, UNKNOWN, groups, false)?;
        if visits > 0 {
            tracing::info!(visits, "unknown visitors that lay plain are sealed");
        }
        Ok(())
    }

    /// How long and how many.
    pub fn keeping(&self) -> Keeping {
        self.keeping
    }

    /// Keeps a visit, and erases what is too old at `now` or one too many by it.
    pub fn keep(&self, visit: &Visit, now: SystemTime) -> Result<(), GalleryError> {
        let mut writing = self.writing();
        if self.keeping.span.is_zero() {
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
        let value = sealed::write(&self.seals.ring, sub_key, place, visit.template.embedding.model(), plain)?;
        let gone = self.over(now, 1)?;
        self.erase(&gone, Some((self.tree.put(key, value), sub_key)))
    }

    /// The sub-key for a visit at `now`; `None` where nothing is sealed.
    fn sub_key(
        &self,
        newest: &mut Option<(SubKeyId, SystemTime)>,
        now: SystemTime,
    ) -> Result<Option<SubKeyId>, GalleryError> {
        // A clock that was set back begins a new one, too.
        let serves = |since: &SystemTime| now.duration_since(*since).is_ok_and(|age| age < SUB_KEY_SERVES);
        let on_ring = |id: &SubKeyId| self.seals.ring.ids().contains(id);
        if newest.as_ref().is_none_or(|(id, since)| !serves(since) || !on_ring(id)) {
            *newest = self.seals.ring.add(1)?.pop().map(|id| (id, now));
        }
        Ok(newest.map(|(id, _)| id))
    }

    /// Erases what is too old at `now`; how many those were.
    pub fn prune(&self, now: SystemTime) -> Result<usize, GalleryError> {
        let _writing = self.writing();
        let gone = self.over(now, 0)?;
        self.erase_calmly(&gone)?;
        self.follow_up();
        Ok(gone.len())
    }

    /// Erases all; how many those were.
    pub fn forget(&self) -> Result<usize, GalleryError> {
        let _writing = self.writing();
        let all = self.tree.iter().collect::<Result<Vec<_>, _>>()?;
        self.erase_calmly(&all)?;
        self.follow_up();
        Ok(all.len())
    }

    /// Erases many, some at a time: a record that has to be written meanwhile waits for one commit at most.
    fn erase_calmly(&self, gone: &[Entry]) -> Result<(), GalleryError> {
        for part in gone.chunks(ERASED_AT_ONCE) {
            let began = Instant::now();
            self.erase(part, None)?;
            self.store.pause_after(began.elapsed());
        }
        Ok(())
    }

    /// What is kept at `now`; what is too old is erased first.
    pub fn kept(&self, now: SystemTime) -> Result<Kept, GalleryError> {
        self.prune(now)?;
        let mut kept = Kept::default();
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            let place = Location { tree: UNKNOWN, key: &key };
            let plain = sealed::read(&self.seals.ring, place, &value);
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

    /// What has no place any more when `more` are to come. The age counts in both directions, so that what
    /// was written by a clock that was wrong does not stay for years.
    fn over(&self, now: SystemTime, more: usize) -> Result<Vec<Entry>, GalleryError> {
        let now = nanoseconds(now);
        let span = u64::try_from(self.keeping.span.as_nanos()).unwrap_or(u64::MAX);
        let (mut gone, mut stay) = (Vec::new(), Vec::new());
        for entry in self.tree.iter() {
            let (key, value) = entry?;
            let at = <[u8; 8]>::try_from(&*key).ok().map(u64::from_be_bytes);
            let fresh = at.is_some_and(|at| span > 0 && now.abs_diff(at) <= span) && !is_erased(&value);
            if fresh { &mut stay } else { &mut gone }.push((key, value));
        }
        let surplus = (stay.len() + more).saturating_sub(self.keeping.most).min(stay.len());
        gone.extend(stay.drain(..surplus));
        Ok(gone)
    }

    /// Writes over what is gone, and deletes it then, so that no page of the live tree holds it. Killed in between, the next
    /// [`Visitors::prune`] sweeps up. Sub-keys that seal nothing any more are taken off the ring.
    fn erase(&self, gone: &[Entry], with: Option<(Change, Option<SubKeyId>)>) -> Result<(), GalleryError> {
        let over = gone.iter().map(|(key, value)| self.tree.put(&**key, erased(value.len())));
        let mut leaving = self.leaving(gone)?;
        let mut changes: Vec<Change> = over.collect();
        if let Some((new, sub_key)) = with {
            changes.push(new);
            leaving.retain(|id| Some(*id) != sub_key);
        }
        changes.extend(self.seals.taking_off(&leaving));
        if !changes.is_empty() {
            self.store.commit(&changes)?;
        }
        if !leaving.is_empty() {
            self.seals.settle_later_if_need_be();
        }
        if !gone.is_empty() {
            self.copy_is_behind.store(true, Ordering::Relaxed);
            self.store.commit(&gone.iter().map(|(key, _)| self.tree.delete(&**key)).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// The sub-keys of `gone` that no other visit is sealed with.
    fn leaving(&self, gone: &[Entry]) -> Result<Vec<SubKeyId>, GalleryError> {
        let mut leaving = sub_keys(gone.iter().map(|(_, value)| &**value));
        if leaving.is_empty() {
            return Ok(leaving);
        }
        let going: Vec<&IVec> = gone.iter().map(|(key, _)| key).collect();
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

    /// Writes the store's second copy anew when it still holds what was erased. It is done again by the next call when it fails.
    fn follow_up(&self) {
        if self.copy_is_behind.swap(false, Ordering::Relaxed)
            && let Err(error) = self.store.compact()
        {
            self.copy_is_behind.store(true, Ordering::Relaxed);
            tracing::warn!(%error, "the second copy of the store still holds visitors that were erased");
        }
    }
}

fn write(visit: &Visit) -> Result<Zeroizing<Vec<u8>>, String> {
    let Visit { template, camera, door, distance } = visit;
    let place = Place { v: 1, camera: camera.clone(), door: door.clone(), distance: distance.map(|d| d.0) };
    let place = serde_json::to_vec(&place).map_err(|error| error.to_string())?;
    let template = Zeroizing::new(write_template(template));
    Ok(Zeroizing::new([&(place.len() as u32).to_le_bytes()[..], &place, &template].concat()))
}

fn read(bytes: &[u8]) -> Result<Visit, String> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or("it is cut short")?;
    let (place, template) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or("it is cut short")?;
    let Place { v, camera, door, distance } = serde_json::from_slice(place).map_err(|error| error.to_string())?;
    if v != 1 {
        return Err(format!("it is of version {v}, and this usher knows version 1"));
    }
    Ok(Visit { template: read_template(template)?, camera, door, distance: distance.map(Distance) })
}

/// Since 1970; clocks outside of 1970 to 2554 are moved to the nearer end.
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
        let visitors = Visitors::open(&store, &Arc::new(Ring::plain()), Keeping { span, most }).unwrap();
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
    fn a_visit_comes_back_until_its_time_is_over() {
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
        // A write erases as well.
        house.clock.advance(HOUR);
        house.keep(3.0);
        assert_eq!(house.visitors.prune(house.clock.wall()).unwrap(), 0);
        assert_eq!(house.kept(), [visit(3.0, house.clock.wall())]);
    }

    #[test]
    fn a_clock_that_was_wrong_does_not_keep_them_for_years() {
        let house = fixture(HOUR, 10);
        house.keep(1.0);
        house.clock.set_wall(house.clock.wall() - HOUR / 2);
        assert_eq!(house.kept().len(), 1);
        house.clock.set_wall(house.clock.wall() - HOUR);
        assert_eq!(house.kept(), []);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let house = fixture(HOUR, 2);
        for number in [1.0, 2.0, 3.0] {
            // All at one moment: none takes another's place.
            house.keep(number);
        }
        let at = house.clock.wall();
        assert_eq!(house.kept(), [visit(2.0, at), visit(3.0, at)]);
    }

    #[test]
    fn nothing_is_kept_when_it_is_off_and_what_was_kept_goes() {
        let house = fixture(HOUR, 10);
        house.keep(1.0);
        let off =
            Visitors::open(&house.store, &Arc::new(Ring::plain()), Keeping { span: Duration::ZERO, most: 10 }).unwrap();
        assert_eq!(off.prune(house.clock.wall()).unwrap(), 1);
        off.keep(&visit(2.0, house.clock.wall()), house.clock.wall()).unwrap();
        assert_eq!(house.tree_len(), 0);
    }

    #[test]
    fn what_is_forgotten_leaves_the_tree_and_the_second_copy() {
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
        assert_eq!(house.visitors.forget().unwrap(), 2);
        assert_eq!((house.kept(), house.tree_len()), (vec![], 0));
        assert_eq!(holding(house.dir.path()), 0);
    }

    #[test]
    fn visits_are_sealed_with_a_sub_key_a_day_which_goes_with_the_last_of_them() {
        let house = fixture(HOUR * 48, 10);
        house.keep(1.0);
        let ring = Arc::new(Ring::open(house.dir.path(), StoreKey::generate().map(Some)));
        let sealed = Visitors::open(&house.store, &ring, house.visitors.keeping()).unwrap();
        let all_sealed = || house.visitors.tree.iter().all(|entry| sealed::is_sealed(&entry.unwrap().1));
        assert!(all_sealed(), "what lay plain is sealed when there is a key");
        for hour in 0..3u8 {
            let now = house.clock.wall();
            sealed.keep(&visit(2.0 + f32::from(hour), now), now).unwrap();
            house.clock.advance(HOUR * 16);
        }
        assert!(all_sealed());
        assert_eq!(sealed.kept(house.clock.wall()).unwrap().visits.len(), 4);
        // One for what lay plain, one for each of two days.
        assert_eq!(ring.ids().len(), 3);
        let plain = Visitors::open(&house.store, &Arc::new(Ring::plain()), house.visitors.keeping()).unwrap();
        assert_eq!(plain.kept(house.clock.wall()).unwrap().unreadable, 4);
        house.clock.advance(HOUR * 17);
        assert_eq!(sealed.prune(house.clock.wall()).unwrap(), 3);
        assert_eq!((ring.ids().len(), sealed.kept(house.clock.wall()).unwrap().visits.len()), (1, 1));
        assert_eq!(sealed.forget().unwrap(), 1);
        assert_eq!(ring.ids(), []);
    }

    #[test]
    fn a_record_that_cannot_be_read_is_counted_and_expires() {
        let house = fixture(HOUR, 10);
        house.keep(1.0);
        let key = (nanoseconds(house.clock.wall()) + 5).to_be_bytes();
        let torn = [house.visitors.tree.put(key, *b"torn"), house.visitors.tree.put(*b"odd", *b"key")];
        house.store.commit(&torn).unwrap();
        let kept = house.visitors.kept(house.clock.wall()).unwrap();
        assert_eq!((kept.visits.len(), kept.unreadable), (1, 1));
        house.clock.advance(HOUR * 2);
        assert_eq!(house.visitors.kept(house.clock.wall()).unwrap(), Kept::default());
        assert_eq!(house.tree_len(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_visit_or_a_reason(bytes: Vec<u8>, cut in 0usize..200) {
            let _ = read(&bytes);
            let whole = write(&visit(1.0, SystemTime::UNIX_EPOCH)).unwrap();
            prop_assert_eq!(read(&whole).unwrap(), visit(1.0, SystemTime::UNIX_EPOCH));
            let cut = cut.min(whole.len());
            let shorter = read(&whole[..cut]);
            prop_assert!(shorter.as_ref().map_or(true, |found| *found != visit(1.0, SystemTime::UNIX_EPOCH)) || cut == whole.len());
        }
    }
}
