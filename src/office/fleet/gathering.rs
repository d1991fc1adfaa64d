//! Templates of the model that a site goes over to: from doors, after somebody was let in, and from photographs at the office.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::admit::faces_of;
use super::book::{Book, BookError, Who};
use super::faces::nearest;
use super::models::wiped;
use crate::domain::{Embedding, GallerySize, ModelId};
use crate::fleet::{Board, Gallery, MAX_FLEET_TEMPLATES, PeopleRecord, PersonBody, Site};
use crate::office::outliers::find_outliers;

/// The most templates that a door makes of a visit.
pub const MOST_OF_A_VISIT: usize = 8;

/// What became of a door's templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gathered {
    /// They are the person's from now on.
    Taken,
    /// The person has some already: nothing was changed.
    Had,
}

/// Templates of the new model from photographs of somebody who is enrolled.
#[derive(Clone, Debug)]
pub struct Photographed {
    pub gallery: Gallery,
    /// Of the new model.
    pub templates: Vec<Vec<u8>>,
    /// The same faces by the model in force: they show that it is this person.
    pub proof: Vec<Vec<u8>>,
    /// What each was made from.
    pub labels: Vec<String>,
    /// Whether to skip the checks that they show this person and nobody else.
    pub force: bool,
}

impl Book {
    /// Takes what a door made of a visit. The board may speak of its own site only; somebody who has templates of the new model keeps them, so that a request that comes twice
    /// changes nothing.
    ///
    /// # Errors
    /// Why not, for good: the door does not ask again for that visit.
    pub fn take_templates(
        &mut self,
        site: &Site,
        board: &Board,
        uuid: Uuid,
        model: &ModelId,
        templates: Vec<Vec<u8>>,
    ) -> Result<Gathered, BookError> {
        let refused = |why: &str| Err(BookError::Refused(why.to_owned()));
        if !self.boards.get(board).is_some_and(|kept| kept.site == *site && !kept.revoked) {
            return refused("the board is not one of that site");
        }
        let gallery = Gallery::from(site);
        let roll = self.roll_of(&gallery)?;
        if roll.to.model != *model || !roll.learn {
            return refused("the site makes no templates of that model from visits");
        }
        if !(1..=MOST_OF_A_VISIT).contains(&templates.len()) {
            return refused("a visit gives 1 to 8 templates");
        }
        let people = self.people(&gallery)?;
        let enabled = people.entries.get(&uuid).and_then(|entry| entry.who.as_ref()).map(|who| who.body.enabled);
        match enabled {
            None => return refused("nobody of that number is enrolled"),
            Some(false) => return refused("the person is disabled"),
            Some(true) => {}
        }
        let held = people.set(model).and_then(|(entries, _)| entries.get(&uuid)?.who.as_ref());
        if held.is_some_and(|who| !who.faces.is_empty()) {
            return Ok(Gathered::Had);
        }
        self.check_new(&gallery, Some(uuid), &faces_of(&templates, model)?, &[])?;
        self.put_templates(&gallery, uuid, model, templates)?;
        Ok(Gathered::Taken)
    }

    /// Gives somebody templates of the new model from photographs, in the place of those that they have of it.
    pub fn give_templates(&mut self, query: &str, photographed: Photographed) -> Result<(), BookError> {
        let Photographed { gallery, templates, proof, labels, force } = photographed;
        let uuid = self.meant(&gallery, query)?;
        let to = self.roll_of(&gallery)?.to.model;
        if !(1..=MAX_FLEET_TEMPLATES).contains(&templates.len()) || proof.len() > MAX_FLEET_TEMPLATES {
            return Err(BookError::Refused(format!("give 1 to {MAX_FLEET_TEMPLATES} photographs")));
        }
        let faces = faces_of(&templates, &to)?;
        if !force {
            self.require_them(&gallery, uuid, &proof, &labels)?;
            self.check_new(&gallery, Some(uuid), &faces, &labels)?;
        }
        self.put_templates(&gallery, uuid, &to, templates)
    }

    /// Checks a newcomer's templates of the other model, if there are any.
    pub(super) fn check_beside(
        &self,
        gallery: &Gallery,
        own: Option<Uuid>,
        templates: &[Vec<u8>],
        force: bool,
    ) -> Result<(), BookError> {
        if templates.is_empty() {
            return Ok(());
        }
        if templates.len() > MAX_FLEET_TEMPLATES {
            return Err(BookError::Refused(format!("give 1 to {MAX_FLEET_TEMPLATES} photographs")));
        }
        let none = || BookError::Refused(format!("{gallery} keeps templates of one model only: enrol again"));
        let beside = self.people(gallery)?.kept.beside().map(|beside| beside.model.clone()).ok_or_else(none)?;
        let faces = faces_of(templates, &beside)?;
        if force { Ok(()) } else { self.check_new(gallery, own, &faces, &[]) }
    }

    /// A newcomer's templates of the other model, for their record.
    pub(super) fn beside_of(
        &self,
        gallery: &Gallery,
        templates: Vec<Vec<u8>>,
    ) -> Option<(ModelId, Vec<Zeroizing<Vec<u8>>>)> {
        let beside = self.galleries.get(gallery)?.kept.beside()?.model.clone();
        (!templates.is_empty()).then(|| (beside, wiped(templates)))
    }

