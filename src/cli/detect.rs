//! `usher detect`

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::draw;
use crate::api::template::{self, corners};
use crate::domain::{Face, Quality};
use crate::photo;

/// Find faces in photographs.
///
/// Prints one line a face, or with --json one object a photograph:
/// {"file":…,"faces":[{"box":[x1,y1,x2,y2],"score":…,"landmarks":[[x,y]×5],"quality":{…}}]}, in pixels of the upright picture.
#[derive(Args)]
pub struct Detect {
    /// JPEG, PNG, BMP or WebP files
    #[arg(required = true)]
    photos: Vec<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
    /// Draw the faces of the one photograph into this picture (PNG or JPEG by its name)
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
        let mut eyes = context.eyes(self.min_face)?;
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
            let faces: Vec<(Face, Quality)> = eyes
                .detect(&image)?
                .into_iter()
                .map(|face| {
                    let quality = eyes.judge(&image, &face);
                    (face, quality)
                })
                .collect();
            if self.json {
                let faces: Vec<Value> = faces.iter().map(|(face, quality)| face_json(face, quality)).collect();
                writeln!(out, "{}", json!({ "file": file.display().to_string(), "faces": faces }))?;
            } else {
                writeln!(out, "{}: {}", file.display(), count(faces.len()))?;
                for (face, quality) in &faces {
                    writeln!(out, "  {}", describe(face, quality))?;
                }
            }
            if let Some(path) = &self.draw {
                draw::faces(image, faces.iter().map(|(face, _)| face), path)?;
            }
        }
        match failed {
            0 => Ok(()),
            n => bail!("{n} of {} photographs could not be read", self.photos.len()),
        }
    }
}

/// Says what is wrong with a photograph, where its result would have stood.
pub fn refuse(out: &mut impl Write, json: bool, file: &Path, error: &str) -> Result<()> {
    match json {
        true => writeln!(out, "{}", json!({ "file": file.display().to_string(), "error": error }))?,
        false => eprintln!("usher: {error}"),
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

/// A face for machines.
pub fn face_json(face: &Face, quality: &Quality) -> Value {
    json!({
        "box": corners(&face.bounds),
        "score": face.score.0,
        "landmarks": face.landmarks.map(|p| [p.x, p.y]),
        "quality": template::Quality::from(quality),
    })
}

/// A face for people.
pub fn describe(face: &Face, quality: &Quality) -> String {
    let b = &face.bounds;
    format!(
        "({:.0}, {:.0}) to ({:.0}, {:.0}), score {:.3}, {:.0} px, sharpness {:.0}, yaw {:.0}°, pitch {:.0}°",
        b.x1, b.y1, b.x2, b.y2, face.score.0, quality.size, quality.sharpness, quality.yaw, quality.pitch
    )
}
