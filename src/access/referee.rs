//! Weighs the evidence of each track and speaks when a decision is due.
//!
//! Knows nothing of where sightings come from or what a decision sets in motion.

use std::collections::BTreeMap;
use std::time::Duration;

use super::authority::Judgement;
use super::evidence::{Evidence, Look, Tally, Track};
use super::gates;
use super::rules::{Finding, Rules};
use super::shown::Shown;
use crate::domain::{Decision, Distance, Moment, PersonId, Reason, Sighting, Verdict};

/// Decides about the faces of one or more cameras before one door.
///
/// **Grant**: the newest frame shows a person surely (a good view, near enough, nobody else nearly as near), so do enough of
/// the last frames of its track within the window, nobody else was seen surely on that track in the window, and the frame is
/// fresh. While the person's last grant is in its cooldown, nothing is said.
///
/// **Denial**: said only at a frame that itself shows its reason, and only when no reason has more of the frames looked at.
/// It comes early when it is conclusive: `frames_agree` frames say so and the first `frames_window` frames can no longer
/// grant. Otherwise it waits until `frames_window` frames, or a whole window, have been looked at, and holds back while the
/// next frame may still grant. A poor view is only refused when the face has been waiting for a whole window, so
/// that somebody who walks up to the camera is not refused on the way. How often a denial is repeated: see `Track::may_say`.
///
/// A capture time ahead of `now` is taken as `now`: a clock that runs ahead cannot make evidence last longer.
///
/// The memory is bounded: see `evidence` for the tracks; grants are forgotten after their cooldown, so that there is at most
/// one for each person enrolled.
#[derive(Debug)]
pub struct Referee {
    rules: Rules,
    evidence: Evidence,
    granted: BTreeMap<PersonId, Moment>,
}

impl Referee {
    /// Without any evidence yet.
    pub fn new(rules: Rules) -> Referee {
        Referee { rules, evidence: Evidence::default(), granted: BTreeMap::new() }
    }

    /// The door did not open for a grant of `person`: no cooldown keeps them waiting.
    pub fn take_back(&mut self, person: PersonId) {
        self.granted.remove(&person);
    }

    /// The same for somebody who was let in together with another: nothing is said of them until the cooldown is over.
    pub fn let_in(&mut self, person: PersonId, now: Moment) {
        self.granted.insert(person, now);
    }

    /// The distance that is near enough from now on.
    pub fn set_distance(&mut self, distance: Distance) {
        self.rules.distance = distance;
    }

    /// The rules in force.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Takes in one sighting; gives a decision when one is due. `authorise` is asked about a person whose face would be let in, as the
    /// track shows them, at each frame, until they are granted.
    ///
    /// Sightings of one track must come in the order of their frames: one that is older than the newest, or that came
    /// before, is ignored. Track numbers must not be used again within the window.
    pub fn consider(
        &mut self,
        sighting: &Sighting,
        now: Moment,
        authorise: &mut dyn FnMut(&Shown) -> Judgement,
    ) -> Option<Decision> {
        let Referee { rules, evidence, granted } = self;
        granted.retain(|_, at| now.since(*at) < rules.cooldown);
        evidence.forget(now, rules.window);

        let finding = rules.finding(sighting);
        let look = Look {
            frame: sighting.frame,
            captured_at: sighting.captured_at.min(now),
            finding,
            clear: rules.clearly(sighting),
            also: rules.near_too(sighting),
        };
        let track = evidence.add(&sighting.camera, sighting.track, look, now, rules.kept(), rules.window)?;
        let age = now.since(look.captured_at);
        let tally = track.tally();
        let due = due(rules, track, &tally, finding, age)?;

        if must_be_quiet(rules, track, &tally, &due, granted) {
            track.waiting_since = look.captured_at;
            return None;
        }
        let mut gates = gates::all(rules, sighting, track, finding, age);
        let mut verdict = due.verdict;
        if let Verdict::Grant { person } = verdict {
            let judgement = authorise(&Shown {
                person,
                camera: sighting.camera.clone(),
                track: sighting.track,
                resembles: track.resembles(person),
                clear: track.clear(person, rules.needed()),
            });
            gates.extend(judgement.gates);
            if let Some(reason) = judgement.refused {
                verdict = Verdict::Deny { reason };
            }
        }
        match verdict {
            Verdict::Grant { person } => {
                granted.insert(person, now);
            }
            Verdict::Deny { reason } => {
                if !track.may_say(reason, now, rules.repeat_denial) {
                    return None;
                }
            }
        }
        Some(Decision {
            verdict,
            camera: sighting.camera.clone(),
            track: sighting.track,
            frame: look.frame,
            captured_at: look.captured_at,
            decided_at: now,
            nearest: sighting.nearest,
            frames: (due.frames, tally.looks),
            gates,
        })
    }
}

