//! The register of people. Each change is checked and committed together with its journal record, which names who made it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;
use thiserror::Error;

use super::Recorder;
use super::outliers::{Outliers, find_outliers};
use super::requests::{AskError, Requests};
use super::tallies::Tallies;
use crate::access::{Cut, NearEnough};
use crate::domain::{Actor, Distance, Event, GallerySize, Named, PeopleEvent, PersonId, Personal, StoreEvent};
use crate::gallery::{Gallery, GalleryError, Locked, NewPerson, Person, Prepared, Template};
use crate::ledger::LedgerError;
use crate::names::{self, NameFault};
use crate::seal::RingState;
use crate::store::Change;

/// Changes people, with the gallery and the recorder.
#[derive(Clone)]
pub struct Register {
    pub(super) gallery: Arc<Gallery>,
    pub(super) recorder: Arc<Recorder>,
    /// Held during an enrolment: what was checked must still be true when it is committed.
    pub(super) enrolling: Arc<Mutex<()>>,
    /// The distance within which two faces count as one person, by the size of the gallery.
    pub(super) near_enough: NearEnough,
    /// The same for the gallery's second model, while the site is led from one to the other.
    pub(super) next: Arc<Mutex<Option<NearEnough>>>,
    /// For a board in a fleet: what it asks of the office, and whether it asks to take who is enrolled here.
    pub(super) fleet: Option<(Requests, bool)>,
}

/// A person to enrol, with templates that have passed the [`Gates`](super::Gates).
pub struct Enrolment {
    pub person: NewPerson,
    /// Of the model in use; while the site is led to another model, of that one as well.
    pub templates: Vec<Template>,
    /// What each template was made from, for messages, such as `ada.jpg`. May be shorter than `templates`.
    pub labels: Vec<String>,
    /// Enrol even if the face or the name is that of an enrolled person, or if the templates do not look like one person.
    pub force: bool,
    /// Who enrols.
    pub by: Actor,
}

/// Why a change was refused or failed.
#[derive(Debug, Error)]
pub enum OfficeError {
    #[error(transparent)]
    Gallery(#[from] GalleryError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("nothing was changed, because it could not be recorded: {0}")]
    Ledger(#[from] LedgerError),
    #[error("it was done, but could not be recorded: {0}")]
    Unrecorded(LedgerError),
    #[error(
        "this may be {name} (#{person}), who is already enrolled: distance {distance}, and up to {limit} counts as the same person, \
         unless they are twins or look alike"
    )]
    Duplicate { person: PersonId, name: String, distance: Distance, limit: Distance },
    /// Of this and the next two: whether the same with `force` would be carried out.
    #[error(
        "{name} is already enrolled as #{person}. Another person of that name needs an employee id, and so does #{person}. If they are the \
         same, give #{person} more templates"
    )]
    SameName { person: PersonId, name: String, may_force: bool },
    #[error(
        "{new} looks like {name} (#{person}), who is already enrolled, but has other characters: if they are the same person, type the name with \
         the keyboard layout of its language"
    )]
    LookAlike { person: PersonId, name: String, new: String, may_force: bool },
    #[error("the name {name:?} may look the same as another: {fault}")]
    Unclear { name: String, fault: NameFault, may_force: bool },
    #[error(
        "by the templates, the face of record {record} is clearly {name} (#{person}): distance {distance}, and up to {limit} is clear. If it \
         is noted all the same, {name} is refused wherever a face is nearly as near to it"
    )]
    ClearlyTheirs { person: PersonId, name: String, record: u64, distance: Distance, limit: Distance },
    #[error(
        "{which} not look like the others: at distance {distances} from {middle}, which is in the middle of them, and up to {limit} counts \
         as the same person. Leave the first ones out, unless they show the same person"
    )]
    Outliers { which: String, middle: String, distances: String, limit: Distance },
    #[error(
        "{which} does not look like {name} (#{person}) to the model in use: {found}, and up to {limit} counts as the same person. Leave it out, \
         unless it shows {name}"
    )]
    NotThem { which: String, name: String, person: PersonId, found: String, limit: Distance },
    #[error(
        "this is the last template by which {name} (#{person}) is recognised: without it no door opens for {name}. Add others first"
    )]
    LastTemplate { person: PersonId, name: String },
}

impl OfficeError {
    /// Of templates that do not look like the others; `labels` may be shorter than those.
    pub(super) fn outliers(outliers: &Outliers, labels: &[String], limit: Distance) -> OfficeError {
        let label = |at: usize| labels.get(at).cloned().unwrap_or_else(|| format!("template {}", at + 1));
        let which: Vec<String> = outliers.apart.iter().map(|&(at, _)| label(at)).collect();
        let does = if which.len() == 1 { "does" } else { "do" };
        let distances: Vec<String> = outliers
            .apart
            .iter()
            .map(|(_, distance)| distance.map_or_else(|| "?".to_owned(), |d| d.to_string()))
            .collect();
        OfficeError::Outliers {
            which: format!("{} {does}", which.join(", ")),
            middle: label(outliers.middle),
            distances: distances.join(", "),
            limit,
        }
    }
}

