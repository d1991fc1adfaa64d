//! `usher train network`: trains a network.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use burn::tensor::Device;
use clap::Args;

use super::options::{DeviceName, LossName, MiningName, NetworkOptions, OptimiserName, argument_of};
use super::progress::Progress;
use crate::cli::argument::positive;
use crate::lab::walk::all_cores;
use crate::train::checkpoint;
use crate::train::data::{Faces, Size};
use crate::train::device::DeviceKind;
use crate::train::events::Events;
use crate::train::network::Network;
use crate::train::run::{Objective, Plan, Run};
use crate::train::sampler::Batch;
use crate::train::schedule::Schedule;
use crate::train::validation::Pairs;
use crate::train::weights::{self, Weights};

/// Train a network on aligned faces.
///
/// DATA has one folder per person, as `usher align` writes it. Each step takes a batch of --people people with --pictures pictures each,
/// selects triplets among them and updates the weights. Checkpoints and TensorBoard's event files are written to --out. The same command
/// resumes from the last checkpoint exactly as if it had not been interrupted. Ctrl-C saves a checkpoint and stops.
///
/// With --pairs, the network is validated after every epoch: give pairs of people who are not in DATA.
#[derive(Args)]
#[command(
    name = "network",
    after_help = "Examples:\n  usher train network faces/ --network small --out run/ --epochs 20 --pairs pairsDevTest.txt --images lfw-160/\n  \
    usher train network faces/ --weights facenet.npz --out run/ --epochs 1 --rate 0.01 --clip 1\n  \
    usher train network faces/ --network deepface --loss people --out run/\n  \
    usher train network faces/ --dry-run               memory and time of a step; nothing is saved"
)]
pub struct TrainNetwork {
    /// Aligned faces, one folder per person
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// The folder for checkpoints and event files
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkOptions,
    /// The loss
    #[arg(long, value_enum, default_value_t = LossName::Triplets)]
    loss: LossName,
    /// Which triplets are selected
    #[arg(long, value_enum, default_value_t = MiningName::SemiHard)]
    mining: MiningName,
    /// The margin alpha between positives and negatives, in squared distance
    #[arg(long, value_name = "ALPHA", default_value_t = 0.2, value_parser = positive)]
    margin: f32,
    /// People in a batch
    #[arg(long, value_name = "P", default_value_t = 12, value_parser = clap::value_parser!(u16).range(2..))]
    people: u16,
    /// Pictures of each person
    #[arg(long, value_name = "K", default_value_t = 4, value_parser = clap::value_parser!(u16).range(2..))]
    pictures: u16,
    /// Additional pictures of other people, as negatives only
    #[arg(long, value_name = "N", default_value_t = 0)]
    strangers: u16,
    /// With --mining offline: steps between two lists of triplets
    #[arg(long, value_name = "STEPS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    refresh: u32,
    /// With --mining offline: pictures that a list is made from
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(4..=20_000))]
    part: u32,
    /// Number of epochs
    #[arg(long, value_name = "N", default_value_t = 20)]
    epochs: u32,
    /// The optimiser
    #[arg(long, value_enum, default_value_t = OptimiserName::Adagrad)]
    optimiser: OptimiserName,
    /// Learning rate of the first epoch
    #[arg(long, value_name = "RATE", default_value_t = 0.05, value_parser = positive)]
    rate: f32,
    /// The factor applied to the learning rate every --decay-every epochs
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = positive)]
    decay_factor: f32,
    #[arg(long, value_name = "EPOCHS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    decay_every: u32,
    /// A file of learning rates with lines of EPOCH: RATE; `-` as rate ends the run
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "decay_factor", "decay_every"])]
    schedule: Option<PathBuf>,
    /// The largest joint norm of all gradients; larger ones are scaled down
    #[arg(long, value_name = "LENGTH", value_parser = positive)]
    clip: Option<f32>,
    /// Weight decay of the kernels
    #[arg(long, value_name = "FACTOR", default_value_t = 0.0)]
    weight_decay: f32,
    /// Decay of the weights' moving averages, which are validated and exported
    #[arg(long, value_name = "0..1", default_value_t = 0.99)]
    average: f32,
    /// The share of values that dropout keeps
    #[arg(long, value_name = "0..1", default_value_t = 1.0, value_parser = positive)]
    keep: f32,
    /// Do not mirror pictures randomly
    #[arg(long)]
    no_mirror: bool,
    /// Keep pictures this many pixels larger than the network's input, and train on random crops; validation uses the middle
    #[arg(long, value_name = "PX", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=200))]
    crop: u16,
    /// Initial weights: an .npz with FaceNet's or Keras's names. Weights that are missing or named by --anew are initialised randomly. With
    /// weights that are already good, use --clip 1: few triplets have large gradients
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Do not use this layer of --weights, for example Bottleneck for another size of embedding
    #[arg(long, value_name = "LAYER", requires = "weights")]
    anew: Vec<String>,
    /// The seed; the same seed gives the same run
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// A list of pairs in LFW's format, to validate on
    #[arg(long, value_name = "FILE", requires = "images")]
    pairs: Option<PathBuf>,
    /// The aligned faces that --pairs names
    #[arg(long, value_name = "DIR", requires = "pairs")]
    images: Option<PathBuf>,
    /// Steps between checkpoints; another is saved at the end
    #[arg(long, value_name = "STEPS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    save_every: u32,
    /// The memory that the decoded data set may take, in MB
    #[arg(long, value_name = "MB", default_value_t = 2000)]
    memory: u64,
    /// The device
    #[arg(long, value_enum, default_value_t = DeviceName::Cpu)]
    device: DeviceName,
    /// Run three steps, print their time and memory, and save nothing
    #[arg(long)]
    dry_run: bool,
}

