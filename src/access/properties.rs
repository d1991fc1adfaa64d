//! Properties of any history of sightings: thousands of random ones, in simulated time, checked against a plain statement of the rules.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::rules::tests::{allow, clear};
use super::{Referee, Rules};
use crate::domain::{Decision, Distance, Match, Moment, PersonId, Quality, Reason, Sighting, TrackId, Verdict};

/// A future sighting, relative to what came before.
#[derive(Clone, Debug)]
struct Step {
    /// Since the previous step.
    pause_ms: u64,
    /// How long before now it was captured; negative if its clock is ahead.
    age_ms: i64,
    camera: u8,
    track: u64,
    /// Relative to the last frame number of all.
    frame: i64,
    quality: Quality,
    nearest: Option<Match>,
    /// Beyond the distance to the nearest person.
    not_them: Option<f32>,
}

/// The history so far, and the decisions.
struct Played {
    sighting: Sighting,
    now: Moment,
    decision: Option<Decision>,
}

fn play(rules: &Rules, steps: &[Step]) -> Vec<Played> {
    let mut referee = Referee::new(rules.clone());
    let (mut now_ms, mut frame) = (100_000_u64, 1000_u64);
    let mut played = Vec::new();
    for step in steps {
        now_ms += step.pause_ms;
        frame = frame.saturating_add_signed(step.frame);
        let sighting = Sighting {
            camera: ["door", "yard"][usize::from(step.camera)].into(),
            track: TrackId(step.track),
            quality: step.quality,
            nearest: step.nearest,
            not_them: step.nearest.zip(step.not_them).map(|(nearest, gap)| Distance(nearest.distance.0 + gap)),
            ..clear(frame, Moment(Duration::from_millis(now_ms.saturating_add_signed(-step.age_ms))))
        };
        let now = Moment(Duration::from_millis(now_ms));
        let decision = referee.consider(&sighting, now, &mut allow);
        played.push(Played { sighting, now, decision });
    }
    played
}

fn good_view() -> impl Strategy<Value = Quality> {
    let pose = (-35.0..35.0_f32, -25.0..25.0_f32);
    (80.0..300.0_f32, 30.0..200.0_f32, pose, prop_oneof![4 => 6.0..20.0_f32, 1 => 0.1..5.9_f32]).prop_map(
        |(size, sharpness, (yaw, pitch), length)| Quality {
            size,
            sharpness,
            yaw,
            pitch,
            length: Some(length),
            ..Quality::default()
        },
    )
}

fn poor_view() -> impl Strategy<Value = Quality> {
    (good_view(), 0..4, prop_oneof![Just(f32::NAN), Just(f32::INFINITY), 0.0..1.0_f32]).prop_map(|(view, spoil, by)| {
        let less = |limit: f32| if by.is_finite() { limit * by } else { by };
        let more = |limit: f32| if by.is_finite() { limit * (1.01 + by) } else { by };
        match spoil {
            0 => Quality { size: less(79.9), ..view },
            1 => Quality { sharpness: less(29.9), ..view },
            2 => Quality { yaw: -more(35.0), ..view },
            _ => Quality { pitch: more(25.0), ..view },
        }
    })
}

fn matched(
    distance: impl Strategy<Value = f32>,
    gap: impl Strategy<Value = f32>,
) -> impl Strategy<Value = Option<Match>> {
    (1..=3_u32, distance, proptest::option::weighted(0.8, gap)).prop_map(|(person, distance, gap)| {
        let runner_up = gap.map(|gap| (PersonId(person % 3 + 1), Distance(distance + gap)));
        Some(Match { person: PersonId(person), distance: Distance(distance), runner_up })
    })
}

fn broken() -> impl Strategy<Value = f32> {
    prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), Just(-0.5), Just(f32::MAX)]
}

fn stranger() -> impl Strategy<Value = Option<Match>> {
    prop_oneof![1 => Just(None), 8 => matched(1.0001..2.0_f32, 0.0..0.5_f32), 1 => matched(broken(), broken())]
}

fn anybody() -> impl Strategy<Value = Option<Match>> {
    prop_oneof![
        12 => matched(0.0..1.0_f32, 0.0501..0.8_f32),
        2 => matched(0.0..1.0_f32, 0.0..0.07_f32),
        1 => matched(0.0..1.0_f32, broken()),
        2 => stranger(),
    ]
}

