//! A colour camera and an infra-red camera beside it, both replayed, through the stages of the daemon to what a receipt says: the infra-red frames are the
//! same photographs without their colour, every second one dark as between the flashes of an emitter. A screen is one that shows its face in colour only.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, SystemTime};

use tokio::sync::broadcast;

use super::attention::SharedAttention;
use super::infrared_stage::InfraredStage;
use super::live::board::LiveBoard;
use super::stage::{Role, Stage};
use super::vision_stage::VisionStage;
use crate::access::{CueReport, CueState, InfraredEyes, InfraredRules};
use crate::camera::FrameSource;
use crate::camera::lit::LitFrames;
use crate::camera::replay::{Replay, ReplaySettings};
use crate::camera::slot::slot;
use crate::clock::{Clock, SimulatedClock};
use crate::domain::{CameraIndex, Framing, Image, Moment, Passive, PassiveLimit};
use crate::gallery::Gallery;
use crate::lab::drawing;
use crate::seal::Ring;
use crate::store::Store;
use crate::vision::attention::AttentionSettings;
use crate::vision::finder::FaceFinder;
use crate::vision::passive::PassiveNetworks;
use crate::vision::runtime::{Accelerator, Runtime};
use crate::vision::tracker::Tracker;
use crate::vision::upright::UprightCheck;
use crate::vision::{Vision, VisionSettings};

/// Between two frames of the colour camera; the infra-red one gives twice as many.
const FRAME: Duration = Duration::from_millis(66);

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

fn write(folder: &Path, number: usize, image: &Image) {
    let path = folder.join(format!("{number:03}.png"));
    image::save_buffer(path, image.rgb(), image.width(), image.height(), image::ExtendedColorType::Rgb8).unwrap();
}

/// The picture without colour, `share` times as bright.
fn grey(image: &Image, share: f32) -> Image {
    let level = |pixel: &[u8]| (pixel.iter().map(|&v| f32::from(v)).sum::<f32>() / 3.0 * share) as u8;
    let rgb = image.rgb().chunks(3).flat_map(|pixel| [level(pixel); 3]).collect();
    Image::new(image.width(), image.height(), rgb).unwrap()
}

/// The drawn face `dx` pixels further to the right.
fn shifted(image: &Image, dx: usize) -> Image {
    let row = image.width() as usize * 3;
    let rgb = image.rgb().chunks(row).flat_map(|line| [&line[..dx * 3], &line[..row - dx * 3]].concat()).collect();
    Image::new(image.width(), image.height(), rgb).unwrap()
}

/// What a screen looks like in infra-red: a dark square where the face was.
fn screen(image: &Image) -> Image {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let inside = |at: usize| {
        let (x, y) = (at % width, at / width);
        (width / 4..width * 3 / 4).contains(&x) && y > height / 10
    };
    let pixels = image.rgb().chunks(3).enumerate();
    let rgb =
        pixels.flat_map(|(at, pixel)| if inside(at) { [12; 3] } else { [pixel[0], pixel[1], pixel[2]] }).collect();
    Image::new(image.width(), image.height(), rgb).unwrap()
}

