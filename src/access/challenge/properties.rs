//! What holds for any plane, print and head, however they are moved.

use proptest::prelude::*;

use super::attempt::Challenge;
use super::geometry::Reference;
use super::look::{ChallengeLook, Identity};
use super::people::{AHEAD, Film, Pose, Solid, bent, flat, folded, head};
use super::settings::ChallengeSettings;
use crate::access::cue::CueState;
use crate::domain::{Moment, PersonId, Point, Side};

const ORDERS: [[Side; 2]; 2] = [[Side::Left, Side::Right], [Side::Right, Side::Left]];
/// What the int8 detector's landmarks are off by, in eye distances: makes the nose of a still head jitter by 0.01 to 0.03.
const NOISE: f64 = 0.012;

fn pose(distance: f64) -> impl Strategy<Value = Pose> {
    let angles = (-55.0..55.0, -40.0..40.0, -180.0..180.0);
    (angles, 20.0..200.0).prop_map(move |((yaw, pitch, roll), size)| Pose { yaw, pitch, roll, size, distance })
}

fn reference(solid: &Solid) -> Reference {
    Reference::of(&[solid.seen(&AHEAD); 3]).unwrap()
}

/// Left and right to so many degrees in the order asked, at so many frames a second.
fn turning(solid: Solid, order: [Side; 2], degrees: f64, fps: f64, noise: f64, seed: u64) -> Film {
    let way = if order[0] == Side::Left { degrees } else { -degrees };
    // Few frames a second follow only slow turns.
    let seconds = if fps < 8.0 { 0.9 } else { 0.5 };
    let mut film = Film::of(solid, fps).with_noise(noise, seed).stay(0.6);
    for yaw in [way, -way] {
        film = film.turn(yaw, 0.0, seconds).stay(0.6).turn(0.0, 0.0, seconds).stay(0.4);
    }
    film
}

fn passes(film: &Film, order: [Side; 2], settings: &ChallengeSettings) -> bool {
    let mut challenge = Challenge::new(settings, PersonId(1), order.to_vec(), Moment::default());
    film.looks.iter().for_each(|look| challenge.look(look));
    challenge.state() == CueState::Passed
}

/// The share of 400 films that pass, half of them in each order.
fn share(solid: Solid, degrees: f64, settings: &ChallengeSettings) -> f64 {
    let films = (0..400).filter(|seed| {
        let order = ORDERS[(*seed % 2) as usize];
        passes(&turning(solid, order, degrees, 15.0, NOISE, *seed), order, settings)
    });
    films.count() as f64 / 400.0
}

