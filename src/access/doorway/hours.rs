//! The hours in which a door is unlocked by a schedule, also while the time is not known.

use std::sync::Arc;

use super::{Act, Doorway, HOURS_LAST};
use crate::domain::{Cause, DoorCommand, DoorEvent, Event, Mode, Moment};

impl<T> Doorway<T> {
    /// Sets the schedule that unlocks the door now, or none for the reason `why_none`. Call it at least once a second.
    pub fn set_hours(
        &mut self,
        hours: Option<&Arc<str>>,
        why_none: &'static str,
        other_open: Option<&str>,
        now: Moment,
    ) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.hours.as_ref() != hours {
            let door = self.settings.name.clone();
            if let Some(ended) = self.hours.take() {
                (self.hours_ended_early, self.exhausted, self.hold_again_at) = (false, false, None);
                if std::mem::take(&mut self.hours_began) {
                    acts.push(Act::Note(Event::Door(DoorEvent::ScheduleEnded {
                        door: door.clone(),
                        schedule: ended.to_string(),
                    })));
                }
            }
            self.hours = hours.cloned();
            if self.hours.is_some() {
                self.hours_ended_early = self.ended_before.take().as_deref() == self.hours.as_deref();
            }
        }
        let wanted = self.mode == Mode::Normal && self.hours().is_some() && !self.exhausted;
        let may_try = self.hold_again_at.is_none_or(|at| at <= now);
        match (wanted, self.is_held()) {
            (true, false) if other_open.is_none() && may_try => {
                self.hours_began = true;
                let schedule = self.hours().unwrap_or_default().to_owned();
                acts.push(Act::Note(Event::Door(DoorEvent::ScheduleBegan {
                    door: self.settings.name.clone(),
                    schedule,
                })));
                let command = DoorCommand::Hold { not_after: now + HOURS_LAST };
                acts.push(Act::Unlock { cause: Cause::Schedule, command });
            }
            // A person who was just let in still gets through.
            (false, true) if self.mode == Mode::Normal && !self.pulse_lasts(now) => {
                acts.push(Act::Lock { reason: why_none, needs_record: false });
            }
            _ => {}
        }
        acts
    }

    /// Notes that the time is not known, so no schedule unlocks the door. What an operator decided about the hours stays valid. Call it at least
    /// once a second.
    pub fn hours_unknown(&mut self, now: Moment) -> Vec<Act> {
        let mut acts = Vec::new();
        if self.mode != Mode::Normal {
            return acts;
        }
        // Hours that an operator ended early are remembered until the time is known.
        if let Some(hours) = self.hours().filter(|_| self.hours_began) {
            let (door, schedule) = (self.settings.name.clone(), hours.to_owned());
            acts.push(Act::Note(Event::Door(DoorEvent::ScheduleEnded { door, schedule })));
            self.hours_began = false;
        }
        if self.is_held() && !self.pulse_lasts(now) {
            acts.push(Act::Lock { reason: "the time is not known", needs_record: false });
        }
        acts
    }
}
