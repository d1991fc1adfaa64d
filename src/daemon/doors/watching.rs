//! What changes by itself: the hours of a schedule, a wall clock that is set, and the distance that follows the number of people and templates.
//!
//! Knows nothing of faces and contacts.

use std::time::Duration;

use super::Doors;
use super::post::HoursEnded;
use super::standing::Entry;
use crate::access::Now;
use crate::domain::{DoorIndex, Event, GallerySize, TimeQuality, earliest};

/// The wall clock was set when it has moved by this much more or less than the time that passed.
const JUMP: Duration = Duration::from_secs(2);

/// Why a door that stood unlocked for its hours is locked again.
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
        for door in DoorIndex::all(self.posts.len()) {
            let other_open = self.other_open(door);
            let may_begin = self.authority.hours_may_begin(door, now);
            let post = &mut self.posts[door.0];
            let open = post.hours.as_mut().and_then(|hours| hours.open_at(now.wall));
            let why_none = if open.is_some() { NOBODY_CAME } else { HOURS_OVER };
            let over = |ended: &HoursEnded| now.is_known() && ended.until.is_some_and(|until| until <= now.wall);
            if post.hours_ended.as_ref().is_some_and(over) {
                // What lies in the store is read the same way after a restart.
                post.hours_ended = None;
                post.doorway.set_ended_before(None);
            }
            let acts = match (may_begin, now.is_known()) {
                (false, false) => post.doorway.hours_unknown(now.moment),
                _ => post.doorway.set_hours(open.filter(|_| may_begin), why_none, other_open.as_deref(), now.moment),
            };
            self.carry_out(door, acts, None).ok();
        }
    }

    pub(super) fn clock_was_set(&mut self, milliseconds: i64) {
        tracing::warn!(milliseconds, "the wall clock was set");
        self.note(&Event::ClockJumped { milliseconds }, &[]).ok();
    }

    /// Tells when the time is no longer known, and when it is again; then places of people are dated that could not be.
    pub(super) fn look_at_quality(&mut self, now: Now) {
        let dated = self.authority.whereabouts_mut().date(&now);
        let whereabouts = self.authority.whereabouts();
        let entries = dated.iter().map(|person| Entry::place(*person, whereabouts.of(*person, &now, None)));
        self.timekeeper.keep(entries);
        let Some((before, quality)) = self.timekeeper.changed(&now) else { return };
        let known = quality.is_known();
        // A start with the right time is nothing to tell.
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
        self.note(&Event::TimeQualityChanged { quality }, &[]).ok();
    }

    /// How far the wall clock can be relied on, as it was at the last look.
    pub fn time(&self) -> Option<TimeQuality> {
        self.clock_looked_at.map(|now| now.quality)
    }

    /// An operator says that the wall clock is right now, whatever earlier records say.
    pub fn trust_clock(&mut self, by: &str) -> Result<(), String> {
        if self.clock.wall() < earliest() {
            return Err("the clock is not set: set it first, as with `timedatectl set-time`".into());
        }
        self.timekeeper.trust(&*self.clock);
        self.note(&Event::ClockTrusted { by: by.to_owned() }, &[]).map_err(|unwritten| unwritten.reason)?;
        let now = self.now();
        self.look_at_clock(now);
        Ok(())
    }

    /// The cut follows the number of people and templates.
    pub(super) fn follow_gallery(&mut self) {
        let count = self.people.count();
        if count != self.counted {
            self.counted = count;
            let before = std::mem::replace(&mut self.cut, self.near_enough.cut(count));
            self.apply_cut(Some(before.distance.0));
        }
    }

    /// Puts the cut in force, and says so when it is another than `before`.
    pub(super) fn apply_cut(&mut self, before: Option<f32>) {
        let after = self.cut.distance;
        for post in &mut self.posts {
            post.referee.set_distance(after);
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
            let after = after.0;
            let event =
                Event::CutMoved { people, templates, before, after, false_identification_rate: rate, extrapolated };
            self.note(&event, &[Entry::cut(after)]).ok();
        }
    }
}
