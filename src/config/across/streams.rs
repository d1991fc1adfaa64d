//! Cameras on the network: their addresses, and how far the way to them can be trusted.

use super::super::sections::{Camera, CameraKind, DoorDriver};
use super::super::text::quote;
use super::Checks;
use crate::domain::StreamAddress;

/// The hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;
/// Elements of GStreamer that take pictures from any sender.
const PLAIN_ELEMENTS: [&str; 3] = ["udpsrc", "tcpserversrc", "tcpclientsrc"];
/// Schemes in the text of a pipeline whose streams are not encrypted.
const PLAIN_SCHEMES: [&str; 2] = ["rtsp", "http"];
/// What is said of a key that only an address has.
const NOT_A_PIPELINES: &str = "belongs to url only: write it into the pipeline, or use url";

impl Camera {
    /// The address of a stream; `None` for other cameras, and where the address cannot be read.
    pub fn address(&self) -> Option<StreamAddress> {
        self.url.as_deref().filter(|_| self.kind == CameraKind::Stream)?.parse().ok()
    }

    /// How the pictures come, if somebody on the way from the camera can exchange them unnoticed: a scheme or an element of GStreamer.
    pub fn carried_in_the_clear(&self) -> Option<&str> {
        if let Some(pipeline) = self.pipeline.as_deref().filter(|_| self.kind == CameraKind::Stream) {
            let listens =
                |word: &&str| pipeline.split(|c: char| !c.is_ascii_alphanumeric()).any(|found| found == *word);
            let fetches = |scheme: &&str| pipeline.contains(&format!("{scheme}://"));
            return PLAIN_ELEMENTS.into_iter().find(listens).or_else(|| PLAIN_SCHEMES.into_iter().find(fetches));
        }
        let address = self.address().filter(|address| !is_loopback(address.host()))?;
        (!address.scheme().is_encrypted()).then(|| address.scheme().as_str())
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
        self.plain_way(index, camera);
        let Some(url) = camera.url.as_deref() else {
            match &camera.pipeline {
                None => self.missing(&format!("camera[{index}]"), "url", "\"rtsp://…\", or set pipeline"),
                Some(_) if camera.credentials.is_some() => self.reject(&at("credentials"), NOT_A_PIPELINES),
                Some(_) if camera.certificate.is_some() => self.reject(&at("certificate"), NOT_A_PIPELINES),
                Some(_) => {}
            }
            return;
        };
        if camera.pipeline.is_some() {
            return self.reject(&at("pipeline"), "says where the pictures come from, and so does url: remove one");
        }
        let address: StreamAddress = match url.parse() {
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
    }

    /// A real door that opens on pictures which others can replace.
    fn plain_way(&mut self, index: usize, camera: &Camera) {
        let real = |door: &&super::Door| door.name == camera.door && door.driver != DoorDriver::Simulated;
        let door = self.config.doors.iter().find(real);
        if let Some((door, carried)) = door.zip(camera.carried_in_the_clear()) {
            let key = if camera.pipeline.is_some() { "pipeline" } else { "url" };
            let what = format!(
                "the door {} opens on pictures that come over plain {carried}: whoever is on that network can replace them with others; use \
                 rtsps:// or https:// with certificate, or a cable or a network that nobody else reaches",
                quote(&door.name)
            );
            self.warn(&format!("camera[{index}].{key}"), what);
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
        assert!(missing.contains("url") && missing.contains("or set pipeline"), "{missing}");
        let wrong = read(DOOR, "url = \"cam/sub\"").unwrap_err();
        assert!(wrong.contains("must begin with rtsp://"), "{wrong}");
        let both = read(DOOR, "url = \"rtsp://cam/sub\"\npipeline = \"a ! b\"").unwrap_err();
        assert!(both.contains("remove one"), "{both}");
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
        for (pipeline, warned) in [
            ("udpsrc port=5000 ! rtph264depay ! decodebin", true),
            ("rtspsrc location=rtsp://192.0.2.20/sub ! decodebin", true),
            ("rtspsrc location=rtsps://192.0.2.20/sub ! decodebin", false),
            ("v4l2src ! videoconvert", false),
        ] {
            let (_, warnings) = read(REAL, &format!("pipeline = \"{pipeline}\"")).unwrap();
            let found = warnings.iter().any(|warning| warning.contains("can replace them"));
            assert_eq!(found, warned, "{pipeline}: {warnings:?}");
        }
        let (_, simulated) = read(DOOR, "url = \"rtsp://192.0.2.20/sub\"").unwrap();
        assert!(simulated.is_empty(), "{simulated:?}");
    }
}
