//! The processor time of one camera's frames, from the JPEG's bytes to the door's decision, with attention and without it: an entrance where
//! nobody is, and one where an enrolled person stands.
//!
//! Puts the camera's and the vision thread's work together as the daemon does, on one thread, in simulated time of 15 frames a second. Uses the
//! photographs that `script/setup` fetched. `docs/benchmarks.md` has results.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

mod frames;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use usher::access::{Judgement, Referee, Rules};
use usher::domain::{Bounds, Distance, Embedding, Glimpse, Image, Match, Moment, PersonId, Sighting};
use usher::photo::JpegDecoder;
use usher::vision::Vision;
use usher::vision::attention::{Attention, AttentionSettings, Look, SeenFace};
use usher::vision::motion::{Motion, MotionGate};
use usher::vision::tracker::Tracker;

const FPS: u64 = 15;
/// Frames of a scene, two minutes; the first ones are not counted.
const FRAMES: u64 = 120 * FPS;
const UNCOUNTED: u64 = 5 * FPS;
/// Different pictures of a scene.
const PICTURES: usize = 60;
/// The detector's smallest face, as by default.
const MIN_FACE_PX: u32 = 80;
const WINDOW: Duration = Duration::from_millis(1500);
const SECOND: Duration = Duration::from_secs(1);

fn main() {
    if let Err(why) = run() {
        eprintln!("bench `attention` is skipped: {why}");
    }
}

fn run() -> Result<(), String> {
    let photo = frames::cached_photos()?.into_iter().next_back().ok_or("no photograph")?;
    let person = frames::frame(&photo, 640, 480);
    let face = frames::vision(MIN_FACE_PX, "mobilefacenet", 1)?.see(&person).map_err(|e| e.to_string())?;
    let face = face.first().ok_or("no face")?.face.bounds;
    for min_face_px in [MIN_FACE_PX, 40] {
        for (name, scene) in
            [("nobody there", scene(&blurred(&person), &face, 0.0)), ("one face standing", scene(&person, &face, 3.0))]
        {
            for enabled in [false, true] {
                let mut watch = Watch::new(min_face_px, enabled, &person)?;
                println!(
                    "{name}, faces from {min_face_px} px, {} attention: {}",
                    if enabled { "with" } else { "without" },
                    watch.play(&scene)?
                );
            }
        }
    }
    Ok(())
}

/// The picture without anything that looks like a face: pixels in coarse squares, which keep its brightness and most of its edges.
fn blurred(picture: &Image) -> Image {
    let (width, side) = (picture.width() as usize, 24);
    let at = |pixel: usize| {
        let (x, y) = (pixel % width / side * side, pixel / width / side * side);
        &picture.rgb()[(y * width + x) * 3..][..3]
    };
    let rgb = (0..picture.rgb().len() / 3).flat_map(|pixel| at(pixel).iter().copied()).collect();
    Image::new(picture.width(), picture.height(), rgb).expect("as many pixels")
}

/// Pictures with a camera's noise; the person with this face, head and body, sways by so many pixels before a background that stands.
fn scene(picture: &Image, face: &Bounds, sway: f32) -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(1);
    let (width, height) = (picture.width() as i32, picture.height() as i32);
    let middle = (face.x1 + face.x2) / 2.0;
    // 1 on the person, 0 on the background, and between them a strip in which the picture stretches.
    let share = |x: i32, y: i32| {
        let half = if (y as f32) < face.y2 { 0.75 } else { 1.25 } * face.width();
        let beyond = ((x as f32 - middle).abs() - half).max(face.y1 - 0.25 * face.height() - y as f32);
        (1.0 - beyond / (0.2 * face.width())).clamp(0.0, 1.0)
    };
    let noisy = |number: usize| {
        let turn = number as f32 / PICTURES as f32 * std::f32::consts::TAU;
        let (far_right, far_down) = (turn.sin() * sway, (2.0 * turn).sin() * sway / 2.0);
        let mut rgb = Vec::with_capacity(picture.rgb().len());
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let share = share(x, y);
            let (right, down) = ((far_right * share).round() as i32, (far_down * share).round() as i32);
            let (x, y) = ((x - right).clamp(0, width - 1), (y - down).clamp(0, height - 1));
            let pixel = &picture.rgb()[((y * width + x) * 3) as usize..][..3];
            let noise = random.i16(-4..=4);
            rgb.extend(pixel.iter().map(|value| (i16::from(*value) + noise).clamp(0, 255) as u8));
        }
        frames::jpeg(&Image::new(picture.width(), picture.height(), rgb).expect("as many pixels"))
    };
    (0..PICTURES).map(noisy).collect()
}

