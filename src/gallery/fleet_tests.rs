//! People of the fleet in the gallery.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::*;
use crate::domain::Quality;
use crate::seal::StoreKey;

fn template(degrees: f32) -> Template {
    let values = Box::new([degrees.to_radians().cos(), degrees.to_radians().sin()]);
    let embedding = Embedding::normalised(ModelId::new("net"), values).unwrap();
    Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH + Duration::from_secs(5) }
}

struct Site {
    dir: tempfile::TempDir,
    store: Store,
    key: StoreKey,
    gallery: Gallery,
}

impl Site {
    fn new() -> Site {
        let (dir, key) = (tempfile::tempdir().unwrap(), StoreKey::generate().unwrap());
        let store = Store::open(dir.path()).unwrap();
        let gallery = open(&store, dir.path(), &key);
        gallery.set_fleet(true);
        Site { dir, store, key, gallery }
    }

    fn reopened(self) -> Site {
        let Site { dir, store, key, gallery } = self;
        drop(gallery);
        let gallery = open(&store, dir.path(), &key);
        gallery.set_fleet(true);
        Site { dir, store, key, gallery }
    }
}

fn open(store: &Store, dir: &std::path::Path, key: &StoreKey) -> Gallery {
    let ring = Arc::new(Ring::open(dir, Ok(Some(key.clone()))));
    Gallery::open(store, &ring, ModelId::new("net"), 2).unwrap()
}

fn person(uuid: u128, name: &str, degrees: &[f32]) -> FleetPerson {
    FleetPerson {
        model: ModelId::new("net"),
        uuid: Uuid::from_u128(uuid),
        adopt: None,
        person: NewPerson { name: name.into(), employee_id: None, groups: vec!["staff".into()] },
        enabled: true,
        valid_from: None,
        valid_until: None,
        templates: degrees.iter().map(|degrees| template(*degrees)).collect(),
    }
}

fn put(gallery: &Gallery, wanted: FleetPerson) -> Person {
    change(gallery, wanted).1
}

/// What a change says before it is committed, and the person afterwards.
fn change(gallery: &Gallery, wanted: FleetPerson) -> (FleetChange, Person) {
    let mut batch = gallery.fleet_batch();
    let change = batch.put(wanted).unwrap();
    commit(gallery, batch);
    let after = gallery.person(change.person.id).unwrap();
    (change, after)
}

fn commit(gallery: &Gallery, mut batch: FleetBatch<'_>) {
    gallery.trees.store.commit(&batch.changes().unwrap()).unwrap();
    batch.finish().unwrap();
}

fn remove(gallery: &Gallery, uuid: u128) -> bool {
    let mut batch = gallery.fleet_batch();
    let was_there = batch.remove(Uuid::from_u128(uuid), None).unwrap().is_some();
    commit(gallery, batch);
    was_there
}

fn nearest(gallery: &Gallery, degrees: f32) -> (PersonId, f32) {
    let found = gallery.nearest(&template(degrees).embedding).unwrap().unwrap();
    (found.person, found.distance.0)
}

#[test]
fn somebody_of_the_fleet_is_enrolled_changed_and_removed() {
    let site = Site::new();
    let ada = put(&site.gallery, person(1, "Ada", &[0.0, 10.0]));
    assert_eq!((ada.templates, ada.uuid), (2, Some(Uuid::from_u128(1))));
    let site = site.reopened();
    assert_eq!(site.gallery.person_of_fleet(Uuid::from_u128(1)), Some(ada.id));
    assert!(nearest(&site.gallery, 10.0).0 == ada.id && nearest(&site.gallery, 10.0).1 < 0.01);

    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(99);
    let wanted = FleetPerson { enabled: false, valid_until: Some(until), ..person(1, "Ada L", &[0.0, 10.0]) };
    let keys = site.gallery.ring().ids();
    let (change, after) = change(&site.gallery, wanted);
    assert_eq!((change.templates, change.before.as_ref().map(|p| p.name.as_str())), (None, Some("Ada")));
    assert_eq!(
        (after.id, after.name.as_str(), after.enabled, after.valid_until),
        (ada.id, "Ada L", false, Some(until))
    );
    assert_eq!((after.templates, site.gallery.ring().ids()), (2, keys), "the templates stay as they are");

    assert!(!remove(&site.gallery, 2));
    assert!(remove(&site.gallery, 1));
    assert!(site.gallery.people().is_empty() && site.gallery.ring().ids().is_empty());
    assert_eq!(site.gallery.person_of_fleet(Uuid::from_u128(1)), None);
    assert!(site.reopened().gallery.people().is_empty());
}

