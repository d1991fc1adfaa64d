//! Properties of the second factor: whatever is entered at whichever door, in whatever order, with answers that come late or never.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::tests::SETTINGS;
use super::*;

const DOORS: usize = 2;
const PEOPLE: u32 = 4;

/// The PIN of a person; person 4 has none.
fn pin_of(person: PersonId) -> Option<&'static str> {
    ["4071", "5082", "6093"].get(person.0 as usize - 1).copied()
}

#[derive(Clone, Debug)]
enum Step {
    /// A PIN is entered: that of a person, or nobody's.
    Enter(usize, Option<u32>),
    Present(usize, Option<u32>),
    /// A face is seen, and both cues are asked.
    See(usize, u32),
    /// The oldest check is answered.
    Answer,
    /// A door opens for somebody.
    Use(usize, u32),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (door, person) = (|| 0..DOORS, || 1..=PEOPLE);
    let somebody = move || prop::option::of(1..=3u32);
    let step = prop_oneof![
        4 => (door(), somebody()).prop_map(|(door, whose)| Step::Enter(door, whose)),
        2 => (door(), prop::option::of(person())).prop_map(|(door, whose)| Step::Present(door, whose)),
        8 => (door(), person()).prop_map(|(door, person)| Step::See(door, person)),
        6 => Just(Step::Answer),
        1 => (door(), person()).prop_map(|(door, person)| Step::Use(door, person)),
        3 => prop::sample::select(vec![200, 3000, 9000, 16_000, 70_000]).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..120)
}

/// What the newest entries at a door are, and when they were made.
#[derive(Default)]
struct Known {
    pin: Option<(Option<PersonId>, Moment)>,
    tag: Option<(Option<PersonId>, Moment)>,
}

proptest! {
    /// A cue passes only for the person whose PIN or tag was entered at that door, within the window, and only once.
    #[test]
    fn a_cue_passes_only_for_whom_an_entry_is(steps in steps()) {
        let mut factors = SecondFactors::new(SETTINGS, DOORS);
        let (mut now, mut checks) = (Moment::default(), Vec::new());
        // Entries that may count: those of the window.
        let mut entered: BTreeMap<usize, Vec<Known>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Enter(door, whose) => {
                    let whose = whose.map(PersonId);
                    let pin = whose.and_then(pin_of).unwrap_or("7777").parse().unwrap();
                    factors.entered(DoorIndex(door), Entered::Pin(pin), now);
                    entered.entry(door).or_default().push(Known { pin: Some((whose, now)), tag: None });
                }
                Step::Present(door, whose) => {
                    let whose = whose.map(PersonId);
                    factors.entered(DoorIndex(door), Entered::Tag(whose), now);
                    entered.entry(door).or_default().push(Known { pin: None, tag: Some((whose, now)) });
                }
                Step::See(door, person) => {
                    let person = PersonId(person);
                    for cue in [Cue::Pin, Cue::Tag] {
                        let report = factors.report(DoorIndex(door), cue, person, now);
                        prop_assert_ne!(report.state, CueState::CannotJudge);
                        let fits = |known: &Known| {
                            let of_cue = if cue == Cue::Pin { known.pin } else { known.tag };
                            of_cue.is_some_and(|(whose, at)| whose == Some(person) && now.since(at) <= SETTINGS.window)
                        };
                        let one_fits = entered.get(&door).is_some_and(|all| all.iter().any(fits));
                        prop_assert!(report.state != CueState::Passed || one_fits, "{person:?} {report:?}");
                    }
                    factors.hand_over(&mut |check| {
                        checks.push(check);
                        true
                    });
                }
                Step::Answer if checks.is_empty() => {}
                Step::Answer => {
                    let check = checks.remove(0);
                    let right = pin_of(check.about.person) == Some(check.pin.digits());
                    factors.checked(check.about, right, now);
                }
                Step::Use(door, person) => {
                    let person = PersonId(person);
                    factors.used(DoorIndex(door), person);
                    for cue in [Cue::Pin, Cue::Tag] {
                        prop_assert_ne!(factors.report(DoorIndex(door), cue, person, now).state, CueState::Passed);
                    }
                }
                Step::Wait(ms) => now = now + Duration::from_millis(ms),
            }
        }
    }

    /// However wrong PINs are spread over doors and time, no more are checked for one person than the waits allow.
    #[test]
    fn one_person_s_pin_is_not_tried_faster_than_the_waits_allow(gaps in prop::collection::vec(1u64..40_000, 1..200)) {
        let mut factors = SecondFactors::new(SETTINGS, DOORS);
        let (mut now, mut checked) = (Moment::default(), Vec::new());
        for (n, gap) in gaps.into_iter().enumerate() {
            now = now + Duration::from_millis(gap);
            let door = DoorIndex(n % DOORS);
            factors.entered(door, Entered::Pin("7777".parse().unwrap()), now);
            factors.report(door, Cue::Pin, PersonId(1), now);
            let mut asked = Vec::new();
            factors.hand_over(&mut |check| {
                asked.push(check.about);
                true
            });
            for about in asked {
                checked.push(now);
                factors.checked(about, false, now);
            }
        }
        // Between one check and the fifth after it lies a wait: a minute, two, four, eight, then a quarter of an hour each.
        let waits = [60, 120, 240, 480].into_iter().chain(std::iter::repeat(900));
        for (round, wait) in checked.chunks(5).zip(checked.chunks(5).skip(1)).zip(waits) {
            let (last, next) = (round.0[round.0.len() - 1], round.1[0]);
            prop_assert!(next.since(last) >= Duration::from_secs(wait), "{round:?}");
        }
    }
}
