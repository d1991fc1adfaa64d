//! The book of people: the running daemon's, or the store itself when no daemon runs. Whoever asks does not have to know which.

mod record;

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};
use hyper::Method;
use jiff::Timestamp;

use super::client::Client;
use super::whom;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::daemon::user_name;
use crate::daemon::wire::{
    ChangeRequest, CutWire, EmployeeId, EnrollRequest, ForgottenWire, HeadRequest, MatchWire, PersonWire, SealWire,
    StandingsWire, Status, StrangersWire, TemplateWire, Validity,
};
use crate::domain::{Distance, Match, PersonId};
use crate::gallery::{Gallery, NewPerson, Template, Visitors};
use crate::lab::calibrate::Person;
use crate::office::{Enrolment, Recorder, Register, forget_strangers, record_sealing, strangers};
use crate::setup;
use crate::store::{Store, StoreError};
use crate::vision::Seen;
use crate::vision::manifest::Model;

pub use record::Page;

/// People and journal, wherever they are.
pub enum Book {
    Remote(Client),
    Local(Box<Local>),
}

/// The store, opened by this process.
pub struct Local {
    register: Register,
    recorder: Arc<Recorder>,
    visitors: Visitors,
    by: String,
}

impl Book {
    /// Asks the daemon on the configured socket, or opens the configured store.
    pub fn open(config: &Config) -> Result<Book> {
        if let Some(client) = Client::connect(&config.control.socket)? {
            return Ok(Book::Remote(client));
        }
        let store = open_store(config)?;
        let model = setup::embedder(config)?;
        let head = setup::head::site_head(config, &model)?;
        let near_enough = setup::house::near_enough(config, &model, head.as_ref())?;
        let ring = setup::ring(config);
        let gallery = Arc::new(setup::head::gallery(&store, &ring, &model, head)?);
        let recorder = Recorder::new(&store, setup::journal(config, &store)?, Arc::new(SystemClock::new()));
        let recorder = Arc::new(recorder.with_gap_marks(setup::gap_marks(config)));
        let visitors = Visitors::open(&store, &ring, setup::keep_visitors(config))?;
        record_sealing(&gallery, &recorder)?;
        let register = Register::new(gallery, recorder.clone(), near_enough);
        Ok(Book::Local(Box::new(Local { register, recorder, visitors, by: me() })))
    }

    /// Everybody, by number.
    pub fn people(&self) -> Result<Vec<PersonWire>> {
        match self {
            Book::Remote(client) => client.get("/v1/people"),
            Book::Local(local) => Ok(local.register.gallery().people().iter().map(PersonWire::from).collect()),
        }
    }

    /// The one person whom `wanted` means: a number (`#7`), an employee id, or a whole name.
    pub fn find(&self, wanted: &str) -> Result<PersonWire> {
        whom::find(&self.people()?, wanted)
    }

    /// Enrols a person; the templates have passed the gates. `labels` says what each was made from.
    pub fn enroll(
        &self,
        person: NewPerson,
        templates: Vec<Template>,
        labels: Vec<String>,
        force: bool,
    ) -> Result<PersonWire> {
        match self {
            Book::Remote(client) => {
                let NewPerson { name, employee_id, groups } = person;
                let templates = templates.iter().map(|t| TemplateWire::new(&t.embedding, &t.quality)).collect();
                client.send(
                    Method::POST,
                    "/v1/people",
                    &EnrollRequest { name, employee_id, groups, templates, labels, force },
                )
            }
            Book::Local(local) => {
                let enrolment = Enrolment { person, templates, labels, force, by: local.by.clone() };
                Ok(PersonWire::from(&local.register.enroll(enrolment)?))
            }
        }
    }

    /// How near is near enough for the people enrolled now.
    pub fn cut(&self) -> Result<CutWire> {
        match self {
            Book::Remote(client) => Ok(client.get::<Status>("/v1/status")?.near_enough),
            Book::Local(local) => Ok(CutWire::new(&local.register.cut())),
        }
    }