impl Register {
    /// `near_enough` is the rule by which the doors take two faces for one person.
    pub fn new(gallery: Arc<Gallery>, recorder: Arc<Recorder>, near_enough: NearEnough) -> Register {
        Register { gallery, recorder, enrolling: Arc::default(), near_enough, next: Arc::default(), fleet: None }
    }

    /// The cut for the present gallery: two faces at this distance or less count as one person.
    pub fn cut(&self) -> Cut {
        self.near_enough.cut(self.gallery.size())
    }

    /// The distance within which a visit may become templates: stricter than the doors' limit, because a wrong template stays.
    pub fn strict(&self) -> Distance {
        strict(&self.near_enough, self.gallery.size())
    }

    /// The gallery, for reading.
    pub fn gallery(&self) -> &Gallery {
        &self.gallery
    }

    /// Enrols a person, all or nothing. A person with that name or employee id who has no template yet, or whose templates are all of another model
    /// or locked, gets these: they keep their number, groups and enabled state, and the new templates replace the old.
    ///
    /// # Errors
    /// [`OfficeError::SameName`], [`OfficeError::Duplicate`] and [`OfficeError::Outliers`] unless forced; and the gallery's errors.
    pub fn enroll(&self, enrolment: Enrolment) -> Result<Person, OfficeError> {
        let Enrolment { person, templates, labels, force, by } = enrolment;
        let _enrolling = self.enrolling.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.without_face(&person);
        let (templates, next) = self.separate(templates);
        if !force {
            if before.is_none() {
                self.require_new_name(&person.name, person.employee_id.as_deref(), NameOf::Enrolled)?;
            }
            self.require_one_person(&templates, &labels)?;
            self.require_stranger(&templates, None)?;
            self.check_next(&next, &labels, before)?;
        }
        let count = templates.len();
        let prepared = match before {
            Some(id) => self.gallery.prepare_renewal(id, &templates, &next)?,
            None => self.gallery.prepare_enrolment(person, &templates, &next)?,
        };
        let more = self.ask_to_enroll(prepared.person().id, &by)?;
        self.write_with(prepared, more, |person| Event::People(PeopleEvent::Enrolled { person, templates: count, by }))
    }

    /// Puts somebody on the register who has no template yet: no door recognises them until they are enrolled.
    ///
    /// # Errors
    /// As for an enrolment: [`OfficeError::SameName`], [`OfficeError::LookAlike`], [`OfficeError::Unclear`].
    pub fn list(&self, person: NewPerson, by: Actor) -> Result<Person, OfficeError> {
        let _enrolling = self.enrolling.lock().unwrap_or_else(PoisonError::into_inner);
        self.require_new_name(&person.name, person.employee_id.as_deref(), NameOf::Listed)?;
        let prepared = self.gallery.prepare_without_face(person, self.recorder.wall())?;
        self.write(prepared, |person| Event::People(PeopleEvent::Enrolled { person, templates: 0, by }))
    }

    /// Renames a person.
    ///
    /// # Errors
    /// As for an enrolment: [`OfficeError::SameName`], [`OfficeError::LookAlike`], [`OfficeError::Unclear`].
    pub fn rename(&self, id: PersonId, name: &str, by: Actor) -> Result<Person, OfficeError> {
        let _enrolling = self.enrolling.lock().unwrap_or_else(PoisonError::into_inner);
        let Person { name: before, employee_id, .. } = self.gallery.person(id)?;
        self.require_new_name(name, employee_id.as_deref(), NameOf::Renamed(id))?;
        self.write(self.gallery.prepare_rename(id, name)?, |person| {
            Event::People(PeopleEvent::Renamed { person, before: before.into(), by })
        })
    }

    /// Sets whether doors open for a person. A person of a fleet can be disabled here, and that can be taken back: see
    /// [`in_fleet`](Register::in_fleet).
    pub fn set_enabled(&self, id: PersonId, enabled: bool, by: Actor) -> Result<Person, OfficeError> {
        if let Some((requests, _)) = &self.fleet
            && let person = self.gallery.person(id)?
            && let Some(uuid) = person.uuid
        {
            return self.set_enabled_of_fleet((requests, &person, uuid), enabled, by);
        }
        self.write(self.gallery.prepare_enabled(id, enabled)?, |person| match enabled {
            true => Event::People(PeopleEvent::Enabled { person, by }),
            false => Event::People(PeopleEvent::Disabled { person, by }),
        })
    }

