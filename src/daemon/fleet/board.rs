//! The board's task: reads rules, keys, people and heads from the servers, sends the journal, and says how it stands.
//!
//! Nothing of it is waited for by a door. Rules are read before anything else after each connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::astray::Astray;
use super::leader::{Beside, Leader};
use super::lockdown::DoorOrders;
use super::progress::{Asking, Telling};
use super::state::{Connection, FleetState};
use crate::daemon::fleet_office::{connected, lost};
use crate::daemon::rulebook::Rulebook;
use crate::domain::ModelId;
use crate::fleet::carrier::{Carrier, CarrierError, Link, Stored, Subject};
use crate::fleet::{
    Board, BoardKey, FleetId, Gallery, GalleryKey, Heads, OfficePublic, Opened, Replica, RequestError, RequestPublic,
    Site, SiteRules,
};
use crate::ledger::LedgerError;
use crate::office::fleet::key_file::{KeyFile, KeyFileError};
use crate::office::{AskError, FleetPeople, FleetPeopleError, OfficeError, Register, Which};
use crate::setup::fleet::Disk;
use crate::store::StoreError;

/// How often the board reads everything and says how it stands, if nothing happens.
const REPORTS_EVERY: Duration = Duration::from_secs(20);
/// Between two attempts, at first and at most.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// At a leaf that has lost the fleet's servers, nothing tells when they are back.
const AT_LEAF: Duration = Duration::from_secs(3);