    /// Puts a person into these groups and no others.
    pub fn set_groups(&self, id: u32, groups: Vec<String>) -> Result<PersonWire> {
        match self {
            Book::Remote(client) => {
                let change = ChangeRequest { groups: Some(groups), ..ChangeRequest::default() };
                client.send(Method::PATCH, &format!("/v1/people/{id}"), &change)
            }
            Book::Local(local) => Ok((&local.register.set_groups(PersonId(id), &groups, local.by.clone())?).into()),
        }
    }

    /// From when on and until when doors open for a person; `None`: without limit.
    pub fn set_validity(&self, id: u32, from: Option<Timestamp>, until: Option<Timestamp>) -> Result<PersonWire> {
        match self {
            Book::Remote(client) => {
                let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
                let validity = Some(Validity { from: text(from), until: text(until) });
                let change = ChangeRequest { validity, ..ChangeRequest::default() };
                client.send(Method::PATCH, &format!("/v1/people/{id}"), &change)
            }
            Book::Local(local) => {
                let time = |at: Option<Timestamp>| at.map(SystemTime::try_from).transpose();
                let person = local.register.set_validity(PersonId(id), time(from)?, time(until)?, local.by.clone())?;
                Ok((&person).into())
            }
        }
    }

    /// Gives a person another name.
    pub fn rename(&self, id: u32, name: &str) -> Result<PersonWire> {
        match self {
            Book::Remote(client) => {
                let change = ChangeRequest { name: Some(name.to_owned()), ..ChangeRequest::default() };
                client.send(Method::PATCH, &format!("/v1/people/{id}"), &change)
            }
            Book::Local(local) => Ok((&local.register.rename(PersonId(id), name, local.by.clone())?).into()),
        }
    }

    /// Gives a person another employee id, or takes it away.
    pub fn set_employee_id(&self, id: u32, employee_id: Option<&str>) -> Result<PersonWire> {
        match self {
            Book::Remote(client) => {
                let employee_id = Some(EmployeeId { id: employee_id.map(str::to_owned) });
                let change = ChangeRequest { employee_id, ..ChangeRequest::default() };
                client.send(Method::PATCH, &format!("/v1/people/{id}"), &change)
            }
            Book::Local(local) => {
                Ok((&local.register.set_employee_id(PersonId(id), employee_id, local.by.clone())?).into())
            }
        }
    }

    /// Lets a person be recognised, or not.
    pub fn set_enabled(&self, id: u32, enabled: bool) -> Result<PersonWire> {
        match self {
            Book::Remote(client) => {
                let change = ChangeRequest { enabled: Some(enabled), ..ChangeRequest::default() };
                client.send(Method::PATCH, &format!("/v1/people/{id}"), &change)
            }
            Book::Local(local) => Ok((&local.register.set_enabled(PersonId(id), enabled, local.by.clone())?).into()),
        }
    }

    /// Removes a person and erases the templates.
    pub fn remove(&self, id: u32) -> Result<PersonWire> {
        match self {
            Book::Remote(client) => client.send(Method::DELETE, &format!("/v1/people/{id}"), &()),
            Book::Local(local) => Ok((&local.register.remove(PersonId(id), local.by.clone())?).into()),
        }
    }

    /// Who is nearest to each of `seen`.
    pub fn nearest(&self, seen: &[Seen]) -> Result<Vec<Option<Match>>> {
        match self {
            Book::Remote(client) => {
                let probes: Vec<_> = seen.iter().map(|s| TemplateWire::new(&s.embedding, &s.quality)).collect();
                let found: Vec<Option<MatchWire>> = client.send(Method::POST, "/v1/nearest", &probes)?;
                Ok(found.into_iter().map(|m| m.map(Match::from)).collect())
            }
            Book::Local(local) => seen.iter().map(|s| Ok(local.register.gallery().nearest(&s.embedding)?)).collect(),
        }
    }

