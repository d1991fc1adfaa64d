//! Agrees with a device on a format, a size and a rate, through nokhwa, and turns refusals into words for an operator.
//!
//! Knows nothing of frames or threads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use nokhwa::Camera;
use nokhwa::utils::{
    ApiBackend, CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, Resolution,
};

use super::stream::{Stream, Unfit, identity};
use super::{Identity, Mode, PixelFormat, V4l2Settings};
use crate::camera::CameraError;
use crate::clock::Clock;

/// All formats that nokhwa can name; needed to make a device tell what it offers.
const NAMED: [FrameFormat; 6] = [
    FrameFormat::YUYV,
    FrameFormat::MJPEG,
    FrameFormat::GRAY,
    FrameFormat::RAWRGB,
    FrameFormat::RAWBGR,
    FrameFormat::NV12,
];

/// Those that become pictures here.
const READ: [FrameFormat; 2] = [FrameFormat::YUYV, FrameFormat::MJPEG];

/// Most sizes that a message lists.
const LISTED: usize = 16;

/// Why a call into nokhwa or `v4l` failed: its words, and the operating system's error number when it gives one.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) errno: Option<i32>,
    pub(super) reason: String,
}

impl Failure {
    /// The device has been closed here.
    pub(super) fn closed() -> Failure {
        Failure { errno: None, reason: "it was closed".into() }
    }
}

/// Calls nokhwa or `v4l`, which panic on some odd devices instead of returning an error.
pub(super) fn guarded<T, E: Display>(call: impl FnOnce() -> Result<T, E>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let reason = error.to_string();
            Err(Failure { errno: errno(&reason), reason })
        }
        Err(_) => Err(Failure { errno: None, reason: "its driver answers in a way that cannot be read".into() }),
    }
}

/// Opens the device file `path` as `wanted`; it streams from its first frame on.
pub(super) fn open(
    path: &Path,
    wanted: &V4l2Settings,
    clock: Arc<dyn Clock>,
) -> Result<(Stream, Mode, Identity), CameraError> {
    let device = path.display().to_string();
    let other = |failure: Failure| CameraError::Io {
        origin: format!("camera {device}"),
        reason: failure.reason,
        advice: "is it a camera? `v4l2-ctl --list-devices` lists those".into(),
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

/// The device that streams is asked once more: another one may have come in between.
fn accepted(
    device: &str,
    wanted: &V4l2Settings,
    (stream, mode, found): (Stream, Mode, Identity),
) -> Result<(Stream, Mode, Identity), CameraError> {
    right_device(device, wanted, &found)?;
    Ok((stream, mode, found))
}

/// Whether the device that was found is the one that is meant.
fn right_device(device: &str, wanted: &V4l2Settings, found: &Identity) -> Result<(), CameraError> {
    match &wanted.identity {
        Some(meant) if !found.is(meant) => {
            Err(CameraError::AnotherDevice { device: device.to_owned(), wanted: meant.clone(), found: found.clone() })
        }
        _ => Ok(()),
    }
}

/// What the operating system's error says when it is not about formats.
pub(super) fn beyond_formats(device: &str, failure: &Failure) -> Option<CameraError> {
    let advice = match failure.errno? {
        libc::ENOENT | libc::ENODEV | libc::ENXIO => return Some(CameraError::Absent { device: device.to_owned() }),
        libc::EACCES | libc::EPERM => {
            "add this program's user to the group `video`: `sudo usermod -aG video <user>`".into()
        }
        libc::EBUSY => format!("another program uses it, `fuser -v {device}` tells which; stop that one"),
        libc::ENOTTY | libc::EBADF => "it is no camera; `v4l2-ctl --list-devices` lists those".into(),
        _ => return None,
    };
    Some(CameraError::Io { origin: format!("camera {device}"), reason: failure.reason.clone(), advice })
}

/// nokhwa sets the format and closes the device again; the stream finds it as it was set.
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

/// What the device offers. nokhwa tells only once the device is open in one of its formats.
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
        PixelFormat::Auto if u64::from(wanted.width) * u64::from(wanted.height) <= 640 * 480 => {
            &[FrameFormat::YUYV, FrameFormat::MJPEG]
        }
        PixelFormat::Auto => &[FrameFormat::MJPEG, FrameFormat::YUYV],
    }
}

/// The offer of the wanted size whose rate is nearest; of equals the one whose format comes first.
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

/// `YUYV 640x480 at 15, 30; …`: what can be asked for, and when there is nothing of that, what else the device has.
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

/// 19 of `… No such device (os error 19)`: nokhwa keeps only the words of an [`std::io::Error`].
fn errno(reason: &str) -> Option<i32> {
    let (_, rest) = reason.rsplit_once("(os error ")?;
    rest.split_once(')')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nokhwa::NokhwaError;
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
    fn the_error_number_is_read_from_the_words() {
        let words = NokhwaError::ReadFrameError(std::io::Error::from_raw_os_error(19).to_string()).to_string();
        assert_eq!(errno(&words), Some(19));
        assert_eq!(errno("Failed to Fufill"), None);
    }

    #[test]
    fn a_panic_inside_becomes_a_failure() {
        let failure = guarded::<(), NokhwaError>(|| panic!("odd device")).unwrap_err();
        assert!(failure.errno.is_none() && !failure.reason.is_empty());
    }

    #[test]
    fn errors_of_the_system_say_what_to_do() {
        let error = |errno| beyond_formats("/dev/video7", &Failure { errno: Some(errno), reason: "why".into() });
        assert!(matches!(error(libc::ENODEV), Some(CameraError::Absent { .. })));
        assert!(error(libc::EACCES).unwrap().to_string().contains("group `video`"));
        assert!(error(libc::EBUSY).unwrap().to_string().contains("fuser -v /dev/video7"));
        assert!(error(libc::EINVAL).is_none());
    }

    #[test]
    fn another_device_than_the_one_that_is_meant_is_refused_and_named() {
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
    fn the_nearest_rate_of_the_same_size_is_taken() {
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
    fn offers_are_listed_by_size_and_a_long_list_is_cut() {
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
