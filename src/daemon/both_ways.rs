//! Attention changes no decision: the same histories, recorded scenes and photographs are played with it and without it, and the decisions
//! are compared. A camera's path from its glimpse to the referee is put together here as the threads do it, in simulated time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tokio::sync::broadcast;

use super::attention::SharedAttention;
use super::camera_stage::Glimpses;
use super::live::board::LiveBoard;
use super::live::pictures::{PictureTaker, Pictures};
use super::stage::{Role, Stage};
use super::vision_stage::VisionStage;
use crate::access::{Judgement, Referee, Rules, Shown, usual};
use crate::camera::CameraError;
use crate::camera::replay::{Replay, ReplaySettings};
use crate::camera::slot::slot;
use crate::clock::{Clock, SimulatedClock};
use crate::domain::{
    Bounds, CameraIndex, Distance, Face, Framing, Image, Match, Moment, PersonId, Quality, Reason, Sighting, TrackId,
    Verdict,
};
use crate::gallery::{Gallery, NewPerson, Template};
use crate::photo;
use crate::seal::Ring;
use crate::store::Store;
use crate::vision::attention::{Attention, AttentionSettings, Look, SeenFace};
use crate::vision::motion::Motion;
use crate::vision::runtime::{Runtime, cache_folder};
use crate::vision::tracker::Tracker;
use crate::vision::upright::UprightCheck;
use crate::vision::{Vision, VisionSettings};

/// Between two frames: 15 a second.
const FRAME: Duration = Duration::from_millis(67);
/// The cooldown of [`usual`] rules in frames: one run may have let the person in before, and does so again later.
const COOLDOWN: usize = 75;
/// From a frame's capture to its decision.
const DELAY: Duration = Duration::from_millis(30);

fn settings(enabled: bool) -> AttentionSettings {
    AttentionSettings { enabled, track_ends_after: Duration::from_secs(1), window: usual().window }
}

/// Lets everybody pass.
fn allow(_: &Shown) -> Judgement {
    Judgement::default()
}

/// A decision and the number of its frame.
type Decided = (usize, Verdict);

fn grants(decisions: &[Decided]) -> Vec<(usize, PersonId)> {
    let grant = |(frame, verdict): &Decided| match verdict {
        Verdict::Grant { person } => Some((*frame, *person)),
        Verdict::Deny { .. } => None,
    };
    decisions.iter().filter_map(grant).collect()
}

fn denials(decisions: &[Decided]) -> Vec<Reason> {
    let denial = |(_, verdict): &Decided| match verdict {
        Verdict::Deny { reason } => Some(*reason),
        Verdict::Grant { .. } => None,
    };
    decisions.iter().filter_map(denial).collect()
}

/// A face in a frame of a made-up history.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Actor {
    track: u64,
    place: u32,
    /// 0 is a stranger.
    person: u32,
    poor: bool,
}

impl Actor {
    fn bounds(&self) -> Bounds {
        let x = 10.0 + 200.0 * self.place as f32;
        Bounds { x1: x, y1: 100.0, x2: x + 120.0, y2: 240.0 }
    }

    fn sighting(&self, frame: usize, captured_at: Moment) -> Sighting {
        let size = if self.poor { 20.0 } else { 120.0 };
        let distance = Distance(if self.person == 0 { 1.3 } else { 0.6 });
        Sighting {
            camera: "porch".into(),
            frame: frame as u64,
            captured_at,
            track: TrackId(self.track),
            face: Face { bounds: self.bounds(), score: Default::default(), landmarks: Default::default() },
            quality: Quality { size, sharpness: 90.0, ..Quality::default() },
            nearest: Some(Match { person: PersonId(self.person.max(1)), distance, runner_up: None }),
            not_them: None,
            passive: None,
        }
    }
}

/// What playing a history gave.
#[derive(Default)]
struct Played {
    decisions: Vec<Decided>,
    /// Frames that were decoded, and those that were searched.
    decoded: usize,
    searched: usize,
    embedded: usize,
}

