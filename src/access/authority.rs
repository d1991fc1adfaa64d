//! Who may pass, where and when: the questions asked once a face is known.
//!
//! In order: the door's mode, the news of the fleet, the person, the permit and its hours, back-off, anti-passback, the first person of the day, the interlock, the
//! second person. All of them are checked and documented; the first that fails gives the reason. What the door asks of the person beyond the face
//! follows from the permits, too; whether it was shown is the referee's question.

mod permits;

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::backoff::NearMisses;
use super::calendar::Schedule;
use super::fleet_news::{FleetNews, FleetRule};
use super::passback::{self, SitePlaces, Zones};
use super::person::{Holder, Shown};
use super::waits::Backoff;
use super::when::{Now, When};
use super::whereabouts::{ToldPlace, Whereabouts};
use crate::domain::{
    Assurance, Direction, DoorIndex, Gate, Mode, Moment, Passback, PersonId, Reason, ScheduleIndex, WithoutSync,
};

/// The rules of all doors together.
#[derive(Clone, Debug)]
pub struct HouseRules {
    /// For people's validity and for the first person of the day.
    pub zone: TimeZone,
    pub schedules: Vec<Schedule>,
    /// In the order of the configuration.
    pub doors: Vec<DoorRules>,
    pub passback: Passback,
    /// How long a person's place is trusted. `None` is unlimited.
    pub passback_for: Option<Duration>,
    pub backoff: Backoff,
    /// What happens to people whose rights depend on the time while it is not known.
    pub without_sync: WithoutSync,
    /// What the rules are called where they come from the fleet, as `rules 7 of berlin`; `None` for the board's own.
    pub source: Option<String>,
}

/// The rules of one door.
#[derive(Clone, Debug, Default)]
pub struct DoorRules {
    /// `None` permits everyone enrolled at any time. Otherwise one of them must match.
    pub permits: Option<Vec<Permit>>,
    /// Until someone of this group is let in, nobody else is on that day. That person also opens the current unlock window to its end.
    pub first_person: Option<String>,
    /// The position in [`HouseRules::schedules`] of the hours in which the door is unlocked.
    pub unlock_hours: Option<ScheduleIndex>,
    /// Two people must be recognised within this time of each other.
    pub two_person: Option<Duration>,
    /// The zones on both sides.
    pub zones: Option<Zones>,
    /// What is asked of a person beyond the face, in the order in which people are told; any of these suffices. Empty asks nothing.
    pub assurance: Vec<Assurance>,
}

/// Permits groups to pass at certain hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// Empty means everybody.
    pub groups: Vec<String>,
    /// The position of a schedule in [`HouseRules::schedules`]. `None` permits any time.
    pub schedule: Option<ScheduleIndex>,
    /// What is asked of the people whom it permits, instead of what the door asks. `None` leaves it to the door.
    pub assurance: Option<Vec<Assurance>>,
}

/// A recognised person's request to pass a door.
#[derive(Clone, Copy, Debug)]
pub struct PassRequest<'a> {
    /// The position of the door in [`HouseRules::doors`].
    pub door: DoorIndex,
    pub direction: Option<Direction>,
    pub holder: &'a Holder,
    /// The face that was seen; `None` for a request without a face, which makes nobody a first or second person.
    pub shown: Option<&'a Shown>,
    /// The person who waits for a second one at this door ([`Authority::waits`]), as enrolled now. `None` if nobody waits, or if they are no
    /// longer enrolled; then nobody counts as the first.
    pub first: Option<&'a Holder>,
    pub mode: &'a Mode,
    /// Another door of the same interlock that is unlocked or open, if any.
    pub other_open: Option<&'a str>,
    /// Whether the door belongs to an interlock.
    pub interlocked: bool,
}

/// The answer, with every check.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    pub gates: Vec<Gate>,
    /// `None` if the person may pass.
    pub refused: Option<Reason>,
    /// The person recognised before, who passes with them by the two-person rule.
    pub with: Option<PersonId>,
    /// What is asked beyond the face; any of these suffices. Empty asks nothing.
    pub assurance: Vec<Assurance>,
    /// They are refused only because a second person has to come: then they are asked all the same, to be the first.
    pub only_a_second_is_missing: bool,
}

/// The rules with their state.
#[derive(Clone, Debug)]
pub struct Authority {
    rules: HouseRules,
    whereabouts: Whereabouts,
    /// For each door, when its first person last came.
    first_came: Vec<Option<When>>,
    /// For each door, the person who waits for a second one.
    waiting: Vec<Option<Waiting>>,
    near_misses: NearMisses,
    /// `None` unless the age of the fleet's news is limited.
    fleet: Option<FleetRule>,
    /// Until when the fleet's newest rules are waited for; `None` for a board in no fleet.
    rules_by: Option<Moment>,
    fleet_news: FleetNews,
    site: SitePlaces,
}

