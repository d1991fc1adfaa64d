//! `usher train head`

mod keeping;
mod report;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::report::Report;
use super::super::client::{enrolled, journal_can_be_written};
use super::super::context::Context;
use super::super::evaluate::crowd::Crowd;
use super::super::evaluate::looking::{Eyes, told};
use super::super::evaluate::measuring::rate;
use super::super::progress::bar;
use super::naming::{MiningName, OptimiserName, head_mining, positive};
use crate::config::Config;
use crate::domain::{Head as Map, ModelId};
use crate::lab::calibrate::Person;
use crate::lab::crowd;
use crate::lab::features::Form;
use crate::setup;
use crate::setup::house::calibration;
use crate::train::head::judging::{FOLDS, judge};
use crate::train::head::{HeadPlan, learn};
use crate::vision::calibration_file::{CalibrationFile, FORMAT};
use crate::vision::head_file::{HeadFile, head_id};
use crate::vision::manifest::Model;

/// Learn a head for this site: a linear map behind the model, which stays as it is.
///
/// PHOTOS has one folder a person, with pictures as the door's camera makes them. Without PHOTOS the enrolled templates are taken, which
/// needs a stopped daemon. A quarter of the people at a time is left out, a head is learned from the others, and the share of their own
/// photographs by which they would be missed is compared with and without it, at the same false match rate. Only if the head is
/// better, and chance does not explain it (95 %), a head is learned from everybody and written beside the store; otherwise nothing is.
///
/// The daemon compares behind the head from its next start on. Nobody is enrolled again: templates are kept as the model made them. The
/// distance limit then rests on what was measured here, so take as many people as you can: fifty with five pictures each are few. A head that
/// is kept or taken off stands in the journal, with its figures.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  usher train head staff/\n  usher train head staff/ --dry-run --fmr 0.01\n  usher train head              from what is enrolled\n  \
    usher train head --remove     take it off"
)]
pub struct Head {
    /// Labelled photographs: one folder a person
    #[arg(value_name = "PHOTOS", conflicts_with = "remove")]
    photos: Option<PathBuf>,
    /// The false match rate of one comparison at which errors are compared
    #[arg(long, value_name = "RATE", default_value_t = 1e-3, value_parser = rate)]
    fmr: f64,
    /// Which triplets: semi-hard, hard, all or easy
    #[arg(long, value_name = "MINING", default_value = "semi-hard", value_parser = head_mining)]
    mining: MiningName,
    /// The margin alpha between positives and negatives, in squared distance
    #[arg(long, value_name = "ALPHA", default_value_t = 0.6, value_parser = positive)]
    margin: f32,
    /// Steps, each with a batch of people
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// People of a batch
    #[arg(long, value_name = "P", default_value_t = 24, value_parser = clap::value_parser!(u16).range(2..=1000))]
    people: u16,
    /// Photographs of each of them
    #[arg(long, value_name = "K", default_value_t = 4, value_parser = clap::value_parser!(u16).range(2..=100))]
    pictures: u16,
    /// How weights are moved
    #[arg(long, value_enum, default_value_t = OptimiserName::Adagrad, hide_possible_values = true)]
    optimiser: OptimiserName,
    /// Learning rate
    #[arg(long, value_name = "RATE", default_value_t = 0.01, value_parser = positive)]
    rate: f32,
    /// How strongly the head is pulled to the map that changes nothing
    #[arg(long, value_name = "FACTOR", default_value_t = 0.01, value_parser = positive)]
    pull: f32,
    /// Another seed, other batches; the same seed, the same head
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write the head into this file instead of beside the store
    #[arg(long, value_name = "FILE", conflicts_with_all = ["remove", "dry_run"])]
    out: Option<PathBuf>,
    /// Only tell what a head would bring
    #[arg(long)]
    dry_run: bool,
    /// Take the site's head off; the daemon compares without it from its next start on
    #[arg(long, conflicts_with = "dry_run")]
    remove: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    eyes: Eyes,
}

/// What heads are learned from.
struct Material {
    people: Vec<Person>,
    model: ModelId,
    /// In words, for the file.
    what: String,
    /// Where the head goes.
    target: Target,
    without_face: usize,
}

enum Target {
    Nowhere,
    /// A file that no daemon reads.
    File(PathBuf),
    /// The site's own place, beside the store.
    Site {
        path: PathBuf,
        config: Box<Config>,
    },
}

impl Head {
    pub fn run(self, context: &Context) -> Result<()> {
        if self.remove {
            return keeping::remove(context);
        }
        let Material { people, model, what, target, without_face } = self.material(context)?;
        let photographs: usize = people.iter().map(|person| person.vectors.len()).sum();
        let plan = self.plan();
        let bar = bar(FOLDS, "parts left out");
        let judgement = judge(&people, &plan, self.fmr, |done| bar.set_position(done as u64))?;
        bar.finish_and_clear();
        let file = judgement.is_better().then(|| {
            let matrix = learn(&people.iter().collect::<Vec<_>>(), &plan);
            let id = head_id(&model, &matrix);
            let calibration = CalibrationFile {
                format: FORMAT,
                model: id.to_string(),
                measured: format!(
                    "{what}; behind heads that had not learned from the people, usher {}",
                    env!("CARGO_PKG_VERSION")
                ),
                people: people.len() as u64,
                photographs: photographs as u64,
                impostor_pairs: judgement.impostor_pairs,
                genuine_pairs: judgement.genuine_pairs,
                // Each fold has a head of its own: pictures are counted as if they were of different people.
                repeats: None,
                impostor: judgement.impostor.rates(),
                genuine: judgement.genuine.rates(),
            };
            Map::new(model.clone(), id, matrix).map(|head| HeadFile { head, calibration })
        });
        // A map that is no number is no better, whatever the pairs say.
        let file = file.flatten();
        let report = Report {
            order: &self,
            model: &model,
            people: people.len(),
            photographs,
            without_face,
            judgement: &judgement,
        };
        let written = match (&file, &target) {
            (None, _) | (_, Target::Nowhere) => None,
            (Some(file), Target::File(path) | Target::Site { path, .. }) => {
                calibration(&file.calibration).context("the result was not written")?;
                match &target {
                    Target::Site { config, .. } => keeping::keep(file, path, &report, config)?,
                    _ => file.save(path)?,
                }
                Some(path.as_path())
            }
        };
        report.tell(file.as_ref(), written)
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

    fn material(&self, context: &Context) -> Result<Material> {
        // What cannot be written is found out before the work, not after.
        let config = match self.dry_run || self.out.is_some() {
            true => context.config_if_any()?,
            false => Some(context.config().context(
                "the head goes beside the store of the configuration; without one, give --out or --dry-run",
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
                bail!("name a folder of photographs, or a configuration whose store has people")
            };
            let (people, model) = enrolled(config)?;
            let what = "the enrolled templates".to_owned();
            return Ok(Material { people, model: model.id(), what, target: target(&model), without_face: 0 });
        };
        if let (Some(config), None, false) = (&config, &self.out, self.dry_run) {
            journal_can_be_written(config)?;
        }
        let mut left_out = Vec::new();
        let photographs = told(crowd::people(folder)?, &mut left_out);
        let mut extractors = self.eyes.extractors(Form::default(), context)?;
        let crowd = Crowd::look(&photographs, left_out, &mut extractors)?;
        let model = extractors[0].vision().entry();
        let what =
            folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned());
        Ok(Material {
            model: model.id(),
            what,
            target: target(model),
            without_face: crowd.failed.len(),
            people: crowd.people,
        })
    }
}
