//! `usher train network`

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use burn::tensor::Device;
use clap::Args;

use super::naming::{MiningName, OptimiserName, ProcessorName, positive, said};
use super::networks::{LossName, NetworkChoice};
use super::progress::Progress;
use super::stop::stop_on_signal;
use crate::lab::crowd::all_cores;
use crate::train::checkpoint;
use crate::train::data::{Faces, Size};
use crate::train::device::Processor;
use crate::train::events::Events;
use crate::train::network::Network;
use crate::train::run::{Objective, Plan, Run};
use crate::train::sampler::Batch;
use crate::train::schedule::Schedule;
use crate::train::validation::Pairs;
use crate::train::weights::{self, Weights};

/// Teach a network from aligned faces.
///
/// DATA has one folder a person, as `usher align` writes it. Every step takes a batch of --people people with --pictures pictures
/// each, finds triplets among them and moves the weights. Checkpoints and TensorBoard's event files go into --out; given again, the
/// same command goes on where the last checkpoint is, exactly as if it had not been stopped. Ctrl-C saves and ends.
///
/// With --pairs every epoch ends with the figures of people whom the network does not learn from: give pairs of others than DATA's.
#[derive(Args)]
#[command(
    name = "network",
    after_help = "Examples:\n  usher train network faces/ --network small --out run/ --epochs 20 --pairs pairsDevTest.txt --images lfw-160/\n  \
    usher train network faces/ --weights facenet.npz --out run/ --epochs 1 --rate 0.01 --clip 1\n  \
    usher train network faces/ --network deepface --loss people --out run/\n  \
    usher train network faces/ --dry-run               memory and time of a step, nothing is kept"
)]
pub struct Learn {
    /// Aligned faces, one folder a person
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Where checkpoints and event files go
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkChoice,
    /// What is made smaller
    #[arg(long, value_enum, default_value_t = LossName::Triplets)]
    loss: LossName,
    /// Which triplets
    #[arg(long, value_enum, default_value_t = MiningName::SemiHard)]
    mining: MiningName,
    /// The margin alpha between positives and negatives, in squared distance
    #[arg(long, value_name = "ALPHA", default_value_t = 0.2, value_parser = positive)]
    margin: f32,
    /// People of a batch
    #[arg(long, value_name = "P", default_value_t = 12, value_parser = clap::value_parser!(u16).range(2..))]
    people: u16,
    /// Pictures of each of them
    #[arg(long, value_name = "K", default_value_t = 4, value_parser = clap::value_parser!(u16).range(2..))]
    pictures: u16,
    /// Pictures of other people besides, as negatives only
    #[arg(long, value_name = "N", default_value_t = 0)]
    strangers: u16,
    /// Steps that a list of --mining offline serves
    #[arg(long, value_name = "STEPS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    refresh: u32,
    /// Pictures that --mining offline looks through for a list
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(4..=20_000))]
    part: u32,
    /// How often everybody comes
    #[arg(long, value_name = "N", default_value_t = 20)]
    epochs: u32,
    /// How weights are moved
    #[arg(long, value_enum, default_value_t = OptimiserName::Adagrad)]
    optimiser: OptimiserName,
    /// Learning rate of the first epoch
    #[arg(long, value_name = "RATE", default_value_t = 0.05, value_parser = positive)]
    rate: f32,
    /// What the learning rate is multiplied with every --decay-every epochs
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = positive)]
    decay_factor: f32,
    #[arg(long, value_name = "EPOCHS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    decay_every: u32,
    /// A file of learning rates, lines of EPOCH: RATE; its `-` ends the run
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "decay_factor", "decay_every"])]
    schedule: Option<PathBuf>,
    /// The longest that all gradients together may be; longer ones are scaled down
    #[arg(long, value_name = "LENGTH", value_parser = positive)]
    clip: Option<f32>,
    /// How strongly kernels are pulled to zero
    #[arg(long, value_name = "FACTOR", default_value_t = 0.0)]
    weight_decay: f32,
    /// Decay of the weights' moving average, which is validated and exported
    #[arg(long, value_name = "0..1", default_value_t = 0.99)]
    average: f32,
    /// The share of figures that dropout leaves
    #[arg(long, value_name = "0..1", default_value_t = 1.0, value_parser = positive)]
    keep: f32,
    /// Do not turn every other picture left to right
    #[arg(long)]
    no_mirror: bool,
    /// Keep pictures so many pixels larger than the network takes them, and cut a window by chance; figures are of the middle
    #[arg(long, value_name = "PX", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=200))]
    crop: u16,
    /// Weights to begin with: an .npz under FaceNet's names or Keras's. What is missing or named by --anew is made.
    /// Take --clip 1 with weights that are good already: a few triplets make a long gradient
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Do not take this layer from --weights, as Bottleneck for another size of embedding
    #[arg(long, value_name = "LAYER", requires = "weights")]
    anew: Vec<String>,
    /// Another seed, another run; the same seed, the same run
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// A list of pairs, in LFW's form, to validate on
    #[arg(long, value_name = "FILE", requires = "images")]
    pairs: Option<PathBuf>,
    /// The aligned faces that --pairs names
    #[arg(long, value_name = "DIR", requires = "pairs")]
    images: Option<PathBuf>,
    /// Save a checkpoint every so many steps, and at the end
    #[arg(long, value_name = "STEPS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    save_every: u32,
    /// Memory that the decoded data set may take, in MB
    #[arg(long, value_name = "MB", default_value_t = 2000)]
    memory: u64,
    /// What the network learns on
    #[arg(long, value_enum, default_value_t = ProcessorName::Cpu)]
    device: ProcessorName,
    /// Take three steps, tell their time and memory, and keep nothing
    #[arg(long)]
    dry_run: bool,
}

