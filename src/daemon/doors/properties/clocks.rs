//! Properties of the doors while the clock is wrong, is set, or is unknown.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::steps::{Step, Wakes, steps};
use super::world::{Line, Scene, Setup, setups};
use crate::clock::Clock;
use crate::daemon::doors::OperatorOrder;
use crate::domain::{AccessEvent, DaemonEvent, Decided, DoorEvent, Event, Mode, Passback, Reason, TimeQuality};
use crate::door::Input;

fn setup() -> Setup {
    Setup {
        permits: false,
        first_person: false,
        two_person: false,
        interlock: false,
        hours: true,
        passback: Passback::Hard,
        held: true,
    }
}

const GOES_IN: Step = Step::Seen { door: 1, person: 1, age_ms: 50, inwards: true };
const VISITOR: Step = Step::Seen { door: 1, person: 5, age_ms: 50, inwards: true };

fn decisions(lines: &[Line]) -> Vec<&Decided> {
    let decided = lines.iter().filter_map(|line| match line {
        Line::Note(_, Event::Access(AccessEvent::Decided(decided))) => Some(&**decided),
        _ => None,
    });
    decided.collect()
}

fn refused(scene: &Scene) -> Option<Reason> {
    decisions(&scene.lines()).last()?.reason()
}

fn qualities(scene: &Scene) -> Vec<TimeQuality> {
    let quality = |line: Line| match line {
        Line::Note(_, Event::Daemon(DaemonEvent::TimeQualityChanged { quality })) => Some(quality),
        _ => None,
    };
    scene.lines().into_iter().filter_map(quality).collect()
}

fn jumps(scene: &Scene) -> usize {
    scene
        .lines()
        .iter()
        .filter(|line| matches!(line, Line::Note(_, Event::Daemon(DaemonEvent::ClockJumped { .. }))))
        .count()
}

/// At ten in the morning of the first day, in the unlock hours, with a synchronised clock.
fn in_the_hours() -> Scene {
    let mut scene = Scene::new(setup());
    scene.play(&Step::SetClock { seconds: 12 * 3600 });
    scene
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// While the time is unknown, no hours unlock a door, and nobody passes by a schedule or within days that may be over. Orders of operators and the
    /// exit button work as usual.
    #[test]
    fn without_the_time_nothing_opens_by_the_calendar(setup in setups(), steps in steps()) {
        let mut scene = Scene::new(setup.clone());
        for step in &steps {
            let known = |scene: &mut Scene| scene.doors().time().is_none_or(TimeQuality::is_known);
            let (before, known_before) = (scene.lines().len(), known(&mut scene));
            // Otherwise this step also writes records of earlier ones.
            let nothing_waits = scene.world.is_well();
            scene.play(step);
            let settles = matches!(step, Step::Wait { .. } | Step::SetClock { .. } | Step::Synchronised(_) | Step::Reboot { .. } | Step::Restart);
            if known_before || known(&mut scene) || settles || !nothing_waits {
                continue;
            }
            let new = scene.lines().split_off(before);
            let began = new.iter().any(|line| matches!(line, Line::Note(_, Event::Door(DoorEvent::ScheduleBegan { .. }))));
            prop_assert!(!began);
            for decided in decisions(&new) {
                if let (true, Some(person)) = (decided.is_grant(), decided.person_id()) {
                    prop_assert!(person.0 != 5 && !(setup.permits && person.0 == 1), "{person}");
                }
            }
        }
    }
}

#[test]
fn hours_in_force_end_when_the_clock_becomes_unknown_and_come_back_with_the_time() {
    for (wall, quality) in [(20, TimeQuality::Unset), (1_774_000_000, TimeQuality::Wrong)] {
        let mut scene = in_the_hours();
        assert!(scene.doors().views()[0].unlocked);
        let right = scene.clock.wall();
        scene.clock.set_synchronised(Some(false));
        scene.clock.set_wall(SystemTime::UNIX_EPOCH + Duration::from_secs(wall));
        scene.wait(Duration::from_secs(2));
        assert_eq!(scene.doors().time(), Some(quality));
        assert!(!scene.doors().views()[0].unlocked);
        let reason = scene.lines().into_iter().rev().find_map(|line| match line {
            Line::Note(_, Event::Door(DoorEvent::Locked { reason, .. })) => Some(reason),
            _ => None,
        });
        assert_eq!(reason.as_deref(), Some("the time is not known"));
        // Orders of operators and the exit button do not need the time.
        scene.play(&Step::Order { door: 0, late: false, order: OperatorOrder::Unlock { duration: None } });
        assert!(scene.doors().views()[0].unlocked);
        scene.wait(Duration::from_secs(5));
        assert!(!scene.doors().views()[0].unlocked);
        scene.play(&Step::Contact { door: 1, input: Input::ExitButton, active: true });
        assert!(scene.doors().views()[1].unlocked);
        scene.play(&Step::Order { door: 1, late: false, order: OperatorOrder::Mode(Mode::Lockdown { group: None }) });
        assert!(!scene.doors().views()[1].unlocked);
        scene.clock.set_wall(right + Duration::from_secs(60));
        scene.wait(Duration::from_secs(2));
        assert!(scene.doors().views()[0].unlocked);
        assert_eq!(qualities(&scene), [quality, TimeQuality::Plausible]);
    }
}