/// A person who may pass together with a second person in the same direction.
#[derive(Clone, Debug)]
struct Waiting {
    shown: Shown,
    direction: Option<Direction>,
    at: Moment,
}

impl Authority {
    /// An authority without any state yet.
    pub fn new(rules: HouseRules) -> Authority {
        let doors = rules.doors.len();
        Authority {
            rules,
            whereabouts: Whereabouts::default(),
            first_came: vec![None; doors],
            waiting: vec![None; doors],
            near_misses: NearMisses::default(),
            fleet: None,
            rules_by: None,
            fleet_news: FleetNews::default(),
            site: SitePlaces::Off,
        }
    }

    /// Limits the age of the fleet's news, and waits for its rules until `rules_by`.
    pub fn with_fleet(self, fleet: Option<FleetRule>, rules_by: Option<Moment>) -> Authority {
        Authority { fleet, rules_by, ..self }
    }

    /// Notes what is known of the fleet.
    pub fn hear_of_fleet(&mut self, news: FleetNews) {
        self.fleet_news = news;
    }

    /// Takes what other boards of the site told of places; see [`Whereabouts::hear`].
    pub fn hear_of_places(
        &mut self,
        site: SitePlaces,
        told: impl IntoIterator<Item = (PersonId, Option<ToldPlace>)>,
        everybody: bool,
        now: &Now,
    ) {
        self.site = site;
        self.whereabouts.hear(told, everybody, now);
    }

    /// Whether the fleet's newest rules are still waited for.
    pub fn awaits_rules(&self, now: Moment) -> bool {
        self.rules_by.is_some_and(|by| self.fleet_news.awaited(by, now).is_some())
    }

    /// The rules.
    pub fn rules(&self) -> &HouseRules {
        &self.rules
    }

    /// Goes by other rules from now on, and keeps what it knows: places, who came first, who waits, near misses. Returns `false`, and changes nothing, if
    /// they are for another number of doors.
    pub fn go_by(&mut self, rules: HouseRules) -> bool {
        let fit = rules.doors.len() == self.rules.doors.len();
        if fit {
            self.rules = rules;
        }
        fit
    }

    /// Judges a request. Asking again gives the same answer, except that the authority remembers who waits for a second person. With the
    /// two-person rule, both are judged: the first must still be allowed to pass when the second comes. Where the door asks for more than a face,
    /// only a person who has shown it ([`Shown::assured`]) waits for a second one.
    pub fn judge(&mut self, request: &PassRequest<'_>, now: Now) -> Judgement {
        let PassRequest { door, holder, .. } = *request;
        let mut judgement = Judgement { gates: Vec::with_capacity(8), ..Judgement::default() };
        let Some(rules) = self.rules.doors.get(door.0) else {
            judgement.refused = Some(Reason::NotPermitted);
            return judgement;
        };
        judgement.assurance = self.asked(rules, holder, now);
        self.ask_about(&mut judgement, rules, request, holder, request.shown, now);
        if request.interlocked {
            let (input, passed) = match request.other_open {
                Some(other) => (format!("{other} is unlocked or open"), false),
                None => ("the other doors are locked and closed".to_owned(), true),
            };
            judgement.note_gate(Gate::new("interlock", input, "one door at a time", passed), Reason::Interlock);
        }
        if let Some(window) = rules.two_person {
            let fine_alone = judgement.refused.is_none();
            let (input, with) = self.first_of_two(rules, request, window, now);
            let limit = format!("two people, two faces, within {} s", window.as_secs());
            judgement.note_gate(Gate::new("second_person", input, limit, with.is_some()), Reason::SecondPerson);
            judgement.with = with;
            judgement.only_a_second_is_missing = fine_alone && with.is_none();
            let assured = |shown: &&Shown| shown.assured || judgement.assurance.is_empty();
            if let (true, Some(shown)) = (judgement.only_a_second_is_missing, request.shown.filter(assured)) {
                let waiting = Waiting { shown: shown.clone(), direction: request.direction, at: now.moment };
                if let Some(slot) = self.waiting.get_mut(door.0) {
                    *slot = Some(waiting);
                }
            }
        }
        judgement
    }

