//! Attempts, as willing people, absent-minded people and attackers make them.

use super::super::attempts::Attempts;
use super::super::people::{Film, flat, head};
use super::*;

const ADA: PersonId = PersonId(1);
const BOTH: [Side; 2] = [Side::Left, Side::Right];

fn begin(order: &[Side]) -> Challenge {
    Challenge::new(&ChallengeSettings::normal(), ADA, order.to_vec(), Moment::default())
}

/// Shows a film to a challenge; what the person was told, without repetitions.
fn play(challenge: &mut Challenge, film: &Film) -> Vec<Prompt> {
    let mut told = vec![challenge.prompt()];
    for look in &film.looks {
        challenge.look(look);
        told.push(challenge.prompt());
    }
    told.dedup();
    told
}

/// The end of a challenge that asks for left, then right.
fn after(film: &Film) -> Challenge {
    let mut challenge = begin(&BOTH);
    play(&mut challenge, film);
    challenge
}

fn film() -> Film {
    Film::of(head(), 15.0).with_noise(0.01, 3).stay(0.4)
}

/// Left, ahead, right, ahead.
fn willing() -> Film {
    film().to(35.0).stay(0.3).to(0.0).stay(0.3).to(-35.0).stay(0.3).to(0.0).stay(0.4)
}

#[test]
fn a_willing_person_is_told_what_to_do_and_passes() {
    let mut challenge = begin(&BOTH);
    let told = play(&mut challenge, &willing());
    use Prompt::{Idle, LookAhead, TurnLeft, TurnRight};
    assert_eq!(told, [LookAhead, TurnLeft, LookAhead, TurnRight, LookAhead, Idle]);
    assert_eq!((challenge.state(), challenge.failure(), challenge.person()), (CueState::Passed, None, ADA));
    let sides: Vec<Side> = challenge.turns().iter().map(|turn| turn.side).collect();
    assert_eq!(sides, BOTH);
    let report = challenge.report();
    assert!(report.gate().passed && report.input.starts_with("left 0.") && report.input.contains("right 0."));
    assert!(report.limit.starts_with("turn left, then right: at least 0.20 (depth at least 0.28)"), "{report:?}");
    // The head is ahead again when it passes, and later frames change nothing.
    let passed = challenge.passed_at().unwrap();
    let before = willing().looks.iter().filter(|look| look.captured_at <= passed).count();
    assert!(before < willing().looks.len());
    challenge.tick(Moment(Duration::from_secs(99)));
    assert_eq!(challenge.passed_at(), Some(passed));
}

#[test]
fn a_turn_to_the_wrong_side_ends_it() {
    let mut challenge = begin(&[Side::Right, Side::Left]);
    let told = play(&mut challenge, &willing());
    assert_eq!(told, [Prompt::LookAhead, Prompt::TurnRight, Prompt::Wait]);
    assert_eq!(challenge.failure(), Some(Failure::WrongSide { asked: Side::Right, shown: Side::Left }));
    assert_eq!(challenge.state(), CueState::Failed);
    assert!(challenge.report().input.contains("turned left where right was asked"));
    // The side that was just shown, once more.
    let twice = film().to(35.0).stay(0.3).to(0.0).stay(0.3).to(35.0).stay(0.3);
    assert_eq!(after(&twice).failure(), Some(Failure::WrongSide { asked: Side::Right, shown: Side::Left }));
}

#[test]
fn nobody_passes_without_turning() {
    let still = film().stay(3.5);
    assert_eq!(after(&still).state(), CueState::Waiting);
    let mut challenge = after(&film().stay(5.0));
    assert_eq!(challenge.failure(), Some(Failure::NoTurn(Side::Left)));
    assert!(challenge.report().input.contains("did not turn far enough: left"));
    // The clock ends it, too, where no frames come.
    challenge = after(&still);
    challenge.tick(Moment(Duration::from_secs(6)));
    assert_eq!(challenge.failure(), Some(Failure::NoTurn(Side::Left)));
    // One side is not enough.
    let one = after(&film().to(35.0).stay(0.3).to(0.0).stay(5.0));
    assert_eq!((one.failure(), one.turns().len()), (Some(Failure::NoTurn(Side::Right)), 1));
    // Nor is a head that was never seen from the front, or does not come back.
    let mut challenge = begin(&BOTH);
    play(&mut challenge, &Film::of(head(), 15.0).cut_to(24.0).stay(5.0));
    assert_eq!(challenge.failure(), Some(Failure::NotAhead));
    let stays = after(&film().to(35.0).stay(5.0));
    assert_eq!(stays.failure(), Some(Failure::NoReturn(Side::Left)));
    assert!(stays.report().input.contains("not seen and recognised looking ahead again"));
}

