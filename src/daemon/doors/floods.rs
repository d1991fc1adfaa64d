//! Floods at the doors: denials that repeat and contacts that chatter become records with counts. While there is hardly room left for
//! records, all denials and all changes of contacts that unlock nothing are counted, so that grants and alarms can still be written.
//!
//! What is counted was acted upon like everything else. Knows nothing of disks: it is told whether there is room.

use std::time::Duration;

use super::Doors;
use crate::access::{Act, Change, Chatter, Kind, Repeats};
use crate::domain::{Decision, Direction, DoorCommand, Event, Input, Moment, PersonId};

/// A press of an exit button that chatters unlocks for at least so long, so that fewer records tell of it.
const CHATTERING_PULSE: Duration = Duration::from_secs(10);
/// A button that has chattered for so long is broken: from then on a press unlocks for as long as the relay may be energised.
const BROKEN: Duration = Duration::from_secs(60);

/// What is counted at each door.
pub struct Floods {
    doors: Vec<AtDoor>,
    /// What room is left is to be saved for grants and alarms.
    short_of_room: Box<dyn Fn() -> bool + Send>,
}

#[derive(Default)]
struct AtDoor {
    repeats: Repeats,
    /// In the order of [`Input::ALL`].
    inputs: [OfInput; 3],
}

#[derive(Default)]
struct OfInput {
    active: Option<bool>,
    chatter: Chatter,
    chatters_since: Option<Moment>,
}

/// What a summary is about, to be told back when it is written.
enum About {
    Denials(Kind),
    Contact(Input),
}

fn place(input: Input) -> usize {
    match input {
        Input::Sensor => 0,
        Input::ExitButton => 1,
        Input::Tamper => 2,
    }
}

impl Floods {
    /// Nothing is counted yet at so many doors.
    pub fn new(doors: usize, short_of_room: Box<dyn Fn() -> bool + Send>) -> Floods {
        Floods { doors: (0..doors).map(|_| AtDoor::default()).collect(), short_of_room }
    }

    /// When [`Doors::tell_floods`] has something to say next.
    pub fn next_deadline(&self) -> Option<Moment> {
        if (self.short_of_room)() {
            return None;
        }
        let of_door = |at: &AtDoor| {
            at.inputs.iter().filter_map(|of| of.chatter.next_deadline()).chain(at.repeats.next_deadline()).min()
        };
        self.doors.iter().filter_map(of_door).min()
    }

    /// Inputs of a door that change all the time, in words.
    pub fn trouble(&self, door: usize) -> Option<String> {
        let of = &self.doors.get(door)?.inputs;
        let input = Input::ALL.into_iter().find(|input| of[place(*input)].chatter.is_active())?;
        Some(format!("the {input} changes all the time: look at its contact and its wires"))
    }

    fn input(&mut self, door: usize, input: Input) -> Option<&mut OfInput> {
        self.doors.get_mut(door).map(|at| &mut at.inputs[place(input)])
    }
}

impl Doors {
    /// Whether a decision is to be written down by itself; else it is counted.
    pub(super) fn is_told(&mut self, door: usize, decision: &Decision, direction: Option<Direction>) -> bool {
        let (now, spare) = (self.clock.now(), (self.floods.short_of_room)());
        let Some(at) = self.floods.doors.get_mut(door) else { return true };
        at.repeats.needs_record(decision, direction, spare, now)
    }

