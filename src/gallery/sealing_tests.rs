//! The gallery with a key: what is sealed, what opens, and what is left after a removal and a kill.

use std::sync::Arc;
use std::time::SystemTime;

use super::*;
use crate::domain::Quality;
use crate::seal::{Ring, SealError, State, StoreKey};

const DIMENSION: usize = 4;

fn template(model: &str, axis: usize) -> Template {
    let mut values = [0.1; DIMENSION];
    values[axis] = 1.0;
    let embedding = Embedding::normalised(ModelId::new(model), values.into()).unwrap();
    Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH }
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

    fn ring(&self, key: Option<&StoreKey>) -> Arc<Ring> {
        Arc::new(Ring::open(self.dir.path(), Ok(key.cloned())))
    }

    fn open_with(&self, ring: &Arc<Ring>) -> Gallery {
        Gallery::open(&self.store, ring, ModelId::new("net"), DIMENSION).unwrap()
    }

    fn open(&self) -> Gallery {
        self.open_with(&self.ring(Some(&self.key)))
    }

    /// How many values of templates are sealed, and how many are not.
    fn values(&self) -> (usize, usize) {
        let values: Vec<_> = self.store.tree(TEMPLATES).unwrap().iter().map(|entry| entry.unwrap().1).collect();
        let sealed = values.iter().filter(|value| sealed::is_sealed(value)).count();
        (sealed, values.len() - sealed)
    }
}

#[test]
fn who_has_the_key_finds_everybody_and_who_has_not_finds_nobody() {
    let site = Site::new();
    let gallery = site.open();
    let ada = gallery.enroll(named("Ada"), vec![template("net", 0), template("net", 1)]).unwrap();
    gallery.add_templates(ada.id, vec![template("net", 2)]).unwrap();
    assert_eq!((site.values(), gallery.ring().ids().len(), gallery.seal_trouble()), ((3, 0), 1, None));
    let again = site.open();
    assert_eq!(again.templates(ada.id).unwrap().len(), 3);
    assert_eq!(again.nearest(&template("net", 2).embedding).unwrap().unwrap().person, ada.id);

    let other = StoreKey::generate().unwrap();
    for key in [None, Some(&other)] {
        let gallery = site.open_with(&site.ring(key));
        let State::Shut(why) = gallery.ring().state() else { panic!("it is not shut") };
        assert_eq!(gallery.locked(), Some(Locked { people: 1, templates: 3, why: why.clone() }));
        assert_eq!(gallery.nearest(&template("net", 2).embedding).unwrap(), None);
        assert_eq!(gallery.person(ada.id).unwrap().locked_templates, 3);
        assert!(matches!(gallery.templates(ada.id), Err(GalleryError::Locked { .. })));
        assert!(matches!(gallery.enroll(named("Bob"), vec![template("net", 3)]), Err(GalleryError::Seal(_))));
        assert!(gallery.seal_trouble().unwrap().contains("3 sealed templates of 1 people"));
        assert_eq!(gallery.damaged(), []);
    }
    // Names can be changed all the same.
    site.open_with(&site.ring(None)).rename(ada.id, "Ada Lovelace").unwrap();
    assert_eq!(site.open().people_compared(), 1);
}

#[test]
fn a_template_in_anothers_place_is_damage_and_is_not_compared_with() {
    let site = Site::new();
    let gallery = site.open();
    let (ada, bob) = (
        gallery.enroll(named("Ada"), vec![template("net", 0)]).unwrap().id,
        gallery.enroll(named("Bob"), vec![template("net", 1)]).unwrap().id,
    );
    let tree = site.store.tree(TEMPLATES).unwrap();
    let [one, two] = [ada, bob].map(|id| record::template_key(id, 0));
    let values = [one, two].map(|key| tree.get(key).unwrap().unwrap());
    site.store.commit(&[tree.put(one, &*values[1]), tree.put(two, &*values[0])]).unwrap();
    let swapped = site.open();
    assert_eq!((swapped.people_compared(), swapped.damaged().len(), swapped.locked()), (0, 2, None));
    assert!(swapped.damaged()[0].to_string().contains("its seal is broken"));
}

