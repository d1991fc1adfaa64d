//! Calibration on a folder of labelled photographs.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::super::context::Context;
use super::super::evaluate::crowd::Crowd;
use super::super::evaluate::looking::told;
use super::super::evaluate::measuring::write_plot;
use super::super::progress::bar;
use super::Calibrate;
use crate::access::{Calibration, Cut, VISIT_PICTURES};
use crate::domain::GallerySize;
use crate::lab::calibrate::{Crossed, Pair, cross};
use crate::lab::crowd::{self, LeftOut, Photograph};
use crate::lab::distribution;
use crate::lab::features::Form;
use crate::lab::interval::{CONFIDENCE, clopper_pearson};
use crate::lab::plot;
use crate::lab::repeats::{Repeats, repeats};
use crate::lab::roc::Share;
use crate::setup::house::{SITE_CALIBRATIONS, calibration};
use crate::vision::calibration_file::{CalibrationFile, FORMAT, file_name};

/// The false match rates that the table tells.
const RATES: [f64; 7] = [1e-2, 3e-3, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7];
/// The sizes of galleries that distances are told for.
const GALLERIES: [usize; 4] = [10, 100, 1000, 10_000];
/// Templates of each person that they are told for.
const TEMPLATES: [usize; 2] = [1, 5];
/// Steps of 1e-4 in a bar of the drawing.
const BAR_STEPS: usize = 200;
/// Worst pairs that are told.
const TOLD: usize = 10;

/// Measures, tells, and writes what was asked for.
pub fn run(order: &Calibrate, folder: &Path, context: &Context) -> Result<()> {
    // What cannot be written is found out before the work, not after.
    let config = match order.write {
        true => Some(context.config().context("--write puts the result beside the store of the configuration")?),
        false => None,
    };
    let mut left_out = Vec::new();
    let photographs = joined(chosen(told(crowd::people(folder)?, &mut left_out), order.only.as_deref())?, &order.same)?;
    let mut extractors = order.eyes.extractors(Form::default(), context)?;
    let crowd = Crowd::look(&photographs, left_out, &mut extractors)?;

    let bar = bar(crowd.people.len(), "people compared");
    let crossed = cross(&crowd.people, |done| bar.set_position(done as u64));
    bar.finish_and_clear();
    if crossed.impostor.count() == 0 {
        bail!("faces of at least two people are needed; {} has those of {}", folder.display(), crowd.people.len());
    }
    let repeats = repeats(&crowd.people);
    let entry = extractors[0].vision().entry();
    let what = order.describe.clone().unwrap_or_else(|| {
        folder.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
    });
    let file = CalibrationFile {
        format: FORMAT,
        model: entry.id().to_string(),
        measured: format!("{what}; usher {}'s own detector and embedder", env!("CARGO_PKG_VERSION")),
        people: crowd.people.len() as u64,
        photographs: crowd.photographs as u64,
        impostor_pairs: crossed.impostor.count(),
        genuine_pairs: crossed.genuine.count(),
        repeats: repeats.map(|repeats| repeats.exponent),
        impostor: crossed.impostor.rates(),
        genuine: crossed.genuine.rates(),
    };
    // Also where nothing is written: whether the photographs suffice is worth knowing.
    let calibration = calibration(&file);

    let mut out = std::io::stdout().lock();
    let report = Report {
        order,
        crowd: &crowd,
        crossed: &crossed,
        file: &file,
        calibration: calibration.as_ref().ok(),
        repeats,
    };
    match order.json {
        true => writeln!(out, "{}", report.json())?,
        false => report.text(&mut out)?,
    }
    if let Some(path) = &order.plot {
        write_plot(path, report.plot())?;
    }
    let target = match (&config, &order.out) {
        (Some(config), _) => Some(config.store.path.join(SITE_CALIBRATIONS).join(file_name(&entry.name))),
        (None, out) => out.clone(),
    };
    if let Some(path) = target {
        calibration.context("the result was not written")?;
        file.save(&path)?;
        eprintln!("usher: written: {}", path.display());
        if order.write {
            eprintln!("usher: a running daemon takes it at its next start");
        }
    }
    Ok(())
}

