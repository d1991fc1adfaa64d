//! All doors of the house: sightings, contacts, operators and the clock go in; decisions are written down, relays move.
//!
//! Joins access, door and ledger. The order never changes: what allows a door to unlock is on disk before the relay moves.
//! No thread of its own and no queue: [`super::warden`] has those.

mod floods;
mod moves;
pub mod pen;
pub mod post;
#[cfg(test)]
mod properties;
pub mod scribe;
pub mod standing;
mod telling;
pub mod timekeeping;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use crate::access::{Asked, Authority, Change, Cut, NearEnough, Now, Passage, Shown};
use crate::clock::{Clock, Evidence};
use crate::domain::{
    Decision, Direction, Event, GallerySize, Mode, Moment, Named, PersonId, Reason, Sighting, Verdict,
};
use crate::door::Input;

use floods::Floods;
use moves::Failure;
use pen::{Pen, People, Unwritten};
use post::{DoorView, Going, Post};
use standing::{Entry, Standing};
use telling::tell;
use timekeeping::Timekeeper;

/// The clock is looked at this often: for schedules, and for jumps.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);
/// A face that is refused and no farther away than this beyond the limit has nearly passed for the nearest person.
const NEAR_MISS: f32 = 0.1;

/// What an operator can tell a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Unlock for a while; `None`: as long as a grant does.
    Unlock {
        duration: Option<Duration>,
    },
    Lock,
    Mode(Mode),
}

/// See the file's head.
pub struct Doors {
    posts: Vec<Post>,
    authority: Authority,
    near_enough: NearEnough,
    cut: Cut,
    people: Box<dyn People>,
    counted: GallerySize,
    pen: Box<dyn Pen>,
    clock: Arc<dyn Clock>,
    /// A door opens although the record cannot be written.
    open_unrecorded: bool,
    /// The exit button and a release move the relay although the record cannot be written.
    exit_unrecorded: bool,
    journal_trouble: Option<Unwritten>,
    clock_looked_at: Option<Now>,
    floods: Floods,
    timekeeper: Timekeeper,
}

/// What [`Doors`] are made of.
pub struct DoorsSettings {
    pub posts: Vec<Post>,
    pub authority: Authority,
    pub near_enough: NearEnough,
    pub people: Box<dyn People>,
    pub pen: Box<dyn Pen>,
    pub clock: Arc<dyn Clock>,
    pub open_unrecorded: bool,
    pub exit_unrecorded: bool,
    /// Whether what room the disk has left is to be saved for grants and alarms.
    pub short_of_room: Box<dyn Fn() -> bool + Send>,
    /// The wall clock at the last record before this start.
    pub last_record: Option<jiff::Timestamp>,
    /// What is known of the time.
    pub evidence: Evidence,
}

impl Doors {
    /// Takes over what was kept over a restart. A door's mode is given to its [`crate::access::Doorway`] by whoever makes the posts.
    pub fn new(settings: DoorsSettings, standing: &Standing) -> Doors {
        let DoorsSettings {
            posts,
            mut authority,
            near_enough,
            people,
            pen,
            clock,
            open_unrecorded,
            exit_unrecorded,
            short_of_room,
            last_record,
            evidence,
        } = settings;
        *authority.whereabouts_mut() = standing.places.iter().cloned().collect();
        for (door, came) in &standing.first_came {
            if let Some(at) = posts.iter().position(|post| *post.name == **door) {
                authority.restore_first_came(at, came.in_zone(&authority.rules().zone));
            }
        }
        let counted = people.count();
        let cut = near_enough.cut(counted);
        let mut doors = Doors {
            floods: Floods::new(posts.len(), short_of_room),
            posts,
            authority,
            near_enough,
            cut,
            people,
            counted,
            pen,
            clock,
            open_unrecorded,
            exit_unrecorded,
            journal_trouble: None,
            clock_looked_at: None,
            timekeeper: Timekeeper::new(evidence),
        };
        doors.apply_cut(standing.cut);
        let now = doors.now();
        if let Some(before) = last_record.filter(|before| now.wall < *before) {
            let back = i64::try_from(before.duration_since(now.wall).as_millis()).unwrap_or(i64::MAX);
            doors.clock_was_set(-back);
        }
        doors.look_at_quality(now);
        for door in 0..doors.posts.len() {
            let post = &mut doors.posts[door];
            let ended = standing.hours_ended.iter().find(|(name, _)| **name == *post.name);
            post.hours_ended = ended.map(|(_, ended)| ended.clone());
            post.doorway.set_ended_before(post.hours_ended.as_ref().map(|ended| ended.schedule.as_str()));
            let acts = post.doorway.resume(now.moment);
            doors.carry_out(door, acts, None).ok();
        }
        doors
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.posts.len()
    }

