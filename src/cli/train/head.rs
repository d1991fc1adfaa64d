//! `usher train head`: trains a site head, installs it beside the store, and removes it.
//!
//! Installing and removing are recorded in the journal. The record is on disk before the head is installed, and a head that cannot be written
//! leaves no record.

mod report;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::report::Report;
use super::super::client::{enrolled, journal_can_be_written, note_head};
use super::super::evaluate::extraction::{LabelledFaces, VisionOptions, photographs_of};
use super::options::{MiningName, OptimiserName, head_mining};
use crate::api::journal::HeadRequest;
use crate::cli::argument::{positive, rate};
use crate::cli::context::{Context, progress_bar};
use crate::config::Config;
use crate::domain::{ModelId, SiteHead};
use crate::lab::calibrate::Person;
use crate::lab::dataset;
use crate::lab::faces::Form;
use crate::setup;
use crate::setup::house::calibration;
use crate::train::head::evaluation::{FOLDS, evaluate};
use crate::train::head::{HeadPlan, train};
use crate::vision::calibration_file::{CalibrationFile, FORMAT};
use crate::vision::file::sha256;
use crate::vision::head_file::{HeadFile, HeadFileError, head_id};
use crate::vision::manifest::Model;

/// Train a head for this site: a linear map behind the model, which is not changed.
///
/// PHOTOS has one folder per person, with pictures from the door's camera. Without PHOTOS the enrolled templates are used, which requires a
/// stopped daemon. The people are divided into four folds. For each fold, a head is trained on the other people, and the false non-match
/// rates of the fold's people with and without the head are compared at the same false match rate. If the head is significantly better
/// (95 %), a head is trained on all people and written beside the store; otherwise nothing is written.
///
/// The daemon uses the head from its next start on. No one needs to be enrolled again, because templates are stored as the model made
/// them. The distance limit then depends on this measurement, so use as many people as you can: fifty with five pictures each are few.
/// Adding and removing a head is recorded in the journal, with its error rates.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  usher train head staff/\n  usher train head staff/ --dry-run --fmr 0.01\n  usher train head              from the enrolled templates\n  \
    usher train head --remove     remove the head"
)]
pub struct TrainHead {
    /// Labelled photographs: one folder per person
    #[arg(value_name = "PHOTOS", conflicts_with = "remove")]
    photos: Option<PathBuf>,
    /// The false match rate of one comparison at which errors are compared
    #[arg(long, value_name = "RATE", default_value_t = 1e-3, value_parser = rate)]
    fmr: f64,
    /// Which triplets are selected: semi-hard, hard, all or easy
    #[arg(long, value_name = "MINING", default_value = "semi-hard", value_parser = head_mining)]
    mining: MiningName,
    /// The margin alpha between positives and negatives, in squared distance
    #[arg(long, value_name = "ALPHA", default_value_t = 0.6, value_parser = positive)]
    margin: f32,
    /// Number of steps, each with a batch of people
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// People in a batch
    #[arg(long, value_name = "P", default_value_t = 24, value_parser = clap::value_parser!(u16).range(2..=1000))]
    people: u16,
    /// Photographs of each person
    #[arg(long, value_name = "K", default_value_t = 4, value_parser = clap::value_parser!(u16).range(2..=100))]
    pictures: u16,
    /// The optimiser
    #[arg(long, value_enum, default_value_t = OptimiserName::Adagrad, hide_possible_values = true)]
    optimiser: OptimiserName,
    /// Learning rate
    #[arg(long, value_name = "RATE", default_value_t = 0.01, value_parser = positive)]
    rate: f32,
    /// Strength of the regularisation towards the identity
    #[arg(long, value_name = "FACTOR", default_value_t = 0.01, value_parser = positive)]
    pull: f32,
    /// The seed; the same seed gives the same head
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write the head into this file instead of beside the store
    #[arg(long, value_name = "FILE", conflicts_with_all = ["remove", "dry_run"])]
    out: Option<PathBuf>,
    /// Only print how much a head would improve
    #[arg(long)]
    dry_run: bool,
    /// Remove the site's head; the daemon works without it from its next start on
    #[arg(long, conflicts_with = "dry_run")]
    remove: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    vision: VisionOptions,
}

/// The training data, and the destination of the head.
struct Input {
    people: Vec<Person>,
    model: ModelId,
    /// A description of the data for the file.
    description: String,
    target: Target,
    without_face: usize,
}

/// Where the head is written.
enum Target {
    Nowhere,
    /// A file that no daemon reads.
    File(PathBuf),
    /// The file that the daemon reads, beside the store.
    Site {
        path: PathBuf,
        config: Box<Config>,
    },
}

