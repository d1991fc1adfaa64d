//! Properties of a door that asks for a challenge, over random histories of heads and prints that turn, swap, vanish and come back: what any grant
//! must rest on, stated without the challenge's own arithmetic.

use std::time::Duration;

use proptest::prelude::*;

use super::challenge::people::{AHEAD, Pose, Solid, bent, flat, head};
use super::rules::tests::{clear, usual};
use super::{Judgement, NoCues, Referee, Shown};
use crate::domain::{Assurance, Decision, Distance, Match, Moment, PersonId, Reason, TrackId, Verdict};

const FRAME: Duration = Duration::from_millis(50);
/// A head that has shown both turns went at least so far from one side to the other: the nose moves by 0.2 at 23°, to each side of where the
/// reference was taken, which may be up to 17° beside straight ahead.
const BETWEEN: f64 = 40.0;
const BESIDE: f64 = 5.0;

/// A face goes to a yaw within some frames.
#[derive(Clone, Copy, Debug)]
struct Move {
    goal: f64,
    frames: u32,
    person: u32,
    track: u64,
    what: What,
    /// Before it, nobody is there for so long.
    pause_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Head,
    Flat,
    Bent,
}

impl What {
    fn solid(self) -> Solid {
        match self {
            What::Head => head(),
            What::Flat => flat(),
            What::Bent => bent(45.0),
        }
    }
}

/// A frame that the referee has seen.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Moment,
    yaw: f64,
    person: u32,
    track: u64,
    what: What,
}

impl Seen {
    /// Whether it is evidence for its person.
    fn sure(&self) -> bool {
        self.yaw.abs() <= 33.0
    }
}

/// All frames, and the decisions with the number of frames before them.
fn play(moves: &[Move]) -> (Vec<Seen>, Vec<(usize, Decision)>) {
    let mut referee = Referee::new(usual());
    let (mut now, mut frames, mut decisions) = (Moment(Duration::from_secs(10)), Vec::new(), Vec::new());
    let mut yaws = [0.0_f64; 3];
    let mut ask = |_: &Shown| Judgement { assurance: vec![Assurance::Challenge], ..Judgement::default() };
    for step in moves {
        let pause = Duration::from_millis(step.pause_ms);
        if pause > Duration::from_secs(10) {
            decisions
                .extend(referee.tick(now + Duration::from_secs(5), &mut NoCues).into_iter().map(|d| (frames.len(), d)));
        }
        now = now + pause;
        let from = std::mem::replace(&mut yaws[step.track as usize], step.goal);
        for frame in 1..=step.frames {
            now = now + FRAME;
            let t = f64::from(frame) / f64::from(step.frames);
            let seen = Seen {
                at: now,
                yaw: from + (step.goal - from) * t * t * (3.0 - 2.0 * t),
                person: step.person,
                track: step.track,
                what: step.what,
            };
            let mut sighting = clear(frames.len() as u64, now);
            sighting.track = TrackId(seen.track);
            sighting.face.landmarks = seen.what.solid().seen(&Pose { yaw: seen.yaw, ..AHEAD });
            sighting.quality.yaw = seen.yaw as f32;
            let distance = Distance(0.6 + 0.012 * seen.yaw.abs() as f32);
            sighting.nearest = Some(Match { person: PersonId(seen.person), distance, runner_up: None });
            frames.push(seen);
            let decided = referee.consider_asking(&sighting, now, &mut ask, &mut NoCues);
            decisions.extend(decided.into_iter().chain(referee.tick(now, &mut NoCues)).map(|d| (frames.len(), d)));
        }
    }
    (frames, decisions)
}

/// Whether these frames, oldest first, show a turn of a head to the left, then one to the right, then ahead.
fn shows_both_turns(frames: &[Seen]) -> bool {
    let beyond = |from: usize, side: f64| {
        let turned = |frame: &Seen| frame.what == What::Head && frame.yaw * side >= BESIDE;
        let held = frames.get(from..)?.windows(3).position(|three| three.iter().all(turned))?;
        Some(from + held + 3)
    };
    let after = beyond(0, 1.0).and_then(|from| beyond(from, -1.0));
    let yaws = || frames.iter().filter(|frame| frame.what == What::Head).map(|frame| frame.yaw);
    let (left, right) = (yaws().fold(f64::MIN, f64::max), yaws().fold(f64::MAX, f64::min));
    // At least three frames of the person after it.
    left - right >= BETWEEN && after.is_some_and(|from| frames[from..].iter().filter(|frame| frame.sure()).count() >= 3)
}

