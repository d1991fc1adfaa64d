//! What commands share: the configuration, the log, progress bars, and the networks for photographs.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::{EnvFilter, fmt};

use super::client::Client;
use super::places;
use super::print::err_has_colour;
use crate::api::ApiError;
use crate::config::{self, Config, ConfigErrors, Log, LogFormat};
use crate::office::Eyes;
use crate::office::fleet::protocol::API_SOCKET;
use crate::setup::{self, claims};
use crate::vision::manifest;
use crate::vision::mtcnn::DetectorSettings;
use crate::vision::runtime::Runtime;
use crate::vision::second::SecondEmbedder;
use crate::vision::{Vision, VisionSettings};

/// A configuration with the required sections only; everything else has its default.
const DEFAULTS: &str =
    "[[door]]\nname = \"none\"\n[[camera]]\nname = \"none\"\nkind = \"replay\"\npath = \"/nothing\"\n";
/// The office's own configuration, in its folder.
const OFFICE_CONFIG: &str = "usher.toml";
const INSTALLED_MODELS: &str = "/usr/share/usher/models";

/// The configuration's place, and that of the daemon's socket where it was named.
pub struct Context {
    /// The file that was named, or else the one that is there.
    config: Option<PathBuf>,
    named: bool,
    /// Whether the file was read.
    used: Cell<bool>,
    /// The socket that was named.
    socket: Option<PathBuf>,
    /// The folder of the office that is asked in place of a daemon.
    office: Option<PathBuf>,
}

impl Context {
    /// `config`, `socket` and `office` are what the command line or the environment names.
    pub fn new(config: Option<PathBuf>, socket: Option<PathBuf>, office: Option<PathBuf>) -> Context {
        let named = config.is_some();
        Context { config: config.or_else(places::installed_config), named, used: Cell::new(false), socket, office }
    }

    /// Whether the office of a fleet is asked in place of a daemon.
    pub fn is_of_office(&self) -> bool {
        self.office.is_some()
    }

