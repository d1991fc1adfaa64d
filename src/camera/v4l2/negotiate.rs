//! Chooses a device's format, size and rate through nokhwa, and turns refusals into messages for an operator.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use nokhwa::Camera;
use nokhwa::utils::{
    ApiBackend, CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, Resolution,
};

use super::stream::{Failure, Stream, Unfit, guarded, identity};
use super::{Identity, Mode, PixelFormat, V4l2Settings};
use crate::camera::CameraError;
use crate::clock::Clock;

/// All formats nokhwa knows; listing what a device offers needs them.
const NAMED: [FrameFormat; 6] = [
    FrameFormat::YUYV,
    FrameFormat::MJPEG,
    FrameFormat::GRAY,
    FrameFormat::RAWRGB,
    FrameFormat::RAWBGR,
    FrameFormat::NV12,
];

/// The formats that can be decoded here.
const READ: [FrameFormat; 2] = [FrameFormat::YUYV, FrameFormat::MJPEG];

/// The most sizes listed in a message.
const LISTED: usize = 16;

/// Opens the device file `path` as `wanted`. It starts to stream with the first read.
pub(super) fn open(
    path: &Path,
    wanted: &V4l2Settings,
    clock: Arc<dyn Clock>,
) -> Result<(Stream, Mode, Identity), CameraError> {
    let device = path.display().to_string();
    let other = |failure: Failure| CameraError::Io {
        origin: format!("camera {device}"),
        reason: failure.reason,
        advice: "is it a camera? see `v4l2-ctl --list-devices`".into(),
    };
    let found =
        identity(path).map_err(|failure| beyond_formats(&device, &failure).unwrap_or_else(|| other(failure)))?;
    right_device(&device, wanted, &found)?;
    let index = super::device::index(path).ok_or_else(|| CameraError::Absent { device: device.clone() })?;
    let candidates = candidates(wanted);
    let mut reason = String::new();
    let mut padded = None;
    let exact = |format: &FrameFormat| CameraFormat::new_from(wanted.width, wanted.height, *format, wanted.fps);
    for format in candidates {
        match open_exactly(path, index, exact(format), &clock) {
            Ok(opened) => return accepted(&device, wanted, opened),
            Err(Unfit::Padded { stride, expected }) => padded = Some((stride, expected)),
            Err(Unfit::Failure(failure)) => {
                if let Some(error) = beyond_formats(&device, &failure) {
                    return Err(error);
                }
                reason = failure.reason;
            }
        }
    }
    let offers = offers(index).unwrap_or_default();
    if let Some(nearest) = nearest_rate(&offers, candidates, wanted) {
        match open_exactly(path, index, nearest, &clock) {
            Ok(opened) => return accepted(&device, wanted, opened),
            Err(Unfit::Padded { stride, expected }) => padded = Some((stride, expected)),
            Err(Unfit::Failure(_)) => {}
        }
    }
    Err(match padded {
        Some((stride, expected)) => CameraError::Padded { device, stride, expected },
        None => CameraError::Refused { device, wanted: words(wanted), offered: listed(&offers), reason },
    })
}

