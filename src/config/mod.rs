//! The configuration: a TOML file, then `USHER__SECTION__KEY` from the environment, read into one [`Config`] whose every value is checked.
//! Reading finds all problems at once, each with its place.
//!
//! [`sections`] are the structs, with every key's meaning, range and default. Their JSON Schema is what [`check`] goes by, and what the
//! reference in docs/ is generated from; [`rule`] reads it. [`edit`] changes one value of a file. [`file`](mod@file) and [`environment`] are the layers, [`across`] the checks
//! between keys, [`show`] the configuration in force. [`site`] lays the rules of a fleet's site over it.

mod across;
mod check;
pub mod edit;
mod environment;
mod file;
mod problem;
#[cfg(test)]
mod reference;
mod rule;
mod sections;
mod show;
mod site;
mod text;
mod values;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use ::config::{ConfigError, Value};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};

pub use environment::environment;
pub use problem::{ConfigErrors, Origin, Problem};
pub use sections::*;
pub use site::{SiteText, holidays_named};
pub use text::read_span as duration;
pub use values::{Asked, DayStart, DistanceLimit, Hours, Keep, MaxSize, Tiers, Window};

use check::Check;
use file::Layer;
use problem::Origins;
use rule::Rule;

/// The whole configuration, every value checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-order" = [
    "device", "time", "store", "journal", "attendance", "models", "runtime", "detector", "access", "liveness", "enroll", "gallery", "door", "camera",
    "schedule", "permit", "mqtt", "fleet", "web", "metrics", "control", "log",
]))]
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
    pub liveness: Liveness,
    pub enroll: Enroll,
    pub gallery: Gallery,
    /// `[[door]]`, in the order of the file; at least one.
    #[serde(rename = "door")]
    pub doors: Vec<Door>,
    /// `[[camera]]`, in the order of the file; at least one.
    #[serde(rename = "camera")]
    pub cameras: Vec<Camera>,
    /// `[[schedule]]`, in the order of the file.
    #[serde(rename = "schedule")]
    pub schedules: Vec<Schedule>,
    /// `[[permit]]`, in the order of the file.
    #[serde(rename = "permit")]
    pub permits: Vec<Permit>,
    pub mqtt: Option<Mqtt>,
    pub fleet: Fleet,
    pub web: Web,
    pub metrics: Metrics,
    pub control: Control,
    pub log: Log,
    #[serde(skip)]
    notes: Notes,
}

/// What stands for the doors and cameras of a machine that has none.
const STAND_INS: [(&str, &str); 2] = [
    ("[[door]]", "\n[[door]]\nname = \"none\"\n"),
    ("[[camera]]", "\n[[camera]]\nname = \"none\"\nkind = \"replay\"\npath = \"/nothing\"\n"),
];
/// The variable of `[control] socket`.
const SOCKET_VARIABLE: &str = "USHER__CONTROL__SOCKET";

/// What reading a configuration leaves besides its values.
#[derive(Clone, Debug, Default, PartialEq)]
struct Notes {
    origins: Option<Origins>,
    warnings: Vec<Problem>,
    /// `None` unless rules of a site are in force.
    laid: Option<site::Laid>,
}

/// The schema of the whole configuration, without references.
static SCHEMA: LazyLock<serde_json::Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Config>().to_value()
});

fn root() -> Rule<'static> {
    Rule(&SCHEMA)
}

impl Config {
    /// Reads the file at `path` and lays `variables` over it; [`environment`] gives those of this process. A file that is missing
    /// or cannot be read is an error, never a reason to go on with defaults.
    pub fn load(path: &Path, variables: impl Iterator<Item = (String, String)>) -> Result<Config, ConfigErrors> {
        Config::load_and(path, variables, |text| text)
    }

