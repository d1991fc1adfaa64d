//! The part of `usher doctor` about cameras: whether each gives frames, how old they are, how they stand and are lit, and which device it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Client, Findings, State};
use crate::api::template::CameraView;
use crate::camera::v4l2;
use crate::checks::cameras::identity;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, CameraKind, Config};
use crate::domain::{Rotation, Spectrum};
use crate::office::Advice;
use crate::setup;
use crate::vision::Vision;
use crate::vision::light::Light;
use crate::vision::upright::stands;

/// After this many bad frames a camera counts as broken. The first frames after opening may be bad.
const MOST_BAD: u32 = 30;
/// Cameras offer a smaller stream beside one that is wider than this.
const WIDE_PX: u32 = 1280;

/// How long a camera is watched for a face that says how its pictures stand.
const WATCHED: Duration = Duration::from_secs(2);
/// How long the daemon may take to look at a frame in four directions: a slow board needs a second for each.
const LONGEST_FRAME: Duration = Duration::from_secs(8);
/// A picture whose mean brightness, 0 to 255, is below this is dark.
const DARK: f32 = 30.0;
/// Noise beyond this, in levels of 255, hides what tells faces apart: flat areas of a clean picture have 1 to 3.
const NOISY: f32 = 8.0;

/// Without a daemon: opens each camera for a moment. `eyes` look for faces.
pub(super) fn free(config: &Config, mut eyes: Option<Vision>, findings: &mut Findings) -> Result<()> {
    for camera in &config.cameras {
        let seen = look(camera, eyes.as_mut());
        let Some(seen) = findings.result("camera", seen, |seen| seen.words.clone())? else {
            if camera.kind == CameraKind::V4l2 {
                let there: Vec<String> = v4l2::devices().iter().map(words).collect();
                let text = if there.is_empty() { "none".into() } else { there.join(", ") };
                findings.report("camera", State::Warning, &format!("devices on this machine: {text}"))?;
            }
            continue;
        };
        if seen.age > config.access.max_age {
            let (name, limit) = (&camera.name, config.access.max_age.as_millis());
            let text = format!(
                "{name}: its frames are {} ms old when they arrive; doors refuse frames older than {limit} ms ([access] max_age)",
                seen.age.as_millis()
            );
            findings.report("camera", State::Warning, &text)?;
        }
        wide(camera, seen.width_px, findings)?;
        light(camera, &seen.light, findings)?;
        if let Some(rotation) = seen.rotate {
            findings.report(
                "camera",
                State::Warning,
                &format!("{}: {}", camera.name, Advice::CameraTurned(rotation.degrees())),
            )?;
        }
        findings.report_all(identity(camera))?;
    }
    Ok(())
}

/// Reports a stream that is larger than a door needs.
fn wide(camera: &config::Camera, width_px: u32, findings: &mut Findings) -> Result<()> {
    if camera.kind != CameraKind::Stream || width_px <= WIDE_PX {
        return Ok(());
    }
    let text = format!(
        "{}: its stream is {width_px} pixels wide, which costs several times the processor of a small one; set url to the camera's smaller stream \
         (`usher camera list` shows it where the camera tells)",
        camera.name
    );
    findings.report("camera", State::Warning, &text)
}

/// The daemon holds the cameras: asks it whether faces are upright in what they see. The first view of each camera says so.
pub(super) fn held(config: &Config, client: &Client, findings: &mut Findings) -> Result<()> {
    let recognising = config.cameras.iter().filter(|camera| camera.recognises());
    let mut awaited: BTreeSet<&str> = recognising.map(|camera| camera.name.as_str()).collect();
    let watched = client.lines("/v1/views", Instant::now() + LONGEST_FRAME, |line| {
        // A daemon of another version is reported elsewhere.
        let Ok(view) = serde_json::from_slice::<CameraView>(line) else { return Ok(false) };
        if awaited.remove(view.camera.as_str())
            && let Some(degrees) = view.rotate
        {
            let text = format!("{}: {}", view.camera, Advice::CameraTurned(degrees));
            findings.report("camera", State::Warning, &text)?;
        }
        Ok(!awaited.is_empty())
    });
    match watched {
        Ok(()) => Ok(()),
        Err(error) => {
            findings.report("camera", State::Warning, &format!("what the cameras see cannot be asked: {error:#}"))
        }
    }
}

/// What a camera shows.
struct Seen {
    words: String,
    /// Of the first frame when it arrived.
    age: Duration,
    width_px: u32,
    light: Light,
    /// What `rotate` should be, if faces are upright only in a turned picture.
    rotate: Option<Rotation>,
}

/// Opens a camera, takes a frame, and looks at more for a face.
fn look(camera: &config::Camera, eyes: Option<&mut Vision>) -> Result<Seen> {
    let clock = Arc::new(SystemClock::new());
    let mut source = setup::camera(camera, clock.clone())?;
    let mut bad = 0;
    let first = loop {
        match source.next() {
            Err(error) if error.is_bad_frame() && bad < MOST_BAD => bad += 1,
            answer => break answer?,
        }
    };
    let age = clock.now().since(first.captured_at);
    let spoilt = if bad > 0 { format!(", after {bad} bad frames") } else { String::new() };
    let words = format!("{}: {} gives {:?}{spoilt}", camera.name, source.describe(), first.image);
    let mut seen = Seen { words, age, width_px: first.image.width(), light: Light::of(&first.image), rotate: None };
    // A second eye has no faces of its own.
    let Some(eyes) = eyes.filter(|_| camera.recognises()) else { return Ok(seen) };
    let until = clock.now() + WATCHED;
    let mut picture = first.image;
    loop {
        if let Some(further) = stands(eyes, &picture)? {
            let right = setup::framing(camera).rotation_with(further);
            seen.rotate = Some(right).filter(|_| further != Rotation::None);
            return Ok(seen);
        }
        // What ends here was reported before, or is for the daemon to report.
        picture = match source.next() {
            Ok(frame) if clock.now() < until => frame.image,
            _ => return Ok(seen),
        };
        seen.light = Light::of(&picture);
    }
}

/// Reports a picture that is dark or noisy.
fn light(camera: &config::Camera, light: &Light, findings: &mut Findings) -> Result<()> {
    if !camera.recognises() {
        return Ok(());
    }
    let Light { mean, noise } = light;
    let what = match (*mean < DARK, *noise > NOISY) {
        (false, false) => return Ok(()),
        (true, _) => format!("its picture is too dark (brightness {mean:.0} of 255, noise {noise:.1})"),
        (false, true) => {
            format!("its picture is noisy (noise {noise:.1}, brightness {mean:.0} of 255): its gain is high")
        }
    };
    let advice = match camera.spectrum {
        Spectrum::Visible => "add light in front of the people, or wait for the day",
        Spectrum::Infrared => "see that its emitter is on; usher never switches one",
    };
    let text = format!("{}: {what}; {advice}", camera.name);
    findings.report("camera", State::Warning, &text)
}

fn words(device: &v4l2::Device) -> String {
    format!("/dev/video{} ({})", device.index, device.name)
}
