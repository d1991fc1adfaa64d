//! Sets a device to the configured format, size and rate, reads back what the driver made of it, and turns refusals into messages for an
//! operator.
//!
//! The state in which another program left the device does not matter: nothing is read from it before it is set.

use std::path::Path;
use std::sync::Arc;

use v4l::capability::Flags;
use v4l::parameters::Capabilities;
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Device, Format, FourCC};

use super::guard::{Failure, beyond_formats, guarded};
use super::offer::{Attempt, attempts, fourcc_words, listed, offers};
use super::rate::Interval;
use super::stream::{Stream, buffers, identity_of};
use super::{Identity, Mode, PixelFormat, Pixels, V4l2Settings};
use crate::camera::CameraError;
use crate::clock::Clock;
use crate::photo::RawLayout;

/// Opens the device file `path` as `wanted`. It starts to stream with the first read.
pub(super) fn open(
    path: &Path,
    wanted: &V4l2Settings,
    clock: Arc<dyn Clock>,
) -> Result<(Stream, Mode, Identity), CameraError> {
    let name = path.display().to_string();
    let other = |failure: Failure| CameraError::Io {
        origin: format!("camera {name}"),
        reason: failure.reason,
        advice: "is it a camera? see `v4l2-ctl --list-devices`".into(),
    };
    let beyond = |failure: Failure| beyond_formats(&name, &failure).unwrap_or_else(|| other(failure));
    let device = guarded(|| Device::with_path(path)).map_err(beyond)?;
    let identity = identity_of(&device, path).map_err(beyond)?;
    right_device(&name, wanted, &identity)?;
    captures(&device, &name)?;
    let offers = offers(&device, wanted).map_err(beyond)?;
    let mut reason = "it does not offer that".to_owned();
    for attempt in attempts(&offers, wanted) {
        match set(&device, wanted, attempt).and_then(|mode| Ok((buffers(&device)?, mode))) {
            Ok((buffers, mode)) => return Ok((Stream::new(device, buffers, clock), mode, identity)),
            Err(failure) => {
                if let Some(error) = beyond_formats(&name, &failure) {
                    return Err(error);
                }
                reason = failure.reason;
            }
        }
    }
    Err(CameraError::Refused { device: name, wanted: words(wanted), offered: listed(&offers), reason })
}

/// Checks that the device found is the configured one.
fn right_device(device: &str, wanted: &V4l2Settings, found: &Identity) -> Result<(), CameraError> {
    match &wanted.identity {
        Some(meant) if !found.is(meant) => {
            Err(CameraError::AnotherDevice { device: device.to_owned(), wanted: meant.clone(), found: found.clone() })
        }
        _ => Ok(()),
    }
}

/// Checks that the device delivers pictures in the way that can be read: in one buffer each.
fn captures(device: &Device, name: &str) -> Result<(), CameraError> {
    let Ok(said) = guarded(|| device.query_caps()) else { return Ok(()) };
    let can = |flag| said.capabilities.contains(flag);
    if said.capabilities.is_empty() || can(Flags::VIDEO_CAPTURE) {
        return Ok(());
    }
    let (reason, advice) = if can(Flags::VIDEO_CAPTURE_MPLANE) || can(Flags::VIDEO_M2M_MPLANE) {
        let advice = "let a program that knows it fill a video loopback, as docs/cameras.md shows";
        ("it delivers each picture in several buffers (multi-planar), which usher does not read", advice)
    } else {
        (
            "this device delivers no pictures",
            "a camera often has several devices: try the one with the next lower number",
        )
    };
    Err(CameraError::Io { origin: format!("camera {name}"), reason: reason.into(), advice: advice.into() })
}

/// Sets format and size, then the rate, and reads both back.
fn set(device: &Device, wanted: &V4l2Settings, attempt: Attempt) -> Result<Mode, Failure> {
    let Attempt { pixels, interval } = attempt;
    let asked = Format::new(wanted.width, wanted.height, FourCC::new(&pixels.fourcc()));
    let format = guarded(|| device.set_format(&asked))?;
    let layout = agreed(&format, &asked, pixels)?;
    Ok(Mode { width: format.width, height: format.height, interval: set_rate(device, interval), pixels, layout })
}