/// A verdict that the evidence calls for, and how many frames speak for it.
struct Due {
    verdict: Verdict,
    frames: u32,
}

/// What the evidence calls for now, whatever has been said before.
fn due(rules: &Rules, track: &Track, tally: &Tally, finding: Finding, age: Duration) -> Option<Due> {
    let deny = |reason, frames| Some(Due { verdict: Verdict::Deny { reason }, frames });
    let torn = track.other_sure(rules.window).is_some();
    match finding {
        Finding::Sure(person) if gates::agrees(rules, track, finding) => {
            let frames = track.count(person);
            if gates::fresh(rules, age) {
                Some(Due { verdict: Verdict::Grant { person }, frames })
            } else {
                deny(Reason::Stale, frames)
            }
        }
        // On the way to a grant.
        Finding::Sure(_) if !torn => None,
        // Enough frames for a grant, but for somebody else in the window.
        Finding::Sure(person) if track.count(person) >= rules.needed() => deny(Reason::Inconsistent, tally.sure),
        Finding::Sure(_) => refusal(rules, track, tally, Reason::Inconsistent, torn),
        Finding::Ambiguous => refusal(rules, track, tally, Reason::Ambiguous, torn),
        Finding::Unknown => refusal(rules, track, tally, Reason::Unknown, torn),
        Finding::Poor => refusal(rules, track, tally, Reason::PoorView, torn),
    }
}

/// A denial for `reason`, which the newest frame shows, when it is due. `torn`: two people were seen surely in the window.
fn refusal(rules: &Rules, track: &Track, tally: &Tally, reason: Reason, torn: bool) -> Option<Due> {
    let torn_frames = if torn { tally.sure } else { 0 };
    let frames = match reason {
        Reason::Inconsistent => torn_frames,
        Reason::Ambiguous => tally.ambiguous,
        Reason::PoorView => tally.poor,
        _ => tally.unknown,
    };
    if frames < tally.unknown.max(tally.ambiguous).max(tally.poor).max(torn_frames) {
        return None;
    }

    let frames_to_come = rules.kept().saturating_sub(tally.looks);
    let best = tally.leader.map_or(0, |(_, frames)| frames);
    let conclusive =
        reason != Reason::PoorView && frames >= rules.needed() && best.saturating_add(frames_to_come) < rules.needed();

    let complete = frames_to_come == 0 || track.lasted() >= rules.window;
    let next_may_grant =
        !torn && tally.leader.is_some_and(|(person, _)| track.count_kept(person, rules.kept()) + 1 >= rules.needed());
    let waited = reason != Reason::PoorView || track.waited() >= rules.window;

    let due = conclusive || (complete && waited && !next_may_grant);
    due.then_some(Due { verdict: Verdict::Deny { reason }, frames })
}

