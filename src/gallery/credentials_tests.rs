//! Tests of PINs and tags in the store: set, checked, sealed, erased, and read again.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::record::person_key;
use super::*;
use crate::domain::{Pin, Quality, TagNumber};
use crate::seal::StoreKey;

fn pin(text: &str) -> Pin {
    text.parse().unwrap()
}

fn tag(text: &str) -> TagNumber {
    text.parse().unwrap()
}

struct House {
    _dir: tempfile::TempDir,
    store: Store,
    ring: Arc<Ring>,
    gallery: Gallery,
}

impl House {
    fn new(key: Option<&StoreKey>) -> House {
        let dir = tempfile::tempdir().unwrap();
        let (store, ring, gallery) = open(dir.path(), key);
        House { _dir: dir, store, ring, gallery }
    }

    fn sealed() -> House {
        House::new(Some(&StoreKey::generate().unwrap()))
    }

    fn enrol(&self, name: &str) -> PersonId {
        let embedding = Embedding::normalised(ModelId::new("net"), Box::new([1.0, 0.5])).unwrap();
        let template = Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH };
        let person = NewPerson { name: name.into(), ..NewPerson::default() };
        self.gallery.enroll(person, vec![template]).unwrap().id
    }

    fn set(&self, id: PersonId, kind: PinKind, text: &str) -> Result<Person, GalleryError> {
        self.gallery.prepare_pin(id, kind, &pin(text))?.commit()
    }

    fn refused(&self, id: PersonId, kind: PinKind, text: &str) -> CredentialError {
        match self.set(id, kind, text).unwrap_err() {
            GalleryError::Credential(error) => error,
            other => panic!("{other}"),
        }
    }

    fn add(&self, id: PersonId, number: &str, label: Option<&str>) -> Result<Person, GalleryError> {
        self.gallery.prepare_tag(id, &tag(number), label)?.commit()
    }

    fn stored(&self, id: PersonId) -> Option<Vec<u8>> {
        let tree = self.store.tree(CREDENTIALS).unwrap();
        tree.get(person_key(id)).unwrap().map(Vec::from)
    }
}