    /// An input of `door` changed: whether that is to be written down by itself. The doorway learns whether it is to be believed.
    pub(super) fn hear(&mut self, door: usize, input: Input, active: bool) -> Change {
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

    /// What is left to do of `acts`, which follow from a change that was counted: all but the records that tell of the change alone.
    pub(super) fn without_records(&mut self, door: usize, input: Input, acts: Vec<Act>) -> Vec<Act> {
        // What the relay did by itself meanwhile.
        self.release(door);
        let of = self.floods.doors.get(door).map(|at| &at.inputs[place(input)]);
        let since = of.and_then(|of| of.chatters_since).map(|since| self.clock.now().since(since));
        let unlocked = self.posts.get(door).is_some_and(|post| post.doorway.is_unlocked());
        let unlocks = acts.iter().any(|act| matches!(act, Act::Egress { .. }));
        if input == Input::ExitButton && (unlocked || !unlocks) {
            // The press before it holds the door open, or nothing does.
            return Vec::new();
        }
        let longer = |duration: Duration| match since {
            Some(since) if since >= BROKEN => Duration::MAX,
            Some(_) => duration.max(CHATTERING_PULSE),
            None => duration,
        };
        let keep = |act: Act| match act {
            Act::Note(Event::DoorOpened { .. } | Event::DoorClosed { .. }) => None,
            Act::Egress { cause, command: DoorCommand::Pulse { evidence, duration, not_after }, note } => {
                let command = DoorCommand::Pulse { evidence, duration: longer(duration), not_after };
                Some(Act::Egress { cause, command, note })
            }
            act => Some(act),
        };
        acts.into_iter().filter_map(keep).collect()
    }

    /// Writes down what was counted, where that is due. `end`: everything, because the daemon ends.
    pub(super) fn tell_floods(&mut self, end: bool) {
        if !end && (self.floods.short_of_room)() {
            return;
        }
        let now = self.clock.now();
        for door in 0..self.posts.len() {
            for (about, event) in self.due_summaries(door, end, now) {
                super::telling::tell_note(&event);
                // What waits for a disk that has stalled will be written.
                let written = self.note(&event, &[]).map_or_else(|unwritten| unwritten.pending, |_| true);
                self.summarised(door, &about, written, now);
            }
            for input in Input::ALL {
                self.follow_chatter(door, input);
            }
        }
    }

    fn due_summaries(&self, door: usize, end: bool, now: Moment) -> Vec<(About, Event)> {
        let (Some(at), Some(post)) = (self.floods.doors.get(door), self.posts.get(door)) else { return Vec::new() };
        let name = &post.name;
        let named = |id: PersonId| self.named(id);
        let denials = at.repeats.due(end, now).into_iter().map(|summary| {
            let Kind { camera, direction, reason, person } = summary.kind.clone();
            let event = Event::DenialsRepeated {
                door: name.clone(),
                camera,
                direction,
                reason,
                person: person.map(named),
                count: summary.count,
                faces: summary.faces,
                span: summary.span,
            };
            (About::Denials(summary.kind), event)
        });
        let contacts = Input::ALL.into_iter().filter_map(|input| {
            let summary = at.inputs[place(input)].chatter.due(end, now)?;
            let event = Event::ContactChattered {
                door: name.clone(),
                input,
                changes: summary.changes,
                span: summary.span,
                active: summary.active,
                over: summary.over,
            };
            Some((About::Contact(input), event))
        });
        denials.chain(contacts).collect()
    }

    fn summarised(&mut self, door: usize, about: &About, written: bool, now: Moment) {
        let Some(at) = self.floods.doors.get_mut(door) else { return };
        match (about, written) {
            (About::Denials(kind), true) => at.repeats.recorded(kind),
            (About::Denials(kind), false) => at.repeats.postpone(kind, now),
            (About::Contact(input), true) => at.inputs[place(*input)].chatter.recorded(now),
            (About::Contact(input), false) => at.inputs[place(*input)].chatter.postpone(now),
        }
    }

    /// Tells the doorway whether an input chatters, and does what follows.
    fn follow_chatter(&mut self, door: usize, input: Input) {
        let now = self.clock.now();
        let Some(of) = self.floods.input(door, input) else { return };
        let chatters = of.chatter.is_active();
        match (chatters, of.chatters_since) {
            (true, None) => of.chatters_since = Some(now),
            (false, Some(_)) => of.chatters_since = None,
            _ => return,
        }
        let Some(post) = self.posts.get_mut(door) else { return };
        if chatters {
            tracing::warn!(door = %post.name, %input, "it changes all the time: from now on the changes are counted");
        }
        let acts = post.doorway.set_chattering(input, chatters, now);
        self.carry_out(door, acts, None).ok();
    }
}