/// Whether the word would be about a person who was let in just now.
///
/// A denial is about whoever the track shows most, or else showed last. Once that person has not been seen surely for a
/// whole window, the track may show somebody else, and a face that is clearly unknown is worth a word.
fn must_be_quiet(rules: &Rules, track: &Track, tally: &Tally, due: &Due, granted: &BTreeMap<PersonId, Moment>) -> bool {
    let shown = tally.leader.map(|(person, _)| person).or(track.last_sure().map(|(person, _)| person));
    match due.verdict {
        Verdict::Grant { person } => granted.contains_key(&person),
        Verdict::Deny { reason: Reason::Unknown } if !track.sure_lately(rules.window) => false,
        Verdict::Deny { .. } => shown.is_some_and(|person| granted.contains_key(&person)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::tests::{allow, clear, usual};
    use super::*;
    use crate::domain::{Gate, Match};

    /// One camera, one track, a frame each 100 ms, looked at 50 ms after its capture.
    struct Scene {
        referee: Referee,
        frame: u64,
    }

    impl Scene {
        fn new(rules: Rules) -> Scene {
            Scene { referee: Referee::new(rules), frame: 0 }
        }

        /// `P` poor, `U` unknown, `A` ambiguous, a digit: that person. Gives one word for each decision.
        fn play(&mut self, frames: &str) -> Vec<String> {
            self.play_late(frames, 50)
        }

        fn play_late(&mut self, frames: &str, age_ms: u64) -> Vec<String> {
            frames.chars().filter_map(|what| self.step(what, age_ms)).map(|decision| word(&decision)).collect()
        }

        fn step(&mut self, what: char, age_ms: u64) -> Option<Decision> {
            let captured_at = Moment(Duration::from_millis(self.frame * 100));
            let mut sighting = clear(self.frame, captured_at);
            self.frame += 1;
            let far = Match { person: PersonId(1), distance: Distance(1.3), runner_up: None };
            match what {
                'P' => sighting.quality.size = 20.0,
                'U' => sighting.nearest = Some(far),
                'A' => {
                    let runner_up = Some((PersonId(2), Distance(0.61)));
                    sighting.nearest = Some(Match { distance: Distance(0.6), runner_up, ..far });
                }
                _ => {
                    let person = PersonId(what.to_digit(10).unwrap());
                    sighting.nearest = Some(Match { person, distance: Distance(0.6), runner_up: None });
                }
            }
            self.referee.consider(&sighting, captured_at + Duration::from_millis(age_ms), &mut allow)
        }
    }

    fn word(decision: &Decision) -> String {
        match decision.verdict {
            Verdict::Grant { person } => format!("{}: grant {person}", decision.frame),
            Verdict::Deny { reason } => format!("{}: {}", decision.frame, reason.as_str()),
        }
    }

    fn played(frames: &str) -> Vec<String> {
        Scene::new(usual()).play(frames)
    }

    #[test]
    fn three_clear_frames_grant() {
        assert_eq!(played("111"), ["2: grant 1"]);
    }

    #[test]
    fn blurred_frames_first_do_not_deny_what_follows() {
        assert_eq!(played("PP111"), ["4: grant 1"]);
        assert_eq!(played("PPPPP111"), ["7: grant 1"]);
        assert_eq!(played("P1P1P1"), ["5: grant 1"]);
        assert_eq!(played("UU111"), ["4: grant 1"]);
        assert_eq!(played("1UU11"), ["4: grant 1"]);
        // Five frames have been looked at, but the next may still grant.
        assert_eq!(played("P11UU1"), ["5: grant 1"]);
    }

    #[test]
    fn a_stranger_is_refused_at_the_third_frame_and_again_after_a_while() {
        assert_eq!(played(&"U".repeat(60)), ["2: unknown", "52: unknown"]);
    }

    #[test]
    fn unknown_and_ambiguous_take_no_turns() {
        assert_eq!(played(&"UUUAAAUUUAAA".repeat(4)), ["2: unknown"]);
        assert_eq!(played("AAAU"), ["2: ambiguous"]);
        assert_eq!(played("UUAAA"), ["4: ambiguous"]);
    }

    #[test]
    fn a_poor_view_is_refused_after_a_whole_window() {
        assert_eq!(played(&"P".repeat(30)), ["15: poor_view"]);
        // Being seen clearly is of another kind; turning away after the answer is not worth a word.
        assert_eq!(played(&("P".repeat(20) + "UUUUU" + &"P".repeat(20))), ["15: poor_view", "22: unknown"]);
    }

    #[test]
    fn an_undecided_face_gets_a_word_in_the_end() {
        assert_eq!(played("1UPUP1UPUP"), ["6: unknown"]);
        assert_eq!(played("1PPPP1PPPP1PPPP1PPPP1PPPP"), ["16: poor_view"]);
    }

    /// The authority is asked about the same track with these distances to person 1, frame by frame; what is it shown?
    fn shown(distances: &[f32], runner_up: Option<f32>) -> Option<Shown> {
        let (mut referee, mut last) = (Referee::new(usual()), None);
        for (frame, &distance) in (0..).zip(distances) {
            let captured_at = Moment(Duration::from_millis(frame * 100));
            let runner_up = runner_up.map(|distance| (PersonId(2), Distance(distance)));
            let nearest = Some(Match { person: PersonId(1), distance: Distance(distance), runner_up });
            let sighting = Sighting { nearest, ..clear(frame, captured_at) };
            let refuse = |shown: &Shown| {
                last = Some(shown.clone());
                Judgement { gates: Vec::new(), refused: Some(Reason::Disabled), with: None }
            };
            referee.consider(&sighting, captured_at, &mut { refuse });
        }
        last
    }

    #[test]
    fn evidence_is_clear_when_all_frames_are_well_within_the_limit() {
        let clear = |distances: &[f32]| shown(distances, None).unwrap().clear.map(|c| (c.frames, c.farthest.0));
        assert_eq!(clear(&[0.5, 0.85, 0.6]), Some((3, 0.85)));
        assert_eq!(clear(&[0.5, 0.86, 0.6]), None, "one frame is not clear");
        assert_eq!(clear(&[1.05, 0.5, 0.5, 0.5]), None, "one frame shows nobody");
        assert_eq!(clear(&[1.05, 0.5, 0.5, 0.5, 0.5, 0.5]), Some((5, 0.5)), "it is out of the window");
        assert_eq!(shown(&[0.5, 0.5], None), None);
    }

    #[test]
    fn whom_else_a_face_resembles_is_told() {
        assert_eq!(shown(&[0.5; 3], Some(1.0)).unwrap().resembles, [PersonId(2)]);
        assert_eq!(shown(&[0.5; 3], Some(1.01)).unwrap().resembles, []);
    }

    #[test]
    fn two_people_on_one_track_do_not_add_up() {
        assert_eq!(played("1221"), Vec::<String>::new());
        assert_eq!(played("12121"), ["4: inconsistent"]);
        // Person 1 was seen at 0 ms; the frame at 1600 ms is the first whose window no longer holds it.
        let words = played(&format!("1{}", "2".repeat(17)));
        assert_eq!(words, ["3: inconsistent", "16: grant 2"]);
    }

    #[test]
    fn an_old_frame_is_stale_and_the_next_fresh_one_grants() {
        let mut scene = Scene::new(usual());
        assert_eq!(scene.play_late("11", 900), Vec::<String>::new());
        let denied = scene.step('1', 801).unwrap();
        assert_eq!(word(&denied), "2: stale");
        let age = denied.gates.last().unwrap();
        assert_eq!((age.input.as_str(), age.limit.as_str(), age.passed), ("801 ms", "at most 800 ms", false));
        assert_eq!(scene.play_late("1", 800), ["3: grant 1"]);
    }

    #[test]
    fn one_grant_for_each_cooldown_and_again_for_who_still_stands_there() {
        assert_eq!(played(&"1".repeat(60)), ["2: grant 1", "52: grant 1"]);
    }

    #[test]
    fn nothing_is_said_of_a_person_in_the_cooldown() {
        // Turns away, looks back, is taken for another for one frame: all silent.
        assert_eq!(played("111PPPPPPPPPPPPPPPPPPPPPPP11UUU11AAA112111"), ["2: grant 1"]);
        // Another person took over the track.
        assert_eq!(played(&format!("111{}", "U".repeat(20))), ["2: grant 1", "18: unknown"]);
        assert_eq!(played("111222"), ["2: grant 1", "5: inconsistent"]);
    }

    #[test]
    fn a_grant_that_is_taken_back_has_no_cooldown() {
        let mut scene = Scene::new(usual());
        assert_eq!(scene.play("111"), ["2: grant 1"]);
        assert_eq!(scene.play("111"), [""; 0]);
        scene.referee.take_back(PersonId(1));
        assert_eq!(scene.play("1"), ["6: grant 1"]);
    }

    #[test]
    fn the_cooldown_holds_over_all_cameras() {
        let mut scene = Scene::new(usual());
        scene.play("111");
        for frame in 0..5 {
            let captured_at = Moment(Duration::from_millis(300 + frame * 100));
            let sighting = Sighting { camera: "yard".into(), ..clear(frame, captured_at) };
            assert_eq!(scene.referee.consider(&sighting, captured_at, &mut allow), None);
        }
    }

    #[test]
    fn cameras_and_tracks_do_not_share_evidence() {
        let mut referee = Referee::new(usual());
        for (frame, camera) in ["door", "yard", "door", "yard"].into_iter().enumerate() {
            let sighting = Sighting { camera: camera.into(), ..clear(frame as u64, Moment::default()) };
            assert_eq!(referee.consider(&sighting, Moment::default(), &mut allow), None);
        }
    }

    #[test]
    fn a_capture_time_ahead_of_now_counts_as_now() {
        let mut referee = Referee::new(usual());
        let at = |ms| Moment(Duration::from_millis(ms));
        for (frame, now) in [at(0), at(2000), at(4000)].into_iter().enumerate() {
            // All three claim one capture time; by the referee's clock they are 2 s apart, more than the window.
            assert_eq!(referee.consider(&clear(frame as u64, at(60_000)), now, &mut allow), None);
        }
        for frame in 3..5 {
            if let Some(decision) = referee.consider(&clear(frame, at(60_000)), at(4001), &mut allow) {
                assert_eq!((word(&decision), decision.captured_at), ("4: grant 1".to_owned(), at(4001)));
                return;
            }
        }
        panic!("three frames within the window");
    }

    #[test]
    fn a_slow_camera_is_told_when_the_window_has_passed() {
        let rules = Rules { frames_agree: 3, frames_window: 30, ..usual() };
        assert_eq!(Scene::new(rules).play(&"U".repeat(20)), ["15: unknown"]);
    }

    #[test]
    fn a_grant_lists_every_gate_in_order() {
        let mut scene = Scene::new(usual());
        scene.play("P1U1");
        let decision = scene.step('1', 50).unwrap();
        assert_eq!(decision.frames, (3, 5));
        assert!(decision.gates.iter().all(|gate| gate.passed));
        let told: Vec<_> = decision.gates.iter().map(|gate| format!("{}: {}", gate.name, gate.input)).collect();
        let expected = [
            "quality: 120 px, sharpness 90, yaw 0°, pitch 0°",
            "distance: 0.6000 to person 1",
            "margin: nobody else enrolled",
            "agreement: 3 of 5 frames show person 1",
            "age: 50 ms",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_known_face_that_may_not_pass_is_told_why_once_in_a_while() {
        let mut referee = Referee::new(usual());
        let gate = Gate { name: "permit", input: String::new(), limit: String::new(), passed: false };
        let mut asked = 0;
        let mut words = Vec::new();
        for frame in 0..60 {
            let at = Moment(Duration::from_millis(frame * 100));
            let mut refuse = |shown: &Shown| {
                assert_eq!(shown.person, PersonId(1));
                asked += 1;
                Judgement { gates: vec![gate.clone()], refused: Some(Reason::OutsideSchedule), with: None }
            };
            if let Some(decision) = referee.consider(&clear(frame, at), at, &mut refuse) {
                assert_eq!(decision.gates.last(), Some(&gate));
                words.push(word(&decision));
            }
        }
        assert_eq!((words, asked), (vec!["2: outside_schedule".to_owned(), "52: outside_schedule".to_owned()], 58));
        // Nobody was let in, so there is no cooldown.
        let at = Moment(Duration::from_millis(6000));
        let granted = referee.consider(&clear(60, at), at, &mut allow).unwrap();
        assert_eq!(granted.verdict, Verdict::Grant { person: PersonId(1) });
    }

    #[test]
    fn the_gate_that_names_the_reason_has_failed() {
        for (frames, gate) in
            [("UUU", "distance"), ("AAA", "margin"), ("12121", "agreement"), ("PPPPPPPPPPPPPPPP", "quality")]
        {
            let mut scene = Scene::new(usual());
            let decision = frames.chars().find_map(|what| scene.step(what, 50)).unwrap();
            let failed = decision.gates.iter().find(|gate| !gate.passed).unwrap();
            assert_eq!(failed.name, gate, "{frames}");
        }
    }
}
