//! A board's register in a fleet: it asks the office to take who is enrolled here, disables people of the fleet at once, and takes the office's answers
//! and records. What is asked is kept in [`Requests`].

use std::collections::BTreeMap;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::register::{OfficeError, Register};
use super::requests::{AskError, Asked, AskedId, Reception, Requests, Which, Wish};
use crate::domain::{Actor, Event, ModelId, PeopleEvent, PersonId};
use crate::fleet::{Answered, Ask, PersonBody, RequestKind, Verdict};
use crate::gallery::{GalleryError, Kind, Person, write_template};
use crate::store::{Change, StoreError};

impl Register {
    /// In a fleet: its people are changed at its office alone, and the office is asked to take whoever is enrolled here, if `enrolls`.
    pub fn in_fleet(mut self, requests: Requests, enrolls: bool) -> Register {
        self.gallery.set_fleet(true);
        self.fleet = Some((requests, enrolls));
        self
    }

    /// Whether this is the register of a board in a fleet.
    pub fn is_in_fleet(&self) -> bool {
        self.fleet.is_some()
    }

    /// What was asked about people and is not over, but for templates.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn asked(&self) -> Result<BTreeMap<PersonId, Asked>, StoreError> {
        let Some((requests, _)) = &self.fleet else { return Ok(BTreeMap::new()) };
        let about = |(_, asked): (AskedId, Asked)| match asked.wish {
            Wish::Enroll { person } | Wish::Disable { person } | Wish::Enable { person } => Some((person, asked)),
            Wish::Templates { .. } => None,
        };
        Ok(requests.all()?.into_iter().filter_map(about).collect())
    }

    /// The changes that ask the office to take a person who is enrolled with the same commit. None for who is in no fleet, or is asked for already.
    pub(super) fn ask_to_enroll(&self, person: PersonId, by: &Actor) -> Result<Vec<Change>, OfficeError> {
        let Some((requests, true)) = &self.fleet else { return Ok(Vec::new()) };
        let wish = Wish::Enroll { person };
        if requests.all().map_err(AskError::from)?.iter().any(|(_, asked)| asked.wish == wish) {
            return Ok(Vec::new());
        }
        let id = AskedId { kind: RequestKind::Person, uuid: Uuid::new_v4() };
        Ok(requests.ask(id, wish, by, self.recorder.wall())?)
    }

    /// The changes that ask the office to take the templates of `model` that a person of the fleet gets from the visit of a record with the same commit.
    /// None for others.
    pub(super) fn ask_for_templates(
        &self,
        person: &Person,
        model: &ModelId,
        record: u64,
        by: &Actor,
    ) -> Result<Vec<Change>, OfficeError> {
        let (Some((requests, _)), Some(uuid)) = (&self.fleet, person.uuid) else { return Ok(Vec::new()) };
        let id = AskedId { kind: RequestKind::Templates, uuid };
        let wish = Wish::Templates { person: person.id, model: model.clone(), record };
        Ok(requests.ask(id, wish, by, self.recorder.wall())?)
    }

    /// Disables a person of the fleet at this board at once, and asks the office to do so everywhere; or takes that back, unless the office has done it
    /// already.
    pub(super) fn set_enabled_of_fleet(
        &self,
        (requests, person, uuid): (&Requests, &Person, Uuid),
        enabled: bool,
        by: Actor,
    ) -> Result<Person, OfficeError> {
        if person.enabled == enabled {
            return Ok(person.clone());
        }
        let id = AskedId { kind: RequestKind::Person, uuid };
        let before = requests.get(id).map_err(AskError::from)?;
        let wish = match (enabled, before) {
            (false, _) => Wish::Disable { person: person.id },
            (true, Some(Asked { wish: Wish::Disable { .. }, verdict: None | Some(Verdict::Refused { .. }), .. })) => {
                Wish::Enable { person: person.id }
            }
            (true, Some(Asked { wish: Wish::Disable { .. }, .. })) => {
                return Err(AskError::DisabledThere { name: person.name.clone() }.into());
            }
            (true, _) => return Err(GalleryError::OfFleet { name: person.name.clone() }.into()),
        };
        let mut changes = requests.ask(id, wish, &by, self.recorder.wall())?;
        let prepared = self.gallery.prepare_enabled_here(person.id, enabled)?;
        let person = prepared.person().named().into();
        let event = Event::People(match enabled {
            true => PeopleEvent::Enabled { person, by },
            false => PeopleEvent::Disabled { person, by },
        });
        changes.extend_from_slice(prepared.changes());
        self.recorder.record_change(&event, &changes)?;
        Ok(prepared.finish()?)
    }

    /// What the office's record of somebody means here. `enabled` is what it says.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn receive(&self, uuid: Uuid, enabled: bool) -> Result<Reception, AskError> {
        let Some((requests, _)) = &self.fleet else { return Ok(Reception::default()) };
        let id = AskedId { kind: RequestKind::Person, uuid };
        let Some(asked) = requests.get(id)? else { return Ok(Reception::default()) };
        let over = || vec![requests.delete(id)];
        Ok(match asked.wish {
            Wish::Enroll { person } => match self.gallery.person(person) {
                // Disabled here since it was asked: that is asked now.
                Ok(Person { enabled: false, .. }) if enabled => {
                    let wish = Wish::Disable { person };
                    let changes = requests.ask(id, wish, &asked.by, self.recorder.wall())?;
                    Reception { adopt: Some(person), held: true, changes }
                }
                Ok(_) => Reception { adopt: Some(person), held: false, changes: over() },
                // Removed here since: the office is told.
                Err(_) => Reception { adopt: None, held: true, changes: Vec::new() },
            },
            Wish::Disable { .. } if enabled => Reception { held: true, ..Reception::default() },
            Wish::Disable { .. } => Reception { changes: over(), ..Reception::default() },
            Wish::Enable { .. } if enabled => Reception { changes: over(), ..Reception::default() },
            Wish::Enable { .. } | Wish::Templates { .. } => Reception::default(),
        })
    }

    /// The same for somebody who was forgotten.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn receive_removal(&self, uuid: Uuid) -> Result<Reception, AskError> {
        let Some((requests, _)) = &self.fleet else { return Ok(Reception::default()) };
        let mut reception = Reception::default();
        for kind in [RequestKind::Person, RequestKind::Templates] {
            let id = AskedId { kind, uuid };
            let Some(asked) = requests.get(id)? else { continue };
            if let Wish::Enroll { person } = asked.wish {
                reception.adopt = Some(person).filter(|person| self.gallery.person(*person).is_ok());
            }
            reception.changes.push(requests.delete(id));
        }
        Ok(reception)
    }

    /// The requests that are to be sent now, in the order in which they were asked. What is sent is noted before it is.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn requests_due(&self, which: Which) -> Result<Vec<(AskedId, Asked, Ask)>, OfficeError> {
        let Some((requests, _)) = &self.fleet else { return Ok(Vec::new()) };
        let mut due = Vec::new();
        for (id, asked) in requests.all().map_err(AskError::from)? {
            if which == Which::New && asked.sent.is_some() {
                continue;
            }
            let ask = match self.asks(&asked.wish) {
                Ok(Some(ask)) => ask,
                Ok(None) => continue,
                Err(error) => {
                    tracing::warn!(uuid = %id.uuid, %error, "a request to the fleet's office cannot be made now");
                    continue;
                }
            };
            let content = ask.content().map_err(AskError::from)?;
            let asked = match asked.sent == Some(content) {
                false => requests.note(self.recorder.store(), (id, asked), content, self.recorder.wall())?,
                true if which == Which::All && !matches!(asked.verdict, Some(Verdict::Refused { .. })) => asked,
                true => continue,
            };
            due.push((id, asked, ask));
        }
        due.sort_by_key(|(_, asked, _)| asked.number);
        Ok(due)
    }

    /// Takes the office's answers. Returns how many requests were refused that were not before.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn take_answers(&self, answers: &[Answered]) -> Result<u64, AskError> {
        let Some((requests, _)) = &self.fleet else { return Ok(0) };
        let (mut changes, mut refused) = (Vec::new(), 0_u64);
        for Answered { kind, uuid, number, verdict } in answers {
            let id = AskedId { kind: *kind, uuid: *uuid };
            let Some(asked) = requests.get(id)? else { continue };
            if asked.number != *number || asked.verdict.as_ref() == Some(verdict) {
                continue;
            }
            let is_here = |person: PersonId| self.gallery.person(person).is_ok();
            let over = match &asked.wish {
                // The person's own record ends these two. Who was removed here is over once the office has heard that.
                Wish::Enroll { person } => !is_here(*person) && asked.sent == Some(Ask::Withdraw.content()?),
                Wish::Disable { person } => !is_here(*person),
                Wish::Enable { .. } | Wish::Templates { .. } => true,
            };
            refused = refused.saturating_add(u64::from(matches!(verdict, Verdict::Refused { .. })));
            match (over, verdict) {
                (true, Verdict::Done | Verdict::Refused { .. }) => changes.push(requests.delete(id)),
                _ => changes.push(requests.put(id, &Asked { verdict: Some(verdict.clone()), ..asked })?),
            }
        }
        if !changes.is_empty() {
            self.recorder.store().commit(&changes)?;
        }
        Ok(refused)
    }

    /// What a wish asks now; `None` if it asks nothing.
    fn asks(&self, wish: &Wish) -> Result<Option<Ask>, OfficeError> {
        Ok(match wish {
            Wish::Enroll { person } => match self.gallery.person(*person) {
                Ok(Person { uuid: Some(_), .. }) => None,
                Ok(person) => self.asks_to_enroll(person)?,
                Err(GalleryError::NotFound { .. }) => Some(Ask::Withdraw),
                Err(error) => return Err(error.into()),
            },
            Wish::Disable { .. } => Some(Ask::Disable),
            Wish::Enable { .. } => Some(Ask::Enable),
            Wish::Templates { person, model, record } => {
                let templates = self.templates_of_model(*person, model)?;
                let asks = Ask::Templates { model: model.clone(), templates, record: *record };
                Some(asks)
            }
        })
    }

    fn asks_to_enroll(&self, person: Person) -> Result<Option<Ask>, OfficeError> {
        let model = self.gallery.model().clone();
        let templates = self.templates_of_model(person.id, &model)?;
        if templates.is_empty() {
            return Ok(None);
        }
        let Person { name, employee_id, groups, enabled, valid_from, valid_until, .. } = person;
        // The office says who asked.
        let by = String::new();
        let person = PersonBody { name, employee_id, groups, enabled, valid_from, valid_until, by, templates };
        Ok(Some(Ask::Enroll { model, person }))
    }

    /// The enrolled templates of a model.
    fn templates_of_model(&self, person: PersonId, model: &ModelId) -> Result<Vec<Zeroizing<Vec<u8>>>, OfficeError> {
        let kept = self.gallery.kept(person)?.into_iter();
        let own = kept.filter(|(kind, template)| *kind == Kind::Enrolled && template.embedding.model() == model);
        Ok(own.map(|(_, template)| Zeroizing::new(write_template(&template))).collect())
    }
}
