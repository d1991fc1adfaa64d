//! Properties of replicas: whatever the order of records, and however often reading is broken off, the end is the same.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::*;
use crate::domain::ModelId;

/// A holding in memory. It fails where it is told to.
#[derive(Clone, Debug, Default)]
struct Memory {
    entries: BTreeMap<Uuid, Entry>,
    people: BTreeMap<Uuid, PersonBody>,
    position: Option<Position>,
    commits: u64,
    /// How many more commits succeed.
    left: Option<u64>,
}

impl Holding for Memory {
    type Error = &'static str;

    fn entry(&self, uuid: Uuid) -> Result<Option<Entry>, &'static str> {
        Ok(self.entries.get(&uuid).cloned())
    }

    fn entries(&self) -> Result<Vec<(Uuid, Entry)>, &'static str> {
        Ok(self.entries.iter().map(|(uuid, entry)| (*uuid, entry.clone())).collect())
    }

    fn position(&self) -> Result<Option<Position>, &'static str> {
        Ok(self.position)
    }

    fn commit(&mut self, steps: &[Step<'_>], position: Option<Position>) -> Result<Vec<Taken>, &'static str> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or("the power failed")?;
        }
        self.commits += 1;
        self.position = position.or(self.position);
        Ok(steps.iter().map(|step| self.take(step)).collect())
    }
}

impl Memory {
    fn take(&mut self, step: &Step<'_>) -> Taken {
        match step {
            Step::Person { body, .. } if body.name.is_empty() => return Taken::Unfit("no name".to_owned()),
            Step::Person { uuid, before, entry, body, .. } => {
                assert_eq!(*before, self.entries.get(uuid));
                self.entries.insert(*uuid, (*entry).clone());
                self.people.insert(*uuid, (*body).clone());
            }
            Step::Same { uuid, entry } => {
                assert!(self.people.contains_key(uuid));
                self.entries.insert(*uuid, (*entry).clone());
            }
            Step::Removed { uuid, entry } => {
                self.entries.insert(*uuid, (*entry).clone());
                self.people.remove(uuid);
            }
        }
        Taken::Done { note: None }
    }
}

/// An office with its records.
struct Office {
    key: OfficeKey,
    fleet: FleetId,
    gallery: Gallery,
    model: ModelId,
    epochs: Epochs,
    newest: BTreeMap<Uuid, (u64, Signed)>,
}

impl Office {
    fn new() -> Office {
        let mut epochs = Epochs::default();
        epochs.insert(1, EpochKey::generate().unwrap());
        Office {
            key: OfficeKey::generate().unwrap(),
            fleet: FleetId::generate(),
            gallery: "berlin".parse().unwrap(),
            model: ModelId::new("net-1"),
            epochs,
            newest: BTreeMap::new(),
        }
    }

    fn reader(&self) -> Reader {
        let (gallery, model) = (self.gallery.clone(), self.model.clone());
        Reader { fleet: self.fleet, gallery, model, office: self.key.public() }
    }

    fn sign(&self, record: &PeopleRecord) -> Signed {
        self.key.sign(self.fleet, record).unwrap()
    }

    fn person(&self, uuid: Uuid, version: u64, name: &str) -> PersonRecord {
        let place = Place { fleet: self.fleet, gallery: self.gallery.clone(), uuid, model: self.model.clone() };
        let templates = vec![Zeroizing::new(vec![7; 20])];
        let body = PersonBody { name: name.to_owned(), enabled: true, templates, ..PersonBody::default() };
        let epoch = self.epochs.newest().unwrap();
        PersonRecord::seal(&place, version, &body, epoch, self.epochs.get(epoch).unwrap()).unwrap()
    }

    fn say(&mut self, uuid: Uuid, name: Option<&str>) -> (Uuid, Signed) {
        let version = self.newest.get(&uuid).map_or(1, |(version, _)| version + 1);
        let record = match name {
            Some(name) => PeopleRecord::Person(self.person(uuid, version, name)),
            None => PeopleRecord::Forgotten({
                let (gallery, model) = (self.gallery.clone(), self.model.clone());
                Tombstone { gallery, uuid, model, version }
            }),
        };
        let signed = self.sign(&record);
        self.newest.insert(uuid, (version, signed.clone()));
        (uuid, signed)
    }

