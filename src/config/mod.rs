//! Every setting, its default and its unit: a TOML file, then `USHER__SECTION__KEY` from the environment, read into one [`Config`]
//! whose every value is checked. Reading finds all problems at once, each with its place.
//!
//! Knows nothing of any device: a camera's path is a path, a door's driver is a word.
//!
//! [`settings`] is what the keys mean, [`schema`] their defaults and ranges; [`tree`], [`environment`] and [`reader`] do the reading.

mod environment;
mod problem;
mod reader;
mod schema;
mod settings;
mod text;
mod tree;

#[cfg(test)]
mod mqtt_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wiring_tests;

use std::path::Path;
use std::sync::Arc;

pub use environment::environment;
pub use problem::{ConfigErrors, Origin, Problem};
pub use schema::{CONTROL_SOCKET, STORE_KEY};
pub use settings::{
    Accelerator, Access, Active, Attendance, AttendanceMethod, Camera, Contact, Control, Detector, Device,
    DistanceLimit, Door, DoorDriver, Enroll, Gallery, HomeAssistant, Hours, Indicator, Journal, LineId, Lock, Log,
    LogFormat, LogLevel, MaxSize, Metrics, Models, Mqtt, MqttCommands, MqttSnapshots, MqttTls, MqttVersion,
    OnJournalFailure, Passback, Passing, PeopleAs, PerModel, Permit, PixelFormat, Pull, Relay, Runtime, Schedule,
    SnapshotShows, Source, Store, Time, Wiring, WithoutSync,
};

pub use text::duration;

use reader::{Line, Reader};

/// The whole configuration, every value checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub device: Device,
    pub time: Time,
    pub store: Store,
    pub journal: Journal,
    pub attendance: Attendance,
    pub models: Models,
    pub runtime: Runtime,
    pub detector: Detector,
    pub access: Access,
    pub enroll: Enroll,
    pub gallery: Gallery,
    /// `[[door]]`, in the order of the file; at least one.
    pub doors: Vec<Door>,
    /// `[[camera]]`, in the order of the file; at least one.
    pub cameras: Vec<Camera>,
    /// `[[schedule]]`, in the order of the file.
    pub schedules: Vec<Schedule>,
    /// `[[permit]]`, in the order of the file.
    pub permits: Vec<Permit>,
    pub mqtt: Option<Mqtt>,
    pub metrics: Metrics,
    pub control: Control,
    pub log: Log,
    /// The effective configuration, to be shown.
    lines: Vec<Line>,
    warnings: Vec<Problem>,
}

impl Config {
    /// Reads the file at `path` and lays `variables` over it; [`environment`] gives those of this process. A file that is missing
    /// or cannot be read is an error, never a reason to go on with defaults.
    pub fn load(path: &Path, variables: impl Iterator<Item = (String, String)>) -> Result<Config, ConfigErrors> {
        let file: Arc<str> = path.display().to_string().into();
        let failed = |origin, what| ConfigErrors::new(vec![Problem { origin, key: String::new(), what }]);
        let bytes = std::fs::read(path).map_err(|error| {
            let what = format!(
                "cannot be read: {error}. Copy usher.example.toml there and adapt it, or name another file with --config"
            );
            failed(Origin::File(file.clone()), what)
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            failed(Origin::Line(file.clone(), line), "not UTF-8 text; save the file as UTF-8".to_string())
        })?;
        Config::read(text, file, variables)
    }

    /// Reads `text` as if it stood in a file, without an environment; for tests and trials.
    pub fn from_toml(text: &str) -> Result<Config, ConfigErrors> {
        Config::read(text, "usher.toml".into(), std::iter::empty())
    }

    fn read(
        text: &str,
        file: Arc<str>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, ConfigErrors> {
        let mut problems = Vec::new();
        let mut root = tree::parse(text, &file, &mut problems);
        let broken: Vec<Origin> = problems.iter().map(|problem| problem.origin.clone()).collect();
        environment::overlay(&mut root, variables, &mut problems);
        let kept = problems.len();
        let mut reader = Reader::new(file, problems);
        let config = schema::config(&mut reader, root);
        if !broken.is_empty() {
            // What a broken line would have said is not known: nothing more about it, and nothing is called missing for its sake.
            let later = reader.problems.split_off(kept);
            let told = later
                .into_iter()
                .filter(|problem| !matches!(problem.origin, Origin::File(_)) && !broken.contains(&problem.origin));
            reader.problems.extend(told);
        }
        if reader.problems.is_empty() {
            Ok(Config { lines: reader.lines, warnings: reader.warnings, ..config })
        } else {
            Err(ConfigErrors::new(reader.problems))
        }
    }

    /// What can be meant but hardly is; to be logged at the start.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The effective configuration as TOML, defaults written out. Reads back as the same configuration. There is no secret in
    /// it: a password stands in a file of its own.
    pub fn to_toml(&self) -> String {
        self.render(false)
    }

    /// [`Config::to_toml`] with the place of each value as a comment: `file:line`, a variable's name, or `default`.
    pub fn to_toml_with_origins(&self) -> String {
        self.render(true)
    }

    fn render(&self, origins: bool) -> String {
        let mut out = String::new();
        for line in &self.lines {
            let text = match line {
                Line::Header(header) if out.is_empty() => header.clone(),
                Line::Header(header) => format!("\n{header}"),
                Line::Value { key, value, origin } if origins => {
                    format!("{:<48} # {}", format!("{key} = {value}"), text::one_line(&origin.to_string()))
                }
                Line::Value { key, value, .. } => format!("{key} = {value}"),
                Line::Unset(key) if key.starts_with('[') => format!("\n# {key} is not set"),
                Line::Unset(key) => format!("# {key} is not set"),
            };
            out.push_str(&text);
            out.push('\n');
        }
        out
    }
}
