//! The register of people: each change is checked, and made durable in one commit with its record, which names who made it.
//!
//! Knows nothing of how templates are made from photographs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;
use thiserror::Error;

use super::Recorder;
use super::one_person::odd_ones;
use crate::access::{Cut, NearEnough};
use crate::domain::{Distance, Event, GallerySize, Named, PersonId};
use crate::gallery::{Gallery, GalleryError, NewPerson, Person, Prepared, Template};
use crate::ledger::LedgerError;
use crate::names::{self, NameFault};

/// The gallery and the pen.
#[derive(Clone)]
pub struct Register {
    gallery: Arc<Gallery>,
    recorder: Arc<Recorder>,
    /// One enrolment at a time: what was checked must still hold when it is written.
    desk: Arc<Mutex<()>>,
    /// How near two faces must be to be taken for one person, by the number of people and templates enrolled.
    near_enough: NearEnough,
}

/// Somebody to enrol, with templates that already passed the gates.
pub struct Enrolment {
    pub person: NewPerson,
    pub templates: Vec<Template>,
    /// What each template was made from, for messages: `ada.jpg`. May be shorter than `templates`.
    pub labels: Vec<String>,
    /// Enrol even if it looks like somebody else or is called the same, or if the templates do not look like one person.
    pub force: bool,
    /// Who does it.
    pub by: String,
}

/// Why the register stays as it is.
#[derive(Debug, Error)]
pub enum OfficeError {
    #[error(transparent)]
    Gallery(#[from] GalleryError),
    #[error("nothing was changed, because it could not be written down: {0}")]
    Ledger(#[from] LedgerError),
    #[error("it was done, but could not be written down: {0}")]
    Unrecorded(LedgerError),
    #[error(
        "this may be {name} (#{person}), who is enrolled already: distance {distance}, and up to {limit} counts as the same person. \
         Pass --force to enrol anyway, for example for twins"
    )]
    Duplicate { person: PersonId, name: String, distance: Distance, limit: Distance },
    #[error(
        "{name} is enrolled already, as #{person}. Somebody else of that name needs an employee id, and so does #{person} (usher people \
         id); for an enrolment --force does as well. To take new photographs of #{person}, remove that person first"
    )]
    SameName { person: PersonId, name: String },
    #[error(
        "{new} looks like {name} (#{person}), who is enrolled already, but is written with other characters: {advice}"
    )]
    LookAlike { person: PersonId, name: String, new: String, advice: &'static str },
    #[error("the name {name:?} cannot be told from others by the eye: {fault}")]
    Unclear { name: String, fault: NameFault },
    #[error(
        "{which} not look like the others: at distance {distances} from {middle}, which is in the middle of them, and up to {limit} counts \
         as the same person. Leave what is named first out, or pass --force if it is the same person"
    )]
    Odd { which: String, middle: String, distances: String, limit: Distance },
}

impl Register {
    /// `near_enough` is what the doors take two faces for one person by.
    pub fn new(gallery: Arc<Gallery>, recorder: Arc<Recorder>, near_enough: NearEnough) -> Register {
        Register { gallery, recorder, desk: Arc::default(), near_enough }
    }

    /// The cut for the people and templates enrolled now: at this distance or less two faces are taken for one person.
    pub fn cut(&self) -> Cut {
        self.near_enough.cut(self.gallery.size())
    }

    /// The gallery, for reading.
    pub fn gallery(&self) -> &Gallery {
        &self.gallery
    }

    /// Enrols a person, all or nothing. Somebody of that name or employee id whose templates are all of another model or locked is enrolled again:
    /// they keep number, groups and whether they are enabled, and the new templates take the place of the old.
    ///
    /// # Errors
    /// [`OfficeError::SameName`], [`OfficeError::Duplicate`] and [`OfficeError::Odd`] unless forced; whatever the gallery refuses.
    pub fn enroll(&self, enrolment: Enrolment) -> Result<Person, OfficeError> {
        let Enrolment { person, templates, labels, force, by } = enrolment;
        let _at_the_desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.of_another_model(&person);
        if !force {
            if before.is_none() {
                self.expect_new_name(&person.name, person.employee_id.as_deref(), None)?;
            }
            self.expect_one_person(&templates, &labels)?;
            self.expect_stranger(&templates)?;
        }
        let count = templates.len();
        let prepared = match before {
            Some(id) => self.gallery.renewing(id, &templates)?,
            None => self.gallery.enrolling(person, &templates)?,
        };
        self.write(prepared, |person| Event::Enrolled { person, templates: count, by })
    }

