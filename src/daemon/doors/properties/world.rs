//! A simulation for the tests: a disk, wires, a writer that may fail or stall, people, a clock, and the steps to be played. The relays run on their real
//! threads; only the clock is simulated.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::steps::Step;
use crate::access::{
    Authority, Backoff, DoorRules, Doorway, DoorwaySettings, FleetNews, HouseRules, InfraredEyes, NearEnough, Permit,
    Referee, Schedule, Window, Zones, usual,
};
use crate::api::Admission;
use crate::clock::{Clock, SimulatedClock};
use crate::daemon::doors::door::{Door, UnlockHours};
use crate::daemon::doors::write_queue;
use crate::daemon::doors::writer::{EventWriter, Unwritten};
use crate::daemon::doors::{Doors, DoorsSettings};
use crate::daemon::site_places::PlacesDesk;
use crate::domain::{
    Direction, Distance, DoorIndex, Event, Face, Match, Mode, Moment, Passback, PersonId, Quality, ScheduleIndex,
    Sighting, TrackId, WithoutSync,
};
use crate::door::{DoorError, Level, Limits, Panel, Relay, RelayStop, Wires, relay_thread};
use crate::office::saved::{SavedEntry, SavedState};

use super::people::{BEGIN_S, Disabled, TestPeople};

pub const MAX_ON: Duration = Duration::from_secs(10);
pub const MAX_HOLD: Duration = Duration::from_secs(240);
pub const DOORS: [&str; 2] = ["front", "back"];

/// An entry of the history, in order.
#[derive(Clone, Debug)]
pub enum Line {
    Note(u64, Event),
    Level(usize, Moment, Level),
}

/// While the disk stalls, the clock advances in steps of this, and the relays handle what is due after each.
pub const STEP: Duration = Duration::from_millis(20);
/// As in the doors' own queue.
const PATIENCE: Duration = write_queue::PATIENCE;

/// An event with the entries of the saved state that change with it.
type Waiting = (Event, Vec<SavedEntry>);

/// What outlives a restart: the disk and the wires.
#[derive(Clone, Default)]
pub struct World {
    pub log: Arc<Mutex<Vec<Line>>>,
    disk: Arc<Mutex<BTreeMap<String, String>>>,
    pub writer_fails: Arc<Mutex<bool>>,
    stalled_until: Arc<Mutex<Moment>>,
    /// Events that wait for the disk.
    waiting: Arc<Mutex<Vec<Waiting>>>,
    /// People who are disabled, besides person 4, who always is.
    pub disabled: Disabled,
    pub short_of_room: Arc<Mutex<bool>>,
}

impl World {
    /// Whether nothing waits for the disk and the writer works.
    pub fn is_well(&self) -> bool {
        !*self.writer_fails.lock().unwrap() && self.waiting.lock().unwrap().is_empty()
    }

    fn write(&self, event: &Event, saved: &[SavedEntry]) -> u64 {
        for SavedEntry { key, value } in saved {
            let mut disk = self.disk.lock().unwrap();
            match value {
                Some(value) => drop(disk.insert(key.clone(), value.clone())),
                None => drop(disk.remove(key)),
            }
        }
        let mut log = self.log.lock().unwrap();
        let seq = 1 + log.iter().filter(|line| matches!(line, Line::Note(..))).count() as u64;
        log.push(Line::Note(seq, event.clone()));
        seq
    }

    fn write_waiting(&self, most: usize) {
        let mut waiting = self.waiting.lock().unwrap();
        let most = most.min(waiting.len());
        for (event, saved) in waiting.drain(..most) {
            self.write(&event, &saved);
        }
    }
}

pub struct TestWriter(World, Arc<SimulatedClock>, RelayStop);

impl TestWriter {
    /// Waits for a stalled disk as long as the doors would. Whether it answers.
    fn disk_answers(&self) -> bool {
        let until = *self.0.stalled_until.lock().unwrap();
        if self.0.waiting.lock().unwrap().is_empty() {
            let end = until.min(self.1.now() + PATIENCE);
            while self.1.now() < end {
                self.1.advance(STEP);
                assert_eq!(self.2.poll(Duration::from_secs(20)), 0, "a relay hangs");
            }
        }
        let answers = until <= self.1.now();
        if answers {
            self.0.write_waiting(usize::MAX);
        }
        answers
    }
}

