//! Two sets of templates side by side: each is searched alone, either can be erased for good, and a kill leaves one or the other.

use std::sync::Arc;
use std::time::SystemTime;

use super::*;
use crate::domain::Quality;
use crate::seal::{Ring, StoreKey};

fn template(model: &str, values: &[f32]) -> Template {
    let embedding = Embedding::normalised(ModelId::new(model), values.into()).unwrap();
    Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH }
}

fn old(x: f32) -> Template {
    template("old-1", &[x, 1.0])
}

fn new(x: f32) -> Template {
    template("new-1", &[x, 1.0, 0.0])
}

fn named(name: &str) -> NewPerson {
    NewPerson { name: name.into(), ..NewPerson::default() }
}

struct Site {
    dir: tempfile::TempDir,
    store: Store,
    key: StoreKey,
}

impl Site {
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        Site { store: Store::open(dir.path()).unwrap(), key: StoreKey::generate().unwrap(), dir }
    }

    fn open(&self, model: &str, dimension: usize) -> Gallery {
        let ring = Arc::new(Ring::open(self.dir.path(), Ok(Some(self.key.clone()))));
        Gallery::open(&self.store, &ring, ModelId::new(model), dimension).unwrap()
    }

    /// By the old model, with the new one beside it.
    fn before(&self) -> Gallery {
        let gallery = self.open("old-1", 2);
        gallery.set_next(Some((ModelId::new("new-1"), 3))).unwrap();
        gallery
    }

    /// Everything that is stored of templates, as bytes.
    fn values(&self) -> Vec<Vec<u8>> {
        self.store.tree(TEMPLATES).unwrap().iter().map(|entry| entry.unwrap().1.to_vec()).collect()
    }
}

fn count(gallery: &Gallery, model: &str) -> (usize, usize) {
    let counts = gallery.models().unwrap();
    counts.iter().find(|c| c.model == ModelId::new(model)).map_or((0, 0), |c| (c.people, c.templates))
}

#[test]
fn each_set_is_searched_alone() {
    let site = Site::new();
    let gallery = site.before();
    let ada = gallery.enroll(named("Ada"), vec![old(0.0)]).unwrap().id;
    let bob = gallery.enroll(named("Bob"), vec![old(5.0)]).unwrap().id;
    // To the new model they look the other way round.
    gallery.prepare_next(ada, &[new(5.0), new(5.5)]).unwrap().commit().unwrap();
    gallery.prepare_next(bob, &[new(0.0)]).unwrap().commit().unwrap();
    assert_eq!(gallery.nearest(&old(0.1).embedding).unwrap().unwrap().person, ada);
    assert_eq!(gallery.nearest_next(&new(0.1).embedding).unwrap().unwrap().person, bob);
    assert_eq!(gallery.size(), GallerySize { people: 2, templates: 2 });
    assert_eq!(gallery.next_size(), GallerySize { people: 2, templates: 3 });
    assert_eq!((gallery.next_templates(ada), gallery.person(ada).unwrap().foreign_templates), (2, 2));
    // Neither takes a probe of the other.
    for refused in [gallery.nearest(&new(0.0).embedding), gallery.nearest_next(&old(0.0).embedding)] {
        assert!(matches!(refused, Err(GalleryError::ForeignModel { .. })), "{refused:?}");
    }
    assert_eq!(gallery.next_distance(&new(0.0).embedding, &old(0.0).embedding), None);
    assert_eq!(gallery.next_distance(&old(0.0).embedding, &old(0.0).embedding), None);
    assert!(gallery.prepare_next(ada, &[old(0.0)]).is_err() && gallery.prepare_next(ada, &[]).is_err());
    // A gallery by the new model finds the same, and has the old one beside it.
    drop(gallery);
    let after = site.open("new-1", 3);
    after.set_next(Some((ModelId::new("old-1"), 2))).unwrap();
    assert_eq!(after.nearest(&new(0.1).embedding).unwrap().unwrap().person, bob);
    assert_eq!(after.nearest_next(&old(0.1).embedding).unwrap().unwrap().person, ada);
}

#[test]
fn an_enrolment_makes_both_sets_and_a_removal_takes_both() {
    let site = Site::new();
    let gallery = site.before();
    let ada = gallery.prepare_enrolment(named("Ada"), &[old(0.0)], &[new(1.0)]).unwrap().commit().unwrap().id;
    assert_eq!((count(&gallery, "old-1"), count(&gallery, "new-1")), ((1, 1), (1, 1)));
    // New templates replace those of the same model only.
    gallery.prepare_next(ada, &[new(2.0), new(3.0)]).unwrap().commit().unwrap();
    assert_eq!((gallery.next_templates(ada), gallery.person(ada).unwrap().templates), (2, 1));
    gallery.add_templates(ada, vec![old(0.1)]).unwrap();
    assert_eq!((gallery.next_templates(ada), gallery.person(ada).unwrap().templates), (2, 2));
    gallery.remove(ada).unwrap();
    assert_eq!((gallery.next_size(), gallery.models().unwrap()), (GallerySize::default(), Vec::new()));
    assert!(gallery.ring().ids().is_empty(), "no sub-key is left");
    // Without a second model there is nothing to add to.
    gallery.set_next(None).unwrap();
    assert!(gallery.prepare_enrolment(named("Bob"), &[old(0.0)], &[new(1.0)]).is_err());
    assert_eq!(gallery.next_model(), None);
}

