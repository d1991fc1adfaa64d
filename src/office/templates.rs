//! More templates for somebody who is enrolled, and the removal of one: what is checked first.

use std::sync::PoisonError;

use super::{OfficeError, Register};
use crate::domain::{Actor, Event, PeopleEvent, PersonId};
use crate::gallery::{Kind, Person, Template, TemplateId};

/// Templates for somebody who is enrolled; they have passed the [`Gates`](super::Gates).
pub struct Addition {
    pub person: PersonId,
    /// Of the model in use; while the site is led to another model, of that one as well.
    pub templates: Vec<Template>,
    /// What each template was made from, for messages. May be shorter than `templates`.
    pub labels: Vec<String>,
    /// Whether to skip the checks that they show this person and nobody else.
    pub force: bool,
    pub by: Actor,
}

impl Register {
    /// Adds templates to a person, all or none.
    ///
    /// # Errors
    /// [`OfficeError::NotThem`], [`OfficeError::Duplicate`] and [`OfficeError::Outliers`] unless forced; and the gallery's errors.
    pub fn add_templates(&self, addition: Addition) -> Result<Person, OfficeError> {
        let Addition { person, templates, labels, force, by } = addition;
        let _enrolling = self.enrolling.lock().unwrap_or_else(PoisonError::into_inner);
        let (templates, next) = self.separate(templates);
        if !force {
            self.require_one_person(&templates, &labels)?;
            self.require_them(person, &templates, &labels)?;
            self.require_stranger(&templates, Some(person))?;
            self.check_next(&next, &labels, Some(person))?;
        }
        let count = templates.len();
        let prepared = self.gallery().prepare_more_templates(person, &templates, &next)?;
        self.write(prepared, |person| Event::People(PeopleEvent::TemplatesAdded { person, templates: count, by }))
    }

