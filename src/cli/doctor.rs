//! `usher doctor`

mod cameras;
mod doors;
mod liveness;
mod process;

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use super::client::Client;
use super::context::Context;
use super::print::{Tone, toned};
use crate::api::checks::{Check, CheckState as State};
use crate::api::people::Person;
use crate::api::status::SealStatus;
use crate::checks::{access, assurance, factors, store};
use crate::config::Config;
use crate::domain::GallerySize;
use crate::office::{clock_quality, switch};
use crate::setup;
use crate::store::Store;
use crate::vision::Vision;
use crate::vision::runtime::Processor;

/// How long a broker may take to answer.
const BROKER_WAIT: Duration = Duration::from_secs(5);

/// Check everything that usher needs, and say how to fix what is wrong.
///
/// Checks the configuration, the TFLite runtime, the models and where each runs, the store and its key, the address of the metrics, the cameras,
/// the doors and the broker. What a running daemon holds, it reports itself, and whether it runs with this configuration. Without a daemon, each door's lines are claimed for a moment, the relay's at its safe level.
/// Exits with a failure when something must be fixed.
#[derive(Args)]
pub struct Doctor {
    /// Print JSON, one check a line
    #[arg(long)]
    json: bool,
}

struct Findings {
    json: bool,
    broken: usize,
    warnings: usize,
}

impl Doctor {
    pub fn run(self, context: &Context) -> Result<()> {
        let mut findings = Findings { json: self.json, broken: 0, warnings: 0 };
        match context.config() {
            Err(error) => {
                findings.report("configuration", State::Broken, &format!("{error:#}"))?;
                process::without_configuration(context, &mut findings)?;
            }
            Ok(config) => {
                findings.report("configuration", State::Ok, &format!("{} is sound", context.path().display()))?;
                for warning in config.warnings() {
                    findings.report("configuration", State::Warning, &warning.to_string())?;
                }
                zones(&config, &mut findings)?;
                let daemon = Client::connect(&config.control.socket);
                let eyes = models(&config, &mut findings)?;
                match daemon {
                    Ok(Some(client)) => running(&config, &client, &mut findings)?,
                    Ok(None) => resting(&config, eyes, &mut findings)?,
                    Err(error) => findings.report("daemon", State::Broken, &format!("{error:#}"))?,
                }
            }
        }
        match (findings.broken, findings.warnings) {
            (0, 0) if !self.json => writeln!(std::io::stdout(), "All is well.")?,
            (0, warnings) if !self.json => {
                writeln!(std::io::stdout(), "All works; {warnings} of the checks gave a warning.")?;
            }
            (0, _) => {}
            (broken, _) => bail!("{broken} of the checks failed; each BROKEN says what to do"),
        }
        Ok(())
    }
}

impl Findings {
    fn report(&mut self, what: &str, state: State, text: &str) -> Result<()> {
        self.show(&Check::new(what, state, text))
    }

    fn report_all(&mut self, checks: impl IntoIterator<Item = Check>) -> Result<()> {
        checks.into_iter().try_for_each(|check| self.show(&check))
    }

    fn show(&mut self, check: &Check) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let Check { check: what, state, text } = check;
        self.broken += usize::from(*state == State::Broken);
        self.warnings += usize::from(*state == State::Warning);
        match self.json {
            true => writeln!(out, "{}", serde_json::to_string(check)?)?,
            false => {
                let (tone, word) = match state {
                    State::Ok => (Tone::Good, "ok"),
                    State::Warning => (Tone::Warning, "warning"),
                    State::Broken => (Tone::Bad, "BROKEN"),
                };
                let word = toned(tone, &format!("{word:<8}"));
                writeln!(out, "{word} {what:<14} {}", text.replace('\n', "\n                        "))?;
            }
        }
        Ok(())
    }

    fn result<T>(&mut self, what: &str, result: Result<T>, well: impl FnOnce(&T) -> String) -> Result<Option<T>> {
        match result {
            Ok(found) => {
                let text = well(&found);
                self.report(what, State::Ok, &text)?;
                Ok(Some(found))
            }
            Err(error) => {
                self.report(what, State::Broken, &format!("{error:#}"))?;
                Ok(None)
            }
        }
    }
}

/// The time zones of schedules and attendance, and the system's, which the journal and the log use.
fn zones(config: &Config, findings: &mut Findings) -> Result<()> {
    let zone = setup::house::system_zone().and_then(|_| setup::attendance(config)).and_then(|_| {
        setup::house::rules(config)?;
        setup::house::time_zone(config)
    });
    findings.result("time zone", zone, |zone| zone.iana_name().unwrap_or("as the system's file says").to_owned())?;
    Ok(())
}