/// Plays a history. `seen_to_move`: whether motion is noticed; otherwise only the clock makes attention look.
fn play(history: &[Vec<Actor>], enabled: bool, seen_to_move: bool) -> Played {
    let (mut attention, mut referee) = (Attention::new(settings(enabled)), Referee::new(usual()));
    let (mut at, mut played, mut before) = (Moment::default(), Played::default(), &Vec::new());
    for (number, actors) in history.iter().enumerate() {
        at = at + FRAME;
        let motion = if seen_to_move && actors != before { Motion::unknown() } else { Motion::default() };
        before = actors;
        if !attention.arrived(at, &motion) {
            continue;
        }
        played.decoded += 1;
        let mut searched = true;
        let mut found: Vec<&Actor> = actors.iter().collect();
        match attention.look(at) {
            Look::Nothing => continue,
            Look::Search => {}
            Look::Follow(places) => {
                found.retain(|actor| places.contains(&actor.bounds()));
                searched = found.len() != places.len();
                if searched {
                    attention.lost_sight(at);
                    found = actors.iter().collect();
                }
            }
        }
        played.searched += usize::from(searched);
        let mut seen = Vec::new();
        for actor in found {
            let (track, bounds) = (TrackId(actor.track), actor.bounds());
            let examined = searched && attention.examines(track, &bounds, at);
            let mut person = None;
            if examined {
                played.embedded += 1;
                let sighting = actor.sighting(number, at);
                person = sighting.nearest.map(|nearest| nearest.person);
                let decided = referee.consider(&sighting, at + DELAY, &mut allow);
                played.decisions.extend(decided.map(|decision| (number, decision.verdict)));
            }
            seen.push(SeenFace { track, bounds, examined, person });
        }
        attention.looked(at, searched, &seen);
        attention.ask(|track| referee.wants("porch", track, at + DELAY));
    }
    played
}

/// A visit: who stands before the camera for how many frames, whether as a new face, and how often out of sixteen the view is poor.
type Visit = (Option<u32>, usize, bool, usize);

fn history(visits: &[Visit]) -> Vec<Vec<Actor>> {
    let (mut track, mut frames) = (1, Vec::new());
    for (visit, &(person, length, anew, poor)) in visits.iter().enumerate() {
        track += u64::from(anew || person.is_none());
        for frame in 0..length {
            let poor = (frame * 7 + visit * 5) % 16 < poor;
            let actor = |person| Actor { track, place: track as u32 % 3, person, poor };
            frames.push(person.map(actor).into_iter().collect());
        }
    }
    frames
}

