//! A person's templates one by one: showing them by their addresses, adding some, removing one.

use super::change::{Begun, Prepared, both};
use super::envelope::Unread;
use super::leaving::Leaving;
use super::person::{Person, Template};
use super::record::{self, Kind};
use super::sub_keys::sub_keys;
use super::template_id::TemplateId;
use super::{Gallery, GalleryError};
use crate::domain::{ModelId, PersonId};
use crate::seal::SubKeyId;
use crate::store::Entry;

/// A template as it is kept.
#[derive(Debug)]
pub struct KeptTemplate {
    pub id: TemplateId,
    /// Known of a sealed one that cannot be opened, too; `None` if it is damaged.
    pub model: Option<ModelId>,
    /// The template, or why it cannot be read: [`GalleryError::Locked`] or [`GalleryError::Damaged`].
    pub template: Result<Template, GalleryError>,
}

impl Gallery {
    /// Everything kept of a person's face, and of those who look like them: enrolled templates, learned ones, negative references, each oldest
    /// first. One that cannot be read has its place in the list.
    pub fn kept_templates(&self, id: PersonId) -> Result<Vec<KeptTemplate>, GalleryError> {
        self.person(id)?;
        let mut kept = Vec::new();
        for (key, value) in self.trees.templates_of(id)? {
            let Some(template_id) = TemplateId::of_key(&key).filter(|_| !record::is_erased(&value)) else { continue };
            let template = self.trees.read(&key, &value).map_err(|unread| match unread {
                Unread::Locked(why) => GalleryError::Locked { key: record::describe(&key), why },
                Unread::Damaged(why) => GalleryError::Damaged { key: record::describe(&key), why },
            });
            kept.push(KeptTemplate { id: template_id, model: self.trees.model_of(&value), template });
        }
        Ok(kept)
    }

    /// The same without their addresses. Fails if one of them is damaged or locked.
    pub fn kept(&self, id: PersonId) -> Result<Vec<(Kind, Template)>, GalleryError> {
        let kept = self.kept_templates(id)?;
        kept.into_iter().map(|kept| Ok((kept.id.kind(), kept.template?))).collect()
    }

    /// Adds templates to a person, all or none. At most [`MAX_TEMPLATES`](super::MAX_TEMPLATES) of the model in use are allowed in total.
    pub fn add_templates(&self, id: PersonId, templates: Vec<Template>) -> Result<Person, GalleryError> {
        self.prepare_more_templates(id, &templates, &[])?.commit()
    }

