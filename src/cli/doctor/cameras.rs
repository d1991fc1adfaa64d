//! The part of `usher doctor` about cameras: whether each gives frames, how old they are, and which device it is.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::{Findings, State};
use crate::camera::{CameraError, v4l2};
use crate::checks::cameras::identity;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, CameraKind, Config};
use crate::setup;

/// After this many bad frames a camera counts as broken. The first frames after opening may be bad.
const MOST_BAD: u32 = 30;
/// Cameras offer a smaller stream beside one that is wider than this.
const WIDE_PX: u32 = 1280;

/// Without a daemon: opens each camera for a moment.
pub(super) fn free(config: &Config, findings: &mut Findings) -> Result<()> {
    for camera in &config.cameras {
        let Some((_, age, width)) =
            findings.result("camera", look(camera).map_err(Into::into), |(text, _, _)| text.clone())?
        else {
            if camera.kind == CameraKind::V4l2 {
                let there: Vec<String> = v4l2::devices().iter().map(words).collect();
                let text = if there.is_empty() { "none".into() } else { there.join(", ") };
                findings.report("camera", State::Warning, &format!("devices on this machine: {text}"))?;
            }
            continue;
        };
        if age > config.access.max_age {
            let (name, limit) = (&camera.name, config.access.max_age.as_millis());
            let text = format!(
                "{name}: its frames are {} ms old when they arrive; doors refuse frames older than {limit} ms ([access] max_age)",
                age.as_millis()
            );
            findings.report("camera", State::Warning, &text)?;
        }
        if camera.kind == CameraKind::Stream && width > WIDE_PX {
            let text = format!(
                "{}: its stream is {width} pixels wide, which costs several times the processor of a small one; set url to the camera's smaller stream \
                 (`usher camera list` shows it where the camera tells)",
                camera.name
            );
            findings.report("camera", State::Warning, &text)?;
        }
        findings.report_all(identity(camera))?;
    }
    Ok(())
}

/// A camera's frame in words, its age when it arrived, and its width in pixels.
fn look(camera: &config::Camera) -> Result<(String, Duration, u32), CameraError> {
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
    let spoilt = if bad > 0 { format!(", after {bad} bad frames") } else { String::new() };
    let text = format!("{}: {} gives {:?}{spoilt}", camera.name, source.describe(), frame.image);
    Ok((text, age, frame.image.width()))
}

fn words(device: &v4l2::Device) -> String {
    format!("/dev/video{} ({})", device.index, device.name)
}
