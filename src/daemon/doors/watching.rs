//! What changes by itself: the hours of a schedule, a wall clock that is set, and the distance that follows the number of people and templates.
//!
//! Knows nothing of faces and contacts.

use std::time::Duration;

use super::Doors;
use super::standing::Entry;
use crate::access::Now;
use crate::domain::{Event, GallerySize};

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
                self.clock_was_set(now, i64::try_from(jump.as_millis()).unwrap_or(i64::MAX));
            }
        }
        self.clock_looked_at = Some(now);
        for door in 0..self.posts.len() {
            let other_open = self.other_open(door);
            let may_begin = self.authority.first_person_came(door, now);
            let post = &mut self.posts[door];
            let open = post.hours.as_mut().and_then(|hours| hours.open_at(now.wall));
            let why_none = if open.is_some() { NOBODY_CAME } else { HOURS_OVER };
            if post.hours_ended.as_ref().is_some_and(|ended| ended.until.is_some_and(|until| until <= now.wall)) {
                // What lies in the store is read the same way after a restart.
                post.hours_ended = None;
                post.doorway.set_ended_before(None);
            }
            let acts = post.doorway.set_hours(open.filter(|_| may_begin), why_none, other_open.as_deref(), now.moment);
            self.carry_out(door, acts, None).ok();
        }
    }

    pub(super) fn clock_was_set(&mut self, now: Now, milliseconds: i64) {
        tracing::warn!(milliseconds, "the wall clock was set");
        self.authority.whereabouts_mut().clock_was_set(now.wall);
        self.note(&Event::ClockJumped { milliseconds }, &[]).ok();
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