#[test]
fn new_templates_replace_the_enrolled_ones_and_leave_what_was_learned() {
    let site = Site::new();
    let ada = put(&site.gallery, person(1, "Ada", &[0.0, 10.0])).id;
    site.gallery.prepare_learned(ada, &template(20.0)).unwrap().commit().unwrap();
    site.gallery.prepare_not_them(ada, &template(40.0)).unwrap().commit().unwrap();
    let before = site.gallery.ring().ids();
    let (change, after) = change(&site.gallery, person(1, "Ada", &[90.0]));
    assert_eq!(change.templates, Some(1));
    assert_eq!((after.templates, after.learned_templates), (2, 1));
    assert!(nearest(&site.gallery, 0.0).1 > 0.3, "the old ones are gone");
    assert!(nearest(&site.gallery, 20.0).1 < 0.01 && nearest(&site.gallery, 90.0).1 < 0.01);
    assert_eq!(site.gallery.to_not_them(ada, &template(40.0).embedding).unwrap(), Some(Distance(0.0)));
    assert!(site.gallery.ring().ids().iter().all(|id| !before.contains(id)), "what sealed the old ones is gone");
    let site = site.reopened();
    assert_eq!(site.gallery.person(ada).unwrap().templates, 2);
    assert!(site.gallery.locked().is_none() && site.gallery.damaged().is_empty());
    // And none at all: known by name, and recognised by what was learned alone.
    assert_eq!(put(&site.gallery, person(1, "Ada", &[])).templates, 1);
}

#[test]
fn a_person_of_this_store_stays_whatever_the_fleet_calls_its_people() {
    let site = Site::new();
    let gallery = &site.gallery;
    let new = NewPerson { name: "Ada".into(), employee_id: Some("E1".into()), ..NewPerson::default() };
    let local = gallery.enroll(new, vec![template(0.0)]).unwrap();
    let mut wanted = person(1, "Ada", &[90.0]);
    wanted.person.employee_id = Some("E1".into());
    let (first, other) = change(gallery, wanted.clone());
    assert_eq!((first.id_taken, first.same_name), (Some(local.id), Some(local.id)));
    assert_eq!((other.employee_id.as_deref(), other.templates), (None, 1));
    assert_eq!(gallery.person(local.id).unwrap(), local);
    // With that person gone, the next record gives the id.
    gallery.remove(local.id).unwrap();
    let (second, after) = change(gallery, wanted);
    assert_eq!((second.id_taken, second.same_name), (None, None));
    assert_eq!(after.employee_id.as_deref(), Some("E1"));
}

#[test]
fn people_of_the_fleet_are_changed_at_its_office_alone() {
    let site = Site::new();
    let gallery = &site.gallery;
    let ada = put(gallery, person(1, "Ada", &[0.0])).id;
    let bob =
        gallery.enroll(NewPerson { name: "Bob".into(), ..NewPerson::default() }, vec![template(90.0)]).unwrap().id;
    type Attempt<'g> = Box<dyn Fn(PersonId) -> Result<(), GalleryError> + 'g>;
    let attempts: Vec<Attempt<'_>> = vec![
        Box::new(|id| gallery.prepare_rename(id, "Eve").map(drop)),
        Box::new(|id| gallery.prepare_employee_id(id, Some("E9")).map(drop)),
        Box::new(|id| gallery.prepare_groups(id, &["boss".into()]).map(drop)),
        Box::new(|id| gallery.prepare_validity(id, None, None).map(drop)),
        Box::new(|id| gallery.prepare_enabled(id, true).map(drop)),
        Box::new(|id| gallery.prepare_removal(id).map(drop)),
        Box::new(|id| gallery.prepare_renewal(id, &[template(5.0)], &[]).map(drop)),
        Box::new(|id| gallery.prepare_more_templates(id, &[template(5.0)], &[]).map(drop)),
        Box::new(|id| gallery.prepare_template_removal(id, TemplateId::parse("0").unwrap()).map(drop)),
    ];
    for attempt in &attempts {
        assert!(matches!(attempt(ada), Err(GalleryError::OfFleet { name }) if name == "Ada"));
        attempt(bob).unwrap();
    }
    // What doors learn is theirs, and a store that left the fleet goes on alone.
    gallery.prepare_learned(ada, &template(5.0)).unwrap().commit().unwrap();
    gallery.set_fleet(false);
    gallery.remove(ada).unwrap();
    assert!(!remove(gallery, 1));
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let site = Site::new();
    let gallery = &site.gallery;
    put(gallery, person(1, "Ada", &[0.0]));
    let before = gallery.people();
    let at = |s| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(s));
    let other_model = Embedding::normalised(ModelId::new("other"), Box::new([1.0, 0.0])).unwrap();
    let wrong = [
        person(1, "", &[0.0]),
        person(1, "A\u{200B}", &[0.0]),
        person(1, "Ada", &[0.0; MAX_TEMPLATES + 1]),
        FleetPerson { valid_from: at(5), valid_until: at(5), ..person(1, "Ada", &[0.0]) },
        FleetPerson { templates: vec![Template { embedding: other_model, ..template(0.0) }], ..person(1, "Ada", &[]) },
    ];
    for wanted in wrong {
        assert!(gallery.fleet_batch().put(wanted).is_err());
        assert_eq!(gallery.people(), before);
    }
}

