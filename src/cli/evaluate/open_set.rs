//! `usher evaluate open-set`

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::super::context::Context;
use super::looking::{Looking, look, told};
use super::measuring::{rate, write_plot};
use crate::lab::crowd::{self, CrowdError, LeftOut, Photograph};
use crate::lab::interval::{CONFIDENCE, clopper_pearson};
use crate::lab::open_set::{Member, Point, Trial, trials};
use crate::lab::plot::{self, Curve, Upright};
use crate::lab::roc::Share;
use crate::lab::verification::Views;

/// Measure what a door meets: a gallery of enrolled people, and strangers who are none of them.
///
/// Of each person in the gallery's folder the first photographs are enrolled, and the others are searched for. Every stranger is
/// searched for too. At a distance limit, FPIR is the share of strangers who are taken for somebody, and FNIR the share of searches for
/// somebody enrolled that do not give that person. FPIR grows with the gallery: each stranger is compared with everybody.
///
/// Shares come with 95 % intervals of Clopper and Pearson. A door asks for several frames that agree; this is about one photograph.
#[derive(Args)]
#[command(
    after_help = "Example:\n  usher evaluate open-set --gallery staff --strangers visitors --sizes 10,100 --fpir 0.01,0.001"
)]
pub struct OpenSet {
    /// The people who are enrolled: one folder a person
    #[arg(long, value_name = "DIR")]
    gallery: PathBuf,
    /// Photographs of people who are not in the gallery
    #[arg(long, value_name = "DIR")]
    strangers: PathBuf,
    /// Sizes of the gallery, in people; that of all people is always added
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [10, 100, 1000])]
    sizes: Vec<usize>,
    /// Rates of false alarms to find the distance limit for
    #[arg(long, value_name = "RATE,…", value_delimiter = ',', default_values_t = [0.1, 0.01, 0.001], value_parser = rate)]
    fpir: Vec<f64>,
    /// Distance limits to tell the errors at
    #[arg(long, value_name = "D,…", value_delimiter = ',')]
    distance: Vec<f32>,
    /// Photographs enrolled of each person
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    enrolled: u16,
    /// Chooses who is in the smaller galleries
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Print JSON, one object a gallery
    #[arg(long)]
    json: bool,
    /// Draw FNIR over FPIR for each size into this SVG file
    #[arg(long, value_name = "OUT.svg")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    looking: Looking,
}

/// A gallery of a data set, in the order of enrolment.
#[derive(Default)]
struct Gallery {
    people: Vec<Member>,
    /// People none of whose photographs shows a face.
    without_template: usize,
}

