//! `usher init`

mod cameras;
mod files;
mod plan;
mod questions;
mod who;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;

use super::client::Client;
use super::context::Context;
use super::next;
use super::places::Places;
use crate::api::users::group_id;
use crate::config::{CONTROL_SOCKET, Config, Web};
use crate::setup;
use files::CannotWrite;
use plan::{CameraChoice, Plan};
use questions::{Asker, say};
use who::Newcomer;

/// How long the broker may take to answer.
const BROKER_WAIT: Duration = Duration::from_secs(5);
/// The file of the store's key, beside the configuration.
const KEY: &str = "store.key";
/// The group of the control socket, where the configuration names no other.
const GROUP: &str = "usher";

/// Set up a first door: write a configuration, make the store's key, enrol a first face.
///
/// Asks for the door's name, the camera, who you are, the broker, and where to keep things. Enter takes the answer in brackets, Ctrl-C
/// leaves everything as it is. Each question has an option; without a terminal, or with --yes, nothing is asked. The configuration holds
/// what differs from the defaults; it is ~/.config/usher/usher.toml, for root /etc/usher/usher.toml, or what --config names. The door is
/// simulated until you connect a lock (docs/doors.md).
#[derive(Args)]
#[command(
    after_help = "Examples:\n  usher init\n  usher init --yes --door front --camera /dev/video0 --name \"Ada Lovelace\" \
    --photos ada1.jpg ada2.jpg\n  usher --config door/usher.toml init --yes --camera pictures/ --folder door/data"
)]
pub struct Init {
    /// The door's name in the journal and on the broker
    #[arg(long, value_name = "NAME")]
    door: Option<String>,
    /// A video device such as /dev/video0, the address of a stream such as rtsp://192.0.2.20/sub, a folder of photographs or a recording that
    /// plays a camera, or none
    #[arg(long, value_name = "CAMERA")]
    camera: Option<String>,
    /// The name of the first person, who is enrolled from the camera unless there are --photos
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Photographs of the first person
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "name")]
    photos: Vec<PathBuf>,
    /// The MQTT broker, as in broker.example or broker.example:1883, or none
    #[arg(long, value_name = "HOST")]
    broker: Option<String>,
    /// Where faces, people and the journal are kept
    #[arg(long, value_name = "DIR")]
    folder: Option<String>,
    /// Ask nothing: take the options and the defaults
    #[arg(long)]
    yes: bool,
    /// Replace a configuration that is there. The store and its key are kept
    #[arg(long)]
    force: bool,
}

impl Init {
    pub fn run(self, context: &Context) -> Result<()> {
        let asker = Asker { is_terminal: !self.yes && std::io::stdin().is_terminal() };
        let places = Places::here()?;
        let path = std::path::absolute(context.named().unwrap_or(&places.config))?;
        self.refuse_to_replace(&path)?;
        let folder_of_config = path.parent().unwrap_or(Path::new("/"));
        files::can_be_made(folder_of_config)?;
        let key = folder_of_config.join(KEY);
        if asker.is_terminal {
            say("Enter takes the answer in brackets; Ctrl-C leaves everything as it is.\n")?;
        }
        let (plan, folder, newcomer) = self.ask(asker, &places, key)?;
        let text = plan.to_toml()?;
        plan.check()?;
        let is_new = !folder.exists();
        files::make(&folder)?;
        files::write(&path, &text, &plan.key, self.force)?;
        let key = plan.key.display();
        say(format_args!("\nwritten: {}\n         {key} (keep a copy away from this device)", path.display()))?;

        let context = Context::new(Some(path.clone()), None, None);
        super::config::check(&context)?;
        let config = context.config()?;
        try_broker(&config);
        let enrolled = newcomer.map(|newcomer| who::enroll(asker, newcomer, &context)).transpose();
        if places.is_system {
            // Also after a failure: the daemon must be able to read what is there. A folder that was there may hold other things.
            let kept = if is_new { &folder } else { &config.store.path };
            files::hand_over(&[&plan.key, kept])?;
        }
        let enrolled = enrolled.with_context(|| format!("{} is in place, but the enrolment failed", path.display()))?;
        say_next(&path, enrolled.unwrap_or(false))
    }

