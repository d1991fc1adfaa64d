//! Properties of the doors over thousands of random histories: faces, repeated frames, buttons, sensors, operators, late orders, a clock that is set,
//! a journal that fails, a disk that stalls, stops and restarts at any step.

mod clocks;
mod floods;
mod modes;
mod people;
mod places;
mod rules;
mod steps;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use crate::access::Window;
use crate::domain::{AccessEvent, Decided, Direction, DoorEvent, Event, Mode, Moment, Outcome, Passback, Reason};
use crate::door::{Input, Level};

use super::OperatorOrder;
use people::groups;
use steps::{Step, Wakes, steps};
use world::{DOORS, Line, MAX_HOLD, MAX_ON, STEP, Scene, Setup, setups};

/// Whether this record allows `door` to unlock.
fn allows(event: &Event, name: &str) -> bool {
    match event {
        Event::Access(AccessEvent::Decided(decided)) => *decided.door == *name && decided.is_grant(),
        Event::Access(AccessEvent::Admitted { door, .. })
        | Event::Door(DoorEvent::OperatorUnlocked { door, .. } | DoorEvent::ScheduleBegan { door, .. }) => {
            **door == *name
        }
        Event::Door(DoorEvent::ModeSet { door, mode: Mode::Release, .. }) => **door == *name,
        _ => false,
    }
}

/// The decision in this line, if it concerns the door `name`.
fn decided<'a>(line: &'a Line, name: &str) -> Option<&'a Decided> {
    match line {
        Line::Note(_, Event::Access(AccessEvent::Decided(decided))) if *decided.door == *name => Some(decided),
        _ => None,
    }
}