/// Checks the identity of the streaming device again, because it may have been replaced in between.
fn accepted(
    device: &str,
    wanted: &V4l2Settings,
    (stream, mode, found): (Stream, Mode, Identity),
) -> Result<(Stream, Mode, Identity), CameraError> {
    right_device(device, wanted, &found)?;
    Ok((stream, mode, found))
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

/// The error for a failure that is not about formats, by its error number.
pub(super) fn beyond_formats(device: &str, failure: &Failure) -> Option<CameraError> {
    let advice = match failure.errno? {
        libc::ENOENT | libc::ENODEV | libc::ENXIO => return Some(CameraError::Absent { device: device.to_owned() }),
        libc::EACCES | libc::EPERM => {
            "add this program's user to the group `video`: `sudo usermod -aG video <user>`".into()
        }
        libc::EBUSY => format!("another program uses it (see `fuser -v {device}`); stop that one"),
        libc::ENOTTY | libc::EBADF => "it is not a camera; see `v4l2-ctl --list-devices`".into(),
        _ => return None,
    };
    Some(CameraError::Io { origin: format!("camera {device}"), reason: failure.reason.clone(), advice })
}

/// nokhwa sets the format and closes the device; the format stays set for the stream.
fn open_exactly(
    path: &Path,
    index: u32,
    format: CameraFormat,
    clock: &Arc<dyn Clock>,
) -> Result<(Stream, Mode, Identity), Unfit> {
    guarded(|| {
        let request = RequestedFormat::with_formats(RequestedFormatType::Exact(format), &NAMED);
        Camera::with_backend(CameraIndex::Index(index), request, ApiBackend::Video4Linux).map(drop)
    })?;
    let mode = Mode {
        width: format.width(),
        height: format.height(),
        fps: format.frame_rate(),
        mjpeg: format.format() == FrameFormat::MJPEG,
    };
    let (stream, identity) = Stream::open(path, &mode, clock.clone())?;
    Ok((stream, mode, identity))
}

/// The formats that the device offers. nokhwa lists them only after opening the device in one of them.
fn offers(index: u32) -> Result<Vec<CameraFormat>, Failure> {
    guarded(|| {
        let any = RequestedFormat::with_formats(RequestedFormatType::None, &NAMED);
        Camera::with_backend(CameraIndex::Index(index), any, ApiBackend::Video4Linux)?.compatible_camera_formats()
    })
}

fn candidates(wanted: &V4l2Settings) -> &'static [FrameFormat] {
    match wanted.format {
        PixelFormat::Yuyv => &[FrameFormat::YUYV],
        PixelFormat::Mjpeg => &[FrameFormat::MJPEG],
        PixelFormat::Auto if u64::from(wanted.width).saturating_mul(u64::from(wanted.height)) <= 640 * 480 => {
            &[FrameFormat::YUYV, FrameFormat::MJPEG]
        }
        PixelFormat::Auto => &[FrameFormat::MJPEG, FrameFormat::YUYV],
    }
}

/// The offer of the wanted size with the nearest rate; of equals, the one whose format comes first in `formats`.
fn nearest_rate(offers: &[CameraFormat], formats: &[FrameFormat], wanted: &V4l2Settings) -> Option<CameraFormat> {
    let size = Resolution::new(wanted.width, wanted.height);
    let rank = |offer: &CameraFormat| formats.iter().position(|f| *f == offer.format());
    offers
        .iter()
        .filter(|offer| offer.resolution() == size && offer.frame_rate() > 0 && rank(offer).is_some())
        .min_by_key(|offer| (offer.frame_rate().abs_diff(wanted.fps), rank(offer)))
        .copied()
}

fn words(wanted: &V4l2Settings) -> String {
    let format = match wanted.format {
        PixelFormat::Yuyv => "YUYV",
        PixelFormat::Mjpeg => "MJPEG",
        PixelFormat::Auto => "YUYV or MJPEG",
    };
    format!("{format} {}x{} at {} frames/s", wanted.width, wanted.height, wanted.fps)
}

