//! The challenge on films of real heads and of prints: detector, embedder, tracker and the whole referee, in simulated time, so that no slow
//! machine changes what comes out. `tests/e2e/liveness.rs` shows some of them to the daemon.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

#[path = "support/heads.rs"]
mod heads;
mod support;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use heads::{FPS, Pictures};
use usher::access::{ChallengeSettings, Dice, Judgement, LivenessRules, NoCues, Referee, Rules, Shown};
use usher::domain::{
    Assurance, Decision, Distance, Embedding, Face, GallerySize, Match, Moment, PersonId, Quality, Reason, Sighting,
    Verdict,
};
use usher::vision::Vision;
use usher::vision::calibration_file::{CalibrationFile, file_name};
use usher::vision::tracker::Tracker;

const ADA: PersonId = PersonId(1);
/// The door's default for the rate of strangers.
const RATE: f64 = 0.003;

/// The networks, and what they have seen already.
struct Eyes {
    vision: Vision,
    seen: HashMap<PathBuf, Vec<(Face, Quality, Embedding)>>,
}

impl Eyes {
    fn open() -> Eyes {
        Eyes { vision: support::vision(80), seen: HashMap::new() }
    }

    fn look(&mut self, picture: &Path) -> &[(Face, Quality, Embedding)] {
        self.seen.entry(picture.to_owned()).or_insert_with(|| {
            let seen = self.vision.see(&usher::photo::load(picture).unwrap()).unwrap();
            seen.into_iter().map(|seen| (seen.face, seen.quality, seen.embedding)).collect()
        })
    }

    fn rules(&self) -> Rules {
        let path = support::models().join(file_name(&self.vision.entry().name));
        let file = CalibrationFile::load(&path).unwrap().unwrap();
        let calibration = usher::setup::house::calibration(&file).unwrap();
        Rules::usual(calibration.cut(RATE, GallerySize::of(1, 1)).distance, calibration.cut_at(1e-3).distance)
    }
}

/// What came out of a film.
struct Outcome {
    decisions: Vec<Decision>,
    /// From the frame with which a door that asks for nothing more would have opened, to the grant.
    waited: Option<Duration>,
}

impl Outcome {
    fn granted(&self) -> bool {
        self.decisions.iter().any(|decision| matches!(decision.verdict, Verdict::Grant { .. }))
    }

    /// What the receipts say of the challenge.
    fn challenges(&self) -> Vec<String> {
        let gates = self.decisions.iter().flat_map(|decision| &decision.gates);
        gates.filter(|gate| gate.name == "challenge").map(|gate| gate.input.clone()).collect()
    }

    fn denied(&self, reason: Reason) -> bool {
        self.decisions.iter().any(|decision| decision.verdict == Verdict::Deny { reason })
    }
}

/// Shows a film so many times to a door that asks to turn left, then right, where the person of that picture is enrolled.
fn show(eyes: &mut Eyes, film: &[PathBuf], times: usize, person: &Path, challenge: ChallengeSettings) -> Outcome {
    let enrolled = eyes.look(person)[0].2.clone();
    let rules = eyes.rules();
    let liveness = LivenessRules { challenge, ..LivenessRules::default() };
    let mut asking = Referee::with_liveness(rules.clone(), liveness, Dice::default());
    let mut plain = Referee::new(rules);
    let mut tracker = Tracker::new(Duration::from_secs(1));
    let mut asks = |_: &Shown| Judgement { assurance: vec![Assurance::Challenge], ..Judgement::default() };
    let (mut recognised, mut waited, mut decisions) = (None, None, Vec::new());
    for (number, picture) in (0..times).flat_map(|_| film).enumerate() {
        let at = Moment(Duration::from_micros(1_000_000 * (number as u64 + 1) / FPS as u64));
        let faces = eyes.look(picture);
        let tracks = tracker.track(&faces.iter().map(|(face, ..)| *face).collect::<Vec<_>>(), at);
        for ((face, quality, embedding), track) in faces.iter().zip(tracks) {
            let distance = Distance::between(embedding.values(), enrolled.values());
            let nearest = Some(Match { person: ADA, distance, runner_up: None });
            let sighting = Sighting {
                camera: "porch".into(),
                frame: number as u64,
                captured_at: at,
                track,
                face: *face,
                quality: *quality,
                nearest,
                not_them: None,
                passive: None,
            };
            let opens = |decision: &Decision| matches!(decision.verdict, Verdict::Grant { .. });
            if plain.consider(&sighting, at, &mut |_| Judgement::default()).as_ref().is_some_and(opens) {
                recognised = recognised.or(Some(at));
            }
            if let Some(decision) = asking.consider(&sighting, at, &mut asks) {
                if opens(&decision) {
                    waited = waited.or(recognised.map(|recognised| at.since(recognised)));
                }
                decisions.push(decision);
            }
        }
        decisions.extend(asking.tick(at, &mut NoCues));
    }
    Outcome { decisions, waited }
}

