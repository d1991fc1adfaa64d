//! `usher evaluate open-set`: identification in a gallery, with strangers.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::super::context::Context;
use super::extraction::{Extraction, ExtractionOptions, extract, photographs_of};
use super::pairs::model_name;
use super::report::write_plot;
use crate::cli::argument::rate;
use crate::domain::{Embedding, ModelId};
use crate::lab::dataset::{self, DatasetError, LeftOut, Photograph};
use crate::lab::open_set::{Member, Point, Trial, trials};
use crate::lab::plot::{self, Curve, YAxis};
use crate::lab::share::{CONFIDENCE, Share, clopper_pearson};

/// Evaluate identification as at a door: a gallery of enrolled people, and strangers who are not in it.
///
/// The first photographs of each person in the gallery's folder are enrolled, and the others are searched for. Every stranger is searched
/// for too. At a distance limit, FPIR is the share of strangers who are identified as someone, and FNIR the share of searches for an
/// enrolled person that do not find that person. FPIR grows with the gallery, because each stranger is compared with everyone.
///
/// Templates are made as `usher enroll` makes them, with the mirror image; --plain leaves that out. With --min-length, weaker photographs
/// are not enrolled, and with --min-probe-length, weaker ones identify nobody. ("Weak" is an embedding that was short before it was brought
/// to unit length; the limits of a door are shares of the calibration's photographs.)
///
/// Shares have 95 % intervals by Clopper and Pearson. A door requires several frames that agree; this evaluates single photographs.
#[derive(Args)]
#[command(
    after_help = "Example:\n  usher evaluate open-set --gallery staff --strangers visitors --sizes 10,100 --fpir 0.01,0.001"
)]
pub struct OpenSet {
    /// The people to enrol: one folder per person
    #[arg(long, value_name = "DIR")]
    gallery: PathBuf,
    /// Photographs of people who are not in the gallery
    #[arg(long, value_name = "DIR")]
    strangers: PathBuf,
    /// Sizes of the gallery, in people; the size of all people is always added
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [10, 100, 1000])]
    sizes: Vec<usize>,
    /// False positive rates for which to find the distance limit
    #[arg(long, value_name = "RATE,…", value_delimiter = ',', default_values_t = [0.1, 0.01, 0.001], value_parser = rate)]
    fpir: Vec<f64>,
    /// Distance limits at which to report the errors
    #[arg(long, value_name = "D,…", value_delimiter = ',')]
    distance: Vec<f32>,
    /// Photographs to enrol of each person
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    enrolled: u16,
    /// With several photographs: compare with the nearest template (best), or with their mean
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Several::Best)]
    several: Several,
    /// Enrol embeddings without their mirror images
    #[arg(long)]
    plain: bool,
    /// The least length of an embedding that is enrolled
    #[arg(long, value_name = "LENGTH", default_value_t = 0.0)]
    min_length: f32,
    /// The least length of an embedding that can identify somebody
    #[arg(long, value_name = "LENGTH", default_value_t = 0.0)]
    min_probe_length: f32,
    /// The seed that chooses the people of the smaller galleries
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Print JSON, one object per gallery
    #[arg(long)]
    json: bool,
    /// Draw FNIR over FPIR for each size into this SVG file
    #[arg(long, value_name = "OUT.svg")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    extraction: ExtractionOptions,
}

/// How the templates of a person are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Several {
    Best,
    Mean,
}

/// A gallery of a data set, in the order of enrolment.
#[derive(Default)]
struct Gallery {
    people: Vec<Member>,
    /// The number of people without a photograph with a face.
    without_template: usize,
    /// The number of photographs that were too weak to enrol.
    weak: usize,
}

/// What was made of a photograph.
#[derive(Clone, Copy)]
struct Look<'a> {
    vector: &'a [f32],
    template: &'a [f32],
    length: f32,
}