/// Runtime, manifest, and each model on its accelerator. Returns them where they run.
fn models(config: &Config, findings: &mut Findings) -> Result<Option<Vision>> {
    let processor = Processor::here();
    match (processor.lacks(std::env::consts::ARCH), processor.doubtful()) {
        (Some(why), _) => findings.report("processor", State::Broken, &why)?,
        (None, Some(why)) => findings.report("processor", State::Warning, &why)?,
        (None, None) => {
            let name = processor.name.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
            findings.report("processor", State::Ok, &format!("{name}: LiteRT can run on it"))?;
        }
    }
    let runtime = findings.result("runtime", setup::runtime(config), |runtime| {
        format!("{} with {}", runtime.library().display(), runtime.accelerators().join(", "))
    })?;
    let Some(runtime) = runtime else { return Ok(None) };
    let started = Instant::now();
    let eyes = findings.result("models", setup::vision(config, &runtime), |_| {
        let spent = started.elapsed().as_millis();
        format!("{} match their hashes; ready in {spent} ms", config.models.path.display())
    })?;
    let Some(eyes) = eyes else { return Ok(None) };
    for (model, placement) in eyes.placements() {
        let ms = placement.latency.as_secs_f64() * 1000.0;
        match &placement.fallback {
            None => {
                let kernels = if placement.own_kernels { ", usher's own kernels" } else { "" };
                findings.report("model", State::Ok, &format!("{model}: {} in {ms:.2} ms{kernels}", placement.on))?;
            }
            Some(why) => {
                let text = format!("{model}: on the CPU ({ms:.2} ms) instead of {}: {why}", placement.asked);
                findings.report("model", State::Warning, &text)?;
            }
        }
    }
    liveness::networks(config, &runtime, findings)?;
    let head = setup::head::site_head(config, eyes.entry());
    if let Ok(Some(file)) = &head {
        findings.report("head", State::Ok, &format!("faces are compared behind the site head {}", file.head.id()))?;
    }
    let near_enough = head.and_then(|head| setup::house::near_enough(config, eyes.entry(), head.as_ref()));
    findings.result("threshold", near_enough, |near_enough| {
        let cut = near_enough.cut(GallerySize::ONE);
        match near_enough.false_identification_rate() {
            None => format!("{} recognises up to the fixed distance {}", eyes.model(), cut.distance),
            Some(rate) => {
                let many = near_enough.cut(GallerySize::of(1000, 5));
                format!(
                    "{} recognises up to distance {} with one person and template enrolled, {} with a thousand people of five templates{}: \
                     {} strangers in 1000 let in",
                    eyes.model(),
                    cut.distance,
                    many.distance,
                    if many.extrapolated { " (beyond what was measured)" } else { "" },
                    rate * 1000.0
                )
            }
        }
    })?;
    Ok(Some(eyes))
}

/// Whether the running daemon is this program with this configuration, and what it says of itself.
fn running(config: &Config, client: &Client, findings: &mut Findings) -> Result<()> {
    match client.status() {
        Ok(status) => process::same(config, &status, findings)?,
        Err(error) => return findings.report("daemon", State::Broken, &format!("{error:#}")),
    }
    match client.checks() {
        // The file that this command reads was reported already.
        Ok(checks) => findings.report_all(checks.into_iter().filter(|check| check.check != "configuration"))?,
        Err(error) => findings.report("daemon", State::Broken, &format!("{error:#}"))?,
    }
    cameras::held(config, client, findings)
}

/// Checks everything in this process, without a daemon.
fn resting(config: &Config, eyes: Option<Vision>, findings: &mut Findings) -> Result<()> {
    findings.report("daemon", State::Ok, "does not run; checking what it would hold")?;
    process::can_start(config, findings)?;
    findings.report_all(access::lines(config))?;
    findings.report_all(assurance::doors(config))?;
    findings.report_all(crate::checks::doors::entries(config))?;
    let opened = findings.result("store", Store::open(&config.store.path).map_err(Into::into), |store| {
        format!("{} can be written", store.dir().display())
    })?;
    if let Some(opened) = opened {
        match clock_quality(&opened) {
            Ok(quality) => findings.show(&store::time(quality.as_str()))?,
            Err(error) => findings.report("time", State::Broken, &error.to_string())?,
        }
        let gallery = setup::models::in_force(config, &opened).and_then(|config| {
            let model = setup::embedder(&config)?;
            let head = setup::head::site_head(&config, &model)?;
            setup::head::gallery(&opened, &setup::ring(&config), &model, head)
        });
        let gallery = findings.result("gallery", gallery, |gallery| format!("{} people", gallery.people().len()))?;
        if let Some(gallery) = gallery {
            let state = switch::stored(&opened)?;
            if let Some(state) = &state {
                let (from, to) = (&state.from.name, &state.to.name);
                findings.report("switch", State::Ok, &format!("from {from} to {to} is under way"))?;
            } else {
                findings.report_all(store::foreign(gallery.people().iter().map(|p| p.foreign_templates).sum()))?;
            }
            findings.show(&store::sealed(&SealStatus::from(&gallery)))?;
            let people: Vec<Person> = gallery.people().iter().map(Person::from).collect();
            findings.report_all(factors::people(config, &people))?;
        }
    }
    cameras::free(config, eyes, findings)?;
    findings.report_all(crate::checks::cameras::eyes(config))?;
    doors::free(config, findings)?;
    let Some(settings) = findings
        .result("broker", setup::hub(config), |settings| match settings {
            Some(settings) => format!("{}:{} is configured", settings.host, settings.port),
            None => "none is configured".into(),
        })?
        .flatten()
    else {
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(crate::hub::probe(settings, BROKER_WAIT)).map_err(anyhow::Error::msg);
    runtime.shutdown_timeout(Duration::from_millis(100));
    findings.result("broker", answer, |()| "accepts this device".into())?;
    Ok(())
}
