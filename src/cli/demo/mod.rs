//! `usher demo`: the main job on real photographs, with a replayed camera and a simulated door.

mod story;
mod walk;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::client::{Client, Page};
use super::context;
use crate::config::Config;
use crate::daemon::{self, Options};
use crate::domain::Distance;
use crate::gallery::{NewPerson, Template};
use crate::photo;
use crate::setup;
use crate::vision::Vision;
use story::{Expected, Scene, Shows};

/// The photographs, as `script/setup` leaves them below the user's cache.
const CACHED: &str = "usher/face_recognition-1.3.0/tests/test_images";
/// Stricter than the default: the limit of a house with thirty people, not that of a gallery of one.
const DEMO_RATE: f64 = 0.0001;
const FPS: u32 = 15;

/// Show usher at work on photographs: enrol, grant, refuse.
///
/// Enrols one man from one photograph. The door asks whom it knows to turn the head left, then right. A camera (a replay of pictures made
/// from photographs, moved and lit differently from frame to frame) shows another photograph of him that is held up, moved and tilted; the
/// first one drawn so that the head turns; another man, a covered face and an empty entrance, while the real daemon watches a simulated door.
/// Ends with a failure when the door does what it should not. Needs no hardware and no broker.
#[derive(Args)]
pub struct Demo {
    /// The folder of the photographs [default: where script/setup put them]
    #[arg(long, value_name = "DIR")]
    photos: Option<PathBuf>,
    /// Keep configuration, store and recording in this folder, which must be new or empty [default: a new temporary folder]
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// The embedder, by its name in the models' manifest [default: the configuration's default]
    #[arg(long, value_name = "NAME")]
    embedder: Option<String>,
}

impl Demo {
    pub fn run(self) -> Result<()> {
        let photos = self.photos()?;
        let folder = self.folder()?;
        // At once: the networks take seconds where the machine is busy or was built for development.
        say!("demo      replays photographs to the daemon: enrolling from one, then five visits in about 20 seconds")?;
        let waiting = waiting("loading the networks");
        let models = std::path::absolute(context::models_folder()?)?;
        let config_path = folder.join("usher.toml");
        std::fs::write(&config_path, configuration(&folder, &models, self.embedder.as_deref()))?;
        let config =
            Config::load(&config_path, std::iter::empty()).map_err(|problems| anyhow::anyhow!("{problems}"))?;
        context::start_log(&config.log);
        let mut out = std::io::stdout().lock();

        let mut vision = open_vision(&mut out, &config)?;
        waiting.set_message("enrolling, and recording the visits");
        enroll(&mut out, &config, &mut vision, &photos.join("obama.jpg"))?;
        let scenes = scenes();
        let frames = walk::record(&scenes, &photos, &mut vision, &folder.join("camera.mjpeg"))?;
        drop(vision);
        waiting.suspend(|| {
            writeln!(out, "camera    {frames} frames of 640x480, {FPS} a second; watching the door now …")
        })?;
        out.flush()?;
        waiting.set_message("the visits");
        daemon::run(&config, Options { until_replays_end: true, ..Options::default() })?;
        waiting.finish_and_clear();

        let client = Client::open(&config)?;
        let records = client.journal(Page::After(0), 10_000)?;
        let failed = story::print(&mut out, &scenes, &records)?;
        let program = std::env::current_exe().unwrap_or_else(|_| "usher".into());
        writeln!(
            out,
            "\n{} records in the journal, the chain is sound. Everything is kept in {}:",
            client.verify()?.records,
            folder.display()
        )?;
        writeln!(out, "  {} --config {} journal list", program.display(), config_path.display())?;
        match failed {
            0 => Ok(()),
            n => bail!("{n} scenes did not go as they should; the journal says why"),
        }
    }

    fn photos(&self) -> Result<PathBuf> {
        let folder = match &self.photos {
            Some(folder) => folder.clone(),
            None => crate::vision::runtime::cache_folder().unwrap_or_default().join(CACHED),
        };
        match folder.join("obama.jpg").is_file() {
            true => Ok(folder),
            false => bail!(
                "the photographs are not in {}; run script/setup, or name their folder with --photos",
                folder.display()
            ),
        }
    }

