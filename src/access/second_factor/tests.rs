//! Tests of the second factor, case by case.

use std::time::Duration;

use super::*;

pub(super) const SETTINGS: SecondFactorSettings = SecondFactorSettings {
    window: Duration::from_secs(15),
    backoff: Backoff { after: 5, first: Duration::from_secs(60), longest: Duration::from_secs(900) },
};

const FRONT: DoorIndex = DoorIndex(0);
const BACK: DoorIndex = DoorIndex(1);
const ADA: PersonId = PersonId(1);
const BOB: PersonId = PersonId(2);
const EVE: PersonId = PersonId(3);
const FAY: PersonId = PersonId(4);

fn at(ms: u64) -> Moment {
    Moment(Duration::from_millis(ms))
}

/// Two doors, and people with the PINs 4071 (Ada) and 5082 (Bob).
struct House {
    factors: SecondFactors,
    now: u64,
}

impl House {
    fn new() -> House {
        House { factors: SecondFactors::new(SETTINGS, 2), now: 0 }
    }

    fn enters(&mut self, door: DoorIndex, pin: &str) {
        self.factors.entered(door, Entered::Pin(pin.parse().unwrap()), at(self.now));
    }

    fn presents(&mut self, owner: Option<PersonId>) {
        self.factors.entered(FRONT, Entered::Tag(owner), at(self.now));
    }

    fn state(&mut self, door: DoorIndex, cue: Cue, person: PersonId) -> CueState {
        self.factors.report(door, cue, person, at(self.now)).state
    }

    /// What is handed over to be checked.
    fn checks(&mut self) -> Vec<PinCheck> {
        let mut checks = Vec::new();
        self.factors.hand_over(&mut |check| {
            checks.push(check);
            true
        });
        checks
    }

    fn answer(&mut self, check: &PinCheck) {
        let right = matches!((check.about.person, check.pin.digits()), (ADA, "4071") | (BOB, "5082"));
        self.factors.checked(check.about, right, at(self.now));
    }

    /// Asks about a person's PIN, has it checked, and asks again.
    fn pin(&mut self, door: DoorIndex, person: PersonId) -> CueState {
        self.state(door, Cue::Pin, person);
        for check in self.checks() {
            self.answer(&check);
        }
        self.state(door, Cue::Pin, person)
    }

    fn input(&mut self, person: PersonId) -> String {
        self.factors.report(FRONT, Cue::Pin, person, at(self.now)).input
    }
}

#[test]
fn an_entry_waits_for_a_face_and_a_face_for_an_entry() {
    let mut house = House::new();
    house.enters(FRONT, "4071");
    house.now = 15_000;
    assert_eq!(house.state(FRONT, Cue::Pin, ADA), CueState::Waiting, "being checked");
    assert_eq!(house.pin(FRONT, ADA), CueState::Passed);
    assert_eq!(house.input(ADA), "entered 15.0 s before");
    assert_eq!(house.pin(BACK, ADA), CueState::Waiting, "another door");
    house.now = 15_001;
    assert_eq!(house.pin(FRONT, ADA), CueState::Waiting, "too long ago");
    assert_eq!(house.input(ADA), "nothing entered");

    // The face first.
    house.enters(FRONT, "4071");
    assert_eq!(house.pin(FRONT, ADA), CueState::Passed);
    house.factors.used(FRONT, ADA);
    assert_eq!(house.pin(FRONT, ADA), CueState::Waiting, "it serves once");
}

#[test]
fn a_pin_is_that_of_the_face_or_none() {
    let mut house = House::new();
    house.enters(FRONT, "5082");
    assert_eq!(house.pin(FRONT, ADA), CueState::Failed, "Bob's");
    assert_eq!(house.pin(FRONT, EVE), CueState::Failed, "she has none");
    assert_eq!(house.input(ADA), house.input(EVE), "nothing tells one from the other");
    // Bob stands behind her. It was his, and nobody made a mistake.
    assert_eq!(house.pin(FRONT, BOB), CueState::Passed);
    assert_eq!(house.pin(FRONT, ADA), CueState::Waiting);
    house.factors.used(FRONT, BOB);
    for _ in 0..4 {
        house.enters(FRONT, "0000");
        house.pin(FRONT, ADA);
    }
    house.enters(FRONT, "4071");
    assert_eq!(house.pin(FRONT, ADA), CueState::Passed, "four wrong ones, not five");
}

#[test]
fn one_entry_is_not_tried_on_everybody() {
    let mut house = House::new();
    house.enters(FRONT, "4071");
    for person in [BOB, EVE, FAY] {
        assert_eq!(house.pin(FRONT, person), CueState::Failed);
    }
    assert_eq!(house.pin(FRONT, ADA), CueState::Waiting);
    assert_eq!(house.checks(), [], "a fourth face has to enter it again");
}

