//! Templates that come after the enrolment: those learned from grants, and negative references, the faces of others who look like the person.
//!
//! They are sealed with the person's own sub-key and erased with the person.

use super::change::Prepared;
use super::person::Template;
use super::record::{self, Kind};
use super::sub_keys::sub_keys;
use super::{Gallery, GalleryError};
use crate::domain::{Chroma, PersonId};
use crate::store::{Bytes, Entry};

/// The most templates that a person learns; the next one replaces the oldest.
pub const MAX_LEARNED: usize = 3;
/// The most negative references of a person.
pub const MAX_NOT_THEM: usize = 16;

impl Gallery {
    /// Prepares a template that was learned from a grant. Of [`MAX_LEARNED`], it replaces the oldest, which is erased; one in colour and a grey one
    /// stay.
    pub fn prepare_learned(&self, id: PersonId, template: &Template) -> Result<Prepared<'_>, GalleryError> {
        self.prepare_addition(id, Kind::Learned, MAX_LEARNED, template)
    }

    /// Prepares a negative reference: a face that is not the person's. Of [`MAX_NOT_THEM`], it replaces the oldest, which is erased.
    pub fn prepare_not_them(&self, id: PersonId, template: &Template) -> Result<Prepared<'_>, GalleryError> {
        self.prepare_addition(id, Kind::NotThem, MAX_NOT_THEM, template)
    }

    /// Prepares the erasure of all of a person's templates of a kind that came after the enrolment, readable or not; and their number.
    ///
    /// They are overwritten and deleted. Their sub-key seals the person's other templates and stays, so old pages and backups can be opened
    /// until the person is removed.
    pub fn prepare_forgetting(&self, id: PersonId, kind: Kind) -> Result<(Prepared<'_>, usize), GalleryError> {
        let writing = self.writing();
        let stored = self.trees.stored(id)?;
        let held = self.trees.templates_of(id)?;
        let (gone, stay): (Vec<&Entry>, Vec<&Entry>) =
            held.iter().partition(|(key, _)| kind != Kind::Enrolled && record::kind_of(key) == kind);
        let staying = sub_keys(stay.iter().map(|(_, value)| &**value));
        let mut leaving = sub_keys(gone.iter().map(|(_, value)| &**value));
        leaving.retain(|sub_key| !staying.contains(sub_key));
        let mut changes: Vec<_> = gone.iter().map(|(key, value)| self.overwrite(key, value)).collect();
        changes.extend(self.trees.sub_keys.note_removal(&leaving));
        let gone: Vec<Bytes> = gone.into_iter().map(|(key, _)| key.clone()).collect();
        let count = gone.len();
        Ok((self.prepared(writing, changes, id, stored, gone, !leaving.is_empty()), count))
    }

    fn prepare_addition(
        &self,
        id: PersonId,
        kind: Kind,
        most: usize,
        template: &Template,
    ) -> Result<Prepared<'_>, GalleryError> {
        let writing = self.writing();
        let stored = self.trees.stored(id)?;
        self.check_templates(std::slice::from_ref(template), 0)?;
        let held = self.trees.templates_of(id)?;
        let own: Vec<&Entry> =
            held.iter().filter(|(key, value)| record::kind_of(key) == kind && !record::is_erased(value)).collect();
        let gone = self.giving_way(&own, most, template.quality.chroma);
        let sub_key = self.own_sub_key(&held)?;
        let mut changes: Vec<_> = gone.iter().map(|(key, value)| self.overwrite(key, value)).collect();
        changes.extend(self.trees.additions_of(kind, id, &held, std::iter::once((sub_key, template)))?);
        let gone = gone.into_iter().map(|(key, _)| key.clone()).collect();
        Ok(self.prepared(writing, changes, id, stored, gone, false))
    }

    /// Which of `own`, oldest first, give way to one more template, of a picture of this `chroma`, so that `most` are kept: the oldest, but never the
    /// last one in colour, nor the last grey one, if another can go. A door that sees colour by day and infra-red by night keeps templates of both.
    /// One that cannot be read is of neither kind.
    fn giving_way<'e>(&self, own: &[&'e Entry], most: usize, chroma: Chroma) -> Vec<&'e Entry> {
        let of = |entry: &&'e Entry| (*entry, self.trees.read(&entry.0, &entry.1).ok().map(|kept| kept.quality.chroma));
        let mut stay: Vec<(&Entry, Option<Chroma>)> = own.iter().map(of).collect();
        let mut gone = Vec::new();
        while stay.len() + 1 > most.max(1) {
            let alike = |kind: Chroma| {
                usize::from(kind == chroma) + stay.iter().filter(|(_, other)| *other == Some(kind)).count()
            };
            let is_spare = |(_, kind): &(&Entry, Option<Chroma>)| kind.is_none_or(|kind| alike(kind) > 1);
            let at = stay.iter().position(is_spare).unwrap_or_default();
            gone.push(stay.remove(at).0);
        }
        gone
    }

    fn overwrite(&self, key: &[u8], value: &[u8]) -> crate::store::Change {
        self.trees.templates.put(key, record::erased(value.len()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::domain::{Distance, Embedding, GallerySize, ModelId, Quality};
    use crate::gallery::NewPerson;
    use crate::seal::{Ring, StoreKey};
    use crate::store::Store;

    fn template(angle: f32) -> Template {
        let values = Box::new([angle.to_radians().cos(), angle.to_radians().sin()]);
        let embedding = Embedding::normalised(ModelId::new("net"), values).unwrap();
        let quality = Quality { length: Some(7.0), ..Quality::default() };
        Template { embedding, quality, created: SystemTime::UNIX_EPOCH + Duration::from_secs(angle as u64) }
    }

    fn open(dir: &std::path::Path, key: &StoreKey) -> (Store, Arc<Ring>, Gallery) {
        let store = Store::open(dir).unwrap();
        let ring = Arc::new(Ring::open(dir, Ok(Some(key.clone()))));
        let gallery = Gallery::open(&store, &ring, ModelId::new("net"), 2).unwrap();
        (store, ring, gallery)
    }

    fn enrol(gallery: &Gallery, name: &str, angle: f32) -> PersonId {
        let person = NewPerson { name: name.into(), ..NewPerson::default() };
        gallery.enroll(person, vec![template(angle)]).unwrap().id
    }

    fn kept(gallery: &Gallery, id: PersonId) -> Vec<(Kind, f32)> {
        let degrees = |template: &Template| {
            let values = template.embedding.values();
            values[1].atan2(values[0]).to_degrees().round()
        };
        gallery.kept(id).unwrap().iter().map(|(kind, template)| (*kind, degrees(template))).collect()
    }

    #[test]
    fn a_negative_reference_recognises_nobody_and_survives_a_restart() {
        let (dir, key) = (tempfile::tempdir().unwrap(), StoreKey::generate().unwrap());
        let (store, ring, gallery) = open(dir.path(), &key);
        let ada = enrol(&gallery, "Ada", 0.0);
        let bob = enrol(&gallery, "Bob", 90.0);
        let alike = template(30.0);
        gallery.prepare_not_them(ada, &alike).unwrap().commit().unwrap();
        let check = |gallery: &Gallery| {
            let found = gallery.nearest(&alike.embedding).unwrap().unwrap();
            assert_eq!(found.person, ada, "by her own template");
            assert!(found.distance.0 > 0.5);
            assert_eq!(gallery.to_not_them(ada, &alike.embedding).unwrap(), Some(Distance(0.0)));
            assert_eq!(gallery.to_not_them(bob, &alike.embedding).unwrap(), None);
            assert_eq!(gallery.size(), GallerySize { people: 2, templates: 2 });
            assert_eq!(gallery.templates(ada).unwrap().len(), 1);
            assert_eq!(kept(gallery, ada), [(Kind::Enrolled, 0.0), (Kind::NotThem, 30.0)]);
        };
        check(&gallery);
        drop((gallery, ring, store));
        let (_store, ring, gallery) = open(dir.path(), &key);
        check(&gallery);
        assert_eq!(ring.ids().len(), 2, "sealed with the person's own sub-key");
        let (forgetting, count) = gallery.prepare_forgetting(ada, Kind::NotThem).unwrap();
        forgetting.commit().unwrap();
        assert_eq!((count, gallery.to_not_them(ada, &alike.embedding).unwrap()), (1, None));
        gallery.remove(ada).unwrap();
        assert_eq!(ring.ids().len(), 1);
    }

    #[test]
    fn learned_templates_are_few_and_can_be_forgotten() {
        let (dir, key) = (tempfile::tempdir().unwrap(), StoreKey::generate().unwrap());
        let (_store, ring, gallery) = open(dir.path(), &key);
        let ada = enrol(&gallery, "Ada", 0.0);
        for angle in [10.0, 20.0, 30.0, 40.0] {
            gallery.prepare_learned(ada, &template(angle)).unwrap().commit().unwrap();
        }
        let learned = [(Kind::Enrolled, 0.0), (Kind::Learned, 20.0), (Kind::Learned, 30.0), (Kind::Learned, 40.0)];
        assert_eq!(kept(&gallery, ada), learned, "the oldest was replaced");
        let person = gallery.person(ada).unwrap();
        assert_eq!((person.templates, person.learned_templates), (4, 3));
        assert!(gallery.nearest(&template(41.0).embedding).unwrap().unwrap().distance.0 < 0.02);
        let (forgetting, count) = gallery.prepare_forgetting(ada, Kind::Learned).unwrap();
        let person = forgetting.commit().unwrap();
        assert_eq!((count, person.templates, person.learned_templates), (3, 1, 0));
        assert_eq!(kept(&gallery, ada), [(Kind::Enrolled, 0.0)]);
        // What was enrolled is never forgotten this way.
        assert_eq!(gallery.prepare_forgetting(ada, Kind::Enrolled).unwrap().1, 0);
        assert_eq!(ring.ids().len(), 1);
        assert!(matches!(gallery.prepare_learned(PersonId(9), &template(1.0)), Err(GalleryError::NotFound { .. })));
        let foreign = Embedding::normalised(ModelId::new("other"), Box::new([1.0, 0.0])).unwrap();
        let foreign = Template { embedding: foreign, ..template(0.0) };
        assert!(matches!(gallery.prepare_learned(ada, &foreign), Err(GalleryError::ForeignModel { .. })));
    }

    #[test]
    fn the_last_grey_template_and_the_last_in_colour_stay() {
        let (dir, key) = (tempfile::tempdir().unwrap(), StoreKey::generate().unwrap());
        let (_store, _ring, gallery) = open(dir.path(), &key);
        let ada = enrol(&gallery, "Ada", 0.0);
        let learn = |angle: f32, chroma: Chroma| {
            let quality = Quality { chroma, ..template(angle).quality };
            gallery.prepare_learned(ada, &Template { quality, ..template(angle) }).unwrap().commit().unwrap();
            kept(&gallery, ada).iter().skip(1).map(|(_, degrees)| *degrees).collect::<Vec<_>>()
        };
        learn(10.0, Chroma::Grey);
        learn(20.0, Chroma::Colour);
        learn(30.0, Chroma::Colour);
        assert_eq!(learn(40.0, Chroma::Colour), [10.0, 30.0, 40.0], "the last grey one stays");
        assert_eq!(learn(50.0, Chroma::Grey), [30.0, 40.0, 50.0], "the oldest goes where another is as grey");
        assert_eq!(learn(60.0, Chroma::Grey), [40.0, 50.0, 60.0]);
        assert_eq!(learn(70.0, Chroma::Grey), [40.0, 60.0, 70.0], "the last one in colour stays");
        let chromas: Vec<Chroma> = gallery.kept(ada).unwrap().iter().map(|(_, kept)| kept.quality.chroma).collect();
        assert_eq!(chromas, [Chroma::Colour, Chroma::Colour, Chroma::Grey, Chroma::Grey]);
    }

    #[test]
    fn another_enrolment_replaces_what_belongs_to_another_model() {
        let (dir, key) = (tempfile::tempdir().unwrap(), StoreKey::generate().unwrap());
        let (store, ring, gallery) = open(dir.path(), &key);
        let ada = enrol(&gallery, "Ada", 0.0);
        gallery.prepare_not_them(ada, &template(30.0)).unwrap().commit().unwrap();
        gallery.prepare_learned(ada, &template(10.0)).unwrap().commit().unwrap();
        drop(gallery);
        let newer = Gallery::open(&store, &ring, ModelId::new("newer"), 2).unwrap();
        assert_eq!(newer.person(ada).unwrap().foreign_templates, 2, "a negative reference is no template");
        let embedding = Embedding::normalised(ModelId::new("newer"), Box::new([1.0, 0.0])).unwrap();
        newer.renew(ada, vec![Template { embedding, ..template(0.0) }]).unwrap();
        assert_eq!(kept(&newer, ada), [(Kind::Enrolled, 0.0)]);
        assert_eq!(newer.person(ada).unwrap().foreign_templates, 0);
    }
}