    fn refuse_to_replace(&self, path: &Path) -> Result<()> {
        if self.force || !path.exists() {
            return Ok(());
        }
        let exists = CannotWrite::Exists { path: path.to_owned() };
        Err(anyhow!("{exists}. `usher` alone says what to do next"))
    }

    /// Asks everything, and writes nothing. Returns the plan, the folder where everything is kept, and who is enrolled.
    fn ask(&self, asker: Asker, places: &Places, key: PathBuf) -> Result<(Plan, PathBuf, Option<Newcomer>)> {
        let mut plan = Plan {
            door: String::new(),
            camera: CameraChoice::Later,
            broker: None,
            store: None,
            socket: None,
            own_socket: !places.is_system || group_id(GROUP).is_none(),
            key,
        };
        plan.door = asker.settle(("--door", self.door.as_deref()), "The door's name", "front", |answer| {
            let door = answer.to_owned();
            Plan { door: door.clone(), ..plan.clone() }.check().map(|()| door)
        })?;
        let chosen = cameras::choose(asker, self.camera.as_deref())?;
        plan.camera = chosen.camera;
        let newcomer = who::ask(asker, self.name.as_deref(), &self.photos, chosen.works)?;
        let question = "MQTT broker, as in broker.example:1883, or none";
        plan.broker = asker.settle(("--broker", self.broker.as_deref()), question, "none", |answer| {
            let broker = plan::broker(answer)?;
            Plan { broker: broker.clone(), ..plan.clone() }.check().map(|()| broker)
        })?;
        let default = places.data.display().to_string();
        let folder =
            asker.settle(("--folder", self.folder.as_deref()), "Folder to keep things in", &default, |answer| {
                let folder = plan::path(answer)?;
                files::can_be_made(&folder)?;
                plan.place(places, &folder);
                plan.check()?;
                refuse_running_daemon(&places.socket(&folder))?;
                files::key_fits(&places.store(&folder), &plan.key)?;
                Ok(folder)
            })?;
        Ok((plan, folder, newcomer))
    }
}

impl Plan {
    /// Keeps everything in `folder`. The system's own places are the defaults, which are not written.
    fn place(&mut self, places: &Places, folder: &Path) {
        let (store, socket) = (places.store(folder), places.socket(folder));
        let defaults = Config::default();
        self.store = Some(store).filter(|store| *store != defaults.store.path);
        self.socket = Some(socket).filter(|socket| socket != Path::new(CONTROL_SOCKET));
    }
}

/// A running daemon holds the store, and would go on with its own configuration.
fn refuse_running_daemon(socket: &Path) -> Result<()> {
    match Client::connect(socket)? {
        None => Ok(()),
        Some(_) => bail!(
            "a daemon already runs on {}: stop it first (systemctl stop usher, or Ctrl-C where it runs), or name another folder",
            socket.display()
        ),
    }
}

/// Warns when the broker does not accept this device. The configuration stays: usher goes on trying.
fn try_broker(config: &Config) {
    let probed = || -> Result<()> {
        let Some(settings) = setup::hub(config)? else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(crate::hub::probe(settings, BROKER_WAIT));
        runtime.shutdown_timeout(Duration::from_millis(100));
        answer?;
        say("the broker accepts this device")
    };
    if let Err(error) = probed() {
        note!(
            "warning: {error:#}; it is saved all the same, and usher goes on trying. docs/mqtt.md has user, password and TLS"
        );
    }
}

fn say_next(path: &Path, enrolled: bool) -> Result<()> {
    say("\nThe door is simulated: it moves nothing yet (docs/doors.md).")?;
    say(format_args!("The daemon will show its page at http://{}.\n\nNext:", Web::default().listen))?;
    if !enrolled {
        say(format_args!("  {}", next::command(path, "enroll NAME --camera")))?;
    }
    say(format_args!("  {}", next::command(path, "web user add NAME --role admin")))?;
    say(format_args!("  {}", next::start(path)))
}