    /// Sets or clears a person's employee id.
    pub fn set_employee_id(&self, id: PersonId, employee_id: Option<&str>, by: Actor) -> Result<Person, OfficeError> {
        let before = self.gallery.person(id)?.employee_id;
        let prepared = self.gallery.prepare_employee_id(id, employee_id)?;
        let shown = |id: &Option<String>| id.clone().unwrap_or_else(|| "none".to_owned());
        let what = format!("employee id {}, before {}", shown(&prepared.person().employee_id), shown(&before));
        self.write(prepared, |person| Event::People(PeopleEvent::Changed { person, what: what.into(), by }))
    }

    /// Replaces a person's groups.
    pub fn set_groups(&self, id: PersonId, groups: &[String], by: Actor) -> Result<Person, OfficeError> {
        let prepared = self.gallery.prepare_groups(id, groups)?;
        let what = match &prepared.person().groups[..] {
            [] => "in no group".to_owned(),
            groups => format!("groups {}", groups.join(", ")),
        };
        self.write(prepared, |person| Event::People(PeopleEvent::Changed { person, what: what.into(), by }))
    }

    /// Sets from when and until when doors open for a person.
    pub fn set_validity(
        &self,
        id: PersonId,
        from: Option<SystemTime>,
        until: Option<SystemTime>,
        by: Actor,
    ) -> Result<Person, OfficeError> {
        let prepared = self.gallery.prepare_validity(id, from, until)?;
        let shown =
            |time: Option<SystemTime>| time.and_then(|time| Timestamp::try_from(time).ok()).map(|at| at.to_string());
        let what = match (shown(from), shown(until)) {
            (None, None) => "valid without limit".to_owned(),
            (Some(from), None) => format!("valid from {from}"),
            (None, Some(until)) => format!("valid before {until}"),
            (Some(from), Some(until)) => format!("valid from {from}, before {until}"),
        };
        self.write(prepared, |person| Event::People(PeopleEvent::Changed { person, what: what.into(), by }))
    }

    /// Removes a person and erases their templates, even if the person's record is unreadable.
    pub fn remove(&self, id: PersonId, by: Actor) -> Result<Person, OfficeError> {
        let prepared = self.gallery.prepare_removal(id)?;
        let event = Event::People(PeopleEvent::Removed { person: prepared.person().named().into(), by });
        let mut changes = prepared.changes().to_vec();
        changes.push(Tallies::open(self.recorder.store()).map_err(GalleryError::from)?.forget(id));
        self.recorder.record_change(&event, &changes)?;
        Ok(prepared.finish()?)
    }

    /// Commits a change together with its record, then updates the gallery. After a kill there are both or neither.
    pub(super) fn write(
        &self,
        prepared: Prepared<'_>,
        event: impl FnOnce(Personal<Named>) -> Event,
    ) -> Result<Person, OfficeError> {
        self.write_with(prepared, Vec::new(), event)
    }

    /// The same, with `more` changes in the same commit.
    fn write_with(
        &self,
        prepared: Prepared<'_>,
        mut more: Vec<Change>,
        event: impl FnOnce(Personal<Named>) -> Event,
    ) -> Result<Person, OfficeError> {
        let event = event(prepared.person().named().into());
        more.extend_from_slice(prepared.changes());
        self.recorder.record_change(&event, &more)?;
        Ok(prepared.finish()?)
    }

    /// The person known as `new` already, by employee id or else by name, if they have no template that could be compared: none at all, or of another
    /// model, or sealed ones that cannot be opened.
    fn without_face(&self, new: &NewPerson) -> Option<PersonId> {
        let people = self.gallery.people();
        let id = new.employee_id.as_deref().map(names::exact_key).filter(|id| !id.is_empty());
        let name = names::key(&new.name);
        let by_id = people.iter().find(|p| id.is_some() && p.employee_id.as_deref().map(names::exact_key) == id);
        // An employee id on one side only does not distinguish two people.
        let by_name =
            || people.iter().find(|p| names::key(&p.name) == name && (id.is_none() || p.employee_id.is_none()));
        let known = by_id.or_else(by_name)?;
        (known.templates == 0).then_some(known.id)
    }

    fn require_new_name(&self, new: &str, employee_id: Option<&str>, whose: NameOf) -> Result<(), OfficeError> {
        let mut others = self.gallery.people();
        others.retain(|other| whose != NameOf::Renamed(other.id));
        check_new_name(&others, new, employee_id, whose == NameOf::Enrolled)
    }