/// What the threads of one camera and its door own.
struct Watch {
    decoder: JpegDecoder,
    buffer: Vec<u8>,
    enabled: bool,
    glimpse: Glimpse,
    gate: MotionGate,
    motion: Motion,
    attention: Attention,
    vision: Vision,
    tracker: Tracker,
    enrolled: Embedding,
    referee: Referee,
    grants: u32,
    embedded: u32,
    searched: u32,
    decoded: u32,
}

impl Watch {
    fn new(min_face_px: u32, enabled: bool, person: &Image) -> Result<Watch, String> {
        let mut vision = frames::vision(min_face_px, "mobilefacenet", 1)?;
        let enrolled = vision.see(person).map_err(|e| e.to_string())?.pop().ok_or("no face")?.embedding;
        let usual = Rules::usual(Distance(1.0), Distance(1.0));
        let rules = Rules { window: WINDOW, min_face_px: min_face_px as f32, ..usual };
        Ok(Watch {
            decoder: JpegDecoder::new(),
            buffer: Vec::new(),
            enabled,
            glimpse: Glimpse::default(),
            gate: MotionGate::default(),
            motion: Motion::default(),
            attention: Attention::new(AttentionSettings { enabled, track_ends_after: SECOND, window: WINDOW }),
            vision,
            tracker: Tracker::new(SECOND),
            enrolled,
            referee: Referee::new(rules),
            grants: 0,
            embedded: 0,
            searched: 0,
            decoded: 0,
        })
    }

    /// Plays the scene, and says what it took.
    fn play(&mut self, scene: &[Vec<u8>]) -> Result<String, String> {
        let mut start = Duration::ZERO;
        for number in 0..FRAMES {
            if number == UNCOUNTED {
                start = spent();
                (self.grants, self.embedded, self.searched, self.decoded) = (0, 0, 0, 0);
            }
            let at = Moment(Duration::from_micros(number * 1_000_000 / FPS));
            // There and back, so that no picture jumps.
            let turn = number as usize % (2 * scene.len());
            let bytes = &scene[turn.min(2 * scene.len() - 1 - turn)];
            self.frame(number, at, bytes).map_err(|e| e.to_string())?;
        }
        let counted = FRAMES - UNCOUNTED;
        let each = (spent() - start).as_secs_f64() * 1000.0 / counted as f64;
        Ok(format!(
            "{each:.2} ms a frame, {:.1} % of a core at {FPS} frames a second; of {counted} frames {} decoded, {} searched, {} faces embedded, {} grants",
            each * FPS as f64 / 10.0,
            self.decoded,
            self.searched,
            self.embedded,
            self.grants,
        ))
    }

    fn frame(&mut self, number: u64, at: Moment, bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
        if self.enabled && self.decoder.glimpse(bytes, &mut self.glimpse)? {
            self.gate.see(&self.glimpse, &mut self.motion);
        } else {
            self.motion = Motion::unknown();
        }
        if !self.attention.arrived(at, &self.motion) {
            return Ok(());
        }
        let image = self.decoder.decode_into(bytes, std::mem::take(&mut self.buffer))?;
        self.decoded += 1;
        let followed = match self.attention.look(at) {
            Look::Follow(places) => self.vision.follow(&image, &places)?,
            _ => None,
        };
        let searched = followed.is_none();
        self.searched += u32::from(searched);
        let faces = match followed {
            Some(faces) => faces,
            None => self.vision.detect_nearest(&image)?,
        };
        let tracks = self.tracker.track(&faces, at);
        let mut seen = Vec::new();
        for (face, track) in faces.into_iter().zip(tracks) {
            let examined = searched && self.attention.examines(track, &face.bounds, at);
            if examined {
                self.embedded += 1;
                let quality = self.vision.judge(&image, &face);
                let distance =
                    Distance::between(self.vision.embed_judged()?.embedding.values(), self.enrolled.values());
                let nearest = Some(Match { person: PersonId(1), distance, runner_up: None });
                let (camera, frame, not_them, passive) = ("porch".into(), number, None, None);
                let sighting =
                    Sighting { camera, frame, captured_at: at, track, face, quality, nearest, not_them, passive };
                let allow = |_: &_| Judgement::default();
                let decided = self.referee.consider(&sighting, at, &mut { allow });
                self.grants += u32::from(decided.is_some());
            }
            let person = examined.then_some(PersonId(1));
            seen.push(SeenFace { track, bounds: face.bounds, examined, person });
        }
        self.attention.looked(at, searched, &seen);
        self.attention.ask(|track| self.referee.wants("porch", track, at));
        self.buffer = image.into_rgb();
        Ok(())
    }
}

/// The processor time of this thread.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