    fn head(&self) -> Head {
        let mut digest = Digest::default();
        for (uuid, (version, signed)) in &self.newest {
            digest.add(*uuid, *version, &signed.hash());
        }
        Head {
            gallery: self.gallery.clone(),
            model: self.model.clone(),
            at_ms: 5,
            count: self.newest.len() as u64,
            total: 0,
            highest: 0,
            digest: digest.value(),
            epoch: 1,
            rules: BTreeMap::new(),
            beside: None,
        }
    }

    /// The newest records, as a stream that was made anew has them, in an order that depends on `seed`.
    fn stream(&self, seed: u64) -> Vec<(Uuid, Signed)> {
        let mut all: Vec<(Uuid, Signed)> =
            self.newest.iter().map(|(uuid, (_, signed))| (*uuid, signed.clone())).collect();
        all.sort_by_key(|(uuid, _)| (uuid.as_u128() as u64 + 1).wrapping_mul(seed | 1));
        all
    }
}

fn id(n: u8) -> Uuid {
    Uuid::from_u128(n.into())
}

fn incoming(at: usize, (uuid, signed): &(Uuid, Signed)) -> Incoming<'_> {
    Incoming { sequence: at as u64 + 1, uuid: *uuid, record: signed.as_bytes() }
}

/// Reads a stream from where the replica begins.
fn read(replica: &mut Replica<Memory>, birth: u64, stream: &[(Uuid, Signed)], epochs: &Epochs) {
    let from = replica.begin(Birth(birth), stream.len() as u64) as usize;
    for (at, record) in stream.iter().enumerate().skip(from - 1) {
        replica.apply(&incoming(at, record), epochs).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn records_in_any_order_repeated_and_across_births_give_one_digest(
        acts in prop::collection::vec((0u8..6, prop::option::weighted(0.7, "[a-c]{1,3}")), 1..24),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        breaks in prop::collection::vec((any::<u64>(), 0u64..8), 0..4),
        at_once in 1usize..9,
        seed: u64,
    ) {
        let mut office = Office::new();
        // Whoever was forgotten does not come back by that uuid.
        let mut gone = std::collections::HashSet::new();
        let mut say = |(n, name): &(u8, Option<String>)| {
            let name = name.as_deref().filter(|_| !gone.contains(n));
            if name.is_none() {
                gone.insert(*n);
            }
            office.say(id(*n), name)
        };
        let said: Vec<(Uuid, Signed)> = acts.iter().map(&mut say).collect();
        let head = office.head();
        let epochs = office.epochs.clone();

        // Old and new records in any order, some of them repeated.
        let mut memory = Memory::default();
        let mut replica = Replica::open(office.reader(), memory.clone()).unwrap();
        replica.begin(Birth(1), u64::MAX);
        let order: Vec<usize> = order.iter().map(|at| at.index(said.len())).collect();
        for part in order.chunks(at_once) {
            let part: Vec<Incoming<'_>> = part.iter().map(|at| incoming(*at, &said[*at])).collect();
            prop_assert_eq!(replica.apply_all(&part, &epochs).unwrap().len(), part.len());
        }
        memory.clone_from(replica.holding());

        // Streams that are made anew, and broken off by failures of the power.
        for (seed, commits) in breaks {
            memory.left = Some(commits);
            let mut replica = Replica::open(office.reader(), memory.clone()).unwrap();
            let stream = office.stream(seed);
            let from = replica.begin(Birth(seed), stream.len() as u64) as usize;
            let waiting: Vec<Incoming<'_>> =
                stream.iter().enumerate().skip(from - 1).map(|(at, record)| incoming(at, record)).collect();
            for part in waiting.chunks(at_once) {
                let before = (replica.digest(), replica.count(), replica.counts());
                if replica.apply_all(part, &epochs).is_err() {
                    prop_assert_eq!((replica.digest(), replica.count(), replica.counts()), before);
                    break;
                }
            }
            memory.clone_from(replica.holding());
        }
        memory.left = None;

        let mut replica = Replica::open(office.reader(), memory).unwrap();
        let stream = office.stream(seed);
        read(&mut replica, 7, &stream, &epochs);
        prop_assert_eq!(replica.caught_up(Some(&head)).unwrap(), Progress::Done { swept: 0 });
        prop_assert!(replica.is_whole(&head));
        let again = Replica::open(office.reader(), replica.holding().clone()).unwrap();
        prop_assert_eq!((again.digest(), again.count()), (head.digest, head.count));
        for (uuid, (_, signed)) in &office.newest {
            let opened = office.key.public().open::<PeopleRecord>(office.fleet, signed.as_bytes()).unwrap();
            let Opened::Body(record) = opened else { panic!() };
            let there = replica.holding().people.contains_key(uuid);
            prop_assert_eq!(there, matches!(record, PeopleRecord::Person(_)));
        }
    }
}

#[test]
fn reading_goes_on_where_it_was_and_repeats_change_nothing() {
    let mut office = Office::new();
    let mut stream = vec![office.say(id(1), Some("a")), office.say(id(2), Some("b"))];
    let mut replica = Replica::open(office.reader(), Memory::default()).unwrap();
    read(&mut replica, 3, &stream, &office.epochs);
    assert_eq!(replica.caught_up(None).unwrap(), Progress::Done { swept: 0 });
    let commits = replica.holding().commits;

    stream.push(office.say(id(1), None));
    let mut replica = Replica::open(office.reader(), replica.holding().clone()).unwrap();
    assert_eq!(replica.begin(Birth(3), 3), 3);
    let removed = Outcome::Changed { removed: true, note: None };
    assert_eq!(replica.apply(&incoming(2, &stream[2]), &office.epochs).unwrap(), removed);
    assert_eq!(replica.holding().position.unwrap().sequence, 3, "in the same commit");
    for at in [0, 1, 2] {
        assert_eq!(replica.apply(&incoming(at, &stream[at]), &office.epochs).unwrap(), Outcome::Older);
    }
    assert_eq!(replica.holding().commits, commits + 1);
    assert!(replica.is_whole(&office.head()) && replica.count() == 2);
    assert_eq!(replica.begin(Birth(3), 2), 1, "the stream is shorter than what was read of it");
}

#[test]
fn whoever_is_missing_from_a_new_stream_goes_once_the_office_says_so() {
    let mut office = Office::new();
    let stream = [office.say(id(1), Some("a")), office.say(id(2), Some("b")), office.say(id(3), None)];
    let mut replica = Replica::open(office.reader(), Memory::default()).unwrap();
    read(&mut replica, 1, &stream, &office.epochs);
    replica.caught_up(None).unwrap();
    let whole = office.head();

    // A server claims that the stream is new and empty.
    read(&mut replica, 2, &[], &office.epochs);
    let waits = Progress::WaitsForHead { missing: 3 };
    assert_eq!(replica.caught_up(None).unwrap(), waits);
    assert_eq!(replica.caught_up(Some(&whole)).unwrap(), waits, "the office knows them all");
    let mut elsewhere = office.head();
    elsewhere.model = ModelId::new("other");
    assert_eq!(replica.caught_up(Some(&elsewhere)).unwrap(), waits);
    assert_eq!(replica.holding().people.len(), 2);

    // The office begins anew, without two of them.
    office.newest.remove(&id(1));
    office.newest.remove(&id(3));
    let head = office.head();
    read(&mut replica, 4, &office.stream(1), &office.epochs);
    assert_eq!(replica.caught_up(Some(&whole)).unwrap(), Progress::WaitsForHead { missing: 2 });
    assert_eq!(replica.caught_up(Some(&head)).unwrap(), Progress::Done { swept: 2 });
    assert!(replica.is_whole(&head));
    assert_eq!(replica.holding().people.keys().collect::<Vec<_>>(), [&id(2)]);
    assert_eq!(replica.holding().position.map(|p| (p.birth, p.sequence)), Some((Birth(4), 1)));

    // The old record of the one who went is no older than what is held, and comes back; one of the forgotten does not.
    let back = replica.apply(&incoming(1, &stream[0]), &office.epochs).unwrap();
    assert_eq!(back, Outcome::Changed { removed: false, note: None });
    let older = office.person(id(3), 0, "c");
    let older = (id(3), office.sign(&PeopleRecord::Person(older)));
    assert_eq!(replica.apply(&incoming(2, &older), &office.epochs).unwrap(), Outcome::Older);
}

#[test]
fn a_record_waits_for_the_key_of_its_epoch_and_the_position_stays_before_it() {
    let mut office = Office::new();
    let old = office.epochs.clone();
    let mut stream = vec![office.say(id(1), Some("a"))];
    office.epochs.insert(2, EpochKey::generate().unwrap());
    stream.push(office.say(id(2), Some("b")));
    stream.push(office.say(id(3), None));
    let mut replica = Replica::open(office.reader(), Memory::default()).unwrap();
    read(&mut replica, 1, &stream[..1], &old);
    replica.caught_up(None).unwrap();
    replica.begin(Birth(1), 3);
    assert_eq!(replica.apply(&incoming(1, &stream[1]), &old).unwrap(), Outcome::Waits { epoch: 2 });
    let gone = replica.apply(&incoming(2, &stream[2]), &old).unwrap();
    assert_eq!(gone, Outcome::Changed { removed: true, note: None }, "nobody waits to be forgotten");
    assert_eq!(replica.caught_up(None).unwrap(), Progress::WaitsForKey);
    assert_eq!(replica.holding().position.unwrap().sequence, 1);
    assert_eq!(replica.begin(Birth(1), 3), 2);
    read(&mut replica, 1, &stream, &office.epochs);
    assert_eq!(replica.caught_up(None).unwrap(), Progress::Done { swept: 0 });
    assert!(replica.is_whole(&office.head()));

    // Once the key of an epoch is destroyed, its records are refused.
    let late = (id(9), office.sign(&PeopleRecord::Person(office.person(id(9), 1, "late"))));
    office.epochs.insert(3, EpochKey::generate().unwrap());
    office.epochs.destroy_before(3);
    let refused = replica.apply(&incoming(9, &late), &office.epochs).unwrap();
    assert_eq!(refused, Outcome::Refused(Why::EpochGone(2)));
}

#[test]
fn a_new_epoch_says_nothing_new_about_anybody() {
    let mut office = Office::new();
    let (uuid, _) = office.say(id(1), Some("a"));
    let mut replica = Replica::open(office.reader(), Memory::default()).unwrap();
    let record = office.person(uuid, 2, "a");
    let first = (uuid, office.sign(&PeopleRecord::Person(record.clone())));
    replica.begin(Birth(1), 1);
    replica.apply(&incoming(0, &first), &office.epochs).unwrap();
    office.epochs.insert(2, EpochKey::generate().unwrap());
    let [old, new] = [1, 2].map(|epoch| office.epochs.get(epoch).unwrap());
    let wrapped = record.rewrap(office.fleet, old, new, 2, 3).unwrap();
    let second = (uuid, office.sign(&PeopleRecord::Person(wrapped)));
    // Not even the key is needed.
    assert_eq!(replica.apply(&incoming(1, &second), &Epochs::default()).unwrap(), Outcome::Same);
    assert_eq!(replica.holding().entries.get(&uuid).unwrap().version, 3);
    assert_eq!(replica.counts(), Counts { changed: 1, same: 1, ..Counts::default() });
}

#[test]
fn what_is_not_the_offices_word_about_this_person_of_this_gallery_is_refused() {
    let office = Office::new();
    let sign = |record: PersonRecord| office.sign(&PeopleRecord::Person(record));
    let record = office.person(id(1), 1, "a");
    let mut other_office = Office::new();
    (other_office.fleet, other_office.epochs) = (office.fleet, office.epochs.clone());
    let forged = other_office.sign(&PeopleRecord::Person(record.clone()));
    let mut altered = sign(record.clone()).as_bytes().to_vec();
    *altered.last_mut().unwrap() ^= 1;
    let paris: Gallery = "paris".parse().unwrap();
    let elsewhere = PersonRecord { gallery: paris.clone(), ..record.clone() };
    let foreign = PersonRecord { model: ModelId::new("net-2"), ..record.clone() };
    let moved = PersonRecord { uuid: id(2), ..record.clone() };
    let cases: Vec<(Uuid, Vec<u8>, Why)> = vec![
        (id(1), forged.into(), Why::Record(Refusal::BadSignature)),
        (id(1), altered, Why::Record(Refusal::BadSignature)),
        (id(1), b"garbage".to_vec(), Why::Record(Refusal::NotARecord)),
        (id(2), sign(record.clone()).into(), Why::OtherPerson),
        (id(1), sign(elsewhere).into(), Why::OtherGallery(paris)),
        (id(1), sign(foreign).into(), Why::OtherModel(ModelId::new("net-2"))),
        (id(2), sign(moved).into(), Why::Sealed(SealedError::Broken)),
        (id(1), sign(office.person(id(1), 1, "")).into(), Why::Unfit("no name".to_owned())),
    ];
    let mut replica = Replica::open(office.reader(), Memory::default()).unwrap();
    replica.begin(Birth(1), 9);
    for (at, (uuid, record, why)) in cases.iter().enumerate() {
        let incoming = Incoming { sequence: at as u64 + 1, uuid: *uuid, record };
        assert_eq!(replica.apply(&incoming, &office.epochs).unwrap(), Outcome::Refused(why.clone()), "{at}");
    }
    assert!(replica.holding().entries.is_empty() && replica.count() == 0);
    assert_eq!(replica.counts().refused, cases.len() as u64);
    assert_eq!(replica.caught_up(None).unwrap(), Progress::Done { swept: 0 });
    assert_eq!(replica.holding().position.unwrap().sequence, cases.len() as u64, "they are not read again");
}

#[test]
fn a_failure_changes_nothing_and_the_same_record_succeeds_later() {
    let mut office = Office::new();
    let one = office.say(id(1), Some("a"));
    let memory = Memory { left: Some(0), ..Memory::default() };
    let mut replica = Replica::open(office.reader(), memory).unwrap();
    replica.begin(Birth(1), 1);
    assert_eq!(replica.apply(&incoming(0, &one), &office.epochs), Err("the power failed"));
    assert_eq!((replica.count(), replica.digest()), (0, Digest::default().value()));
    let mut memory = replica.holding().clone();
    memory.left = None;
    let mut replica = Replica::open(office.reader(), memory).unwrap();
    read(&mut replica, 1, &[one], &office.epochs);
    assert!(replica.is_whole(&office.head()));
}

#[test]
fn a_part_is_one_commit_and_its_position_stays_before_what_waits() {
    let mut office = Office::new();
    let old = office.epochs.clone();
    let mut stream = vec![office.say(id(1), Some("a")), office.say(id(2), Some("")), office.say(id(3), Some("c"))];
    stream.push(office.say(id(1), Some("twice")));
    office.epochs.insert(2, EpochKey::generate().unwrap());
    stream.push(office.say(id(4), Some("later")));
    stream.push(office.say(id(5), None));
    let part: Vec<Incoming<'_>> = stream.iter().enumerate().map(|(at, record)| incoming(at, record)).collect();
    let mut replica = Replica::open(office.reader(), Memory::default()).unwrap();
    replica.begin(Birth(1), 0);
    replica.caught_up(None).unwrap();
    let commits = replica.holding().commits;
    let changed = |removed| Outcome::Changed { removed, note: None };
    let wanted = [
        changed(false),
        Outcome::Refused(Why::Unfit("no name".to_owned())),
        changed(false),
        changed(false),
        Outcome::Waits { epoch: 2 },
        changed(true),
    ];
    assert_eq!(replica.apply_all(&part, &old).unwrap(), wanted);
    assert_eq!(replica.holding().commits, commits + 2, "somebody is in it twice");
    assert_eq!(replica.holding().position.unwrap().sequence, 4);
    assert_eq!(replica.counts(), Counts { changed: 4, refused: 1, ..Counts::default() });
    assert_eq!(replica.holding().people[&id(1)].name, "twice");
}

#[test]
fn what_was_withheld_is_had_by_reading_anew_and_nobody_goes() {
    let mut office = Office::new();
    let stream = [office.say(id(1), Some("a")), office.say(id(2), Some("b")), office.say(id(3), None)];
    let head = office.head();
    let mut replica = Replica::open(office.reader(), Memory::default()).unwrap();
    replica.read_anew();
    assert_eq!(replica.begin(Birth(1), 3), 1);
    // The server keeps the second one back, and the position passes it.
    for at in [0, 2] {
        replica.apply(&incoming(at, &stream[at]), &office.epochs).unwrap();
    }
    assert_eq!(replica.caught_up(Some(&head)).unwrap(), Progress::Done { swept: 0 });
    assert_eq!((replica.is_whole(&head), replica.begin(Birth(1), 3)), (false, 4));
    replica.read_anew();
    assert_eq!(replica.begin(Birth(1), 3), 1);
    let from = replica.holding().position;
    let part: Vec<Incoming<'_>> = stream.iter().enumerate().map(|(at, record)| incoming(at, record)).collect();
    replica.apply_all(&part, &office.epochs).unwrap();
    assert_eq!(replica.holding().position, from, "it is read from the beginning again after a kill");
    assert_eq!(replica.caught_up(Some(&head)).unwrap(), Progress::Done { swept: 0 });
    assert!(replica.is_whole(&head));
    assert_eq!((replica.begin(Birth(1), 3), replica.holding().people.len()), (4, 2));
    // While it reads anew, it hides more: nobody goes for that.
    replica.read_anew();
    replica.begin(Birth(1), 3);
    replica.apply(&incoming(0, &stream[0]), &office.epochs).unwrap();
    assert_eq!(replica.caught_up(Some(&head)).unwrap(), Progress::WaitsForHead { missing: 2 });
    assert!(replica.is_whole(&head));
}