/// Plays ten frames of `colour` with twenty of `infrared`, every second one dark, and returns the last report with what the passive networks said.
fn play(colour: &Image, infrared: &Image, sees: [f32; 4]) -> (CueReport, Option<Passive>) {
    let folder = tempfile::tempdir().unwrap();
    let (colours, greys) = (folder.path().join("colour"), folder.path().join("infrared"));
    for (path, count) in [(&colours, 10), (&greys, 20)] {
        std::fs::create_dir(path).unwrap();
        for number in 0..count {
            let of_eye = || if number % 2 == 0 { infrared.clone() } else { grey(infrared, 0.1) };
            write(path, number, &if count == 10 { colour.clone() } else { of_eye() });
        }
    }
    let runtime = Runtime::load(None).expect("script/setup fetches LiteRT");
    let vision = Vision::open(&runtime, &models(), &VisionSettings::default()).unwrap();
    let toys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/liveness");
    let store = Store::open(&folder.path().join("store")).unwrap();
    let ring = Arc::new(Ring::open(folder.path(), Ok(None)));
    let gallery = Gallery::open(&store, &ring, vision.model().clone(), vision.dimension()).unwrap();
    let clock = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH));
    let second = Duration::from_secs(1);
    let settings = AttentionSettings { enabled: true, track_ends_after: second, window: second };
    let attention = SharedAttention::new("porch".into(), settings);
    let mut seeing = VisionStage {
        camera: "porch".into(),
        index: CameraIndex(0),
        vision,
        gallery: Arc::new(gallery),
        min_face_px: 60.0,
        max_age: second,
        track_ends_after: second,
        frames: slot().1,
        used: slot().0,
        door_queue: sync_channel(1).0,
        views: broadcast::channel(8).0,
        live: LiveBoard::default(),
        recent_faces: None,
        recent_frames: None,
        second: None,
        passive: Some(PassiveNetworks::open(&runtime, &toys, &Accelerator::Cpu, 1).unwrap()),
        attention: attention.clone(),
        upright: UprightCheck::new(Framing::default()),
        clock: clock.clone(),
        stage: Stage::new(Role::Vision, "porch", Moment::default()),
    };
    let mut eye = InfraredStage {
        index: CameraIndex(1),
        finder: FaceFinder::open(&runtime, &models(), &VisionSettings::default()).unwrap(),
        colour: attention,
        sees,
        frames: slot().1,
        used: slot().0,
        door_queue: sync_channel(1).0,
        clock: clock.clone(),
        stage: Stage::new(Role::Vision, "porch-ir", Moment::default()),
    };
    let replay = ReplaySettings { interval: Duration::ZERO, looping: false };
    let mut colours = Replay::open(&colours, replay, clock.clone()).unwrap();
    let mut greys = Replay::open(&greys, replay, clock.clone()).unwrap();
    let mut eyes = InfraredEyes::new(InfraredRules::default(), ["porch".into()]);
    let (mut tracker, mut lit, mut last) = (Tracker::new(second), LitFrames::default(), None);
    while let Ok(frame) = colours.next() {
        for sighting in seeing.look(&frame, &mut tracker).unwrap() {
            eyes.saw(&sighting);
            last = Some(sighting);
        }
        for _ in 0..2 {
            clock.advance(FRAME / 2);
            let look = eye.look(&greys.next().unwrap(), &mut lit).unwrap();
            look.into_iter().for_each(|look| eyes.add("porch", look));
        }
    }
    let last = last.expect("the face is seen");
    (eyes.report(&last.camera, last.track, clock.now()), last.passive)
}

#[test]
fn a_face_that_both_cameras_see_passes_and_a_screen_fails() {
    let face = drawing::face().unwrap();
    let whole = [0.0, 0.0, 1.0, 1.0];
    let (seen, passive) = play(&face, &grey(&face, 0.8), whole);
    assert_eq!(seen.state, CueState::Passed, "{seen:?}");
    assert!(matches!(passive, Some(Passive::Score(_))), "{passive:?}");
    let (unseen, _) = play(&face, &screen(&grey(&face, 0.8)), whole);
    assert_eq!(unseen.state, CueState::Failed, "{unseen:?}");
    assert!(unseen.input.starts_with("seen in 0 of "), "{}", unseen.input);
    // The dark frames between the flashes do not count.
    let frames: u32 = unseen.input.split(' ').nth(4).unwrap().parse().unwrap();
    assert!((3..=8).contains(&frames), "{}", unseen.input);
}

#[test]
fn cameras_beside_each_other_agree_once_the_part_that_one_sees_is_set() {
    let face = drawing::face().unwrap();
    // The infra-red camera stands further to the left, so that it sees everything 128 of 640 pixels further to the right.
    let eye = shifted(&grey(&face, 0.8), 128);
    let (astray, _) = play(&face, &eye, [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(astray.state, CueState::Failed, "{astray:?}");
    let (agreed, _) = play(&face, &eye, [-0.2, 0.0, 0.8, 1.0]);
    assert_eq!(agreed.state, CueState::Passed, "{agreed:?}");
}

#[test]
fn an_eye_in_the_dark_cannot_judge_and_a_grey_camera_has_no_passive_score() {
    let face = drawing::face().unwrap();
    let (dark, passive) = play(&grey(&face, 1.0), &grey(&face, 0.02), [0.0, 0.0, 1.0, 1.0]);
    assert_ne!(dark.state, CueState::Passed);
    assert_ne!(dark.state, CueState::Failed, "{dark:?}");
    assert_eq!(passive, Some(Passive::CannotJudge(PassiveLimit::Grey)));
}