impl EventWriter for TestWriter {
    fn write(&self, event: &Event, saved: &[SavedEntry]) -> Result<u64, Unwritten> {
        if *self.0.writer_fails.lock().unwrap() {
            return Err(Unwritten { reason: "full".into(), pending: false });
        }
        if self.disk_answers() {
            return Ok(self.0.write(event, saved));
        }
        self.0.waiting.lock().unwrap().push((event.clone(), saved.to_vec()));
        Err(Unwritten { reason: "stalled".into(), pending: true })
    }

    fn waiting(&self) -> usize {
        if *self.0.stalled_until.lock().unwrap() <= self.1.now() {
            self.0.write_waiting(usize::MAX);
        }
        self.0.waiting.lock().unwrap().len()
    }
}

pub struct TestWires(usize, World, Arc<SimulatedClock>);

impl Wires for TestWires {
    fn energise(&mut self) -> Result<(), DoorError> {
        self.1.log.lock().unwrap().push(Line::Level(self.0, self.2.now(), Level::Energised));
        Ok(())
    }
    fn safe(&mut self) -> Result<(), DoorError> {
        self.1.log.lock().unwrap().push(Line::Level(self.0, self.2.now(), Level::Safe));
        Ok(())
    }
    fn describe(&self) -> String {
        "test".into()
    }
}

/// The configuration of a simulation.
#[derive(Clone, Debug)]
pub struct Setup {
    pub permits: bool,
    pub first_person: bool,
    pub two_person: bool,
    pub interlock: bool,
    pub hours: bool,
    pub passback: Passback,
    pub held: bool,
}

pub fn setups() -> impl Strategy<Value = Setup> {
    let passback = prop::sample::select(vec![Passback::Off, Passback::Soft, Passback::Hard]);
    (prop::array::uniform6(any::<bool>()), passback).prop_map(
        |([permits, first_person, two_person, interlock, hours, held], passback)| Setup {
            permits,
            first_person: first_person && permits,
            two_person: two_person && !interlock,
            interlock,
            hours,
            passback,
            held,
        },
    )
}

pub fn rules(setup: &Setup) -> HouseRules {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let day = Schedule {
        name: "day".into(),
        zone: zone.clone(),
        week: std::array::from_fn(|_| vec![Window { from_min: 8 * 60, to_min: 16 * 60 }]),
        holidays: Default::default(),
        on_holidays: Vec::new(),
    };
    let permit = |group: &str, schedule| Permit { groups: vec![group.into()], schedule, assurance: None };
    let door = |at: usize| DoorRules {
        permits: setup.permits.then(|| vec![permit("staff", Some(ScheduleIndex(0))), permit("guards", None)]),
        first_person: setup.first_person.then(|| "guards".into()),
        two_person: (setup.two_person && at == 1).then_some(Duration::from_secs(15)),
        zones: Some(Zones { outside: "street".into(), inside: "house".into() }),
        unlock_hours: setup.hours.then_some(ScheduleIndex(0)),
        assurance: Vec::new(),
    };
    HouseRules {
        zone,
        schedules: vec![day],
        doors: vec![door(0), door(1)],
        passback: setup.passback,
        passback_for: Some(Duration::from_secs(12 * 3600)),
        backoff: Backoff { after: 5, first: Duration::from_secs(10), longest: Duration::from_secs(120) },
        without_sync: WithoutSync::Deny,
        source: None,
    }
}

/// A simulation and its history.
pub struct Scene {
    pub setup: Setup,
    pub world: World,
    pub clock: Arc<SimulatedClock>,
    pub doors: Option<Doors>,
    pub relays: RelayStop,
    /// Where places of the whole site are told, from the next start on.
    pub places: Option<Arc<PlacesDesk>>,
    threads: Vec<JoinHandle<()>>,
    last_seen: Option<(usize, Vec<Sighting>)>,
    /// The unlock hours of each day; a change takes effect at a restart.
    pub window: Window,
    frame: u64,
    track: u64,
}

