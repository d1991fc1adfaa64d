//! The running daemon as the API sees it: orders to its doors, its status, its views.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use jiff::{Timestamp, Unit};
use tokio::sync::{broadcast, watch};

use super::door_status::door_status;
use super::door_thread::{DoorMessage, OperatorRequest};
use super::doors::OperatorOrder;
use super::figures::Recent;
use super::fleet::FleetState;
use super::metrics::{self, Metrics};
use super::published_doors::PublishedDoors;
use super::rulebook::Rulebook;
use super::stage::Stage;
use super::tcp_address::AddressTrouble;
use crate::api::checks::Check;
use crate::api::doors::{DoorOrder, DoorStatus, Inside, PersonInside, ZoneInside};
use crate::api::figures::Figures;
use crate::api::people::Person;
use crate::api::status::{FleetStatus, HubStatus, PlacementStatus, RefusedMessage, SealStatus, StageStatus, Status};
use crate::api::template::CameraView;
use crate::api::{Admission, ApiError, Doors, MetricsPage, Monitor};
use crate::checks::{cameras, daemon, store};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Actor, DoorIndex, Mode, Moment, PersonId};
use crate::hub::{self, Hub, HubAction, HubCommand};
use crate::ledger::{Journal, LedgerError, ReadOrder, RecordFilter};
use crate::office::switch::Switch;
use crate::office::{DiskSpace, Recorder, Register};

/// How long the doors' thread may take to answer. A thread that takes longer is dead or hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// An order from the API moves a relay within this time or not at all: less than [`ANSWER_WITHIN`], so that the answer is true.
const ORDER_WITHIN: Duration = Duration::from_secs(5);

/// The kind of the record of a backup.
const BACKUP_TAKEN: &str = "backup_taken";

/// What the API may ask of a running daemon.
pub struct Service {
    pub register: Register,
    pub switch: Arc<Switch>,
    pub recorder: Arc<Recorder>,
    /// The number of the newest record that was written.
    pub written: watch::Sender<u64>,
    pub stages: Vec<Arc<Stage>>,
    pub published: PublishedDoors,
    pub door_queue: SyncSender<DoorMessage>,
    pub placements: Vec<PlacementStatus>,
    pub hub: Option<Arc<Hub>>,
    /// `None` for a board that is in no fleet.
    pub fleet: Option<Arc<FleetState>>,
    pub metrics: Metrics,
    pub views: broadcast::Sender<CameraView>,
    pub clock: Arc<dyn Clock>,
    pub device: String,
    pub model: String,
    /// [`Config::fingerprint`].
    pub fingerprint: String,
    pub config: Config,
    /// The rules in force.
    pub rulebook: Arc<Rulebook>,
    /// The file of the configuration.
    pub configuration: Option<PathBuf>,
    pub figures: Arc<Recent>,
    pub metrics_trouble: AddressTrouble,
    pub web_trouble: AddressTrouble,
}

impl Doors for Service {
    fn order(&self, door: Option<&str>, order: DoorOrder, by: Actor) -> Result<Vec<DoorStatus>, ApiError> {
        let door = door.map(|name| self.door(name)).transpose()?;
        let order = match order {
            DoorOrder::Unlock { for_ms } => OperatorOrder::Unlock { duration: for_ms.map(Duration::from_millis) },
            DoorOrder::Lock => OperatorOrder::Lock,
            DoorOrder::Lockdown { group } => OperatorOrder::Mode(Mode::Lockdown { group }),
            DoorOrder::Release => OperatorOrder::Mode(Mode::Release),
            DoorOrder::Normal => OperatorOrder::Mode(Mode::Normal),
        };
        self.ask(OperatorRequest::Order { door, order }, by, self.clock.now() + ORDER_WITHIN)?;
        Ok(self.doors())
    }

    fn admit(&self, door: Option<&str>, admission: Admission, by: Actor) -> Result<Vec<DoorStatus>, ApiError> {
        let door = match door {
            Some(name) => self.door(name)?,
            None => self.only_door()?,
        };
        self.ask(OperatorRequest::Admit { door, admission }, by, self.clock.now() + ORDER_WITHIN)?;
        Ok(self.doors())
    }

    fn forget_places(&self, person: Option<PersonId>, by: Actor) -> Result<(), ApiError> {
        self.ask(OperatorRequest::Amnesty { person }, by, self.clock.now() + ORDER_WITHIN)
    }

