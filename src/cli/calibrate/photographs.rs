//! Calibration on a folder of labelled photographs.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::super::evaluate::extraction::{LabelledFaces, photographs_of};
use super::super::evaluate::report::write_plot;
use super::Calibrate;
use crate::access::{Calibration, Cut, VISIT_PICTURES};
use crate::cli::context::{Context, progress_bar};
use crate::domain::{Distance, GallerySize};
use crate::lab::calibrate::{Comparisons, Pair, compare_all};
use crate::lab::dataset::{self, LeftOut, Photograph};
use crate::lab::distribution;
use crate::lab::faces::Form;
use crate::lab::lengths::lengths;
use crate::lab::plot;
use crate::lab::repeats::{Repeats, repeats};
use crate::lab::share::{CONFIDENCE, Share, clopper_pearson};
use crate::setup::house::{SITE_CALIBRATIONS, calibration, near_enough};
use crate::vision::calibration_file::{CalibrationFile, FORMAT, file_name};
use crate::vision::manifest::Model;

/// The false match rates of the table.
const RATES: [f64; 7] = [1e-2, 3e-3, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7];
/// The sizes of galleries for which distances are printed.
const GALLERIES: [usize; 4] = [10, 100, 1000, 10_000];
/// The numbers of templates per person for which they are printed.
const TEMPLATES: [usize; 2] = [1, 5];
/// Steps of 1e-4 in a bar of the drawing.
const BAR_STEPS: usize = 200;
/// The number of worst pairs that are printed.
const SHOWN: usize = 10;

/// Measures, prints, and writes the requested files.
pub fn run(command: &Calibrate, folder: &Path, context: &Context) -> Result<()> {
    // Fails before the work if the result cannot be written.
    let config = match command.write {
        true => Some(context.config().context("--write writes the result beside the configuration's store")?),
        false => None,
    };
    let mut left_out = Vec::new();
    let photographs = photographs_of(dataset::people(folder)?, &mut left_out);
    let photographs = merge_people(only_named(photographs, command.only.as_deref())?, &command.same)?;
    let mut extractors = command.vision.extractors(Form::default(), context)?;
    let faces = LabelledFaces::extract(&photographs, left_out, &mut extractors)?;

    let bar = progress_bar(faces.people.len(), "people compared");
    let comparisons = compare_all(&faces.people, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    if comparisons.impostor.count() == 0 {
        bail!("faces of at least two people are needed; {} has those of {}", folder.display(), faces.people.len());
    }
    let repeats = repeats(&faces.people);
    let entry = extractors.first().context("no networks were opened")?.vision().entry();
    let description = command.describe.clone().unwrap_or_else(|| {
        folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
    });
    let file = CalibrationFile {
        format: FORMAT,
        model: entry.id().to_string(),
        measured: format!("{description}; usher {}'s own detector and embedder", env!("CARGO_PKG_VERSION")),
        people: faces.people.len() as u64,
        photographs: faces.photographs as u64,
        impostor_pairs: comparisons.impostor.count(),
        genuine_pairs: comparisons.genuine.count(),
        repeats: repeats.map(|repeats| repeats.exponent),
        lengths: lengths(faces.lengths.clone()),
        impostor: comparisons.impostor.rates(),
        genuine: comparisons.genuine.rates(),
    };
    // Even if nothing is written, the report says whether there are enough photographs.
    let calibration = calibration(&file);

    let mut out = std::io::stdout().lock();
    let report = Report {
        command,
        faces: &faces,
        comparisons: &comparisons,
        file: &file,
        calibration: calibration.as_ref().ok(),
        repeats,
        limit: limit_in_force(entry, context),
    };
    match command.json {
        true => writeln!(out, "{}", report.json())?,
        false => report.text(&mut out)?,
    }
    if let Some(path) = &command.plot {
        write_plot(path, report.plot())?;
    }
    let target = match (&config, &command.out) {
        (Some(config), _) => Some(config.store.path.join(SITE_CALIBRATIONS).join(file_name(&entry.name))),
        (None, out) => out.clone(),
    };
    if let Some(path) = target {
        calibration.context("the result was not written")?;
        file.save(&path)?;
        note!("usher: written: {}", path.display());
        if command.write {
            note!("usher: a running daemon uses it from its next start on");
        }
    }
    Ok(())
}

/// The photographs of the people that the list names; all without a list.
fn only_named(photographs: Vec<Photograph>, only: Option<&Path>) -> Result<Vec<Photograph>> {
    let Some(list) = only else { return Ok(photographs) };
    let text = std::fs::read_to_string(list).with_context(|| format!("{} cannot be read", list.display()))?;
    let fields = text.lines().flat_map(|line| line.split('\t')).map(str::trim);
    let names: BTreeSet<&str> = fields.filter(|f| !f.is_empty() && f.parse::<u64>().is_err()).collect();
    let existing: BTreeSet<&str> = photographs.iter().map(|p| p.person.as_str()).collect();
    if let Some(missing) = names.iter().find(|name| !existing.contains(*name)) {
        bail!("{} names {missing}, who has no folder", list.display());
    }
    let names: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
    Ok(photographs.into_iter().filter(|p| names.contains(&p.person)).collect())
}

/// Assigns the photographs of `B` to `A`, for each `A=B`.
fn merge_people(mut photographs: Vec<Photograph>, same: &[String]) -> Result<Vec<Photograph>> {
    for pair in same {
        let Some((one, other)) = pair.split_once('=') else { bail!("--same {pair}: give two folders as A=B") };
        for name in [one, other] {
            if !photographs.iter().any(|p| p.person == name) {
                bail!("--same {pair}: there are no photographs of {name}");
            }
        }
        photographs.iter_mut().filter(|p| p.person == other).for_each(|p| p.person = one.to_owned());
    }
    photographs.sort_by(|a, b| a.person.cmp(&b.person));
    Ok(photographs)
}

/// The content of the report.
struct Report<'a> {
    command: &'a Calibrate,
    faces: &'a LabelledFaces,
    comparisons: &'a Comparisons,
    file: &'a CalibrationFile,
    /// `None` if there are too few photographs.
    calibration: Option<&'a Calibration>,
    /// `None` if it could not be measured at sufficiently low rates.
    repeats: Option<Repeats>,
    limit: Option<Distance>,
}

