//! `usher detect`: finds faces in photographs, and draws them.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::marking::draw_faces;
use crate::api::template::{self, corners};
use crate::domain::{Chroma, Face, Quality};
use crate::photo;

/// Find faces in photographs.
///
/// Prints a line for each face, or with --json an object for each photograph:
/// {"file":…,"faces":[{"box":[x1,y1,x2,y2],"score":…,"landmarks":[[x,y]×5],"quality":{…}}]}, in pixels of the upright picture.
#[derive(Args)]
pub struct Detect {
    /// JPEG, PNG, BMP or WebP files
    #[arg(required = true)]
    photos: Vec<PathBuf>,
    /// Print JSON, one object per line
    #[arg(long)]
    json: bool,
    /// Draw the faces of a single photograph, with their numbers in the list, into this picture (PNG or JPEG, by its name)
    #[arg(long, value_name = "OUT.png")]
    draw: Option<PathBuf>,
    /// The smallest face, in pixels of its shorter side [default: the configuration's, else 40]
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(20..=1000))]
    min_face: Option<u32>,
}

impl Detect {
    pub fn run(self, context: &Context) -> Result<()> {
        if self.draw.is_some() && self.photos.len() > 1 {
            bail!("--draw takes one photograph");
        }
        let mut vision = context.eyes(self.min_face)?;
        let mut out = std::io::stdout().lock();
        let mut failed = 0;
        for file in &self.photos {
            let image = match photo::load(file) {
                Ok(image) => image,
                Err(error) => {
                    failed += 1;
                    refuse(&mut out, self.json, file, &error.to_string())?;
                    continue;
                }
            };
            let faces: Vec<(Face, Quality)> = vision
                .detect(&image)?
                .into_iter()
                .map(|face| {
                    let quality = vision.judge(&image, &face);
                    (face, quality)
                })
                .collect();
            if self.json {
                let faces: Vec<Value> = faces.iter().map(|(face, quality)| face_json(face, quality)).collect();
                writeln!(out, "{}", json!({ "file": file.display().to_string(), "faces": faces }))?;
            } else {
                writeln!(out, "{}: {}", file.display(), count(faces.len()))?;
                for (number, (face, quality)) in (1..).zip(&faces) {
                    writeln!(out, "  {}{}", label(self.draw.is_some(), number), describe(face, quality))?;
                }
            }
            if let Some(path) = &self.draw {
                draw_faces(image, faces.iter().map(|(face, _)| face), path)?;
            }
        }
        match failed {
            0 => Ok(()),
            n => bail!("{n} of {} photographs could not be read", self.photos.len()),
        }
    }
}

/// Prints a photograph's error in place of its result.
pub fn refuse(out: &mut impl Write, json: bool, file: &Path, error: &str) -> Result<()> {
    match json {
        true => writeln!(out, "{}", json!({ "file": file.display().to_string(), "error": error }))?,
        false => note!("usher: {error}"),
    }
    Ok(())
}

/// `no face`, `1 face`, `2 faces`.
pub fn count(faces: usize) -> String {
    match faces {
        0 => "no face".into(),
        1 => "1 face".into(),
        n => format!("{n} faces"),
    }
}

/// The number of a face before its line, where the picture has it, too.
pub fn label(drawn: bool, number: usize) -> String {
    if drawn { format!("{number}: ") } else { String::new() }
}

/// A face as JSON.
pub fn face_json(face: &Face, quality: &Quality) -> Value {
    json!({
        "box": corners(&face.bounds),
        "score": face.score.0,
        "landmarks": face.landmarks.map(|p| [p.x, p.y]),
        "quality": template::Quality::from(quality),
    })
}

/// A face as text.
pub fn describe(face: &Face, quality: &Quality) -> String {
    let b = &face.bounds;
    let length = quality.length.map_or_else(String::new, |length| format!(", embedding's length {length:.2}"));
    let grey = if quality.chroma == Chroma::Grey { ", grey" } else { "" };
    format!(
        "({:.0}, {:.0}) to ({:.0}, {:.0}), score {:.3}, {:.0} px, sharpness {:.0}, yaw {:.0}°, pitch {:.0}°{grey}{length}",
        b.x1, b.y1, b.x2, b.y2, face.score.0, quality.size, quality.sharpness, quality.yaw, quality.pitch
    )
}
