//! One photograph of a data set to its aligned faces, as PNG files in memory.
//!
//! Knows nothing of where they are kept.

use std::io::Cursor;
use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::faces::principal;
use crate::domain::{Face, Image};
use crate::photo;
use crate::vision::Vision;
use crate::vision::align::{AlignedFace, region};
use crate::vision::manifest::Alignment;

/// What to cut out of each photograph.
#[derive(Clone, Debug, PartialEq)]
pub struct AlignSettings {
    pub alignment: Alignment,
    /// Pixels of the square that a face becomes.
    pub side: usize,
    /// All faces, best score first; else the one that is meant ([`principal`]).
    pub multiple: bool,
}

/// A face cut out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutOut {
    /// Where it was: (x1, y1) up to but without (x2, y2), in whole pixels of the upright photograph. Of an alignment by landmarks the
    /// detector's bounds, of a box with its margin.
    pub bounds: [u32; 4],
    pub png: Vec<u8>,
}

/// What a photograph gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At least one face.
    Faces(Vec<CutOut>),
    NoFace,
    /// It cannot be read or looked at, and why.
    Unreadable(String),
}

/// Finds the faces in the file and cuts them out. What is wrong with one photograph is an outcome, not an end.
pub fn align_photograph(vision: &mut Vision, file: &Path, settings: &AlignSettings) -> Outcome {
    let cut_outs = photo::load(file).map_err(|error| match error {
        // Whoever tells it names the file.
        photo::PhotoError::File { cause, .. } => cause.to_string(),
        other => other.to_string(),
    });
    match cut_outs.and_then(|image| cut_all(vision, &image, settings)) {
        Ok(faces) if faces.is_empty() => Outcome::NoFace,
        Ok(faces) => Outcome::Faces(faces),
        Err(why) => Outcome::Unreadable(why),
    }
}

fn cut_all(vision: &mut Vision, image: &Image, settings: &AlignSettings) -> Result<Vec<CutOut>, String> {
    let mut faces = vision.detect(image).map_err(|error| error.to_string())?;
    if !settings.multiple {
        faces = principal(&faces, image).into_iter().collect();
    }
    let mut aligned = AlignedFace::default();
    let cut = |face: &Face| {
        vision.cut(image, face, &settings.alignment, settings.side, &mut aligned);
        let (margin, of) = match settings.alignment {
            Alignment::Box { margin, margin_of } => (margin, margin_of),
            Alignment::FivePoint { .. } | Alignment::Frontal { .. } => (0.0, Default::default()),
        };
        let bounds = region(image, face, margin, of, settings.side);
        Ok(CutOut { bounds, png: png(&aligned).map_err(|error| error.to_string())? })
    };
    faces.iter().map(cut).collect()
}

/// Small files at little cost: of the encoder's settings, these take a tenth more room than the smallest and a tenth of the time.
fn png(face: &AlignedFace) -> Result<Vec<u8>, image::ImageError> {
    let mut bytes = Cursor::new(Vec::new());
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
    encoder.write_image(&face.rgb, face.side as u32, face.side as u32, ExtendedColorType::Rgb8)?;
    Ok(bytes.into_inner())
}