impl TrainNetwork {
    pub fn run(self) -> Result<()> {
        // Fails before the pictures are read if the device is missing.
        let device = DeviceKind::from(self.device).open()?;
        let threads = all_cores();
        let size = Size { side: self.network.network(0, 1.0).side(), spare: self.crop.into() };
        let faces = Faces::read(&self.data, size, self.memory.saturating_mul(1_000_000), threads)?;
        for skipped in faces.skipped() {
            note!("left out: {}: {}", skipped.file.display(), skipped.why);
        }
        let several = faces.by_person().iter().filter(|of| of.len() >= 2).count();
        say!(
            "{} pictures of {} people, {several} of them with two or more; {} left out",
            faces.count(),
            faces.people().len(),
            faces.skipped().len()
        )?;
        if self.loss == LossName::People && faces.people().len() < 2 {
            bail!("{} has fewer than two people: there is nothing to classify", self.data.display());
        }
        let plan = self.plan(faces.people().len())?;
        let pairs = match (&self.pairs, &self.images) {
            (Some(list), Some(images)) => Some(Pairs::read(list, images, size)?),
            _ => None,
        };
        match &self.out {
            _ if self.dry_run => self.dry_run(plan, &faces, device),
            Some(out) => self.train(plan, &faces, device, pairs.as_ref(), out),
            None => bail!("give --out DIR, for checkpoints"),
        }
    }

    fn plan(&self, people: usize) -> Result<Plan> {
        let classes = if self.loss == LossName::People { people } else { 0 };
        let objective = match self.loss {
            LossName::Triplets => Objective::Triplets {
                mining: self.mining.into(),
                margin: self.margin,
                refresh: self.refresh.into(),
                part: self.part as usize,
            },
            LossName::People => Objective::People,
        };
        let schedule = match &self.schedule {
            Some(file) => Schedule::read(file)?,
            None => Schedule::Decay { start: self.rate, factor: self.decay_factor, every: self.decay_every },
        };
        Ok(Plan {
            network: self.network.network(classes, self.keep),
            objective,
            batch: Batch {
                people: self.people.into(),
                pictures: self.pictures.into(),
                strangers: self.strangers.into(),
            },
            schedule,
            epochs: self.epochs,
            optimiser: self.optimiser.into(),
            clip: self.clip,
            decay: self.weight_decay,
            average: self.average,
            mirror: !self.no_mirror,
            seed: self.seed,
        })
    }

    /// The settings that must be the same when a run resumes.
    fn settings(&self, network: &Network, faces: &Faces) -> String {
        let Network { kind, dimension, classes, keep } = network;
        format!(
            "network={kind:?} dimension={dimension} classes={classes} keep={keep} pictures={} loss={} mining={} margin={} people={} \
            pictures-each={} strangers={} refresh={} part={} optimiser={} average={} weight-decay={} mirror={} crop={} seed={}",
            faces.count(),
            argument_of(self.loss),
            argument_of(self.mining),
            self.margin,
            self.people,
            self.pictures,
            self.strangers,
            self.refresh,
            self.part,
            argument_of(self.optimiser),
            self.average,
            self.weight_decay,
            !self.no_mirror,
            self.crop,
            self.seed
        )
    }

