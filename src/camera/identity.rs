//! Which device a camera is: its link in `/dev/v4l/by-id`, the port where it is plugged in, and its driver's name for it.
//!
//! A device file such as `/dev/video0` belongs to whichever camera was found first; the identity distinguishes cameras. Opens no device.

use std::fmt;
use std::fs;
use std::path::Path;

/// Where udev makes links named after a camera's maker, model and serial number.
const BY_ID: &str = "/dev/v4l/by-id";

/// Identifies the device behind a device file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name of its link in `/dev/v4l/by-id`; `None` if udev makes none, as for cameras not on USB.
    pub link: Option<String>,
    /// The port where it is plugged in, as reported by its driver: `usb-0000:01:00.0-1.2`.
    pub bus: String,
    /// Its name as reported by its driver.
    pub card: String,
}

/// A driver's text up to the first NUL, where C's strings end: what some drivers leave behind it is not part of it.
fn printable(said: &str) -> String {
    let text: String = said.split('\0').next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    text.trim().to_owned()
}

impl Identity {
    /// The identity of the device file `device`, whose driver reports `card` and `bus`.
    pub(super) fn of(device: &Path, card: &str, bus: &str) -> Identity {
        Identity { link: link_to(Path::new(BY_ID), device), bus: printable(bus), card: printable(card) }
    }

    /// Whether this is the device that an operator configured: by its link (the name or the whole path), its port, its driver's name, or
    /// `name @ port`.
    pub fn is(&self, wanted: &str) -> bool {
        let wanted = wanted.trim();
        let link = Path::new(wanted).strip_prefix(BY_ID).ok().and_then(Path::to_str).unwrap_or(wanted);
        self.link.as_deref() == Some(link)
            || [&self.bus, &self.card, &self.name_and_port()]
                .into_iter()
                .any(|known| !known.is_empty() && known == wanted)
    }

    /// Whether both can be the same device in the same port. A link that only one of them has proves nothing, because udev makes it a moment
    /// after the device appears.
    pub fn same_as(&self, other: &Identity) -> bool {
        let links = self.link.as_ref().zip(other.link.as_ref());
        self.bus == other.bus && self.card == other.card && links.is_none_or(|(mine, theirs)| mine == theirs)
    }

    /// The value for `[[camera]] identity`: the link's name if there is one, else `name @ port`.
    pub fn key(&self) -> String {
        self.link.clone().unwrap_or_else(|| self.name_and_port())
    }

    fn name_and_port(&self) -> String {
        format!("{} @ {}", self.card, self.bus)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.link {
            Some(link) => write!(f, "{link} ({})", self.name_and_port()),
            None => f.write_str(&self.name_and_port()),
        }
    }
}

/// The name of the link in `folder` that leads to `device`; of several, the first by name.
fn link_to(folder: &Path, device: &Path) -> Option<String> {
    let entries = fs::read_dir(folder).ok()?;
    let leads_there = |path: &Path| fs::canonicalize(path).is_ok_and(|target| target == device);
    let names = entries.flatten().filter(|entry| leads_there(&entry.path()));
    names.filter_map(|entry| entry.file_name().into_string().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(link: Option<&str>, bus: &str, card: &str) -> Identity {
        Identity { link: link.map(str::to_owned), bus: bus.into(), card: card.into() }
    }

    #[test]
    fn a_device_can_be_configured_by_link_port_or_name() {
        let webcam = identity(Some("usb-Maker_Cam_42-video-index0"), "usb-1.2", "Cam");
        for right in [
            "usb-Maker_Cam_42-video-index0",
            "/dev/v4l/by-id/usb-Maker_Cam_42-video-index0",
            "usb-1.2",
            "Cam",
            "Cam @ usb-1.2",
        ] {
            assert!(webcam.is(right), "{right}");
        }
        for wrong in ["usb-Maker_Cam_43-video-index0", "usb-1", "cam", "", "Cam @ usb-1.3", "/dev/video0"] {
            assert!(!webcam.is(wrong), "{wrong}");
        }
        assert!(!identity(None, "", "").is(""));
        assert!(webcam.is(&webcam.key()));
        let nameless = identity(None, "platform:isp", "ISP");
        assert!(nameless.is(&nameless.key()) && nameless.key() == "ISP @ platform:isp");
    }

    #[test]
    fn a_different_port_name_or_serial_number_is_another_device_but_a_late_link_is_not() {
        let (mine, bare) = (identity(Some("a-1"), "usb-1", "Cam"), identity(None, "usb-1", "Cam"));
        assert!(mine.same_as(&mine) && mine.same_as(&bare) && bare.same_as(&mine));
        for other in [
            identity(Some("a-2"), "usb-1", "Cam"),
            identity(Some("a-1"), "usb-2", "Cam"),
            identity(Some("a-1"), "usb-1", "Another"),
            identity(None, "usb-2", "Cam"),
        ] {
            assert!(!mine.same_as(&other), "{other}");
        }
    }

    /// vimc reports a port with a NUL in the middle.
    #[test]
    fn a_drivers_text_ends_where_a_string_of_c_ends() {
        let module = Identity::of(Path::new("/dev/no-such-device"), "vimc\n", "platform:vimc\x00000\x00");
        assert_eq!(module, identity(None, "platform:vimc", "vimc"));
    }

    #[test]
    fn the_link_is_found_by_its_target() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().canonicalize().unwrap().join("video3");
        fs::write(&device, "").unwrap();
        let links = folder.path().join("by-id");
        assert_eq!(link_to(&links, &device), None);
        fs::create_dir(&links).unwrap();
        std::os::unix::fs::symlink("../video3", links.join("usb-b-index0")).unwrap();
        std::os::unix::fs::symlink("../video3", links.join("usb-a-index0")).unwrap();
        std::os::unix::fs::symlink("../video4", links.join("usb-0-index0")).unwrap();
        assert_eq!(link_to(&links, &device).as_deref(), Some("usb-a-index0"));
        assert_eq!(link_to(&links, &device.with_file_name("video5")), None);
    }
}