    /// Prepares [`add_templates`](Gallery::add_templates), with templates of the second model as well, if there are any.
    pub fn prepare_more_templates(
        &self,
        id: PersonId,
        templates: &[Template],
        next: &[Template],
    ) -> Result<Prepared<'_>, GalleryError> {
        let Begun { writing, stored, held } = self.begin_addition(id, templates, next)?;
        self.require_local(id)?;
        let of_next = match next.first() {
            Some(first) => self.sub_key_of(first.embedding.model(), &held)?,
            None => None,
        };
        let sub_keys = [self.own_sub_key(&held)?, of_next];
        let changes = self.trees.additions(id, &held, both(sub_keys, templates, next))?;
        Ok(self.prepared(writing, changes, id, stored, Vec::new(), false))
    }

    /// Prepares the erasure of one template, readable or not. It is overwritten and deleted. Where templates are sealed, those that stay are
    /// sealed anew and the sub-key is removed, so that neither an old page nor a backup can restore the one that went.
    ///
    /// # Errors
    /// [`GalleryError::NoTemplate`] where the person has no such template.
    pub fn prepare_template_removal(&self, id: PersonId, which: TemplateId) -> Result<Prepared<'_>, GalleryError> {
        let writing = self.writing();
        if which.kind() == Kind::Enrolled {
            self.require_local(id)?;
        }
        let stored = self.trees.stored(id)?;
        let held = self.trees.templates_of(id)?;
        let mut leaving = Leaving::default();
        let is_it = |(key, value): &Entry| TemplateId::of_key(key) == Some(which) && !record::is_erased(value);
        if leaving.add(self, &held, is_it)? == 0 {
            return Err(GalleryError::NoTemplate { template: which.to_string(), person: id });
        }
        let changes = leaving.changes(self);
        Ok(self.prepared(writing, changes, id, stored, leaving.gone, true))
    }

    /// The sub-key of a person's templates of the model in use, among the ones in `held`; a new one if they have none. It is not that of another
    /// model's templates: either set can be erased for good.
    pub(super) fn own_sub_key(&self, held: &[Entry]) -> Result<Option<SubKeyId>, GalleryError> {
        self.sub_key_of(&self.model, held)
    }

    fn sub_key_of(&self, model: &ModelId, held: &[Entry]) -> Result<Option<SubKeyId>, GalleryError> {
        let of_this_model = held.iter().filter(|(_, value)| self.trees.model_of(value).as_ref() == Some(model));
        let own =
            sub_keys(of_this_model.map(|(_, value)| &**value)).into_iter().find(|id| self.ring().ids().contains(id));
        Ok(match own {
            Some(own) => Some(own),
            None => self.trees.sub_keys.ring.add(1)?.pop(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::domain::{Embedding, Quality};
    use crate::gallery::NewPerson;
    use crate::seal::{Ring, StoreKey};
    use crate::store::Store;

    fn template(model: &str, degrees: f32) -> Template {
        let values = Box::new([degrees.to_radians().cos(), degrees.to_radians().sin()]);
        let embedding = Embedding::normalised(ModelId::new(model), values).unwrap();
        Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH }
    }

    struct Site {
        dir: tempfile::TempDir,
        store: Store,
        ring: Arc<Ring>,
        gallery: Gallery,
        ada: PersonId,
    }

    fn site(key: Option<&StoreKey>) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let ring = Arc::new(Ring::open(dir.path(), Ok(key.cloned())));
        let gallery = Gallery::open(&store, &ring, ModelId::new("net"), 2).unwrap();
        let person = NewPerson { name: "Ada".into(), ..NewPerson::default() };
        let templates = vec![template("net", 0.0), template("net", 20.0), template("net", 40.0)];
        let ada = gallery.enroll(person, templates).unwrap().id;
        Site { dir, store, ring, gallery, ada }
    }

    fn ids(gallery: &Gallery, person: PersonId) -> Vec<String> {
        gallery.kept_templates(person).unwrap().iter().map(|kept| kept.id.to_string()).collect()
    }

    fn id(text: &str) -> TemplateId {
        TemplateId::parse(text).unwrap()
    }

    #[test]
    fn a_removed_template_is_gone_and_the_others_keep_their_addresses() {
        let Site { dir: _dir, store, ring, gallery, ada } = site(None);
        gallery.prepare_not_them(ada, &template("net", 90.0)).unwrap().commit().unwrap();
        assert_eq!(ids(&gallery, ada), ["0", "1", "2", "lookalike-0"]);
        let person = gallery.prepare_template_removal(ada, id("1")).unwrap().commit().unwrap();
        assert_eq!(person.templates, 2);
        assert_eq!(ids(&gallery, ada), ["0", "2", "lookalike-0"]);
        let near = gallery.nearest(&template("net", 20.0).embedding).unwrap().unwrap();
        assert!(near.distance.0 > 0.3, "{near:?}");
        assert!(matches!(
            gallery.prepare_template_removal(ada, id("1")),
            Err(GalleryError::NoTemplate { template, .. }) if template == "1"
        ));
        assert!(matches!(gallery.prepare_template_removal(PersonId(9), id("0")), Err(GalleryError::NotFound { .. })));
        gallery.prepare_template_removal(ada, id("lookalike-0")).unwrap().commit().unwrap();
        assert_eq!(gallery.to_not_them(ada, &template("net", 90.0).embedding).unwrap(), None);
        drop(gallery);
        let again = Gallery::open(&store, &ring, ModelId::new("net"), 2).unwrap();
        assert_eq!(ids(&again, ada), ["0", "2"]);
        assert_eq!(again.prepare_template_removal(ada, id("0")).unwrap().commit().unwrap().templates, 1);
        assert_eq!(again.prepare_template_removal(ada, id("2")).unwrap().commit().unwrap().templates, 0);
        assert_eq!(again.add_templates(ada, vec![template("net", 1.0)]).unwrap().templates, 1);
    }

    #[test]
    fn what_sealed_a_removed_template_goes_and_the_others_can_still_be_opened() {
        let key = StoreKey::generate().unwrap();
        let Site { dir, store, ring, gallery, ada } = site(Some(&key));
        let before = ring.ids();
        gallery.prepare_template_removal(ada, id("0")).unwrap().commit().unwrap();
        let after = ring.ids();
        assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
        assert_eq!(gallery.kept(ada).unwrap().len(), 2);
        drop((gallery, ring));
        let ring = Arc::new(Ring::open(dir.path(), Ok(Some(key))));
        let again = Gallery::open(&store, &ring, ModelId::new("net"), 2).unwrap();
        assert_eq!(again.kept(ada).unwrap().len(), 2);
        assert_eq!(again.person(ada).unwrap().locked_templates, 0);
    }

    #[test]
    fn more_templates_of_both_models_share_the_sub_key_of_their_set() {
        let key = StoreKey::generate().unwrap();
        let Site { dir: _dir, ring, gallery, ada, .. } = site(Some(&key));
        gallery.set_next(Some((ModelId::new("next"), 2))).unwrap();
        for _ in 0..2 {
            let person = gallery.prepare_more_templates(ada, &[template("net", 5.0)], &[template("next", 5.0)]);
            person.unwrap().commit().unwrap();
        }
        assert_eq!((gallery.person(ada).unwrap().templates, gallery.next_templates(ada)), (5, 2));
        assert_eq!(ring.ids().len(), 2);
        assert!(matches!(gallery.prepare_more_templates(ada, &[], &[]), Err(GalleryError::NoTemplates)));
        let other = gallery.prepare_more_templates(ada, &[template("net", 5.0)], &[template("third", 5.0)]);
        assert!(matches!(other, Err(GalleryError::ForeignModel { .. })));
    }

    #[test]
    fn one_that_cannot_be_opened_is_listed_and_can_be_removed() {
        let key = StoreKey::generate().unwrap();
        let Site { dir, store, ring, gallery, ada } = site(Some(&key));
        drop((gallery, ring));
        let locked = Arc::new(Ring::open(dir.path(), Ok(None)));
        let gallery = Gallery::open(&store, &locked, ModelId::new("net"), 2).unwrap();
        let kept = gallery.kept_templates(ada).unwrap();
        assert_eq!(kept.len(), 3);
        assert!(kept.iter().all(|kept| matches!(kept.template, Err(GalleryError::Locked { .. }))), "{kept:?}");
        assert!(kept.iter().all(|kept| kept.model == Some(ModelId::new("net"))), "{kept:?}");
        assert!(matches!(gallery.kept(ada), Err(GalleryError::Locked { .. })));
    }
}
