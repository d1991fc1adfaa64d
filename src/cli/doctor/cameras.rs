//! The part of `usher doctor` about cameras: whether each gives pictures, how old they are, and which device it is.
//!
//! Knows nothing of the other checks.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::{Findings, State};
use crate::camera::{CameraError, v4l2};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, CameraKind, Config};
use crate::setup;

/// So many frames are asked for before a camera counts as broken: the first ones after opening may be.
const MOST_BAD: u32 = 30;

/// No daemon runs: each camera is opened for a moment.
pub(super) fn free(config: &Config, findings: &mut Findings) -> Result<()> {
    for camera in &config.cameras {
        let Some((_, age)) = findings.result("camera", look(camera).map_err(Into::into), |(text, _)| text.clone())?
        else {
            if camera.kind == CameraKind::V4l2 {
                let there: Vec<String> = v4l2::devices().iter().map(words).collect();
                let text = if there.is_empty() { "none".into() } else { there.join(", ") };
                findings.tell("camera", State::Warning, &format!("devices on this machine: {text}"))?;
            }
            continue;
        };
        if age > config.access.max_age {
            let (name, limit) = (&camera.name, config.access.max_age.as_millis());
            let text = format!(
                "{name}: its pictures are {} ms old when they come; doors refuse what is older than {limit} ms ([access] max_age)",
                age.as_millis()
            );
            findings.tell("camera", State::Warning, &text)?;
        }
        identify(camera, findings)?;
    }
    Ok(())
}

/// The daemon holds the cameras: only their drivers are asked.
pub(super) fn held(config: &Config, findings: &mut Findings) -> Result<()> {
    config.cameras.iter().try_for_each(|camera| identify(camera, findings))
}

/// What a camera gives, and how old that was when it came.
fn look(camera: &config::Camera) -> Result<(String, Duration), CameraError> {
    let clock = Arc::new(SystemClock::new());
    let mut source = setup::camera(camera, clock.clone())?;
    let mut bad = 0;
    let frame = loop {
        match source.next() {
            Err(error) if error.is_bad_frame() && bad < MOST_BAD => bad += 1,
            answer => break answer?,
        }
    };
    let age = clock.now().since(frame.captured_at);
    let spoilt = if bad > 0 { format!(", after {bad} that could not be used") } else { String::new() };
    Ok((format!("{}: {} gives {:?}{spoilt}", camera.name, source.describe(), frame.image), age))
}

/// Which device a camera is, and what to write so that no other is taken for it.
fn identify(camera: &config::Camera, findings: &mut Findings) -> Result<()> {
    if camera.kind != CameraKind::V4l2 {
        return Ok(());
    }
    // A device that does not answer is told elsewhere.
    let Ok(found) = v4l2::identity(&camera.device.display().to_string()) else { return Ok(()) };
    match &camera.identity {
        Some(wanted) if !found.is(wanted) => {
            let text =
                format!("{}: {} is {found}, and identity asks for {wanted}", camera.name, camera.device.display());
            findings.tell("camera", State::Broken, &text)
        }
        Some(_) => findings.tell("camera", State::Well, &format!("{}: it is {found}, as identity asks", camera.name)),
        None => {
            let text =
                format!("{}: to accept no other device in its place, set identity = {:?}", camera.name, found.key());
            findings.tell("camera", State::Well, &text)
        }
    }
}

fn words(device: &v4l2::Device) -> String {
    format!("/dev/video{} ({})", device.index, device.name)
}
