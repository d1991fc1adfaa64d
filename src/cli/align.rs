//! `usher align`: cuts the faces out of a data set.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::context::{Context, progress_bar};
use crate::lab::align::{AlignSettings, Outcome, align_photograph};
use crate::lab::aligned::AlignedFolder;
use crate::lab::dataset::{self, LeftOut};
use crate::lab::template::{TEMPLATES, Template};
use crate::lab::walk::{default_threads, walk};
use crate::vision::manifest::{Alignment, MarginOf};

/// The pipeline needs an embedder, although no face is embedded here. This one is always shipped, whatever the configuration selects.
const ANY_EMBEDDER: &str = "mobilefacenet";

/// Cut the faces out of a data set with one folder per person.
///
/// For each IN/PERSON/NAME.jpg, writes OUT/PERSON/NAME.png, upright and square, like the FaceNet project's align_dataset_mtcnn: the
/// detector's box with a margin, resized. If there are several faces, the principal one is used: large and near the middle (area minus
/// twice the squared distance from the centre). OUT/bounding_boxes_00000.txt gets a line `path x1 y1 x2 y2` for each face, or only the
/// path if there is none.
///
/// Existing faces are skipped, so the next run completes one that was stopped; partial files are never left. Several runs may share one
/// OUT: give each --random-order and a different --seed. Files that cannot be read are listed and counted.
///
/// With --alignment five-point, the five landmarks are mapped to a template instead, as ArcFace, SFace, MobileFaceNet and dlib need. With
/// --alignment frontal, the face is also turned to the front, triangle by triangle, by the pose of a mean face fitted to the landmarks.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  usher align lfw/ lfw_160/                                  for FaceNet: box, 160 pixels, margin 32\n  \
    usher align --image-size 182 --margin 44 faces/ faces_182/ for training FaceNet\n  \
    usher align --alignment five-point lfw/ lfw_112/           for ArcFace and similar networks\n  \
    usher align --alignment frontal --image-size 152 lfw/ lfw_152/  for DeepFace's network"
)]
pub struct Align {
    /// The data set: one folder per person
    #[arg(value_name = "IN")]
    data: PathBuf,
    /// The folder for the faces; created if necessary
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Side of an aligned face in pixels [default: 160, or the template's]
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(16..=1024))]
    image_size: Option<u32>,
    /// Pixels around the box, half of them on each side
    #[arg(long, value_name = "PX", default_value_t = 32, value_parser = clap::value_parser!(u32).range(0..=1024))]
    margin: u32,
    /// The pixels that the margin is measured in: the photograph's, as in the FaceNet project, or the output's, which suits faces of all sizes
    #[arg(long, value_name = "WHOSE", value_enum, default_value_t = Margin::Photograph)]
    margin_of: Margin,
    /// How a face is cut out
    #[arg(long, value_enum, default_value_t = Kind::Box)]
    alignment: Kind,
    /// The positions of the landmarks (five-point) or of a mean face's landmarks (frontal)
    #[arg(long, value_name = "NAME", default_value = "arcface-112", value_parser = template_names())]
    template: String,
    /// All faces of a photograph, as NAME_0.png, NAME_1.png, …, best score first
    #[arg(long)]
    multiple: bool,
    /// Process the photographs in random order
    #[arg(long)]
    random_order: bool,
    /// The seed of the random order
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The smallest face, in pixels of its shorter side
    #[arg(long, value_name = "PX", default_value_t = 20, value_parser = clap::value_parser!(u32).range(20..=1000))]
    min_face: u32,
    /// Photographs to process at once [default: one per processor, if there are 256 MB of memory for each]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The detector's box with a margin
    Box,
    /// The five landmarks, mapped to a template
    FivePoint,
    /// The face turned to the front, mapped to a template
    Frontal,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Margin {
    Photograph,
    Output,
}

fn template_names() -> clap::builder::PossibleValuesParser {
    TEMPLATES.map(|template| template.name).into()
}

/// The results of a run.
#[derive(Default)]
struct Summary {
    photographs: usize,
    /// Existed before this run.
    existing: usize,
    aligned: usize,
    faces: usize,
    no_face: Vec<String>,
    /// With the reason.
    unreadable: Vec<(String, String)>,
    /// Entries that are not photographs in a person's folder.
    left_out: Vec<LeftOut>,
    spent: Duration,
}

