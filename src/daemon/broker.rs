//! The hub in the daemon: what it publishes of this device, and what becomes of the broker's commands.
//!
//! Events come from records that are on disk already. The state of the doors comes from the doors' thread, so a relay that moved without a
//! record is published as well.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;

use super::door_thread::DoorMessage;
use super::doors::door::DoorView;
use super::stage::Stage;
use crate::api::ApiError;
use crate::board::soc_temperature_c;
use crate::config::Config;
use crate::domain::{AccessEvent, DaemonEvent, DoorEvent, DoorIndex, Event, Mode, Moment, Recorded};
use crate::gallery::Gallery;
use crate::hub::{
    self, Before, DeviceLayout, DoorLayout, DoorState, Hub, HubCommand, HubEntry, LockState, MessageRefusal,
    RefusedCommand, StorageError, Vitals,
};
use crate::ledger::{Journal, LedgerError, Outbox};
use crate::office::saved::SavedState;
use crate::office::{Recorder, Totals};
use crate::seal::RingState;
use crate::store::Store;

/// Commands of the hub, accepted and refused.
pub type CommandReceiver = Receiver<Result<HubCommand, RefusedCommand>>;

/// What comes from the broker.
pub struct FromBroker {
    pub commands: CommandReceiver,
    /// PINs and tags; `None` unless they are taken from the broker.
    pub entries: Option<Receiver<HubEntry>>,
}

/// An entry that the doors cannot take for this long is dropped: the person who made it may have gone.
const STALE: Duration = Duration::from_secs(2);
/// The pause before a full queue is tried again.
const QUEUE_PAUSE: Duration = Duration::from_millis(5);

/// How often the measurements are published.
const MEASURE_EVERY: Duration = Duration::from_secs(10);