#[test]
fn somebody_enrolled_again_gets_both_sets() {
    let site = Site::new();
    let id = {
        let third = site.open("third-1", 2);
        third.enroll(named("Ada"), vec![template("third-1", &[1.0, 0.0])]).unwrap().id
    };
    let gallery = site.before();
    gallery.prepare_renewal(id, &[old(0.0)], &[new(0.0), new(1.0)]).unwrap().commit().unwrap();
    assert_eq!(
        (count(&gallery, "old-1"), count(&gallery, "new-1"), count(&gallery, "third-1")),
        ((1, 1), (1, 2), (0, 0))
    );
}

#[test]
fn a_set_is_erased_for_good_and_the_other_stays() {
    let site = Site::new();
    let gallery = site.before();
    let mut people = Vec::new();
    for n in 0..60u8 {
        let x = f32::from(n);
        let id = gallery.enroll(named(&format!("Person {n}")), vec![old(x), old(x + 0.5)]).unwrap().id;
        gallery.prepare_next(id, &[new(x)]).unwrap().commit().unwrap();
        people.push(id);
    }
    assert!(matches!(gallery.erase_model(&ModelId::new("old-1")), Err(GalleryError::ModelInUse { .. })));
    drop(gallery);
    let old_values = site.values();
    let gallery = site.open("new-1", 3);
    let keys_before = gallery.ring().ids().len();
    assert_eq!(gallery.erase_model(&ModelId::new("old-1")).unwrap(), 120);
    assert_eq!((count(&gallery, "old-1"), count(&gallery, "new-1")), ((0, 0), (60, 60)));
    assert_eq!(gallery.ring().ids().len(), keys_before / 2, "the sub-keys of the erased ones are gone");
    assert_eq!(gallery.erase_model(&ModelId::new("old-1")).unwrap(), 0);
    assert_eq!(gallery.person(people[7]).unwrap().foreign_templates, 0);
    assert_eq!(gallery.nearest(&new(7.0).embedding).unwrap().unwrap().person, people[7]);
    let opens = |value: &&Vec<u8>| {
        let header = envelope::header(value).unwrap();
        header.model == ModelId::new("old-1") && gallery.ring().ids().contains(&header.sub_key)
    };
    assert_eq!(old_values.iter().filter(opens).count(), 0, "neither old pages nor older backups can be opened");
}

#[test]
fn what_was_sealed_together_is_sealed_anew_before_one_part_is_erased() {
    let site = Site::new();
    // Plain templates of both models are sealed with one sub-key a person when a key comes.
    let plain = Gallery::open(&site.store, &Arc::new(Ring::plain()), ModelId::new("old-1"), 2).unwrap();
    plain.set_next(Some((ModelId::new("new-1"), 3))).unwrap();
    let ada = plain.prepare_enrolment(named("Ada"), &[old(0.0)], &[new(1.0)]).unwrap().commit().unwrap().id;
    drop(plain);
    let gallery = site.open("new-1", 3);
    let shared: Vec<_> = site.values().iter().map(|value| envelope::header(value).unwrap().sub_key).collect();
    assert_eq!((shared.len(), shared[0]), (2, shared[1]));
    assert_eq!(gallery.erase_model(&ModelId::new("old-1")).unwrap(), 1);
    assert!(!gallery.ring().ids().contains(&shared[0]));
    assert_eq!(gallery.nearest(&new(1.0).embedding).unwrap().unwrap().person, ada);
    drop(gallery);
    assert_eq!(site.open("new-1", 3).templates(ada).unwrap(), [new(1.0)]);
}

#[test]
fn an_erasure_that_was_interrupted_goes_on() {
    let site = Site::new();
    let gallery = site.before();
    for n in 0..3u8 {
        let x = f32::from(n);
        gallery.prepare_enrolment(named(&format!("Person {n}")), &[old(x)], &[new(x)]).unwrap().commit().unwrap();
    }
    drop(gallery);
    // One template was overwritten and not deleted yet, as after a kill.
    let tree = site.store.tree(TEMPLATES).unwrap();
    let first =
        tree.iter().map(Result::unwrap).find(|(_, v)| envelope::header(v).unwrap().model == ModelId::new("old-1"));
    let (key, value) = first.unwrap();
    site.store.commit(&[tree.put(&*key, record::erased(value.len()))]).unwrap();
    let gallery = site.open("new-1", 3);
    assert_eq!(gallery.erase_model(&ModelId::new("old-1")).unwrap(), 2);
    assert_eq!((count(&gallery, "old-1"), count(&gallery, "new-1")), ((0, 0), (3, 3)));
    assert!(gallery.damaged().is_empty());
}