    /// The doors as they are.
    pub fn views(&self) -> Vec<DoorView> {
        let with_trouble = |(at, post): (usize, &Post)| {
            let view = post.view();
            DoorView { trouble: view.trouble.or_else(|| self.floods.trouble(at)), ..view }
        };
        self.posts.iter().enumerate().map(with_trouble).collect()
    }

    /// How many people are in each zone that anybody is in.
    pub fn occupancy(&self) -> Vec<(String, usize)> {
        self.authority.whereabouts().counts().into_iter().map(|(zone, count)| (zone.to_owned(), count)).collect()
    }

    /// What is wrong, in one line; `None` when nothing is.
    pub fn trouble(&self) -> Option<String> {
        let of_post = |(at, post): (usize, &Post)| {
            let alarm = post.doorway.alarms().next().map(|alarm| format!("alarm: {}", alarm.as_str()));
            let trouble = post.trouble.clone().or_else(|| post.inputs_trouble.clone()).or(alarm);
            let trouble = trouble.or_else(|| self.floods.trouble(at))?;
            Some(format!("{}: {trouble}", post.name))
        };
        self.journal_trouble
            .as_ref()
            .map(|trouble| trouble.reason.clone())
            .or_else(|| self.posts.iter().enumerate().find_map(of_post))
    }

    /// A face before `door`, seen by a camera of the side `direction`.
    pub fn seen(&mut self, door: usize, direction: Option<Direction>, sighting: &Sighting) {
        self.follow_gallery();
        if self.grant_waits_for(door, sighting.nearest.map(|nearest| nearest.person)) {
            return;
        }
        let now = self.now();
        let other_open = self.other_open(door);
        let Doors { posts, authority, people, .. } = self;
        let Some(post) = posts.get_mut(door) else { return };
        let mode = post.doorway.mode().clone();
        let interlocked = post.interlock.is_some();
        let mut with = None;
        let mut authorise = |shown: &Shown| {
            let Some((holder, _)) = people.holder(shown.person) else {
                // Removed between the search and now.
                return crate::access::Judgement { gates: Vec::new(), refused: Some(Reason::Unknown), with: None };
            };
            let other_open = other_open.as_deref();
            let first = authority.waits(door).and_then(|first| people.holder(first)).map(|(holder, _)| holder);
            let asked = Asked {
                door,
                direction,
                holder: &holder,
                shown: Some(shown),
                first: first.as_ref(),
                mode: &mode,
                other_open,
                interlocked,
            };
            let judgement = authority.judge(&asked, now);
            with = judgement.with;
            judgement
        };
        if let Some(decision) = post.referee.consider(sighting, now.moment, &mut authorise) {
            self.decided(door, direction, decision, with);
        }
    }

    /// An input of `door` changed at `at`, or is read for the first time.
    pub fn contact(&mut self, door: usize, input: Input, active: bool, at: Moment) {
        let now = self.now();
        let other_open = self.other_open(door);
        let change = self.hear(door, input, active);
        let Some(post) = self.posts.get_mut(door) else { return };
        let (acts, through) = match input {
            Input::Sensor => post.doorway.leaf(active, now.moment),
            Input::ExitButton if active => (post.doorway.exit(other_open.as_deref(), at), Vec::new()),
            Input::ExitButton => return,
            Input::Tamper => (post.doorway.tamper(active, now.moment), Vec::new()),
        };
        let acts = if change == Change::Counted { self.without_records(door, input, acts) } else { acts };
        self.carry_out(door, acts, None).ok();
        for passage in through {
            self.passed(door, passage);
        }
    }

    /// The inputs of `door` cannot be read, or can be read again.
    pub fn contacts(&mut self, door: usize, trouble: Option<String>) {
        let Some(post) = self.posts.get_mut(door) else { return };
        let event = match (&post.inputs_trouble, &trouble) {
            (None, Some(reason)) => {
                tracing::error!(door = %post.name, %reason, "the inputs cannot be read");
                Event::ContactsLost { door: post.name.clone(), reason: reason.clone() }
            }
            (Some(_), None) => Event::ContactsBack { door: post.name.clone() },
            _ => return,
        };
        post.inputs_trouble = trouble;
        self.note(&event, &[]).ok();
    }

