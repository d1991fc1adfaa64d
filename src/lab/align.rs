//! One photograph of a data set to its aligned faces, as PNG files in memory.
//!
//! Knows nothing of where they are kept.

use std::path::Path;

use super::faces::principal;
use crate::domain::{Face, Image};
use crate::photo;
use crate::vision::Vision;
use crate::vision::align::{AlignedFace, region};
use crate::vision::manifest::{Alignment, MarginOf};

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
    let cut_outs = photo::load_reduced(file).map_err(|error| match error {
        // Whoever tells it names the file.
        photo::PhotoError::File { cause, .. } => cause.to_string(),
        other => other.to_string(),
    });
    let source = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match cut_outs.and_then(|(image, times)| cut_all(vision, &image, times, &source, settings)) {
        Ok(faces) if faces.is_empty() => Outcome::NoFace,
        Ok(faces) => Outcome::Faces(faces),
        Err(why) => Outcome::Unreadable(why),
    }
}

/// `times`: how many times smaller than the photograph's the image's sides are.
fn cut_all(
    vision: &mut Vision,
    image: &Image,
    times: u32,
    source: &str,
    settings: &AlignSettings,
) -> Result<Vec<CutOut>, String> {
    let alignment = match settings.alignment.clone() {
        Alignment::Box { margin, margin_of: MarginOf::Photograph } => {
            Alignment::Box { margin: margin / times as f32, margin_of: MarginOf::Photograph }
        }
        other => other,
    };
    let mut faces = vision.detect(image).map_err(|error| error.to_string())?;
    if !settings.multiple {
        faces = principal(&faces, image).into_iter().collect();
    }
    let mut aligned = AlignedFace::default();
    let cut = |face: &Face| {
        vision.cut(image, face, &alignment, settings.side, &mut aligned);
        let (margin, of) = match alignment {
            Alignment::Box { margin, margin_of } => (margin, margin_of),
            Alignment::FivePoint { .. } | Alignment::Frontal { .. } => (0.0, Default::default()),
        };
        let bounds = region(image, face, margin, of, settings.side).map(|side| side * times);
        Ok(CutOut { bounds, png: png(&aligned, source).map_err(|error| error.to_string())? })
    };
    faces.iter().map(cut).collect()
}

/// The keyword under which an aligned face names the file that it was cut from.
const SOURCE: &str = "Source";

/// Small files at little cost: of the encoder's settings, these take a tenth more room than the smallest and a tenth of the time. The file
/// names its source, the photograph's file name.
pub(super) fn png(face: &AlignedFace, source: &str) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, face.side as u32, face.side as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::Adaptive);
    encoder.add_itxt_chunk(SOURCE.to_owned(), source.to_owned())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&face.rgb)?;
    writer.finish()?;
    Ok(bytes)
}

/// The file name of the photograph from which the face in `file` was cut; `None` where the file does not say, as those of usher 0.1.0.
pub fn source_of(file: &Path) -> Option<String> {
    let file = std::io::BufReader::new(std::fs::File::open(file).ok()?);
    let reader = png::Decoder::new(file).read_info().ok()?;
    let text = reader.info().utf8_text.iter().find(|text| text.keyword == SOURCE)?;
    text.get_text().ok()
}