#[test]
fn who_turns_too_little_is_told_to_turn_further() {
    let mut challenge = begin(&BOTH);
    let told = play(&mut challenge, &film().to(17.0).stay(0.6).to(35.0).stay(0.3));
    assert_eq!(told, [Prompt::LookAhead, Prompt::TurnLeft, Prompt::FurtherLeft, Prompt::LookAhead]);
    let little = film().to(17.0).stay(0.5).to(0.0).stay(0.3).to(17.0).stay(3.0);
    assert_eq!(after(&little).failure(), Some(Failure::NoTurn(Side::Left)));
    assert!(after(&film().to(17.0).stay(0.5)).report().input.contains("left 0.1"));
}

#[test]
fn frames_that_are_not_the_persons_do_not_count() {
    let as_seen = |identity, sure| {
        let mut film = willing();
        for look in &mut film.looks {
            if look.landmarks[2].x > 332.0 {
                (look.identity, look.sure) = (identity, sure);
            }
        }
        film
    };
    assert_eq!(after(&as_seen(Identity::Other, false)).failure(), Some(Failure::OtherPerson));
    assert_eq!(after(&as_seen(Identity::Same, false)).state(), CueState::Passed);
    // Too far for recognition: the way back is what helps.
    let mut challenge = begin(&BOTH);
    let told = play(&mut challenge, &as_seen(Identity::Unknown, false));
    assert!(challenge.turns().is_empty());
    assert_eq!(told, [Prompt::LookAhead, Prompt::TurnLeft, Prompt::LookAhead, Prompt::TurnLeft, Prompt::Wait]);
}

#[test]
fn a_turn_counts_only_if_the_face_was_followed_all_the_way() {
    // The picture of a head that looks ahead is replaced by one of a turned head, and again.
    let mut cut = film();
    for yaw in [35.0, 0.0, -35.0, 0.0] {
        cut = cut.cut_to(yaw).stay(0.4);
    }
    let mut challenge = begin(&BOTH);
    let told = play(&mut challenge, &cut);
    assert!(challenge.turns().is_empty() && told.contains(&Prompt::LookAhead), "{told:?}");
    // The same with a while between in which nothing is seen: once on the way there, once on the way back.
    for gone in [0, 1] {
        let mut hidden = film();
        for (step, yaw) in [35.0, 0.0, -35.0, 0.0].into_iter().enumerate() {
            hidden = if step % 2 == gone { hidden.dark(0.3).cut_to(yaw).stay(0.4) } else { hidden.to(yaw).stay(0.3) };
        }
        assert!(after(&hidden).turns().is_empty(), "{gone}");
    }
    // Who is out of sight for a moment shows the turn again.
    let again = film().to(30.0).dark(0.3).stay(0.3).to(0.0).stay(0.2).to(35.0).stay(0.3).to(0.0).stay(0.2);
    let again = again.to(-35.0).stay(0.3).to(0.0).stay(0.2);
    assert_eq!(after(&again).state(), CueState::Passed);
    // A few lost frames do not matter.
    let mut lossy = willing();
    let mut number = 0;
    lossy.looks.retain(|_| {
        number += 1;
        number % 4 != 0
    });
    assert_eq!(after(&lossy).state(), CueState::Passed);
}

#[test]
fn the_three_frames_are_in_a_row() {
    // Every third frame of the turns has landmarks that say nothing.
    let mut film = willing();
    for look in film.looks.iter_mut().filter(|look| look.frame > 8 && look.frame % 3 == 0) {
        look.landmarks[0] = look.landmarks[1];
    }
    assert!(after(&film).turns().is_empty());
}

#[test]
fn the_person_must_be_recognised_ahead_again() {
    let mut film = willing();
    film.looks.iter_mut().filter(|look| look.frame > 10).for_each(|look| look.sure = false);
    let challenge = after(&film);
    assert!(challenge.turns().is_empty() && challenge.prompt() == Prompt::LookAhead);
    let report = challenge.report();
    assert!(report.state == CueState::Waiting && report.input.contains("not yet ahead again"), "{report:?}");
}

#[test]
fn repeated_and_late_frames_are_ignored() {
    let plain = willing();
    let (mut once, mut often) = (begin(&BOTH), begin(&BOTH));
    for (at, look) in plain.looks.iter().enumerate() {
        once.look(look);
        often.look(look);
        for late in plain.looks.get(at.saturating_sub(2)..=at).unwrap_or_default() {
            often.look(late);
        }
        // A camera's clock that runs backwards.
        if at > 0 {
            often.look(&ChallengeLook { frame: look.frame + 1, captured_at: Moment::default(), ..*look });
        }
        assert_eq!((once.state(), once.prompt()), (often.state(), often.prompt()), "{at}");
    }
    assert_eq!(once.state(), CueState::Passed);
    // One frame, over and over, is one frame.
    let mut challenge = begin(&BOTH);
    for _ in 0..20 {
        challenge.look(&plain.looks[0]);
    }
    assert!(challenge.reference().is_none());
}