impl<'a> Look<'a> {
    /// Of each photograph; `None` where no face was found.
    fn all(extraction: &'a Extraction) -> Vec<Option<Look<'a>>> {
        let Extraction { faces, templates, lengths, failed: _ } = extraction;
        let found = faces.iter().zip(templates).zip(lengths);
        found
            .map(|((faces, template), length)| {
                let vector = faces.0.first()?;
                Some(Look { vector, template: template.as_deref().unwrap_or(vector), length: (*length)? })
            })
            .collect()
    }
}

impl OpenSet {
    pub fn run(self, context: &Context) -> Result<()> {
        let mut left_out = Vec::new();
        let photographs = photographs_of(dataset::people(&self.gallery)?, &mut left_out);
        let strangers = photographs_of(strangers(&self.strangers)?, &mut left_out);
        check_disjoint(&photographs, &strangers)?;
        let mut extractors = self.extraction.form(!self.plain, context)?;
        let files: Vec<PathBuf> = photographs.iter().chain(&strangers).map(|p| p.file.clone()).collect();
        let extraction = extract(&files, &mut extractors)?;
        left_out.extend(extraction.failed.iter().cloned());
        let looks = Look::all(&extraction);
        let (of_people, of_strangers) = looks.split_at(photographs.len());

        let mut gallery = self.enrol(&photographs, of_people);
        shuffle(&mut gallery.people, self.seed);
        let seen: Vec<Look> = of_strangers.iter().flatten().copied().collect();
        let (strong, weak): (Vec<Look>, Vec<Look>) = seen.iter().partition(|look| self.identifies(look));
        let vectors: Vec<Box<[f32]>> = strong.iter().map(|look| look.vector.into()).collect();
        if gallery.people.is_empty() || vectors.is_empty() {
            bail!(
                "no face was found in the photographs of {}",
                match gallery.people.is_empty() {
                    true => "the gallery",
                    false => "the strangers",
                }
            );
        }
        let all = gallery.people.len();
        for size in self.sizes.iter().filter(|&&size| size > all || size == 0) {
            note!("usher: a gallery of {size} is left out: there are {all} people");
        }
        let sizes = [&self.sizes[..], &[all]].concat();
        let mut found = trials(&gallery.people, &vectors, &sizes);
        // A weak face identifies nobody, however near it is.
        found.iter_mut().for_each(|trial| trial.strangers.extend(weak.iter().map(|_| f32::INFINITY)));
        let model = model_name(&extractors);
        let mut out = std::io::stdout().lock();
        for trial in &found {
            match self.json {
                true => writeln!(out, "{}", self.json(trial, &model, &left_out))?,
                false => self.text(trial, &mut out)?,
            }
        }
        if !self.json {
            writeln!(out, "{model}; 95 % intervals by Clopper and Pearson, which assume independent searches")?;
            if gallery.weak > 0 {
                writeln!(out, "{} photographs were too weak to enrol", gallery.weak)?;
            }
            let missed = of_strangers.iter().filter(|look| look.is_none()).count();
            if missed > 0 {
                writeln!(out, "no face found in {missed} photographs of strangers, which are not counted")?;
            }
            if gallery.without_template > 0 {
                writeln!(
                    out,
                    "{} people have no photograph with a face and are not enrolled",
                    gallery.without_template
                )?;
            }
        }
        if let Some(path) = &self.plot {
            let curves: Vec<Curve> = found.iter().map(curve).collect();
            let title = format!("{model}: false negatives over false positives, 1:N");
            write_plot(
                path,
                plot::rates(
                    &curves,
                    YAxis::FromZero,
                    &title,
                    "FPIR: strangers identified as someone",
                    "FNIR: enrolled people not identified",
                ),
            )?;
        }
        Ok(())
    }

    /// Whether a face may identify somebody.
    fn identifies(&self, look: &Look) -> bool {
        look.length >= self.min_probe_length
    }

    /// The first photographs with a face that is strong enough become templates. Those after them are probes.
    fn enrol(&self, photographs: &[Photograph], looks: &[Option<Look>]) -> Gallery {
        let mut gallery = Gallery::default();
        let paired: Vec<(&Photograph, &Option<Look>)> = photographs.iter().zip(looks).collect();
        for own in paired.chunk_by(|a, b| a.0.person == b.0.person) {
            let mut member = Member::default();
            for (_, look) in own {
                let enrolled = member.templates.len() >= usize::from(self.enrolled);
                match (look, enrolled) {
                    (Some(look), false) if look.length >= self.min_length => {
                        member.templates.push(look.template.into())
                    }
                    (Some(_), false) => gallery.weak += 1,
                    (Some(look), true) if self.identifies(look) => member.probes.push(look.vector.into()),
                    (Some(_) | None, true) => member.failed += 1,
                    (None, false) => {}
                }
            }
            if self.several == Several::Mean {
                member.templates = mean(&member.templates).into_iter().collect();
            }
            match member.templates.is_empty() {
                true => gallery.without_template += 1,
                false => gallery.people.push(member),
            }
        }
        gallery
    }