fn decided_at(decided: &Decided) -> Moment {
    decided.captured_at.unwrap() + decided.capture_to_verdict
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// A relay is never energised without an earlier record that allows it, except for egress; never for longer than the limit, whatever the disk
    /// does; never twice by one record; and never between the beginning of a stop and the next start.
    #[test]
    fn a_relay_is_energised_on_record_and_for_a_limited_time(setup in setups(), steps in steps()) {
        let mut scene = Scene::new(setup.clone());
        // The line at which each step began, and the egress that it allows without a record: the door, and whether it is held.
        let mut egress: Vec<(usize, Option<(usize, bool)>)> = vec![(0, None)];
        let mut stopped = false;
        for step in &steps {
            let begin = scene.lines().len();
            let lets_out = match step {
                Step::Contact { door, input: Input::ExitButton, active: true } => Some((*door, false)),
                Step::Order { door, order: OperatorOrder::Mode(Mode::Release), late: false } => Some((*door, true)),
                _ => None,
            };
            // Egress that the step before allowed and that did not happen is no longer allowed.
            egress.extend([(begin, None), (begin, lets_out)]);
            // A release outlives a restart.
            if step.starts_anew() {
                for (door, mode) in scene.modes_on_disk().iter().enumerate().filter(|(_, mode)| **mode == Mode::Release) {
                    egress.push((begin, Some((door, *mode == Mode::Release))));
                }
            }
            scene.play(step);
            let moved = scene.lines().split_off(begin).iter().any(|line| matches!(line, Line::Level(_, _, Level::Energised)));
            stopped = !step.starts_anew() && (stopped || matches!(step, Step::Stop));
            prop_assert!(!(stopped && moved), "energised after the stop began");
        }
        scene.end();
        let mut since: [Option<(Moment, bool)>; 2] = [None; 2];
        let mut last_allowing: [Option<(u64, bool)>; 2] = [None; 2];
        let mut egress = egress.into_iter().peekable();
        let mut may_let_out = Vec::new();
        for (at_line, line) in scene.lines().into_iter().enumerate() {
            while let Some((_, lets_out)) = egress.next_if(|(begin, _)| *begin <= at_line) {
                match lets_out {
                    Some(lets_out) => may_let_out.push(lets_out),
                    None => may_let_out.clear(),
                }
            }
            match line {
                Line::Note(seq, event) => {
                    let holds = matches!(event, Event::Door(DoorEvent::ScheduleBegan { .. }) | Event::Door(DoorEvent::ModeSet { .. }));
                    for (at, name) in DOORS.iter().enumerate() {
                        if allows(&event, name) {
                            last_allowing[at] = Some((seq, holds));
                        }
                    }
                }
                Line::Level(at, moment, Level::Energised) => {
                    let by_egress = may_let_out.iter().position(|(door, _)| *door == at).map(|i| may_let_out.remove(i).1);
                    let holds = by_egress.or_else(|| last_allowing[at].take().map(|(_, holds)| holds));
                    let holds = holds.expect("energised without a record");
                    let (_, held) = since[at].get_or_insert((moment, holds));
                    *held |= holds;
                }
                Line::Level(at, moment, Level::Safe) => {
                    if let Some((since, held)) = since[at].take() {
                        let longest = if held && setup.held { MAX_HOLD } else { MAX_ON };
                        let tolerance = STEP + Duration::from_millis(1);
                        prop_assert!(moment.since(since) <= longest + tolerance, "{:?}", moment.since(since));
                    }
                }
            }
        }
        prop_assert_eq!(since, [None, None], "no relay is energised at the end");
    }

    /// No door unlocks in a lockdown, except for its group; a stale face and a face that may not pass never unlock anything.
    #[test]
    fn modes_and_refusals_hold(setup in setups(), steps in steps()) {
        let mut scene = Scene::new(setup);
        for step in &steps {
            // Otherwise this step also writes records of earlier ones.
            let nothing_waits = scene.world.is_well();
            let before = scene.lines().len();
            scene.play(step);
            let doors = scene.doors().views();
            for (at, view) in doors.iter().enumerate() {
                let mut energised = false;
                let mut grants = Vec::new();
                for line in &scene.lines() {
                    match line {
                        Line::Level(of, _, level) if *of == at => energised = *level == Level::Energised,
                        Line::Note(_, Event::Access(AccessEvent::Decided(decided)))
                            if *decided.door == *view.name && decided.is_grant() =>
                        {
                            grants.extend(decided.person_id().map(|person| person.0));
                        }
                        Line::Note(_, Event::Access(AccessEvent::Admitted { door, person, .. })) if **door == *view.name => {
                            grants.extend(person.known().map(|person| person.id.0));
                        }
                        _ => {}
                    }
                }
                prop_assert_eq!(energised, view.unlocked, "the view matches the relay");
                match &view.mode {
                    Mode::Lockdown { group: None } => prop_assert!(!energised),
                    Mode::Lockdown { group: Some(_) } if energised => {
                        prop_assert!(matches!(grants.last(), Some(2 | 5)), "{grants:?}");
                    }
                    _ => {}
                }
            }
            let new = scene.lines().split_off(before);
            // Hours that begin at this moment unlock a door as well.
            if matches!(step, Step::Order { late: true, .. }) && !scene.setup.hours {
                let moved = new.iter().any(|line| matches!(line, Line::Level(_, _, Level::Energised)));
                prop_assert!(!moved, "a late order moves nothing");
            }
            if let Step::Seen { door, person, age_ms, .. } = step {
                let granted = new.iter().any(|line| matches!(line, Line::Note(_, Event::Access(AccessEvent::Decided(decided))) if decided.is_grant()));
                prop_assert!(!granted || !nothing_waits || (*age_ms <= 800 && [1, 2, 3, 5].contains(person)), "door {door}");
            }
        }
    }

    /// Modes and places outlive a restart, and afterwards only released doors are unlocked.
    #[test]
    fn a_restart_changes_nothing_and_unlocks_nothing(setup in setups(), steps in steps()) {
        let mut scene = Scene::new(setup);
        for step in &steps {
            scene.play(step);
            if !scene.world.is_well() {
                continue;
            }
            let modes = |scene: &mut Scene| scene.doors().views().into_iter().map(|view| view.mode).collect::<Vec<_>>();
            let before = (modes(&mut scene), scene.doors().occupancy());
            // A lockdown that could not be recorded yet is in force, and ends with the restart.
            if scene.modes_on_disk() != before.0 {
                continue;
            }
            scene.play(&Step::Restart);
            let after = (modes(&mut scene), scene.doors().occupancy());
            prop_assert_eq!(&before.0, &after.0);
            for view in scene.doors().views() {
                prop_assert!(!view.unlocked || view.mode == Mode::Release);
            }
        }
    }

    /// Where two people are needed, somebody else was recognised just before and after the last change of mode, and both may pass when the door
    /// unlocks.
    #[test]
    fn two_people_may_both_pass_when_a_door_opens_for_them(setup in setups(), steps in steps()) {
        let mut scene = Scene::new(Setup { two_person: true, interlock: false, ..setup });
        let name = DOORS[1];
        let written_at_once = |step: &&Step| !matches!(step, Step::WriterFails(_) | Step::DiskStalls { .. });
        for step in steps.iter().filter(written_at_once) {
            let before = scene.lines().len();
            scene.play(step);
            let lines = scene.lines();
            let mode = scene.doors().views().remove(1).mode;
            for (at, line) in lines.iter().enumerate().skip(before) {
                let Some(granted) = decided(line, name).filter(|decided| decided.is_grant()) else { continue };
                let since_mode = lines[..at].iter().rev().take_while(
                    |line| !matches!(line, Line::Note(_, Event::Door(DoorEvent::ModeSet { door, .. })) if **door == *name)
                );
                let first = since_mode.filter_map(|line| decided(line, name)).find(
                    |decided| decided.reason() == Some(Reason::SecondPerson)
                );
                prop_assert!(first.is_some(), "nobody else was recognised");
                let first = first.unwrap();
                prop_assert!(decided_at(granted).since(decided_at(first)) <= Duration::from_secs(15));
                let two = [first, granted].map(|decided| (decided.person_id().unwrap().0, decided.track));
                prop_assert!(two[0].0 != two[1].0 && two[0].1 != two[1].1, "{two:?}");
                for (person, _) in two {
                    prop_assert!(scene.world.disabled.is_enabled(person), "{person} is disabled");
                    if let Mode::Lockdown { group } = &mode {
                        prop_assert!(group.as_ref().is_some_and(|group| groups(person).contains(group)), "{person} in {mode:?}");
                    }
                }
            }
        }
    }

    /// With hard anti-passback nobody goes in twice without going out, and a zone never holds more people than exist.
    #[test]
    fn places_add_up(setup in setups(), steps in steps()) {
        let mut scene = Scene::new(Setup { passback: Passback::Hard, ..setup });
        // Nobody goes in twice because a clock is set within one run of the machine, or is unset after a power cut.
        let cut = steps.iter().any(|step| matches!(step, Step::Reboot { .. }));
        let quiet = |step: &&Step| match step {
            Step::Amnesty | Step::WriterFails(_) | Step::DiskStalls { .. } | Step::Wait { ms: 300_000 } => false,
            Step::Reboot { wall: Wakes::Right | Wakes::YearsAhead } => false,
            Step::SetClock { .. } | Step::Synchronised(_) => !cut,
            _ => true,
        };
        for step in steps.iter().filter(quiet) {
            scene.play(step);
            prop_assert!(scene.doors().occupancy().iter().map(|(_, count)| count).sum::<usize>() <= 5);
        }
        let mut passed: BTreeMap<u32, (Direction, u64)> = BTreeMap::new();
        for line in scene.lines() {
            if let Line::Note(seq, Event::Access(AccessEvent::Passed { person, direction: Some(direction), record, .. })) = line
                && let Some((before, passage)) = passed.insert(person.known().unwrap().id.0, (direction, seq))
            {
                // A grant from before they passed elsewhere still counts.
                prop_assert!(before != direction || record < passage, "{} {direction:?} twice", person);
            }
        }
    }
}