    /// The checks of one person: mode, news of the fleet, person, permit, back-off, passback, first person of the day.
    fn ask_about(
        &self,
        judgement: &mut Judgement,
        rules: &DoorRules,
        request: &PassRequest<'_>,
        holder: &Holder,
        shown: Option<&Shown>,
        now: Now,
    ) {
        judgement.note(mode_gate(request.mode, holder));
        if let Some(awaited) = self.rules_by.and_then(|by| self.fleet_news.awaited(by, now.moment)) {
            judgement.note(awaited);
        } else if let Some(fleet) = &self.fleet {
            judgement.note(fleet.gate(self.fleet_news.heard.as_ref(), &now));
        }
        judgement.note(holder.gate(now, &self.rules.zone, self.rules.without_sync));
        judgement.note(self.permit_gate(rules, holder, now));
        let clear = shown.and_then(|shown| shown.clear);
        if let Some(gate) = self.near_misses.gate(&self.rules.backoff, request.door, holder.person, clear, now.moment) {
            judgement.note_gate(gate, Reason::Backoff);
        }
        if let (Some(zones), Some(direction)) = (&rules.zones, request.direction)
            && self.rules.passback != Passback::Off
        {
            let place = self.whereabouts.newest(holder.person, &now, self.rules.passback_for);
            judgement.note(passback::gate(self.rules.passback, self.site, zones, direction, place));
        }
        if let Some(group) = &rules.first_person {
            judgement.note(self.first_person_gate(request.door, group, holder, now));
        }
    }

    /// The person recognised within `window` before who makes two with the one asked about, with the text for the gate. The first is judged
    /// again, as enrolled now, by all checks, and must have had a different face.
    fn first_of_two(
        &self,
        rules: &DoorRules,
        request: &PassRequest<'_>,
        window: Duration,
        now: Now,
    ) -> (String, Option<PersonId>) {
        let nobody = || ("nobody else was recognised before".to_owned(), None);
        let Some(waiting) = self.waiting.get(request.door.0).and_then(Option::as_ref) else { return nobody() };
        let (first, ago) = (waiting.shown.person, now.moment.since(waiting.at));
        if first == request.holder.person || waiting.direction != request.direction || ago > window {
            return nobody();
        }
        let before = format!("person {first} was recognised {} ms before", ago.as_millis());
        if !request.shown.is_some_and(|shown| shown.is_another_face_than(&waiting.shown)) {
            return (format!("{before}, perhaps by the same face"), None);
        }
        let Some(holder) = request.first.filter(|holder| holder.person == first) else {
            return (format!("{before}, and is not enrolled now"), None);
        };
        let mut alone = Judgement::default();
        self.ask_about(&mut alone, rules, request, holder, Some(&waiting.shown), now);
        match alone.refused {
            None => (format!("{before}, and may pass"), Some(first)),
            Some(reason) => (format!("{before}, and may not pass now: {}", reason.as_str()), None),
        }
    }

    /// The person who waits for a second one at `door`, for [`PassRequest::first`].
    pub fn waits(&self, door: DoorIndex) -> Option<PersonId> {
        self.waiting.get(door.0)?.as_ref().map(|waiting| waiting.shown.person)
    }

    /// Notes that the mode of `door` was set: a person who waits for a second one there has to start again.
    pub fn mode_set(&mut self, door: DoorIndex) {
        if let Some(waiting) = self.waiting.get_mut(door.0) {
            *waiting = None;
        }
    }

    /// Notes that a person was let in.
    pub fn granted(&mut self, door: DoorIndex, holder: &Holder, now: Now) {
        self.near_misses.clear(door, holder.person, now.moment);
        self.stop_waiting(holder.person);
        let Some(rules) = self.rules.doors.get(door.0) else { return };
        if let Some(waiting) = self.waiting.get_mut(door.0) {
            *waiting = None;
        }
        if rules.first_person.is_some()
            && let Some(at) = self.opens_day(door, holder, now)
            && let Some(came) = self.first_came.get_mut(door.0)
        {
            *came = Some(at);
        }
    }

    /// Notes that an operator let a person in, who no longer waits for a second person anywhere.
    pub fn admitted(&mut self, person: PersonId) {
        self.stop_waiting(person);
    }

    /// The present, if `holder` opens the day at `door`: a first person, and the first to come on this day.
    pub fn opens_day(&self, door: DoorIndex, holder: &Holder, now: Now) -> Option<When> {
        let group = self.rules.doors.get(door.0)?.first_person.as_ref()?;
        let came = self.came(door, now).map(|at| self.day_of(at));
        (holder.is_in(group) && came != Some(self.day_of(now.wall))).then(|| When::of(&now))
    }

    /// Notes that a face nearly passed for `person` but was denied.
    pub fn near_miss(&mut self, door: DoorIndex, person: PersonId, now: Now) {
        self.near_misses.miss(&self.rules.backoff, door, person, now.moment);
    }

    /// Notes that a person went through. Returns the zone they are in now, if zones and direction are known.
    pub fn passed(
        &mut self,
        door: DoorIndex,
        person: PersonId,
        direction: Option<Direction>,
        now: Now,
    ) -> Option<String> {
        // The person may have started to wait at another door while this one was still open.
        self.stop_waiting(person);
        let zones = self.rules.doors.get(door.0)?.zones.as_ref()?;
        let zone = match direction? {
            Direction::In => zones.inside.clone(),
            Direction::Out => zones.outside.clone(),
        };
        self.whereabouts.enter(person, &zone, &now);
        Some(zone)
    }