#[test]
fn many_changes_are_one_commit_and_know_of_each_other() {
    let site = Site::new();
    let gallery = &site.gallery;
    let with_id = |uuid, name: &str, id: &str, degrees: &[f32]| {
        let mut wanted = person(uuid, name, degrees);
        wanted.person.employee_id = Some(id.into());
        wanted
    };
    put(gallery, with_id(1, "Ada", "E1", &[0.0]));
    put(gallery, with_id(2, "Bob", "E2", &[90.0]));
    let mut batch = gallery.fleet_batch();
    assert_eq!(batch.remove(Uuid::from_u128(1), None).unwrap().unwrap().name, "Ada");
    // Hers is free in the same commit, and is then his.
    let cid = batch.put(with_id(3, "Cid", "E1", &[30.0])).unwrap();
    let dan = batch.put(with_id(4, "Dan", "E1", &[60.0])).unwrap();
    let other_dan = batch.put(person(5, "dan", &[])).unwrap();
    assert_eq!((cid.id_taken, dan.id_taken), (None, Some(cid.person.id)));
    assert_eq!(other_dan.same_name, Some(dan.person.id));
    let eve = batch.put(with_id(2, "Eve", "E9", &[120.0])).unwrap();
    assert_eq!((eve.before.map(|before| before.name), eve.templates), (Some("Bob".into()), Some(1)));
    assert_eq!(batch.put(with_id(6, "Bob", "E2", &[])).unwrap().same_name, None, "nobody is called so any more");
    assert!(batch.put(person(7, "", &[])).is_err(), "and the others stay");
    assert_eq!(gallery.people().len(), 2, "nothing is changed yet");
    commit(gallery, batch);
    let known = |gallery: &Gallery| {
        let known = |p: Person| (p.id.0, p.name, p.employee_id.unwrap_or_default(), p.templates);
        gallery.people().into_iter().map(known).collect::<Vec<_>>()
    };
    let row = |id, name: &str, employee: &str, templates| (id, name.to_owned(), employee.to_owned(), templates);
    let wanted = [
        row(2, "Eve", "E9", 1),
        row(3, "Cid", "E1", 1),
        row(4, "Dan", "", 1),
        row(5, "dan", "", 0),
        row(6, "Bob", "E2", 0),
    ];
    assert_eq!(known(gallery), wanted);
    assert_eq!(gallery.ring().ids().len(), 3, "one for each who has templates; those of the others are gone");
    assert!(nearest(gallery, 90.0).1 > 0.1 && nearest(gallery, 120.0).1 < 0.01);
    let site = site.reopened();
    assert_eq!(known(&site.gallery), wanted);
    assert!(site.gallery.locked().is_none() && site.gallery.damaged().is_empty());
    put(&site.gallery, person(8, "Fay", &[]));
    assert_eq!(known(&site.gallery).last().unwrap().0, 7, "no number is given twice");
}

#[test]
fn people_of_this_store_alone_are_compared_and_no_others() {
    let site = Site::new();
    let gallery = &site.gallery;
    put(gallery, person(1, "Ada", &[0.0]));
    let near = |degrees| {
        let found = gallery.nearest_of(&gallery.locals(), &template(degrees).embedding, None).unwrap();
        found.map(|(person, distance)| (person.0, distance.0 < 0.01))
    };
    assert_eq!(near(0.0), None);
    gallery.enroll(NewPerson { name: "Bob".into(), ..NewPerson::default() }, vec![template(90.0)]).unwrap();
    assert_eq!((near(0.0), near(90.0)), (Some((2, false)), Some((2, true))));
}