/// Those of the people that the list names; all without a list.
fn chosen(photographs: Vec<Photograph>, only: Option<&Path>) -> Result<Vec<Photograph>> {
    let Some(list) = only else { return Ok(photographs) };
    let text = std::fs::read_to_string(list).with_context(|| format!("{} cannot be read", list.display()))?;
    let fields = text.lines().flat_map(|line| line.split('\t')).map(str::trim);
    let names: BTreeSet<&str> = fields.filter(|f| !f.is_empty() && f.parse::<u64>().is_err()).collect();
    let there: BTreeSet<&str> = photographs.iter().map(|p| p.person.as_str()).collect();
    if let Some(missing) = names.iter().find(|name| !there.contains(*name)) {
        bail!("{} names {missing}, of whom there is no folder", list.display());
    }
    let names: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
    Ok(photographs.into_iter().filter(|p| names.contains(&p.person)).collect())
}

/// The photographs of `B` go to `A`, for each `A=B`.
fn joined(mut photographs: Vec<Photograph>, same: &[String]) -> Result<Vec<Photograph>> {
    for pair in same {
        let Some((one, other)) = pair.split_once('=') else { bail!("--same {pair}: two folders are wanted, as A=B") };
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

/// All that is told.
struct Report<'a> {
    order: &'a Calibrate,
    crowd: &'a Crowd,
    crossed: &'a Crossed,
    file: &'a CalibrationFile,
    /// `None` where the photographs are too few.
    calibration: Option<&'a Calibration>,
    /// `None` where that could not be measured at rates that matter.
    repeats: Option<Repeats>,
}

/// A row of the table: a measured rate with its distance, and who falls out there.
struct Row {
    asked: f64,
    point: distribution::Point,
    fnmr: Share,
    torn: Share,
}

impl Report<'_> {
    fn rows(&self) -> Vec<Row> {
        let crossed = self.crossed;
        let row = |asked: &f64| {
            let point = crossed.impostor.at(*asked)?;
            let (fnmr, torn) = (crossed.genuine.share(point.distance), crossed.torn(point.distance));
            Some(Row { asked: *asked, point, fnmr, torn })
        };
        RATES.iter().filter_map(row).collect()
    }

    fn text(&self, out: &mut impl Write) -> Result<()> {
        let (file, crowd) = (self.file, self.crowd);
        writeln!(
            out,
            "{}: {} people, {} photographs with a face, {} without",
            file.model,
            file.people,
            file.photographs,
            crowd.failed.len()
        )?;
        writeln!(out, "{} pairs of two people, {} pairs of one person\n", file.impostor_pairs, file.genuine_pairs)?;
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header(["FMR", "DISTANCE", "FMR, 95 %", "FNMR", "FNMR, 95 %", "PEOPLE WITH A PAIR BEYOND"]);
        for row in self.rows() {
            let (low, high) = clopper_pearson(row.point.share, CONFIDENCE);
            let (fnmr_low, fnmr_high) = clopper_pearson(row.fnmr, CONFIDENCE);
            table.add_row([
                format!("{:e}", row.asked),
                format!("{:.4}", row.point.distance),
                format!("{low:.1e} to {high:.1e}"),
                format!("{:.2} %", row.fnmr.rate() * 100.0),
                format!("{:.2} to {:.2}", fnmr_low * 100.0, fnmr_high * 100.0),
                format!("{} of {}", row.torn.part, row.torn.whole),
            ]);
        }
        writeln!(out, "{table}")?;
        writeln!(
            out,
            "(95 % intervals of Clopper and Pearson; they take pairs as independent, but pairs share people: the truth is wider)\n"
        )?;
        match self.calibration {
            Some(calibration) => {
                writeln!(
                    out,
                    "A gallery of N people takes a stranger for somebody in {} of the visits up to the distance\n  \
                       {:>6}  with 1 template  with 5",
                    self.order.fpir, "N"
                )?;
                for people in GALLERIES {
                    let [one, five] =
                        TEMPLATES.map(|each| calibration.cut(self.order.fpir, GallerySize::of(people, each)));
                    let star = |cut: &Cut| format!("{}{}", cut.distance, if cut.extrapolated { "*" } else { "" });
                    writeln!(out, "  {people:>6}  {:<15}  {}", star(&one), star(&five))?;
                }
                writeln!(
                    out,
                    "(A visit counts as {VISIT_PICTURES} pictures. * extrapolated: fewer than ten pairs were that near)"
                )?;
                match self.repeats {
                    Some(Repeats { exponent, people, events, distance }) => writeln!(
                        out,
                        "Pictures of one face: k of them count as k^{exponent:.3} people (95 % upper bound; {people} people with three or more, \
                         {events} mistakes up to {distance:.3})"
                    )?,
                    None => writeln!(
                        out,
                        "Pictures of one face: each counts as another person; too few people have three to measure it where mistakes are rare"
                    )?,
                }
            }
            None => writeln!(out, "These are too few pairs to choose a distance by: take photographs of more people.")?,
        }
        self.pairs("\nThe people who look most alike (the same person under two names?)", &self.crossed.nearest, out)?;
        self.pairs(
            "\nThe people whose photographs differ most (somebody else among them?)",
            &self.crossed.farthest,
            out,
        )?;
        if !crowd.failed.is_empty() {
            writeln!(out, "\nNot used (all are named above)")?;
            for file in crowd.failed.iter().take(TOLD) {
                writeln!(out, "  {}: {}", file.path.display(), file.why)?;
            }
            if crowd.failed.len() > TOLD {
                writeln!(out, "  and {} more", crowd.failed.len() - TOLD)?;
            }
        }
        Ok(())
    }

    fn pairs(&self, heading: &str, pairs: &[Pair], out: &mut impl Write) -> Result<()> {
        if pairs.is_empty() {
            return Ok(());
        }
        writeln!(out, "{heading}")?;
        for pair in pairs.iter().take(TOLD) {
            let (a, b) = (&self.crowd.names[pair.a.0], &self.crowd.names[pair.b.0]);
            let who = if a == b { a.clone() } else { format!("{a} and {b}") };
            writeln!(out, "  {:.4}  {who}  ({}, {})", pair.distance, self.crowd.file(pair.a), self.crowd.file(pair.b))?;
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
                "people_beyond": row.torn.part, "people_with_pairs": row.torn.whole,
            })
        };
        let pair = |pair: &Pair| {
            json!({
                "distance": pair.distance,
                "a": self.crowd.files[pair.a.0][pair.a.1].display().to_string(),
                "b": self.crowd.files[pair.b.0][pair.b.1].display().to_string(),
            })
        };
        let cut = |(people, each): (usize, usize)| {
            let cut = self.calibration?.cut(self.order.fpir, GallerySize::of(people, each));
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
            "failed_detections": self.crowd.failed.len(),
            "not_taken": self.crowd.failed.iter().chain(&self.crowd.left_out).map(LeftOut::json).collect::<Vec<_>>(),
            "impostor_pairs": self.file.impostor_pairs,
            "genuine_pairs": self.file.genuine_pairs,
            "interval": "Clopper-Pearson 95 %",
            "table": self.rows().into_iter().map(row).collect::<Vec<_>>(),
            "fpir": self.order.fpir,
            "visit_pictures": VISIT_PICTURES,
            "repeats": self.file.repeats,
            "galleries": sizes.filter_map(cut).collect::<Vec<_>>(),
            "nearest": self.crossed.nearest.iter().map(pair).collect::<Vec<_>>(),
            "farthest": self.crossed.farthest.iter().map(pair).collect::<Vec<_>>(),
        })
    }

    fn plot(&self) -> Result<String, plot::PlotError> {
        let bars = |distances: &distribution::Distribution| distances.histogram(BAR_STEPS);
        let told = [1e-2, 1e-3, 1e-4, 1e-5];
        let marks: Vec<(f32, String)> = told
            .iter()
            .filter_map(|&rate| Some((self.crossed.impostor.at(rate)?.distance as f32, format!("FMR {rate:e}"))))
            .collect();
        let title = format!("{}: distances of {} photographs", self.file.model, self.file.photographs);
        plot::distances(&bars(&self.crossed.genuine), &bars(&self.crossed.impostor), 0.02, &marks, &title)
    }
}
