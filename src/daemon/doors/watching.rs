//! Changes that nothing at the door causes: the hours of a schedule, a wall clock that is set, and the distance that follows the number of people
//! and templates.

use std::time::Duration;

use super::Doors;
use crate::access::Now;
use crate::domain::{AccessEvent, DaemonEvent, Distance, Event, GallerySize, TimeQuality};
use crate::office::saved::HoursEnded;
use crate::office::saved::SavedEntry;

/// The wall clock was set if it has moved by this much more or less than the time that passed.
const JUMP: Duration = Duration::from_secs(2);

/// Why a door is locked after its unlock hours.
const HOURS_OVER: &str = "the hours are over";
const NOBODY_CAME: &str = "a new day began, and nobody of the group that opens it has come yet";

impl Doors {
    pub(super) fn look_at_clock(&mut self, now: Now) {
        if let Some(before) = self.clock_looked_at {
            let expected = before.wall + now.moment.since(before.moment);
            let jump = now.wall.duration_since(expected);
            if jump.unsigned_abs() > JUMP {
                self.clock_was_set(i64::try_from(jump.as_millis()).unwrap_or(i64::MAX));
            }
        }
        self.clock_looked_at = Some(now);
        self.look_at_quality(now);
        for door in self.doors.indices() {
            let other_open = self.other_open(door);
            let may_begin = self.authority.hours_may_begin(door, now);
            let this = &mut self.doors[door];
            let open = this.hours.as_mut().and_then(|hours| hours.open_at(now.wall));
            let why_none = if open.is_some() { NOBODY_CAME } else { HOURS_OVER };
            let over = |ended: &HoursEnded| now.is_known() && ended.until.is_some_and(|until| until <= now.wall);
            if this.hours_ended.as_ref().is_some_and(over) {
                // The saved entry is read the same way after a restart.
                this.hours_ended = None;
                this.doorway.set_ended_before(None);
            }
            let acts = match (may_begin, now.is_known()) {
                (false, false) => this.doorway.hours_unknown(now.moment),
                _ => this.doorway.set_hours(open.filter(|_| may_begin), why_none, other_open.as_deref(), now.moment),
            };
            self.carry_out(door, acts, None).ok();
        }
    }

    pub(super) fn clock_was_set(&mut self, milliseconds: i64) {
        tracing::warn!(milliseconds, "the wall clock was set");
        self.note(&Event::Daemon(DaemonEvent::ClockJumped { milliseconds }), &[]).ok();
    }

    /// Records that the time is no longer known, or is known again. Then also dates the places of people that had no date.
    pub(super) fn look_at_quality(&mut self, now: Now) {
        let dated = self.authority.whereabouts_mut().date(&now);
        let whereabouts = self.authority.whereabouts();
        let entries = dated.iter().map(|person| SavedEntry::place(*person, whereabouts.of(*person, &now, None)));
        self.timekeeper.keep(entries);
        if !dated.is_empty() {
            self.hand_all_on(&now);
        }
        let Some((before, quality)) = self.timekeeper.changed(&now) else { return };
        let known = quality.is_known();
        if known {
            self.hand_all_on(&now);
        }
        // A start with the right time needs no record.
        if before.is_none_or(TimeQuality::is_known) == known {
            return;
        }
        match known {
            true => tracing::info!(quality = quality.as_str(), "the time is known again"),
            false => tracing::warn!(
                quality = quality.as_str(),
                "the time is not known: rules that need the day or the hour go by [time] without_sync"
            ),
        }
        self.note(&Event::Daemon(DaemonEvent::TimeQualityChanged { quality }), &[]).ok();
    }

    /// How far the wall clock could be relied on when it was last checked.
    pub fn time(&self) -> Option<TimeQuality> {
        self.clock_looked_at.map(|now| now.quality)
    }

    /// Adjusts the cut to the number of people and templates.
    pub(super) fn follow_gallery(&mut self) {
        let count = self.people.count();
        if count != self.counted {
            self.counted = count;
            let before = std::mem::replace(&mut self.cut, self.near_enough.cut(count));
            self.apply_cut(Some(before.distance.0));
        }
    }

    /// Applies the cut, and records it if it differs from `before`.
    pub(super) fn apply_cut(&mut self, before: Option<f32>) {
        let after = self.cut.distance;
        for this in self.doors.iter_mut() {
            this.referee.set_distance(after);
        }
        let moved = before.filter(|before| *before != after.0);
        if let (Some(before), Some(rate)) = (moved, self.near_enough.false_identification_rate()) {
            let GallerySize { people, templates } = self.counted;
            let extrapolated = self.cut.extrapolated;
            tracing::info!(
                people,
                templates,
                before,
                after = after.0,
                extrapolated,
                "the distance that is near enough has moved"
            );
            let event = AccessEvent::CutMoved {
                people,
                templates: Some(templates),
                before: Distance(before),
                after,
                false_identification_rate: rate,
                extrapolated,
            };
            self.note(&event.into(), &[SavedEntry::cut(after.0)]).ok();
        }
    }
}