#[test]
fn five_wrong_entries_in_a_row_make_the_person_wait_at_every_door() {
    let mut house = House::new();
    for (n, door) in [FRONT, BACK, FRONT, BACK, FRONT].into_iter().enumerate() {
        house.now = 1000 * n as u64;
        house.enters(door, "0000");
        assert_eq!(house.pin(door, ADA), CueState::Failed);
    }
    house.now = 5000;
    house.enters(BACK, "4071");
    assert_eq!(house.pin(BACK, ADA), CueState::Failed, "the right one is not even checked");
    assert!(house.input(ADA).ends_with("s left of the wait after wrong entries"), "{}", house.input(ADA));
    house.enters(BACK, "5082");
    assert_eq!(house.pin(BACK, BOB), CueState::Passed, "another person, and three wrong ones at that door");
    house.now = 65_000;
    house.enters(BACK, "4071");
    assert_eq!(house.pin(BACK, ADA), CueState::Passed, "the wait is over");
}

#[test]
fn a_door_waits_after_five_wrong_entries_whoever_made_them() {
    let mut house = House::new();
    for person in [ADA, BOB, EVE, FAY, ADA] {
        house.enters(FRONT, "0000");
        house.pin(FRONT, person);
        house.now += 1000;
    }
    assert_eq!(house.state(FRONT, Cue::Pin, BOB), CueState::Failed);
    assert_eq!(house.state(FRONT, Cue::Tag, BOB), CueState::Failed);
    house.presents(Some(BOB));
    assert_eq!(house.state(FRONT, Cue::Tag, BOB), CueState::Failed, "it was not taken in");
    house.enters(BACK, "5082");
    assert_eq!(house.pin(BACK, BOB), CueState::Passed, "the other door does not wait");
}

#[test]
fn a_tag_is_that_of_the_face() {
    let mut house = House::new();
    assert_eq!(house.state(FRONT, Cue::Tag, ADA), CueState::Waiting);
    house.presents(Some(BOB));
    assert_eq!(house.state(FRONT, Cue::Tag, ADA), CueState::Failed);
    let others = house.factors.report(FRONT, Cue::Tag, ADA, at(0)).input;
    assert_eq!(house.state(FRONT, Cue::Tag, BOB), CueState::Passed);
    assert_eq!(house.state(FRONT, Cue::Tag, ADA), CueState::Waiting, "it is Bob's, who is here, too");
    assert_eq!(house.state(FRONT, Cue::Pin, BOB), CueState::Waiting, "a tag is no PIN");
    house.factors.used(FRONT, BOB);
    assert_eq!(house.state(FRONT, Cue::Tag, BOB), CueState::Waiting);
    house.presents(None);
    assert_eq!(house.state(FRONT, Cue::Tag, ADA), CueState::Failed);
    assert_eq!(house.factors.report(FRONT, Cue::Tag, ADA, at(0)).input, others, "one that nobody has looks the same");
    house.now = 15_001;
    assert_eq!(house.state(FRONT, Cue::Tag, ADA), CueState::Waiting);
}

#[test]
fn a_wrong_tag_counts_once_however_often_the_face_is_seen() {
    let mut house = House::new();
    house.presents(None);
    for _ in 0..100 {
        assert_eq!(house.state(FRONT, Cue::Tag, ADA), CueState::Failed);
    }
    house.presents(Some(ADA));
    assert_eq!(house.state(FRONT, Cue::Tag, ADA), CueState::Passed);
}

#[test]
fn a_pin_is_not_replaced_while_it_is_checked_and_a_late_answer_counts() {
    let mut house = House::new();
    house.enters(FRONT, "0000");
    house.state(FRONT, Cue::Pin, ADA);
    let check = house.checks().remove(0);
    house.enters(FRONT, "4071");
    assert_eq!(house.checks(), [], "one at a time");
    house.answer(&check);
    assert_eq!(house.state(FRONT, Cue::Pin, ADA), CueState::Failed);
    // Answers that come after their entry has expired.
    for _ in 0..4 {
        house.enters(FRONT, "0000");
        house.state(FRONT, Cue::Pin, ADA);
        let check = house.checks().remove(0);
        house.now += 15_001;
        house.answer(&check);
    }
    assert_eq!(house.state(FRONT, Cue::Pin, ADA), CueState::Failed, "five of them");
}

#[test]
fn what_cannot_be_handed_over_is_handed_over_later() {
    let mut house = House::new();
    house.enters(FRONT, "4071");
    house.enters(BACK, "5082");
    house.state(FRONT, Cue::Pin, ADA);
    house.state(BACK, Cue::Pin, BOB);
    let mut taken = 0;
    house.factors.hand_over(&mut |_| {
        taken += 1;
        taken == 1
    });
    assert_eq!(taken, 2);
    let left = house.checks();
    assert_eq!(left.iter().map(|check| check.about.person).collect::<Vec<_>>(), [BOB]);
    assert!(!format!("{:?}", house.factors).contains("5082"), "a PIN is never printed");
}

#[test]
fn other_cues_and_other_doors_are_not_known_here() {
    let mut house = House::new();
    assert_eq!(house.state(FRONT, Cue::Challenge, ADA), CueState::CannotJudge);
    house.enters(DoorIndex(7), "4071");
    assert_eq!(house.state(DoorIndex(7), Cue::Pin, ADA), CueState::Waiting);
    house.factors.used(DoorIndex(7), ADA);
}