fn view() -> impl Strategy<Value = Quality> {
    prop_oneof![4 => good_view(), 1 => poor_view()]
}

fn age_ms() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0..200_i64, 1 => 700..1000_i64, 1 => -3000..3000_i64]
}

fn steps(
    quality: impl Strategy<Value = Quality>,
    nearest: impl Strategy<Value = Option<Match>>,
    age_ms: impl Strategy<Value = i64>,
) -> impl Strategy<Value = Vec<Step>> {
    let pause_ms = prop_oneof![8 => 0..150_u64, 1 => 0..2500_u64];
    let camera = prop_oneof![6 => Just(0_u8), 1 => Just(1)];
    let track = prop_oneof![8 => Just(1_u64), 1 => 2..4_u64];
    let frame = prop_oneof![20 => Just(1_i64), 2 => Just(0), 1 => -5..20_i64];
    let not_them =
        prop_oneof![6 => Just(None), 2 => (0.051..1.0_f32).prop_map(Some), 1 => (-0.5..0.05_f32).prop_map(Some)];
    let step = (pause_ms, age_ms, camera, track, frame, quality, nearest, not_them).prop_map(
        |(pause_ms, age_ms, camera, track, frame, quality, nearest, not_them)| Step {
            pause_ms,
            age_ms,
            camera,
            track,
            frame,
            quality,
            nearest,
            not_them,
        },
    );
    proptest::collection::vec(step, 1..80)
}

prop_compose! {
    fn rules()(
        agree in 0..5_u32,
        more in 0..4_u32,
        window in prop_oneof![1 => Just(0_u64), 6 => 300..2000_u64],
        max_age in prop_oneof![1 => Just(0_u64), 6 => 100..1000_u64],
        cooldown in prop_oneof![1 => Just(0_u64), 6 => 100..3000_u64],
        repeat in prop_oneof![1 => Just(0_u64), 6 => 100..3000_u64],
    ) -> Rules {
        Rules {
            frames_agree: agree,
            frames_window: agree + more,
            window: Duration::from_millis(window),
            max_age: Duration::from_millis(max_age),
            cooldown: Duration::from_millis(cooldown),
            repeat_denial: Duration::from_millis(repeat),
            min_length: Some(6.0),
            ..super::rules::tests::usual()
        }
    }
}

/// The person whom `sighting` alone shows: the rules for one frame, restated.
fn sure(sighting: &Sighting) -> Option<PersonId> {
    let q = &sighting.quality;
    let finite = [q.size, q.sharpness, q.yaw, q.pitch].iter().all(|v| v.is_finite());
    let good = finite && q.size >= 80.0 && q.sharpness >= 30.0 && q.yaw.abs() <= 35.0 && q.pitch.abs() <= 25.0;
    let Match { person, distance, runner_up } = sighting.nearest?;
    let near = distance.0 >= 0.0 && distance.0 <= 1.0;
    let apart = [runner_up.map(|(_, other)| other), sighting.not_them].into_iter().flatten().all(|other| {
        let gap = other.0 - distance.0;
        gap.is_finite() && gap >= 0.05
    });
    (good && near && apart).then_some(person)
}

/// For each track the newest frame that counts, with the index of the sighting where the track's memory begins.
#[derive(Default)]
struct Counted {
    tracks: HashMap<(String, TrackId), Vec<usize>>,
}

impl Counted {
    /// The sightings that count on the track of `played[at]`, with that one last; `None` if it does not count itself.
    fn add(&mut self, rules: &Rules, played: &[Played], at: usize) -> Option<&[usize]> {
        let Played { sighting, now, .. } = &played[at];
        let counted = self.tracks.entry((sighting.camera.to_string(), sighting.track)).or_default();
        if let Some(&last) = counted.last() {
            if now.since(played[last].now) > rules.window {
                counted.clear();
            } else if sighting.frame <= played[last].sighting.frame || captured(&played[at]) < captured(&played[last]) {
                return None;
            }
        }
        counted.push(at);
        Some(counted)
    }
}

fn captured(played: &Played) -> Moment {
    played.sighting.captured_at.min(played.now)
}

