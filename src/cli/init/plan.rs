//! What the answers of `usher init` amount to: the configuration as text, and what is wrong with an answer. The configuration's own rules are the
//! judge.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::config::{self, CameraKind, Config};
use crate::domain::StreamAddress;

/// Where MQTT is spoken without TLS, unless the configuration says otherwise.
const MQTT_PORT: u16 = 1883;
/// The camera's name in the journal.
pub const CAMERA: &str = "entrance";

/// The camera as it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameraChoice {
    /// A video device.
    Device(PathBuf),
    /// A camera on the network.
    Stream(StreamAddress),
    /// Pictures or a recording, over and over.
    Replay(PathBuf),
    /// None yet: the first one that is plugged in.
    Later,
}

/// Everything that the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub door: String,
    pub camera: CameraChoice,
    /// Host and port.
    pub broker: Option<(String, u16)>,
    /// `None` where they are the defaults.
    pub store: Option<PathBuf>,
    pub socket: Option<PathBuf>,
    /// Whether only the daemon's own user may use the socket.
    pub own_socket: bool,
    pub key: PathBuf,
}

impl Plan {
    /// The configuration: what differs from the defaults.
    ///
    /// # Errors
    /// A path is not UTF-8, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        let mut text = String::from(
            "# Written by `usher init`: only what differs from the defaults. docs/configuration.md explains all keys;\n\
             # `usher config show` prints what is in force, `usher config check` checks this file.\n\n[store]\n",
        );
        if let Some(store) = &self.store {
            text.push_str(&format!("path = {}\n", quoted(store)?));
        }
        text.push_str(&format!(
            "# Seals the templates of faces. Without this file they are lost: keep a copy elsewhere.\n\
             key_file = {}\n",
            quoted(&self.key)?
        ));
        text.push_str(&format!(
            "\n# It moves nothing yet: docs/doors.md says how to connect a lock.\n[[door]]\nname = {}\n\n",
            string(&self.door)
        ));
        text.push_str(&self.camera.to_toml()?);
        if let Some((host, port)) = &self.broker {
            text.push_str(&format!("\n# User, password and TLS: docs/mqtt.md.\n[mqtt]\nhost = {}\n", string(host)));
            if *port != MQTT_PORT {
                text.push_str(&format!("port = {port}\n"));
            }
        }
        text.push_str("\n# The page, for this machine's own browser: docs/web.md says how others reach it.\n[web]\nenabled = true\n");
        if self.socket.is_some() || self.own_socket {
            text.push_str("\n[control]\n");
        }
        if let Some(socket) = &self.socket {
            text.push_str(&format!("socket = {}\n", quoted(socket)?));
        }
        if self.own_socket {
            text.push_str("group = \"\"\n");
        }
        Ok(text)
    }

    /// Fails with the first problem that the configuration has with this plan.
    pub fn check(&self) -> Result<()> {
        match Config::from_toml(&self.to_toml()?) {
            Ok(_) => Ok(()),
            Err(errors) => match errors.problems() {
                [first, ..] => bail!("{}", first.what),
                [] => bail!("the configuration would not be sound"),
            },
        }
    }
}

impl CameraChoice {
    /// An answer: `none`, the path of a video device, the address of a stream, or a path of pictures.
    pub fn read(answer: &str) -> Result<CameraChoice> {
        if answer == "none" || answer.is_empty() {
            return Ok(CameraChoice::Later);
        }
        if answer.contains("://") {
            // The message does not repeat the address, because it may hold a password.
            return answer.parse().map(CameraChoice::Stream).map_err(|error| anyhow!("the address {error}"));
        }
        let path = path(answer)?;
        if path.is_dir() || path.is_file() {
            return Ok(CameraChoice::Replay(path));
        }
        if !path.starts_with("/dev") {
            bail!(
                "{} does not exist; write a video device such as /dev/video0, the address of a stream, a folder of pictures, or none",
                path.display()
            );
        }
        Ok(CameraChoice::Device(path))
    }