    /// The configuration's path.
    pub fn path(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(places::SYSTEM_CONFIG))
    }

    /// The path that the command line or the environment names.
    pub fn named(&self) -> Option<&Path> {
        self.config.as_deref().filter(|_| self.named)
    }

    /// Whether there is a configuration: one was named, or is in its usual place.
    pub fn has_config(&self) -> bool {
        self.config.is_some()
    }

    /// The configuration's path, if the file was read and is not the system's although nobody named it. An error should say so.
    pub fn unexpected(&self) -> Option<&Path> {
        let found = self.config.as_deref().filter(|_| self.used.get() && !self.named);
        found.filter(|path| *path != Path::new(places::SYSTEM_CONFIG))
    }

    /// The configuration. Where it names no folder of models and they are not installed, those beside this program are used.
    ///
    /// # Errors
    /// Lists every problem.
    pub fn config(&self) -> Result<Config> {
        let Some(path) = &self.config else { bail!("{}", no_config()) };
        self.used.set(true);
        self.usable(Config::load(path, config::environment()))
    }

    /// The configuration of the office in a folder: the file there, in which doors and cameras may be missing, unless another one was named; else as
    /// [`Context::config_or_defaults`].
    ///
    /// # Errors
    /// Lists every problem.
    pub fn config_of_office(&self, folder: &Path) -> Result<Config> {
        let path = folder.join(OFFICE_CONFIG);
        match !self.named && path.exists() {
            true => self.usable(Config::load_without_doors(&path, config::environment())),
            false => {
                let mut config = self.config_or_defaults()?;
                // The page in the configuration of a daemon on this machine is that daemon's: two cannot have one address.
                config.web.enabled &= self.named;
                Ok(config)
            }
        }
    }

    /// The configuration of what [`Context::client`] asks: the office's, or the daemon's.
    ///
    /// # Errors
    /// Lists every problem.
    pub fn config_there(&self) -> Result<Config> {
        self.office.as_ref().map_or_else(|| self.config(), |folder| self.config_of_office(folder))
    }

    fn usable(&self, config: Result<Config, ConfigErrors>) -> Result<Config> {
        let mut config = config.map_err(|errors| match errors.problems() {
            [problem] => anyhow!("{problem}"),
            several => anyhow!("{} problems in the configuration:\n{errors}", several.len()),
        })?;
        if !config.is_written("models.path")
            && let Some(folder) = found_models()
        {
            config.models.path = folder;
        }
        if let Some(socket) = &self.socket {
            config.control.socket.clone_from(socket);
        }
        Ok(config)
    }

    /// The daemon's socket: as named with --socket, as configured, or where the configuration has mistakes, by as much of it as can be read.
    pub fn socket(&self) -> PathBuf {
        self.socket_by(&self.config())
    }

    /// The same, where the configuration has been read.
    pub fn socket_by(&self, config: &Result<Config>) -> PathBuf {
        let in_file = || match config {
            Ok(config) => config.control.socket.clone(),
            Err(_) => Config::socket_in(self.path(), config::environment()).unwrap_or_else(claims::usual_socket),
        };
        self.socket.clone().unwrap_or_else(in_file)
    }

    /// A client of a daemon. It needs the socket alone, so an order reaches the daemon while the configuration has mistakes.
    ///
    /// # Errors
    /// No daemon answers, or this user may not talk to it.
    pub fn daemon(&self) -> Result<Client> {
        if let Some(folder) = &self.office {
            return of_office(folder);
        }
        let config = self.config();
        let socket = self.socket_by(&config);
        let error = match (Client::connect(&socket)?, config) {
            (Some(client), Ok(_)) => return Ok(client),
            (Some(client), Err(_)) => {
                self.warn_of_mistakes();
                return Ok(client);
            }
            (None, Ok(_)) => return Err(ApiError::NoDaemon { socket: socket.display().to_string() }.into()),
            (None, Err(error)) => error,
        };
        bail!(
            "no daemon answers on {}, which may be the wrong socket, because the configuration cannot be read (name it with --socket): {error:#}",
            socket.display()
        )
    }

    /// A client of the daemon, or of the store where none runs. While the configuration has mistakes, of a daemon that runs all the same.
    ///
    /// # Errors
    /// The daemon cannot be spoken to; or none runs, and the configuration has mistakes or the store cannot be opened.
    pub fn client(&self) -> Result<Client> {
        if let Some(folder) = &self.office {
            return of_office(folder);
        }
        let config = self.config();
        let socket = self.socket_by(&config);
        let error = match config {
            Ok(config) => return Client::open(&config),
            Err(error) => error,
        };
        match Client::connect(&socket) {
            Ok(Some(client)) => {
                self.warn_of_mistakes();
                Ok(client)
            }
            Ok(None) | Err(_) => Err(error),
        }
    }

    fn warn_of_mistakes(&self) {
        note!(
            "usher: warning: the configuration has mistakes (`usher config check` lists them); the daemon goes on with the one it started with, \
             and would not start again"
        );
    }

    /// The configuration, if one was named or is installed. Commands that only read photographs work without.
    pub fn config_if_any(&self) -> Result<Option<Config>> {
        self.config.is_some().then(|| self.config()).transpose()
    }

    /// The configuration, if one was named or is installed; otherwise one with every default, and the models where they are found.
    pub fn config_or_defaults(&self) -> Result<Config> {
        if let Some(config) = self.config_if_any()? {
            return Ok(config);
        }
        let mut config = Config::from_toml(DEFAULTS).map_err(|problems| anyhow!("{problems}"))?;
        config.models.path = models_folder()?;
        Ok(config)
    }

    /// The networks for photographs: as configured, or the installed ones. `min_face_px` overrides the detector's setting.
    pub fn eyes(&self, min_face_px: Option<u32>) -> Result<Vision> {
        let (runtime, models, settings) = self.sight(min_face_px)?;
        open(&runtime, &models, &settings)
    }

    /// The networks for photographs that are compared with the people whom `client` knows: with the embedder in use, and during a switch of
    /// models with the other one beside it.
    pub fn eyes_of(&self, client: &Client) -> Result<Eyes> {
        let models = client.models()?;
        self.eyes_with(Some(models.in_use), models.beside)
    }

    /// The networks for photographs with one embedder, and maybe another one beside it.
    pub fn eyes_with(&self, embedder: Option<String>, beside_name: Option<String>) -> Result<Eyes> {
        let (runtime, folder, mut settings) = self.sight(None)?;
        if let Some(embedder) = embedder {
            settings.embedder = embedder;
        }
        let vision = open(&runtime, &folder, &settings)?;
        let (asked, threads) = (&settings.accelerators.embedder, settings.threads);
        let beside = |name: String| SecondEmbedder::open(&runtime, &folder, &name, asked, threads);
        Ok(Eyes { vision, beside: beside_name.map(beside).transpose()? })
    }

    /// The same networks `count` times, each with one thread: for data sets, where photographs are processed in parallel. `embedder`
    /// overrides the configuration's.
    pub fn many_eyes(&self, count: usize, min_face_px: Option<u32>, embedder: Option<&str>) -> Result<Vec<Vision>> {
        let (runtime, models, mut settings) = self.sight(min_face_px)?;
        settings.threads = 1;
        if let Some(embedder) = embedder {
            settings.embedder = embedder.to_owned();
        }
        (0..count.max(1)).map(|_| open(&runtime, &models, &settings)).collect()
    }

    /// The runtime, the models' folder, and the settings of the networks.
    fn sight(&self, min_face_px: Option<u32>) -> Result<(Runtime, PathBuf, VisionSettings)> {
        let config = self.config_if_any()?;
        let mut settings = config.as_ref().map(setup::vision_settings).unwrap_or_default();
        if let Some(pixels) = min_face_px {
            settings.detector = DetectorSettings { min_face_px: pixels, ..settings.detector };
        }
        let (runtime, models) = match &config {
            Some(config) => (setup::runtime(config)?, config.models.path.clone()),
            None => (Runtime::load(None)?, models_folder()?),
        };
        Ok((runtime, models, settings))
    }
}