    /// Erases one template of a person, readable or not.
    ///
    /// # Errors
    /// [`OfficeError::LastTemplate`] unless forced: nobody would be recognised by what is left. And the gallery's errors.
    pub fn remove_template(
        &self,
        id: PersonId,
        which: TemplateId,
        force: bool,
        by: Actor,
    ) -> Result<Person, OfficeError> {
        // Two removals at once must not both think that another template stays.
        let _enrolling = self.enrolling.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.gallery().person(id)?;
        let kept = self.gallery().kept_templates(id)?;
        let recognises = kept.iter().any(|kept| {
            kept.id == which
                && which.kind() != Kind::NotThem
                && kept.template.is_ok()
                && kept.model.as_ref() == Some(self.gallery().model())
        });
        let left = before.templates.saturating_sub(usize::from(recognises));
        if recognises && left == 0 && !force {
            return Err(OfficeError::LastTemplate { person: id, name: before.name });
        }
        let prepared = self.gallery().prepare_template_removal(id, which)?;
        self.write(prepared, |person| {
            Event::People(PeopleEvent::TemplateRemoved { person, template: which.to_string(), left, by })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::access::NearEnough;
    use crate::clock::SystemClock;
    use crate::domain::{Distance, Embedding, ModelId, Quality};
    use crate::gallery::{Gallery, GalleryError, NewPerson};
    use crate::ledger::{Journal, ReadOrder};
    use crate::office::{Enrolment, Recorder};
    use crate::seal::Ring;
    use crate::store::Store;

    /// Ada at 0 degrees, Bob at 180; the limit is a distance of 1: 60 degrees.
    struct Site {
        _dir: tempfile::TempDir,
        recorder: Arc<Recorder>,
        register: Register,
        ada: PersonId,
    }

    fn face(degrees: f32) -> Template {
        let values = Box::new([degrees.to_radians().cos(), degrees.to_radians().sin()]);
        let embedding = Embedding::normalised(ModelId::new("net"), values).unwrap();
        Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH }
    }

    fn site() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let gallery = Arc::new(Gallery::open(&store, &Arc::new(Ring::plain()), ModelId::new("net"), 2).unwrap());
        let recorder = Recorder::new(&store, Journal::open(&store).unwrap(), Arc::new(SystemClock::new()));
        let recorder = Arc::new(recorder);
        let register = Register::new(gallery, recorder.clone(), NearEnough::Fixed(Distance(1.0)));
        let enrol = |name: &str, degrees| {
            let person = NewPerson { name: name.into(), ..NewPerson::default() };
            let (templates, by) = (vec![face(degrees)], Actor::from("anna"));
            register.enroll(Enrolment { person, templates, labels: Vec::new(), force: false, by }).unwrap().id
        };
        let ada = enrol("Ada", 0.0);
        enrol("Bob", 180.0);
        Site { _dir: dir, recorder, register, ada }
    }

    impl Site {
        fn add(&self, degrees: &[f32], force: bool) -> Result<Person, OfficeError> {
            let templates = degrees.iter().map(|degrees| face(*degrees)).collect();
            let labels = (1..=degrees.len()).map(|n| format!("{n}.jpg")).collect();
            let addition = Addition { person: self.ada, templates, labels, force, by: "anna".into() };
            self.register.add_templates(addition)
        }

        fn last(&self) -> String {
            let records = self.recorder.journal().list(.., ReadOrder::NewestFirst, 1).unwrap();
            crate::ledger::explain(&records[0])
        }
    }

    #[test]
    fn templates_of_the_person_are_added_and_others_refused_by_name() {
        let site = site();
        assert_eq!(site.add(&[10.0, 20.0], false).unwrap().templates, 3);
        assert!(site.last().contains("added 2 templates to Ada, by anna"), "{}", site.last());
        let error = site.add(&[15.0, 170.0], false).unwrap_err();
        assert!(matches!(error, OfficeError::Outliers { .. }), "{error}");
        let error = site.add(&[170.0], false).unwrap_err();
        assert!(error.to_string().contains("1.jpg does not look like Ada (#1)"), "{error}");
        assert!(error.to_string().contains("nearer to person 2"), "{error}");
        assert_eq!(site.register.gallery().person(site.ada).unwrap().templates, 3);
        assert_eq!(site.add(&[170.0], true).unwrap().templates, 4);
    }

    #[test]
    fn a_face_between_two_people_is_a_possible_duplicate() {
        let site = site();
        let person = NewPerson { name: "Eve".into(), ..NewPerson::default() };
        let enrolment =
            Enrolment { person, templates: vec![face(70.0)], labels: Vec::new(), force: true, by: "anna".into() };
        site.register.enroll(enrolment).unwrap();
        let error = site.add(&[33.0], false).unwrap_err();
        assert!(matches!(&error, OfficeError::Duplicate { name, .. } if name == "Eve"), "{error}");
    }

    #[test]
    fn the_last_template_goes_only_by_force_and_another_enrolment_fills_the_place() {
        let site = site();
        let remove = |which: &str, force| {
            site.register.remove_template(site.ada, TemplateId::parse(which).unwrap(), force, "anna".into())
        };
        let error = remove("0", false).unwrap_err();
        assert!(error.to_string().contains("the last template by which Ada (#1) is recognised"), "{error}");
        site.add(&[10.0], false).unwrap();
        assert_eq!(remove("0", false).unwrap().templates, 1);
        assert!(site.last().contains("erased the template 0 of Ada (1 left), by anna"), "{}", site.last());
        let error = remove("0", true).unwrap_err();
        assert!(matches!(error, OfficeError::Gallery(GalleryError::NoTemplate { .. })), "{error}");
        assert_eq!(remove("1", true).unwrap().templates, 0);
        // A negative reference recognises nobody, so it is not the last template.
        site.register.note_lookalike(site.ada, &face(40.0), 9, true, "anna".into()).unwrap();
        assert_eq!(remove("lookalike-0", false).unwrap().templates, 0);

        // Nothing to compare with: only others are checked.
        let error = site.add(&[170.0], false).unwrap_err();
        assert!(matches!(&error, OfficeError::Duplicate { name, .. } if name == "Bob"), "{error}");
        let person = NewPerson { name: "Ada".into(), ..NewPerson::default() };
        let enrolment =
            Enrolment { person, templates: vec![face(5.0)], labels: Vec::new(), force: false, by: "anna".into() };
        let again = site.register.enroll(enrolment).unwrap();
        assert_eq!((again.id, again.templates), (site.ada, 1));
    }
}
