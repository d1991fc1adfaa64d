//! Who is refused, and how often, computed from the journal.
//!
//! A refusal as unknown names nobody: the nearest person may be somebody else. So a person counts as missed only where the journal shows that
//! it was they: within a minute after the refusal, the same door opened for the person who was nearest. Somebody who gives up after a refusal is
//! not in that count; [`Tally::near_misses`] is the hint of them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::Dated;
use crate::domain::{AccessEvent, Decided, Event, Named, Outcome, PersonId, Personal, Reason};

/// Grants of one person at one door are one visit if they are no further apart than this; and a refusal before a grant belongs to its visit.
pub const VISIT: Duration = Duration::from_secs(60);
/// A refused face is a near miss for the nearest person if it is beyond the limit by no more than this, as for the pauses of a door.
pub const NEAR: f64 = 0.1;

/// What happened to a person, to the people of a group, or to all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Visits in which a door opened for them.
    pub visits: u64,
    /// Those of them in which they were not recognised at first.
    pub missed: u64,
    /// Refusals of a person who was recognised, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Refusals of a face that was nearly near enough to them, and that no grant followed: perhaps they, perhaps somebody who looks like them.
    pub near_misses: u64,
}

/// All counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Refusals {
    /// Each person with their newest name and groups.
    pub people: BTreeMap<PersonId, (Named, Tally)>,
    /// By the groups that people were in at that time.
    pub groups: BTreeMap<String, Tally>,
    pub all: Tally,
    /// Refusals of faces that belong to nobody's visit and are near nobody, by reason.
    pub others: BTreeMap<&'static str, u64>,
    /// By door: what waits for a grant, oldest first.
    waiting: BTreeMap<String, Vec<Waiting>>,
    /// The latest grant of each person at each door.
    granted: BTreeMap<(String, PersonId), SystemTime>,
}

/// A refusal of a face that was not recognised.
#[derive(Clone, Debug, PartialEq)]
struct Waiting {
    at: SystemTime,
    reason: Reason,
    nearest: Option<Named>,
    near: bool,
}

impl Refusals {
    /// Takes in a record. Records must come in the order of their numbers.
    pub fn add(&mut self, dated: &Dated) {
        match dated.record.content.event() {
            Some(Event::Access(AccessEvent::Decided(decided))) => self.decided(decided, dated.at),
            Some(Event::Access(AccessEvent::DenialsRepeated { reason, person, count, .. })) => {
                match person.as_ref().and_then(Personal::known) {
                    Some(person) => self.each(person, |tally| add(&mut tally.refused, *reason, *count)),
                    None => add(&mut self.others, *reason, *count),
                }
            }
            _ => {}
        }
    }

    /// The counts, once all records were taken in.
    pub fn finish(mut self) -> Refusals {
        for refusal in std::mem::take(&mut self.waiting).into_values().flatten() {
            self.give_up(&refusal);
        }
        self.granted.clear();
        self
    }

    fn decided(&mut self, decided: &Decided, at: SystemTime) {
        let door = decided.door.to_string();
        self.expire(&door, at);
        let person = decided.person.as_ref().and_then(Personal::known).cloned();
        match (decided.outcome, person) {
            (Outcome::Granted, Some(person)) => self.grant(door, &person, at),
            (Outcome::Granted, None) => self.all.visits = self.all.visits.saturating_add(1),
            (Outcome::Denied(reason), Some(person)) if reason.is_about_the_person() => {
                self.each(&person, |tally| add(&mut tally.refused, reason, 1));
            }
            (Outcome::Denied(reason), nearest) => {
                let near = is_near(decided);
                self.waiting.entry(door).or_default().push(Waiting { at, reason, nearest, near });
            }
        }
    }

    fn grant(&mut self, door: String, person: &Named, at: SystemTime) {
        let waiting = self.waiting.entry(door.clone()).or_default();
        let theirs = |refusal: &Waiting| refusal.nearest.as_ref().is_some_and(|nearest| nearest.id == person.id);
        let before = waiting.len();
        waiting.retain(|refusal| !theirs(refusal));
        let missed = u64::from(waiting.len() < before);
        let last = self.granted.insert((door, person.id), at);
        // A clock that was set back begins a new visit.
        let goes_on = last.is_some_and(|last| at.duration_since(last).is_ok_and(|since| since <= VISIT));
        if !goes_on {
            self.each(person, |tally| {
                tally.visits = tally.visits.saturating_add(1);
                tally.missed = tally.missed.saturating_add(missed);
            });
        }
    }

    /// Gives up refusals at `door` that are too old for a grant at `now`.
    fn expire(&mut self, door: &str, now: SystemTime) {
        let Some(waiting) = self.waiting.get_mut(door) else { return };
        let fresh = |refusal: &Waiting| now.duration_since(refusal.at).is_ok_and(|since| since <= VISIT);
        let (fresh, old): (Vec<Waiting>, Vec<Waiting>) = waiting.drain(..).partition(fresh);
        *waiting = fresh;
        old.iter().for_each(|refusal| self.give_up(refusal));
    }

    fn give_up(&mut self, refusal: &Waiting) {
        match &refusal.nearest {
            Some(person) if refusal.near => {
                self.each(person, |tally| tally.near_misses = tally.near_misses.saturating_add(1))
            }
            _ => add(&mut self.others, refusal.reason, 1),
        }
    }

