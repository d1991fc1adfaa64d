//! Other rules for people, taken while the doors are at work.

use std::time::Duration;

use super::steps::Step;
use super::world::{Line, Scene, Setup, rules};
use crate::access::{HouseRules, Permit};
use crate::daemon::doors::RequestError;
use crate::domain::{AccessEvent, Actor, DaemonEvent, Decided, Event, Passback, Reason, RulesOutcome};

const GOES_IN: Step = Step::Seen { door: 1, person: 1, age_ms: 50, inwards: true };
const GUARD: Step = Step::Seen { door: 1, person: 2, age_ms: 50, inwards: true };

fn setup(two_person: bool) -> Setup {
    Setup {
        permits: false,
        first_person: false,
        two_person,
        interlock: false,
        hours: false,
        passback: Passback::Hard,
        held: true,
    }
}

/// Only this group passes any door.
fn only(group: &str, setup: &Setup) -> HouseRules {
    let mut house = rules(setup);
    let permit = Permit { groups: vec![group.into()], schedule: None, assurance: None };
    house.doors.iter_mut().for_each(|door| door.permits = Some(vec![permit.clone()]));
    HouseRules { source: Some("rules 7 of berlin".into()), ..house }
}

fn event() -> Event {
    let (site, outcome) = ("berlin".into(), RulesOutcome::Followed);
    DaemonEvent::SiteRules { site, version: 7, outcome, reason: None, by: Actor::Fleet("anna".into()) }.into()
}

fn decisions(scene: &Scene) -> Vec<Decided> {
    let decided = scene.lines().into_iter().filter_map(|line| match line {
        Line::Note(_, Event::Access(AccessEvent::Decided(decided))) => Some(*decided),
        _ => None,
    });
    decided.collect()
}

fn recorded(scene: &Scene) -> usize {
    let of_rules = |line: &&Line| matches!(line, Line::Note(_, Event::Daemon(DaemonEvent::SiteRules { .. })));
    scene.lines().iter().filter(of_rules).count()
}

#[test]
fn rules_that_change_count_for_the_next_face_and_receipts_name_them() {
    let mut scene = Scene::new(setup(false));
    let none = only("nobody", &scene.setup);
    scene.doors().go_by(Some(none), &event()).unwrap();
    scene.play(&GOES_IN);
    let decided = decisions(&scene).pop().unwrap();
    assert_eq!(decided.reason(), Some(Reason::NotPermitted));
    let permit = decided.gates.iter().find(|gate| gate.name == "permit").unwrap();
    assert!(permit.limit.ends_with("(rules 7 of berlin)"), "{permit:?}");
    scene.wait(Duration::from_secs(10));
    let staff = only("staff", &scene.setup);
    scene.doors().go_by(Some(staff), &event()).unwrap();
    scene.play(&GOES_IN);
    let decided = decisions(&scene).pop().unwrap();
    assert!(decided.is_grant(), "{decided:?}");
    assert!(decided.gates.iter().any(|gate| gate.limit == "staff: always (rules 7 of berlin)"), "{:?}", decided.gates);
    assert_eq!(recorded(&scene), 2);
}

#[test]
fn what_is_known_of_people_stays() {
    let mut scene = Scene::new(setup(false));
    scene.play(&GOES_IN);
    assert!(decisions(&scene).pop().unwrap().is_grant());
    scene.wait(Duration::from_secs(10));
    let staff = only("staff", &scene.setup);
    scene.doors().go_by(Some(staff), &event()).unwrap();
    scene.play(&GOES_IN);
    assert_eq!(decisions(&scene).pop().unwrap().reason(), Some(Reason::Passback), "they are inside");

    // Somebody who waits for a second person is judged again by the new rules, when that one comes.
    let mut scene = Scene::new(setup(true));
    scene.play(&GOES_IN);
    assert_eq!(decisions(&scene).pop().unwrap().reason(), Some(Reason::SecondPerson));
    let guards = only("guards", &scene.setup);
    scene.doors().go_by(Some(guards), &event()).unwrap();
    scene.play(&GUARD);
    let decided = decisions(&scene).pop().unwrap();
    assert_eq!(decided.reason(), Some(Reason::SecondPerson));
    assert!(decided.gates.iter().any(|gate| gate.input.contains("may not pass now: not_permitted")), "{decided:?}");
}

#[test]
fn without_a_record_and_for_other_doors_the_rules_stay_as_they_are() {
    let mut scene = Scene::new(setup(false));
    let none = only("nobody", &scene.setup);
    scene.play(&Step::WriterFails(true));
    let refused = scene.doors().go_by(Some(none.clone()), &event());
    assert!(matches!(refused, Err(RequestError::JournalFailed(_))), "{refused:?}");
    scene.play(&Step::WriterFails(false));
    let of_one_door = HouseRules { doors: none.doors[..1].to_vec(), ..none };
    assert!(scene.doors().go_by(Some(of_one_door), &event()).is_err());
    scene.play(&GOES_IN);
    assert!(decisions(&scene).pop().unwrap().is_grant());
    assert_eq!(recorded(&scene), 0);
}