impl Scene {
    pub fn new(setup: Setup) -> Scene {
        let begin = SystemTime::UNIX_EPOCH + Duration::from_secs(BEGIN_S as u64);
        let clock = Arc::new(SimulatedClock::new(begin));
        clock.advance(Duration::from_secs(100));
        let mut scene = Scene {
            setup,
            world: World::default(),
            clock,
            doors: None,
            window: Window { from_min: 8 * 60, to_min: 16 * 60 },
            relays: RelayStop::default(),
            places: None,
            threads: Vec::new(),
            last_seen: None,
            frame: 0,
            track: 0,
        };
        scene.start();
        scene
    }

    /// Ends the process and its relays. Of the events that wait for a stalled disk only the first, which was being written, gets written.
    pub fn end(&mut self) {
        self.doors = None;
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
        self.world.write_waiting(1);
        self.world.waiting.lock().unwrap().clear();
    }

    fn start(&mut self) {
        let mut saved = SavedState::default();
        for (key, value) in self.world.disk.lock().unwrap().iter() {
            saved.take(key, value).unwrap();
        }
        let limits = Limits {
            max_age: Duration::from_millis(800),
            max_on: MAX_ON,
            max_hold: self.setup.held.then_some(MAX_HOLD),
        };
        let mut house = rules(&self.setup);
        house.schedules[0].week = std::array::from_fn(|_| vec![self.window]);
        self.relays = RelayStop::default();
        let mut threads = Vec::new();
        let doors = DOORS
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let mode = saved.modes.iter().find(|(door, _)| door == name).map(|(_, mode)| mode.clone());
                let settings = DoorwaySettings {
                    name: (*name).into(),
                    pulse: Duration::from_secs(3),
                    has_sensor: at == 0,
                    relock_on_close: true,
                    held_open_warning: Some(Duration::from_secs(20)),
                    held_open_alarm: Some(Duration::from_secs(40)),
                    forced_open_alarm: true,
                };
                let wires = TestWires(at, self.world.clone(), self.clock.clone());
                let relay = Relay::new(Box::new(wires), limits).unwrap();
                let (relay, body) = relay_thread(relay, Panel::new(None), self.clock.clone(), &self.relays, || {});
                threads.push(std::thread::spawn(move || body.run(|| {})));
                Door {
                    name: (*name).into(),
                    referee: Referee::new(usual()),
                    doorway: Doorway::new(settings, mode.unwrap_or_default()),
                    relay,
                    interlock: self.setup.interlock.then(|| "airlock".into()),
                    hours: self.setup.hours.then(|| UnlockHours::new(house.schedules[0].clone())),
                    hours_ended: None,
                    unrecorded: None,
                    unconfirmed: Default::default(),
                    level_unknown: false,
                    trouble: None,
                    inputs_trouble: None,
                    prompt: Default::default(),
                    sides: Default::default(),
                }
            })
            .collect();
        let short = self.world.short_of_room.clone();
        let settings = DoorsSettings {
            doors,
            authority: Authority::new(house),
            near_enough: NearEnough::Fixed(Distance(1.0)),
            people: Box::new(TestPeople(self.world.disabled.clone())),
            writer: Box::new(TestWriter(self.world.clone(), self.clock.clone(), self.relays.clone())),
            clock: self.clock.clone(),
            second_factor: Default::default(),
            check_pin: Box::new(|_| false),
            open_unrecorded: false,
            exit_unrecorded: true,
            short_of_room: Box::new(move || *short.lock().unwrap()),
            last_record: None,
            second_eyes: InfraredEyes::default(),
            ask_of_fleet: Box::new(FleetNews::default),
            places: self.places.clone(),
            evidence: saved.time.unwrap_or_default(),
        };
        self.threads = threads;
        self.doors = Some(Doors::new(settings, &saved));
    }

    pub fn doors(&mut self) -> &mut Doors {
        self.doors.as_mut().unwrap()
    }

    /// Advances the clock as the doors' thread does: everything is done when it is due.
    pub fn wait(&mut self, span: Duration) {
        let end = self.clock.now() + span;
        self.doors().tick();
        while let Some(due) = self.doors().next_deadline().filter(|&due| due <= end) {
            self.clock.advance(due.since(self.clock.now()).max(Duration::from_millis(1)));
            self.doors().tick();
        }
        self.clock.advance(end.since(self.clock.now()));
        self.doors().tick();
    }

    /// Plays a step, followed by a tick, as in the doors' thread.
    pub fn play(&mut self, step: &Step) {
        self.act(step);
        if !matches!(step, Step::Restart) {
            self.doors().tick();
        }
    }

    fn act(&mut self, step: &Step) {
        match *step {
            Step::Seen { door, person, age_ms, inwards } => {
                self.track += 1;
                let mut seen = Vec::new();
                for _ in 0..3 {
                    self.frame += 1;
                    let now = self.clock.now();
                    let distance = if person == 0 { 1.3 } else { 0.5 };
                    let sighting = Sighting {
                        camera: DOORS[door].into(),
                        frame: self.frame,
                        captured_at: Moment(now.0 - Duration::from_millis(age_ms)),
                        track: TrackId(self.track),
                        face: Face {
                            bounds: Default::default(),
                            score: Default::default(),
                            landmarks: Default::default(),
                        },
                        quality: Quality { size: 120.0, sharpness: 90.0, ..Quality::default() },
                        nearest: Some(Match {
                            person: PersonId(person.max(1)),
                            distance: Distance(distance),
                            runner_up: None,
                        }),
                        not_them: None,
                        passive: None,
                    };
                    let direction = Some(if inwards { Direction::In } else { Direction::Out });
                    self.doors().seen(DoorIndex(door), direction, &sighting);
                    seen.push(sighting);
                    self.wait(Duration::from_millis(66));
                }
                self.last_seen = Some((door, seen));
            }
            Step::SeenAgain => {
                if let Some((door, sightings)) = self.last_seen.clone() {
                    for sighting in &sightings {
                        self.doors().seen(DoorIndex(door), Some(Direction::In), sighting);
                    }
                }
            }
            Step::Contact { door, input, active } => {
                let now = self.clock.now();
                self.doors().contact(DoorIndex(door), input, active, now);
            }
            Step::Order { door, ref order, late } => {
                let now = self.clock.now();
                let not_after =
                    if late { Moment(now.0 - Duration::from_millis(1)) } else { now + Duration::from_secs(5) };
                self.doors().order(DoorIndex(door), order.clone(), &"anna".into(), not_after).ok();
            }
            Step::Admit { door, person, inwards } => {
                let not_after = self.clock.now() + Duration::from_secs(5);
                let direction = Some(if inwards { Direction::In } else { Direction::Out });
                let admission = Admission { person: PersonId(person), direction, reason: "because".into() };
                self.doors().admit(DoorIndex(door), &admission, &"anna".into(), not_after).ok();
            }
            Step::Amnesty => drop(self.doors().amnesty(None, &"anna".into())),
            Step::Wait { ms } => self.wait(Duration::from_millis(ms)),
            Step::SetClock { seconds } => {
                let wall = self.clock.wall();
                let set = match seconds {
                    0.. => wall + Duration::from_secs(seconds as u64),
                    _ => wall - Duration::from_secs(seconds.unsigned_abs()),
                };
                self.clock.set_wall(set);
                self.wait(Duration::from_secs(2));
            }
            Step::Enabled { person, enabled } => self.world.disabled.set(person, !enabled),
            Step::Synchronised(synchronised) => self.clock.set_synchronised(synchronised),
            Step::Reboot { wall } => {
                self.end();
                self.clock.reboot(wall.at(self.clock.wall()));
                self.start();
                self.wait(Duration::from_secs(2));
            }
            Step::WriterFails(fails) => *self.world.writer_fails.lock().unwrap() = fails,
            Step::DiskStalls { ms } => {
                *self.world.stalled_until.lock().unwrap() = self.clock.now() + Duration::from_millis(ms);
            }
            Step::Stop => {
                assert_eq!(self.relays.stop(Duration::from_secs(20)), 0, "a relay hangs");
            }
            Step::Restart => {
                self.end();
                self.start();
            }
        }
    }

    pub fn modes_on_disk(&self) -> Vec<Mode> {
        let mut saved = SavedState::default();
        for (key, value) in self.world.disk.lock().unwrap().iter() {
            saved.take(key, value).unwrap();
        }
        let mode = |name: &&str| saved.modes.iter().find(|(door, _)| door == name).map(|(_, mode)| mode.clone());
        DOORS.iter().map(|name| mode(name).unwrap_or_default()).collect()
    }

    pub fn lines(&self) -> Vec<Line> {
        self.world.log.lock().unwrap().clone()
    }
}