    /// The `[[camera]]` as the configuration reads it; its defaults for a camera that is not there yet.
    pub fn settings(&self) -> config::Camera {
        let name = CAMERA.to_owned();
        match self.clone() {
            CameraChoice::Device(device) => config::Camera { name, device, ..config::Camera::default() },
            CameraChoice::Stream(address) => {
                let url = Some(address.to_string());
                config::Camera { name, kind: CameraKind::Stream, url, ..config::Camera::default() }
            }
            CameraChoice::Replay(path) => {
                config::Camera { name, kind: CameraKind::Replay, path, r#loop: true, ..config::Camera::default() }
            }
            CameraChoice::Later => config::Camera { name, ..config::Camera::default() },
        }
    }

    fn to_toml(&self) -> Result<String> {
        let head = format!("[[camera]]\nname = \"{CAMERA}\"\n");
        Ok(match self {
            CameraChoice::Device(device) => format!("{head}kind = \"v4l2\"\ndevice = {}\n", quoted(device)?),
            CameraChoice::Stream(address) => format!(
                "# A password goes into a file that credentials names: docs/streams.md.\n{head}kind = \"stream\"\nurl = {}\n",
                string(&address.to_string())
            ),
            CameraChoice::Replay(path) => format!(
                "# Pictures instead of a camera. For a camera: kind = \"v4l2\" and device = \"/dev/video0\".\n{head}kind = \"replay\"\n\
                 path = {}\nloop = true\n",
                quoted(path)?
            ),
            CameraChoice::Later => {
                format!(
                    "# No camera was there: usher waits for /dev/video0. `usher camera list` shows what there is.\n{head}kind = \"v4l2\"\n"
                )
            }
        })
    }
}

/// A broker as people write it: `none`, `host`, `host:port`, `[address]:port`.
pub fn broker(answer: &str) -> Result<Option<(String, u16)>> {
    if answer == "none" || answer.is_empty() {
        return Ok(None);
    }
    if answer.starts_with("mqtts://") {
        bail!("give the host alone, and set [mqtt.tls] afterwards: docs/mqtt.md");
    }
    let rest = answer.strip_prefix("mqtt://").unwrap_or(answer);
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match rest.split_once(':') {
            // Several colons: an IPv6 address alone.
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (rest, None),
        },
    };
    let port = match port {
        None => MQTT_PORT,
        Some(port) => port.parse().ok().filter(|port| *port > 0).with_context(|| {
            format!("`{port}` is no port: write a broker as broker.example or broker.example:1883, or none")
        })?,
    };
    Ok(Some((host.to_owned(), port)))
}

/// A path as people write it, made absolute. A leading `~/` is the home folder.
pub fn path(answer: &str) -> Result<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let path = match (answer.strip_prefix("~/"), home) {
        (Some(below), Some(home)) => Path::new(&home).join(below),
        _ => PathBuf::from(answer),
    };
    std::path::absolute(&path).with_context(|| format!("`{answer}` is no path"))
}

