//! How long visits are kept, how they are sealed, and what erasing them leaves behind.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;
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
        record: Some(17),
        granted: None,
    }
}

/// A wall clock that stands still.
struct WallClock(Cell<SystemTime>);

impl WallClock {
    fn wall(&self) -> SystemTime {
        self.0.get()
    }

    fn set_wall(&self, to: SystemTime) {
        self.0.set(to);
    }

    fn advance(&self, by: Duration) {
        self.0.set(self.wall() + by);
    }
}

struct Fixture {
    clock: WallClock,
    store: Store,
    visitors: Visitors,
    dir: tempfile::TempDir,
}

fn fixture(span: Duration, most: usize) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let visitors = Visitors::open(&store, &Arc::new(Ring::plain()), Retention { span, most }).unwrap();
    let clock = WallClock(Cell::new(SystemTime::UNIX_EPOCH + HOUR * 500_000));
    Fixture { clock, store, visitors, dir }
}

impl Fixture {
    fn keep(&self, number: f32) {
        let now = self.clock.wall();
        self.visitors.keep(&visit(number, now), now).unwrap();
    }

    fn kept(&self) -> Vec<Visit> {
        self.visitors.kept(self.clock.wall()).unwrap().visits.into_iter().map(|kept| kept.visit).collect()
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
    let off =
        Visitors::open(&house.store, &Arc::new(Ring::plain()), Retention { span: Duration::ZERO, most: 10 }).unwrap();
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
        let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
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
fn a_visit_is_found_by_its_record_and_erased_with_its_person() {
    let house = fixture(HOUR, 10);
    let ring = Arc::new(Ring::plain());
    let granted = Visitors::open_granted(&house.store, &ring, house.visitors.retention()).unwrap();
    let now = house.clock.wall();
    for (record, person) in [(7, 1), (8, 2), (9, 1)] {
        let visit = Visit { record: Some(record), granted: Some(PersonId(person)), ..visit(1.0, now) };
        granted.keep(&visit, now).unwrap();
    }
    assert_eq!(house.kept(), [], "the two do not mix");
    assert_eq!(granted.of_record(8, now).unwrap().unwrap().granted, Some(PersonId(2)));
    assert_eq!(granted.of_record(10, now).unwrap(), None);
    assert_eq!((granted.erase_of(PersonId(1)).unwrap(), granted.erase_of(PersonId(1)).unwrap()), (2, 0));
    assert_eq!(granted.kept(now).unwrap().visits.len(), 1);
    assert_eq!(granted.of_record(8, now + HOUR * 2).unwrap(), None, "its time is over");
}

#[test]
fn the_visits_of_usher_0_1_0_are_read() {
    let new = write(&visit(1.0, SystemTime::UNIX_EPOCH)).unwrap();
    let text = br#"{"v":1,"camera":"porch","door":"front","distance":1.25}"#;
    let length = u32::from_le_bytes(new[..4].try_into().unwrap()) as usize;
    let old = [&(text.len() as u32).to_le_bytes()[..], text, &new[4 + length..]].concat();
    assert_eq!(read(&old).unwrap(), Visit { record: None, ..visit(1.0, SystemTime::UNIX_EPOCH) });
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