fn visits(swaps: bool) -> impl Strategy<Value = Vec<Visit>> {
    let who = prop_oneof![2 => Just(None), 4 => (1..=2_u32).prop_map(Some), 2 => Just(Some(0))];
    let poor = prop_oneof![2 => Just(0_usize), 1 => 1..5_usize];
    let anew = if swaps { any::<bool>().boxed() } else { Just(true).boxed() };
    proptest::collection::vec((who, 8..140_usize, anew, poor), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn people_who_come_and_go_get_the_same_decisions(visits in visits(false)) {
        let history = history(&visits);
        let (with, without) = (play(&history, true, true), play(&history, false, true));
        prop_assert_eq!(without.decoded, history.len());
        let (ours, theirs) = (grants(&with.decisions), grants(&without.decisions));
        // One that is due in somebody's last frame may come too late.
        let last = |frame: usize| history.get(frame + 1).is_none_or(|next| *next != history[frame] && next.is_empty());
        let kept: Vec<_> = theirs.iter().filter(|(frame, _)| !last(*frame)).copied().collect();
        let people = |grants: &[(usize, PersonId)]| grants.iter().map(|(_, person)| *person).collect::<Vec<_>>();
        prop_assert_eq!(people(&ours), people(&theirs), "{:?} {:?} {:?}", ours, theirs, kept);
        for ((frame, _), (expected, _)) in ours.iter().zip(&theirs) {
            prop_assert!((*expected..=expected + 1).contains(frame), "{:?} {:?}", ours, theirs);
        }
        prop_assert_eq!(denials(&with.decisions), denials(&without.decisions));
    }

    #[test]
    fn a_face_that_is_swapped_is_noticed_before_any_grant(visits in visits(true)) {
        let history = history(&visits);
        for seen_to_move in [true, false] {
            let (with, without) = (play(&history, true, seen_to_move), play(&history, false, true));
            for (frame, person) in grants(&with.decisions) {
                let window = history[frame.saturating_sub(22)..=frame].iter().flatten();
                let showing = window.filter(|actor| actor.person == person.0 && !actor.poor).count();
                prop_assert!(showing >= 3 && history[frame][0].person == person.0 && !history[frame][0].poor);
            }
            // Nobody who is let in without attention is kept out with it: at the latest a beat, and the frames that must agree, later.
            let late = if seen_to_move { 14 } else { 22 };
            for (frame, person) in grants(&without.decisions) {
                let stays = history.get(frame..frame + late).is_some_and(|rest| rest.iter().all(|now| *now == history[frame]));
                let let_in = |&(at, who): &(usize, PersonId)| who == person && at + COOLDOWN >= frame && at <= frame + late;
                prop_assert!(!stays || grants(&with.decisions).iter().any(let_in), "{} {:?} {:?}", frame, with.decisions, without.decisions);
            }
        }
    }

    #[test]
    fn a_face_that_moves_unnoticed_is_found_within_half_a_second(visits in visits(false)) {
        let history = history(&visits);
        let (with, without) = (play(&history, true, false), play(&history, false, false));
        let stays = |frame: usize| history.get(frame + 9).is_some_and(|later| !later.is_empty() && *later == history[frame]);
        for (frame, person) in grants(&without.decisions).into_iter().filter(|(frame, _)| stays(*frame)) {
            let near = |(at, who): &(usize, PersonId)| *who == person && at + COOLDOWN >= frame && *at <= frame + 9;
            prop_assert!(grants(&with.decisions).iter().any(near), "{} {:?}", frame, with.decisions);
        }
    }
}

#[test]
fn attention_saves_most_of_the_work() {
    let stands = history(&[(Some(1), 1500, true, 0)]);
    let played = play(&stands, true, true);
    // 100 s, in which the door decides anew every 5 s.
    assert!(played.embedded < 350 && played.searched < 700, "{} {}", played.embedded, played.searched);
    assert!(played.decoded < 950, "{}", played.decoded);
    let nobody = history(&[(None, 1500, true, 0)]);
    let played = play(&nobody, true, true);
    assert!((200..240).contains(&played.searched) && played.decoded == played.searched, "{}", played.searched);
    let refused = history(&[(Some(0), 1500, true, 0)]);
    let played = play(&refused, true, true);
    assert!(played.embedded < 800, "{}", played.embedded);
}

// ---- Recorded scenes and photographs, with the real networks.

/// Plays what a replay shows, with one man enrolled, and returns the decisions and the number of frames that were decoded.
fn watch(path: &Path, enrolled: &Image, enabled: bool, min_face_px: u32) -> Played {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let runtime = Runtime::load(None).expect("script/setup fetches LiteRT");
    let mut vision_settings = VisionSettings::default();
    vision_settings.detector.min_face_px = min_face_px;
    let mut vision = Vision::open(&runtime, &models, &vision_settings).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let ring = Arc::new(Ring::open(folder.path(), Ok(None)));
    let gallery = Gallery::open(&store, &ring, vision.model().clone(), vision.dimension()).unwrap();
    let seen = vision.see(enrolled).unwrap().swap_remove(0);
    let template = Template { embedding: seen.embedding, quality: seen.quality, created: SystemTime::UNIX_EPOCH };
    gallery.enroll(NewPerson { name: "The enrolled man".into(), ..NewPerson::default() }, vec![template]).unwrap();

    let clock = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH));
    let attention = SharedAttention::new("porch".into(), settings(enabled));
    let (views, watcher) = broadcast::channel(8);
    drop(watcher);
    let mut seeing = VisionStage {
        camera: "porch".into(),
        index: CameraIndex(0),
        vision,
        gallery: Arc::new(gallery),
        min_face_px: min_face_px as f32,
        max_age: Duration::from_secs(1),
        track_ends_after: Duration::from_secs(1),
        frames: slot().1,
        used: slot().0,
        door_queue: sync_channel(1).0,
        views,
        live: LiveBoard::default(),
        recent_faces: None,
        recent_frames: None,
        second: None,
        passive: None,
        attention: attention.clone(),
        upright: UprightCheck::new(Framing::default()),
        clock: clock.clone(),
        stage: Stage::new(Role::Vision, "porch", Moment::default()),
    };
    let rules = Rules { cooldown: Duration::from_secs(3), min_face_px: min_face_px as f32, ..usual() };
    let (mut referee, mut tracker) = (Referee::new(rules), Tracker::new(Duration::from_secs(1)));
    let replay = ReplaySettings { interval: Duration::ZERO, looping: false };
    let mut source = Replay::open(path, replay, clock.clone()).unwrap();
    let (mut glimpses, mut played) = (Glimpses::default(), Played::default());
    let mut pictures = PictureTaker::new(Pictures::default(), None);
    for number in 0.. {
        clock.advance(FRAME);
        let frame = match glimpses.next(&mut source, &attention, &mut pictures) {
            Ok(Some(frame)) => frame,
            Ok(None) => continue,
            Err(CameraError::Ended { .. }) => break,
            Err(error) => panic!("{error}"),
        };
        played.decoded += 1;
        let sightings = seeing.look(&frame, &mut tracker).unwrap();
        played.embedded += sightings.len();
        for sighting in &sightings {
            let decided = referee.consider(sighting, clock.now(), &mut allow);
            played.decisions.extend(decided.map(|decision| (number, decision.verdict)));
        }
        attention.hold().ask(|track| referee.wants("porch", track, clock.now()));
    }
    played
}

