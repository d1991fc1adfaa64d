//! Back-off after near misses: after several near misses for one person at one door, grants of that person are delayed there, each time
//! twice as long.
//!
//! Only near misses count, so a stranger at the camera delays only people whom the stranger resembles. The delay is for faces near the limit,
//! such as a lookalike's: a person whose own face is clear is not delayed, and does not end the delay either.

use std::collections::BTreeMap;

use super::person::Clear;
use super::waits::{Backoff, Failures};
use crate::domain::{DoorIndex, Gate, Moment, PersonId};

/// Near misses by door and person. Memory is bounded by people times doors; old entries are dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct NearMisses(BTreeMap<(DoorIndex, PersonId), Failures>);

impl NearMisses {
    /// Counts a face that nearly passed for `person` at `door`.
    pub fn miss(&mut self, settings: &Backoff, door: DoorIndex, person: PersonId, now: Moment) {
        self.forget(settings, now);
        if settings.after == 0 {
            return;
        }
        self.0.entry((door, person)).or_insert(Failures::none(now)).add(settings, now);
    }

    /// Resets the misses of `person`, who was let in at `door`. A running wait continues: the person let in meanwhile had a clear face, so the
    /// misses were someone else's.
    pub fn clear(&mut self, door: DoorIndex, person: PersonId, now: Moment) {
        if self.0.get(&(door, person)).is_some_and(|count| count.until(now).is_none()) {
            self.0.remove(&(door, person));
        }
    }

    /// The gate `backoff`, for a face that is `clear` or not; `None` if the back-off is disabled.
    pub fn gate(
        &self,
        settings: &Backoff,
        door: DoorIndex,
        person: PersonId,
        clear: Option<Clear>,
        now: Moment,
    ) -> Option<Gate> {
        if settings.after == 0 {
            return None;
        }
        let count = self.0.get(&(door, person)).filter(|count| !forgotten(count, settings, now));
        let (input, passed) = match count.map(|count| (count, count.until(now))) {
            Some((_, Some(until))) => {
                let left = until.since(now).as_millis().div_ceil(1000);
                let wait = format!("{left} s left of the wait after near misses");
                match clear {
                    Some(Clear { frames, farthest }) => {
                        (format!("{wait}; not for a clear face: {frames} of {frames} frames within {farthest}"), true)
                    }
                    None => (wait, false),
                }
            }
            Some((count, None)) => (format!("{} near misses", count.in_a_row()), true),
            None => ("no near misses".to_owned(), true),
        };
        let limit = format!("{} near misses begin a wait", settings.after);
        Some(Gate::new("backoff", input, limit, passed))
    }

    fn forget(&mut self, settings: &Backoff, now: Moment) {
        self.0.retain(|_, count| !forgotten(count, settings, now));
    }
}

/// Near misses further apart than the longest wait do not add up.
fn forgotten(count: &Failures, settings: &Backoff, now: Moment) -> bool {
    count.idle(now) > settings.longest
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::Distance;

    const SETTINGS: Backoff = Backoff { after: 3, first: Duration::from_secs(10), longest: Duration::from_secs(30) };
    const ADA: PersonId = PersonId(1);
    const FRONT: DoorIndex = DoorIndex(0);

    fn at(second: u64) -> Moment {
        Moment(Duration::from_secs(second))
    }

    fn waits(near_misses: &NearMisses, now: u64) -> bool {
        !near_misses.gate(&SETTINGS, FRONT, ADA, None, at(now)).unwrap().passed
    }

    #[test]
    fn waits_start_after_some_misses_and_double_up_to_the_longest() {
        let mut near_misses = NearMisses::default();
        let mut now = 0;
        for wait in [10, 20, 30, 30] {
            for _ in 0..3 {
                assert!(!waits(&near_misses, now));
                near_misses.miss(&SETTINGS, FRONT, ADA, at(now));
            }
            assert!(waits(&near_misses, now + wait - 1) && !waits(&near_misses, now + wait));
            now += wait;
        }
    }

    #[test]
    fn others_and_other_doors_do_not_wait() {
        let mut near_misses = NearMisses::default();
        (0..3).for_each(|_| near_misses.miss(&SETTINGS, FRONT, ADA, at(0)));
        assert!(near_misses.gate(&SETTINGS, DoorIndex(1), ADA, None, at(0)).unwrap().passed);
        assert!(near_misses.gate(&SETTINGS, FRONT, PersonId(2), None, at(0)).unwrap().passed);
    }

    #[test]
    fn a_clear_face_neither_waits_nor_ends_the_wait() {
        let clear = Some(Clear { frames: 3, farthest: Distance(0.5) });
        let mut near_misses = NearMisses::default();
        (0..3).for_each(|_| near_misses.miss(&SETTINGS, FRONT, ADA, at(0)));
        let gate = near_misses.gate(&SETTINGS, FRONT, ADA, clear, at(1)).unwrap();
        assert!(gate.passed && gate.input.contains("9 s left") && gate.input.contains("within 0.500"), "{gate:?}");
        near_misses.clear(FRONT, ADA, at(1));
        assert!(waits(&near_misses, 2) && !waits(&near_misses, 10));
        near_misses.clear(FRONT, ADA, at(10));
        assert!(near_misses.0.is_empty(), "once it is over, the count is dropped");
    }

    #[test]
    fn misses_far_apart_do_not_add_up() {
        let mut near_misses = NearMisses::default();
        for second in [0, 31, 62, 93] {
            near_misses.miss(&SETTINGS, FRONT, ADA, at(second));
            assert!(!waits(&near_misses, second));
        }
        assert_eq!(near_misses.0.len(), 1);
        near_misses.miss(&SETTINGS, FRONT, PersonId(2), at(1000));
        assert_eq!(near_misses.0.len(), 1, "the old one is forgotten");
    }

    #[test]
    fn zero_disables_the_backoff() {
        let off = Backoff { after: 0, ..SETTINGS };
        let mut near_misses = NearMisses::default();
        (0..9).for_each(|_| near_misses.miss(&off, FRONT, ADA, at(0)));
        assert_eq!(near_misses.gate(&off, FRONT, ADA, None, at(0)), None);
    }
}
