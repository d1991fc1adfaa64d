//! The rules of all doors at work: sightings, contacts, operators and the clock go in; records are written and relays move.
//!
//! Joins access, door and ledger. The order never changes: what allows a door to unlock is on disk before the relay moves. The thread and its
//! queue are in [`super::door_thread`].

#![expect(
    clippy::indexing_slicing,
    reason = "the doors' thread checks an index when it comes in, and the doors stay as many as they are"
)]

mod admit;
mod cues;
pub mod door;
mod factors;
mod floods;
pub mod lately;
mod log;
mod moves;
mod orders;
mod places;
#[cfg(test)]
mod properties;
pub mod timekeeping;
mod unrecorded;
mod watching;
pub mod write_queue;
pub mod writer;

use std::sync::Arc;
use std::time::Duration;

use crate::access::{
    Authority, Change, Cut, FleetNews, InfraredEyes, InfraredLook, Judgement, NearEnough, Now, PassRequest, Passage,
    SecondFactorSettings, Shown,
};
use crate::clock::{Clock, Evidence};
use crate::daemon::site_places::PlacesDesk;
use crate::domain::{
    Decided, Decision, Direction, DoorEvent, DoorIndex, Event, GallerySize, Moment, Named, PersonId, Reason, Sighting,
    TrackId, Verdict, Wanted,
};
use crate::door::Input;
use crate::office::saved::{SavedEntry, SavedState};
use cues::Devices;
use door::{Door, DoorList, DoorView, PassingPerson};
use factors::Factors;
pub use factors::{CheckPin, CheckedPin};
use floods::Floods;
use lately::{Lately, Told};
use log::log_decision;
pub use orders::{OperatorOrder, RequestError};
use timekeeping::Timekeeper;
use writer::{EventWriter, People, Unwritten};

/// How often the wall clock is checked, for schedules and for jumps.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);
/// A refused face counts as a near miss for the nearest person if its distance is beyond the limit by no more than this.
const NEAR_MISS: f32 = 0.1;

/// All doors, with the rules and the state that they share.
pub struct Doors {
    doors: DoorList,
    authority: Authority,
    near_enough: NearEnough,
    cut: Cut,
    people: Box<dyn People>,
    counted: GallerySize,
    writer: Box<dyn EventWriter>,
    clock: Arc<dyn Clock>,
    /// Doors open even if the record cannot be written.
    open_unrecorded: bool,
    /// The exit button and a release move the relay even if the record cannot be written.
    exit_unrecorded: bool,
    journal_trouble: Option<Unwritten>,
    clock_looked_at: Option<Now>,
    floods: Floods,
    factors: Factors,
    timekeeper: Timekeeper,
    second_eyes: InfraredEyes,
    lately: Lately,
    ask_of_fleet: AskOfFleet,
    places: Option<Arc<PlacesDesk>>,
}

/// Asks what is known of the fleet.
pub type AskOfFleet = Box<dyn Fn() -> FleetNews + Send>;

/// The parts of [`Doors`].
pub struct DoorsSettings {
    pub doors: Vec<Door>,
    pub authority: Authority,
    pub near_enough: NearEnough,
    pub people: Box<dyn People>,
    pub writer: Box<dyn EventWriter>,
    pub clock: Arc<dyn Clock>,
    pub second_factor: SecondFactorSettings,
    /// Takes the PINs that are to be checked.
    pub check_pin: CheckPin,
    pub open_unrecorded: bool,
    pub exit_unrecorded: bool,
    /// Whether the remaining space on the disk is reserved for grants and alarms.
    pub short_of_room: Box<dyn Fn() -> bool + Send>,
    /// The wall clock at the last record before this start.
    pub last_record: Option<jiff::Timestamp>,
    /// What is known of the time.
    pub evidence: Evidence,
    /// The infra-red cameras beside the others.
    pub second_eyes: InfraredEyes,
    pub ask_of_fleet: AskOfFleet,
    /// Where places of the whole site are told; `None` where this board's own count alone.
    pub places: Option<Arc<PlacesDesk>>,
}