    /// An operator's order. What unlocks moves the relay until `not_after` at the latest; what locks is never too late. The record is on
    /// disk when this returns well.
    ///
    /// # Errors
    /// Why it was not followed; or that it is in force and its record is not known to be on disk.
    pub fn order(&mut self, door: usize, order: Order, by: &str, not_after: Moment) -> Result<(), String> {
        let other_open = self.other_open(door);
        let Some(post) = self.posts.get_mut(door) else { return Err("there is no such door".into()) };
        let mode_before = post.doorway.mode().clone();
        let late = self.clock.now().since(not_after);
        let acts = match order.clone() {
            Order::Mode(Mode::Normal) if !late.is_zero() => {
                Err(format!("the order came {} ms after its deadline, and was not followed", late.as_millis()))
            }
            Order::Unlock { duration } => {
                let duration = duration.unwrap_or(post.doorway.settings().pulse);
                post.doorway
                    .operator_unlocks(duration, by, other_open.as_deref(), not_after)
                    .map_err(|refusal| refusal.to_string())
            }
            Order::Lock => post.doorway.operator_locks(by).map_err(|refusal| refusal.to_string()),
            Order::Mode(mode) => {
                self.authority.mode_set(door);
                Ok(post.doorway.set_mode(mode, by, not_after))
            }
        };
        let acts = acts.map_err(|why| format!("{}: {why}", self.posts[door].name))?;
        let Err(failure) = self.carry_out(door, acts, None) else { return Ok(()) };
        let Failure::Unwritten(unwritten) = &failure else {
            return Err(format!("{}: {failure}", self.posts[door].name));
        };
        let in_force = match order {
            Order::Lock => "locked, but not on record",
            // The safe side.
            Order::Mode(Mode::Lockdown { .. }) => "locked down, but not on record: a restart may end it",
            Order::Mode(Mode::Release) if self.posts[door].doorway.is_held() => {
                "released, but not on record: a restart may end it"
            }
            Order::Mode(_) => {
                self.take_back_mode(door, mode_before, unwritten.pending);
                "not done"
            }
            Order::Unlock { .. } => "not done",
        };
        Err(format!("{}: {in_force}: {failure}", self.posts[door].name))
    }

    /// A mode that could not be written down is not in force. When its record is still to come, one that takes it back follows it.
    fn take_back_mode(&mut self, door: usize, before: Mode, pending: bool) {
        let post = &mut self.posts[door];
        post.doorway.revert_mode(before.clone());
        if pending {
            let entry = Entry::mode(&post.name, &before);
            let by = "usher, because the disk had stalled".to_owned();
            let event = Event::ModeSet { door: post.name.clone(), mode: before, by };
            self.note(&event, &[entry]).ok();
        }
    }

    /// An operator takes back what is known of where people are: of one person, or of everybody.
    pub fn amnesty(&mut self, person: Option<PersonId>, by: &str) -> Result<(), String> {
        let forgotten: Vec<PersonId> = match person {
            Some(person) => vec![person],
            None => self.authority.whereabouts().iter().map(|(person, _)| person).collect(),
        };
        let standing: Vec<Entry> = forgotten.iter().map(|person| Entry::place(*person, None)).collect();
        let event = Event::Amnesty { person: person.map(|id| self.named(id)), by: by.to_owned() };
        let noted = self.note(&event, &standing);
        if noted.as_ref().is_err_and(|unwritten| !unwritten.pending) {
            return noted.map(drop).map_err(|unwritten| unwritten.reason);
        }
        match person {
            Some(person) => drop(self.authority.whereabouts_mut().forget(person)),
            None => self.authority.whereabouts_mut().forget_all(),
        }
        noted.map(drop).map_err(|unwritten| format!("done, but not yet on record: {}", unwritten.reason))
    }

    /// Time passes: relays whose time is over, leaves that stay open, hours that begin and end, a clock that was set.
    pub fn tick(&mut self) {
        let now = self.now();
        for door in 0..self.posts.len() {
            self.release(door);
            let acts = self.posts[door].doorway.tick(now.moment);
            self.carry_out(door, acts, None).ok();
        }
        let looked = self.clock_looked_at.map(|before| now.moment.since(before.moment));
        if looked.is_none_or(|ago| ago >= LOOK_AT_CLOCK) {
            self.look_at_clock(now);
            self.follow_gallery();
        }
        if self.journal_trouble.as_ref().is_some_and(|trouble| trouble.pending) && self.pen.waiting() == 0 {
            tracing::info!("the disk answers again, and the records that waited are written");
            self.journal_trouble = None;
        }
        self.tell_floods(false);
        for post in &mut self.posts {
            post.show();
        }
    }

    /// When [`Doors::tick`] has something to do next.
    pub fn next_deadline(&self) -> Option<Moment> {
        let of_post =
            |post: &Post| [post.relay.next_deadline(), post.doorway.next_deadline()].into_iter().flatten().min();
        let clock = self.clock_looked_at.map(|now| now.moment + LOOK_AT_CLOCK);
        let floods = self.floods.next_deadline();
        self.posts.iter().filter_map(of_post).chain(clock).chain(floods).min()
    }

