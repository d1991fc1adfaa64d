//! A house: a temporary folder with a configuration, a store, a socket and a recording for the camera.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{Film, photo};

/// Slow machines must pass, too: frames may be old.
const ACCESS: &str = "max_age = \"10s\"\ncooldown = \"1s\"\nrepeat_denial = \"1s\"";

/// Deleted when it is dropped.
pub struct House {
    folder: TempDir,
    /// Additional tables of the configuration.
    more: String,
    /// Environment variables for every command.
    pub environment: BTreeMap<String, String>,
    camera: String,
}

/// The output of a command.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl House {
    /// A house with an empty scene before its camera.
    pub fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("store.key");
        std::fs::write(&key, format!("{}\n", "c0ffee07".repeat(8))).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let house = House { folder, more: String::new(), environment: BTreeMap::new(), camera: String::new() };
        house.watching(Film::default().nobody(1), true)
    }

    /// With a recording before its camera, ten frames a second, once or over and over.
    pub fn watching(self, film: Film, over_and_over: bool) -> House {
        let path = film.write(&self.path("camera.mjpeg"));
        self.with_camera(&format!(
            "kind = \"replay\"\npath = {:?}\nfps = 10\nloop = {over_and_over}",
            path.display().to_string()
        ))
    }

    /// With a camera that has these settings.
    pub fn with_camera(mut self, settings: &str) -> House {
        self.camera = settings.to_owned();
        self.write_config();
        self
    }

    /// With these additional tables.
    pub fn with(mut self, tables: &str) -> House {
        self.more = tables.to_owned();
        self.write_config();
        self
    }

    fn write_config(&self) {
        let quoted = |path: PathBuf| format!("{:?}", path.display().to_string());
        let pulse = if self.more.contains("[[door]]") { "" } else { "[[door]]\nname = \"front\"\npulse = \"300ms\"\n" };
        let text = format!(
            "[device]\nname = \"house\"\n\n[store]\npath = {}\nkey_file = {}\n\n[models]\npath = {}\n\n[access]\n{}\n\n{pulse}\n[[camera]]\nname = \
             \"porch\"\n{}\n\n[control]\nsocket = {}\ngroup = \"\"\n\n{}\n",
            quoted(self.store()),
            quoted(self.key()),
            quoted(Path::new(env!("CARGO_MANIFEST_DIR")).join("models")),
            ACCESS,
            self.camera,
            quoted(self.socket()),
            self.more,
        );
        std::fs::write(self.config(), text).unwrap();
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("usher.toml")
    }

    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// The file of the key that templates are sealed with.
    pub fn key(&self) -> PathBuf {
        self.path("store.key")
    }

    pub fn socket(&self) -> PathBuf {
        self.path("usher.sock")
    }

    /// `usher` with this house's configuration and none of the tester's own environment.
    pub fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("USHER_") && text != "USHER_TFLITE" || text == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command
            .env("USHER_CONFIG", self.config())
            .envs(&self.environment)
            .args(arguments)
            .current_dir(self.folder.path());
        command
    }

    /// Runs a command to its end.
    pub fn ask(&self, arguments: &[impl AsRef<OsStr>]) -> Answer {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Answer { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a command that must succeed; its output.
    pub fn usher(&self, arguments: &[impl AsRef<OsStr>]) -> String {
        let answer = self.ask(arguments);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        answer.out
    }

    /// Runs a command that must fail with exit code 1; its standard error.
    pub fn refused(&self, arguments: &[impl AsRef<OsStr>]) -> String {
        let answer = self.ask(arguments);
        assert_eq!(answer.code, Some(1), "{answer:?}");
        answer.err
    }

    /// Runs a command that must succeed; the JSON of each line that it printed.
    pub fn json(&self, arguments: &[impl AsRef<OsStr>]) -> Vec<Value> {
        lines(&self.usher(arguments))
    }

    /// Enrols a person from photographs of script/setup.
    pub fn enroll(&self, name: &str, photos: &[&str]) {
        let photos = photos.iter().map(|name| photo(name).into_os_string());
        let arguments: Vec<_> = ["enroll".into(), name.into()].into_iter().chain(photos).collect();
        self.usher(&arguments);
    }

    /// The journal, oldest record first.
    pub fn journal(&self) -> Vec<Value> {
        self.json(&["journal", "list", "--json", "-n", "10000"])
    }

    /// The records of one kind.
    pub fn records(&self, kind: &str) -> Vec<Value> {
        self.journal().into_iter().filter(|record| record["kind"] == kind).collect()
    }

    /// Everybody who is enrolled.
    pub fn people(&self) -> Vec<Value> {
        self.json(&["people", "list", "--json"])
    }
}

/// The JSON of each line.
pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}