/// The person who must be let in at the last of the sightings that count, if any, ignoring the cooldown.
fn deserved(rules: &Rules, played: &[Played], counted: &[usize]) -> Option<PersonId> {
    let newest = &played[*counted.last()?];
    let person = sure(&newest.sighting)?;
    let in_window = |at: &usize| captured(newest).since(captured(&played[*at])) <= rules.window;
    let needed = rules.frames_agree.max(1) as usize;
    let agreeing = counted
        .iter()
        .rev()
        .take(needed.max(rules.frames_window as usize))
        .filter(|at| in_window(at) && sure(&played[**at].sighting) == Some(person))
        .count();
    let others = counted.iter().filter(|at| in_window(at)).filter_map(|at| sure(&played[*at].sighting));
    let fresh = newest.now.since(captured(newest)) <= rules.max_age;
    (agreeing >= needed && fresh && others.into_iter().all(|other| other == person)).then_some(person)
}

fn granted(played: &Played) -> Option<PersonId> {
    match played.decision.as_ref()?.verdict {
        Verdict::Grant { person } => Some(person),
        Verdict::Deny { .. } => None,
    }
}

fn denied(played: &Played) -> Option<Reason> {
    match played.decision.as_ref()?.verdict {
        Verdict::Deny { reason } => Some(reason),
        Verdict::Grant { .. } => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// The central property: a grant is given if and only if the rules call for it and the cooldown is over.
    #[test]
    fn a_grant_is_given_exactly_when_it_is_deserved(rules in rules(), steps in steps(view(), anybody(), age_ms())) {
        let played = play(&rules, &steps);
        let mut counted = Counted::default();
        let mut last: HashMap<PersonId, Moment> = HashMap::new();
        for at in 0..played.len() {
            let looks = counted.add(&rules, &played, at);
            let person = looks.and_then(|looks| deserved(&rules, &played, looks)).filter(|person| {
                last.get(person).is_none_or(|before| played[at].now.since(*before) >= rules.cooldown)
            });
            prop_assert_eq!(granted(&played[at]), person, "at {}", at);
            if let Some(person) = person {
                last.insert(person, played[at].now);
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn every_decision_lists_its_gates_consistently_with_the_verdict(rules in rules(), steps in steps(view(), anybody(), age_ms())) {
        for played in play(&rules, &steps) {
            let Some(decision) = &played.decision else { continue };
            let names: Vec<_> = decision.gates.iter().map(|gate| &*gate.name).collect();
            let mut expected = vec!["quality", "embedding", "distance", "margin", "lookalike", "agreement", "age"];
            expected.retain(|name| *name != "lookalike" || played.sighting.not_them.is_some());
            prop_assert_eq!(names, expected);
            let failed = |name| decision.gates.iter().any(|gate| gate.name == name && !gate.passed);
            let passed = |name| decision.gates.iter().any(|gate| gate.name == name && gate.passed);
            let all = decision.gates.iter().all(|gate| gate.passed);
            prop_assert_eq!(decision.captured_at, captured(&played));
            prop_assert!(decision.frames.0 >= 1 && decision.frames.0 <= decision.frames.1);
            prop_assert!(decision.frames.1 <= rules.frames_window.max(1));
            match decision.verdict {
                Verdict::Grant { .. } => prop_assert!(all),
                Verdict::Deny { reason: Reason::PoorView } => prop_assert!(failed("quality") || failed("embedding")),
                Verdict::Deny { reason: Reason::Unknown } => {
                    prop_assert!(passed("quality") && passed("embedding") && failed("distance"));
                }
                Verdict::Deny { reason: Reason::Ambiguous } => {
                    prop_assert!(passed("distance") && (failed("margin") || failed("lookalike")));
                }
                Verdict::Deny { reason: Reason::Inconsistent } => {
                    prop_assert!(passed("margin") && !failed("lookalike") && failed("agreement"));
                }
                Verdict::Deny { reason: Reason::Stale } => prop_assert!(passed("agreement") && !passed("age")),
                Verdict::Deny { reason } => prop_assert!(false, "{reason:?} is about more than the face"),
            }
        }
    }

    /// While a track is in memory, no reason is given twice within the time, and there are few denials.
    #[test]
    fn denials_are_not_repeated_too_soon(rules in rules(), steps in steps(view(), anybody(), age_ms())) {
        let played = play(&rules, &steps);
        let mut counted = Counted::default();
        for at in 0..played.len() {
            let Some(looks) = counted.add(&rules, &played, at) else { continue };
            if denied(&played[at]).is_none() {
                continue;
            }
            let lately = looks.iter().filter(|&&before| {
                played[at].now.since(played[before].now) < rules.repeat_denial && denied(&played[before]).is_some()
            });
            let reasons: Vec<_> = lately.filter(|&&before| before != at).map(|&before| denied(&played[before])).collect();
            prop_assert!(!reasons.contains(&denied(&played[at])), "{:?} after {:?}", denied(&played[at]), reasons);
            prop_assert!(reasons.len() < 4);
        }
    }

    #[test]
    fn a_stranger_is_never_let_in(rules in rules(), steps in steps(view(), stranger(), age_ms())) {
        prop_assert!(play(&rules, &steps).iter().all(|played| granted(played).is_none()));
    }

    #[test]
    fn poor_views_never_grant(rules in rules(), steps in steps(poor_view(), anybody(), age_ms())) {
        for played in play(&rules, &steps) {
            prop_assert!(matches!(denied(&played), None | Some(Reason::PoorView)) && granted(&played).is_none());
        }
    }

    #[test]
    fn stale_frames_never_grant(rules in rules(), steps in steps(good_view(), anybody(), 1001..5000_i64)) {
        prop_assert!(play(&rules, &steps).iter().all(|played| granted(played).is_none()));
    }

    #[test]
    fn a_clean_view_of_one_person_grants_at_the_last_frame_needed(
        agree in 1..8_u32, more in 0..5_u32, pause_ms in 1..180_u64, age_ms in 0..800_u64, poor_first in 0..6_u64,
    ) {
        let rules = Rules { frames_agree: agree, frames_window: agree + more, ..super::rules::tests::usual() };
        let mut referee = Referee::new(rules);
        for frame in 0..poor_first + u64::from(agree) {
            let captured_at = Moment(Duration::from_millis(1000 + frame * pause_ms));
            let mut sighting = clear(frame, captured_at);
            if frame < poor_first {
                sighting.quality.sharpness = 0.0;
            }
            let decision = referee.consider(&sighting, captured_at + Duration::from_millis(age_ms), &mut allow);
            let last = frame + 1 == poor_first + u64::from(agree);
            let verdict = decision.map(|decision| decision.verdict);
            prop_assert_eq!(verdict, last.then_some(Verdict::Grant { person: PersonId(1) }), "frame {}", frame);
        }
    }

    /// Settings and sightings out of range: nothing panics, and a limit that is not a number lets nobody in.
    #[test]
    fn nothing_panics_on_extremes(
        limit in prop_oneof![broken(), any::<f32>()],
        counts in (any::<u32>(), any::<u32>()),
        spans in proptest::collection::vec(prop_oneof![Just(0), Just(u64::MAX), any::<u64>()], 4),
        sightings in proptest::collection::vec((
            prop_oneof![Just(u64::MAX), Just(0), any::<u64>()],
            prop_oneof![Just(Duration::ZERO), Just(Duration::MAX), any::<u64>().prop_map(Duration::from_nanos)],
            prop_oneof![Just(Duration::ZERO), Just(Duration::MAX), any::<u64>().prop_map(Duration::from_nanos)],
            any::<f32>(), any::<f32>(),
        ), 1..40),
    ) {
        let span = |n: usize| Duration::from_secs(spans[n]);
        let rules = Rules {
            distance: Distance(limit), margin: limit, frames_agree: counts.0, frames_window: counts.1,
            window: span(0), max_age: span(1), cooldown: span(2), repeat_denial: span(3),
            min_face_px: limit, min_sharpness: limit, max_yaw_deg: limit, max_pitch_deg: limit,
            min_length: Some(limit), same_person: Distance(limit),
        };
        let mut referee = Referee::new(rules);
        for (frame, captured_at, now, distance, measure) in sightings {
            let mut sighting = clear(frame, Moment(captured_at));
            sighting.nearest = Some(Match {
                person: PersonId(u32::MAX), distance: Distance(distance), runner_up: Some((PersonId(0), Distance(measure))),
            });
            sighting.quality = Quality {
                size: measure, sharpness: measure, yaw: measure, pitch: measure, length: Some(measure), ..Quality::default()
            };
            let decision = referee.consider(&sighting, Moment(now), &mut allow);
            let let_in = matches!(decision, Some(Decision { verdict: Verdict::Grant { .. }, .. }));
            prop_assert!(!(let_in && limit.is_nan()));
        }
    }
}