impl Learn {
    pub fn run(self) -> Result<()> {
        // What is not there is found out before the pictures are read.
        let device = Processor::from(self.device).open()?;
        let threads = all_cores();
        let size = Size { side: self.network.network(0, 1.0).side(), spare: self.crop.into() };
        let faces = Faces::read(&self.data, size, self.memory.saturating_mul(1_000_000), threads)?;
        for skipped in faces.skipped() {
            eprintln!("left out: {}: {}", skipped.file.display(), skipped.why);
        }
        let several = faces.by_person().iter().filter(|of| of.len() >= 2).count();
        println!(
            "{} pictures of {} people, {several} of them with two or more; {} left out",
            faces.count(),
            faces.people().len(),
            faces.skipped().len()
        );
        if self.loss == LossName::People && faces.people().len() < 2 {
            bail!("{} has fewer than two people: there is nothing to tell apart", self.data.display());
        }
        let plan = self.plan(faces.people().len())?;
        let pairs = match (&self.pairs, &self.images) {
            (Some(list), Some(images)) => Some(Pairs::read(list, images, size)?),
            _ => None,
        };
        match &self.out {
            _ if self.dry_run => self.rehearse(plan, &faces, device),
            Some(out) => self.learn(plan, &faces, device, pairs.as_ref(), out),
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

    /// The settings that must stay from one part of a run to the next.
    fn settings(&self, network: &Network, faces: &Faces) -> String {
        let Network { kind, dimension, classes, keep } = network;
        format!(
            "network={kind:?} dimension={dimension} classes={classes} keep={keep} pictures={} loss={} mining={} margin={} people={} \
            pictures-each={} strangers={} refresh={} part={} optimiser={} average={} weight-decay={} mirror={} crop={} seed={}",
            faces.count(),
            said(self.loss),
            said(self.mining),
            self.margin,
            self.people,
            self.pictures,
            self.strangers,
            self.refresh,
            self.part,
            said(self.optimiser),
            self.average,
            self.weight_decay,
            !self.no_mirror,
            self.crop,
            self.seed
        )
    }

    fn first_weights(&self, network: &Network) -> Result<Weights> {
        let Some(file) = &self.weights else { return Ok(Weights::new()) };
        let (taken, missing) = network.take(&weights::read(file)?, &self.anew)?;
        if taken.is_empty() {
            bail!("{} has no weight of this network; is --network right?", file.display());
        }
        println!("{} weights from {}, {missing} made anew", taken.len(), file.display());
        Ok(taken)
    }

    fn rehearse(&self, plan: Plan, faces: &Faces, device: Device) -> Result<()> {
        let weights = self.first_weights(&plan.network)?;
        let mut run = Run::new(plan, faces, device, weights)?;
        let figures: usize = run.state().weights.values().map(|array| array.values.len()).sum();
        println!("{figures} weights; an epoch has {} steps", run.batches());
        for _ in 0..3 {
            let begun = Instant::now();
            let report = run.step()?;
            let seconds = begun.elapsed().as_secs_f64();
            let peak = peak_memory().map_or("unknown".to_owned(), |bytes| format!("{} MB", bytes / 1_000_000));
            println!("step {}: {} pictures in {seconds:.2} s, at most {peak} of memory", report.step, report.pictures);
        }
        Ok(())
    }

    fn learn(&self, plan: Plan, faces: &Faces, device: Device, pairs: Option<&Pairs>, out: &Path) -> Result<()> {
        std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
        let settings = self.settings(&plan.network, faces);
        let (network, optimiser, average) = (plan.network, plan.optimiser, plan.average);
        let mut run = match checkpoint::newest(out)? {
            Some(path) => {
                println!("going on from {}", path.display());
                Run::resumed(plan, faces, device.clone(), checkpoint::read(&path, &settings, optimiser, average)?)?
            }
            None => Run::new(plan, faces, device.clone(), self.first_weights(&network)?)?,
        };
        let saved = self.steps(&mut run, &settings, &device, pairs, out).map_err(|why| with_checkpoint(why, out))?;
        match run.is_over() {
            true => println!("done; the last checkpoint is {}", saved.display()),
            false => println!("stopped; saved {}. The same command goes on from there", saved.display()),
        }
        Ok(())
    }

    /// Takes steps until there is nothing left to do or somebody stops it; gives the last checkpoint.
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
                progress.spread(run, &report, &mut events, now()).with_context(unwritable)?;
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

/// What ended a run, with where to go on.
fn with_checkpoint(why: anyhow::Error, out: &Path) -> anyhow::Error {
    why.context(match checkpoint::newest(out) {
        Ok(Some(path)) => {
            format!("the run stopped; its last checkpoint is {}, from which the same command goes on", path.display())
        }
        _ => "the run stopped before its first checkpoint".to_owned(),
    })
}

/// The most memory that this process has had, in bytes.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