    fn initial_weights(&self, network: &Network) -> Result<Weights> {
        let Some(file) = &self.weights else { return Ok(Weights::new()) };
        let (taken, missing) = network.select_weights(&weights::read(file)?, &self.anew)?;
        if taken.is_empty() {
            bail!("{} has no weight of this network: check --network", file.display());
        }
        say!("{} weights from {}, {missing} initialised randomly", taken.len(), file.display())?;
        Ok(taken)
    }

    fn dry_run(&self, plan: Plan, faces: &Faces, device: Device) -> Result<()> {
        let weights = self.initial_weights(&plan.network)?;
        let mut run = Run::new(plan, faces, device, weights)?;
        let parameters: usize = run.state().weights.values().map(|array| array.values.len()).sum();
        say!("{parameters} parameters; an epoch has {} steps", run.batches())?;
        for _ in 0..3 {
            let begun = Instant::now();
            let report = run.step()?;
            let seconds = begun.elapsed().as_secs_f64();
            let peak = peak_memory().map_or("unknown".to_owned(), |bytes| format!("{} MB", bytes / 1_000_000));
            say!("step {}: {} pictures in {seconds:.2} s, at most {peak} of memory", report.step, report.pictures)?;
        }
        Ok(())
    }

    fn train(&self, plan: Plan, faces: &Faces, device: Device, pairs: Option<&Pairs>, out: &Path) -> Result<()> {
        std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
        let settings = self.settings(&plan.network, faces);
        let (network, optimiser, average) = (plan.network, plan.optimiser, plan.average);
        let mut run = match checkpoint::newest(out)? {
            Some(path) => {
                say!("resuming from {}", path.display())?;
                Run::resumed(plan, faces, device.clone(), checkpoint::read(&path, &settings, optimiser, average)?)?
            }
            None => Run::new(plan, faces, device.clone(), self.initial_weights(&network)?)?,
        };
        let saved = self.steps(&mut run, &settings, &device, pairs, out).map_err(|why| with_checkpoint(why, out))?;
        match run.is_over() {
            true => say!("done; the last checkpoint is {}", saved.display())?,
            false => say!("stopped; saved {}. The same command resumes from there", saved.display())?,
        }
        Ok(())
    }

    /// Runs steps until all epochs are done or a signal arrives. Returns the last checkpoint.
    fn steps(
        &self,
        run: &mut Run,
        settings: &str,
        device: &Device,
        pairs: Option<&Pairs>,
        out: &Path,
    ) -> Result<PathBuf> {
        let unwritable = || format!("cannot write event files into {}", out.display());
        let mut events = Events::create(out, now()).with_context(unwritable)?;
        let stop = stop_on_signal()?;
        let network = run.plan().network;
        let mut progress = Progress::new(run);
        if let (Some(pairs), 0) = (pairs, run.state().steps) {
            let figures = pairs.figures(&network, &mut run.averaged(), device)?;
            progress.validated(0, &figures, &mut events, now()).with_context(unwritable)?;
        }
        while !run.is_over() && !stop.load(Ordering::Relaxed) {
            let report = run.step()?;
            progress.step(&report, &mut events, now()).with_context(unwritable)?;
            if report.step.is_multiple_of(self.save_every.into()) {
                checkpoint::save(out, settings, run.state())?;
            }
            if report.ends_epoch {
                progress.histograms(run, &report, &mut events, now()).with_context(unwritable)?;
                if let Some(pairs) = pairs {
                    let figures = pairs.figures(&network, &mut run.averaged(), device)?;
                    progress.validated(report.step, &figures, &mut events, now()).with_context(unwritable)?;
                }
            }
            events.flush().with_context(unwritable)?;
        }
        progress.finish(run);
        Ok(checkpoint::save(out, settings, run.state())?)
    }
}

/// Adds to an error where the run can be resumed.
fn with_checkpoint(why: anyhow::Error, out: &Path) -> anyhow::Error {
    why.context(match checkpoint::newest(out) {
        Ok(Some(path)) => {
            format!("the run stopped; the same command resumes from its last checkpoint {}", path.display())
        }
        _ => "the run stopped before its first checkpoint".to_owned(),
    })
}

/// The peak memory of this process in bytes.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// A flag that is set by Ctrl-C or SIGTERM; a second signal ends the process.
fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            for times in 0.. {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                flag.store(true, Ordering::Relaxed);
                match times {
                    0 => note!("\nstopping after this step; interrupt again to stop immediately"),
                    _ => std::process::exit(130),
                }
            }
        });
    });
    Ok(stop)
}
