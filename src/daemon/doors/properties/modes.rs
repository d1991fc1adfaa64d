//! Modes whose record was not written at once.

use std::time::Duration;

use super::steps::Step;
use super::world::{DOORS, Line, Scene, Setup};
use crate::clock::Clock;
use crate::daemon::doors::unrecorded::AGAIN;
use crate::daemon::doors::{OperatorOrder, RequestError};
use crate::domain::{DoorEvent, DoorIndex, Event, Mode, Passback};

fn scene() -> Scene {
    Scene::new(Setup {
        permits: false,
        first_person: false,
        two_person: false,
        interlock: false,
        hours: false,
        passback: Passback::Off,
        held: false,
    })
}

fn order(scene: &mut Scene, mode: Mode) -> Result<(), RequestError> {
    let not_after = scene.clock.now() + Duration::from_secs(5);
    scene.doors().order(DoorIndex(0), OperatorOrder::Mode(mode), &"anna".into(), not_after)
}

fn locked_down() -> Mode {
    Mode::Lockdown { group: None }
}

fn is_unrecorded(scene: &mut Scene) -> bool {
    scene.doors().views()[0].unrecorded
}

#[test]
fn a_lockdown_that_was_not_recorded_is_recorded_once_the_disk_has_room_and_outlives_a_restart() {
    let mut scene = scene();
    scene.play(&Step::WriterFails(true));
    assert!(matches!(order(&mut scene, locked_down()), Err(RequestError::Unrecorded { .. })));
    assert!(is_unrecorded(&mut scene));
    scene.play(&Step::Wait { ms: 1000 });
    assert_eq!((scene.modes_on_disk()[0].clone(), is_unrecorded(&mut scene)), (Mode::Normal, true));
    scene.play(&Step::WriterFails(false));
    scene.play(&Step::Wait { ms: AGAIN.as_millis() as u64 });
    assert_eq!((scene.modes_on_disk()[0].clone(), is_unrecorded(&mut scene)), (locked_down(), false));
    let set = |line: &Line| matches!(line, Line::Note(_, Event::Door(DoorEvent::ModeSet { door, .. })) if **door == *DOORS[0]);
    assert_eq!(scene.lines().iter().filter(|line| set(line)).count(), 1);
    scene.play(&Step::Restart);
    assert_eq!(scene.doors().views()[0].mode, locked_down());
}

#[test]
fn another_record_that_succeeds_brings_the_mode_s() {
    let mut scene = scene();
    scene.play(&Step::WriterFails(true));
    order(&mut scene, locked_down()).unwrap_err();
    scene.play(&Step::WriterFails(false));
    scene.play(&Step::Amnesty);
    assert_eq!((scene.modes_on_disk()[0].clone(), is_unrecorded(&mut scene)), (locked_down(), false));
}

#[test]
fn a_mode_whose_record_waits_counts_as_unrecorded_until_it_is_written() {
    let mut scene = scene();
    scene.play(&Step::DiskStalls { ms: 20_000 });
    order(&mut scene, locked_down()).unwrap_err();
    scene.play(&Step::Wait { ms: 5_000 });
    assert!(is_unrecorded(&mut scene));
    scene.play(&Step::Wait { ms: 30_000 });
    assert_eq!((scene.modes_on_disk()[0].clone(), is_unrecorded(&mut scene)), (locked_down(), false));
    // The next mode is recorded at once, and nothing of the first one comes later.
    order(&mut scene, Mode::Normal).unwrap();
    scene.play(&Step::Wait { ms: 120_000 });
    assert_eq!((scene.modes_on_disk()[0].clone(), is_unrecorded(&mut scene)), (Mode::Normal, false));
}
