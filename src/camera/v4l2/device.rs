//! Video devices by name: those that nokhwa finds, and the number of a device path. Opens no device.

use std::fs;
use std::path::{Path, PathBuf};

use nokhwa::utils::ApiBackend;

use super::guard::guarded;
use crate::camera::CameraError;

/// A video device of the kernel. Not all are cameras: codecs and webcam metadata have devices too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// The number in its name.
    pub index: u32,
    /// `/dev/video…`.
    pub path: PathBuf,
    /// The driver's name for it.
    pub name: String,
}

/// The video devices by number; empty if the kernel has no V4L2.
pub fn devices() -> Vec<Device> {
    let found = guarded(|| nokhwa::query(ApiBackend::Video4Linux)).unwrap_or_else(|failure| {
        tracing::warn!(reason = failure.reason, "the video devices cannot be listed");
        Vec::new()
    });
    let named = found.iter().filter_map(|camera| Some((camera.index().as_index().ok()?, camera.human_name())));
    by_number(named)
}

/// The number and path of a device as configured.
///
/// # Errors
/// [`CameraError::Absent`] if there is no such file, [`CameraError::Io`] if it is not a video device.
pub(super) fn resolve(device: &str) -> Result<(u32, String), CameraError> {
    let named = match device.parse::<u32>() {
        Ok(index) => format!("/dev/video{index}"),
        Err(_) => device.to_owned(),
    };
    let path = fs::canonicalize(&named).map_err(|_| CameraError::Absent { device: named.clone() })?;
    index(&path).map(|index| (index, format!("/dev/video{index}"))).ok_or_else(|| CameraError::Io {
        origin: format!("camera {device}"),
        reason: format!("{} is not a video device", path.display()),
        advice: "name one as /dev/video0, as a link to it, or by its number".into(),
    })
}

/// The number in a path: 3 of `/dev/video3`.
pub(super) fn index(path: &Path) -> Option<u32> {
    path.strip_prefix("/dev").ok().and_then(Path::to_str).and_then(number)
}

/// A device may have several names under /dev, such as links that a board's maker adds.
fn by_number(named: impl Iterator<Item = (u32, String)>) -> Vec<Device> {
    let mut devices: Vec<Device> = named
        .map(|(index, name)| Device { index, path: format!("/dev/video{index}").into(), name: name.trim().to_owned() })
        .collect();
    devices.sort();
    devices.dedup_by_key(|device| device.index);
    devices
}

/// The number in a name: 3 of `video3`.
fn number(file: &str) -> Option<u32> {
    file.strip_prefix("video")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_listed_once_by_number_with_their_names() {
        let named = [(10, "Loopback\n"), (2, "Webcam"), (10, "Loopback\n")];
        let found = by_number(named.into_iter().map(|(index, name)| (index, name.to_owned())));
        let short: Vec<(u32, &str, &str)> =
            found.iter().map(|d| (d.index, d.path.to_str().unwrap(), d.name.as_str())).collect();
        assert_eq!(short, [(2, "/dev/video2", "Webcam"), (10, "/dev/video10", "Loopback")]);
        // Whatever this machine has, asking for it does not fail.
        assert!(devices().is_sorted());
    }

    #[test]
    fn a_missing_device_is_absent_and_a_plain_file_is_not_a_camera() {
        for absent in ["/dev/video987654", "987654", "/dev/v4l/by-id/nothing"] {
            let error = resolve(absent).unwrap_err();
            assert!(matches!(&error, CameraError::Absent { .. }), "{error}");
            assert!(error.to_string().contains(absent), "{error}");
        }
        assert!(matches!(resolve("/dev/null"), Err(CameraError::Io { .. })));
    }
}
