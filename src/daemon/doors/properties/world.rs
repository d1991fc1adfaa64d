//! A house in memory for the tests: a disk, wires, a pen that may fail or stall, people, a clock, and steps that can be played. The relays run
//! on their real threads; only the clock is simulated.
//!
//! Knows nothing of what is promised.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::steps::Step;
use crate::access::{
    Authority, Backoff, DoorRules, Doorway, DoorwaySettings, HouseRules, NearEnough, Permit, Referee, Schedule, Window,
    Zones, usual,
};
use crate::clock::{Clock, SimulatedClock};
use crate::daemon::doors::pen::{Pen, Unwritten};
use crate::daemon::doors::post::{Post, UnlockHours};
use crate::daemon::doors::scribe;
use crate::daemon::doors::standing::{Entry, Standing};
use crate::daemon::doors::{Doors, DoorsSettings};
use crate::domain::{
    Direction, Distance, DoorIndex, Event, Face, Match, Mode, Moment, Passback, PersonId, Quality, ScheduleIndex,
    Sighting, TrackId, WithoutSync,
};
use crate::door::{DoorError, Level, Limits, Panel, Relay, RelayStop, Wires, relay_thread};

use super::people::{Disabled, TestPeople};

pub const MAX_ON: Duration = Duration::from_secs(10);
pub const MAX_HOLD: Duration = Duration::from_secs(240);
/// The night before Berlin skips an hour.
pub const BEGIN_S: i64 = 1_774_728_000;
pub const DOORS: [&str; 2] = ["front", "back"];

/// All that happened, in order.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Line {
    Note(u64, Event),
    Level(usize, Moment, Level),
}

/// While the disk stalls, the clock moves in steps of this, and the relays look at it after each.
pub const STEP: Duration = Duration::from_millis(20);
/// As the doors' own queue has it.
const PATIENCE: Duration = scribe::PATIENCE;

/// An event with what of the doors' standing changes by it.
type Waiting = (Event, Vec<Entry>);

/// What outlives a restart: the disk, and the wires.
#[derive(Clone, Default)]
pub struct World {
    pub log: Arc<Mutex<Vec<Line>>>,
    disk: Arc<Mutex<BTreeMap<String, String>>>,
    pub pen_fails: Arc<Mutex<bool>>,
    stalled_until: Arc<Mutex<Moment>>,
    /// What waits for the disk.
    waiting: Arc<Mutex<Vec<Waiting>>>,
    /// Who cannot pass, but for person 4, who never can.
    pub disabled: Disabled,
    pub short_of_room: Arc<Mutex<bool>>,
}

impl World {
    /// Nothing waits for the disk, and the pen writes.
    pub fn is_well(&self) -> bool {
        !*self.pen_fails.lock().unwrap() && self.waiting.lock().unwrap().is_empty()
    }

    fn write(&self, event: &Event, standing: &[Entry]) -> u64 {
        for Entry { key, value } in standing {
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

    fn write_what_waits(&self, most: usize) {
        let mut waiting = self.waiting.lock().unwrap();
        let most = most.min(waiting.len());
        for (event, standing) in waiting.drain(..most) {
            self.write(&event, &standing);
        }
    }
}

pub struct TestPen(World, Arc<SimulatedClock>, RelayStop);

impl TestPen {
    /// Waits for a disk that stalls, as long as the doors would; whether it answers.
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
            self.0.write_what_waits(usize::MAX);
        }
        answers
    }
}

impl Pen for TestPen {
    fn write(&self, event: &Event, standing: &[Entry]) -> Result<u64, Unwritten> {
        if *self.0.pen_fails.lock().unwrap() {
            return Err(Unwritten { reason: "full".into(), pending: false });
        }
        if self.disk_answers() {
            return Ok(self.0.write(event, standing));
        }
        self.0.waiting.lock().unwrap().push((event.clone(), standing.to_vec()));
        Err(Unwritten { reason: "stalled".into(), pending: true })
    }

