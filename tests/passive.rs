//! The published liveness networks on photographs and clips, through usher's own path: detector, tracks, crops, int8 networks, the mean over frames.
//!
//! usher ships no such networks. `USHER_LIVENESS` names the folder that `models/build/build liveness` made; without it these tests are skipped, with a
//! notice. `USHER_CLIPS` may name a folder of more clips, `REAL|ATTACK/CLIP/*.jpg`, whose figures are printed. docs/liveness-networks.md has them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use usher::access::{CueState, PassiveEvidence, PassiveRules};
use usher::domain::{Moment, Passive, TrackId};
use usher::photo;
use usher::vision::passive::PassiveNetworks;
use usher::vision::runtime::Accelerator;
use usher::vision::tracker::Tracker;
use usher::vision::{Vision, VisionSettings};

/// Between two frames of a clip.
const FRAME: Duration = Duration::from_millis(80);

/// What one track of a clip came to.
#[derive(Default)]
struct Watched {
    evidence: PassiveEvidence,
    scores: Vec<f32>,
    unjudged: BTreeMap<&'static str, usize>,
    passed: usize,
    failed: usize,
    other: usize,
}

struct Eyes {
    vision: Vision,
    networks: PassiveNetworks,
}

fn eyes() -> Option<Eyes> {
    let Some(folder) = std::env::var_os("USHER_LIVENESS").map(PathBuf::from) else {
        eprintln!(
            "SKIPPED: USHER_LIVENESS names no folder of liveness networks; models/build/build liveness makes one"
        );
        return None;
    };
    let runtime = support::runtime();
    let mut settings = VisionSettings::default();
    settings.detector.min_face_px = 80;
    Some(Eyes {
        vision: Vision::open(&runtime, &support::models(), &settings).unwrap(),
        networks: PassiveNetworks::open(&runtime, &folder, &Accelerator::Cpu, 1).unwrap(),
    })
}

/// Plays pictures in the order of their names.
fn play(eyes: &mut Eyes, files: &[PathBuf]) -> BTreeMap<TrackId, Watched> {
    let (mut tracker, rules) = (Tracker::new(Duration::from_secs(1)), PassiveRules::default());
    let mut tracks: BTreeMap<TrackId, Watched> = BTreeMap::new();
    for (number, file) in (1u32..).zip(files) {
        let at = Moment(FRAME * number);
        let image = photo::load(file).unwrap();
        let faces = eyes.vision.detect_nearest(&image).unwrap();
        let ids = tracker.track(&faces, at);
        for (face, id) in faces.iter().zip(ids) {
            let quality = eyes.vision.judge(&image, face);
            let said = eyes.networks.judge(&image, face, &quality).unwrap();
            let watched = tracks.entry(id).or_default();
            match said {
                Passive::Score(score) => watched.scores.push(score),
                Passive::CannotJudge(limit) => *watched.unjudged.entry(limit.words()).or_default() += 1,
            }
            watched.evidence.add(number.into(), at, Some(said));
            match watched.evidence.report(&rules, at).state {
                CueState::Passed => watched.passed += 1,
                CueState::Failed => watched.failed += 1,
                CueState::Waiting | CueState::CannotJudge => watched.other += 1,
            }
        }
    }
    tracks
}

fn pictures(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "jpg" || end == "png"));
    files.sort();
    files
}

fn print(clip: &str, tracks: &BTreeMap<TrackId, Watched>) {
    for (id, watched) in tracks.iter().filter(|(_, watched)| watched.scores.len() + watched.unjudged.len() > 0) {
        let judged = watched.scores.len();
        let mean = watched.scores.iter().sum::<f32>() / judged.max(1) as f32;
        let least = watched.scores.iter().copied().fold(1.0f32, f32::min);
        println!(
            "{clip} track {}: {judged} judged, mean {mean:.3}, least {least:.3}, unjudged {:?}; reports: {} passed, {} failed, {} neither",
            id.0, watched.unjudged, watched.passed, watched.failed, watched.other
        );
    }
}

#[test]
fn the_publishers_own_photographs_are_told_apart() {
    let Some(mut eyes) = eyes() else { return };
    let Some(folder) = support::shared("data/pad/minivision") else { return };
    for (name, real) in [("mv_image_T1.jpg", true), ("mv_image_F1.jpg", false), ("mv_image_F2.jpg", false)] {
        let file = folder.join(name);
        let tracks = play(&mut eyes, &vec![file; 6]);
        print(name, &tracks);
        let watched = tracks.values().next().unwrap();
        assert_eq!((watched.passed > 0, watched.failed > 0), (real, !real), "{name}: {:?}", watched.scores);
    }
}

#[test]
fn people_in_clips_are_not_refused() {
    let Some(mut eyes) = eyes() else { return };
    let Some(folder) = support::shared("data/pad/intel") else { return };
    for clip in ["female-frames", "male-frames"] {
        let tracks = play(&mut eyes, &pictures(&folder.join(clip)));
        print(clip, &tracks);
        let (passed, failed) = tracks.values().fold((0, 0), |(p, f), track| (p + track.passed, f + track.failed));
        assert!(passed > 0 && failed == 0, "{clip}: {passed} passed, {failed} failed");
    }
}

#[test]
fn further_clips_are_reported() {
    let Some(mut eyes) = eyes() else { return };
    let Some(folder) = std::env::var_os("USHER_CLIPS").map(PathBuf::from) else {
        eprintln!("SKIPPED: USHER_CLIPS names no folder of further clips");
        return;
    };
    let mut clips: Vec<PathBuf> = Vec::new();
    for kind in std::fs::read_dir(folder).unwrap() {
        clips.extend(std::fs::read_dir(kind.unwrap().path()).unwrap().map(|clip| clip.unwrap().path()));
    }
    clips.sort();
    for clip in clips {
        let name: PathBuf = clip.components().rev().take(2).collect::<Vec<_>>().into_iter().rev().collect();
        let tracks = play(&mut eyes, &pictures(&clip));
        print(&name.display().to_string(), &tracks);
    }
}