/// Moves of one face that does as asked, from the beginning.
fn willing(person: u32, track: u64, what: What) -> Vec<Move> {
    let to = |goal: f64, frames: u32| Move { goal, frames, person, track, what, pause_ms: 0 };
    vec![to(0.0, 6), to(36.0, 10), to(36.0, 4), to(0.0, 10), to(-36.0, 14), to(-36.0, 4), to(0.0, 10), to(0.0, 5)]
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![4 => Just(What::Head), 1 => Just(What::Flat), 1 => Just(What::Bent)]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let goal = prop_oneof![3 => Just(0.0), 2 => Just(36.0), 2 => Just(-36.0), 2 => -60.0..60.0];
    let person = prop_oneof![6 => Just(1_u32), 1 => Just(2)];
    let pause_ms = prop_oneof![12 => Just(0_u64), 1 => 0..4000_u64];
    let track = prop_oneof![9 => Just(1_u64), 1 => Just(2)];
    let one =
        (goal, 1..14_u32, person, track, what(), pause_ms).prop_map(|(goal, frames, person, track, what, pause_ms)| {
            vec![Move { goal, frames, person, track, what, pause_ms }]
        });
    let right = (1..3_u32, 1..3_u64, what()).prop_map(|(person, track, what)| willing(person, track, what));
    // Some of the right moves, with others in between.
    let nearly = (1..3_u32, what(), 0..8_usize, 0..8_usize)
        .prop_map(|(person, what, from, count)| willing(person, 1, what).into_iter().skip(from).take(count).collect());
    prop::collection::vec(prop_oneof![6 => one, 2 => right, 3 => nearly], 1..25).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// No grant without both turns of a head of that person, in order, on the same track, since the last grant; never for a print; and with
    /// enough frames of the person after them and nobody else's in between.
    #[test]
    fn a_grant_rests_on_a_challenge_on_its_track(moves in moves()) {
        let (frames, decisions) = play(&moves);
        let window = usual().window;
        let mut begins = [0_usize; 3];
        for (until, decision) in &decisions {
            let Verdict::Grant { person } = decision.verdict else { continue };
            let track = decision.track.0;
            let of_track: Vec<Seen> =
                frames[begins[track as usize]..*until].iter().filter(|seen| seen.track == track).copied().collect();
            // Since the track was last out of sight, and since it last showed somebody else surely.
            let broken = |pair: &[Seen]| {
                pair[1].at.since(pair[0].at) > window || pair[0].person != person.0 && pair[0].sure()
            };
            let from = of_track.windows(2).rposition(broken).map_or(0, |at| at + 1);
            let mine = &of_track[from..];
            let gate = decision.gates.iter().find(|gate| gate.name == "challenge").cloned();
            prop_assert!(shows_both_turns(mine), "{:?} {:?}", gate, mine);
            prop_assert_eq!(mine.last().map(|seen| seen.person), Some(person.0));
            prop_assert!(gate.is_some_and(|gate| gate.passed));
            begins[track as usize] = *until;
        }
    }

    /// Whatever happened before, a person who does as asked is let in, once any wait is over.
    #[test]
    fn who_does_as_asked_is_let_in(moves in moves()) {
        let away = Move { goal: 0.0, frames: 1, person: 1, track: 1, what: What::Head, pause_ms: 700_000 };
        let mut all = moves.clone();
        all.push(away);
        all.extend(willing(1, 1, What::Head));
        let (frames, decisions) = play(&all);
        let before = frames.len() - willing(1, 1, What::Head).iter().map(|step| step.frames as usize).sum::<usize>();
        let granted = |(at, decision): &(usize, Decision)| *at > before && matches!(decision.verdict, Verdict::Grant { .. });
        prop_assert!(decisions.iter().any(granted), "{:?}", decisions.last());
    }

    /// A denial after an enquiry has a gate that failed and says why, and none before it has.
    #[test]
    fn a_denial_after_an_enquiry_names_its_reason(moves in moves()) {
        for (_, decision) in play(&moves).1 {
            if decision.verdict == (Verdict::Deny { reason: Reason::Challenge }) {
                let failed: Vec<&str> =
                    decision.gates.iter().filter(|gate| !gate.passed).map(|gate| &*gate.name).collect();
                prop_assert_eq!(failed, ["assurance", "challenge"]);
            }
        }
    }
}

#[test]
fn prints_are_never_let_in_and_heads_are() {
    let grants = |what: What| {
        let (_, decisions) = play(&willing(1, 1, what));
        decisions.iter().filter(|(_, decision)| matches!(decision.verdict, Verdict::Grant { .. })).count()
    };
    assert_eq!([What::Head, What::Flat, What::Bent].map(grants), [1, 0, 0]);
}