    /// Fails unless all templates are near one of them. The limit is that for a gallery of one person with one template, because the
    /// number of people enrolled says nothing about whether two photographs show one person.
    pub(super) fn require_one_person(&self, templates: &[Template], labels: &[String]) -> Result<(), OfficeError> {
        let limit = self.near_enough.cut(GallerySize::ONE).distance;
        let between = |i: usize, j: usize| {
            let (one, other) = (templates.get(i)?, templates.get(j)?);
            self.gallery.distance(&one.embedding, &other.embedding)
        };
        find_outliers(templates.len(), limit, between)
            .map_or(Ok(()), |outliers| Err(OfficeError::outliers(&outliers, labels, limit)))
    }

    /// Fails if a template counts as an enrolled person other than `own`.
    pub(super) fn require_stranger(&self, templates: &[Template], own: Option<PersonId>) -> Result<(), OfficeError> {
        let limit = self.cut().distance;
        for template in templates {
            let found = self.gallery.nearest(&template.embedding)?;
            let somebody = found.and_then(|found| match Some(found.person) == own {
                true => found.runner_up,
                false => Some((found.person, found.distance)),
            });
            if let Some((person, distance)) = somebody.filter(|(_, distance)| distance.0 <= limit.0) {
                let name = self.gallery.person(person)?.name;
                return Err(OfficeError::Duplicate { person, name, distance, limit });
            }
        }
        Ok(())
    }
}

/// Whose name is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NameOf {
    /// Somebody new with a face.
    Enrolled,
    /// Somebody new without one.
    Listed,
    Renamed(PersonId),
}

/// Fails if any of `others` has the same name without being distinguished by employee ids, if a name looks the same, or if a word mixes scripts.
/// `may_force` is whether the caller would do it all the same by force.
pub(super) fn check_new_name(
    others: &[Person],
    new: &str,
    employee_id: Option<&str>,
    may_force: bool,
) -> Result<(), OfficeError> {
    let unclear = |may_force| move |fault| OfficeError::Unclear { name: new.to_owned(), fault, may_force };
    // The gallery takes no name with such characters.
    names::check_visible(new.trim()).map_err(unclear(false))?;
    let employee_id = employee_id.map(names::exact_key).filter(|id| !id.is_empty());
    let distinguished = |other: &Person| match (&employee_id, other.employee_id.as_deref()) {
        (Some(one), Some(other)) => *one != names::exact_key(other),
        _ => false,
    };
    if let Some(other) = others.iter().find(|other| names::same(&other.name, new) && !distinguished(other)) {
        return Err(OfficeError::SameName { person: other.id, name: other.name.clone(), may_force });
    }
    let alike = |other: &&Person| !names::same(&other.name, new) && names::look_alike(&other.name, new);
    if let Some(Person { id: person, name, .. }) = others.iter().find(alike) {
        let (person, name) = (*person, name.clone());
        return Err(OfficeError::LookAlike { person, name, new: new.to_owned(), may_force });
    }
    names::check_letters(new).map_err(unclear(may_force))
}

/// The distance of a tenth of the rate at which the doors may mistake a stranger, for a gallery of that size. Of a distance fixed by the operator, nine tenths.
fn strict(near_enough: &NearEnough, size: GallerySize) -> Distance {
    match near_enough {
        NearEnough::Fixed(distance) => Distance(distance.0 * 0.9),
        NearEnough::Calibrated { calibration, false_identification_rate } => {
            calibration.cut(false_identification_rate / 10.0, size).distance
        }
    }
}

/// Records that plain templates were sealed when `gallery` was opened, if any were.
pub fn record_sealing(gallery: &Gallery, recorder: &Recorder) -> Result<(), LedgerError> {
    if let ((people, templates @ 1..), RingState::Open(key)) = (gallery.unreported_sealings(), gallery.ring().state()) {
        tracing::info!(people, templates, %key, "sealed templates that were stored plain");
        recorder.record_change(
            &Event::Store(StoreEvent::Sealed { people, templates, key: key.to_string() }),
            &[gallery.mark_sealings_reported()],
        )?;
    }
    Ok(())
}

/// Records who cannot be recognised because their templates cannot be opened, if anyone. Other problems with sealing are logged.
pub fn record_locked_templates(gallery: &Gallery, recorder: &Recorder) -> Result<(), LedgerError> {
    if let Some(Locked { people, templates, why }) = gallery.locked() {
        tracing::error!(people, templates, %why, "ALARM: sealed templates cannot be opened; these people are not recognised");
        recorder.record(&Event::Store(StoreEvent::TemplatesLocked { people, templates, reason: why.to_string() }))?;
    } else if let Some(problem) = gallery.sealing_problem() {
        tracing::warn!("{problem}");
    }
    Ok(())
}