    fn folder(&self) -> Result<PathBuf> {
        let folder = match &self.keep {
            Some(folder) => folder.clone(),
            None => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                std::env::temp_dir().join(format!("usher-demo-{}", now.as_millis()))
            }
        };
        std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        if std::fs::read_dir(&folder)?.next().is_some() {
            bail!("{} is not empty; name another folder with --keep", folder.display());
        }
        Ok(std::path::absolute(folder)?)
    }
}

/// The daemon's configuration for the demo: a replayed camera, a simulated door, no broker.
fn configuration(folder: &Path, models: &Path, embedder: Option<&str>) -> String {
    let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let quoted = |path: &Path| text(&path.display().to_string());
    let embedder = embedder.map(|name| format!("embedder = {}\n", text(name))).unwrap_or_default();
    format!(
        "[device]\nname = \"demo\"\n\n[store]\npath = {}\n\n[models]\npath = {}\n{embedder}\n[access]\nfalse_identification_rate = {DEMO_RATE}\n\n[[camera]]\nname = \"entrance\"\nkind = \"replay\"\n\
         path = {}\nfps = {FPS}\n\n[[door]]\nname = \"front\"\ndriver = \"simulated\"\npulse = \"1s\"\nassurance = \"challenge\"\nprompt = \"none\"\nattended = true\n\n[control]\nsocket = {}\n\
         group = \"\"\n\n[log]\nlevel = \"warn\"\n",
        quoted(&folder.join("store")),
        quoted(models),
        quoted(&folder.join("camera.mjpeg")),
        quoted(&folder.join("usher.sock")),
    )
}

/// A sign of life on a terminal.
fn waiting(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
    let bar = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar.with_message(what)
}

fn scenes() -> Vec<Scene> {
    let scene = |title, shows, frames, expected| Scene { title, shows, frames, expected };
    let nobody = || scene("nobody at the door", Shows::Nobody, 20, Expected::Silence);
    let turns = "the enrolled man turns his head, as asked\n(drawn from his photograph)";
    let held = "a photograph of the enrolled man,\nheld up, moved and tilted";
    vec![
        nobody(),
        scene(held, Shows::HeldUp("obama2.jpg"), 6 * FPS + FPS / 2, Expected::Challenge),
        nobody(),
        scene(turns, Shows::TurningHead("obama.jpg"), 8 * FPS, Expected::Grant),
        nobody(),
        scene("another man", Shows::Person("biden.jpg"), 2 * FPS, Expected::Unknown),
        nobody(),
        scene("the enrolled man, scarf and dark glasses", Shows::Covered("obama2.jpg"), 2 * FPS, Expected::NoGrant),
    ]
}

fn open_vision(out: &mut impl Write, config: &Config) -> Result<Vision> {
    let started = Instant::now();
    let runtime = setup::runtime(config)?;
    let vision = setup::vision(config, &runtime)?;
    let placed: Vec<String> = vision.placements().iter().map(|(model, p)| format!("{model} on the {}", p.on)).collect();
    writeln!(out, "models    {}; ready in {} ms", placed.join(", "), started.elapsed().as_millis())?;
    Ok(vision)
}

fn enroll(out: &mut impl Write, config: &Config, vision: &mut Vision, photo: &Path) -> Result<()> {
    let image = photo::load(photo)?;
    let faces = vision.detect(&image)?;
    let [face] = faces[..] else { bail!("{} faces in {}, expected one", faces.len(), photo.display()) };
    let seen = vision.look_for_template(&image, face)?;
    let passed = setup::gates(config)?.check_embedded(&seen.quality);
    passed.map_err(|refusal| anyhow::anyhow!("{}: {refusal}", photo.display()))?;
    let template = Template { embedding: seen.embedding, quality: seen.quality, created: SystemTime::now() };
    let person = NewPerson { name: "Barack Obama".into(), ..NewPerson::default() };
    let client = Client::open(config)?;
    let person = client.enroll(person, &[template], Vec::new(), false)?;
    let limit = Distance(client.threshold()?.distance);
    writeln!(
        out,
        "enrolled  {} (#{}) from one photograph: a face of {:.0} pixels; up to distance {limit} counts as him",
        person.name, person.id, seen.quality.size
    )?;
    Ok(())
}