/// A client of the office in a folder.
fn of_office(folder: &Path) -> Result<Client> {
    let socket = folder.join(API_SOCKET);
    match Client::connect_to_office(&socket)? {
        Some(client) => Ok(client),
        None => bail!(
            "no office answers on {}: `systemctl start usher-office` or `usher fleet office` starts it; name another folder with --office=FOLDER",
            socket.display()
        ),
    }
}

fn open(runtime: &Runtime, models: &Path, settings: &VisionSettings) -> Result<Vision> {
    let mut vision = Vision::open(runtime, models, settings)?;
    setup::self_check(&mut vision, &settings.detector)?;
    for (model, placement) in vision.placements() {
        if let Some(reason) = &placement.fallback {
            note!("usher: {model} runs on the CPU instead of {}: {reason}", placement.asked);
        }
    }
    Ok(vision)
}

/// Starts the log as configured; `RUST_LOG` overrides the level.
pub fn start_log(log: &Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        // rumqttc logs a lot below warnings. async_nats logs each attempt of a board that is shut out; usher says itself how the connection is.
        EnvFilter::new(format!("{},rumqttc=warn,async_nats=off", log.level.as_str()))
    });
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = match log.format {
        LogFormat::Human => builder.with_ansi(err_has_colour()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // It fails where a log is started already: in a test, or in the demo.
    drop(started);
}

/// A progress bar for `total` items, on standard error and on a terminal only; `what` names them (`photographs`, `people`).
pub fn progress_bar(total: usize, what: &str) -> ProgressBar {
    let template = format!("{{bar:32}} {{pos}}/{{len}} {what}, {{per_sec}}, {{eta}} left  {{msg}}");
    // The template is a constant; if it had a mistake, the default bar would be shown.
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total as u64).with_style(style)
}

/// That there is no configuration, where one was looked for, and what to do.
pub fn no_config() -> String {
    let looked: Vec<String> = places::candidates().iter().map(|path| path.display().to_string()).collect();
    format!(
        "there is no configuration in {}: `usher init` writes one, or name another file with --config",
        looked.join(" or ")
    )
}

/// The models' folder without a configuration: [`found_models`], or that of the folder where this command runs.
pub fn models_folder() -> Result<PathBuf> {
    let here = || Some(PathBuf::from("models")).filter(|folder| has_models(folder));
    found_models().or_else(here).ok_or_else(|| {
        anyhow!(
            "the models are neither in {INSTALLED_MODELS} nor beside this program: name their folder in USHER_MODELS, \
             or a configuration with --config"
        )
    })
}

/// The models' folder where a configuration names none: `$USHER_MODELS`, the installed one, or one beside this program: in the checkout where it
/// was built, or where a package was unpacked.
fn found_models() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("USHER_MODELS").filter(|v| !v.is_empty()) {
        return Some(folder.into());
    }
    let program = std::env::current_exe().unwrap_or_default();
    let beside = program.ancestors().skip(1).flat_map(|above| [above.join("models"), above.join("share/usher/models")]);
    std::iter::once(PathBuf::from(INSTALLED_MODELS)).chain(beside).find(|folder| has_models(folder))
}

fn has_models(folder: &Path) -> bool {
    folder.join(manifest::FILE).is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_a_daemon_on_this_machine_is_not_the_offices() {
        let dir = tempfile::tempdir().unwrap();
        let (file, folder) = (dir.path().join("board.toml"), dir.path().join("office"));
        std::fs::create_dir(&folder).unwrap();
        let page = "[web]\nenabled = true\n";
        std::fs::write(&file, format!("{DEFAULTS}{page}")).unwrap();
        let served = |named| {
            let context =
                Context { config: Some(file.clone()), named, used: Cell::new(false), socket: None, office: None };
            context.config_of_office(&folder).unwrap().web.enabled
        };
        assert!(!served(false), "found, because it is a daemon's");
        assert!(served(true), "named for the office");
        std::fs::write(folder.join(OFFICE_CONFIG), page).unwrap();
        assert!(served(false), "the office's own");
    }
}