    /// Counts for the person, each of their groups, and all.
    fn each(&mut self, person: &Named, count: impl Fn(&mut Tally)) {
        let own = self.people.entry(person.id).or_insert_with(|| (person.clone(), Tally::default()));
        if person.name.is_some() {
            own.0 = person.clone();
        }
        count(&mut own.1);
        for group in person.card.iter().flat_map(|card| &card.groups) {
            count(self.groups.entry(group.clone()).or_default());
        }
        count(&mut self.all);
    }
}

fn add(counts: &mut BTreeMap<&'static str, u64>, reason: Reason, more: u64) {
    let count = counts.entry(reason.as_str()).or_default();
    *count = count.saturating_add(more);
}

/// Whether the face was nearly near enough, by the limit that the record states.
fn is_near(decided: &Decided) -> bool {
    let limit =
        decided.gates.iter().find(|gate| gate.name == "distance").and_then(|gate| gate.limit.strip_prefix("at most "));
    match (decided.distance, limit.and_then(|limit| limit.parse::<f64>().ok())) {
        (Some(distance), Some(limit)) => f64::from(distance.0) <= limit + NEAR,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Stamp;
    use crate::domain::{Decision, Distance, Gate, Match, Moment, TrackId, Verdict};
    use crate::ledger::{Journal, ReadOrder, RecordFilter};
    use crate::store::Store;

    const ADA: PersonId = PersonId(1);

    fn named(id: PersonId) -> Named {
        Named::new(id, format!("person {id}"), None, vec!["staff".into(), format!("floor {id}")])
    }

    /// A decision about the nearest person, at a distance from a limit of 1.
    fn decision(verdict: Verdict, nearest: PersonId, distance: f32) -> Event {
        let mut decision = Decision::at_porch(verdict, 1, Moment::default(), TrackId(1));
        decision.nearest = Some(Match { person: nearest, distance: Distance(distance), runner_up: None });
        decision.gates = vec![Gate::new("distance", "", "at most 1.0000", distance <= 1.0)];
        Event::Access(AccessEvent::Decided(Box::new(Decided::new(
            "front".into(),
            None,
            Some(named(nearest)),
            None,
            decision,
        ))))
    }

    fn grant(person: PersonId) -> Event {
        decision(Verdict::Grant { person }, person, 0.6)
    }

    fn denial(reason: Reason, nearest: PersonId, distance: f32) -> Event {
        decision(Verdict::Deny { reason }, nearest, distance)
    }

    /// The counts of events at these seconds.
    fn counted(events: Vec<(u64, Event)>) -> Refusals {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let journal = Journal::open(&store).unwrap();
        for (second, event) in &events {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second);
            journal.append(event, &Stamp::at(at)).unwrap();
        }
        let mut refusals = Refusals::default();
        let records = journal.select(.., ReadOrder::OldestFirst, usize::MAX, &RecordFilter::default()).unwrap();
        records.iter().for_each(|dated| refusals.add(dated));
        refusals.finish()
    }

    #[test]
    fn a_refusal_before_a_grant_is_a_miss_of_that_person() {
        let found = counted(vec![
            (0, denial(Reason::Unknown, ADA, 1.3)),
            (10, denial(Reason::PoorView, ADA, 1.5)),
            (20, grant(ADA)),
            // Stays before the camera: the same visit.
            (40, grant(ADA)),
            (1000, grant(ADA)),
            // Too long before.
            (2000, denial(Reason::Unknown, ADA, 1.02)),
            (2061, grant(ADA)),
        ]);
        let (who, tally) = &found.people[&ADA];
        assert_eq!(who.name.as_deref(), Some("person 1"));
        assert_eq!((tally.visits, tally.missed, tally.near_misses), (3, 1, 1));
        assert_eq!(found.groups["staff"], *tally);
        assert_eq!(found.all, *tally);
        assert!(found.others.is_empty());
    }

    #[test]
    fn a_stranger_is_nobody_s_miss() {
        let found = counted(vec![
            (0, denial(Reason::Unknown, ADA, 1.3)),
            (5, grant(PersonId(2))),
            (500, denial(Reason::Unknown, ADA, 1.09)),
            (600, denial(Reason::Ambiguous, ADA, 0.9)),
        ]);
        assert_eq!(found.people[&PersonId(2)].1, Tally { visits: 1, ..Tally::default() });
        assert_eq!(found.people[&ADA].1, Tally { near_misses: 2, ..Tally::default() });
        assert_eq!(found.others, BTreeMap::from([("unknown", 1)]));
        assert_eq!(found.groups["floor 2"].visits, 1);
        assert_eq!(found.all.visits, 1);
    }

    #[test]
    fn refusals_of_a_known_person_are_counted_by_reason() {
        let repeated = |person| {
            Event::Access(AccessEvent::DenialsRepeated {
                door: "front".into(),
                camera: "porch".into(),
                direction: None,
                reason: Reason::Expired,
                person,
                count: 4,
                faces: 1,
                span: Duration::from_secs(60),
            })
        };
        let found = counted(vec![
            (0, denial(Reason::Expired, ADA, 0.5)),
            (1, repeated(Some(named(ADA).into()))),
            (2, repeated(None)),
            (3, repeated(Some(Personal::Erased))),
        ]);
        assert_eq!(found.people[&ADA].1.refused, BTreeMap::from([("expired", 5)]));
        assert_eq!(found.others, BTreeMap::from([("expired", 8)]));
        assert_eq!(counted(Vec::new()), Refusals::default());
    }
}