impl Doors {
    /// Takes over the state that was saved before a restart, except the modes: each [`crate::access::Doorway`] in `settings` has its own.
    pub fn new(settings: DoorsSettings, saved: &SavedState) -> Doors {
        let DoorsSettings {
            doors,
            mut authority,
            near_enough,
            people,
            writer,
            clock,
            second_factor,
            check_pin,
            open_unrecorded,
            exit_unrecorded,
            short_of_room,
            last_record,
            evidence,
            second_eyes,
            ask_of_fleet,
            places,
        } = settings;
        *authority.whereabouts_mut() = saved.places.iter().cloned().collect();
        for (door, came) in &saved.first_came {
            if let Some(at) = doors.iter().position(|this| *this.name == **door) {
                authority.restore_first_came(DoorIndex(at), came.in_zone(&authority.rules().zone));
            }
        }
        let counted = people.count();
        let cut = near_enough.cut(counted);
        let mut doors = Doors {
            floods: Floods::new(doors.len(), short_of_room),
            factors: Factors::new(second_factor, doors.len(), check_pin),
            doors: doors.into(),
            authority,
            near_enough,
            cut,
            people,
            counted,
            writer,
            clock,
            open_unrecorded,
            exit_unrecorded,
            journal_trouble: None,
            clock_looked_at: None,
            timekeeper: Timekeeper::new(evidence),
            second_eyes,
            lately: Lately::default(),
            ask_of_fleet,
            places,
        };
        doors.apply_cut(saved.cut);
        let now = doors.now();
        doors.begin_places(saved, &now);
        if let Some(before) = last_record.filter(|before| now.wall < *before) {
            let back = i64::try_from(before.duration_since(now.wall).as_millis()).unwrap_or(i64::MAX);
            doors.clock_was_set(-back);
        }
        doors.look_at_quality(now);
        for door in doors.doors.indices() {
            let this = &mut doors.doors[door];
            let ended = saved.hours_ended.iter().find(|(name, _)| **name == *this.name);
            this.hours_ended = ended.map(|(_, ended)| ended.clone());
            this.doorway.set_ended_before(this.hours_ended.as_ref().map(|ended| ended.schedule.as_str()));
            let acts = this.doorway.resume(now.moment);
            doors.carry_out(door, acts, None).ok();
        }
        doors
    }

    /// The number of doors.
    pub fn count(&self) -> usize {
        self.doors.count()
    }

    /// The current state of each door.
    pub fn views(&self) -> Vec<DoorView> {
        let with_trouble = |(at, this): (DoorIndex, &Door)| {
            let view = this.view();
            let assurance = self.authority.rules().doors.get(at.0).map(|rules| rules.assurance.clone());
            DoorView {
                trouble: view.trouble.or_else(|| self.floods.trouble(at)),
                assurance: assurance.unwrap_or_default(),
                ..view
            }
        };
        self.doors.indices().zip(self.doors.iter()).map(with_trouble).collect()
    }

    /// What is wrong, in one line; `None` if nothing is.
    pub fn trouble(&self) -> Option<String> {
        let of_door = |(at, this): (DoorIndex, &Door)| {
            let alarm = this.doorway.alarms().next().map(|alarm| format!("alarm: {}", alarm.as_str()));
            let trouble = this.trouble.clone().or_else(|| this.inputs_trouble.clone()).or(alarm);
            let trouble = trouble.or_else(|| self.floods.trouble(at))?;
            Some(format!("{}: {trouble}", this.name))
        };
        self.journal_trouble
            .as_ref()
            .map(|trouble| trouble.reason.clone())
            .or_else(|| self.doors.indices().zip(self.doors.iter()).find_map(of_door))
    }

    /// A face at `door`, seen by a camera on the side `direction`.
    pub fn seen(&mut self, door: DoorIndex, direction: Option<Direction>, sighting: &Sighting) {
        self.follow_gallery();
        self.follow_places();
        self.second_eyes.saw(sighting);
        if self.grant_waits_for(door, sighting.nearest.map(|nearest| nearest.person)) {
            return;
        }
        let now = self.now();
        let other_open = self.other_open(door);
        let Doors { doors, authority, people, factors, second_eyes, .. } = self;
        let Some(this) = doors.get_mut(door) else { return };
        let mode = this.doorway.mode().clone();
        let interlocked = this.interlock.is_some();
        let mut with = None;
        let mut authorise = |shown: &Shown| {
            let Some((holder, _)) = people.holder(shown.person) else {
                // Removed since the search.
                return Judgement { refused: Some(Reason::Unknown), ..Judgement::default() };
            };
            let other_open = other_open.as_deref();
            let first = authority.waits(door).and_then(|first| people.holder(first)).map(|(holder, _)| holder);
            let request = PassRequest {
                door,
                direction,
                holder: &holder,
                shown: Some(shown),
                first: first.as_ref(),
                mode: &mode,
                other_open,
                interlocked,
            };
            let judgement = authority.judge(&request, now);
            with = judgement.with;
            judgement
        };
        if !this.sides.contains_key(&sighting.camera) {
            this.sides.insert(sighting.camera.clone(), direction);
        }
        let mut devices = Devices { door, factors, second_eyes };
        let decision = this.referee.consider_asking(sighting, now.moment, &mut authorise, &mut devices);
        if let Some(decision) = decision {
            self.decided(door, direction, decision, with);
        }
    }