/// Checks that the driver has kept format and size, and reads how its lines lie; `None` for JPEG.
fn agreed(format: &Format, asked: &Format, pixels: Pixels) -> Result<Option<RawLayout>, Failure> {
    if (format.fourcc, format.width, format.height) != (asked.fourcc, asked.width, asked.height) {
        let words =
            |format: &Format| format!("{} {}x{}", fourcc_words(format.fourcc.repr), format.width, format.height);
        return Err(Failure::because(format!(
            "it was set to {} but then reports {}; does another program use it?",
            words(asked),
            words(format)
        )));
    }
    Ok(match pixels {
        Pixels::Mjpeg { .. } => None,
        Pixels::Raw(raw) => Some(RawLayout::new(raw, format.width, format.height, format.stride)),
    })
}

/// Sets the rate, and returns what the driver then reports; `None` if it has no rates to set.
fn set_rate(device: &Device, interval: Interval) -> Option<Interval> {
    let now = guarded(|| device.params()).ok()?;
    if !now.capabilities.contains(Capabilities::TIME_PER_FRAME) {
        return Interval::of(now.interval);
    }
    // A driver that refuses the rate keeps its own, which is then read.
    let set = guarded(|| device.set_params(&Parameters::new(interval.fraction())));
    let after = set.or_else(|_| guarded(|| device.params())).ok()?;
    Interval::of(after.interval)
}

fn words(wanted: &V4l2Settings) -> String {
    let format = match wanted.format {
        PixelFormat::Auto => "pictures of".to_owned(),
        PixelFormat::Mjpeg => "MJPEG".to_owned(),
        PixelFormat::Raw(format) => format.to_string(),
    };
    format!("{format} {}x{} at {} frames/s", wanted.width, wanted.height, wanted.fps)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::RawFormat;

    #[test]
    fn a_device_other_than_the_configured_one_is_refused_and_named() {
        let found = Identity { link: None, bus: "usb-1".into(), card: "Cam".into() };
        let meant = |identity: Option<&str>| V4l2Settings {
            device: "0".into(),
            identity: identity.map(str::to_owned),
            width: 640,
            height: 480,
            fps: 30,
            format: PixelFormat::Auto,
            expose_for_faces: false,
            stuck_after: Duration::from_secs(1),
        };
        assert!(right_device("/dev/video7", &meant(None), &found).is_ok());
        assert!(right_device("/dev/video7", &meant(Some("Cam @ usb-1")), &found).is_ok());
        let error = right_device("/dev/video7", &meant(Some("usb-2")), &found).unwrap_err().to_string();
        for part in ["/dev/video7", "usb-2", "identity = \"Cam @ usb-1\""] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert_eq!(words(&meant(None)), "pictures of 640x480 at 30 frames/s");
    }

    #[test]
    fn what_the_driver_reports_is_what_counts() {
        let said = |fourcc: &[u8; 4], stride| Format { stride, ..Format::new(640, 480, FourCC::new(fourcc)) };
        let yuyv = Pixels::Raw(RawFormat::Yuyv);
        let layout = |stride| agreed(&said(b"YUYV", stride), &said(b"YUYV", 0), yuyv).unwrap().unwrap();
        assert_eq!((layout(1280).stride(), layout(1344).stride()), (1280, 1344));
        // The driver does not report it.
        assert_eq!(layout(0).stride(), 1280);
        let mjpeg = Pixels::Mjpeg { fourcc: *b"MJPG" };
        assert_eq!(agreed(&said(b"MJPG", 7), &said(b"MJPG", 0), mjpeg).unwrap(), None);
        let other = agreed(&said(b"GREY", 640), &said(b"YUYV", 0), yuyv).unwrap_err();
        assert!(other.reason.contains("set to YUYV 640x480 but then reports GREY 640x480"), "{}", other.reason);
    }
}