#[test]
fn real_heads_that_turn_as_asked_open_and_those_that_do_not_stay_outside() {
    let Some(pictures) = Pictures::there() else { return };
    let (mut eyes, woman) = (Eyes::open(), pictures.woman(18));
    for settings in [ChallengeSettings::normal(), ChallengeSettings::strict()] {
        for (first, each) in [(2.8, 2), (0.6, 1)] {
            let outcome = show(&mut eyes, &pictures.willing(first, each), 1, &woman, settings.clone());
            let shown = outcome.challenges();
            assert!(outcome.granted() && outcome.decisions.len() == 1, "{first} {each} {settings:?}: {shown:?}");
            assert!(shown[0].starts_with("left 0.") && shown[0].contains("right 0."), "{shown:?}");
            eprintln!("{first} s ahead, each frame {each} times: {:?} to the grant", outcome.waited.unwrap());
        }
    }
    let normal = ChallengeSettings::normal();
    for (film, person) in [(pictures.still_man(), pictures.man(30)), (pictures.ahead(5.0), woman.clone())] {
        let outcome = show(&mut eyes, &film, 4, &person, normal.clone());
        assert!(!outcome.granted() && outcome.denied(Reason::Challenge));
        let shown = outcome.challenges();
        assert!(shown.iter().any(|shown| shown.contains("did not turn far enough: left")), "{shown:?}");
    }
    // Somebody else's turns, photographs of a turned head, and a video of them in the other order.
    for (film, person, contains) in [
        (pictures.swapped_people(), pictures.man(30), ""),
        (pictures.swapped_photographs(), woman.clone(), ""),
        (pictures.head_then_print(), woman.clone(), ""),
        (pictures.wrong_order(), woman, "turned right where left was asked"),
    ] {
        let outcome = show(&mut eyes, &film, 12, &person, normal.clone());
        let shown = outcome.challenges();
        assert!(!outcome.granted() && outcome.denied(Reason::Challenge), "{shown:?}");
        assert!(shown.iter().any(|shown| shown.contains(contains)), "{shown:?}");
    }
}

#[test]
fn flat_and_bent_prints_never_open_and_folded_ones_not_at_strict() {
    let Some(pictures) = Pictures::there() else { return };
    let mut eyes = Eyes::open();
    let (normal, strict) = (ChallengeSettings::normal(), ChallengeSettings::strict());
    for (kind, settings) in [
        ("female-flat", &normal),
        ("male-flat", &normal),
        ("female-cylv60", &normal),
        ("male-cylv60", &normal),
        ("female-cylv45s", &normal),
        ("male-cylv45s", &normal),
        ("female-fold40s", &strict),
        ("male-fold40s", &strict),
    ] {
        let person = pictures.enrolled(kind);
        for (from, to) in [(0, 20), (1, 19), (2, 18), (3, 17), (4, 16)] {
            for each in [1, 2, 4] {
                let outcome = show(&mut eyes, &pictures.turned(kind, from, to, each), 3, &person, settings.clone());
                assert!(!outcome.granted(), "{kind} {from} {to} {each}: {:?}", outcome.challenges());
                let denied = outcome.denied(Reason::Challenge);
                assert!(denied || !kind.ends_with("flat") || each == 1, "{kind}: {:?}", outcome.challenges());
            }
        }
    }
    let opens = |eyes: &mut Eyes, kind: &str| {
        let film = pictures.turned(kind, 3, 18, 2);
        show(eyes, &film, 3, &pictures.enrolled(kind), ChallengeSettings::normal()).granted()
    };
    // The known hole.
    assert_eq!(["female-fold40s", "male-fold40s"].map(|kind| opens(&mut eyes, kind)), [true, true]);
}