    /// What the second eye of the camera `colour` saw in one lit frame.
    pub fn second_eye(&mut self, colour: &str, look: InfraredLook) {
        self.second_eyes.add(colour, look);
    }

    /// Refuses people who did not do in time what they were asked, or who are gone.
    fn refuse_the_late(&mut self, door: DoorIndex, now: Moment) {
        let Doors { doors, factors, second_eyes, .. } = self;
        for decision in doors[door].referee.tick(now, &mut Devices { door, factors, second_eyes }) {
            let direction = self.doors[door].sides.get(&decision.camera).copied().flatten();
            self.decided(door, direction, decision, None);
        }
    }

    /// How often a face must be seen for the decisions at `door`, and when it was last; `None` if it is not known there.
    pub fn wants(&self, door: DoorIndex, camera: &str, track: TrackId) -> Option<(Wanted, Moment)> {
        self.doors.get(door)?.referee.wants(camera, track, self.clock.now())
    }

    /// An input of `door` changed at `at`, or was read for the first time.
    pub fn contact(&mut self, door: DoorIndex, input: Input, active: bool, at: Moment) {
        let now = self.now();
        let other_open = self.other_open(door);
        let change = self.count_change(door, input, active);
        let Some(this) = self.doors.get_mut(door) else { return };
        let (acts, through) = match input {
            Input::Sensor => this.doorway.leaf(active, now.moment),
            Input::ExitButton if active => (this.doorway.exit(other_open.as_deref(), at), Vec::new()),
            Input::ExitButton => return,
            Input::Tamper => (this.doorway.tamper(active, now.moment), Vec::new()),
        };
        let acts = if change == Change::Counted { self.without_records(door, input, acts) } else { acts };
        self.carry_out(door, acts, None).ok();
        for passage in through {
            self.passed(door, passage);
        }
    }

    /// The inputs of `door` cannot be read (`trouble`), or can be read again (`None`).
    pub fn contacts(&mut self, door: DoorIndex, trouble: Option<String>) {
        let Some(this) = self.doors.get_mut(door) else { return };
        let event = match (&this.inputs_trouble, &trouble) {
            (None, Some(reason)) => {
                tracing::error!(door = %this.name, %reason, "the inputs cannot be read");
                Event::Door(DoorEvent::ContactsLost { door: this.name.clone(), reason: reason.clone() })
            }
            (Some(_), None) => Event::Door(DoorEvent::ContactsBack { door: this.name.clone() }),
            _ => return,
        };
        this.inputs_trouble = trouble;
        self.note(&event, &[]).ok();
    }

    /// Does what is due: releases relays, raises alarms of doors that stay open, begins and ends hours, notices a clock that was set.
    pub fn tick(&mut self) {
        let now = self.now();
        self.follow_places();
        for door in self.doors.indices() {
            self.release(door);
            let acts = self.doors[door].doorway.tick(now.moment);
            self.carry_out(door, acts, None).ok();
            self.refuse_the_late(door, now.moment);
        }
        let looked = self.clock_looked_at.map(|before| now.moment.since(before.moment));
        if looked.is_none_or(|ago| ago >= LOOK_AT_CLOCK) {
            self.look_at_clock(now);
            self.follow_gallery();
            self.authority.hear_of_fleet((self.ask_of_fleet)());
        } else if self.authority.awaits_rules(now.moment) {
            self.authority.hear_of_fleet((self.ask_of_fleet)());
        }
        if self.journal_trouble.as_ref().is_some_and(|trouble| trouble.pending) && self.writer.waiting() == 0 {
            tracing::info!("the disk answers again, and the records that waited are written");
            self.journal_trouble = None;
        }
        self.record_modes(now.moment);
        self.write_summaries(false);
        self.factors.tick(now.moment);
        for this in self.doors.iter_mut() {
            this.show(now.moment);
        }
    }

    /// When [`Doors::tick`] is due next.
    pub fn next_deadline(&self) -> Option<Moment> {
        let of_door =
            |this: &Door| [this.relay.next_deadline(), this.doorway.next_deadline()].into_iter().flatten().min();
        let clock = self.clock_looked_at.map(|now| now.moment + LOOK_AT_CLOCK);
        let floods = self.floods.next_deadline();
        self.doors.iter().filter_map(of_door).chain(clock).chain(floods).min()
    }

    /// Puts all relays at their safe level and writes the last summaries, because the daemon ends.
    pub fn make_safe(&mut self, reason: &'static str) {
        for door in self.doors.indices() {
            if let Err(why) = self.lock(door, reason) {
                tracing::error!(door = %self.doors[door].name, %why, "the relay may still be energised: cut its power");
            }
        }
        self.write_summaries(true);
    }

    /// Records an event that concerns no door. `false` if it is not on disk.
    pub fn note_event(&mut self, event: &Event) -> bool {
        self.note(event, &[]).is_ok()
    }

