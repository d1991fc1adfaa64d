//! From a `[[camera]]` that GStreamer reads to its settings, with its credentials.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{STUCK_AFTER, credential, is_credential};
use crate::camera::CameraError;
use crate::camera::stream::{Credentials, Fault, Mode, Origin, StreamSettings};
use crate::config::{self, CameraKind};
use crate::domain::NotAStream;

/// The bits of a file's mode that others must not have.
const OTHERS: u32 = 0o077;

/// The settings of a stream.
pub(super) fn settings(camera: &config::Camera) -> Result<StreamSettings, CameraError> {
    let mode = Mode { width: camera.width, height: camera.height, fps: camera.fps };
    let failed = |fault| CameraError::Stream { device: camera.name.clone(), fault };
    let origin = match camera.kind {
        CameraKind::Libcamera => Origin::Libcamera { id: camera.sensor.clone(), mode },
        CameraKind::Argus => {
            let number =
                camera.sensor.as_deref().unwrap_or("0").trim().parse().map_err(|_| {
                    failed(Fault::Module { reason: "sensor must be a number, such as \"0\"".to_owned() })
                })?;
            Origin::Argus { number, mode }
        }
        CameraKind::Stream | CameraKind::V4l2 | CameraKind::Replay => {
            if let Some(text) = camera.pipeline.clone() {
                return Ok(StreamSettings { origin: Origin::Pipeline { text }, stuck_after: STUCK_AFTER });
            }
            let url = camera.url.as_deref().unwrap_or_default();
            let address =
                url.parse().map_err(|error: NotAStream| failed(Fault::Other { reason: error.to_string() }))?;
            let credentials = camera.credentials.as_deref().map(read).transpose().map_err(failed)?;
            Origin::Network { address, credentials, certificate: camera.certificate.clone() }
        }
    };
    Ok(StreamSettings { origin, stuck_after: STUCK_AFTER })
}

/// Reads the file of a camera's credentials. systemd guards its own, and their mode is not checked.
fn read(named: &Path) -> Result<Credentials, Fault> {
    let path = credential(named);
    let fault = |reason: String| Fault::Credentials { path: path.display().to_string(), reason };
    let unreadable = |error: std::io::Error| fault(format!("cannot be read ({error}); check its path and its owner"));
    let mode = std::fs::metadata(&path).map_err(unreadable)?.mode() & 0o777;
    if !is_credential(named) && mode & OTHERS != 0 {
        return Err(fault(format!("can be read by others (mode {mode:04o}); run: chmod 600 {}", path.display())));
    }
    let text = std::fs::read_to_string(&path).map_err(unreadable)?;
    Credentials::read(&text).map_err(|reason| fault(reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn credentials_are_for_usher_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("camera");
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("cannot be read"), "{error}");
        fs::write(&path, "admin\nhunter2\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600") && !error.contains("hunter2"), "{error}");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let known = read(&path).unwrap();
        assert_eq!((known.user.as_str(), known.password.as_str()), ("admin", "hunter2"));
        fs::write(&path, "admin").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("second line"));
    }

    #[test]
    fn each_kind_has_its_origin() {
        let of = |camera: config::Camera| settings(&camera).map(|settings| settings.origin);
        let camera =
            |kind| config::Camera { kind, url: Some("rtsp://cam/sub".to_owned()), ..config::Camera::default() };
        assert!(matches!(of(camera(CameraKind::Stream)), Ok(Origin::Network { credentials: None, .. })));
        let written = config::Camera { pipeline: Some("a ! b".to_owned()), ..camera(CameraKind::Stream) };
        assert!(matches!(of(written), Ok(Origin::Pipeline { text }) if text == "a ! b"));
        assert!(matches!(
            of(camera(CameraKind::Libcamera)),
            Ok(Origin::Libcamera { id: None, mode: Mode { width: 640, .. } })
        ));
        assert!(matches!(of(camera(CameraKind::Argus)), Ok(Origin::Argus { number: 0, .. })));
        let second = config::Camera { sensor: Some("1".to_owned()), ..camera(CameraKind::Argus) };
        assert!(matches!(of(second), Ok(Origin::Argus { number: 1, .. })));
        let wrong = config::Camera { sensor: Some("imx708".to_owned()), ..camera(CameraKind::Argus) };
        assert!(of(wrong).unwrap_err().to_string().contains("must be a number"));
    }
}
