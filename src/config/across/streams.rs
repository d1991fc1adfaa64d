//! Cameras on the network: their addresses, and how far the way to them can be trusted.

use super::super::sections::{Camera, CameraKind, DoorDriver};
use super::super::text::quote;
use super::Checks;
use crate::domain::StreamAddress;

/// The hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

impl Camera {
    /// The address of a stream; `None` for other cameras, and where the address cannot be read.
    pub fn address(&self) -> Option<StreamAddress> {
        (self.kind == CameraKind::Stream).then(|| self.url.parse().ok()).flatten()
    }

    /// Whether somebody on the way from the camera can exchange its pictures unnoticed.
    pub fn can_be_replaced_on_the_way(&self) -> bool {
        self.address().is_some_and(|address| !address.scheme().is_encrypted() && !is_loopback(address.host()))
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

impl Checks<'_> {
    /// A camera on the network: its address, its certificate, and whether a real door believes it.
    pub(super) fn stream(&mut self, index: usize) {
        let Some(camera) = self.config.cameras.get(index).filter(|camera| camera.kind == CameraKind::Stream) else {
            return;
        };
        let at = |key: &str| format!("camera[{index}].{key}");
        if !self.sound(&at("url")) {
            return;
        }
        let address: StreamAddress = match camera.url.parse() {
            Ok(address) => address,
            // The message does not repeat the address, because it may hold a password.
            Err(error) => return self.reject(&at("url"), error),
        };
        if address.takes_credentials() && camera.credentials.is_none() {
            self.reject(&at("url"), "has places for a user and a password: name their file with credentials");
        }
        if let Some(digits) = &camera.certificate {
            if digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let what =
                    format!("must be the {DIGITS} hexadecimal digits of a certificate's SHA-256, without colons");
                self.reject(&at("certificate"), what);
            } else if !address.scheme().is_encrypted() {
                let scheme = address.scheme().as_str();
                let what = format!(
                    "has no effect with {scheme}://, which shows no certificate: write {scheme}s://, or remove it"
                );
                self.reject(&at("certificate"), what);
            }
        }
        let real = |door: &&super::Door| door.name == camera.door && door.driver != DoorDriver::Simulated;
        if let Some(door) = self.config.doors.iter().find(real).filter(|_| camera.can_be_replaced_on_the_way()) {
            let what = format!(
                "the door {} opens on pictures that come over plain {}: whoever is on that network can replace them with others; use {}s:// \
                 with certificate, or a cable or a network that nobody else reaches",
                quote(&door.name),
                address.scheme().as_str(),
                address.scheme().as_str()
            );
            self.warn(&at("url"), what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const DOOR: &str = "[[door]]\nname = \"front\"\n";
    const REAL: &str =
        "[[door]]\nname = \"front\"\ndriver = \"gpiocdev\"\nlock = \"fail-secure\"\n[door.relay]\nline = 7\n";

    fn read(door: &str, keys: &str) -> Result<(Camera, Vec<String>), String> {
        let text = format!("{door}[[camera]]\nname = \"porch\"\nkind = \"stream\"\n{keys}");
        let config = Config::from_toml(&text).map_err(|errors| errors.to_string())?;
        let warnings = config.warnings().iter().map(ToString::to_string).collect();
        Ok((config.cameras[0].clone(), warnings))
    }

    #[test]
    fn a_stream_needs_an_address() {
        let (camera, warnings) = read(DOOR, "url = \"rtsp://cam/sub\"").unwrap();
        assert_eq!(camera.address().unwrap().host(), "cam");
        assert_eq!(warnings, [""; 0]);
        let missing = read(DOOR, "").unwrap_err();
        assert!(missing.contains("url is missing"), "{missing}");
        let wrong = read(DOOR, "url = \"cam/sub\"").unwrap_err();
        assert!(wrong.contains("must begin with rtsp://"), "{wrong}");
        let foreign = read(DOOR, "url = \"rtsp://cam/sub\"\nwidth = 640").unwrap_err();
        assert!(foreign.contains("belongs to kind \"v4l2\", \"libcamera\" or \"argus\" only"), "{foreign}");
    }

    #[test]
    fn a_password_in_the_address_is_not_repeated() {
        for url in ["rtsp://admin:hunter2@cam/sub", "http://cam/?pwd=hunter2"] {
            let error = read(DOOR, &format!("url = \"{url}\"")).unwrap_err();
            assert!(error.contains("mode 0600") && !error.contains("hunter2"), "{error}");
        }
        let places = read(DOOR, "url = \"http://cam/?user={user}&password={password}\"").unwrap_err();
        assert!(places.contains("name their file with credentials"), "{places}");
    }

    #[test]
    fn a_certificate_is_a_sha_256_of_an_encrypted_stream() {
        let pin = "ab".repeat(32);
        read(DOOR, &format!("url = \"rtsps://cam/sub\"\ncertificate = \"{pin}\"")).unwrap();
        for (url, pin, said) in [
            ("rtsp://cam/sub", pin.as_str(), "write rtsps://"),
            ("rtsps://cam/sub", "abcd", "64 hexadecimal digits"),
            ("https://cam/sub", "zz", "64 hexadecimal digits"),
        ] {
            let error = read(DOOR, &format!("url = \"{url}\"\ncertificate = \"{pin}\"")).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_real_door_on_a_plain_stream_is_warned_of() {
        for (url, warned) in [
            ("rtsp://192.0.2.20/sub", true),
            ("http://cam/stream", true),
            ("rtsps://192.0.2.20/sub", false),
            ("rtsp://127.0.0.1/sub", false),
            ("rtsp://localhost/sub", false),
        ] {
            let (_, warnings) = read(REAL, &format!("url = \"{url}\"")).unwrap();
            let found = warnings.iter().any(|warning| warning.contains("can replace them"));
            assert_eq!(found, warned, "{url}: {warnings:?}");
        }
        let (_, simulated) = read(DOOR, "url = \"rtsp://192.0.2.20/sub\"").unwrap();
        assert!(simulated.is_empty(), "{simulated:?}");
    }
}
