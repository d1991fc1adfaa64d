//! A known-answer test at each start: the networks must find the only face in a drawn picture. This detects a runtime that computes wrongly
//! without an error.

use anyhow::{Result, bail};

use crate::domain::Image;
use crate::lab::drawing;
use crate::vision::Vision;
use crate::vision::mtcnn::DetectorSettings;
use crate::vision::runtime::Processor;

/// The width of the drawn face in its picture, in pixels.
const FACE_PX: f32 = 160.0;

/// Runs the networks on the drawn face. Does nothing where the thresholds are above the defaults: they may rightly reject a drawing.
///
/// # Errors
/// The face is not found in its place, or its embedding is not a unit vector.
pub fn self_check(vision: &mut Vision, settings: &DetectorSettings) -> Result<()> {
    let usual = DetectorSettings::default();
    if settings.thresholds.iter().zip(usual.thresholds).any(|(own, usual)| *own > usual) {
        return Ok(());
    }
    let Some((picture, scale)) = picture(settings.min_face_px) else { return Ok(()) };
    let wrong = match vision.see(&picture) {
        Ok(seen) => match &seen[..] {
            [one] => {
                let centre = one.face.bounds.centre();
                let (x, y) = (centre.x / scale, centre.y / scale);
                let length: f32 = one.embedding.values().iter().map(|v| v * v).sum();
                let there = (x - 320.0).abs() < FACE_PX / 2.0 && (y - 240.0).abs() < FACE_PX / 2.0;
                match (there, (length - 1.0).abs() < 1e-2) {
                    (true, true) => return Ok(()),
                    (false, _) => format!("the face was found at {x:.0}, {y:.0} instead of in the middle"),
                    (_, false) => format!("the embedding has the length {length} instead of 1"),
                }
            }
            faces => format!("{} faces were found instead of one", faces.len()),
        },
        Err(error) => error.to_string(),
    };
    let why = Processor::here().doubtful().unwrap_or_else(|| "its runtime does not fit this machine".to_owned());
    bail!(
        "the networks give wrong answers here: on a drawn face {wrong} ({why}). Nobody would be recognised. Install the LiteRT that \
         `script/setup` fetches, set [runtime] accelerators to \"cpu\", or use another computer"
    )
}

/// The drawn face at a size that suits a detector of that smallest face, and its scale relative to the drawing.
fn picture(min_face_px: u32) -> Option<(Image, f32)> {
    let drawn = drawing::face()?;
    let (width, height) = (drawn.width() as usize, drawn.height() as usize);
    // At least one and a half times the smallest face.
    let wanted = min_face_px as f32 * 1.5 / FACE_PX;
    if wanted <= 0.5 {
        return Some((at(&drawn, width / 2, height / 2)?, 0.5));
    }
    let mut times = 1;
    while (times as f32) < wanted {
        times *= 2;
    }
    Some((at(&drawn, width * times, height * times)?, times as f32))
}

/// The picture in another size, by nearest neighbour.
fn at(drawn: &Image, width: usize, height: usize) -> Option<Image> {
    let (own_width, own_height) = (drawn.width() as usize, drawn.height() as usize);
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let from = (y * own_height / height * own_width + x * own_width / width) * 3;
            rgb.extend_from_slice(drawn.rgb().get(from..from + 3)?);
        }
    }
    Image::new(width as u32, height as u32, rgb)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::vision::VisionSettings;
    use crate::vision::runtime::Runtime;

    #[test]
    fn the_drawn_face_is_found_by_detectors_of_any_smallest_face() {
        let runtime = Runtime::load(None).expect("script/setup fetches LiteRT");
        let models = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/models"));
        for min_face_px in [20, 40, 53, 54, 80, 120, 200, 400] {
            let detector = DetectorSettings { min_face_px, ..DetectorSettings::default() };
            let settings = VisionSettings { detector, ..VisionSettings::default() };
            let mut vision = Vision::open(&runtime, models, &settings).unwrap();
            self_check(&mut vision, &detector).unwrap_or_else(|error| panic!("{min_face_px}: {error}"));
        }
    }

    #[test]
    fn networks_that_find_no_face_are_reported() {
        let runtime = Runtime::load(None).expect("script/setup fetches LiteRT");
        let models = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/models"));
        // This detector misses faces of this size, as a wrong runtime misses all.
        let detector = DetectorSettings { min_face_px: 400, ..DetectorSettings::default() };
        let mut vision =
            Vision::open(&runtime, models, &VisionSettings { detector, ..VisionSettings::default() }).unwrap();
        let error = self_check(&mut vision, &DetectorSettings::default()).unwrap_err().to_string();
        assert!(error.contains("wrong answers") && error.contains("0 faces were found instead of one"), "{error}");
    }
}