    fn trust_clock(&self, by: Actor) -> Result<(), ApiError> {
        self.ask(OperatorRequest::TrustClock, by, self.clock.now() + ORDER_WITHIN)
    }

    fn inside(&self) -> Result<Inside, ApiError> {
        let (answer, answered) = sync_channel(1);
        self.send(DoorMessage::WhoIsInside { answer })?;
        let places = answered.recv_timeout(ANSWER_WITHIN).map_err(|_| ApiError::Busy("the doors do not answer"))?;
        let gallery = self.register.gallery();
        let mut zones: BTreeMap<String, Vec<PersonInside>> = BTreeMap::new();
        for place in places {
            let id = place.person;
            let name = gallery.person(id).map_or_else(|_| format!("person {id}"), |person| person.name);
            let since = place.since.map(|since| since.round(Unit::Second).unwrap_or(since).to_string());
            zones.entry(place.zone).or_default().push(PersonInside { id: id.0, name, since });
        }
        let zone = |(zone, mut people): (String, Vec<PersonInside>)| {
            people.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
            ZoneInside { zone, people }
        };
        Ok(Inside { zones: zones.into_iter().map(zone).collect() })
    }
}

impl Monitor for Service {
    fn status(&self) -> Result<Status, ApiError> {
        let now = self.clock.now();
        let people = self.register.gallery().people();
        let published = self.published.read();
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").into(),
            device: self.device.clone(),
            uptime_s: now.0.as_secs(),
            configuration: self.fingerprint.clone(),
            model: self.model.clone(),
            people: people.len(),
            foreign_templates: people.iter().map(|p| p.foreign_templates).sum(),
            model_switch: self.model_switch(),
            seal: SealStatus::from(self.register.gallery()),
            near_enough: self.register.cut().into(),
            stages: self.stages.iter().map(|stage| stage_status(stage, now)).collect(),
            doors: published.doors.iter().map(door_status).collect(),
            occupancy: published.occupancy.into_iter().collect(),
            placements: self.placements.clone(),
            time: published.time.map(|quality| quality.as_str().to_owned()),
            journal_trouble: self.recorder.problem(),
            metrics_trouble: self.metrics_trouble.get(),
            web_trouble: self.web_trouble.get(),
            hub: self.hub.as_ref().map(|hub| self.hub_status(hub)),
            fleet: self.fleet.as_ref().map(|fleet| self.fleet_status(fleet)),
        })
    }

    fn metrics(&self) -> Result<MetricsPage, ApiError> {
        Ok(MetricsPage { content_type: metrics::CONTENT_TYPE, text: self.metrics.page() })
    }

    fn views(&self) -> Result<broadcast::Receiver<CameraView>, ApiError> {
        Ok(self.views.subscribe())
    }

    fn checks(&self) -> Result<Vec<Check>, ApiError> {
        let people: Vec<Person> = self.register.gallery().people().iter().map(Person::from).collect();
        let file = self.configuration.as_deref().map(|file| daemon::configuration(file, &self.config));
        let mut found: Vec<Check> = file.into_iter().collect();
        found.extend(daemon::all(&self.rulebook.now().config, &self.status()?, &people));
        found.extend(self.figures.newest().iter().flat_map(|newest| cameras::rates(&self.config, newest)));
        found.extend(store::disk(DiskSpace::of(self.recorder.store().dir())));
        let now = Timestamp::try_from(self.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
        found.push(match last_backup(self.recorder.journal()) {
            Ok(last) => store::backup(last, now),
            Err(error) => Check::broken("backup", error.to_string()),
        });
        Ok(found)
    }

    fn figures(&self) -> Result<Figures, ApiError> {
        Ok(self.figures.figures())
    }

    fn written(&self) -> Result<watch::Receiver<u64>, ApiError> {
        Ok(self.written.subscribe())
    }

    fn erased(&self, person: PersonId) {
        if let Some(hub) = &self.hub {
            hub.forget(person.0);
        }
    }
}

impl Service {
    /// Carries out a command from the broker, as an operator's order; an error says why it was not done.
    pub fn obey(&self, command: &HubCommand, unlock_for: Duration) -> Result<(), ApiError> {
        let order = match command.action {
            HubAction::Unlock => OperatorOrder::Unlock { duration: Some(unlock_for) },
            HubAction::Lock => OperatorOrder::Lock,
            HubAction::Lockdown => OperatorOrder::Mode(Mode::Lockdown { group: command.group.clone() }),
            HubAction::Normal => OperatorOrder::Mode(Mode::Normal),
        };
        let door = Some(self.door(&command.door)?);
        self.ask(OperatorRequest::Order { door, order }, command.by.clone(), command.not_after)
    }