    /// All relays at their safe level: the daemon ends.
    pub fn make_safe(&mut self, reason: &'static str) {
        for door in 0..self.posts.len() {
            if let Err(why) = self.lock(door, reason) {
                tracing::error!(door = %self.posts[door].name, %why, "the relay may still be energised: cut its power");
            }
        }
        self.tell_floods(true);
    }

    /// Writes an event down that is about no door; `false` when the journal failed.
    pub fn note_event(&mut self, event: &Event) -> bool {
        self.note(event, &[]).is_ok()
    }

    fn decided(&mut self, door: usize, direction: Option<Direction>, decision: Decision, with: Option<PersonId>) {
        let now = self.now();
        let name = self.posts[door].name.clone();
        let (verdict, evidence, nearest) = (decision.verdict, decision.captured_at, decision.nearest);
        let person = nearest.map(|m| self.named(m.person));
        let runner_up = nearest.and_then(|m| m.runner_up).map(|(id, _)| self.named(id));
        let told = self.is_told(door, &decision, direction);
        if told {
            tell(&name, &decision, person.as_ref());
        }
        let mut standing = Vec::new();
        let granted = match verdict {
            Verdict::Grant { person } => self.people.holder(person).map(|(holder, _)| holder),
            Verdict::Deny { .. } => None,
        };
        if let Some(holder) = &granted
            && let Some(at) = self.authority.opens_day(door, holder, now)
        {
            standing.push(Entry::first_came(&name, &at));
        }
        let opens_day = !standing.is_empty();
        // A denial that is counted is told by a summary.
        let event = Event::Decided { door: name, direction, person, runner_up, decision };
        let noted = if told { self.note(&event, &standing) } else { Ok(0) };
        match (verdict, granted) {
            (Verdict::Grant { person }, Some(holder)) => {
                let not_after = evidence + self.posts[door].referee.rules().max_age;
                let acts = self.posts[door].doorway.grant(evidence, not_after);
                let record = noted.as_ref().ok().copied();
                let unlocked = (record.is_some() || self.open_unrecorded)
                    && self.carry_out_for(door, acts, record, Some(evidence)).is_ok();
                if !unlocked {
                    self.posts[door].referee.take_back(person);
                    self.explain_shut_door(door, person, noted.err(), opens_day);
                    return;
                }
                self.authority.granted(door, &holder, now);
                for person in std::iter::once(person).chain(with) {
                    self.posts[door].referee.let_in(person, now.moment);
                    let who = Going { person: self.named(person), direction };
                    let passage = Passage { who, record: record.unwrap_or_default() };
                    if let Some(through) = self.posts[door].doorway.expect(passage) {
                        self.passed(door, through);
                    }
                }
            }
            (Verdict::Grant { person }, None) => self.posts[door].referee.take_back(person),
            (Verdict::Deny { reason }, _) => {
                self.posts[door].relay.show_denied();
                let about_the_face = matches!(reason, Reason::Unknown | Reason::Ambiguous | Reason::Inconsistent);
                let near = nearest.filter(|m| m.distance.0 <= self.cut.distance.0 + NEAR_MISS);
                if let Some(near) = near.filter(|_| about_the_face) {
                    self.authority.near_miss(door, near.person, now);
                }
            }
        }
    }

    /// Somebody went through.
    fn passed(&mut self, door: usize, Passage { who, record }: Passage<Going>) {
        let now = self.now();
        let Going { person, direction } = who;
        let zone = self.authority.passed(door, person.id, direction, now);
        let place = self.authority.whereabouts().of(person.id, &now, None);
        let standing: Vec<Entry> = zone.iter().map(|_| Entry::place(person.id, place)).collect();
        let door = self.posts[door].name.clone();
        self.note(&Event::Passed { door, person, direction, zone, record }, &standing).ok();
    }

    /// A door of the same interlock that is unlocked or open.
    fn other_open(&self, door: usize) -> Option<String> {
        let interlock = self.posts.get(door)?.interlock.as_ref()?;
        let others = self
            .posts
            .iter()
            .enumerate()
            .filter(|(at, post)| *at != door && post.interlock.as_ref() == Some(interlock));
        others.map(|(_, post)| post).find(|post| post.is_passable()).map(|post| post.name.to_string())
    }

    /// Writes an event down; its sequence number. What keeps events from being written is logged once.
    fn note(&mut self, event: &Event, standing: &[Entry]) -> Result<u64, Unwritten> {
        let moment = self.clock.now();
        let standing = [standing, &self.timekeeper.due(moment)].concat();
        let noted = self.pen.write(event, &standing);
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
        let gone = || Named { id, name: format!("person {id}"), employee_id: None, groups: Vec::new() };
        self.people.named(id).unwrap_or_else(gone)
    }

    fn now(&mut self) -> Now {
        self.timekeeper.now(&*self.clock)
    }
}