    fn waiting(&self) -> usize {
        if *self.0.stalled_until.lock().unwrap() <= self.1.now() {
            self.0.write_what_waits(usize::MAX);
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

/// How the house is set up.
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
    let permit = |group: &str, schedule| Permit { groups: vec![group.into()], schedule };
    let door = |at: usize| DoorRules {
        permits: setup.permits.then(|| vec![permit("staff", Some(ScheduleIndex(0))), permit("guards", None)]),
        first_person: setup.first_person.then(|| "guards".into()),
        two_person: (setup.two_person && at == 1).then_some(Duration::from_secs(15)),
        zones: Some(Zones { outside: "street".into(), inside: "house".into() }),
        unlock_hours: setup.hours.then_some(ScheduleIndex(0)),
    };
    HouseRules {
        zone,
        schedules: vec![day],
        doors: vec![door(0), door(1)],
        passback: setup.passback,
        passback_for: Some(Duration::from_secs(12 * 3600)),
        backoff: Backoff { after: 5, first: Duration::from_secs(10), longest: Duration::from_secs(120) },
        without_sync: WithoutSync::Deny,
    }
}

/// The house, and what keeps it going over restarts.
pub struct Scene {
    pub setup: Setup,
    pub world: World,
    pub clock: Arc<SimulatedClock>,
    pub doors: Option<Doors>,
    pub relays: RelayStop,
    threads: Vec<JoinHandle<()>>,
    last_seen: Option<(usize, Vec<Sighting>)>,
    /// The hours of each day, in which doors stand unlocked; in force from a restart on.
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
            threads: Vec::new(),
            last_seen: None,
            frame: 0,
            track: 0,
        };
        scene.start();
        scene
    }

    /// The process is gone, its relays with it. Of what waits for a disk that stalls, what was being written is.
    pub fn end(&mut self) {
        self.doors = None;
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
        self.world.write_what_waits(1);
        self.world.waiting.lock().unwrap().clear();
    }

    fn start(&mut self) {
        let mut standing = Standing::default();
        for (key, value) in self.world.disk.lock().unwrap().iter() {
            standing.take(key, value).unwrap();
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
        let posts = DOORS
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let mode = standing.modes.iter().find(|(door, _)| door == name).map(|(_, mode)| mode.clone());
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
                Post {
                    name: (*name).into(),
                    referee: Referee::new(usual()),
                    doorway: Doorway::new(settings, mode.unwrap_or_default()),
                    relay,
                    interlock: self.setup.interlock.then(|| "airlock".into()),
                    hours: self.setup.hours.then(|| UnlockHours::new(house.schedules[0].clone())),
                    hours_ended: None,
                    unconfirmed: Default::default(),
                    level_unknown: false,
                    trouble: None,
                    inputs_trouble: None,
                }
            })
            .collect();
        let short = self.world.short_of_room.clone();
        let settings = DoorsSettings {
            posts,
            authority: Authority::new(house),
            near_enough: NearEnough::Fixed(Distance(1.0)),
            people: Box::new(TestPeople(self.world.disabled.clone())),
            pen: Box::new(TestPen(self.world.clone(), self.clock.clone(), self.relays.clone())),
            clock: self.clock.clone(),
            open_unrecorded: false,
            exit_unrecorded: true,
            short_of_room: Box::new(move || *short.lock().unwrap()),
            last_record: None,
            evidence: standing.time.unwrap_or_default(),
        };
        self.threads = threads;
        self.doors = Some(Doors::new(settings, &standing));
    }

    pub fn doors(&mut self) -> &mut Doors {
        self.doors.as_mut().unwrap()
    }

    /// As the doors' thread does: whatever is due is done in time.
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

    /// Plays a step, and looks at the doors as their thread does after each message.
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
                self.doors().order(DoorIndex(door), order.clone(), "anna", not_after).ok();
            }
            Step::Amnesty => drop(self.doors().amnesty(None, "anna")),
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
            Step::PenFails(fails) => *self.world.pen_fails.lock().unwrap() = fails,
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
        let mut standing = Standing::default();
        for (key, value) in self.world.disk.lock().unwrap().iter() {
            standing.take(key, value).unwrap();
        }
        let mode = |name: &&str| standing.modes.iter().find(|(door, _)| door == name).map(|(_, mode)| mode.clone());
        DOORS.iter().map(|name| mode(name).unwrap_or_default()).collect()
    }

    pub fn lines(&self) -> Vec<Line> {
        self.world.log.lock().unwrap().clone()
    }
}
