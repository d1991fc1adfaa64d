//! Where people are: what the doors see, and what other boards of the site tell. What they told is taken in before anybody is judged; what is seen here is
//! handed on after it is recorded.

use std::time::Duration;

use super::Doors;
use super::door::PassingPerson;
use crate::access::{Now, Passage, When};
use crate::daemon::site_places::{News, SeenPlace};
use crate::domain::{AccessEvent, DoorIndex, Event, PersonId};
use crate::office::saved::{SavedEntry, SavedState};

impl Doors {
    /// The number of people in each zone that is not empty.
    pub fn occupancy(&self) -> Vec<(String, usize)> {
        self.authority.whereabouts().counts().into_iter().map(|(zone, count)| (zone.to_owned(), count)).collect()
    }

    /// Somebody went through the door.
    pub(super) fn passed(&mut self, door: DoorIndex, Passage { who, record }: Passage<PassingPerson>) {
        let now = self.now();
        let PassingPerson { person, direction } = who;
        let (id, marked) = (person.id, self.authority.whereabouts().is_marked(person.id));
        let zone = self.authority.passed(door, id, direction, now);
        let place = self.authority.whereabouts().of(id, &now, None);
        let mut saved: Vec<SavedEntry> = zone.iter().map(|_| SavedEntry::place(id, place)).collect();
        saved.extend((marked && zone.is_some()).then(|| SavedEntry::forgotten(id, None)));
        let door = self.doors[door].name.clone();
        let passed = AccessEvent::Passed { door, person: person.into(), direction, zone: zone.clone(), record };
        self.note(&Event::Access(passed), &saved).ok();
        if zone.is_some() {
            self.hand_on(id, zone, &When::of(&now), &now);
        }
    }

    /// Takes over what was forgotten before a restart, and tells the task of all places that are kept here.
    pub(super) fn begin_places(&mut self, saved: &SavedState, now: &Now) {
        if self.places.is_none() {
            return;
        }
        let whereabouts = self.authority.whereabouts_mut();
        for (person, since) in &saved.forgotten {
            if whereabouts.of(*person, now, None).is_none() {
                whereabouts.mark_forgotten(*person, *since);
            }
        }
        self.hand_all_on(now);
        self.follow_places();
    }

    /// Hands on everything that was seen here: at the start, and once the time is known, which dates what had no date.
    pub(super) fn hand_all_on(&self, now: &Now) {
        if self.places.is_some() {
            for (person, zone, since) in self.authority.whereabouts().own() {
                self.hand_on(person, zone.map(str::to_owned), &since, now);
            }
        }
    }

    /// Takes in what other boards told, if something is new.
    pub(super) fn follow_places(&mut self) {
        let Some(News { told, everybody, site }) = self.places.as_ref().and_then(|places| places.news()) else {
            return;
        };
        let now = self.now();
        self.authority.hear_of_places(site, told, everybody, &now);
    }

    /// Hands on where somebody went, or that it was forgotten (`None`).
    pub(super) fn hand_on(&self, person: PersonId, zone: Option<String>, since: &When, now: &Now) {
        let Some(places) = &self.places else { return };
        let now_ms = i64::try_from(now.moment.0.as_millis()).unwrap_or(i64::MAX);
        let before = |ago: Duration| now_ms.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX));
        places.saw(person, SeenPlace { zone, at_ms: since.ago(now).map(before) });
    }

    /// Forgets where somebody is, here and at the other boards of the site.
    pub(super) fn forget_place(&mut self, person: PersonId, now: &Now) {
        let whereabouts = self.authority.whereabouts_mut();
        whereabouts.forget(person);
        if self.places.is_some() {
            whereabouts.mark_forgotten(person, When::of(now));
            self.hand_on(person, None, &When::of(now), now);
        }
    }

    /// What to save when the place of somebody is forgotten.
    pub(super) fn saved_without_place(&self, person: PersonId, now: &Now) -> Vec<SavedEntry> {
        let mark = self.places.as_ref().map(|_| SavedEntry::forgotten(person, Some(&When::of(now))));
        std::iter::once(SavedEntry::place(person, None)).chain(mark).collect()
    }
}
