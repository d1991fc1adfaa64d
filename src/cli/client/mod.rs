//! How commands act: as clients of the API. A running daemon serves it on its socket; without one, this process serves it to itself over
//! the store that it opens. Acts, answers and errors are the same.

mod accounts;
mod journal;
mod local;
mod refused;
mod transport;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use hyper::Method;
use hyper::body::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::timeout_at;

use crate::api::calendar::Calendar;
use crate::api::checks::Check;
use crate::api::credentials::{AdmitRequest, DuressList, NoPinRequest, NoTagRequest, PinRequest, TagForm, TagRequest};
use crate::api::doors::{AmnestyRequest, DoorRequest, DoorStatus, Inside};
use crate::api::import::{Import, ImportRequest};
use crate::api::journal::HeadRequest;
use crate::api::kept_templates::{ForgottenTemplates, KeptTemplate, LookalikeRequest, MoreTemplatesRequest};
use crate::api::models::{Finished, Models, MoveRequest, SwitchRequest};
use crate::api::people::{ChangeRequest, EmployeeId, EnrollRequest, GalleryCheck, Match, Person, Validity};
use crate::api::personal_data::ErasedPerson;
use crate::api::ruling::RulesOrigin;
use crate::api::status::{SealStatus, Status, Threshold};
use crate::api::template::Template;
use crate::api::visitors::{ForgetRequest, Forgotten, UnknownVisitors, VisitorEnrolRequest};
use crate::config::Config;
use crate::domain::{self, Distance};
use crate::gallery::{self, NewPerson};
use crate::vision::Seen;
use transport::{CONNECT_WITHIN, Server, Transport, USUAL, connect, encode, next_piece};

pub use journal::{Asked, Page};
pub use local::{enrolled, journal_can_be_written, operator};
pub use refused::{Refused, with_remedy};

/// A client of the API.
pub struct Client {
    transport: Transport,
    runtime: Runtime,
}

impl Client {
    /// A client of the daemon on the configured socket, or of the API in this process over the configured store.
    ///
    /// # Errors
    /// The daemon cannot be spoken to, or the store cannot be opened.
    pub fn open(config: &Config) -> Result<Client> {
        Client::open_comparing(config, true)
    }

    fn open_comparing(config: &Config, behind_head: bool) -> Result<Client> {
        if let Some(client) = Client::connect(&config.control.socket)? {
            return Ok(client);
        }
        let router = local::router(config, behind_head)?;
        Ok(Client { transport: Transport::InProcess(router), runtime: runtime()? })
    }

    /// A client of a daemon; `None` when none answers on `socket`.
    ///
    /// # Errors
    /// A daemon is there but this user may not talk to it, or it accepts no connection.
    pub fn connect(socket: &Path) -> Result<Option<Client>> {
        Client::connect_to(Server::Daemon, socket)
    }