/// The limit for one person with one template by the configuration, if there is one and it is for this model.
fn limit_in_force(model: &Model, context: &Context) -> Option<Distance> {
    let config = context.config_if_any().ok().flatten()?;
    let near_enough = near_enough(&config, model, None).ok()?;
    Some(near_enough.cut(GallerySize::ONE).distance).filter(|_| config.models.embedder == model.name)
}

/// A row of the table: a measured rate with its distance, and the errors at it.
struct Row {
    fmr: f64,
    point: distribution::Point,
    fnmr: Share,
    people_beyond: Share,
}

impl Report<'_> {
    fn rows(&self) -> Vec<Row> {
        let all = self.comparisons;
        let row = |&fmr: &f64| {
            let point = all.impostor.at(fmr)?;
            let (fnmr, people_beyond) = (all.genuine.share(point.distance), all.people_beyond(point.distance));
            Some(Row { fmr, point, fnmr, people_beyond })
        };
        RATES.iter().filter_map(row).collect()
    }

    fn text(&self, out: &mut impl Write) -> Result<()> {
        let (file, faces) = (self.file, self.faces);
        writeln!(
            out,
            "{}: {} people, {} photographs with a face, {} without",
            file.model,
            file.people,
            file.photographs,
            faces.failed.len()
        )?;
        writeln!(out, "{} pairs of two people, {} pairs of one person\n", file.impostor_pairs, file.genuine_pairs)?;
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header(["FMR", "DISTANCE", "FMR, 95 %", "FNMR", "FNMR, 95 %", "PEOPLE WITH A PAIR BEYOND"]);
        for row in self.rows() {
            let (low, high) = clopper_pearson(row.point.share, CONFIDENCE);
            let (fnmr_low, fnmr_high) = clopper_pearson(row.fnmr, CONFIDENCE);
            table.add_row([
                format!("{:e}", row.fmr),
                format!("{:.4}", row.point.distance),
                format!("{low:.1e} to {high:.1e}"),
                format!("{:.2} %", row.fnmr.rate() * 100.0),
                format!("{:.2} to {:.2}", fnmr_low * 100.0, fnmr_high * 100.0),
                format!("{} of {}", row.people_beyond.part, row.people_beyond.whole),
            ]);
        }
        writeln!(out, "{table}")?;
        writeln!(
            out,
            "(95 % intervals by Clopper and Pearson. They assume independent pairs, but pairs share people: the true intervals are wider.)\n"
        )?;
        match self.calibration {
            Some(calibration) => {
                writeln!(
                    out,
                    "Distance limits at which a gallery of N people identifies strangers as someone in {} of their visits\n  \
                       {:>6}  with 1 template  with 5",
                    self.command.fpir, "N"
                )?;
                for people in GALLERIES {
                    let [one, five] =
                        TEMPLATES.map(|each| calibration.cut(self.command.fpir, GallerySize::of(people, each)));
                    let star = |cut: &Cut| format!("{}{}", cut.distance, if cut.extrapolated { "*" } else { "" });
                    writeln!(out, "  {people:>6}  {:<15}  {}", star(&one), star(&five))?;
                }
                writeln!(
                    out,
                    "(A visit counts as {VISIT_PICTURES} pictures. * extrapolated: fewer than ten pairs are that near.)"
                )?;
                match self.repeats {
                    Some(Repeats { exponent, people, events, distance }) => writeln!(
                        out,
                        "Several pictures of one face: k of them count as k^{exponent:.3} people (95 % upper bound; {people} people with at least three \
                         photographs, {events} false matches up to {distance:.3})"
                    )?,
                    None => writeln!(
                        out,
                        "Several pictures of one face: each counts as another person, because too few people have three photographs to measure it"
                    )?,
                }
            }
            None => writeln!(out, "There are too few pairs to choose a distance: take photographs of more people.")?,
        }
        self.pairs(
            "\nThe people who look most alike (the same person under two names?)",
            &self.comparisons.nearest,
            out,
        )?;
        self.pairs(
            "\nThe people whose photographs differ most (another person among them?)",
            &self.comparisons.farthest,
            out,
        )?;
        if !faces.failed.is_empty() {
            writeln!(out, "\nNot used (the complete list is above)")?;
            for file in faces.failed.iter().take(SHOWN) {
                writeln!(out, "  {}: {}", file.path.display(), file.why)?;
            }
            if faces.failed.len() > SHOWN {
                writeln!(out, "  and {} more", faces.failed.len() - SHOWN)?;
            }
        }
        Ok(())
    }

    fn pairs(&self, heading: &str, pairs: &[Pair], out: &mut impl Write) -> Result<()> {
        if pairs.is_empty() {
            return Ok(());
        }
        writeln!(out, "{heading}")?;
        let name = |person: usize| self.faces.names.get(person).map_or("", String::as_str);
        let file = |photograph| self.faces.file(photograph).file_name().unwrap_or_default().display();
        for pair in pairs.iter().take(SHOWN) {
            let (a, b) = (name(pair.a.0), name(pair.b.0));
            let who = if a == b { a.to_owned() } else { format!("{a} and {b}") };
            writeln!(out, "  {:.4}  {who}  ({}, {})", pair.distance, file(pair.a), file(pair.b))?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let interval = |share: Share| {
            let (low, high) = clopper_pearson(share, CONFIDENCE);
            json!([low, high])
        };
        let row = |row: Row| {
            json!({
                "fmr": row.point.share.rate(), "fmr_interval": interval(row.point.share), "distance": row.point.distance,
                "fnmr": row.fnmr.rate(), "fnmr_interval": interval(row.fnmr),
                "people_beyond": row.people_beyond.part, "people_with_pairs": row.people_beyond.whole,
            })
        };
        let pair = |pair: &Pair| {
            json!({
                "distance": pair.distance,
                "a": self.faces.file(pair.a).display().to_string(),
                "b": self.faces.file(pair.b).display().to_string(),
            })
        };
        let cut = |(people, each): (usize, usize)| {
            let cut = self.calibration?.cut(self.command.fpir, GallerySize::of(people, each));
            let (distance, extrapolated) = (cut.distance.0, cut.extrapolated);
            Some(
                json!({ "people": people, "templates_each": each, "distance": distance, "extrapolated": extrapolated }),
            )
        };
        let sizes = GALLERIES.into_iter().flat_map(|people| TEMPLATES.map(|each| (people, each)));
        json!({
            "model": self.file.model,
            "people": self.file.people,
            "photographs": self.file.photographs,
            "failed_detections": self.faces.failed.len(),
            "not_taken": self.faces.failed.iter().chain(&self.faces.left_out).map(LeftOut::json).collect::<Vec<_>>(),
            "impostor_pairs": self.file.impostor_pairs,
            "genuine_pairs": self.file.genuine_pairs,
            "interval": "Clopper-Pearson 95 %",
            "table": self.rows().into_iter().map(row).collect::<Vec<_>>(),
            "fpir": self.command.fpir,
            "visit_pictures": VISIT_PICTURES,
            "repeats": self.file.repeats,
            "galleries": sizes.filter_map(cut).collect::<Vec<_>>(),
            "nearest": self.comparisons.nearest.iter().map(pair).collect::<Vec<_>>(),
            "farthest": self.comparisons.farthest.iter().map(pair).collect::<Vec<_>>(),
        })
    }

    fn plot(&self) -> Result<String, plot::PlotError> {
        let bars = |distances: &distribution::Distribution| distances.histogram(BAR_STEPS);
        let rates = [1e-2, 1e-3, 1e-4, 1e-5];
        let marks: Vec<(f32, String)> = rates
            .iter()
            .filter_map(|&rate| Some((self.comparisons.impostor.at(rate)?.distance as f32, format!("FMR {rate:e}"))))
            .chain(self.limit.map(|limit| (limit.0, "limit in force, one person".to_owned())))
            .collect();
        let title = format!("{}: distances of {} photographs", self.file.model, self.file.photographs);
        plot::distances(&bars(&self.comparisons.genuine), &bars(&self.comparisons.impostor), 0.02, &marks, &title)
    }
}
