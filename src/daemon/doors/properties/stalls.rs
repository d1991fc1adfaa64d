//! A person before a door while the disk stalls.

use crate::domain::{AccessEvent, DoorEvent, Event, Passback};
use crate::door::Level;

use super::steps::Step;
use super::world::{Line, Scene, Setup};

#[test]
fn a_stalled_disk_keeps_one_grant_waiting_and_the_door_unlocks_when_it_answers() {
    let mut scene = Scene::new(Setup {
        permits: false,
        first_person: false,
        two_person: false,
        interlock: false,
        hours: false,
        passback: Passback::Off,
        held: false,
    });
    let comes = Step::Seen { door: 1, person: 1, age_ms: 50, inwards: true };
    let grants = |scene: &Scene| {
        let granted = |line: &Line| matches!(line, Line::Note(_, Event::Access(AccessEvent::Decided(decided))) if decided.is_grant());
        scene.lines().iter().filter(|line| granted(line)).count()
    };
    let energised =
        |scene: &Scene| scene.lines().iter().filter(|line| matches!(line, Line::Level(_, _, Level::Energised))).count();
    scene.play(&Step::DiskStalls { ms: 60_000 });
    for _ in 0..100 {
        scene.play(&comes);
    }
    assert_eq!((grants(&scene), energised(&scene)), (0, 0), "nothing is on disk yet");
    scene.play(&Step::Wait { ms: 60_000 });
    assert_eq!((grants(&scene), energised(&scene)), (1, 0), "one grant waited, and is too old by now");
    let refused =
        scene.lines().iter().any(|line| matches!(line, Line::Note(_, Event::Door(DoorEvent::UnlockRefused { .. }))));
    assert!(refused, "the record after it says why");
    scene.play(&comes);
    assert_eq!((grants(&scene), energised(&scene)), (2, 1), "the next grant is immediate");
}
