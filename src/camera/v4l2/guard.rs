//! The guard around calls into the crates, which panic on some odd devices instead of returning an error.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::camera::CameraError;

/// Why a call failed: the message, and the operating system's error number if there is one.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) errno: Option<i32>,
    pub(super) reason: String,
}

impl Failure {
    /// A failure that no call of the system reported.
    pub(super) fn because(reason: impl Into<String>) -> Failure {
        Failure { errno: None, reason: reason.into() }
    }
}

/// Calls a crate.
pub(super) fn guarded<T, E: Display>(call: impl FnOnce() -> Result<T, E>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let reason = error.to_string();
            Err(Failure { errno: errno(&reason), reason })
        }
        Err(_) => Err(Failure::because("its driver gives a malformed answer")),
    }
}

/// The error number in a message: 19 in `… No such device (os error 19)`.
fn errno(reason: &str) -> Option<i32> {
    let (_, rest) = reason.rsplit_once("(os error ")?;
    rest.split_once(')')?.0.parse().ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_number_is_read_from_the_message() {
        let words = format!("Could not read: {}", std::io::Error::from_raw_os_error(19));
        assert_eq!(errno(&words), Some(19));
        assert_eq!(errno("Failed to Fufill"), None);
    }

    #[test]
    fn a_panic_becomes_a_failure() {
        let failure = guarded::<(), std::io::Error>(|| panic!("odd device")).unwrap_err();
        assert!(failure.errno.is_none() && !failure.reason.is_empty());
    }

    #[test]
    fn system_errors_say_what_to_do() {
        let error = |errno| beyond_formats("/dev/video7", &Failure { errno: Some(errno), reason: "why".into() });
        assert!(matches!(error(libc::ENODEV), Some(CameraError::Absent { .. })));
        assert!(error(libc::EACCES).unwrap().to_string().contains("group `video`"));
        assert!(error(libc::EBUSY).unwrap().to_string().contains("fuser -v /dev/video7"));
        assert!(error(libc::EINVAL).is_none());
    }
}
