//! Floods at the doors: repeated denials and chattering contacts are counted and become summaries. While the disk is nearly full, all denials and
//! all changes of contacts that unlock nothing are counted, so that grants and alarms can still be recorded.
//!
//! Counting affects only the records: doors act on every change and every decision.

use std::time::Duration;

use super::Doors;
use super::log::log_event;
use crate::access::{Act, Change, Chatter, Kind, Repeats};
use crate::domain::{
    AccessEvent, Decision, Direction, DoorCommand, DoorEvent, DoorIndex, Event, Input, Moment, PersonId,
};

/// A press of a chattering exit button unlocks for at least this long, so that there are fewer records.
const CHATTERING_PULSE: Duration = Duration::from_secs(10);
/// A button that has chattered this long is broken: from then on a press unlocks for as long as the relay may be energised.
const BROKEN: Duration = Duration::from_secs(60);

/// The counts of all doors.
pub struct Floods {
    doors: Vec<DoorCounts>,
    /// Whether the remaining space on the disk is reserved for grants and alarms.
    short_of_room: Box<dyn Fn() -> bool + Send>,
}

#[derive(Default)]
struct DoorCounts {
    repeats: Repeats,
    inputs: InputCounts,
}

#[derive(Default)]
struct InputCounts {
    sensor: InputCount,
    exit_button: InputCount,
    tamper: InputCount,
}

impl InputCounts {
    fn get(&self, input: Input) -> &InputCount {
        match input {
            Input::Sensor => &self.sensor,
            Input::ExitButton => &self.exit_button,
            Input::Tamper => &self.tamper,
        }
    }

    fn get_mut(&mut self, input: Input) -> &mut InputCount {
        match input {
            Input::Sensor => &mut self.sensor,
            Input::ExitButton => &mut self.exit_button,
            Input::Tamper => &mut self.tamper,
        }
    }
}

#[derive(Default)]
struct InputCount {
    active: Option<bool>,
    chatter: Chatter,
    chatters_since: Option<Moment>,
}

/// The subject of a summary, to mark it as written.
enum Subject {
    Denials(Kind),
    Contact(Input),
}

impl Floods {
    /// Nothing counted yet, for this number of doors.
    pub fn new(doors: usize, short_of_room: Box<dyn Fn() -> bool + Send>) -> Floods {
        Floods { doors: (0..doors).map(|_| DoorCounts::default()).collect(), short_of_room }
    }

    /// When [`Doors::write_summaries`] is due next.
    pub fn next_deadline(&self) -> Option<Moment> {
        if (self.short_of_room)() {
            return None;
        }
        let of_door = |at: &DoorCounts| {
            let of_input = |input: Input| at.inputs.get(input).chatter.next_deadline();
            Input::ALL.into_iter().filter_map(of_input).chain(at.repeats.next_deadline()).min()
        };
        self.doors.iter().filter_map(of_door).min()
    }

    /// The chattering input of a door, in words; `None` if there is none.
    pub fn trouble(&self, door: DoorIndex) -> Option<String> {
        let of = &self.doors.get(door.0)?.inputs;
        let input = Input::ALL.into_iter().find(|input| of.get(*input).chatter.is_active())?;
        Some(format!("the {input} changes all the time: check its contact and its wires"))
    }

    fn input(&mut self, door: DoorIndex, input: Input) -> Option<&mut InputCount> {
        self.doors.get_mut(door.0).map(|at| at.inputs.get_mut(input))
    }
}

impl Doors {
    /// Whether a decision gets its own record; otherwise it is counted.
    pub(super) fn is_recorded(&mut self, door: DoorIndex, decision: &Decision, direction: Option<Direction>) -> bool {
        let (now, spare) = (self.clock.now(), (self.floods.short_of_room)());
        let Some(at) = self.floods.doors.get_mut(door.0) else { return true };
        at.repeats.needs_record(decision, direction, spare, now)
    }

    /// Counts a change of an input of `door`, and returns whether it gets its own record. Informs the doorway if the input begins or ends to
    /// chatter.
    pub(super) fn count_change(&mut self, door: DoorIndex, input: Input, active: bool) -> Change {
        // An exit request is the record that lets somebody out.
        let (now, spare) = (self.clock.now(), input != Input::ExitButton && (self.floods.short_of_room)());
        let Some(of) = self.floods.input(door, input) else { return Change::Recorded };
        if of.active.replace(active).is_none_or(|before| before == active) {
            return Change::Recorded;
        }
        let change = of.chatter.change(active, spare, now);
        self.follow_chatter(door, input);
        change
    }

