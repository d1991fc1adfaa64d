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
        uuid: Uuid::from_u128(uuid),
        person: NewPerson { name: name.into(), employee_id: None, groups: vec!["staff".into()] },
        enabled: true,
        valid_from: None,
        valid_until: None,
        templates: degrees.iter().map(|degrees| template(*degrees)).collect(),
    }
}

fn put(gallery: &Gallery, wanted: FleetPerson) -> Person {
    gallery.prepare_fleet(wanted).unwrap().prepared.commit().unwrap()
}

fn commit(change: FleetChange<'_>) -> Person {
    change.prepared.commit().unwrap()
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
    let change = site.gallery.prepare_fleet(wanted).unwrap();
    assert_eq!((change.templates, change.before.as_ref().map(|p| p.name.as_str())), (None, Some("Ada")));
    let after = commit(change);
    assert_eq!(
        (after.id, after.name.as_str(), after.enabled, after.valid_until),
        (ada.id, "Ada L", false, Some(until))
    );
    assert_eq!((after.templates, site.gallery.ring().ids()), (2, keys), "the templates stay as they are");

    assert!(site.gallery.prepare_fleet_removal(Uuid::from_u128(2)).unwrap().is_none());
    site.gallery.prepare_fleet_removal(Uuid::from_u128(1)).unwrap().unwrap().commit().unwrap();
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
    let change = site.gallery.prepare_fleet(person(1, "Ada", &[90.0])).unwrap();
    assert_eq!(change.templates, Some(1));
    let after = commit(change);
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
    let change = gallery.prepare_fleet(wanted.clone()).unwrap();
    assert_eq!((change.id_taken, change.same_name), (Some(local.id), Some(local.id)));
    let other = commit(change);
    assert_eq!((other.employee_id.as_deref(), other.templates), (None, 1));
    assert_eq!(gallery.person(local.id).unwrap(), local);
    // With that person gone, the next record gives the id.
    gallery.remove(local.id).unwrap();
    let change = gallery.prepare_fleet(wanted).unwrap();
    assert_eq!((change.id_taken, change.same_name), (None, None));
    assert_eq!(commit(change).employee_id.as_deref(), Some("E1"));
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
    assert!(gallery.prepare_fleet_removal(Uuid::from_u128(1)).unwrap().is_none());
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
        assert!(gallery.prepare_fleet(wanted).is_err());
        assert_eq!(gallery.people(), before);
    }
}