    /// Gives a person another name.
    ///
    /// # Errors
    /// As for an enrolment: [`OfficeError::SameName`], [`OfficeError::LookAlike`], [`OfficeError::Unclear`].
    pub fn rename(&self, id: PersonId, name: &str, by: String) -> Result<Person, OfficeError> {
        let _at_the_desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        let Person { name: before, employee_id, .. } = self.gallery.person(id)?;
        self.expect_new_name(name, employee_id.as_deref(), Some(id))?;
        self.write(self.gallery.renaming(id, name)?, |person| Event::Renamed { person, before, by })
    }

    /// Lets a person be recognised, or not.
    pub fn set_enabled(&self, id: PersonId, enabled: bool, by: String) -> Result<Person, OfficeError> {
        self.write(self.gallery.setting_enabled(id, enabled)?, |person| match enabled {
            true => Event::Enabled { person, by },
            false => Event::Disabled { person, by },
        })
    }

    /// Gives a person another employee id, or takes it away.
    pub fn set_employee_id(&self, id: PersonId, employee_id: Option<&str>, by: String) -> Result<Person, OfficeError> {
        let before = self.gallery.person(id)?.employee_id;
        let prepared = self.gallery.setting_employee_id(id, employee_id)?;
        let shown = |id: &Option<String>| id.clone().unwrap_or_else(|| "none".to_owned());
        let what = format!("employee id {}, before {}", shown(&prepared.person().employee_id), shown(&before));
        self.write(prepared, |person| Event::Changed { person, what, by })
    }

    /// Puts a person into these groups and no others.
    pub fn set_groups(&self, id: PersonId, groups: &[String], by: String) -> Result<Person, OfficeError> {
        let prepared = self.gallery.setting_groups(id, groups)?;
        let what = match &prepared.person().groups[..] {
            [] => "in no group".to_owned(),
            groups => format!("groups {}", groups.join(", ")),
        };
        self.write(prepared, |person| Event::Changed { person, what, by })
    }

    /// From when on and until when doors open for a person.
    pub fn set_validity(
        &self,
        id: PersonId,
        from: Option<SystemTime>,
        until: Option<SystemTime>,
        by: String,
    ) -> Result<Person, OfficeError> {
        let prepared = self.gallery.setting_validity(id, from, until)?;
        let shown =
            |time: Option<SystemTime>| time.and_then(|time| Timestamp::try_from(time).ok()).map(|at| at.to_string());
        let what = match (shown(from), shown(until)) {
            (None, None) => "valid without limit".to_owned(),
            (Some(from), None) => format!("valid from {from}"),
            (None, Some(until)) => format!("valid before {until}"),
            (Some(from), Some(until)) => format!("valid from {from}, before {until}"),
        };
        self.write(prepared, |person| Event::Changed { person, what, by })
    }

    /// Removes a person and erases the templates, also of somebody whose record cannot be read.
    pub fn remove(&self, id: PersonId, by: String) -> Result<Person, OfficeError> {
        self.write(self.gallery.removing(id)?, |person| Event::Removed { person, by })
    }

    /// Commits a change together with its record; then the gallery follows. Killed at any moment, there are both or neither.
    fn write(&self, prepared: Prepared<'_>, event: impl FnOnce(Named) -> Event) -> Result<Person, OfficeError> {
        let event = event(named(prepared.person()));
        self.recorder.record_or_not_at_all(&event, prepared.changes())?;
        Ok(prepared.written()?)
    }