#[test]
fn a_grant_opens_passes_and_closes() {
    let setup = Setup {
        permits: false,
        first_person: false,
        two_person: false,
        interlock: false,
        hours: false,
        passback: Passback::Hard,
        held: false,
    };
    let mut scene = Scene::new(setup);
    scene.play(&Step::Contact { door: 0, input: Input::Sensor, active: false });
    scene.play(&Step::Seen { door: 0, person: 1, age_ms: 50, inwards: true });
    scene.play(&Step::Contact { door: 0, input: Input::Sensor, active: true });
    scene.play(&Step::Wait { ms: 500 });
    scene.play(&Step::Contact { door: 0, input: Input::Sensor, active: false });
    scene.play(&Step::Wait { ms: 10_000 });
    scene.play(&Step::Seen { door: 0, person: 1, age_ms: 50, inwards: true });
    let recorded: Vec<String> = scene
        .lines()
        .into_iter()
        .map(|line| match line {
            Line::Note(_, Event::Access(AccessEvent::Decided(decided))) => match decided.reason() {
                None => format!("grant {}", decided.person_id().unwrap()),
                Some(reason) => reason.as_str().into(),
            },
            Line::Note(_, Event::Access(AccessEvent::Passed { person, zone, .. })) => {
                format!("passed {person} {}", zone.unwrap())
            }
            Line::Note(_, Event::Door(DoorEvent::Locked { reason, .. })) => format!("locked: {reason}"),
            Line::Note(_, event) => event.kind().to_owned(),
            Line::Level(_, _, level) => level.to_string(),
        })
        .skip_while(|line| line == "safe")
        .collect();
    let expected = [
        "grant 1",
        "energised",
        "unlocked",
        "door_opened",
        "passed P1 house",
        "door_closed",
        "safe",
        "locked: the door was closed",
        "passback",
    ];
    assert_eq!(recorded, expected);
}

/// A history of two-person doors, by what happens at the second door.
fn by_two(steps: &[Step]) -> Vec<&'static str> {
    let setup = Setup {
        permits: false,
        first_person: false,
        two_person: true,
        interlock: false,
        hours: false,
        passback: Passback::Off,
        held: false,
    };
    let mut scene = Scene::new(setup);
    steps.iter().for_each(|step| scene.play(step));
    let lines = scene.lines();
    let word = |decided: &Decided| decided.reason().map_or("grant", Reason::as_str);
    lines.iter().filter_map(|line| decided(line, DOORS[1])).map(word).collect()
}