#[test]
fn a_third_turn_goes_up() {
    let order = [Side::Right, Side::Up, Side::Left];
    let up = film().to(-35.0).stay(0.3).to(0.0).stay(0.2).turn(0.0, 33.0, 0.5).stay(0.3).to(0.0).stay(0.2);
    let up = up.to(35.0).stay(0.3).to(0.0).stay(0.2);
    let mut challenge = begin(&order);
    let told = play(&mut challenge, &up);
    assert_eq!(challenge.state(), CueState::Passed, "{told:?} {challenge:?}");
    assert!(told.contains(&Prompt::TurnUp) && challenge.report().input.contains("up 0."));
    // Up and down are different things, and up is not a side.
    for pitch in [-33.0, 0.0] {
        let other = film().to(-35.0).stay(0.3).to(0.0).stay(0.2).turn(0.0, pitch, 0.5).stay(3.0);
        let mut challenge = begin(&order);
        play(&mut challenge, &other);
        assert_eq!(challenge.turns().len(), 1, "{pitch}");
    }
    // Where nobody is asked to look up, it does no harm.
    let absent = film().turn(0.0, 33.0, 0.4).turn(0.0, 0.0, 0.4).to(35.0).stay(0.3).to(0.0);
    assert_eq!(after(&absent).turns().len(), 1);
}

#[test]
fn an_empty_order_asks_for_both_sides() {
    let mut challenge = begin(&[]);
    assert_eq!(challenge.order(), BOTH);
    play(&mut challenge, &willing());
    assert_eq!(challenge.state(), CueState::Passed);
}

#[test]
fn prints_that_are_moved_and_tilted_show_no_turn() {
    let waved = Film::of(flat(), 15.0).with_noise(0.015, 5).stay(0.4).to(45.0).stay(0.5).to(-45.0).stay(0.5).to(0.0);
    let challenge = after(&waved.turn(20.0, 30.0, 0.5).turn(-50.0, -20.0, 0.6).stay(2.0));
    assert!(challenge.turns().is_empty() && challenge.failure() == Some(Failure::NoTurn(Side::Left)));
    // A print while it is asked, and somebody else's real turns would not be the person's; see above. The other way round:
    let swapped = film().swap(flat()).to(35.0).stay(0.3).to(0.0).stay(0.3).to(-35.0).stay(0.3).to(0.0).stay(0.4);
    assert!(after(&swapped).turns().is_empty());
}

/// As the referee does: after a failure, a new attempt on the same track as soon as the person may begin.
fn attempts_at(film: &Film, order: &[Side]) -> (bool, u32) {
    let settings = ChallengeSettings::normal();
    let mut attempts = Attempts::new(&settings);
    let (mut challenge, mut failures) = (begin(order), 0);
    for look in &film.looks {
        let now = look.captured_at;
        match challenge.state() {
            CueState::Passed => return (true, failures),
            CueState::Failed if attempts.may_begin(ADA, now).is_ok() => {
                challenge = Challenge::new(&settings, ADA, order.to_vec(), now).after_failure();
            }
            _ => {}
        }
        let failed_before = challenge.failure().is_some();
        challenge.look(look);
        if challenge.failure().is_some() && !failed_before {
            attempts.failed(ADA, now);
            failures += 1;
        }
    }
    (challenge.state() == CueState::Passed, failures)
}

#[test]
fn a_video_with_the_wrong_order_does_not_pass_however_often_it_is_played() {
    let mut looped = film().stay(0.3);
    for _ in 0..100 {
        looped = looped.to(-35.0).stay(0.3).to(0.0).stay(1.2).to(35.0).stay(0.3).to(0.0).stay(1.2);
    }
    let (passed, failures) = attempts_at(&looped, &BOTH);
    assert!(!passed && failures >= 6, "{failures}");
    assert!(attempts_at(&looped, &[Side::Right, Side::Left]).0, "it has the other order");
}

#[test]
fn who_failed_looks_ahead_steadily_and_may_try_again() {
    let wrong = film().to(-35.0).stay(0.3).to(0.0).stay(2.6);
    let again = wrong.to(35.0).stay(0.3).to(0.0).stay(0.3).to(-35.0).stay(0.3).to(0.0).stay(0.4);
    assert_eq!(attempts_at(&again, &BOTH), (true, 1));
}
