//! Taking somebody in, and saying something new of somebody, by a command of the office or by the request of a board.

use uuid::Uuid;

use super::book::{Book, BookError};
use super::faces::Newcomer;
use super::kept::KeptGallery;
use crate::domain::{Embedding, ModelId};
use crate::fleet::{Gallery, MAX_FLEET_TEMPLATES, MAX_MODEL, PeopleRecord, PersonBody, PersonRecord, Place, Site};
use crate::gallery::{NewPerson, read_template};
use crate::store::Change;

/// The most people of a site. Beyond that, strangers would be taken for somebody too often: see docs/fleet.md.
const MOST_PEOPLE: usize = 100_000;
/// The first version of a record.
const FIRST: u64 = 1;

/// Somebody to be taken in.
pub(super) struct Admission {
    pub uuid: Uuid,
    pub site: Site,
    /// The model of the templates.
    pub model: ModelId,
    pub body: PersonBody,
    /// Templates of the other model, while the site goes over from one to another; empty otherwise.
    pub beside: Vec<Vec<u8>>,
    /// What each template was made from; may be shorter than those.
    pub labels: Vec<String>,
    /// Take them in even if the name or the face is like somebody's.
    pub force: bool,
}

impl Book {
    /// Takes somebody in whose uuid is chosen already. `more` goes into the same commit.
    pub(super) fn admit(&mut self, admission: Admission, more: Vec<Change>) -> Result<(), BookError> {
        let Admission { uuid, site, model, body, beside, labels, force } = admission;
        let gallery = Gallery::from(&site);
        let Sound { person: NewPerson { name, employee_id, groups }, faces } = sound(&body, &model)?;
        let people = self.people(&gallery)?;
        if let Some(other) = people.kept.model.as_ref().filter(|other| **other != model) {
            return Err(BookError::Refused(format!(
                "the people of {site} have templates of {other}, and these are of {model}: set [models] embedder as on the boards"
            )));
        }
        if people.enrolled().count() >= MOST_PEOPLE {
            return Err(BookError::Refused(format!("{site} has {MOST_PEOPLE} people, which is the most")));
        }
        if !force {
            let employee_id = employee_id.as_deref();
            let new = Newcomer { gallery: &gallery, name: &name, employee_id, faces: &faces, labels: &labels };
            self.require_new(&new)?;
        }
        self.check_beside(&gallery, None, &beside, force)?;
        let body = PersonBody { name, employee_id, groups, ..body };
        let kept = KeptGallery { model: Some(model.clone()), ..self.people(&gallery)?.kept.clone() };
        let version = kept.floor.saturating_add(FIRST);
        let mut sealed = vec![self.sealed_person(&gallery, uuid, &model, &body, version)?];
        if let Some((model, templates)) = self.beside_of(&gallery, beside) {
            let body = PersonBody { templates, ..body.clone() };
            sealed.push(self.sealed_person(&gallery, uuid, &model, &body, version)?);
        }
        let mut changes = more;
        changes.extend(sealed.iter().map(|(record, signed)| self.trees.put_person(record, signed)));
        changes.push(self.trees.put_gallery(&gallery, &kept));
        // What boards send from now on is about them, also if somebody of that name was forgotten.
        let traces = &self.trees.traces;
        changes.push(traces.stop(traces.of(site.as_str(), &body.name, body.employee_id.as_deref())));
        self.trees.store.commit(&changes)?;
        if let Some(people) = self.galleries.get_mut(&gallery) {
            people.kept = kept;
        }
        for (record, signed) in sealed {
            self.hold(record, signed)?;
        }
        self.changes += 1;
        Ok(())
    }

    /// Says something new of somebody of a gallery: newer versions of their records, asked for by `by`. `more` goes into the same commit.
    pub(in crate::office) fn change_person(
        &mut self,
        gallery: &Gallery,
        uuid: Uuid,
        by: &str,
        more: Vec<Change>,
        change: impl Fn(&mut PersonBody),
    ) -> Result<(), BookError> {
        let anew = self.said_anew(gallery, uuid, |body| {
            change(body);
            by.clone_into(&mut body.by);
        })?;
        if anew.is_empty() {
            return Err(BookError::Refused(format!(
                "nobody at {gallery} is {uuid}: `usher fleet people` with that site lists all"
            )));
        }
        let mut changes = more;
        changes.extend(anew.iter().map(|(record, signed)| self.trees.put_person(record, signed)));
        self.trees.store.commit(&changes)?;
        for (record, signed) in anew {
            self.hold(record, signed)?;
        }
        self.changes += 1;
        Ok(())
    }

    /// Lets doors open for somebody of a site, or for whom nobody opens any more. Returns their name.
    pub fn set_enabled(&mut self, site: &Site, query: &str, enabled: bool, by: &str) -> Result<String, BookError> {
        let gallery = Gallery::from(site);
        let uuid = self.meant(&gallery, query)?;
        let who = self.people(&gallery)?.entries.get(&uuid).and_then(|entry| entry.who.as_ref());
        let (name, before) = who.map(|who| (who.body.name.clone(), who.body.enabled)).unwrap_or_default();
        if before != enabled {
            self.change_person(&gallery, uuid, by, Vec::new(), |body| body.enabled = enabled)?;
        }
        Ok(name)
    }

    /// A person's record, sealed and signed.
    pub(super) fn sealed_person(
        &self,
        gallery: &Gallery,
        uuid: Uuid,
        model: &ModelId,
        body: &PersonBody,
        version: u64,
    ) -> Result<(PeopleRecord, Vec<u8>), BookError> {
        let epoch = self.people(gallery)?.kept.epoch;
        let place = Place { fleet: self.fleet, gallery: gallery.clone(), uuid, model: model.clone() };
        let sealed = PersonRecord::seal(&place, version, body, epoch, self.epoch_key(gallery, epoch)?)?;
        let record = PeopleRecord::Person(sealed);
        let signed: Vec<u8> = self.key.sign(self.fleet, &record)?.into();
        Ok((record, signed))
    }
}

/// What somebody says of a new person, tidied, and their faces.
pub(super) struct Sound {
    pub person: NewPerson,
    pub faces: Vec<Embedding>,
}

/// Checks what is said of a new person, whoever else is enrolled.
pub(super) fn sound(body: &PersonBody, model: &ModelId) -> Result<Sound, BookError> {
    let PersonBody { name, employee_id, groups, .. } = body.clone();
    let person = NewPerson { name, employee_id, groups }.tidy()?;
    if !(1..=MAX_FLEET_TEMPLATES).contains(&body.templates.len()) {
        return Err(BookError::Refused(format!("give 1 to {MAX_FLEET_TEMPLATES} photographs")));
    }
    if model.as_str().len() > MAX_MODEL {
        return Err(BookError::Refused(format!("the name of a model has at most {MAX_MODEL} bytes")));
    }
    let faces = faces_of(&body.templates, model)?;
    Ok(Sound { person, faces })
}

/// The embeddings of templates as they travel, all of one model.
pub(super) fn faces_of(templates: &[impl AsRef<[u8]>], model: &ModelId) -> Result<Vec<Embedding>, BookError> {
    let face = |template: &[u8]| {
        let template = read_template(template)
            .map_err(|error| BookError::Refused(format!("a template cannot be read: {error}")))?;
        match template.embedding.model() == model {
            true => Ok(template.embedding),
            false => Err(BookError::Refused("a template is of another model than it says".into())),
        }
    };
    templates.iter().map(|template| face(template.as_ref())).collect()
}