/// The doors, cameras and people of this device, with the modes that doors keep over a restart.
pub fn layout(config: &Config, gallery: &Gallery, saved: &SavedState) -> DeviceLayout {
    let mode = |door: &str| saved.modes.iter().find(|(name, _)| name == door).map(|(_, mode)| mode.as_str());
    let door = |door: &crate::config::Door| DoorLayout {
        name: door.name.clone(),
        leaf_sensor: door.sensor.is_some(),
        tamper_contact: door.tamper.is_some(),
        mode: mode(&door.name).unwrap_or(Mode::Normal.as_str()).to_owned(),
        // Rules of the fleet may ask for more, later.
        prompts: config.fleet.enabled || config.asked_at(door).iter().flatten().any(|tier| !tier.cues().is_empty()),
    };
    let sides = || config.doors.iter().filter_map(|door| door.zones());
    let inside = |zone: &str| {
        let is_inside = sides().any(|(_, inside)| inside == zone);
        (is_inside || sides().any(|(outside, _)| outside == zone)).then_some(is_inside)
    };
    DeviceLayout {
        inside: saved.places.iter().filter_map(|(id, place)| Some((id.0, inside(&place.zone)?))).collect(),
        doors: config.doors.iter().map(door).collect(),
        cameras: config.cameras.iter().map(|camera| camera.name.clone()).collect(),
        people: gallery.people().into_iter().map(|person| (person.id.0, person.name)).collect(),
        before: Before::default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Publishes the state of the doors each time it is called.
pub fn showing(hub: Option<Arc<Hub>>) -> impl FnMut(&[DoorView]) + Send {
    move |doors| {
        if let Some(hub) = &hub {
            hub.doors(doors.iter().map(state).collect());
        }
    }
}

fn state(view: &DoorView) -> DoorState {
    DoorState {
        name: view.name.to_string(),
        lock: match (view.level_unknown, view.unlocked) {
            (true, _) => LockState::Jammed,
            (false, true) => LockState::Unlocked,
            (false, false) => LockState::Locked,
        },
        open: view.open,
        mode: view.mode.as_str().to_owned(),
        alarms: view.alarms.iter().map(|alarm| alarm.as_str().to_owned()).collect(),
        fault: view.trouble.clone(),
        prompt: view.prompt,
    }
}

/// Records the messages that the broker refuses, until the hub is dropped.
pub async fn record_refusals(mut refused: Receiver<MessageRefusal>, recorder: Arc<Recorder>) {
    while let Some(MessageRefusal { topic, bytes, reason, .. }) = refused.recv().await {
        let recorder = recorder.clone();
        let written = tokio::task::spawn_blocking(move || {
            recorder.record(&Event::Daemon(DaemonEvent::HubMessageRefused { topic, bytes, reason })).map(drop)
        });
        if let Ok(Err(error)) = written.await {
            tracing::error!(%error, "a message that the broker refused cannot be recorded");
        }
    }
}

/// Carries out the broker's commands one after the other, until the hub is dropped. `order` carries one out and waits for the doors. Commands that
/// fail and those that the hub has refused are recorded.
pub async fn carry_out(
    mut commands: CommandReceiver,
    recorder: Arc<Recorder>,
    order: impl Fn(&HubCommand) -> Result<(), ApiError> + Send + Sync + 'static,
) {
    let order = Arc::new(order);
    while let Some(command) = commands.recv().await {
        let (order, recorder) = (order.clone(), recorder.clone());
        // Both wait for the disk.
        let done = tokio::task::spawn_blocking(move || carry_out_one(command, &recorder, &*order)).await;
        if let Err(error) = done {
            tracing::error!(%error, "a command from the broker failed");
        }
    }
}

fn carry_out_one(
    command: Result<HubCommand, RefusedCommand>,
    recorder: &Recorder,
    order: &dyn Fn(&HubCommand) -> Result<(), ApiError>,
) {
    let refused = command.and_then(|command| {
        let HubCommand { door, action, by, .. } = &command;
        let refused = |error: ApiError| RefusedCommand {
            door: door.clone(),
            action: *action,
            by: by.clone(),
            reason: error.to_string(),
        };
        order(&command).map_err(refused)
    });
    let Err(RefusedCommand { door, action, by, reason }) = refused else { return };
    tracing::warn!(door, command = action.as_str(), %by, reason, "a command from the broker was refused");
    let event =
        Event::Door(DoorEvent::CommandRefused { door: door.into(), command: action.as_str().to_owned(), by, reason });
    if let Err(error) = recorder.record(&event) {
        tracing::error!(%error, "the refusal of a command cannot be recorded");
    }
}

/// Hands PINs and tags to the doors' thread, until the hub is dropped or the thread has ended. `doors` are the names, in the order of the
/// configuration.
pub async fn take_entries(mut entries: Receiver<HubEntry>, doors: Vec<String>, queue: SyncSender<DoorMessage>) {
    while let Some(HubEntry { door, entry }) = entries.recv().await {
        let Some(door) = doors.iter().position(|known| *known == door).map(DoorIndex) else { continue };
        let until = tokio::time::Instant::now() + STALE;
        let mut message = DoorMessage::Entered { door, entry };
        loop {
            match queue.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(_)) if tokio::time::Instant::now() >= until => {
                    tracing::warn!("an entry from the broker was dropped: the doors have too much to do");
                    break;
                }
                Err(TrySendError::Full(back)) => message = back,
            }
            tokio::time::sleep(QUEUE_PAUSE).await;
        }
    }
}

/// Publishes measurements every [`MEASURE_EVERY`]. Never returns.
pub async fn measure(
    hub: Arc<Hub>,
    outbox: Arc<Outbox>,
    gallery: Arc<Gallery>,
    recorder: Arc<Recorder>,
    stages: Vec<Arc<Stage>>,
    now: impl Fn() -> Moment,
) {
    let mut rates = Rates::default();
    loop {
        hub.measured(Vitals {
            fps: rates.since_last(&stages, now()),
            queue_depth: outbox.len() as u64,
            soc_temperature_c: soc_temperature_c(),
            sealed: Some(gallery.ring().state() != RingState::Plain),
            trouble: unrecorded(&recorder).or_else(|| broken_seal(&gallery)),
        });
        tokio::time::sleep(MEASURE_EVERY).await;
    }
}