#[test]
fn the_second_of_two_people_is_not_let_in_alone() {
    let seen = |person| Step::Seen { door: 1, person, age_ms: 50, inwards: true };
    let mode = |mode| Step::Order { door: 1, order: OperatorOrder::Mode(mode), late: false };
    let guards = mode(Mode::Lockdown { group: Some("guards".into()) });
    let disable = Step::Enabled { person: 1, enabled: false };
    assert_eq!(by_two(&[seen(1), seen(2)]), ["second_person", "grant"]);
    assert_eq!(by_two(&[seen(1), disable, seen(2)]), ["second_person", "second_person"]);
    assert_eq!(by_two(&[seen(1), guards.clone(), seen(2)]), ["second_person", "second_person"]);
    assert_eq!(by_two(&[seen(1), guards, mode(Mode::Normal), seen(2)]), ["second_person", "second_person"]);
    let enable = Step::Enabled { person: 1, enabled: true };
    let disable = Step::Enabled { person: 1, enabled: false };
    assert_eq!(by_two(&[seen(1), disable, enable, seen(2)]), ["second_person", "grant"]);
}

#[test]
fn alarms_of_a_door_that_is_forced_and_held_open() {
    let setup = Setup {
        permits: false,
        first_person: false,
        two_person: false,
        interlock: false,
        hours: false,
        passback: Passback::Off,
        held: false,
    };
    let mut scene = Scene::new(setup);
    let sensor = |active| Step::Contact { door: 0, input: Input::Sensor, active };
    scene.play(&sensor(false));
    scene.play(&Step::Wait { ms: 5000 });
    scene.play(&sensor(true));
    scene.play(&Step::Wait { ms: 60_000 });
    scene.play(&sensor(false));
    let recorded: Vec<String> = scene
        .lines()
        .into_iter()
        .filter_map(|line| match line {
            Line::Note(_, Event::Door(DoorEvent::AlarmRaised { alarm, .. })) => {
                Some(format!("alarm {}", alarm.as_str()))
            }
            Line::Note(_, Event::Door(DoorEvent::AlarmEnded { alarm, lasted, .. })) => {
                Some(format!("end {} {}", alarm.as_str(), lasted.as_secs()))
            }
            Line::Note(_, Event::Door(DoorEvent::HeldOpenWarning { open_for, .. })) => {
                Some(format!("warning {}", open_for.as_secs()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        recorded,
        ["alarm forced_open", "warning 20", "alarm held_open", "end held_open 20", "end forced_open 60"]
    );
}

/// Why the doors are locked between a minute before midnight and a minute after, with a guard who comes in between.
fn locked_at_midnight(window: Window) -> Vec<String> {
    let setup = Setup {
        permits: false,
        first_person: true,
        two_person: false,
        interlock: false,
        hours: true,
        passback: Passback::Off,
        held: true,
    };
    let mut scene = Scene::new(setup);
    scene.window = window;
    scene.play(&Step::Restart);
    let staff = Step::Seen { door: 1, person: 1, age_ms: 50, inwards: true };
    let guard = Step::Seen { door: 1, person: 2, age_ms: 50, inwards: true };
    // From 21:01:40.
    scene.play(&Step::SetClock { seconds: 10_640 });
    assert!(!scene.doors().views()[1].unlocked, "no guard has come in these hours");
    scene.play(&guard);
    scene.play(&Step::Wait { ms: 20_000 });
    assert!(scene.doors().views()[1].unlocked);
    let before = scene.lines().len();
    scene.play(&Step::Wait { ms: 90_000 });
    let lines = scene.lines();
    let locked = lines[before..].iter().filter_map(|line| match line {
        Line::Note(_, Event::Door(DoorEvent::Locked { door, reason })) if **door == *DOORS[1] => Some(reason.clone()),
        _ => None,
    });
    let locked: Vec<String> = locked.collect();
    scene.play(&staff);
    let verdict = scene.lines().into_iter().rev().find_map(|line| match line {
        Line::Note(_, Event::Access(AccessEvent::Decided(decided))) => Some(decided.outcome),
        _ => None,
    });
    let refused = Some(Outcome::Denied(Reason::FirstPerson));
    assert_eq!(verdict == refused, !locked.is_empty(), "{verdict:?}");
    locked
}

#[test]
fn a_window_that_somebody_opened_stays_open_over_midnight() {
    assert!(locked_at_midnight(Window { from_min: 20 * 60, to_min: 28 * 60 }).is_empty());
    // Hours without an end start anew each day, and the record says so.
    let recorded = locked_at_midnight(Window { from_min: 0, to_min: 24 * 60 });
    assert_eq!(recorded, ["a new day began, and nobody of the group that opens it has come yet"]);
}
