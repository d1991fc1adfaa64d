//! The cameras of this machine: each that gives a picture, with its size, and the question which one to use.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};

use super::plan::CameraChoice;
use super::questions::{Asker, say};
use crate::camera::{CameraError, v4l2};
use crate::clock::SystemClock;
use crate::config;
use crate::setup;

/// The first frames after opening may be bad.
const MOST_BAD: u32 = 30;

/// A still picture's size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Still {
    width: u32,
    height: u32,
}

/// A camera, and whether it gave a picture.
pub struct Chosen {
    pub camera: CameraChoice,
    pub works: bool,
}

/// Asks which camera to use. One that gives no picture may be taken all the same.
///
/// # Errors
/// `flag` names nothing that there is; the terminal is closed.
pub fn choose(asker: Asker, flag: Option<&str>) -> Result<Chosen> {
    let found = if flag.is_none() { list(asker.is_terminal)? } else { Vec::new() };
    let default = found.first().map_or_else(|| "none".to_owned(), |path| path.display().to_string());
    asker.settle(("--camera", flag), "Camera: a number, a path, an address, or none", &default, |answer| {
        let listed = answer.parse::<usize>().ok();
        let camera = match listed.map(|number| number.checked_sub(1).and_then(|at| found.get(at))) {
            Some(Some(path)) => CameraChoice::Device(path.clone()),
            Some(None) => bail!("there is no camera {answer}; write a number of the list, a path, an address, or none"),
            None => CameraChoice::read(answer)?,
        };
        if camera == CameraChoice::Later {
            return Ok(Chosen { camera, works: false });
        }
        match still(&camera.settings()) {
            Ok(Still { width, height }) => {
                say(format_args!("  {answer} gives pictures of {width}x{height}"))?;
                Ok(Chosen { camera, works: true })
            }
            Err(error) if !asker.is_terminal => {
                note!("warning: {error}; usher will go on trying");
                Ok(Chosen { camera, works: false })
            }
            Err(error) => {
                say(format_args!("  {error}"))?;
                match asker.confirm("Go on without a picture? usher will go on trying this camera", false)? {
                    true => Ok(Chosen { camera, works: false }),
                    false => bail!("choose another one, or none"),
                }
            }
        }
    })
}

/// The video devices that give a picture. Shows them if `shown`; where there is none, also those that give no picture.
fn list(shown: bool) -> Result<Vec<PathBuf>> {
    let (mut working, mut others) = (Vec::new(), Vec::new());
    for device in v4l2::devices() {
        let camera = CameraChoice::Device(device.path.clone()).settings();
        match still(&camera) {
            Ok(still) => working.push((device, still)),
            Err(error) => others.push((device, error)),
        }
    }
    if shown {
        for (number, (device, Still { width, height })) in (1..).zip(&working) {
            say(format_args!("  {number}  {}  {}, pictures of {width}x{height}", device.path.display(), device.name))?;
        }
        for (device, error) in others.iter().filter(|_| working.is_empty()) {
            say(format_args!("  -  {}  {}: {error}", device.path.display(), device.name))?;
        }
        if working.is_empty() {
            say(format_args!(
                "  No camera gives a picture. The path of a folder of photographs, or of a recording, plays one."
            ))?;
        }
    }
    Ok(working.into_iter().map(|(device, _)| device.path).collect())
}

/// Opens a camera, takes one picture, and closes it again.
fn still(camera: &config::Camera) -> Result<Still, CameraError> {
    let mut source = setup::camera(camera, Arc::new(SystemClock::new()))?;
    let mut bad = 0;
    loop {
        match source.next() {
            Err(error) if error.is_bad_frame() && bad < MOST_BAD => bad += 1,
            Err(error) => return Err(error),
            Ok(frame) => return Ok(Still { width: frame.image.width(), height: frame.image.height() }),
        }
    }
}