/// What is wrong with sealed templates. That none are sealed is a choice, which would hide any problem that comes.
fn broken_seal(gallery: &Gallery) -> Option<String> {
    let plain = gallery.ring().state() == RingState::Plain && gallery.locked().is_none();
    if plain { None } else { gallery.sealing_problem() }
}

/// What the doors had done before this start, for counters that go on.
pub fn before(store: &Store, journal: &Journal, gallery: &Gallery) -> Before {
    let totals = Totals::up_to_date(store, journal).unwrap_or_else(|error| {
        tracing::warn!(%error, "the doors' totals begin anew: the journal cannot be counted");
        Totals::default()
    });
    let last = totals.last_granted.and_then(|seq| journal.get(seq).ok().flatten());
    let last_person = last.and_then(|record| {
        let id = record.content.event()?.decided()?.person_id()?;
        Some((id.0, gallery.person(id).ok()?.name, record.time()))
    });
    Before { granted: totals.granted, denied: totals.denied, last_person }
}

/// How many events could not be recorded. The broker learns of it as a measurement, because an event would have to be recorded first.
fn unrecorded(recorder: &Recorder) -> Option<String> {
    let reason = recorder.trouble()?.reason;
    let lost = recorder.gap().map_or(0, |gap| gap.lost);
    Some(format!("{lost} events are in no record: {reason}"))
}

/// Frames a second, from counters that only grow.
#[derive(Default)]
struct Rates {
    last: Option<(Moment, BTreeMap<String, u64>)>,
}

impl Rates {
    /// The frames a second that each camera's vision has handled since the last call. Empty at the first call.
    fn since_last(&mut self, stages: &[Arc<Stage>], now: Moment) -> BTreeMap<String, f64> {
        let vision = stages.iter().filter(|stage| stage.role.looks_at_frames());
        let handled: BTreeMap<String, u64> =
            vision.map(|stage| (stage.name.clone(), stage.handled.load(Relaxed))).collect();
        let rates = match &self.last {
            None => BTreeMap::new(),
            Some((then, before)) => {
                let seconds = now.since(*then).as_secs_f64().max(0.001);
                let rate = |(name, count): (&String, &u64)| {
                    let frames = count.saturating_sub(before.get(name).copied().unwrap_or_default());
                    (name.clone(), frames as f64 / seconds)
                };
                handled.iter().map(rate).collect()
            }
        };
        self.last = Some((now, handled));
        rates
    }
}

/// The ledger's outbox, with the journal that holds its records.
pub struct JournalOutbox {
    pub outbox: Arc<Outbox>,
    /// For reading.
    pub journal: Journal,
    /// Opens the notes on PINs.
    pub gallery: Arc<Gallery>,
}

impl hub::Outbox for JournalOutbox {
    fn pending(&self, mut after: u64, limit: usize) -> Result<Vec<Recorded>, StorageError> {
        loop {
            let numbers = self.outbox.pending(after, limit);
            let Some(&last) = numbers.last() else { return Ok(Vec::new()) };
            let mut entries = Vec::with_capacity(numbers.len());
            for seq in numbers {
                match self.journal.get(seq) {
                    Ok(Some(record)) => entries.push(record.recorded()),
                    // Deleted by age in the meantime.
                    Ok(None) => self.outbox.acknowledge(seq).map_err(StorageError::new)?,
                    // It stays unreadable, and must not hold up the records behind it.
                    Err(error @ LedgerError::Damaged(_)) => {
                        tracing::error!(%error, "this record cannot be sent to the broker");
                        self.outbox.acknowledge(seq).map_err(StorageError::new)?;
                    }
                    Err(error) => return Err(StorageError::new(error)),
                }
            }
            if !entries.is_empty() {
                return Ok(entries);
            }
            after = last;
        }
    }

    fn is_duress(&self, entry: &Recorded) -> bool {
        match entry.content.event() {
            Some(Event::Access(AccessEvent::PinEntered { door, note: Some(note), .. })) => {
                self.gallery.read_pin_note(door, note) == Some(true)
            }
            _ => false,
        }
    }