/// Why the board is not at the servers.
#[derive(Debug, Error)]
pub enum BoardError {
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    #[error("the people of the fleet cannot be changed: {0}")]
    People(#[from] FleetPeopleError),
    #[error("what is asked of the office cannot be kept: {0}")]
    Ask(#[from] AskError),
    #[error("what is asked of the office cannot be read: {0}")]
    Office(#[from] OfficeError),
    #[error("what the office is told cannot be sealed: {0}")]
    Sealed(#[from] RequestError),
    #[error("a task failed: {0}")]
    Task(#[from] JoinError),
}

/// Who the board is.
#[derive(Clone)]
pub struct Identity {
    pub fleet: FleetId,
    pub site: Site,
    pub gallery: Gallery,
    pub board: Board,
    pub office: OfficePublic,
    pub key: BoardKey,
    /// The office's key, to which the board seals what it says.
    pub requests: RequestPublic,
    pub model: ModelId,
    /// Chosen when this board joined.
    pub instance: Option<Uuid>,
}

/// A board at work.
pub struct BoardTask {
    pub identity: Identity,
    pub carrier: Arc<dyn Carrier>,
    pub state: Arc<FleetState>,
    pub disk: Disk,
    pub replica: Arc<Mutex<Replica<FleetPeople>>>,
    pub keys: Arc<Mutex<KeyFile>>,
    pub doors: DoorOrders,
    /// The rules for who may pass.
    pub rulebook: Arc<Rulebook>,
    /// The number of the newest record of the journal.
    pub written: watch::Receiver<u64>,
    /// Who is on this board, and what it asks of the office.
    pub register: Register,
    pub rules: Option<SiteRules>,
    /// Whether all doors that are new have followed the lockdown of the rules that were kept.
    pub new_doors_followed: bool,
    pub heads: Heads,
    /// Differences of clocks at the newest heads, in milliseconds.
    pub clocks: Vec<i64>,
    /// The newest record of each kind that was set aside or refused, by its sequence: each is counted once.
    pub counted: BTreeMap<&'static str, u64>,
    /// How many records the board last said that wait.
    pub told_waiting: u64,
    /// Whether records of the journal wait to be sent.
    pub more_records: bool,
    pub telling: Telling,
    pub asking: Asking,
    /// The newest version of the site's rules that was seen, in force or not.
    pub newest_rules: u64,
    /// Whether all that the servers have was read.
    pub read_all: bool,
    pub astray: Astray,
    /// The last answers that were read, by their sequence.
    pub answers: u64,
    /// The records of the site's other model.
    pub beside: Option<Beside>,
    pub leader: Leader,
}

impl BoardTask {
    /// Works for good.
    pub async fn run(mut self) {
        if let Err(error) = self.record_access_at_start().await {
            tracing::error!(%error, "the site's rules at this start");
        }
        connected(&*self.carrier).await;
        let mut pause = PAUSE;
        loop {
            let began = Instant::now();
            let Err(error) = self.stay().await else { continue };
            if matches!(&error, BoardError::Task(error) if error.is_cancelled()) {
                // The daemon ends.
                return;
            }
            if began.elapsed() > LONGEST_PAUSE {
                pause = PAUSE;
            }
            let why = error.to_string();
            if self.state.standing().connection != Connection::Offline(why.clone()) {
                tracing::warn!(%error, "the board is not at the fleet's servers; doors go on with what is on disk");
            }
            self.state.note(|now| now.connection = Connection::Offline(why));
            tokio::time::sleep(PAUSE).await;
            let mut link = self.carrier.link();
            // At a leaf that has lost the fleet's servers, the connection is there all the same.
            let at_leaf = *link.borrow() == Link::Online;
            // A server that is back ends the pause.
            let back = link.wait_for(|link| *link == Link::Online);
            match error {
                BoardError::Carrier(CarrierError::Away { .. }) if !at_leaf => {
                    drop(tokio::time::timeout(pause, back).await);
                }
                BoardError::Carrier(CarrierError::Away { .. }) => {
                    tokio::time::sleep(pause.min(AT_LEAF)).await;
                }
                _ => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Works until something fails.
    async fn stay(&mut self) -> Result<(), BoardError> {
        let Identity { site, gallery, board, .. } = self.identity.clone();
        let carrier = self.carrier.clone();
        let mut rules = carrier.watch(&Subject::rules(&site)).await?;
        let mut keys = carrier.watch(&Subject::key(&gallery, &board)).await?;
        let mut heads = carrier.watch(&Subject::head(&gallery)).await?;
        let mut people = carrier.watch(&Subject::people(&gallery)).await?;
        let mut answers = carrier.watch(&Subject::answers(&site, &board)).await?;
        self.read_rules().await?;
        self.read_keys().await?;
        self.follow_models().await?;
        self.read_people().await?;
        self.read_head().await?;
        if self.state.standing().connection != Connection::Online {
            tracing::info!(%board, %site, "the board is at the fleet's servers");
        }
        self.state.note(|now| now.connection = Connection::Online);
        let mut reports = tokio::time::interval(REPORTS_EVERY);
        reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.read_answers().await?;
        self.send_requests(Which::All).await?;
        self.send_journal().await?;
        let (mut connection, began) = (carrier.link(), Instant::now());
        loop {
            tokio::select! {
                biased;
                error = lost(&mut connection) => return Err(error.into()),
                _ = reports.tick() => {
                    // All of it, whatever was hinted: of watches that are due at once the first one comes first.
                    self.read_rules().await?;
                    self.read_keys().await?;
                    self.read_people().await?;
                    self.read_head().await?;
                    self.read_answers().await?;
                    self.send_requests(Which::Changed).await?;
                    self.send_journal().await?;
                    self.report().await?;
                }
                () = rules.changed() => if self.read_rules().await? {
                    if self.follow_models().await? {
                        self.read_people().await?;
                    }
                    self.report().await?;
                },
                () = keys.changed() => if self.read_keys().await? {
                    self.read_people().await?;
                    self.report().await?;
                },
                () = heads.changed() => if self.read_head().await? { self.report().await? },
                () = answers.changed() => self.read_answers().await?,
                () = people.changed() => if self.read_people().await? { self.report().await? },
                written = self.written.changed() => match written {
                    Ok(()) => {
                        self.send_requests(Which::New).await?;
                        self.send_journal().await?;
                        if self.told_waiting > 0 {
                            self.report().await?;
                        }
                    }
                    // The journal is gone: the daemon ends.
                    Err(_) => std::future::pending().await,
                },
                () = tokio::time::sleep_until(self.leader.restart.unwrap_or(began)), if self.leader.restart.is_some() => {
                    self.restart();
                }
                () = std::future::ready(()), if self.more_records => {
                    self.send_journal().await?;
                    if !self.more_records {
                        self.report().await?;
                    }
                }
            }
        }
    }

    /// Follows the newest rules. Returns whether they are new.
    pub(super) async fn read_rules(&mut self) -> Result<bool, BoardError> {
        let site = self.identity.site.clone();
        let Some(stored) = self.carrier.newest(&Subject::rules(&site)).await? else { return Ok(false) };
        let Some(rules) = self.opened::<SiteRules>(&stored, "rules") else { return Ok(false) };
        if rules.site != site {
            return Ok(false);
        }
        self.newest_rules = self.newest_rules.max(rules.version);
        if !rules.replace(self.rules.as_ref()) {
            let is_held = self.rules.as_ref().is_some_and(|held| held.version == rules.version);
            self.telling.saw_rules(is_held, &stored.payload);
            self.state.note(|now| now.rules_read |= is_held);
            self.lock_new_doors().await;
            return Ok(false);
        }
        if rules.orders_anew(self.rules.as_ref()) {
            let (doors, now) = (self.doors.clone(), rules.lockdown.clone());
            let ended_by = rules.ended_by().to_owned();
            if let Err(error) = spawn_blocking(move || doors.follow(now.as_ref(), &ended_by)).await? {
                // The rules are not kept, so that the doors are asked again. Keys, people and records go on.
                tracing::error!(%error, "a door did not follow the site's lockdown or its end; it is asked again");
                return Ok(false);
            }
            let (disk, names) = (self.disk.clone(), self.doors.names());
            spawn_blocking(move || disk.keep_ordered(&names)).await??;
        }
        let Some(usable) = self.take_access(&rules).await? else { return Ok(false) };
        self.send_again(&rules).await?;
        let (disk, signed) = (self.disk.clone(), stored.payload);
        self.telling.holds_rules(&signed);
        spawn_blocking(move || disk.keep_rules(&signed, usable)).await??;
        let version = rules.version;
        self.state.note(|state| (state.rules, state.rules_read) = (version, true));
        self.rules = Some(rules);
        Ok(true)
    }

    /// Takes the newest key. Returns whether it is new.
    pub(super) async fn read_keys(&mut self) -> Result<bool, BoardError> {
        let Identity { fleet, gallery, board, key, .. } = self.identity.clone();
        let Some(stored) = self.carrier.newest(&Subject::key(&gallery, &board)).await? else { return Ok(false) };
        let Some(sealed) = self.opened::<GalleryKey>(&stored, "key") else { return Ok(false) };
        if sealed.gallery != gallery || sealed.board != board || self.keys().get(&gallery, sealed.epoch).is_some() {
            return Ok(false);
        }
        let newest = self.keys().epochs(&gallery).last().copied().unwrap_or_default();
        if sealed.epoch < newest {
            // One that was destroyed does not come back.
            return Ok(false);
        }
        match sealed.open(fleet, &key) {
            Ok(opened) => {
                let epoch = sealed.epoch;
                self.with_keys(move |keys| keys.insert(&gallery, epoch, opened)).await??;
                tracing::info!(epoch = sealed.epoch, "the key of the gallery's people came");
                self.state.note(|state| state.epoch = Some(sealed.epoch));
                Ok(true)
            }
            Err(error) => {
                tracing::error!(%error, epoch = sealed.epoch, "the key of the gallery's people cannot be opened: let the board join again");
                self.state.note(|state| state.refused += 1);
                Ok(false)
            }
        }
    }

    /// What the office signed; `None`, counted, for anything else.
    pub(super) fn opened<T: crate::fleet::Body>(&mut self, stored: &Stored, what: &'static str) -> Option<T> {
        let opened = self.identity.office.open::<T>(self.identity.fleet, &stored.payload);
        if !matches!(opened, Ok(Opened::Body(_))) && self.counted.insert(what, stored.sequence) == Some(stored.sequence)
        {
            return None;
        }
        match opened {
            Ok(Opened::Body(body)) => Some(body),
            Ok(Opened::SetAside { schema }) => {
                tracing::warn!(what, schema, "a record of a newer usher is set aside: update this board");
                self.state.note(|state| state.set_aside += 1);
                None
            }
            Err(why) => {
                tracing::error!(what, %why, "a record that the office did not sign is refused");
                self.state.note(|state| state.refused += 1);
                None
            }
        }
    }

    /// Works with the replica on a thread that may wait for the disk.
    pub(super) async fn with_replica<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Replica<FleetPeople>) -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let replica = self.replica.clone();
        spawn_blocking(move || work(&mut replica.lock().unwrap_or_else(PoisonError::into_inner))).await
    }

    /// Works with the keys on a thread that may wait for the disk.
    pub(super) async fn with_keys<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut KeyFile) -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let keys = self.keys.clone();
        spawn_blocking(move || work(&mut keys.lock().unwrap_or_else(PoisonError::into_inner))).await
    }

    /// The keys, for looking at those in memory.
    pub(super) fn keys(&self) -> MutexGuard<'_, KeyFile> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now_ms(&self) -> i64 {
        let wall = Timestamp::try_from(self.state.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
        wall.as_millisecond()
    }
}