    /// A client of the office of a fleet; `None` when none answers on `socket`.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn connect_to_office(socket: &Path) -> Result<Option<Client>> {
        Client::connect_to(Server::Office, socket)
    }

    fn connect_to(server: Server, socket: &Path) -> Result<Option<Client>> {
        let (name, unit) = (server.name(), server.unit());
        let (runtime, socket) = (runtime()?, PathBuf::from(socket));
        match runtime.block_on(connect(&socket)) {
            Ok(_) => Ok(Some(Client { transport: Transport::Socket(socket, server), runtime })),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => bail!(
                "the {name}'s socket {} is closed to you: {}",
                socket.display(),
                match server {
                    Server::Daemon => "ask to be added to its group, or use sudo",
                    Server::Office => "run this as the user of the office, or use sudo",
                }
            ),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => bail!(
                "the {name} on {} has accepted no connection for {} s: it hangs, or has too many; `journalctl -u {unit}` says more, and \
                 `systemctl restart {unit}` starts it anew",
                socket.display(),
                CONNECT_WITHIN.as_secs()
            ),
            Err(_) => Ok(None),
        }
    }

    /// Whether a daemon answers, which others use too.
    pub fn is_daemon(&self) -> bool {
        matches!(self.transport, Transport::Socket(..))
    }

    /// Everybody, by number.
    pub fn people(&self) -> Result<Vec<Person>> {
        self.get("/v1/people")
    }

    /// Enrols a person; the templates have passed the gates. `labels` are their sources, for error messages.
    pub fn enroll(
        &self,
        person: NewPerson,
        templates: &[gallery::Template],
        labels: Vec<String>,
        force: bool,
    ) -> Result<Person> {
        let NewPerson { name, employee_id, groups } = person;
        let templates = templates.iter().map(|t| Template::new(&t.embedding, &t.quality)).collect();
        let request = EnrollRequest { name, employee_id, groups, templates, sitting: None, labels, force };
        self.send(Method::POST, "/v1/people", &request)
    }

    /// The models of which templates are stored, and the switch between them.
    pub fn models(&self) -> Result<Models> {
        self.get("/v1/models")
    }

    /// Begins, changes, cancels or finishes a switch of models; returns how many templates were erased.
    pub fn switch_model(&self, request: &SwitchRequest) -> Result<usize> {
        Ok(self.send::<Finished>(Method::PUT, "/v1/models/switch", request)?.erased)
    }

    /// Gives a person templates of the other model of a switch. Those of the model in use prove that it is that person.
    pub fn move_person(
        &self,
        id: u32,
        templates: &[gallery::Template],
        labels: Vec<String>,
        force: bool,
    ) -> Result<Person> {
        let templates = templates.iter().map(|t| Template::new(&t.embedding, &t.quality)).collect();
        self.send(Method::PUT, &format!("/v1/people/{id}/beside"), &MoveRequest { templates, labels, force })
    }

    /// Replaces a person's groups.
    pub fn set_groups(&self, id: u32, groups: Vec<String>) -> Result<Person> {
        self.change(id, &ChangeRequest { groups: Some(groups), ..ChangeRequest::default() })
    }

    /// Sets from when and until when doors open for a person; `None` is no limit.
    pub fn set_validity(&self, id: u32, from: Option<Timestamp>, until: Option<Timestamp>) -> Result<Person> {
        self.change(id, &ChangeRequest { validity: Some(Validity { from, until }), ..ChangeRequest::default() })
    }

    /// Renames a person.
    pub fn rename(&self, id: u32, name: &str) -> Result<Person> {
        self.change(id, &ChangeRequest { name: Some(name.to_owned()), ..ChangeRequest::default() })
    }

    /// Replaces a person's employee id; `None` removes it.
    pub fn set_employee_id(&self, id: u32, employee_id: Option<&str>) -> Result<Person> {
        let employee_id = Some(EmployeeId { id: employee_id.map(str::to_owned) });
        self.change(id, &ChangeRequest { employee_id, ..ChangeRequest::default() })
    }

    /// Enables or disables a person.
    pub fn set_enabled(&self, id: u32, enabled: bool) -> Result<Person> {
        self.change(id, &ChangeRequest { enabled: Some(enabled), ..ChangeRequest::default() })
    }

    fn change(&self, id: u32, change: &ChangeRequest) -> Result<Person> {
        self.send(Method::PATCH, &format!("/v1/people/{id}"), change)
    }

    /// Removes a person and erases the templates.
    pub fn remove(&self, id: u32) -> Result<Person> {
        self.send(Method::DELETE, &format!("/v1/people/{id}"), &())
    }

    /// A person's templates, without their embeddings.
    pub fn templates(&self, id: u32) -> Result<Vec<KeptTemplate>> {
        self.get(&format!("/v1/people/{id}/templates"))
    }

    /// Adds templates to a person; they have passed the gates. `labels` are their sources, for error messages.
    pub fn add_templates(
        &self,
        id: u32,
        templates: &[gallery::Template],
        labels: Vec<String>,
        force: bool,
    ) -> Result<Person> {
        let templates = templates.iter().map(|t| Template::new(&t.embedding, &t.quality)).collect();
        let request = MoreTemplatesRequest { templates, sitting: None, labels, force };
        self.send(Method::POST, &format!("/v1/people/{id}/templates"), &request)
    }

    /// Erases one template of a person, by its address.
    pub fn remove_template(&self, id: u32, template: &str, force: bool) -> Result<Person> {
        let path = format!("/v1/people/{id}/templates/{}?force={force}", encode(template));
        self.send(Method::DELETE, &path, &())
    }

    /// Says that the face of the record `record` is not this person's.
    pub fn note_lookalike(&self, id: u32, record: u64, force: bool) -> Result<Person> {
        self.send(Method::POST, &format!("/v1/people/{id}/lookalikes"), &LookalikeRequest { record, force })
    }

    /// Erases what a person learned from grants; returns how many templates those were.
    pub fn forget_learned(&self, id: u32) -> Result<usize> {
        Ok(self.send::<ForgottenTemplates>(Method::DELETE, &format!("/v1/people/{id}/learned"), &())?.forgotten)
    }

    /// Erases a person's negative references; returns how many those were.
    pub fn forget_lookalikes(&self, id: u32) -> Result<usize> {
        Ok(self.send::<ForgottenTemplates>(Method::DELETE, &format!("/v1/people/{id}/lookalikes"), &())?.forgotten)
    }

    /// The nearest person to each of `seen`.
    pub fn nearest(&self, seen: &[Seen]) -> Result<Vec<Option<domain::Match>>> {
        let probes: Vec<_> = seen.iter().map(|s| Template::new(&s.embedding, &s.quality)).collect();
        let found: Vec<Option<Match>> = self.send(Method::POST, "/v1/nearest", &probes)?;
        Ok(found.into_iter().map(|found| found.map(domain::Match::from)).collect())
    }

    /// The distance threshold for the people enrolled now.
    pub fn threshold(&self) -> Result<Threshold> {
        self.get("/v1/threshold")
    }

    /// Compares each template with all others, where the store is open.
    pub fn check_gallery(&self) -> Result<GalleryCheck> {
        self.get("/v1/standings")
    }

    /// The unknown visitors, grouped where the store is open; without a limit by that of the model in use.
    pub fn unknown_visitors(&self, limit: Option<Distance>) -> Result<UnknownVisitors> {
        let query = limit.map(|limit| format!("?distance={}", limit.0)).unwrap_or_default();
        self.get(&format!("/v1/unknown{query}"))
    }

    /// Erases some visits; returns how many of them were there.
    pub fn forget_visits(&self, visits: Vec<String>) -> Result<usize> {
        Ok(self.send::<Forgotten>(Method::POST, "/v1/unknown/forget", &ForgetRequest { visits })?.forgotten)
    }

    /// Makes a person of an unknown visitor, or gives a person templates of the visits.
    pub fn enroll_visitor(&self, request: &VisitorEnrolRequest) -> Result<Person> {
        self.send(Method::POST, "/v1/unknown/enroll", request)
    }

    /// Changes people by a list, or shows what it would change.
    pub fn import(&self, request: &ImportRequest) -> Result<Import> {
        self.send(Method::POST, "/v1/people/import", request)
    }

    /// Everything that is kept of a person, as it comes.
    pub fn export(&self, id: u32) -> Result<Value> {
        self.get(&format!("/v1/people/{id}/export"))
    }

    /// Erases everything that is kept of a person.
    pub fn erase_person(&self, id: u32) -> Result<ErasedPerson> {
        self.send(Method::POST, &format!("/v1/people/{id}/erase"), &())
    }

    /// Erases all unknown visitors; returns how many visits those were.
    pub fn forget_visitors(&self) -> Result<usize> {
        Ok(self.send::<Forgotten>(Method::DELETE, "/v1/unknown", &())?.forgotten)
    }

    /// Whether templates are sealed.
    pub fn seal(&self) -> Result<SealStatus> {
        self.get("/v1/seal")
    }

    /// The daemon's status.
    pub fn status(&self) -> Result<Status> {
        self.get("/v1/status")
    }

    /// What the daemon finds well and what not.
    pub fn checks(&self) -> Result<Vec<Check>> {
        self.get("/v1/checks")
    }

    /// Gives an order to one door, or to all; returns all doors.
    pub fn order(&self, request: &DoorRequest) -> Result<Vec<DoorStatus>> {
        self.send(Method::POST, "/v1/doors", request)
    }

    /// Sets a person's PIN or duress PIN.
    pub fn set_pin(&self, id: u32, request: &PinRequest) -> Result<Person> {
        self.send(Method::PUT, &format!("/v1/people/{id}/pin"), request)
    }

    /// Removes a person's duress PIN, or both PINs.
    pub fn remove_pin(&self, id: u32, request: &NoPinRequest) -> Result<Person> {
        self.send(Method::DELETE, &format!("/v1/people/{id}/pin"), request)
    }

    /// A person's tags, without their numbers.
    pub fn tags(&self, id: u32) -> Result<Vec<TagForm>> {
        self.get(&format!("/v1/people/{id}/tags"))
    }

    /// Adds a tag to a person.
    pub fn add_tag(&self, id: u32, request: &TagRequest) -> Result<Person> {
        self.send(Method::POST, &format!("/v1/people/{id}/tags"), request)
    }

    /// Removes a tag from a person.
    pub fn remove_tag(&self, id: u32, request: &NoTagRequest) -> Result<Person> {
        self.send(Method::DELETE, &format!("/v1/people/{id}/tags"), request)
    }

    /// When somebody entered a duress PIN.
    pub fn duress(&self) -> Result<DuressList> {
        self.get("/v1/duress")
    }

    /// Lets somebody in without a face; returns all doors.
    pub fn admit(&self, request: &AdmitRequest) -> Result<Vec<DoorStatus>> {
        self.send(Method::POST, "/v1/admit", request)
    }

    /// Makes anti-passback forget where a person is, or where everybody is.
    pub fn forget_places(&self, person: Option<u32>) -> Result<()> {
        self.send(Method::POST, "/v1/amnesty", &AmnestyRequest { person })
    }

    /// The time zones, and when a day begins.
    pub fn calendar(&self) -> Result<Calendar> {
        self.get("/v1/calendar")
    }

    /// Who is in which zone.
    pub fn inside(&self) -> Result<Inside> {
        self.get("/v1/inside")
    }

    /// Where the rules in force come from.
    pub fn rules(&self) -> Result<RulesOrigin> {
        self.get("/v1/rules")
    }

    /// Takes the wall clock for right.
    pub fn trust_clock(&self) -> Result<()> {
        self.send(Method::POST, "/v1/clock/trust", &())
    }

    /// Calls `each` with every line of an endless answer until it returns `false`, or until the time is over.
    ///
    /// # Errors
    /// The daemon stops, or `each` fails.
    pub fn lines(&self, path: &str, until: Instant, mut each: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
        self.runtime.block_on(async {
            let mut body = self.transport.send(Method::GET, path, Bytes::new()).await?;
            let mut pending = Vec::new();
            loop {
                let Ok(piece) = timeout_at(until.into(), next_piece(&mut body)).await else { return Ok(()) };
                let Some(piece) = piece? else { bail!("the daemon has stopped") };
                pending.extend_from_slice(&piece);
                while let Some(end) = pending.iter().position(|&byte| byte == b'\n') {
                    let line: Vec<u8> = pending.drain(..=end).collect();
                    if !each(&line)? {
                        return Ok(());
                    }
                }
            }
        })
    }

    /// Calls `each` with every piece of a long answer.
    fn download(&self, path: &str, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.runtime.block_on(async {
            let mut body = self.transport.send(Method::GET, path, Bytes::new()).await?;
            while let Some(piece) = self.transport.in_time(USUAL, next_piece(&mut body)).await? {
                each(&piece)?;
            }
            Ok(())
        })
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.ask(Method::GET, path, Bytes::new())
    }

    fn send<T: DeserializeOwned>(&self, method: Method, path: &str, body: &impl Serialize) -> Result<T> {
        self.ask(method, path, serde_json::to_vec(body)?.into())
    }

    fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T> {
        let answer = self.runtime.block_on(self.transport.send_and_read(method, path, body))?;
        serde_json::from_slice(&answer).context("the daemon's answer is of another version; restart it")
    }
}

/// Records what was done to the site's head. Not through a client that would compare behind that head: it may be unreadable.
pub fn note_head(config: &Config, request: &HeadRequest) -> Result<()> {
    Client::open_comparing(config, false)?.send(Method::POST, "/v1/head", request)
}

fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