    fn model_switch(&self) -> Option<String> {
        match self.switch.report(self.clock.wall()) {
            Ok(report) => report.map(|report| report.in_words()),
            Err(error) => Some(format!("cannot be read: {error}")),
        }
    }

    /// The doors as they were a moment ago.
    fn doors(&self) -> Vec<DoorStatus> {
        self.published.read().doors.iter().map(door_status).collect()
    }

    fn door(&self, name: &str) -> Result<DoorIndex, ApiError> {
        let doors = self.published.read().doors;
        doors.iter().position(|door| *door.name == *name).map(DoorIndex).ok_or_else(|| {
            let names: Vec<&str> = doors.iter().map(|door| &*door.name).collect();
            ApiError::NoDoor { name: name.to_owned(), doors: names.join(", ") }
        })
    }

    /// The door of a house with one.
    fn only_door(&self) -> Result<DoorIndex, ApiError> {
        let doors = self.published.read().doors;
        if doors.len() == 1 {
            return Ok(DoorIndex(0));
        }
        let names: Vec<&str> = doors.iter().map(|door| &*door.name).collect();
        Err(ApiError::Invalid(format!("say at which door: {}", names.join(", "))))
    }

    /// Asks the doors' thread, and waits for its answer. It moves no relay after `not_after`.
    fn ask(&self, request: OperatorRequest, by: Actor, not_after: Moment) -> Result<(), ApiError> {
        let (answer, answered) = sync_channel(1);
        self.send(DoorMessage::Request { request, by, not_after, answer })?;
        match answered.recv_timeout(ANSWER_WITHIN) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(ApiError::DoorRefused(why.to_string())),
            Err(_) => Err(ApiError::Busy("the doors do not answer, and whether it was done is not known")),
        }
    }

    fn send(&self, message: DoorMessage) -> Result<(), ApiError> {
        self.door_queue.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => ApiError::Busy("the doors have too much to do; try again"),
            TrySendError::Disconnected(_) => ApiError::Busy("the daemon is stopping"),
        })
    }

    fn fleet_status(&self, fleet: &FleetState) -> FleetStatus {
        let in_force = self.rulebook.now();
        let rules_trouble = in_force.origin.trouble.clone();
        FleetStatus { access: in_force.version(), rules_trouble, ..fleet.status() }
    }

    fn hub_status(&self, hub: &Hub) -> HubStatus {
        HubStatus {
            state: match hub.state() {
                hub::ConnectionState::Connecting => "connecting".into(),
                hub::ConnectionState::Online => "online".into(),
                hub::ConnectionState::Offline { why } => why,
            },
            waiting: self.recorder.journal().outbox().map_or(0, |outbox| outbox.len() as u64),
            dropped: hub.counts().dropped,
            refused: hub.refusals().into_iter().map(refused_message).collect(),
        }
    }
}

/// When the journal says that the last backup was taken.
fn last_backup(journal: &Journal) -> Result<Option<Timestamp>, LedgerError> {
    let filter = RecordFilter { kinds: vec![BACKUP_TAKEN.to_owned()], ..RecordFilter::default() };
    let newest = journal.select(.., ReadOrder::NewestFirst, 1, &filter)?.pop();
    Ok(newest.and_then(|dated| Timestamp::try_from(dated.at).ok()))
}

fn refused_message(refusal: hub::MessageRefusal) -> RefusedMessage {
    let hub::MessageRefusal { topic, bytes, reason, times } = refusal;
    RefusedMessage { topic, bytes, reason, times }
}

fn stage_status(stage: &Stage, now: Moment) -> StageStatus {
    use std::sync::atomic::Ordering::Relaxed;
    StageStatus {
        role: stage.role.as_str().to_owned(),
        name: stage.name.clone(),
        trouble: stage.trouble(),
        silent_ms: stage.silent_for(now).as_millis() as u64,
        handled: stage.handled.load(Relaxed),
        dropped: stage.dropped.load(Relaxed),
        bad: stage.bad.load(Relaxed),
        last_ms: stage.last_us.load(Relaxed) as f64 / 1000.0,
    }
}