    /// Reduces `acts`, which follow from a change that was counted, by the records that only report the change.
    pub(super) fn without_records(&mut self, door: DoorIndex, input: Input, acts: Vec<Act>) -> Vec<Act> {
        // First what the relay did by itself.
        self.release(door);
        let of = self.floods.doors.get(door.0).map(|at| at.inputs.get(input));
        let since = of.and_then(|of| of.chatters_since).map(|since| self.clock.now().since(since));
        let unlocked = self.doors.get(door).is_some_and(|this| this.doorway.is_unlocked());
        let unlocks = acts.iter().any(|act| matches!(act, Act::Egress { .. }));
        if input == Input::ExitButton && (unlocked || !unlocks) {
            // The press before this one keeps the door unlocked, or nothing does.
            return Vec::new();
        }
        let longer = |duration: Duration| match since {
            Some(since) if since >= BROKEN => Duration::MAX,
            Some(_) => duration.max(CHATTERING_PULSE),
            None => duration,
        };
        let keep = |act: Act| match act {
            Act::Note(Event::Door(DoorEvent::DoorOpened { .. }) | Event::Door(DoorEvent::DoorClosed { .. })) => None,
            Act::Egress { cause, command: DoorCommand::Pulse { evidence, duration, not_after }, note } => {
                let command = DoorCommand::Pulse { evidence, duration: longer(duration), not_after };
                Some(Act::Egress { cause, command, note })
            }
            act => Some(act),
        };
        acts.into_iter().filter_map(keep).collect()
    }

    /// Records the summaries that are due; all of them if `end`, because the daemon ends.
    pub(super) fn write_summaries(&mut self, end: bool) {
        if !end && (self.floods.short_of_room)() {
            return;
        }
        let now = self.clock.now();
        for door in self.doors.indices() {
            for (subject, event) in self.due_summaries(door, end, now) {
                log_event(&event);
                // A record that waits for a stalled disk will be written.
                let written = self.note(&event, &[]).map_or_else(|unwritten| unwritten.pending, |_| true);
                self.summarised(door, &subject, written, now);
            }
            for input in Input::ALL {
                self.follow_chatter(door, input);
            }
        }
    }

    fn due_summaries(&self, door: DoorIndex, end: bool, now: Moment) -> Vec<(Subject, Event)> {
        let (Some(at), Some(this)) = (self.floods.doors.get(door.0), self.doors.get(door)) else { return Vec::new() };
        let name = &this.name;
        let named = |id: PersonId| self.named(id).into();
        let denials = at.repeats.due(end, now).into_iter().map(|summary| {
            let Kind { camera, direction, reason, person } = summary.kind.clone();
            let event = Event::Access(AccessEvent::DenialsRepeated {
                door: name.clone(),
                camera,
                direction,
                reason,
                person: person.map(named),
                count: summary.count,
                faces: summary.faces,
                span: summary.span,
            });
            (Subject::Denials(summary.kind), event)
        });
        let contacts = Input::ALL.into_iter().filter_map(|input| {
            let summary = at.inputs.get(input).chatter.due(end, now)?;
            let event = Event::Door(DoorEvent::ContactChattered {
                door: name.clone(),
                input,
                changes: summary.changes,
                span: summary.span,
                active: summary.active,
                over: summary.over,
            });
            Some((Subject::Contact(input), event))
        });
        denials.chain(contacts).collect()
    }

    fn summarised(&mut self, door: DoorIndex, subject: &Subject, written: bool, now: Moment) {
        let Some(at) = self.floods.doors.get_mut(door.0) else { return };
        match (subject, written) {
            (Subject::Denials(kind), true) => at.repeats.recorded(kind),
            (Subject::Denials(kind), false) => at.repeats.postpone(kind, now),
            (Subject::Contact(input), true) => at.inputs.get_mut(*input).chatter.recorded(now),
            (Subject::Contact(input), false) => at.inputs.get_mut(*input).chatter.postpone(now),
        }
    }

    /// Informs the doorway if an input begins or ends to chatter, and carries out what follows.
    fn follow_chatter(&mut self, door: DoorIndex, input: Input) {
        let now = self.clock.now();
        let Some(of) = self.floods.input(door, input) else { return };
        let chatters = of.chatter.is_active();
        match (chatters, of.chatters_since) {
            (true, None) => of.chatters_since = Some(now),
            (false, Some(_)) => of.chatters_since = None,
            _ => return,
        }
        let Some(this) = self.doors.get_mut(door) else { return };
        if chatters {
            tracing::warn!(door = %this.name, %input, "the input changes all the time: its changes are counted from now on");
        }
        let acts = this.doorway.set_chattering(input, chatters, now);
        self.carry_out(door, acts, None).ok();
    }
}
