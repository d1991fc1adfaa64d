//! Tests of what is asked of whom beyond the face, and of two people who are both asked.

use super::tests::*;
use super::*;

fn permit(group: &str, schedule: Option<ScheduleIndex>, assurance: Option<&[Assurance]>) -> Permit {
    Permit { groups: vec![group.into()], schedule, assurance: assurance.map(<[Assurance]>::to_vec) }
}

fn asked(authority: &mut Authority, groups: &[&str], at: &str) -> Vec<Assurance> {
    ask_at(authority, FRONT, None, &holder(1, groups), &Mode::Normal, now(at)).assurance
}

/// A Sunday, on which the office hours are closed.
const SUNDAY: &str = "2026-01-18T09:00:00Z";

#[test]
fn the_door_s_tiers_count_unless_a_permit_has_its_own() {
    use Assurance::{Challenge, FacePin, Recognised};
    let mut without = house(DoorRules { assurance: vec![Challenge], ..DoorRules::default() }, Passback::Off);
    assert_eq!(asked(&mut without, &[], WEDNESDAY), [Challenge]);
    let rules = DoorRules {
        permits: Some(vec![
            permit("staff", Some(ScheduleIndex(0)), Some(&[Recognised])),
            permit("guards", None, None),
            permit("night", None, Some(&[FacePin])),
        ]),
        assurance: vec![Challenge],
        ..DoorRules::default()
    };
    let mut authority = house(rules, Passback::Off);
    assert_eq!(asked(&mut authority, &["staff"], WEDNESDAY), [Recognised]);
    assert_eq!(asked(&mut authority, &["guards"], WEDNESDAY), [Challenge], "left to the door");
    // Of several permits that let them pass now, any suffices; one that is closed says nothing.
    assert_eq!(asked(&mut authority, &["staff", "guards", "night"], WEDNESDAY), [Recognised, Challenge, FacePin]);
    assert_eq!(asked(&mut authority, &["staff", "night"], SUNDAY), [FacePin]);
    // Nobody lets them pass: what is asked does not matter, and is the door's.
    assert_eq!(asked(&mut authority, &["staff"], SUNDAY), [Challenge]);
    assert_eq!(asked(&mut authority, &["guests"], WEDNESDAY), [Challenge]);
}

#[test]
fn only_a_person_who_has_shown_what_is_asked_waits_for_a_second_one() {
    let rules = DoorRules {
        two_person: Some(Duration::from_secs(15)),
        assurance: vec![Assurance::Challenge],
        ..DoorRules::default()
    };
    let mut authority = house(rules, Passback::Off);
    let start = now(WEDNESDAY);
    let mut go = |person: u32, assured: bool| {
        let shown = Shown { assured, ..Shown::person(person) };
        let asking = holder(person, &[]);
        let first = authority.waits(FRONT).map(|first| holder(first.0, &[]));
        let request = PassRequest {
            door: FRONT,
            direction: None,
            holder: &asking,
            shown: Some(&shown),
            first: first.as_ref(),
            mode: &Mode::Normal,
            other_open: None,
            interlocked: false,
        };
        let judgement = authority.judge(&request, start);
        (judgement.refused, judgement.only_a_second_is_missing, authority.waits(FRONT))
    };
    let second = Some(Reason::SecondPerson);
    assert_eq!(go(1, false), (second, true, None), "a photograph of the first does not count");
    assert_eq!(go(2, false), (second, true, None));
    assert_eq!(go(1, true), (second, true, Some(PersonId(1))));
    assert_eq!(go(2, false), (None, false, Some(PersonId(1))), "the referee asks the second before the grant");
}