impl TrainHead {
    pub fn run(self, context: &Context) -> Result<()> {
        if self.remove {
            return remove(context);
        }
        let Input { people, model, description, target, without_face } = self.input(context)?;
        let photographs: usize = people.iter().map(|person| person.vectors.len()).sum();
        let plan = self.plan();
        let bar = progress_bar(FOLDS, "folds");
        let evaluation = evaluate(&people, &plan, self.fmr, |done| bar.set_position(done as u64))?;
        bar.finish_and_clear();
        let file = evaluation.is_better().then(|| {
            let matrix = train(&people.iter().collect::<Vec<_>>(), &plan);
            let id = head_id(&model, &matrix);
            let calibration = CalibrationFile {
                format: FORMAT,
                model: id.to_string(),
                measured: format!(
                    "{description}; behind heads that were not trained on the people, usher {}",
                    env!("CARGO_PKG_VERSION")
                ),
                people: people.len() as u64,
                photographs: photographs as u64,
                impostor_pairs: evaluation.impostor_pairs,
                genuine_pairs: evaluation.genuine_pairs,
                // Each fold has its own head, so it is not measured, and pictures count as different people.
                repeats: None,
                // The head changes no length: those of the model's calibration count.
                lengths: Vec::new(),
                impostor: evaluation.impostor.rates(),
                genuine: evaluation.genuine.rates(),
            };
            SiteHead::new(model.clone(), id, matrix).map(|head| HeadFile { head, calibration })
        });
        // A matrix that is not finite is not an improvement.
        let file = file.flatten();
        let report = Report {
            command: &self,
            model: &model,
            people: people.len(),
            photographs,
            without_face,
            evaluation: &evaluation,
        };
        let written = match (&file, &target) {
            (None, _) | (_, Target::Nowhere) => None,
            (Some(file), Target::File(path) | Target::Site { path, .. }) => {
                calibration(&file.calibration).context("the result was not written")?;
                match &target {
                    Target::Site { config, .. } => install(file, path, &report, config)?,
                    _ => file.save(path)?,
                }
                Some(path.as_path())
            }
        };
        report.print(file.as_ref(), written)
    }

    fn plan(&self) -> HeadPlan {
        HeadPlan {
            mining: self.mining.into(),
            margin: self.margin,
            people: self.people.into(),
            pictures: self.pictures.into(),
            steps: self.steps,
            optimiser: self.optimiser.into(),
            rate: self.rate,
            pull: self.pull,
            seed: self.seed,
        }
    }

    fn input(&self, context: &Context) -> Result<Input> {
        // Fails before the work if the result cannot be written.
        let config = match self.dry_run || self.out.is_some() {
            true => context.config_if_any()?,
            false => Some(context.config().context(
                "the head is written beside the configuration's store; without a configuration, give --out or --dry-run",
            )?),
        };
        let target = |model: &Model| match (&self.out, &config) {
            (Some(path), _) => Target::File(path.clone()),
            (None, Some(config)) if !self.dry_run => {
                Target::Site { path: setup::head::path(config, model), config: Box::new(config.clone()) }
            }
            _ => Target::Nowhere,
        };
        let Some(folder) = &self.photos else {
            let Some(config) = &config else {
                bail!("give a folder of photographs, or a configuration whose store has people")
            };
            let (people, model) = enrolled(config)?;
            let description = "the enrolled templates".to_owned();
            return Ok(Input { people, model: model.id(), description, target: target(&model), without_face: 0 });
        };
        if let (Some(config), None, false) = (&config, &self.out, self.dry_run) {
            journal_can_be_written(config)?;
        }
        let mut left_out = Vec::new();
        let photographs = photographs_of(dataset::people(folder)?, &mut left_out);
        let mut extractors = self.vision.extractors(Form::default(), context)?;
        let faces = LabelledFaces::extract(&photographs, left_out, &mut extractors)?;
        let model = extractors.first().context("no networks were opened")?.vision().entry();
        let description =
            folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned());
        Ok(Input {
            model: model.id(),
            description,
            target: target(model),
            without_face: faces.failed.len(),
            people: faces.people,
        })
    }
}

/// Records a head in the journal, and writes it beside the store.
fn install(file: &HeadFile, path: &Path, report: &Report, config: &Config) -> Result<()> {
    file.save_after(path, |sha256| {
        let kept = HeadRequest::Kept {
            head: file.head.id().to_string(),
            sha256: sha256.to_owned(),
            people: report.people,
            photographs: report.photographs,
            false_match_rate: report.command.fmr,
            missed_without: report.evaluation.before.value,
            missed_behind: report.evaluation.after.value,
        };
        note_head(config, &kept).context("the head was not installed")
    })
}

/// Removes the site's head, whatever its file contains, and records that in the journal.
fn remove(context: &Context) -> Result<()> {
    let config = context.config()?;
    let path = setup::head::path(&config, &setup::embedder(&config)?);
    let content = match std::fs::read(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            say!("there is no site head: {} does not exist", path.display())?;
            return Ok(());
        }
        Err(why) => return Err(HeadFileError::Unreadable { path, why }.into()),
    };
    let head = HeadFile::parse(&content).ok().map(|file| file.head.id().to_string());
    // Renamed before it is recorded: without permission, no record is written.
    let aside = path.with_extension("removed");
    let cannot = || format!("cannot remove {}", path.display());
    std::fs::rename(&path, &aside).with_context(cannot)?;
    if let Err(error) = note_head(&config, &HeadRequest::Removed { head, sha256: sha256(&content) }) {
        std::fs::rename(&aside, &path).with_context(cannot)?;
        return Err(error.context("the head was not removed"));
    }
    std::fs::remove_file(&aside).with_context(cannot)?;
    say!("removed {}; a running daemon works without it from its next start on", path.display())?;
    Ok(())
}