/// A photograph that script/setup has fetched; `None`, with a notice, where it is missing.
fn photograph(name: &str) -> Option<Image> {
    let path = cache_folder()?.join("usher/face_recognition-1.3.0/tests/test_images").join(name);
    let found = photo::load(&path).ok();
    if found.is_none() {
        eprintln!("SKIPPED: {} is not there; script/setup fetches it", path.display());
    }
    found
}

/// Where the face is in each photograph, its centre and its height, and the photograph so large that the face is 160 pixels high.
fn actor(name: &str) -> Option<(image::RgbImage, [f32; 2])> {
    let [x, y, height] = match name {
        "obama2.jpg" => [335.0, 425.0, 414.0],
        "obama3.jpg" => [775.0, 430.0, 355.0],
        _ => [571.0, 366.0, 388.0],
    };
    let (photo, zoom) = (photograph(name)?, 160.0 / height);
    let (width, height) = (photo.width(), photo.height());
    let photo = image::RgbImage::from_raw(width, height, photo.into_rgb())?;
    let side = |side: u32| (side as f32 * zoom) as u32;
    let filter = image::imageops::FilterType::Triangle;
    Some((image::imageops::resize(&photo, side(width), side(height), filter), [x * zoom, y * zoom]))
}

/// A frame of 640 by 480 pixels, with somebody or nobody, and sensor noise, as a camera sends it.
fn frame(actor: Option<&(image::RgbImage, [f32; 2])>, number: usize, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut picture = image::RgbImage::from_pixel(640, 480, image::Rgb([118, 120, 116]));
    if let Some((photo, [x, y])) = actor {
        // They sway a little.
        let sway = ((number % 30) as f32 / 30.0 * std::f32::consts::TAU).sin() * 6.0;
        image::imageops::overlay(&mut picture, photo, (320.0 + sway - x) as i64, (220.0 + sway / 2.0 - y) as i64);
    }
    for value in picture.iter_mut() {
        *value = value.saturating_add(random.u8(0..7)).saturating_sub(3);
    }
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 85).encode_image(&picture).unwrap();
    bytes
}