#[test]
fn an_operators_lock_in_the_hours_holds_while_the_time_is_unknown() {
    let mut scene = in_the_hours();
    scene.play(&Step::Order { door: 0, late: false, order: OperatorOrder::Lock });
    let right = scene.clock.wall();
    scene.clock.set_wall(SystemTime::UNIX_EPOCH);
    scene.wait(Duration::from_secs(2));
    scene.clock.set_wall(right + Duration::from_secs(10));
    scene.wait(Duration::from_secs(2));
    assert!(!scene.doors().views()[0].unlocked && scene.doors().views()[1].unlocked);
}

#[test]
fn a_power_cut_opens_nothing_by_a_clock_that_is_behind() {
    for wall in [Wakes::In1970, Wakes::Yesterday] {
        let mut scene = in_the_hours();
        scene.play(&GOES_IN);
        scene.wait(Duration::from_secs(10));
        scene.play(&Step::Reboot { wall });
        let views = scene.doors().views();
        assert!(!views[0].unlocked && !views[1].unlocked, "{wall:?}");
        scene.play(&GOES_IN);
        assert_eq!(refused(&scene), Some(Reason::Passback), "{wall:?}: inside stays inside");
        scene.play(&VISITOR);
        assert_eq!(refused(&scene), Some(Reason::ClockUnknown), "{wall:?}");
        // After a restart it is still unknown, until the network sets the clock.
        scene.play(&Step::Reboot { wall: Wakes::In1970 });
        scene.play(&VISITOR);
        assert_eq!(refused(&scene), Some(Reason::ClockUnknown));
        scene.clock.set_wall(SystemTime::UNIX_EPOCH + Duration::from_secs(1_774_728_000 + 13 * 3600));
        scene.clock.set_synchronised(Some(true));
        scene.wait(Duration::from_secs(2));
        assert!(scene.doors().views()[0].unlocked);
        scene.play(&VISITOR);
        assert_eq!(refused(&scene), None);
    }
}

#[test]
fn a_visitor_whose_day_is_surely_over_is_expired() {
    let mut scene = in_the_hours();
    scene.play(&Step::SetClock { seconds: 4 * 86_400 });
    scene.wait(Duration::from_secs(90));
    scene.play(&Step::Order { door: 0, late: false, order: OperatorOrder::Lock });
    scene.play(&Step::Reboot { wall: Wakes::In1970 });
    scene.play(&VISITOR);
    assert_eq!(refused(&scene), Some(Reason::Expired));
}

#[test]
fn a_clock_years_ahead_in_one_run_does_no_lasting_harm() {
    let mut scene = in_the_hours();
    scene.play(&Step::Reboot { wall: Wakes::YearsAhead });
    assert_eq!(scene.doors().time(), Some(TimeQuality::Plausible), "nothing can prove it");
    scene.wait(Duration::from_secs(90));
    scene.play(&GOES_IN);
    scene.wait(Duration::from_secs(10));
    // The next run has the right time.
    scene.clock.reboot(SystemTime::UNIX_EPOCH + Duration::from_secs(1_774_728_000 + 13 * 3600));
    scene.play(&Step::Restart);
    scene.wait(Duration::from_secs(2));
    assert_eq!(scene.doors().time(), Some(TimeQuality::Wrong));
    scene.clock.set_synchronised(Some(true));
    scene.wait(Duration::from_secs(2));
    assert_eq!(scene.doors().time(), Some(TimeQuality::Synchronised));
    // A place with a future date counts from now, not for two years.
    scene.play(&GOES_IN);
    assert_eq!(refused(&scene), Some(Reason::Passback));
    scene.clock.advance(Duration::from_secs(13 * 3600));
    scene.play(&GOES_IN);
    assert_eq!(refused(&scene), None);
}

#[test]
fn an_operator_can_end_the_doubt_about_the_time() {
    let mut scene = in_the_hours();
    scene.play(&Step::Reboot { wall: Wakes::Yesterday });
    assert!(!scene.doors().views()[0].unlocked);
    scene.doors().trust_clock(&"anna".into()).unwrap();
    assert!(scene.doors().views()[0].unlocked);
    assert!(scene.lines().iter().any(
        |line| matches!(line, Line::Note(_, Event::Daemon(DaemonEvent::ClockTrusted { by })) if *by == "anna".into())
    ));
    scene.play(&Step::Restart);
    scene.wait(Duration::from_secs(2));
    assert!(scene.doors().views()[0].unlocked, "it outlives a restart");
    scene.play(&Step::Reboot { wall: Wakes::In1970 });
    assert!(scene.doors().trust_clock(&"anna".into()).is_err(), "1970 is never right");
}

#[test]
fn a_clock_that_is_set_is_recorded_and_changes_no_place() {
    let mut scene = Scene::new(Setup { hours: false, ..setup() });
    scene.play(&GOES_IN);
    scene.play(&Step::Wait { ms: 10_000 });
    for (count, seconds) in [-365 * 86_400, 13 * 3600, 365 * 86_400].into_iter().enumerate() {
        scene.play(&Step::SetClock { seconds });
        scene.play(&GOES_IN);
        scene.play(&Step::Wait { ms: 10_000 });
        assert_eq!((refused(&scene), jumps(&scene)), (Some(Reason::Passback), count + 1));
    }
    // Half a day later the place has expired.
    scene.clock.advance(Duration::from_secs(12 * 3600));
    scene.play(&GOES_IN);
    assert_eq!(refused(&scene), None);
}
