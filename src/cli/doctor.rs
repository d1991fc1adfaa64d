//! `usher doctor`

mod access;
mod assurance;
mod cameras;
mod doors;
mod factors;
mod liveness;
mod process;

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::client::Client;
use super::context::Context;
use super::print::{Tone, toned};
use crate::api::people::Person;
use crate::api::status::SealStatus;
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

/// The outcome of a check.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Well,
    /// Works, but not as asked.
    Warning,
    Broken,
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
                findings.report("configuration", State::Well, &format!("{} is sound", context.path().display()))?;
                for warning in config.warnings() {
                    findings.report("configuration", State::Warning, &warning.to_string())?;
                }
                access::lines(&config, &mut findings)?;
                zones(&config, &mut findings)?;
                assurance::doors(&config, &mut findings)?;
                doors::entries(&config, &mut findings)?;
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
        let mut out = std::io::stdout().lock();
        let word = match state {
            State::Well => "ok",
            State::Warning => "warning",
            State::Broken => "BROKEN",
        };
        self.broken += usize::from(state == State::Broken);
        self.warnings += usize::from(state == State::Warning);
        match self.json {
            true => writeln!(out, "{}", json!({ "check": what, "state": word.to_lowercase(), "text": text }))?,
            false => {
                let tone = match state {
                    State::Well => Tone::Good,
                    State::Warning => Tone::Warning,
                    State::Broken => Tone::Bad,
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
                self.report(what, State::Well, &text)?;
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

/// Explains a quality of the time.
pub fn time_in_words(quality: &str) -> &str {
    match quality {
        "synchronised" => "the clock is synchronised with a time source",
        "plausible" => "the clock is plausible but not synchronised, so nothing is deleted by age",
        "unset" => {
            "the clock is not set: rules that need the day or the hour follow [time] without_sync. Set the clock, or connect a time server"
        }
        "wrong" => {
            "the clock is behind earlier records: rules that need the day or the hour follow [time] without_sync. Set the clock; if it is \
             right, run `usher door trust-clock`"
        }
        other => other,
    }
}

fn time(quality: &str, findings: &mut Findings) -> Result<()> {
    let state = if matches!(quality, "unset" | "wrong") { State::Broken } else { State::Well };
    findings.report("time", state, time_in_words(quality))
}

/// Runtime, manifest, and each model on its accelerator. Returns them where they run.
fn models(config: &Config, findings: &mut Findings) -> Result<Option<Vision>> {
    let processor = Processor::here();
    match (processor.lacks(std::env::consts::ARCH), processor.doubtful()) {
        (Some(why), _) => findings.report("processor", State::Broken, &why)?,
        (None, Some(why)) => findings.report("processor", State::Warning, &why)?,
        (None, None) => {
            let name = processor.name.unwrap_or_else(|| std::env::consts::ARCH.to_owned());
            findings.report("processor", State::Well, &format!("{name}: LiteRT can run on it"))?;
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
                findings.report("model", State::Well, &format!("{model}: {} in {ms:.2} ms{kernels}", placement.on))?;
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
        findings.report("head", State::Well, &format!("faces are compared behind the site head {}", file.head.id()))?;
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

/// Reports what the running daemon holds: cameras, store and doors.
fn running(config: &Config, client: &Client, findings: &mut Findings) -> Result<()> {
    let Some(status) = findings.result("daemon", client.status(), |s| format!("runs, up {} s", s.uptime_s))? else {
        return Ok(());
    };
    process::same(config, &status, findings)?;
    if let Some(quality) = &status.time {
        time(quality, findings)?;
    }
    match &status.model_switch {
        Some(switch) => findings.report("switch", State::Well, switch)?,
        None => foreign(status.foreign_templates, findings)?,
    }
    match &status.journal_trouble {
        None => findings.report("store", State::Well, &format!("{} people", status.people))?,
        Some(trouble) => findings.report("store", State::Broken, trouble)?,
    }
    sealed(&status.seal, findings)?;
    factors::people(config, &client.people()?, findings)?;
    for stage in &status.stages {
        let (state, text) = match &stage.trouble {
            None => (State::Well, format!("{}: {} handled, {} dropped", stage.name, stage.handled, stage.dropped)),
            Some(trouble) => (State::Broken, format!("{}: {trouble}", stage.name)),
        };
        findings.report(&stage.role, state, &text)?;
    }
    cameras::held(config, client, findings)?;
    liveness::eyes(config, findings)?;
    doors::held(config, &status, findings)?;
    match &status.hub {
        None => findings.report("broker", State::Well, "none is configured"),
        Some(hub) if hub.state == "online" => match &hub.refused[..] {
            [] => findings.report("broker", State::Well, "online"),
            [first, others @ ..] => {
                let others =
                    if others.is_empty() { String::new() } else { format!("; and {} other topics", others.len()) };
                let what =
                    format!("online, but refuses {} ({} bytes): {}{others}", first.topic, first.bytes, first.reason);
                findings.report("broker", State::Warning, &what)
            }
        },
        Some(hub) => findings.report("broker", State::Broken, &hub.state),
    }
}

/// Checks everything in this process, without a daemon.
fn resting(config: &Config, eyes: Option<Vision>, findings: &mut Findings) -> Result<()> {
    findings.report("daemon", State::Well, "does not run; checking what it would hold")?;
    process::can_start(config, findings)?;
    let store = findings.result("store", Store::open(&config.store.path).map_err(Into::into), |store| {
        format!("{} can be written", store.dir().display())
    })?;
    if let Some(store) = store {
        match clock_quality(&store) {
            Ok(quality) => time(quality.as_str(), findings)?,
            Err(error) => findings.report("time", State::Broken, &error.to_string())?,
        }
        let gallery = setup::models::in_force(config, &store).and_then(|config| {
            let model = setup::embedder(&config)?;
            let head = setup::head::site_head(&config, &model)?;
            setup::head::gallery(&store, &setup::ring(&config), &model, head)
        });
        let gallery = findings.result("gallery", gallery, |gallery| format!("{} people", gallery.people().len()))?;
        if let Some(gallery) = gallery {
            let state = switch::stored(&store)?;
            if let Some(state) = &state {
                let (from, to) = (&state.from.name, &state.to.name);
                findings.report("switch", State::Well, &format!("from {from} to {to} is under way"))?;
            } else {
                foreign(gallery.people().iter().map(|p| p.foreign_templates).sum(), findings)?;
            }
            sealed(&SealStatus::from(&gallery), findings)?;
            let people: Vec<Person> = gallery.people().iter().map(Person::from).collect();
            factors::people(config, &people, findings)?;
        }
    }
    cameras::free(config, eyes, findings)?;
    liveness::eyes(config, findings)?;
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

/// Plain templates are a warning; templates that cannot be opened are broken.
fn sealed(seal: &SealStatus, findings: &mut Findings) -> Result<()> {
    match (&seal.trouble, seal.state.as_str()) {
        (None, _) => {
            let key = seal.key.as_deref().unwrap_or_default();
            findings.report("seal", State::Well, &format!("templates are sealed with the key {key}"))
        }
        (Some(trouble), "plain") => findings.report("seal", State::Warning, trouble),
        (Some(trouble), _) => findings.report("seal", State::Broken, trouble),
    }
}

fn foreign(templates: usize, findings: &mut Findings) -> Result<()> {
    if templates > 0 {
        let text = format!(
            "{templates} templates were made by another model and are not used: lead these people over with `usher models switch`, enrol them again, or set \
             [models] embedder back"
        );
        findings.report("gallery", State::Warning, &text)?;
    }
    Ok(())
}
