//! Histories of one track, frame by frame, and the decisions that they lead to.

use super::super::rules::tests::{allow, clear, usual};
use super::*;
use crate::domain::{Gate, Match};

/// One camera, one track, a frame every 100 ms, examined 50 ms after its capture.
struct Scene {
    referee: Referee,
    frame: u64,
}

impl Scene {
    fn new(rules: Rules) -> Scene {
        Scene { referee: Referee::new(rules), frame: 0 }
    }

    /// Plays frames: `P` poor, `U` unknown, `A` ambiguous, a digit for that person. Returns one word per decision.
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
fn blurred_first_frames_do_not_prevent_a_grant() {
    assert_eq!(played("PP111"), ["4: grant 1"]);
    assert_eq!(played("PPPPP111"), ["7: grant 1"]);
    assert_eq!(played("P1P1P1"), ["5: grant 1"]);
    assert_eq!(played("UU111"), ["4: grant 1"]);
    assert_eq!(played("1UU11"), ["4: grant 1"]);
    // Five frames have been seen, but the next may still lead to a grant.
    assert_eq!(played("P11UU1"), ["5: grant 1"]);
}

#[test]
fn a_stranger_is_denied_at_the_third_frame_and_again_after_a_while() {
    assert_eq!(played(&"U".repeat(60)), ["2: unknown", "52: unknown"]);
}

#[test]
fn unknown_and_ambiguous_do_not_alternate() {
    assert_eq!(played(&"UUUAAAUUUAAA".repeat(4)), ["2: unknown"]);
    assert_eq!(played("AAAU"), ["2: ambiguous"]);
    assert_eq!(played("UUAAA"), ["4: ambiguous"]);
}

#[test]
fn a_poor_view_is_denied_after_a_whole_window() {
    assert_eq!(played(&"P".repeat(30)), ["15: poor_view"]);
    // A denial of a clear view is of another kind; turning away after it is not worth another.
    assert_eq!(played(&("P".repeat(20) + "UUUUU" + &"P".repeat(20))), ["15: poor_view", "22: unknown"]);
}

#[test]
fn an_undecided_face_gets_a_decision_in_the_end() {
    assert_eq!(played("1UPUP1UPUP"), ["6: unknown"]);
    assert_eq!(played("1PPPP1PPPP1PPPP1PPPP1PPPP"), ["16: poor_view"]);
}

/// What the authority is shown of a track with these distances to person 1, frame by frame.
fn shown(distances: &[f32], runner_up: Option<f32>) -> Option<Shown> {
    let (mut referee, mut last) = (Referee::new(usual()), None);
    for (frame, &distance) in (0..).zip(distances) {
        let captured_at = Moment(Duration::from_millis(frame * 100));
        let runner_up = runner_up.map(|distance| (PersonId(2), Distance(distance)));
        let nearest = Some(Match { person: PersonId(1), distance: Distance(distance), runner_up });
        let sighting = Sighting { nearest, ..clear(frame, captured_at) };
        let refuse = |shown: &Shown| {
            last = Some(shown.clone());
            Judgement { refused: Some(Reason::Disabled), ..Judgement::default() }
        };
        referee.consider(&sighting, captured_at, &mut { refuse });
    }
    last
}

#[test]
fn evidence_is_clear_if_all_frames_are_well_within_the_limit() {
    let clear = |distances: &[f32]| shown(distances, None).unwrap().clear.map(|c| (c.frames, c.farthest.0));
    assert_eq!(clear(&[0.5, 0.85, 0.6]), Some((3, 0.85)));
    assert_eq!(clear(&[0.5, 0.86, 0.6]), None, "one frame is not clear");
    assert_eq!(clear(&[1.05, 0.5, 0.5, 0.5]), None, "one frame shows nobody");
    assert_eq!(clear(&[1.05, 0.5, 0.5, 0.5, 0.5, 0.5]), Some((5, 0.5)), "it is out of the window");
    assert_eq!(shown(&[0.5, 0.5], None), None);
}

#[test]
fn other_people_whom_a_face_resembles_are_listed() {
    assert_eq!(shown(&[0.5; 3], Some(1.0)).unwrap().resembles, [PersonId(2)]);
    assert_eq!(shown(&[0.5; 3], Some(1.01)).unwrap().resembles, []);
}

#[test]
fn two_people_on_one_track_do_not_add_up() {
    assert_eq!(played("1221"), Vec::<String>::new());
    assert_eq!(played("12121"), ["4: inconsistent"]);
    // Person 1 was seen at 0 ms; the frame at 1600 ms is the first whose window no longer includes that.
    let words = played(&format!("1{}", "2".repeat(17)));
    assert_eq!(words, ["3: inconsistent", "16: grant 2"]);
}

#[test]
fn an_old_frame_is_stale_and_the_next_fresh_one_leads_to_a_grant() {
    let mut scene = Scene::new(usual());
    assert_eq!(scene.play_late("11", 900), Vec::<String>::new());
    let denied = scene.step('1', 801).unwrap();
    assert_eq!(word(&denied), "2: stale");
    let age = denied.gates.last().unwrap();
    assert_eq!((age.input.as_str(), age.limit.as_str(), age.passed), ("801 ms", "at most 800 ms", false));
    assert_eq!(scene.play_late("1", 800), ["3: grant 1"]);
}

#[test]
fn a_person_who_stays_gets_one_grant_per_cooldown() {
    assert_eq!(played(&"1".repeat(60)), ["2: grant 1", "52: grant 1"]);
}

#[test]
fn there_is_no_decision_about_a_person_in_the_cooldown() {
    // Turns away, looks back, is taken for someone else in one frame: no decision.
    assert_eq!(played("111PPPPPPPPPPPPPPPPPPPPPPP11UUU11AAA112111"), ["2: grant 1"]);
    // Someone else took over the track.
    assert_eq!(played(&format!("111{}", "U".repeat(20))), ["2: grant 1", "18: unknown"]);
    assert_eq!(played("111222"), ["2: grant 1", "5: inconsistent"]);
}

#[test]
fn a_revoked_grant_has_no_cooldown() {
    let mut scene = Scene::new(usual());
    assert_eq!(scene.play("111"), ["2: grant 1"]);
    assert_eq!(scene.play("111"), [""; 0]);
    scene.referee.end_cooldown(PersonId(1));
    assert_eq!(scene.play("1"), ["6: grant 1"]);
}

#[test]
fn a_track_is_wanted_seldom_only_while_its_person_is_let_in() {
    let wanted = |frames: &str| {
        let mut scene = Scene::new(usual());
        scene.play(frames);
        let now = Moment(Duration::from_millis((scene.frame - 1) * 100 + 50));
        let (wanted, seen) = scene.referee.wants("door", TrackId(1), now).unwrap();
        assert_eq!(seen, Moment(Duration::from_millis((scene.frame - 1) * 100)));
        wanted
    };
    let until = Moment(Duration::from_millis(5_250));
    assert_eq!(wanted("11"), Wanted::Always);
    assert_eq!(wanted("111"), Wanted::Seldom { until, frames: 3 });
    assert_eq!(wanted("111P1U1"), Wanted::Seldom { until, frames: 3 });
    for doubtful in ["111P", "111U", "111A", "1112", "1112111", "U", "P1", "UUU1"] {
        assert_eq!(wanted(doubtful), Wanted::Always, "{doubtful}");
    }
    let often = Wanted::Often { until };
    assert_eq!((wanted("UUU"), wanted("UUUUP"), wanted("UUUUPP")), (often, Wanted::Always, often));
    let mut scene = Scene::new(usual());
    scene.play("111");
    let (seen, later) = (Moment(Duration::from_millis(200)), |ms: u64| Moment(Duration::from_millis(250 + ms)));
    assert!(scene.referee.wants("door", TrackId(1), later(1500)).is_some());
    assert_eq!(scene.referee.wants("door", TrackId(1), later(1501)), None, "the evidence is too old");
    assert_eq!(scene.referee.wants("door", TrackId(2), later(0)), None);
    scene.referee.end_cooldown(PersonId(1));
    assert_eq!(scene.referee.wants("door", TrackId(1), later(0)), Some((Wanted::Always, seen)));
}

#[test]
fn the_cooldown_applies_to_all_cameras() {
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
        // All three have the same capture time, but by the referee's clock they are 2 s apart, more than the window.
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
fn a_slow_camera_leads_to_a_denial_after_the_window() {
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
    let gates: Vec<_> = decision.gates.iter().map(|gate| format!("{}: {}", gate.name, gate.input)).collect();
    let expected = [
        "quality: 120 px, sharpness 90, yaw 0°, pitch 0°",
        "distance: 0.6000 to person 1",
        "margin: nobody else enrolled",
        "agreement: 3 of 5 frames show person 1",
        "age: 50 ms",
    ];
    assert_eq!(gates, expected);
}

#[test]
fn a_known_person_who_may_not_pass_is_denied_once_in_a_while() {
    let mut referee = Referee::new(usual());
    let gate = Gate::new("permit", "", "", false);
    let mut asked = 0;
    let mut words = Vec::new();
    for frame in 0..60 {
        let at = Moment(Duration::from_millis(frame * 100));
        let mut refuse = |shown: &Shown| {
            assert_eq!(shown.person, PersonId(1));
            asked += 1;
            Judgement { gates: vec![gate.clone()], refused: Some(Reason::OutsideSchedule), ..Judgement::default() }
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

#[test]
fn the_strength_of_the_embedding_is_a_gate_of_its_own_where_it_is_known() {
    let gate = |min_length: Option<f32>, length: Option<f32>, distance: f32| {
        let mut referee = Referee::new(Rules { min_length, ..usual() });
        let decision = (0..30).find_map(|frame| {
            let at = Moment(Duration::from_millis(frame * 100));
            let mut sighting = clear(frame, at);
            sighting.quality.length = length;
            let nearest = Match { person: PersonId(1), distance: Distance(distance), runner_up: None };
            referee.consider(&Sighting { nearest: Some(nearest), ..sighting }, at, &mut allow)
        });
        let decision = decision.unwrap();
        let gate = decision.gates.iter().find(|gate| gate.name == "embedding").cloned();
        (word(&decision), gate.map(|gate| (gate.input, gate.limit, gate.passed)))
    };
    let texts = |input: &str, limit: &str, passed| Some((input.to_owned(), limit.to_owned(), passed));
    let limit = "length at least 6.00, or surely somebody";
    let (grant, unknown, poor) = ("2: grant 1".to_owned(), "2: unknown".to_owned(), "15: poor_view".to_owned());
    assert_eq!(gate(Some(6.0), Some(7.5), 0.6), (grant.clone(), texts("length 7.50", limit, true)));
    assert_eq!(gate(Some(6.0), Some(5.5), 0.6), (grant.clone(), texts("length 5.50", limit, true)));
    assert_eq!(gate(Some(6.0), Some(7.5), 1.2), (unknown.clone(), texts("length 7.50", limit, true)));
    assert_eq!(gate(Some(6.0), Some(5.5), 1.2), (poor.clone(), texts("length 5.50", limit, false)));
    assert_eq!(gate(Some(6.0), None, 1.2), (poor, texts("not measured", limit, false)));
    assert_eq!(gate(None, Some(5.5), 1.2), (unknown, texts("length 5.50", "no limit", true)));
    assert_eq!(gate(None, None, 0.6), (grant, None));
}

#[test]
fn a_face_near_a_negative_reference_is_ambiguous_and_the_receipt_says_so() {
    let decided = |not_them: f32| {
        let mut referee = Referee::new(usual());
        let decision = (0..30).find_map(|frame| {
            let at = Moment(Duration::from_millis(frame * 100));
            let sighting = Sighting { not_them: Some(Distance(not_them)), ..clear(frame, at) };
            referee.consider(&sighting, at, &mut allow)
        });
        let decision = decision.unwrap();
        let gate = decision.gates.iter().find(|gate| gate.name == "lookalike").cloned().unwrap();
        (word(&decision), gate.input, gate.limit, gate.passed)
    };
    let texts =
        |word: &str, input: &str, passed| (word.to_owned(), input.to_owned(), "at least 0.0500".to_owned(), passed);
    assert_eq!(decided(0.9), texts("2: grant 1", "0.3000 to a face that is not person 1", true));
    assert_eq!(decided(0.5), texts("2: ambiguous", "-0.1000 to a face that is not person 1", false));
}