    fn decided(&mut self, door: DoorIndex, direction: Option<Direction>, decision: Decision, with: Option<PersonId>) {
        let now = self.now();
        let name = self.doors[door].name.clone();
        let (verdict, evidence, nearest) = (decision.verdict, decision.captured_at, decision.nearest);
        let (camera, track) = (decision.camera.clone(), decision.track);
        let person = nearest.map(|m| self.named(m.person));
        let runner_up = nearest.and_then(|m| m.runner_up).map(|(id, _)| self.named(id));
        let recorded = self.is_recorded(door, &decision, direction);
        if recorded {
            log_decision(&name, &decision, person.as_ref());
        }
        let mut saved = Vec::new();
        let granted = match verdict {
            Verdict::Grant { person } => self.people.holder(person).map(|(holder, _)| holder),
            Verdict::Deny { .. } => None,
        };
        if let Some(holder) = &granted
            && let Some(at) = self.authority.opens_day(door, holder, now)
        {
            saved.push(SavedEntry::first_came(&name, &at));
        }
        let opens_day = !saved.is_empty();
        // A denial that is only counted becomes part of a summary.
        let noted = match recorded {
            true => self.note(&Decided::new(name, direction, person, runner_up, decision).into(), &saved),
            false => Ok(0),
        };
        match (verdict, granted) {
            (Verdict::Grant { person }, Some(holder)) => {
                let not_after = evidence + self.doors[door].referee.rules().max_age;
                let acts = self.doors[door].doorway.grant(evidence, not_after);
                let record = noted.as_ref().ok().copied();
                let unlocked = (record.is_some() || self.open_unrecorded)
                    && self.carry_out_for(door, acts, record, Some(evidence)).is_ok();
                self.lately.tell(camera, track, if unlocked { Told::Unlocked } else { Told::Shut }, now.moment);
                if !unlocked {
                    self.doors[door].referee.end_cooldown(person);
                    self.explain_shut_door(door, person, noted.err(), opens_day);
                    return;
                }
                self.authority.granted(door, &holder, now);
                self.factors.used(door, person);
                for person in std::iter::once(person).chain(with) {
                    self.doors[door].referee.start_cooldown(person, now.moment);
                    let who = PassingPerson { person: self.named(person), direction };
                    let passage = Passage { who, record: record.unwrap_or_default() };
                    if let Some(through) = self.doors[door].doorway.expect(passage) {
                        self.passed(door, through);
                    }
                }
            }
            (Verdict::Grant { person }, None) => self.doors[door].referee.end_cooldown(person),
            (Verdict::Deny { reason }, _) => {
                self.lately.tell(camera, track, Told::Denied(reason), now.moment);
                self.doors[door].relay.show_denied();
                let about_the_face = matches!(reason, Reason::Unknown | Reason::Ambiguous | Reason::Inconsistent);
                let near = nearest.filter(|m| m.distance.0 <= self.cut.distance.0 + NEAR_MISS);
                if let Some(near) = near.filter(|_| about_the_face) {
                    self.authority.near_miss(door, near.person, now);
                }
            }
        }
    }

    /// The name of another door of the same interlock that is unlocked or open.
    fn other_open(&self, door: DoorIndex) -> Option<String> {
        let interlock = self.doors.get(door)?.interlock.as_ref()?;
        let others = self
            .doors
            .indices()
            .zip(self.doors.iter())
            .filter(|(at, this)| *at != door && this.interlock.as_ref() == Some(interlock));
        others.map(|(_, this)| this).find(|this| this.is_passable()).map(|this| this.name.to_string())
    }

    /// Records an event and returns its sequence number. A journal that cannot be written is logged once.
    fn note(&mut self, event: &Event, saved: &[SavedEntry]) -> Result<u64, Unwritten> {
        let moment = self.clock.now();
        let saved = [saved, &self.timekeeper.due(moment)].concat();
        let noted = self.writer.write(event, &saved);
        match &noted {
            Ok(_) => {
                self.timekeeper.kept(moment);
                if self.journal_trouble.take().is_some() {
                    tracing::info!("the journal can be written again");
                }
            }
            Err(unwritten) => {
                if self.journal_trouble.is_none() {
                    let doors = if self.open_unrecorded { "doors open unrecorded" } else { "doors stay shut" };
                    tracing::error!(error = unwritten.reason, "the journal cannot be written; {doors}");
                }
                self.journal_trouble = Some(unwritten.clone());
            }
        }
        noted
    }

    fn named(&self, id: PersonId) -> Named {
        let gone = || Named::new(id, format!("person {id}"), None, Vec::new());
        self.people.named(id).unwrap_or_else(gone)
    }

    fn now(&mut self) -> Now {
        self.timekeeper.now(&*self.clock)
    }
}