fn string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn quoted(path: &Path) -> Result<String> {
    let text =
        path.to_str().with_context(|| format!("{} is not UTF-8; a configuration cannot hold it", path.display()))?;
    Ok(string(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            door: "front".to_owned(),
            camera: CameraChoice::Later,
            broker: None,
            store: Some("/home/ada/\"it's\"/store".into()),
            socket: Some("/run/user/7/usher/usher.sock".into()),
            own_socket: true,
            key: "/home/ada/.config/usher/store.key".into(),
        }
    }

    fn read(plan: &Plan) -> Config {
        Config::from_toml(&plan.to_toml().unwrap()).unwrap()
    }

    #[test]
    fn the_configuration_says_what_was_answered_and_nothing_that_is_a_default() {
        let config = read(&plan());
        assert_eq!(Some(&config.store.path), plan().store.as_ref());
        assert_eq!((&config.store.key_file, config.control.group.as_deref()), (&plan().key, None));
        assert_eq!((config.doors[0].name.as_str(), config.cameras[0].kind), ("front", CameraKind::V4l2));
        assert!(config.mqtt.is_none());
        for key in ["models.path", "camera[0].device", "door[0].driver", "access.distance", "log.level"] {
            assert!(!config.is_written(key), "{key}");
        }
        let short = Plan { store: None, socket: None, own_socket: false, ..plan() };
        assert!(!short.to_toml().unwrap().contains("[control]"));
        assert_eq!(read(&short).store.path, Path::new("/var/lib/usher"));
    }

    #[test]
    fn each_camera_is_written_as_it_is_opened() {
        for camera in [
            CameraChoice::Later,
            CameraChoice::Device("/dev/video7".into()),
            CameraChoice::Replay("/home/ada/my pictures".into()),
            CameraChoice::Stream("rtsps://cam/\"sub\"".parse().unwrap()),
        ] {
            let written = read(&Plan { camera: camera.clone(), ..plan() });
            let settings = camera.settings();
            let opened = |camera: &config::Camera| {
                let (device, path, url) = (camera.device.clone(), camera.path.clone(), camera.url.clone());
                (camera.name.clone(), camera.kind, device, path, url, camera.r#loop)
            };
            assert_eq!(opened(&written.cameras[0]), opened(&settings), "{camera:?}");
        }
    }

    #[test]
    fn a_broker_is_read_as_people_write_it() {
        for (answer, host, port) in [
            ("broker.example", "broker.example", 1883),
            ("broker.example:1884", "broker.example", 1884),
            ("mqtt://10.0.0.2", "10.0.0.2", 1883),
            ("[fe80::1]:1885", "fe80::1", 1885),
            ("fe80::1", "fe80::1", 1883),
        ] {
            let found = broker(answer).unwrap();
            assert_eq!(found, Some((host.to_owned(), port)), "{answer}");
            let config = read(&Plan { broker: found, ..plan() });
            assert_eq!(config.mqtt.map(|mqtt| (mqtt.host, mqtt.port)), Some((host.to_owned(), port)));
        }
        assert_eq!((broker("none").unwrap(), broker("").unwrap()), (None, None));
        for wrong in ["h:port", "h:0", "h:70000", "mqtts://h"] {
            assert!(broker(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_configurations_rules_judge_the_answers() {
        let wrong = Plan { door: "front door".to_owned(), ..plan() }.check().unwrap_err().to_string();
        assert!(wrong.contains("1 to 32 letters") && wrong.contains("front door"), "{wrong}");
        let wrong = Plan { socket: Some(format!("/{}", "s".repeat(107)).into()), ..plan() }.check();
        assert!(wrong.unwrap_err().to_string().contains("107 bytes"));
        let wrong = Plan { broker: Some(("ada@broker".to_owned(), 1883)), ..plan() }.check();
        assert!(wrong.unwrap_err().to_string().contains("host name"));
        plan().check().unwrap();
    }

    #[test]
    fn a_camera_is_a_device_pictures_or_none() {
        assert_eq!(CameraChoice::read("none").unwrap(), CameraChoice::Later);
        assert_eq!(CameraChoice::read("/dev/video9").unwrap(), CameraChoice::Device("/dev/video9".into()));
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().to_str().unwrap();
        assert_eq!(CameraChoice::read(text).unwrap(), CameraChoice::Replay(folder.path().into()));
        let stream = CameraChoice::read("rtsp://192.0.2.20/sub").unwrap();
        assert_eq!(stream, CameraChoice::Stream("rtsp://192.0.2.20/sub".parse().unwrap()));
        let secret = CameraChoice::read("rtsp://admin:hunter2@192.0.2.20/sub").unwrap_err().to_string();
        assert!(secret.contains("mode 0600") && !secret.contains("hunter2"), "{secret}");
        let missing = CameraChoice::read(&format!("{text}/none")).unwrap_err().to_string();
        assert!(missing.contains("does not exist") && missing.contains("/dev/video0"), "{missing}");
    }
}
