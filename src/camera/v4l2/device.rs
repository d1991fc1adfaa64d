//! Video devices by name: those the kernel knows, and the number of a device path. Opens no device.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::CameraError;

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
    devices_in(Path::new("/sys/class/video4linux"))
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

fn devices_in(class: &Path) -> Vec<Device> {
    let Ok(entries) = fs::read_dir(class) else { return Vec::new() };
    let mut found: Vec<Device> = entries
        .flatten()
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok()?;
            let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
            Some(Device { index: number(&file)?, path: Path::new("/dev").join(&file), name: name.trim().to_owned() })
        })
        .collect();
    found.sort();
    found
}

/// The number in a name: 3 of `video3`.
fn number(file: &str) -> Option<u32> {
    file.strip_prefix("video")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_listed_by_number_with_their_names() {
        let class = tempfile::tempdir().unwrap();
        for (file, name) in
            [("video10", "Loopback\n"), ("video2", "Webcam\n"), ("vbi0", "Text\n"), ("video-x", "Odd\n")]
        {
            fs::create_dir(class.path().join(file)).unwrap();
            fs::write(class.path().join(file).join("name"), name).unwrap();
        }
        let found = devices_in(class.path());
        let short: Vec<(u32, &str, &str)> =
            found.iter().map(|d| (d.index, d.path.to_str().unwrap(), d.name.as_str())).collect();
        assert_eq!(short, [(2, "/dev/video2", "Webcam"), (10, "/dev/video10", "Loopback")]);
        assert!(devices_in(&class.path().join("missing")).is_empty());
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