impl OpenSet {
    pub fn run(self, context: &Context) -> Result<()> {
        let mut left_out = Vec::new();
        let photographs = told(crowd::people(&self.gallery)?, &mut left_out);
        let strangers = told(strangers(&self.strangers)?, &mut left_out);
        apart(&photographs, &strangers)?;
        let mut extractors = self.looking.extractors(context)?;
        let files: Vec<PathBuf> = photographs.iter().chain(&strangers).map(|p| p.file.clone()).collect();
        let looked = look(&files, &mut extractors)?;
        left_out.extend(looked.failed);
        let (of_people, of_strangers) = looked.views.split_at(photographs.len());

        let mut gallery = self.enrol(&photographs, of_people);
        shuffle(&mut gallery.people, self.seed);
        let vectors: Vec<Box<[f32]>> = of_strangers.iter().flat_map(|views| views.0.clone()).collect();
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
            eprintln!("usher: a gallery of {size} is left out: there are {all} people");
        }
        let sizes = [&self.sizes[..], &[all]].concat();
        let found = trials(&gallery.people, &vectors, &sizes);
        let model = extractors[0].vision().model().to_string();
        let mut out = std::io::stdout().lock();
        for trial in &found {
            match self.json {
                true => writeln!(out, "{}", self.json(trial, &model, &left_out))?,
                false => self.text(trial, &mut out)?,
            }
        }
        if !self.json {
            writeln!(out, "{model}; 95 % intervals of Clopper and Pearson, which take the searches as independent")?;
            let missed = of_strangers.iter().filter(|views| views.0.is_empty()).count();
            if missed > 0 {
                writeln!(
                    out,
                    "no face found in {missed} photographs of strangers; they open nothing and are not counted"
                )?;
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
                    Upright::FromZero,
                    &title,
                    "FPIR: strangers taken for somebody",
                    "FNIR: not recognised",
                ),
            )?;
        }
        Ok(())
    }

    /// The first photographs with a face are templates, the others are searched for.
    fn enrol(&self, photographs: &[Photograph], views: &[Views]) -> Gallery {
        let mut gallery = Gallery::default();
        let numbered: Vec<(&Photograph, &Views)> = photographs.iter().zip(views).collect();
        for own in numbered.chunk_by(|a, b| a.0.person == b.0.person) {
            let mut member = Member::default();
            for (_, views) in own {
                let enrolled = member.templates.len() >= usize::from(self.enrolled);
                match (views.0.first(), enrolled) {
                    (Some(vector), false) => member.templates.push(vector.clone()),
                    (Some(vector), true) => member.probes.push(vector.clone()),
                    (None, true) => member.failed += 1,
                    (None, false) => {}
                }
            }
            match member.templates.is_empty() {
                true => gallery.without_template += 1,
                false => gallery.people.push(member),
            }
        }
        gallery
    }

    /// The rows of a table: why this cut, and the errors at it; `None` where there are too few strangers.
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
        for (why, point) in self.rows(trial) {
            let cells = match point {
                Some(p) => {
                    [why, format!("{:.4}", p.distance), percent(p.fpir), ends(p.fpir), percent(p.fnir), ends(p.fnir)]
                }
                None => [
                    why,
                    "too few strangers to tell".into(),
                    String::new(),
                    String::new(),
                    String::new(),
                    String::new(),
                ],
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
            .map(|(why, point)| match point {
                Some(p) => json!({ "at": why, "distance": p.distance, "fpir": share(p.fpir), "fnir": share(p.fnir) }),
                None => json!({ "at": why, "distance": null }),
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

/// The photographs of strangers: one folder a person, or however they lie.
fn strangers(folder: &Path) -> Result<(Vec<Photograph>, Vec<LeftOut>), CrowdError> {
    match crowd::people(folder) {
        Err(CrowdError::NoPeople { .. }) => crowd::everything(folder),
        other => other,
    }
}

/// Refuses a stranger who is enrolled.
fn apart(gallery: &[Photograph], strangers: &[Photograph]) -> Result<()> {
    let enrolled: BTreeSet<&str> = gallery.iter().map(|p| p.person.as_str()).collect();
    let both: BTreeSet<&str> = strangers.iter().map(|p| p.person.as_str()).filter(|p| enrolled.contains(p)).collect();
    match both.first() {
        None => Ok(()),
        Some(first) => bail!(
            "{} people are in the gallery and among the strangers, {first} is one of them: each person must be in one of the two",
            both.len()
        ),
    }
}

/// An order by chance, always the same for one seed; whoever can be searched for comes first, so that small galleries tell something.
fn shuffle(people: &mut [Member], seed: u64) {
    fastrand::Rng::with_seed(seed).shuffle(people);
    people.sort_by_key(|person| person.probes.is_empty() && person.failed == 0);
}

fn curve(trial: &Trial) -> Curve {
    let points = trial.strangers.iter().map(|&d| trial.at(d)).map(|p| (p.fpir.rate(), p.fnir.rate()));
    Curve { name: format!("{} people", trial.size), points: points.collect() }
}

fn percent(share: Share) -> String {
    format!("{:.2} %", share.rate() * 100.0)
}

fn ends(share: Share) -> String {
    let (low, high) = clopper_pearson(share, CONFIDENCE);
    format!("{:.2} to {:.2}", low * 100.0, high * 100.0)
}