    /// How everybody's templates stand to each other. Computed where the store is open; embeddings stay there.
    pub fn standings(&self) -> Result<StandingsWire> {
        match self {
            Book::Remote(client) => client.get("/v1/standings"),
            Book::Local(local) => Ok(StandingsWire::of(local.register.gallery(), local.register.cut().distance.0)?),
        }
    }

    /// The visitors whom nobody knew, grouped where the store is open; embeddings stay there.
    pub fn strangers(&self, limit: Distance) -> Result<StrangersWire> {
        match self {
            Book::Remote(client) => client.get(&format!("/v1/unknown?distance={}", limit.0)),
            Book::Local(local) => {
                let found = strangers(&local.visitors, local.register.gallery(), limit, SystemTime::now())?;
                Ok(StrangersWire::new(&found, local.visitors.retention(), limit.0))
            }
        }
    }

    /// Erases all visitors whom nobody knew; how many visits those were.
    pub fn forget_strangers(&self) -> Result<usize> {
        match self {
            Book::Remote(client) => Ok(client.send::<ForgottenWire>(Method::DELETE, "/v1/unknown", &())?.forgotten),
            Book::Local(local) => Ok(forget_strangers(&local.visitors, &local.recorder, &local.by)?),
        }
    }

    /// How it stands with sealed templates.
    pub fn seal(&self) -> Result<SealWire> {
        match self {
            Book::Remote(client) => Ok(client.get::<Status>("/v1/status")?.seal),
            Book::Local(local) => Ok(SealWire::of(local.register.gallery())),
        }
    }

    /// Whether a daemon runs that others talk to, too.
    pub fn is_shared(&self) -> bool {
        matches!(self, Book::Remote(_))
    }
}

/// The user who runs this command.
pub fn me() -> String {
    match std::fs::metadata("/proc/self").context("/proc is not there") {
        Ok(own) => user_name(own.uid()),
        Err(_) => "unknown user".into(),
    }
}

/// The configured store, which no daemon holds.
fn open_store(config: &Config) -> Result<Store> {
    match Store::open(&config.store.path) {
        Err(StoreError::Busy { .. }) => bail!(
            "the store {} is in use, but no daemon answers on {}: another usher command may be at work (try again), or the \
             daemon runs with another [control] socket",
            config.store.path.display(),
            config.control.socket.display()
        ),
        other => Ok(other?),
    }
}

/// Writes into the journal what is done to the site's head. Not by a book, which would compare behind that head.
pub fn note_head(config: &Config, what: HeadRequest) -> Result<()> {
    if let Some(client) = Client::connect(&config.control.socket)? {
        return client.send(Method::POST, "/v1/head", &what);
    }
    let store = open_store(config)?;
    let recorder = Recorder::new(&store, setup::journal(config, &store)?, Arc::new(SystemClock::new()));
    recorder.record(&what.event(me()))?;
    Ok(())
}

/// Whether a record could be written now: by the daemon, or into the store.
pub fn journal_is_at_hand(config: &Config) -> Result<()> {
    match Client::connect(&config.control.socket)? {
        Some(_) => Ok(()),
        None => open_store(config).map(drop),
    }
}

/// The enrolled people's unit vectors as the model made them, and that model. Templates leave the store for nobody else's process, so
/// the daemon must not run.
pub fn enrolled(config: &Config) -> Result<(Vec<Person>, Model)> {
    if Client::connect(&config.control.socket)?.is_some() {
        bail!(
            "the daemon holds the templates: stop it first (`systemctl stop usher`), or name a folder of photographs"
        );
    }
    let store = open_store(config)?;
    let model = setup::embedder(config)?;
    // Without the site's head: what it was learned on does not matter for the next one.
    let gallery = Gallery::open(&store, &setup::ring(config), model.id(), model.dimension())?;
    let mut people = Vec::new();
    for person in gallery.people() {
        let own =
            gallery.templates(person.id)?.into_iter().filter(|template| template.embedding.model() == gallery.model());
        people.push(Person { vectors: own.map(|template| template.embedding.values().into()).collect() });
    }
    Ok((people, model))
}