    /// Fails unless the faces are of one person, and like nobody's but `own` of the same model at this site.
    fn check_new(
        &self,
        gallery: &Gallery,
        own: Option<Uuid>,
        faces: &[Embedding],
        labels: &[String],
    ) -> Result<(), BookError> {
        let Some(model) = faces.first().map(Embedding::model) else { return Ok(()) };
        let rule = self.rule_for(faces);
        let label = |at: usize| labels.get(at).cloned().unwrap_or_else(|| format!("template {}", at + 1));
        let alone = rule.cut(GallerySize::ONE).distance;
        let between = |i: usize, j: usize| faces.get(i)?.distance(faces.get(j)?);
        if let Some(outliers) = find_outliers(faces.len(), alone, between) {
            let apart: Vec<String> = outliers.apart.iter().map(|(at, _)| label(*at)).collect();
            let (apart, middle) = (apart.join(", "), label(outliers.middle));
            return Err(BookError::MayForce(format!("{apart} does not look like {middle} to {model}")));
        }
        let Some((entries, _)) = self.people(gallery)?.set(model) else { return Ok(()) };
        let others: Vec<(&Uuid, &Who)> =
            entries.iter().filter_map(|(uuid, entry)| Some((uuid, entry.who.as_ref()?))).collect();
        let size = GallerySize {
            people: others.iter().filter(|(_, who)| !who.faces.is_empty()).count(),
            templates: others.iter().map(|(_, who)| who.faces.len()).sum(),
        };
        let limit = rule.cut(size).distance;
        for (_, who) in others.into_iter().filter(|(uuid, _)| Some(**uuid) != own) {
            if let Some(distance) = nearest(&who.faces, faces).filter(|near| near.0 <= limit.0) {
                return Err(BookError::MayForce(format!(
                    "to {model} this may be {}: distance {distance}, and up to {limit} counts as the same person",
                    who.body.name
                )));
            }
        }
        Ok(())
    }

    /// Fails unless each proof is near enough to the person's own faces. People without faces of the model in force pass: there is nothing to compare
    /// with.
    fn require_them(
        &self,
        gallery: &Gallery,
        uuid: Uuid,
        proof: &[Vec<u8>],
        labels: &[String],
    ) -> Result<(), BookError> {
        let people = self.people(gallery)?;
        let Some(model) = people.kept.model.clone() else { return Ok(()) };
        let faces = faces_of(proof, &model)?;
        let who = people.entries.get(&uuid).and_then(|entry| entry.who.as_ref()).filter(|who| !who.faces.is_empty());
        let Some(who) = who else { return Ok(()) };
        let limit = self.rule_for(&faces).cut(GallerySize::ONE).distance;
        for (at, face) in faces.iter().enumerate() {
            let near = nearest(&who.faces, std::slice::from_ref(face));
            if let Some(distance) = near.filter(|distance| distance.0 > limit.0) {
                let label = labels.get(at).cloned().unwrap_or_else(|| format!("photograph {}", at + 1));
                return Err(BookError::MayForce(format!(
                    "{label} does not look like {}: distance {distance}, and at most {limit} counts as the same person",
                    who.body.name
                )));
            }
        }
        Ok(())
    }

    /// Seals templates beside those in force, with what is said of the person now.
    fn put_templates(
        &mut self,
        gallery: &Gallery,
        uuid: Uuid,
        model: &ModelId,
        templates: Vec<Vec<u8>>,
    ) -> Result<(), BookError> {
        let people = self.people(gallery)?;
        let gone = || BookError::Refused("nobody of that number is enrolled".into());
        let who = people.entries.get(&uuid).and_then(|entry| entry.who.as_ref()).ok_or_else(gone)?;
        let before = people.set(model).and_then(|(entries, _)| entries.get(&uuid)).map(|entry| entry.record.version());
        let version = before.unwrap_or(people.kept.floor).saturating_add(1);
        let body = PersonBody { templates: wiped(templates), ..who.body.clone() };
        let (record, signed) = self.sealed_person(gallery, uuid, model, &body, version)?;
        self.trees.store.commit(&[self.trees.put_person(&record, &signed)])?;
        self.hold(record, signed)?;
        self.changes += 1;
        Ok(())
    }

    /// A person's records of all models, each said anew with a change of what is said: they are sealed as newer versions. They are to be committed and held
    /// together.
    ///
    /// # Errors
    /// They cannot be opened or sealed.
    pub fn said_anew(
        &self,
        gallery: &Gallery,
        uuid: Uuid,
        change: impl Fn(&mut PersonBody),
    ) -> Result<Vec<(PeopleRecord, Vec<u8>)>, BookError> {
        let people = self.people(gallery)?;
        let mut anew = Vec::new();
        for entry in [people.entries.get(&uuid), people.beside.entries.get(&uuid)].into_iter().flatten() {
            let PeopleRecord::Person(person) = &entry.record else { continue };
            let mut body = person.open(self.fleet, self.epoch_key(gallery, person.epoch)?)?;
            change(&mut body);
            let version = person.version.saturating_add(1);
            anew.push(self.sealed_person(gallery, uuid, &person.model, &body, version)?);
        }
        Ok(anew)
    }
}