    /// The rows of the table: the reason for the cut, and the errors at it; `None` if there are too few strangers.
    fn rows(&self, trial: &Trial) -> Vec<(String, Option<Point>)> {
        let at_rate = self.fpir.iter().map(|&rate| (format!("FPIR {rate}"), trial.cut(rate)));
        let at_distance = self.distance.iter().map(|&d| (format!("distance {d}"), Some(trial.at(d))));
        at_rate.chain(at_distance).collect()
    }

    fn text(&self, trial: &Trial, out: &mut impl Write) -> Result<()> {
        writeln!(
            out,
            "{} people enrolled with {} photographs: {} searches for them, {} for strangers",
            trial.size,
            trial.templates,
            trial.members.len(),
            trial.strangers.len()
        )?;
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header(["AT", "DISTANCE", "FPIR", "95 %", "FNIR", "95 %"]);
        for (at, point) in self.rows(trial) {
            let cells = match point {
                Some(p) => [
                    at,
                    format!("{:.4}", p.distance),
                    percent(p.fpir),
                    interval(p.fpir),
                    percent(p.fnir),
                    interval(p.fnir),
                ],
                None => [at, "too few strangers".into(), String::new(), String::new(), String::new(), String::new()],
            };
            table.add_row(cells);
        }
        writeln!(out, "{table}\n")?;
        Ok(())
    }

    fn json(&self, trial: &Trial, model: &str, not_taken: &[LeftOut]) -> Value {
        let share = |share: Share| {
            let (low, high) = clopper_pearson(share, CONFIDENCE);
            json!({ "rate": share.rate(), "part": share.part, "whole": share.whole, "interval": [low, high] })
        };
        let rows: Vec<Value> = self
            .rows(trial)
            .into_iter()
            .map(|(at, point)| match point {
                Some(p) => json!({ "at": at, "distance": p.distance, "fpir": share(p.fpir), "fnir": share(p.fnir) }),
                None => json!({ "at": at, "distance": null }),
            })
            .collect();
        json!({
            "model": model,
            "people": trial.size,
            "templates": trial.templates,
            "searches": trial.members.len(),
            "strangers": trial.strangers.len(),
            "not_taken": not_taken.iter().map(LeftOut::json).collect::<Vec<_>>(),
            "interval": "Clopper-Pearson 95 %",
            "cuts": rows,
        })
    }
}

/// The direction of the mean of unit vectors; `None` without any, or if they cancel out.
fn mean(vectors: &[Box<[f32]>]) -> Option<Box<[f32]>> {
    let model = ModelId::new("mean");
    let units = vectors.iter().map(|vector| Embedding::normalised(model.clone(), vector.clone()));
    let units: Vec<Embedding> = units.collect::<Option<_>>()?;
    Some(Embedding::mean(&units.iter().collect::<Vec<_>>())?.values().into())
}

/// The photographs of strangers: in one folder per person, or in any folders.
fn strangers(folder: &Path) -> Result<(Vec<Photograph>, Vec<LeftOut>), DatasetError> {
    match dataset::people(folder) {
        Err(DatasetError::NoPeople { .. }) => dataset::all_photographs(folder),
        other => other,
    }
}

/// Checks that no stranger is enrolled.
fn check_disjoint(gallery: &[Photograph], strangers: &[Photograph]) -> Result<()> {
    let enrolled: BTreeSet<&str> = gallery.iter().map(|p| p.person.as_str()).collect();
    let both: BTreeSet<&str> = strangers.iter().map(|p| p.person.as_str()).filter(|p| enrolled.contains(p)).collect();
    match both.first() {
        None => Ok(()),
        Some(first) => bail!(
            "{} people are in the gallery and among the strangers, for example {first}: each person must be in one of the two",
            both.len()
        ),
    }
}

/// Shuffles by `seed`. People with probes come first, so that small galleries have searches.
fn shuffle(people: &mut [Member], seed: u64) {
    fastrand::Rng::with_seed(seed).shuffle(people);
    people.sort_by_key(|person| person.probes.is_empty() && person.failed == 0);
}

fn curve(trial: &Trial) -> Curve {
    let points = trial.strangers.iter().map(|&d| trial.at(d)).map(|p| (p.fpir.rate(), p.fnir.rate()));
    Curve::stepped(format!("{} people", trial.size), points)
}

fn percent(share: Share) -> String {
    format!("{:.2} %", share.rate() * 100.0)
}

fn interval(share: Share) -> String {
    let (low, high) = clopper_pearson(share, CONFIDENCE);
    format!("{:.2} to {:.2}", low * 100.0, high * 100.0)
}