fn open(dir: &Path, key: Option<&StoreKey>) -> (Store, Arc<Ring>, Gallery) {
    let store = Store::open(dir).unwrap();
    let ring = Arc::new(Ring::open(dir, Ok(key.cloned())));
    let gallery = Gallery::open(&store, &ring, ModelId::new("net"), 2).unwrap();
    (store, ring, gallery)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_pin_is_the_person_s_and_survives_a_restart() {
    let key = StoreKey::generate().unwrap();
    let house = House::new(Some(&key));
    let (ada, bob) = (house.enrol("Ada"), house.enrol("Bob"));
    assert_eq!(house.gallery.person(ada).unwrap().held, Held::default());
    let person = house.set(ada, PinKind::Usual, "4071").unwrap();
    assert_eq!(person.held, Held { pin: true, tags: 0, unreadable: false });
    let person = house.set(ada, PinKind::Duress, "4072").unwrap();
    assert_eq!(person.held, Held { pin: true, tags: 0, unreadable: false }, "nothing shows the second one");
    let check = |gallery: &Gallery| {
        assert_eq!(gallery.check_pin(ada, &pin("4071")), PinAnswer::Right(PinKind::Usual));
        assert_eq!(gallery.check_pin(ada, &pin("4072")), PinAnswer::Right(PinKind::Duress));
        assert_eq!(gallery.check_pin(ada, &pin("4073")), PinAnswer::Wrong);
        assert_eq!(gallery.check_pin(bob, &pin("4071")), PinAnswer::Wrong, "he has none");
        assert_eq!(gallery.check_pin(bob, &pin("0000")), PinAnswer::Wrong, "and not that of nobody");
        assert_eq!(gallery.check_pin(PersonId(99), &pin("4071")), PinAnswer::Wrong);
    };
    check(&house.gallery);
    let House { _dir: dir, store, ring, gallery } = house;
    drop((store, ring, gallery));
    let (_store, _ring, gallery) = open(dir.path(), Some(&key));
    check(&gallery);
    assert!(gallery.person(ada).unwrap().held.pin);
}

#[test]
fn weak_pins_and_pins_that_give_each_other_away_are_refused() {
    let house = House::sealed();
    let ada = house.enrol("Ada");
    assert_eq!(house.refused(ada, PinKind::Usual, "1234"), CredentialError::Weak(crate::domain::WeakPin::Run));
    assert_eq!(house.refused(ada, PinKind::Duress, "4072"), CredentialError::PinFirst);
    house.set(ada, PinKind::Usual, "4071").unwrap();
    assert_eq!(house.refused(ada, PinKind::Duress, "4071"), CredentialError::SameAsPin);
    assert_eq!(house.refused(ada, PinKind::Duress, "40722"), CredentialError::OtherLength { digits: 4 });
    house.set(ada, PinKind::Duress, "4072").unwrap();
    assert_eq!(house.refused(ada, PinKind::Usual, "4072"), CredentialError::SameAsDuress);
    assert_eq!(house.refused(ada, PinKind::Usual, "40713"), CredentialError::OtherLength { digits: 4 });
    house.set(ada, PinKind::Usual, "5081").unwrap();
    assert_eq!(house.gallery.check_pin(ada, &pin("4071")), PinAnswer::Wrong, "the one before is gone");
    assert!(matches!(house.set(PersonId(9), PinKind::Usual, "4071"), Err(GalleryError::NotFound { .. })));
    // No error shows a PIN.
    for error in [CredentialError::SameAsPin, CredentialError::OtherLength { digits: 4 }] {
        assert!(!error.to_string().contains("407"));
    }
}

#[test]
fn a_duress_pin_needs_a_key() {
    let house = House::new(None);
    let ada = house.enrol("Ada");
    house.set(ada, PinKind::Usual, "4071").unwrap();
    assert_eq!(house.refused(ada, PinKind::Duress, "4072"), CredentialError::NeedsKey);
    assert_eq!(house.gallery.check_pin(ada, &pin("4071")), PinAnswer::Right(PinKind::Usual));
    assert_eq!(house.gallery.pin_note("front", false), None, "nothing is sealed");
}

#[test]
fn pins_are_removed_one_or_both() {
    let house = House::sealed();
    let ada = house.enrol("Ada");
    let remove = |kind| house.gallery.prepare_no_pin(ada, kind).and_then(|prepared| prepared.commit());
    assert!(matches!(remove(PinKind::Usual), Err(GalleryError::Credential(CredentialError::NoPin))));
    house.set(ada, PinKind::Usual, "4071").unwrap();
    assert!(matches!(remove(PinKind::Duress), Err(GalleryError::Credential(CredentialError::NoDuressPin))));
    house.set(ada, PinKind::Duress, "4072").unwrap();
    remove(PinKind::Duress).unwrap();
    assert_eq!(house.gallery.check_pin(ada, &pin("4072")), PinAnswer::Wrong);
    house.set(ada, PinKind::Duress, "4072").unwrap();
    assert!(!remove(PinKind::Usual).unwrap().held.pin);
    for text in ["4071", "4072"] {
        assert_eq!(house.gallery.check_pin(ada, &pin(text)), PinAnswer::Wrong);
    }
    assert_eq!(house.stored(ada), None, "nothing is left");
    house.set(ada, PinKind::Usual, "507123").unwrap();
}

#[test]
fn a_tag_belongs_to_one_person_and_is_never_shown_whole() {
    let house = House::sealed();
    let (ada, bob) = (house.enrol("Ada"), house.enrol("Bob"));
    assert_eq!(house.add(ada, "04:a2:2b:1f", Some("keys")).unwrap().held.tags, 1);
    house.add(ada, "W26-12-34567", None).unwrap();
    assert_eq!(house.gallery.owner_of(&tag("04A22B1F")), Some(ada));
    assert_eq!(house.gallery.owner_of(&tag("04A22B1E")), None);
    let refused = |id, number, label| match house.add(id, number, label).unwrap_err() {
        GalleryError::Credential(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!(refused(bob, "04A22B1F", None), CredentialError::TagTaken { holder: ada, name: "Ada".into() });
    assert_eq!(refused(ada, "04A22B1F", None), CredentialError::TagKnown);
    assert_eq!(refused(ada, "04A22B20", Some(" keys ")), CredentialError::LabelTaken);
    assert!(matches!(house.add(ada, "04A22B20", Some("a\u{7}b")), Err(GalleryError::BadText { .. })));
    let shown = |label: Option<&str>, ending: &str| ShownTag { label: label.map(str::to_owned), ending: ending.into() };
    assert_eq!(house.gallery.tags(ada).unwrap(), [shown(Some("keys"), "2B1F"), shown(None, "4567")]);
    house.add(bob, "1234", None).unwrap();
    assert_eq!(house.gallery.tags(bob).unwrap(), [shown(None, "34")], "half of a short one");

    let remove = |id, which: &str| house.gallery.prepare_no_tag(id, which).and_then(|prepared| prepared.commit());
    assert!(matches!(remove(bob, "04A22B1F"), Err(GalleryError::Credential(CredentialError::NoSuchTag))));
    remove(ada, "keys").unwrap();
    assert_eq!(remove(ada, "w26-12-34567").unwrap().held.tags, 0);
    assert_eq!(house.gallery.owner_of(&tag("04A22B1F")), None);
    house.add(bob, "04A22B1F", None).unwrap();
    for n in 0..MAX_TAGS - 2 {
        house.add(bob, &format!("AB{n:04}"), None).unwrap();
    }
    assert_eq!(refused(bob, "FFFF", None), CredentialError::TooManyTags);
}

#[test]
fn what_is_stored_is_sealed_and_gone_with_the_person() {
    let key = StoreKey::generate().unwrap();
    let house = House::new(Some(&key));
    let ada = house.enrol("Ada");
    house.set(ada, PinKind::Usual, "4071").unwrap();
    house.add(ada, "04A22B1F", Some("keys")).unwrap();
    let stored = house.stored(ada).unwrap();
    for text in ["argon2id", "04A22B1F", "keys", "pin"] {
        assert!(!contains(&stored, text), "{text}");
    }
    // A PIN that was changed cannot be had from old pages: its sub-key is gone.
    let ids = house.ring.ids();
    house.set(ada, PinKind::Usual, "5082").unwrap();
    let now = house.ring.ids();
    assert_eq!((ids.len(), now.len()), (3, 3), "templates, credentials, notes");
    assert_eq!(ids.iter().filter(|id| !now.contains(id)).count(), 1);
    house.gallery.remove(ada).unwrap();
    assert_eq!((house.stored(ada), house.ring.ids().len()), (None, 1));
    assert_eq!(house.gallery.owner_of(&tag("04A22B1F")), None);
    assert_eq!(house.gallery.check_pin(ada, &pin("5082")), PinAnswer::Wrong);
    let eve = house.enrol("Eve");
    assert_ne!(eve, ada);
    house.add(eve, "04A22B1F", None).unwrap();
}

#[test]
fn a_first_key_seals_what_was_plain() {
    let house = House::new(None);
    let ada = house.enrol("Ada");
    house.set(ada, PinKind::Usual, "4071").unwrap();
    house.add(ada, "04A22B1F", None).unwrap();
    assert!(contains(&house.stored(ada).unwrap(), "$argon2id$"));
    let House { _dir: dir, store, ring, gallery } = house;
    drop((store, ring, gallery));
    let key = StoreKey::generate().unwrap();
    let (store, _ring, gallery) = open(dir.path(), Some(&key));
    let stored: Vec<u8> = store.tree(CREDENTIALS).unwrap().get(person_key(ada)).unwrap().unwrap().into();
    assert!(!contains(&stored, "argon2id") && !contains(&stored, "04A22B1F"));
    assert_eq!(gallery.check_pin(ada, &pin("4071")), PinAnswer::Right(PinKind::Usual));
    assert_eq!(gallery.owner_of(&tag("04A22B1F")), Some(ada));
    assert!(gallery.pin_note("front", false).is_some(), "from now on notes are sealed");
}

#[test]
fn without_the_key_nobody_has_a_pin_and_it_can_be_set_anew_once_it_was_erased() {
    let house = House::sealed();
    let ada = house.enrol("Ada");
    house.set(ada, PinKind::Usual, "4071").unwrap();
    let House { _dir: dir, store, ring, gallery } = house;
    drop((store, ring, gallery));
    let (store, ring, gallery) = open(dir.path(), None);
    assert_eq!(gallery.person(ada).unwrap().held, Held { pin: false, tags: 0, unreadable: true });
    assert_eq!(gallery.check_pin(ada, &pin("4071")), PinAnswer::Wrong);
    let error = gallery.prepare_pin(ada, PinKind::Usual, &pin("4071")).err().unwrap().to_string();
    assert!(error.contains("no key is configured") && error.contains("erase them"), "{error}");
    drop((store, ring, gallery));

    // Damage is the same to the person.
    let key = StoreKey::generate().unwrap();
    let house = House::new(Some(&key));
    let ada = house.enrol("Ada");
    house.set(ada, PinKind::Usual, "4071").unwrap();
    let tree = house.store.tree(CREDENTIALS).unwrap();
    house.store.commit(&[tree.put(person_key(ada), b"{}".to_vec())]).unwrap();
    let House { _dir: dir, store, ring, gallery } = house;
    drop((tree, store, ring, gallery));
    let (_store, _ring, gallery) = open(dir.path(), Some(&key));
    assert!(gallery.damaged().iter().any(|damaged| damaged.key.contains("PIN and tags of person 1")));
    let person = gallery.prepare_no_pin(ada, PinKind::Usual).unwrap().commit().unwrap();
    assert_eq!(person.held, Held::default());
    gallery.prepare_pin(ada, PinKind::Usual, &pin("5082")).unwrap().commit().unwrap();
    assert_eq!(gallery.check_pin(ada, &pin("5082")), PinAnswer::Right(PinKind::Usual));
}

#[test]
fn a_note_says_only_to_the_key_which_pin_it_was() {
    let key = StoreKey::generate().unwrap();
    let house = House::new(Some(&key));
    let ada = house.enrol("Ada");
    assert_eq!(house.gallery.pin_note("front", true), None, "nobody has a PIN yet");
    house.set(ada, PinKind::Usual, "4071").unwrap();
    let note = |duress| house.gallery.pin_note("front", duress).unwrap();
    let (usual, duress) = (note(false), note(true));
    assert_eq!(usual.len(), duress.len());
    assert_ne!(note(true), duress, "no two notes are the same");
    assert!(duress.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let read = |gallery: &Gallery, door: &str, note: &str| gallery.read_pin_note(door, note);
    assert_eq!(read(&house.gallery, "front", &usual), Some(false));
    assert_eq!(read(&house.gallery, "front", &duress), Some(true));
    assert_eq!(read(&house.gallery, "back", &duress), None, "moved to another record");
    for noise in ["", "zz", "5f3a", &usual[1..], &format!("{}00", &usual[..usual.len() - 2])] {
        assert_eq!(read(&house.gallery, "front", noise), None, "{noise}");
    }
    let House { _dir: dir, store, ring, gallery } = house;
    drop((store, ring, gallery));
    let (store, ring, gallery) = open(dir.path(), None);
    assert_eq!(read(&gallery, "front", &duress), None);
    drop((store, ring, gallery));
    let (_store, _ring, gallery) = open(dir.path(), Some(&key));
    assert_eq!(read(&gallery, "front", &duress), Some(true));
}

#[test]
fn an_overwritten_record_that_a_kill_left_is_swept() {
    let house = House::sealed();
    let ada = house.enrol("Ada");
    house.set(ada, PinKind::Usual, "4071").unwrap();
    // As after a kill between the commit of a removal and the sweep.
    let changes = house.gallery.trees.erase_credentials(ada).unwrap();
    house.store.commit(&changes).unwrap();
    assert!(house.stored(ada).unwrap().iter().all(|byte| *byte == 0));
    let gallery = Gallery::open(&house.store, &house.ring, ModelId::new("net"), 2).unwrap();
    assert_eq!(house.stored(ada), None);
    assert_eq!(gallery.person(ada).unwrap().held, Held::default());
    assert_eq!(house.ring.ids().len(), 2, "the sub-key of the PIN is gone, too");
}

#[test]
fn a_backup_has_pins_and_tags_for_whoever_has_the_ring() {
    let key = StoreKey::generate().unwrap();
    let house = House::new(Some(&key));
    let ada = house.enrol("Ada");
    house.set(ada, PinKind::Usual, "4071").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (backup, ring, restored) =
        (folder.path().join("backup"), folder.path().join("ring"), folder.path().join("restored"));
    house.store.back_up(&backup).unwrap();
    crate::seal::save(house._dir.path(), &ring, &key).unwrap();
    drop(crate::store::restore::<crate::store::StoreError>(&restored, &backup, false, |_| Ok(())).unwrap());
    {
        let (_store, _ring, gallery) = open(&restored, Some(&key));
        assert!(gallery.person(ada).unwrap().held.unreadable, "the ring is not in the backup");
    }
    crate::seal::load(&restored, &ring, &key).unwrap();
    let (_store, _ring, gallery) = open(&restored, Some(&key));
    assert_eq!(gallery.check_pin(ada, &pin("4071")), PinAnswer::Right(PinKind::Usual));
}
