//! `usher detect`: finds faces in photographs, and draws them.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use crate::api::template::{self, corners};
use crate::domain::{Face, Image, Quality};
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
    /// Draw the faces of a single photograph into this picture (PNG or JPEG, by its name)
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
                for (face, quality) in &faces {
                    writeln!(out, "  {}", describe(face, quality))?;
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
    format!(
        "({:.0}, {:.0}) to ({:.0}, {:.0}), score {:.3}, {:.0} px, sharpness {:.0}, yaw {:.0}°, pitch {:.0}°{length}",
        b.x1, b.y1, b.x2, b.y2, face.score.0, quality.size, quality.sharpness, quality.yaw, quality.pitch
    )
}

/// Colours of the lines.
const BOUNDS: [u8; 3] = [40, 220, 90];
const LANDMARK: [u8; 3] = [255, 60, 60];

/// Draws the bounds and landmarks of `faces` into `image` and writes it to `path`.
fn draw_faces<'a>(mut image: Image, faces: impl Iterator<Item = &'a Face>, path: &Path) -> Result<()> {
    // Thick enough to be visible when a large picture is shown small.
    let thick = (image.width().max(image.height()) / 400).max(1) as i64;
    for face in faces {
        let [x1, y1, x2, y2] = [face.bounds.x1, face.bounds.y1, face.bounds.x2, face.bounds.y2].map(|v| v as i64);
        fill(&mut image, [x1, y1, x2, y1 + thick], BOUNDS);
        fill(&mut image, [x1, y2 - thick, x2, y2], BOUNDS);
        fill(&mut image, [x1, y1, x1 + thick, y2], BOUNDS);
        fill(&mut image, [x2 - thick, y1, x2, y2], BOUNDS);
        for point in face.landmarks {
            let (x, y) = (point.x as i64, point.y as i64);
            fill(&mut image, [x - thick, y - thick, x + thick + 1, y + thick + 1], LANDMARK);
        }
    }
    let (width, height) = (image.width(), image.height());
    image::save_buffer(path, image.rgb(), width, height, image::ExtendedColorType::Rgb8)
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// Fills the part of a rectangle that is inside the picture.
fn fill(image: &mut Image, [x1, y1, x2, y2]: [i64; 4], colour: [u8; 3]) {
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    let (x1, x2) = (x1.clamp(0, width) as usize, x2.clamp(0, width) as usize);
    for y in y1.clamp(0, height)..y2.clamp(0, height) {
        let rows = image.rgb_mut().chunks_exact_mut((width * 3) as usize);
        for pixel in rows.skip(y as usize).take(1).flat_map(|row| row.chunks_exact_mut(3)).take(x2).skip(x1) {
            pixel.copy_from_slice(&colour);
        }
    }
}