    fn acknowledge(&self, seqs: &[u64]) -> Result<(), StorageError> {
        seqs.iter().try_for_each(|seq| self.outbox.acknowledge(*seq)).map_err(StorageError::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::stage::Role;
    use crate::domain::Prompt;

    #[test]
    fn events_that_could_not_be_recorded_are_published_as_a_measurement() {
        let dir = tempfile::tempdir().unwrap();
        let store = crate::store::Store::open(&dir.path().join("store")).unwrap();
        let journal = crate::ledger::Journal::open(&store).unwrap();
        let recorder = Recorder::new(&store, journal, Arc::new(crate::clock::SystemClock::new()));
        assert_eq!(unrecorded(&recorder), None);
        store.spare(u64::MAX);
        let event = crate::domain::Event::Daemon(crate::domain::DaemonEvent::Stopped { reason: "a trial".into() });
        assert!(recorder.record(&event).is_err() && recorder.record(&event).is_err());
        let trouble = unrecorded(&recorder).unwrap();
        assert!(trouble.starts_with("2 events are in no record: ") && trouble.contains("full"), "{trouble}");
        store.spare(0);
        recorder.record(&event).unwrap();
        assert_eq!(unrecorded(&recorder), None);
    }

    #[test]
    fn a_lock_follows_its_relay_and_is_jammed_if_the_level_is_unknown() {
        let view = |unlocked: bool, level_unknown: bool| DoorView {
            name: "front".into(),
            wires: String::new(),
            mode: Mode::Lockdown { group: None },
            unrecorded: false,
            unlocked,
            level_unknown,
            open: Some(false),
            hours: None,
            alarms: vec![crate::domain::Alarm::HeldOpen],
            trouble: Some("the wires hang".into()),
            prompt: Prompt::TurnLeft,
            assurance: Vec::new(),
        };
        let lock = |unlocked, level_unknown| state(&view(unlocked, level_unknown)).lock;
        assert_eq!([lock(false, false), lock(true, false)], [LockState::Locked, LockState::Unlocked]);
        assert_eq!([lock(false, true), lock(true, true)], [LockState::Jammed; 2]);
        let (name, mode, alarms) = ("front".into(), "lockdown".into(), vec!["held_open".into()]);
        let fault = Some("the wires hang".into());
        let prompt = Prompt::TurnLeft;
        let expected = DoorState { name, lock: LockState::Locked, open: Some(false), mode, alarms, fault, prompt };
        assert_eq!(state(&view(false, false)), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn entries_reach_their_door_and_a_full_queue_drops_them_after_a_while() {
        let (hub, entries) = tokio::sync::mpsc::channel(8);
        let (queue, doors) = std::sync::mpsc::sync_channel(2);
        let entry =
            |door: &str| HubEntry { door: door.to_owned(), entry: crate::domain::Entry::Pin("1234".parse().unwrap()) };
        for door in ["back", "side", "front", "front"] {
            hub.send(entry(door)).await.unwrap();
        }
        drop(hub);
        let started = tokio::time::Instant::now();
        take_entries(entries, vec!["front".to_owned(), "back".to_owned()], queue).await;
        assert!(started.elapsed() >= STALE, "the last one waited for room");
        let at: Vec<usize> = doors
            .iter()
            .map(|message| match message {
                DoorMessage::Entered { door, .. } => door.0,
                _ => panic!("another message"),
            })
            .collect();
        assert_eq!(at, [1, 0], "the door side is not known, and there was room for two");
    }

    #[test]
    fn a_rate_covers_the_time_since_the_last_call() {
        let at = |seconds| Moment(Duration::from_secs(seconds));
        let stage = Stage::new(Role::Vision, "porch", at(0));
        let stages = [stage.clone(), Stage::new(Role::Camera, "porch", at(0))];
        let mut rates = Rates::default();
        assert!(rates.since_last(&stages, at(0)).is_empty());
        stage.handled.fetch_add(150, Relaxed);
        assert_eq!(rates.since_last(&stages, at(10)), BTreeMap::from([("porch".to_owned(), 15.0)]));
        assert_eq!(rates.since_last(&stages, at(20)), BTreeMap::from([("porch".to_owned(), 0.0)]));
    }
}