#[test]
fn recorded_scenes_lead_to_the_same_decisions_both_ways() {
    let Some(enrolled) = photograph("obama.jpg") else { return };
    let actors: Vec<_> = ["obama2.jpg", "biden.jpg", "obama3.jpg"].into_iter().filter_map(actor).collect();
    let [man, other, again] = &actors[..] else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mjpeg");
    let mut random = fastrand::Rng::with_seed(3);
    // The last two change places in the middle of the picture, where one face was.
    let scenes =
        [(None, 40), (Some(man), 60), (None, 30), (Some(other), 10), (None, 4), (Some(again), 16), (Some(other), 25)];
    let film: Vec<u8> = scenes
        .iter()
        .flat_map(|(who, frames)| vec![*who; *frames])
        .enumerate()
        .flat_map(|(number, who)| frame(who, number, &mut random))
        .collect();
    std::fs::write(&path, film).unwrap();
    let (with, without) = (watch(&path, &enrolled, true, 80), watch(&path, &enrolled, false, 80));
    println!("{:?}\n{:?}", with.decisions, without.decisions);
    println!("{} of {} decoded, {} of {} embedded", with.decoded, without.decoded, with.embedded, without.embedded);
    let (ours, theirs) = (grants(&with.decisions), grants(&without.decisions));
    assert_eq!(theirs.len(), 3, "{theirs:?}");
    assert_eq!(ours.len(), 3, "{ours:?}");
    for ((frame, _), (expected, _)) in ours.iter().zip(&theirs) {
        assert!((*expected..=expected + 1).contains(frame), "{ours:?} {theirs:?}");
    }
    assert_eq!(denials(&with.decisions), denials(&without.decisions));
    assert!(with.embedded < without.embedded && with.decoded < without.decoded - 15);
}

#[test]
fn a_picture_that_never_changes_is_seen() {
    let Some(enrolled) = photograph("obama.jpg") else { return };
    let Some(man) = actor("obama2.jpg") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mjpeg");
    let mut random = fastrand::Rng::with_seed(5);
    std::fs::write(&path, frame(Some(&man), 0, &mut random).repeat(40)).unwrap();
    let (with, without) = (watch(&path, &enrolled, true, 80), watch(&path, &enrolled, false, 80));
    assert_eq!(with.decisions, without.decisions);
    assert_eq!(grants(&with.decisions).len(), 1);
    assert!(with.embedded < 15, "{}", with.embedded);
}

#[test]
fn golden_photographs_lead_to_the_same_decisions_both_ways() {
    let golden: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/mtcnn-golden");
    let Some(enrolled) = photograph("obama.jpg") else { return };
    if !golden.exists() {
        return eprintln!("SKIPPED: {} is not there", golden.display());
    }
    for name in [
        "face_recognition__examples__obama-480p.jpg",
        "facenet-pytorch__data__multiface.jpg",
        "mtcnn-ipazc__tests__images__ivan.jpg",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film.mjpeg");
        std::fs::write(&path, std::fs::read(golden.join(name)).unwrap().repeat(25)).unwrap();
        let (with, without) = (watch(&path, &enrolled, true, 60), watch(&path, &enrolled, false, 60));
        println!("{name}: {:?}, {} and {} embedded", with.decisions, with.embedded, without.embedded);
        assert!(!without.decisions.is_empty(), "{name}");
        let verdicts = |played: &Played| {
            let mut verdicts: Vec<_> = played.decisions.iter().map(|(_, verdict)| format!("{verdict:?}")).collect();
            verdicts.sort();
            verdicts
        };
        assert_eq!(verdicts(&with), verdicts(&without), "{name}");
        assert!(with.embedded <= without.embedded);
    }
}