    /// A person who goes through one door no longer waits for a second person at another.
    fn stop_waiting(&mut self, person: PersonId) {
        for waiting in &mut self.waiting {
            waiting.take_if(|first| first.shown.person == person);
        }
    }

    /// Whether the hours of `door` may begin as far as the calendar and the first person are concerned: the time is known, and that person has
    /// come or is not needed. With [`WithoutSync::Allow`] the time need not be known.
    pub fn hours_may_begin(&self, door: DoorIndex, now: Now) -> bool {
        match now.is_known() {
            true => self.first_person_came(door, now),
            false => self.rules.without_sync == WithoutSync::Allow,
        }
    }

    /// Whether the first person has come to `door`, or none is needed: today, or since the day on which the current unlock window began. False
    /// while the time is not known.
    pub fn first_person_came(&self, door: DoorIndex, now: Now) -> bool {
        let Some(rules) = self.rules.doors.get(door.0).filter(|rules| rules.first_person.is_some()) else {
            return true;
        };
        let Some(came) = self.came(door, now) else { return false };
        let day = self.day_of(came);
        let began = || rules.unlock_hours.and_then(|at| self.rules.schedules.get(at.0)?.began(now.wall));
        day == self.day_of(now.wall) || came <= now.wall && began().is_some_and(|began| day >= self.day_of(began))
    }

    /// Where people are. The caller stores it across restarts.
    pub fn whereabouts(&self) -> &Whereabouts {
        &self.whereabouts
    }

    /// As [`Authority::whereabouts`], for changes by an operator and for restoring after a restart.
    pub fn whereabouts_mut(&mut self) -> &mut Whereabouts {
        &mut self.whereabouts
    }

    /// When the first person of `door` last came.
    pub fn first_came(&self, door: DoorIndex) -> Option<When> {
        self.first_came.get(door.0).copied().flatten()
    }

    /// Restores a value of [`Authority::opens_day`] after a restart.
    pub fn restore_first_came(&mut self, door: DoorIndex, at: When) {
        if let Some(came) = self.first_came.get_mut(door.0) {
            *came = Some(at);
        }
    }

    /// When the first person of `door` last came, by a known wall clock; within the same boot, whatever it showed then.
    fn came(&self, door: DoorIndex, now: Now) -> Option<Timestamp> {
        let came = self.first_came(door).filter(|_| now.is_known())?;
        let same_run = came.boot == now.boot && now.boot != [0; 16];
        if same_run { came.wall_then(&now) } else { came.known.then_some(came.wall) }
    }

    fn day_of(&self, at: Timestamp) -> Date {
        self.rules.zone.to_datetime(at).date()
    }

    fn first_person_gate(&self, door: DoorIndex, group: &str, holder: &Holder, now: Now) -> (Gate, Option<Reason>) {
        let came = self.first_person_came(door, now);
        let (let_pass, doubt) = (!now.is_known() && self.rules.without_sync == WithoutSync::Allow, now.doubt());
        let input = match (came, holder.is_in(group)) {
            (true, _) => format!("somebody of {group} opened this day or these hours"),
            (false, true) => format!("the first of {group} today"),
            (false, false) if let_pass => format!("{doubt}, let pass (without_sync)"),
            (false, false) if !now.is_known() => {
                format!("{doubt}: nobody can tell whether somebody of {group} came today")
            }
            (false, false) => format!("nobody of {group} came yet today"),
        };
        let passed = came || holder.is_in(group) || let_pass;
        let reason = if now.is_known() { Reason::FirstPerson } else { Reason::ClockUnknown };
        let gate = Gate::new("first_person", input, format!("somebody of {group} first"), passed);
        (gate, (!passed).then_some(reason))
    }
}

impl Judgement {
    fn note(&mut self, (gate, refused): (Gate, Option<Reason>)) {
        self.gates.push(gate);
        self.refused = self.refused.or(refused);
    }

    fn note_gate(&mut self, gate: Gate, reason: Reason) {
        let refused = (!gate.passed).then_some(reason);
        self.note((gate, refused));
    }
}

fn mode_gate(mode: &Mode, holder: &Holder) -> (Gate, Option<Reason>) {
    let (limit, passed) = match mode {
        Mode::Normal | Mode::Release => ("not in lockdown".to_owned(), true),
        Mode::Lockdown { group: None } => ("nobody passes".to_owned(), false),
        Mode::Lockdown { group: Some(group) } => (format!("only {group} passes"), holder.is_in(group)),
    };
    let gate = Gate::new("mode", mode.as_str(), limit, passed);
    (gate, (!passed).then_some(Reason::Lockdown))
}

#[cfg(test)]
mod assurance_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod time_tests;