/// Lists the usable offers, as in `YUYV 640x480 at 15, 30; …`, or the unusable formats if there are no others.
fn listed(offers: &[CameraFormat]) -> String {
    let mut sizes: BTreeMap<(FrameFormat, u32, u32), BTreeSet<u32>> = BTreeMap::new();
    for offer in offers.iter().filter(|offer| READ.contains(&offer.format())) {
        sizes.entry((offer.format(), offer.width(), offer.height())).or_default().insert(offer.frame_rate());
    }
    if sizes.is_empty() {
        let others: BTreeSet<String> = offers.iter().map(|offer| offer.format().to_string()).collect();
        return match Vec::from_iter(others).join(", ") {
            none if none.is_empty() => {
                "nothing that can be listed (is it a camera, or a loopback that nothing feeds?)".into()
            }
            others => format!("only {others}, neither YUYV nor MJPEG"),
        };
    }
    let one = |((format, width, height), rates): (&(FrameFormat, u32, u32), &BTreeSet<u32>)| {
        let rates: Vec<String> = rates.iter().map(u32::to_string).collect();
        format!("{format} {width}x{height} at {}", rates.join(", "))
    };
    let mut words: Vec<String> = sizes.iter().take(LISTED).map(one).collect();
    if let Some(more @ 1..) = sizes.len().checked_sub(LISTED) {
        words.push(format!("{more} more"));
    }
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn wanted(width: u32, height: u32, fps: u32, format: PixelFormat) -> V4l2Settings {
        V4l2Settings {
            device: "0".into(),
            identity: None,
            width,
            height,
            fps,
            format,
            stuck_after: Duration::from_secs(1),
        }
    }

    #[test]
    fn system_errors_say_what_to_do() {
        let error = |errno| beyond_formats("/dev/video7", &Failure { errno: Some(errno), reason: "why".into() });
        assert!(matches!(error(libc::ENODEV), Some(CameraError::Absent { .. })));
        assert!(error(libc::EACCES).unwrap().to_string().contains("group `video`"));
        assert!(error(libc::EBUSY).unwrap().to_string().contains("fuser -v /dev/video7"));
        assert!(error(libc::EINVAL).is_none());
    }

    #[test]
    fn a_device_other_than_the_configured_one_is_refused_and_named() {
        let found = Identity { link: None, bus: "usb-1".into(), card: "Cam".into() };
        let meant = |identity: Option<&str>| V4l2Settings {
            identity: identity.map(str::to_owned),
            ..wanted(640, 480, 30, PixelFormat::Auto)
        };
        assert!(right_device("/dev/video7", &meant(None), &found).is_ok());
        assert!(right_device("/dev/video7", &meant(Some("Cam @ usb-1")), &found).is_ok());
        let error = right_device("/dev/video7", &meant(Some("usb-2")), &found).unwrap_err().to_string();
        for part in ["/dev/video7", "usb-2", "identity = \"Cam @ usb-1\""] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn small_pictures_prefer_yuyv_and_large_ones_mjpeg() {
        assert_eq!(candidates(&wanted(640, 480, 30, PixelFormat::Auto))[0], FrameFormat::YUYV);
        assert_eq!(candidates(&wanted(1280, 720, 30, PixelFormat::Auto))[0], FrameFormat::MJPEG);
        assert_eq!(candidates(&wanted(1280, 720, 30, PixelFormat::Yuyv)), [FrameFormat::YUYV]);
    }

    #[test]
    fn the_nearest_rate_of_the_same_size_is_chosen() {
        let offer = |w, h, format, fps| CameraFormat::new_from(w, h, format, fps);
        let offers = [
            offer(640, 480, FrameFormat::MJPEG, 25),
            offer(640, 480, FrameFormat::YUYV, 25),
            offer(640, 480, FrameFormat::YUYV, 5),
            offer(640, 480, FrameFormat::NV12, 30),
            offer(320, 240, FrameFormat::YUYV, 30),
        ];
        let wanted = wanted(640, 480, 30, PixelFormat::Auto);
        let nearest = nearest_rate(&offers, candidates(&wanted), &wanted).unwrap();
        assert_eq!((nearest.format(), nearest.frame_rate()), (FrameFormat::YUYV, 25));
        let mjpeg = nearest_rate(&offers, &[FrameFormat::MJPEG], &wanted).unwrap();
        assert_eq!((mjpeg.format(), mjpeg.frame_rate()), (FrameFormat::MJPEG, 25));
        assert!(nearest_rate(&offers[3..], candidates(&wanted), &wanted).is_none());
    }

    #[test]
    fn offers_are_listed_by_size_and_a_long_list_is_truncated() {
        let offer = |side, fps| CameraFormat::new_from(side, side, FrameFormat::YUYV, fps);
        assert_eq!(listed(&[offer(8, 30), offer(4, 5), offer(8, 5), offer(8, 30)]), "YUYV 4x4 at 5; YUYV 8x8 at 5, 30");
        let many: Vec<CameraFormat> = (1..=18).map(|side| offer(side, 10)).collect();
        assert!(listed(&many).ends_with("YUYV 16x16 at 10; 2 more"));
        assert!(!listed(&many[..16]).contains("more"));
        assert!(listed(&[]).contains("nothing"));
        let unread = CameraFormat::new_from(8, 8, FrameFormat::NV12, 30);
        assert_eq!(listed(&[unread]), "only NV12, neither YUYV nor MJPEG");
        assert_eq!(listed(&[unread, offer(8, 5)]), "YUYV 8x8 at 5");
    }
}
