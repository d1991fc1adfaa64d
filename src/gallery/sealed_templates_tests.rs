//! The gallery with a store key: what is sealed, what can be opened, and what a removal or a kill leaves behind.

use std::sync::Arc;
use std::time::SystemTime;

use super::*;
use crate::domain::Quality;
use crate::seal::{Ring, RingState, SealError, StoreKey};

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

    /// The numbers of sealed and of plain template values.
    fn values(&self) -> (usize, usize) {
        let values: Vec<_> = self.store.tree(TEMPLATES).unwrap().iter().map(|entry| entry.unwrap().1).collect();
        let sealed = values.iter().filter(|value| envelope::is_sealed(value)).count();
        (sealed, values.len() - sealed)
    }
}

#[test]
fn only_with_the_key_are_people_recognised() {
    let site = Site::new();
    let gallery = site.open();
    let ada = gallery.enroll(named("Ada"), vec![template("net", 0), template("net", 1)]).unwrap();
    gallery.add_templates(ada.id, vec![template("net", 2)]).unwrap();
    assert_eq!((site.values(), gallery.ring().ids().len(), gallery.sealing_problem()), ((3, 0), 1, None));
    let again = site.open();
    assert_eq!(again.templates(ada.id).unwrap().len(), 3);
    assert_eq!(again.nearest(&template("net", 2).embedding).unwrap().unwrap().person, ada.id);

    let other = StoreKey::generate().unwrap();
    for key in [None, Some(&other)] {
        let gallery = site.open_with(&site.ring(key));
        let RingState::Locked(why) = gallery.ring().state() else { panic!("it is not shut") };
        assert_eq!(gallery.locked(), Some(Locked { people: 1, templates: 3, why: why.clone() }));
        assert_eq!(gallery.nearest(&template("net", 2).embedding).unwrap(), None);
        assert_eq!(gallery.person(ada.id).unwrap().locked_templates, 3);
        assert!(matches!(gallery.templates(ada.id), Err(GalleryError::Locked { .. })));
        assert!(matches!(gallery.enroll(named("Bob"), vec![template("net", 3)]), Err(GalleryError::Seal(_))));
        assert!(gallery.sealing_problem().unwrap().contains("3 sealed templates of 1 people"));
        assert_eq!(gallery.damaged(), []);
    }
    // Names can still be changed.
    site.open_with(&site.ring(None)).rename(ada.id, "Ada Lovelace").unwrap();
    assert_eq!(site.open().size().people, 1);
}

#[test]
fn a_template_moved_to_another_record_is_damaged_and_not_compared() {
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
    assert_eq!((swapped.size().people, swapped.damaged().len(), swapped.locked()), (0, 2, None));
    assert!(swapped.damaged()[0].to_string().contains("its seal is broken"));
}

#[test]
fn plain_templates_are_sealed_once_person_by_person() {
    let site = Site::new();
    let plain = site.open_with(&Arc::new(Ring::plain()));
    let ada = plain.enroll(named("Ada"), vec![template("net", 0), template("net", 1)]).unwrap().id;
    assert!(plain.sealing_problem().unwrap().contains("unsealed"));
    drop(plain);
    let older = Gallery::open(&site.store, &Arc::new(Ring::plain()), ModelId::new("older"), DIMENSION).unwrap();
    let bob = older.enroll(named("Bob"), vec![template("older", 1)]).unwrap().id;
    drop(older);
    let sealed = site.open();
    assert_eq!((sealed.unreported_sealings(), site.values(), sealed.ring().ids().len()), ((2, 3), (3, 0), 2));
    site.store.commit(&[sealed.mark_sealings_reported()]).unwrap();
    assert_eq!((sealed.templates(ada).unwrap().len(), sealed.templates(bob).unwrap().len()), (2, 1));
    assert_eq!(sealed.foreign().unwrap()[0].templates, 1);
    drop(sealed);
    // A kill left one of two plain.
    let half = site.open_with(&Arc::new(Ring::plain()));
    half.enroll(named("Cy"), vec![template("net", 3)]).unwrap();
    drop(half);
    let rest = site.open();
    assert_eq!((rest.unreported_sealings(), site.values(), rest.size().people), ((1, 1), (4, 0), 2));
    // It stays unreported across a restart.
    assert_eq!(site.open().unreported_sealings(), (1, 1));
    site.store.commit(&[rest.mark_sealings_reported()]).unwrap();
    assert_eq!(site.open().unreported_sealings(), (0, 0));
    // The notes are gone, and the reopened store is unchanged.
    assert_eq!(site.store.tree("seals").unwrap().iter().count(), 0);
}

#[test]
fn a_removal_removes_the_sub_key_even_if_it_was_interrupted() {
    let site = Site::new();
    let gallery = site.open();
    let ada = gallery.enroll(named("Ada"), vec![template("net", 0)]).unwrap().id;
    let bob = gallery.enroll(named("Bob"), vec![template("net", 1)]).unwrap().id;
    let before = gallery.ring().ids();
    gallery.remove(ada).unwrap();
    let after = gallery.ring().ids();
    assert_eq!((before.len(), after.len()), (2, 1));
    // Killed between the commit and the change of the ring.
    site.store.commit(&gallery.trees.sub_keys.note_removal(&after)).unwrap();
    let reopened = site.open();
    assert_eq!(reopened.ring().ids(), []);
    assert_eq!(reopened.locked().unwrap().why, SealError::NoSubKey);
    // Without the key it waits until the key is available.
    let renewed = reopened.renew(bob, vec![template("net", 2)]).unwrap();
    assert_eq!((renewed.templates, renewed.locked_templates, reopened.ring().ids().len()), (1, 0, 1));
    drop(reopened);
    site.open_with(&site.ring(None)).remove(bob).unwrap();
    assert_eq!(site.ring(Some(&site.key)).ids().len(), 1);
    assert_eq!((site.open().ring().ids(), site.values()), (vec![], (0, 0)));
}

#[test]
fn templates_that_replace_another_models_get_a_new_sub_key() {
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