proptest! {
    #[test]
    fn the_nose_of_a_plane_stays_where_the_plane_is(pose in pose(f64::INFINITY)) {
        let view = reference(&flat()).view(&flat().seen(&pose)).unwrap();
        prop_assert!(view.moved() < 2e-3 && view.fit < 1e-3, "{view:?}");
    }

    /// Half a metre from the camera, up to 50 degrees.
    #[test]
    fn perspective_adds_little(pose in pose(8.0)) {
        let mild = Pose { yaw: pose.yaw * 0.54, pitch: pose.pitch * 0.5, ..pose };
        let view = reference(&flat()).view(&flat().seen(&mild)).unwrap();
        prop_assert!(view.moved() < 0.035, "{view:?}");
        let view = reference(&flat()).view(&flat().seen(&pose)).unwrap();
        prop_assert!(view.moved() < 0.1, "{view:?}");
    }

    #[test]
    fn a_head_shows_the_tangent_of_its_yaw(yaw in -50.0..50.0_f64, roll in -180.0..180.0, size in 20.0..200.0) {
        let view = reference(&head()).view(&head().seen(&Pose { yaw, roll, size, ..AHEAD })).unwrap();
        let towards = view.towards(Side::Left);
        // The mouth is less far in front than the eyes, so the plane of the four leaves about 0.48 of the nose's depth.
        prop_assert!((towards - 0.48 * yaw.to_radians().tan()).abs() < 0.03, "{view:?}");
        if yaw.abs() > 15.0 {
            prop_assert!(view.depth.is_some_and(|depth| (0.38..0.6).contains(&depth)), "{view:?}");
        }
    }

    /// A head that looked a little aside before it was replaced by a print does not lend the print its nose.
    #[test]
    fn a_print_shows_its_own_depth_against_the_reference_of_a_head(aside in -17.0..17.0_f64, yaw in -55.0..55.0_f64) {
        let lean = Reference::of(&[head().seen(&Pose { yaw: aside, ..AHEAD }); 3]).unwrap();
        let settings = ChallengeSettings::normal();
        for print in [flat(), bent(45.0)] {
            let view = lean.view(&print.seen(&Pose { yaw, ..AHEAD })).unwrap();
            if view.moved() >= f64::from(settings.turn) {
                prop_assert!(view.depth.is_none_or(|depth| depth < f64::from(settings.depth)), "{view:?}");
            }
        }
    }

    #[test]
    fn a_plane_does_not_pass_however_it_is_moved(
        moves in prop::collection::vec((-50.0..50.0, -40.0..40.0, 0.1..1.0), 1..12),
        order in 0..2_usize, seed in any::<u64>(), near in prop::bool::ANY,
    ) {
        let mut film = Film::of(flat(), 15.0).with_noise(NOISE, seed);
        if near {
            film = film.seen_from(8.0);
        }
        film = film.stay(0.5);
        for (yaw, pitch, seconds) in moves {
            film = film.turn(yaw, pitch, seconds);
        }
        prop_assert!(!passes(&film, ORDERS[order], &ChallengeSettings::normal()));
    }

    #[test]
    fn anything_may_come_and_only_turns_pass(
        looks in prop::collection::vec(
            (any::<u64>(), 0..9000_u64, prop::array::uniform10(prop::num::f32::ANY), 0..3_u8, prop::bool::ANY), 0..60),
        order in prop::collection::vec(0..3_usize, 0..4),
    ) {
        let order: Vec<Side> = order.into_iter().map(|side| [Side::Left, Side::Right, Side::Up][side]).collect();
        let mut challenge = Challenge::new(&ChallengeSettings::normal(), PersonId(1), order, Moment::default());
        for (frame, at, numbers, identity, sure) in looks {
            let landmarks = std::array::from_fn(|i| Point { x: numbers[2 * i], y: numbers[2 * i + 1] });
            let identity = [Identity::Same, Identity::Other, Identity::Unknown][usize::from(identity)];
            let captured_at = Moment(std::time::Duration::from_millis(at));
            challenge.look(&ChallengeLook { frame, captured_at, landmarks, identity, sure });
            challenge.tick(captured_at);
            let report = challenge.report();
            prop_assert!(!report.limit.is_empty() && report.state == challenge.state());
        }
        prop_assert_eq!(challenge.passed_at(), None);
    }
}

#[test]
fn heads_pass_in_most_films_and_the_wider_they_turn_the_more() {
    let normal = ChallengeSettings::normal();
    let shares = [15.0, 20.0, 25.0, 30.0, 40.0].map(|degrees| share(head(), degrees, &normal));
    let strict = [30.0, 35.0, 40.0, 45.0].map(|degrees| share(head(), degrees, &ChallengeSettings::strict()));
    assert!(strict.is_sorted() && strict[0] < 0.3 && strict[2] > 0.95, "{strict:?}");
    assert!(shares.is_sorted() && shares[0] < 0.05 && shares[3] > 0.9 && shares[4] > 0.98, "{shares:?}");
    for fps in [5.0, 8.0, 10.0, 30.0] {
        let film = turning(head(), ORDERS[0], 38.0, fps, NOISE / 2.0, 1);
        assert!(passes(&film, ORDERS[0], &normal), "{fps} frames a second");
        assert!(!passes(&film, ORDERS[1], &normal), "{fps} frames a second");
    }
}

#[test]
fn bent_prints_do_not_pass_and_of_folded_ones_the_flat_do_not() {
    let (normal, strict) = (ChallengeSettings::normal(), ChallengeSettings::strict());
    for degrees in [20.0, 30.0, 40.0, 50.0] {
        assert_eq!(share(bent(45.0), degrees, &normal), 0.0, "bent by 45, turned by {degrees}");
        assert_eq!(share(folded(20.0), degrees, &normal), 0.0, "folded by 20, turned by {degrees}");
        assert!(share(bent(60.0), degrees, &strict) < 0.05, "bent by 60, turned by {degrees}");
    }
    // The known hole: with landmarks where the paper has them, a fold of 40 degrees is nearly a face.
    assert!(share(folded(40.0), 40.0, &normal) > 0.5);
}