impl Align {
    pub fn run(self, context: &Context) -> Result<()> {
        let settings = self.settings()?;
        let (mut photographs, left_out) = dataset::people(&self.data)?;
        if self.random_order {
            fastrand::Rng::with_seed(self.seed).shuffle(&mut photographs);
        }
        let mut folder = AlignedFolder::open(&self.out, &self.data, self.multiple)?;
        let jobs = folder.jobs(photographs);
        let threads = self.threads.map_or_else(default_threads, |n| n as usize).min(jobs.len());
        let mut visions = context.many_eyes(threads, Some(self.min_face), Some(ANY_EMBEDDER))?;
        let (bar, start) = (progress_bar(jobs.len(), "photographs"), Instant::now());
        let mut summary = Summary { photographs: jobs.len(), left_out, ..Summary::default() };
        walk(
            &jobs,
            &mut visions,
            // Checked here and not earlier, so that concurrent runs skip each other's results.
            |vision, job| (!job.is_done()).then(|| align_photograph(vision, &job.photograph.file, &settings)),
            |job, outcome| {
                let file = || job.photograph.file.display().to_string();
                match outcome {
                    None => summary.existing += 1,
                    Some(Outcome::Faces(faces)) => {
                        folder.write(job, &faces)?;
                        summary.aligned += 1;
                        summary.faces += faces.len();
                    }
                    Some(Outcome::NoFace) => {
                        folder.note_no_face(job)?;
                        summary.no_face.push(file());
                    }
                    Some(Outcome::Unreadable(why)) => summary.unreadable.push((file(), why)),
                }
                bar.inc(1);
                anyhow::Ok(())
            },
        )?;
        bar.finish_and_clear();
        summary.spent = start.elapsed();
        summary.print(self.json)
    }

    fn settings(&self) -> Result<AlignSettings> {
        let template = Template::named(&self.template).ok_or_else(|| anyhow!("no template {}", self.template))?;
        let own = match self.alignment {
            Kind::Box => 160,
            Kind::FivePoint | Kind::Frontal => template.side,
        };
        let side = self.image_size.map_or(own, |px| px as usize);
        let alignment = match self.alignment {
            Kind::FivePoint => Alignment::FivePoint { template: template.scaled_to(side) },
            Kind::Frontal => Alignment::Frontal { template: template.scaled_to(side) },
            Kind::Box if self.margin_of == Margin::Output && self.margin as usize >= side => {
                bail!("a margin of {} of {side} pixels leaves no room for the face", self.margin)
            }
            Kind::Box => Alignment::Box {
                margin: self.margin as f32,
                margin_of: match self.margin_of {
                    Margin::Photograph => MarginOf::Photograph,
                    Margin::Output => MarginOf::Input,
                },
            },
        };
        Ok(AlignSettings { alignment, side, multiple: self.multiple })
    }
}

impl Summary {
    fn print(&self, as_json: bool) -> Result<()> {
        let processed = self.photographs - self.existing;
        let rate = processed as f64 / self.spent.as_secs_f64().max(1e-9);
        let mut out = std::io::stdout().lock();
        if as_json {
            let unreadable: Vec<_> =
                self.unreadable.iter().map(|(file, reason)| json!({ "file": file, "reason": reason })).collect();
            let report = json!({
                "photographs": self.photographs, "existing": self.existing, "aligned": self.aligned, "faces": self.faces,
                "no_face": self.no_face, "unreadable": unreadable,
                "left_out": self.left_out.iter().map(LeftOut::json).collect::<Vec<_>>(),
                "seconds": self.spent.as_secs_f64(), "photographs_per_second": rate,
            });
            writeln!(out, "{report}")?;
            return Ok(());
        }
        for (file, why) in &self.unreadable {
            note!("unreadable: {file}: {why}");
        }
        for file in &self.no_face {
            note!("no face: {file}");
        }
        for LeftOut { path, why } in &self.left_out {
            note!("left out: {}: {why}", path.display());
        }
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        for (what, count) in [
            ("photographs", self.photographs),
            ("already done", self.existing),
            ("aligned now", self.aligned),
            ("faces written", self.faces),
            ("without a face", self.no_face.len()),
            ("unreadable", self.unreadable.len()),
            ("left out", self.left_out.len()),
        ] {
            table.add_row([what.to_owned(), count.to_string()]);
        }
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
        writeln!(out, "{table}\n{processed} photographs in {:.1} s, {rate:.1} per second", self.spent.as_secs_f64())?;
        Ok(())
    }
}