    /// The one who is enrolled as `new` already, by employee id, else by name, and cannot be recognised because another model made all
    /// their templates, or because they are sealed and cannot be opened.
    fn of_another_model(&self, new: &NewPerson) -> Option<PersonId> {
        let people = self.gallery.people();
        let id = new.employee_id.as_deref().map(names::exact_key).filter(|id| !id.is_empty());
        let name = names::key(&new.name);
        let by_id = people.iter().find(|p| id.is_some() && p.employee_id.as_deref().map(names::exact_key) == id);
        // An employee id on one side only does not tell two people apart.
        let by_name =
            || people.iter().find(|p| names::key(&p.name) == name && (id.is_none() || p.employee_id.is_none()));
        let known = by_id.or_else(by_name)?;
        (known.templates == 0 && known.foreign_templates + known.locked_templates > 0).then_some(known.id)
    }

    /// Nobody but `own` may be called the same, as names are compared, unless two employee ids tell them apart; nobody may be called what
    /// looks the same; and each word must be written with the letters of one script.
    fn expect_new_name(&self, new: &str, employee_id: Option<&str>, own: Option<PersonId>) -> Result<(), OfficeError> {
        let unclear = |fault| OfficeError::Unclear { name: new.to_owned(), fault };
        names::check_visible(new.trim()).map_err(unclear)?;
        let employee_id = employee_id.map(names::exact_key).filter(|id| !id.is_empty());
        let told_apart = |other: &Person| match (&employee_id, other.employee_id.as_deref()) {
            (Some(one), Some(other)) => *one != names::exact_key(other),
            _ => false,
        };
        let mut others = self.gallery.people();
        others.retain(|other| Some(other.id) != own);
        if let Some(other) = others.iter().find(|other| names::same(&other.name, new) && !told_apart(other)) {
            return Err(OfficeError::SameName { person: other.id, name: other.name.clone() });
        }
        let alike = |other: &&Person| !names::same(&other.name, new) && names::look_alike(&other.name, new);
        if let Some(Person { id: person, name, .. }) = others.into_iter().find(|other| alike(&other)) {
            let advice = match own {
                None => {
                    "type the name with the keyboard layout of its language, or pass --force if these are two people"
                }
                Some(_) => "type the name with the keyboard layout of its language",
            };
            return Err(OfficeError::LookAlike { person, name, new: new.to_owned(), advice });
        }
        names::check_letters(new).map_err(unclear)
    }

    /// The templates must lie about one of them, as near as one person is taken for another of whom one template is enrolled: how many
    /// are enrolled says nothing of whether two photographs show one person.
    fn expect_one_person(&self, templates: &[Template], labels: &[String]) -> Result<(), OfficeError> {
        let limit = self.near_enough.cut(GallerySize::ONE).distance;
        let between = |i: usize, j: usize| {
            let (one, other) = (templates.get(i)?, templates.get(j)?);
            self.gallery.distance(&one.embedding, &other.embedding)
        };
        let Some(odd) = odd_ones(templates.len(), limit, between) else { return Ok(()) };
        let label = |at: usize| labels.get(at).cloned().unwrap_or_else(|| format!("template {}", at + 1));
        let which: Vec<String> = odd.apart.iter().map(|&(at, _)| label(at)).collect();
        let does = if which.len() == 1 { "does" } else { "do" };
        let distances: Vec<String> =
            odd.apart.iter().map(|(_, distance)| distance.map_or_else(|| "?".to_owned(), |d| d.to_string())).collect();
        Err(OfficeError::Odd {
            which: format!("{} {does}", which.join(", ")),
            middle: label(odd.middle),
            distances: distances.join(", "),
            limit,
        })
    }

    /// No template may be near enough to anybody who is enrolled.
    fn expect_stranger(&self, templates: &[Template]) -> Result<(), OfficeError> {
        let limit = self.cut().distance;
        for template in templates {
            if let Some(found) = self.gallery.nearest(&template.embedding)?.filter(|m| m.distance.0 <= limit.0) {
                let name = self.gallery.person(found.person)?.name;
                return Err(OfficeError::Duplicate { person: found.person, name, distance: found.distance, limit });
            }
        }
        Ok(())
    }
}

fn named(person: &Person) -> Named {
    person.named()
}