#[test]
fn what_lies_plain_is_sealed_each_person_by_themselves_and_once() {
    let site = Site::new();
    let plain = site.open_with(&Arc::new(Ring::plain()));
    let ada = plain.enroll(named("Ada"), vec![template("net", 0), template("net", 1)]).unwrap().id;
    assert!(plain.seal_trouble().unwrap().contains("unsealed"));
    drop(plain);
    let older = Gallery::open(&site.store, &Arc::new(Ring::plain()), ModelId::new("older"), DIMENSION).unwrap();
    let bob = older.enroll(named("Bob"), vec![template("older", 1)]).unwrap().id;
    drop(older);
    let sealed = site.open();
    assert_eq!((sealed.newly_sealed(), site.values(), sealed.ring().ids().len()), ((2, 3), (3, 0), 2));
    site.store.commit(&[sealed.sealing_told()]).unwrap();
    assert_eq!((sealed.templates(ada).unwrap().len(), sealed.templates(bob).unwrap().len()), (2, 1));
    assert_eq!(sealed.foreign().unwrap()[0].templates, 1);
    drop(sealed);
    // A kill left one of two.
    let half = site.open_with(&Arc::new(Ring::plain()));
    half.enroll(named("Cy"), vec![template("net", 3)]).unwrap();
    drop(half);
    let rest = site.open();
    assert_eq!((rest.newly_sealed(), site.values(), rest.people_compared()), ((1, 1), (4, 0), 2));
    // It waits for its record, also over a kill.
    assert_eq!(site.open().newly_sealed(), (1, 1));
    site.store.commit(&[rest.sealing_told()]).unwrap();
    assert_eq!(site.open().newly_sealed(), (0, 0));
    // The notes are gone, and the store is as it was after it is opened anew.
    assert_eq!(site.store.tree("seals").unwrap().iter().count(), 0);
}

#[test]
fn a_removal_takes_the_sub_key_off_also_when_it_was_cut_short() {
    let site = Site::new();
    let gallery = site.open();
    let ada = gallery.enroll(named("Ada"), vec![template("net", 0)]).unwrap().id;
    let bob = gallery.enroll(named("Bob"), vec![template("net", 1)]).unwrap().id;
    let before = gallery.ring().ids();
    gallery.remove(ada).unwrap();
    let after = gallery.ring().ids();
    assert_eq!((before.len(), after.len()), (2, 1));
    // Killed between the commit and the ring.
    site.store.commit(&gallery.trees.seals.taking_off(&after)).unwrap();
    let reopened = site.open();
    assert_eq!(reopened.ring().ids(), []);
    assert_eq!(reopened.locked().unwrap().why, SealError::NoSubKey);
    // Without the key it is put off until the key is there.
    let renewed = reopened.renew(bob, vec![template("net", 2)]).unwrap();
    assert_eq!((renewed.templates, renewed.locked_templates, reopened.ring().ids().len()), (1, 0, 1));
    drop(reopened);
    site.open_with(&site.ring(None)).remove(bob).unwrap();
    assert_eq!(site.ring(Some(&site.key)).ids().len(), 1);
    assert_eq!((site.open().ring().ids(), site.values()), (vec![], (0, 0)));
}

#[test]
fn new_templates_in_the_place_of_another_models_have_a_sub_key_of_their_own() {
    let site = Site::new();
    let older = Gallery::open(&site.store, &site.ring(Some(&site.key)), ModelId::new("older"), DIMENSION).unwrap();
    let ada = older.enroll(named("Ada"), vec![template("older", 0)]).unwrap().id;
    let before = older.ring().ids();
    drop(older);
    let gallery = site.open();
    assert_eq!(gallery.person(ada).unwrap().foreign_templates, 1);
    gallery.renew(ada, vec![template("net", 0)]).unwrap();
    let after = gallery.ring().ids();
    assert!(after.len() == 1 && after != before);
    assert_eq!(site.open().templates(ada).unwrap().len(), 1);
}