    /// The same for a machine that has no doors, as the office of a fleet: where the file has none, what it says without is enough.
    pub fn load_without_doors(
        path: &Path,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, ConfigErrors> {
        Config::load_and(path, variables, |mut text| {
            let has = |section: &str, text: &str| text.lines().any(|line| line.trim_start().starts_with(section));
            for (section, stand_in) in STAND_INS {
                if !has(section, &text) {
                    text.push_str(stand_in);
                }
            }
            text
        })
    }

    fn load_and(
        path: &Path,
        variables: impl Iterator<Item = (String, String)>,
        complete: impl FnOnce(String) -> String,
    ) -> Result<Config, ConfigErrors> {
        let file: Arc<str> = path.display().to_string().into();
        let failed = |origin, what| ConfigErrors::new(vec![Problem { origin, key: String::new(), what }]);
        let bytes = std::fs::read(path).map_err(|error| {
            let what = format!(
                "cannot be read: {error}. `usher init` writes one; usher.example.toml shows all keys; --config names another file"
            );
            failed(Origin::File(file.clone()), what)
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let before = bytes.iter().take(error.valid_up_to());
            let line = 1 + before.filter(|byte| **byte == b'\n').count();
            failed(Origin::Line(file.clone(), line), "not UTF-8 text; save the file as UTF-8".to_owned())
        })?;
        Config::read(&complete(text.to_owned()), file, variables)
    }

    /// Reads `text` as if it were a file, without an environment; for tests and trials.
    pub fn from_toml(text: &str) -> Result<Config, ConfigErrors> {
        Config::read(text, "usher.toml".into(), std::iter::empty())
    }

    fn read(
        text: &str,
        file: Arc<str>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, ConfigErrors> {
        let (mut problems, mut origins) = (Vec::new(), Origins::new(file.clone()));
        let mut written = file::parse(text, &file, &mut origins, &mut problems);
        let broken: Vec<Origin> = problems.iter().map(|problem| problem.origin.clone()).collect();
        let kept = problems.len();
        // Before the layers are joined: the engine takes keys of the root for paths.
        Check { origins: &origins, problems: &mut problems }.remove_unknown(root(), &mut written, "");
        let environment = environment::layer(root(), &written, variables, &mut origins, &mut problems);
        let layers = [Layer(written), environment];
        let mut config = match Config::join(layers, &origins, &mut problems) {
            Ok(config) => config,
            Err(error) => {
                problems.push(of_engine(&error, &origins));
                Config::default()
            }
        };
        across::derive(&mut config, &origins);
        let warnings = across::check(&config, &origins, &mut problems);
        if !broken.is_empty() {
            // What a broken line would have said is not known: nothing more about it, and no key is reported missing because of it.
            let later = problems.split_off(kept);
            let certain = |problem: &Problem| {
                let variable = matches!(problem.origin, Origin::Environment(_));
                let line = matches!(problem.origin, Origin::Line(..));
                variable || line && !broken.contains(&problem.origin)
            };
            problems.extend(later.into_iter().filter(certain));
        }
        if !problems.is_empty() {
            return Err(ConfigErrors::new(problems));
        }
        config.notes = Notes { origins: Some(origins), warnings, laid: None };
        Ok(config)
    }

    /// Joins the layers, checks all keys, and reads what is sound.
    fn join(layers: [Layer; 2], origins: &Origins, problems: &mut Vec<Problem>) -> Result<Config, ConfigError> {
        let [file, environment] = layers;
        let joined = ::config::Config::builder().add_source(file).add_source(environment).build()?;
        let mut table = joined.cache.into_table()?;
        Check { origins, problems }.section(root(), &mut table, "");
        Config::deserialize(Value::from(table))
    }

    /// `[control] socket` by as much of the file at `path` and of the `variables` as can be read: for an order to a daemon, which must work
    /// while the configuration has mistakes. `None` where neither names one.
    pub fn socket_in(path: &Path, variables: impl Iterator<Item = (String, String)>) -> Option<PathBuf> {
        let variable = variables.filter(|(name, _)| name == SOCKET_VARIABLE).map(|(_, value)| value).next();
        let in_file = || {
            let bytes = std::fs::read(path).ok()?;
            let text = String::from_utf8_lossy(&bytes);
            let (file, mut problems): (Arc<str>, _) = ("".into(), Vec::new());
            let mut written = file::parse(&text, &file, &mut Origins::new(file.clone()), &mut problems);
            written.remove("control")?.into_table().ok()?.remove("socket")?.into_string().ok()
        };
        variable.or_else(in_file).filter(|socket| !socket.is_empty()).map(PathBuf::from)
    }

    /// Stands for all values in force: two configurations with the same one do the same. 16 hexadecimal digits of a BLAKE3 hash. The control
    /// socket is left out: the command that compares has just used it, by whatever path.
    pub fn fingerprint(&self) -> String {
        let control = Control { socket: Control::default().socket, ..self.control.clone() };
        let text = Config { control, ..self.clone() }.to_toml();
        blake3::hash(text.as_bytes()).to_hex().chars().take(16).collect()
    }

    /// Settings that are allowed but hardly intended; to be logged at the start.
    pub fn warnings(&self) -> &[Problem] {
        &self.notes.warnings
    }

    /// Whether the file or the environment sets a key, as `models.embedder`; otherwise its value is the default.
    pub fn is_written(&self, key: &str) -> bool {
        self.notes.origins.as_ref().is_some_and(|origins| origins.has(key))
    }

    /// The configuration in force as TOML, defaults written out. Reads back as the same configuration. It holds no secret: a password is in a
    /// file of its own.
    pub fn to_toml(&self) -> String {
        show::render(&self.lines(), false)
    }

    /// [`Config::to_toml`] with the place of each value as a comment: `file:line`, a variable's name, or `default`.
    pub fn to_toml_with_origins(&self) -> String {
        show::render(&self.lines(), true)
    }

    fn lines(&self) -> Vec<show::Line> {
        let values = serde_json::to_value(self).unwrap_or_default();
        let origins = self.notes.origins.clone().unwrap_or_else(|| Origins::new("".into()));
        show::lines(root(), &values, &origins)
    }
}

/// A value that keeps its rule and that its struct does not read all the same: a mistake in the rule.
fn of_engine(error: &ConfigError, origins: &Origins) -> Problem {
    let key = match error {
        ConfigError::At { key: Some(key), .. } | ConfigError::Type { key: Some(key), .. } => key.as_str(),
        _ => "",
    };
    Problem { origin: origins.of(key), key: key.to_owned(), what: text::one_line(&error.to_string()) }
}
