//! The passive networks: how much a face, with what is around it, looks like a face and not like a print or a screen.
//!
//! They are not part of usher; `models/build/build liveness` makes a folder of them. Each is shown the face's box, made several times as large
//! about its centre and resized to its input, and gives a score for each of its classes. A softmax makes probabilities of them, and the mean of
//! the networks' probabilities for *real* is the answer (Minivision, "Silent-Face-Anti-Spoofing", 2020).

use std::path::Path;

use super::VisionError;
use super::batch::Batched;
use super::manifest::{LivenessForm, Manifest, ManifestError, Role};
use super::pipeline::place;
use super::quality::LEAST_SATURATION;
use super::runtime::{Accelerator, Placement, Runtime};
use crate::domain::{Bounds, Face, Image, ModelId, Passive, PassiveLimit, Quality};

/// The shorter side of the smallest face that is judged, in pixels.
const LEAST_PX: f32 = 96.0;
/// The least sharpness of a face that is judged, as in [`Quality::sharpness`].
const LEAST_SHARPNESS: f32 = 20.0;
/// How far the scores of the check may be from those in the manifest, as a share of the largest, and besides. Processors round int8 differently by a
/// few steps; a network that computes something else is off by far more.
const CHECK_SHARE: f32 = 0.1;
const CHECK_BESIDES: f32 = 0.1;

/// All liveness networks of a folder, with their scratch memory.
pub struct PassiveNetworks {
    networks: Vec<PassiveNetwork>,
    ids: Vec<ModelId>,
    placements: Vec<(String, Placement)>,
}

struct PassiveNetwork {
    name: String,
    form: LivenessForm,
    side: usize,
    network: Batched,
}

impl PassiveNetworks {
    /// Reads the manifest in `folder`, checks the hash of each liveness network, compiles it, and runs it on a fixed picture.
    ///
    /// # Errors
    /// There is none, or one cannot be read, run, or gives other scores for the picture than its manifest says.
    pub fn open(
        runtime: &Runtime,
        folder: &Path,
        asked: &Accelerator,
        threads: usize,
    ) -> Result<PassiveNetworks, VisionError> {
        let manifest = Manifest::load(folder)?;
        let mut this = PassiveNetworks { networks: Vec::new(), ids: Vec::new(), placements: Vec::new() };
        for entry in manifest.models().filter(|entry| entry.role == Role::Liveness) {
            let Some(form) = entry.liveness.clone() else { continue };
            let (_, placed) = place(runtime, &manifest, &entry.name, Role::Liveness, asked, threads)?;
            this.placements.push((entry.name.clone(), placed.placement().clone()));
            let side = entry.input.width as usize;
            let network = Batched::new(placed, side, &[1])?;
            network.expect_outputs(&[form.classes])?;
            let mut network = PassiveNetwork { name: entry.name.clone(), form, side, network };
            network.check()?;
            this.networks.push(network);
            this.ids.push(entry.id());
        }
        if this.networks.is_empty() {
            let (name, path) = ("liveness".to_owned(), folder.join(super::manifest::FILE));
            return Err(ManifestError::Unknown { name, path, have: "no network of that role".to_owned() }.into());
        }
        Ok(this)
    }

    /// The name of each network with the beginning of its file's hash.
    pub fn ids(&self) -> &[ModelId] {
        &self.ids
    }

    /// Where each network runs.
    pub fn placements(&self) -> &[(String, Placement)] {
        &self.placements
    }

    /// What they say about a `face` of `image`; without running them if they cannot judge it.
    pub fn judge(&mut self, image: &Image, face: &Face, quality: &Quality) -> Result<Passive, VisionError> {
        match limit(image, &face.bounds, quality) {
            Some(limit) => Ok(Passive::CannotJudge(limit)),
            None => Ok(Passive::Score(self.score(image, &face.bounds)?)),
        }
    }

    /// How real the face within `bounds` looks, 0 to 1, whether it can be judged or not.
    pub fn score(&mut self, image: &Image, bounds: &Bounds) -> Result<f32, VisionError> {
        let mut sum = 0.0;
        for network in &mut self.networks {
            let (larger, real) = (network.form.crop, network.form.real);
            let scores = network.scores(|side, crop| cut(image, bounds, larger, side, crop))?;
            sum += probability(&scores, real);
        }
        Ok(sum / self.networks.len() as f32)
    }
}

impl PassiveNetwork {
    /// The scores for a crop that `draw` draws.
    fn scores(&mut self, draw: impl Fn(usize, &mut [u8])) -> Result<Vec<f32>, VisionError> {
        let side = self.side;
        let rows = self.network.run(1, |_, crop| draw(side, crop))?;
        Ok(rows.row(0, 0).to_vec())
    }

    /// Compares the scores for the picture of the check with those in the manifest.
    fn check(&mut self) -> Result<(), VisionError> {
        let Some(expected) = self.form.check.clone() else { return Ok(()) };
        let found = self.scores(check_picture)?;
        let largest = expected.iter().fold(0.0f32, |largest, score| largest.max(score.abs()));
        let limit = largest * CHECK_SHARE + CHECK_BESIDES;
        let apart = expected.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
        if expected.len() == found.len() && found.iter().all(|score| score.is_finite()) && apart <= limit {
            return Ok(());
        }
        Err(VisionError::Form(format!(
            "{} gives the scores {found:.2?} for the picture of its check instead of {expected:.2?}: the runtime computes wrongly here, or \
             the manifest belongs to another file. Make the folder again with `models/build/build liveness`, or set [runtime] accelerator to \
             \"cpu\"",
            self.name
        )))
    }
}

/// A fixed picture of ramps and a pattern, which the importer shows the network, too.
fn check_picture(side: usize, out: &mut [u8]) {
    for (at, pixel) in out.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let (x, y) = (at % side.max(1), at / side.max(1));
        for (channel, value) in pixel.iter_mut().enumerate() {
            *value = ((3 * x + 2 * y + 37 * channel + x * y % 23 * 5) % 256) as u8;
        }
    }
}

/// The probability of class `real` by softmax; 0 if the scores are not finite, so that a broken network refuses.
fn probability(scores: &[f32], real: usize) -> f32 {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = scores.iter().map(|score| (score - largest).exp()).sum();
    let share = scores.get(real).map_or(0.0, |score| (score - largest).exp() / sum);
    if share.is_finite() { share } else { 0.0 }
}

/// Why a face cannot be judged.
fn limit(image: &Image, bounds: &Bounds, quality: &Quality) -> Option<PassiveLimit> {
    let (width, height) = (image.width() as f32, image.height() as f32);
    let inside = bounds.x1 >= 0.0 && bounds.y1 >= 0.0 && bounds.x2 <= width && bounds.y2 <= height;
    let reaches = |measure: f32, least: f32| measure.is_finite() && measure >= least;
    if !reaches(quality.size, LEAST_PX) {
        Some(PassiveLimit::Small)
    } else if !inside {
        Some(PassiveLimit::AtBorder)
    } else if !reaches(saturation(image, bounds), LEAST_SATURATION) {
        Some(PassiveLimit::Grey)
    } else if !reaches(quality.sharpness, LEAST_SHARPNESS) {
        Some(PassiveLimit::Blurred)
    } else {
        None
    }
}

/// As [`LEAST_SATURATION`], over every second pixel of every second row within `bounds`.
fn saturation(image: &Image, bounds: &Bounds) -> f32 {
    let width = image.width() as usize;
    let column = |x: f32| (x.max(0.0) as usize).min(width);
    let (left, right) = (column(bounds.x1), column(bounds.x2));
    let rows = (bounds.y1.max(0.0) as usize)..(bounds.y2.max(0.0) as usize).min(image.height() as usize);
    let (mut colour, mut light) = (0u64, 0u64);
    for row in rows.step_by(2) {
        let pixels = image.rgb().get((row * width + left) * 3..(row * width + right.max(left)) * 3).unwrap_or_default();
        for [r, g, b] in pixels.as_chunks::<3>().0.iter().step_by(2) {
            let largest = *r.max(g).max(b);
            colour += u64::from(largest - *r.min(g).min(b));
            light += u64::from(largest);
        }
    }
    if light == 0 { 0.0 } else { colour as f32 / light as f32 }
}

/// The region around a face, `[left, top, right, bottom]` in whole pixels, the last two outside: `bounds` made `crop` times as wide and high about
/// the centre, as far as that fits into a picture of `width` by `height`, and moved inside. As the networks' publisher cuts.
fn region(width: u32, height: u32, bounds: &Bounds, crop: f32) -> [usize; 4] {
    let (wide, high) = (bounds.width().max(1.0), bounds.height().max(1.0));
    let last = |side: u32| side.saturating_sub(1) as f32;
    let scale = crop.min(last(width) / wide).min(last(height) / high);
    let span = |low: f32, length: f32, side: u32| {
        let half = length * scale / 2.0;
        let (mut start, mut end) = (low + length / 2.0 - half, low + length / 2.0 + half);
        if start < 0.0 {
            (start, end) = (0.0, end - start);
        }
        if end > last(side) {
            (start, end) = (start - (end - last(side)), last(side));
        }
        // A bound that is not a number becomes 0.
        let end = (end.max(0.0) as usize).min(side.saturating_sub(1) as usize);
        ((start.max(0.0) as usize).min(end), end + 1)
    };
    let ((left, right), (top, bottom)) = (span(bounds.x1, wide, width), span(bounds.y1, high, height));
    [left, top, right, bottom]
}

/// Draws the region around a face at `side` by `side` pixels, linear between the four nearest pixels whatever the scale: the networks were trained
/// on such pictures, and means of many pixels look otherwise.
fn cut(image: &Image, bounds: &Bounds, crop: f32, side: usize, out: &mut [u8]) {
    let [left, top, right, bottom] = region(image.width(), image.height(), bounds, crop);
    let (columns, rows) = (taps(left, right, side), taps(top, bottom, side));
    let stride = image.width() as usize * 3;
    let line = |row: usize| image.rgb().get(row * stride..(row + 1) * stride).unwrap_or_default();
    for (row, pixels) in rows.iter().zip(out.chunks_exact_mut((side * 3).max(1))) {
        let (above, below) = (line(row.first), line(row.second));
        for (column, pixel) in columns.iter().zip(pixels.as_chunks_mut::<3>().0) {
            let value = |line: &[u8], at: usize| line.get(at).copied().map_or(0.0, f32::from);
            for (channel, out) in pixel.iter_mut().enumerate() {
                let (first, second) = (column.first * 3 + channel, column.second * 3 + channel);
                let across = |line: &[u8]| mix(value(line, first), value(line, second), column.share);
                *out = (mix(across(above), across(below), row.share) + 0.5) as u8;
            }
        }
    }
}

fn mix(first: f32, second: f32, share: f32) -> f32 {
    first * (1.0 - share) + second * share
}

/// The two neighbours of a place, and the share of the second.
struct Tap {
    first: usize,
    second: usize,
    share: f32,
}

/// For each of `side` places its neighbours among the pixels from `from` up to `to`.
fn taps(from: usize, to: usize, side: usize) -> Vec<Tap> {
    let length = to.saturating_sub(from).max(1);
    let step = length as f32 / side as f32;
    let tap = |place: usize| {
        let at = ((place as f32 + 0.5) * step - 0.5).clamp(0.0, (length - 1) as f32);
        let first = at as usize;
        Tap { first: from + first, second: from + (first + 1).min(length - 1), share: at - first as f32 }
    };
    (0..side).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Point, Score};
    use proptest::prelude::*;

    /// The networks of tests: what they call real is bright, in the first seen close, in the second from afar.
    fn networks() -> PassiveNetworks {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/liveness");
        let runtime = Runtime::load(None).expect("script/setup fetches LiteRT");
        PassiveNetworks::open(&runtime, &folder, &Accelerator::Cpu, 1).unwrap()
    }

    /// A picture of 320 by 240 whose pixels `colour` gives.
    fn picture(colour: impl Fn(usize, usize) -> [u8; 3]) -> Image {
        let rgb = (0..240 * 320).flat_map(|at| colour(at % 320, at / 320)).collect();
        Image::new(320, 240, rgb).unwrap()
    }

    fn face(x1: f32, y1: f32, side: f32) -> Face {
        let bounds = Bounds { x1, y1, x2: x1 + side, y2: y1 + side };
        Face { bounds, score: Score(1.0), landmarks: [Point::default(); 5] }
    }

    fn quality(size: f32, sharpness: f32) -> Quality {
        Quality { size, sharpness, ..Quality::default() }
    }

    #[test]
    fn the_answer_is_the_mean_probability_of_the_networks() {
        let mut networks = networks();
        assert_eq!(networks.placements().len(), 2);
        let mut judged = |level: u8| {
            let image = picture(|_, _| [level, level / 2, level / 2]);
            networks.judge(&image, &face(100.0, 60.0, 100.0), &quality(100.0, 90.0)).unwrap()
        };
        let Passive::Score(bright) = judged(250) else { panic!("it can be judged") };
        let Passive::Score(dark) = judged(20) else { panic!("it can be judged") };
        assert!(bright > 0.9 && dark < 0.1, "{bright} {dark}");
        // Bright close by and dark around: the network that sees more is less sure.
        let lamp =
            picture(|x, y| if x.abs_diff(160) < 60 && y.abs_diff(120) < 60 { [250, 120, 120] } else { [20, 8, 8] });
        let mixed = networks.score(&lamp, &face(130.0, 90.0, 60.0).bounds).unwrap();
        assert!(mixed > dark && mixed < bright, "{mixed}");
    }

    #[test]
    fn what_cannot_be_judged_says_why_and_is_not_judged() {
        let mut networks = networks();
        let warm = picture(|_, _| [200, 120, 100]);
        let grey = picture(|x, y| [((x + y) % 256) as u8; 3]);
        let black = picture(|_, _| [0; 3]);
        let middle = face(100.0, 60.0, 100.0);
        let cases = [
            (&warm, middle, quality(95.9, 90.0), PassiveLimit::Small),
            (&warm, middle, quality(f32::NAN, 90.0), PassiveLimit::Small),
            (&warm, face(-1.0, 60.0, 100.0), quality(100.0, 90.0), PassiveLimit::AtBorder),
            (&warm, face(221.0, 60.0, 100.0), quality(100.0, 90.0), PassiveLimit::AtBorder),
            (&warm, face(100.0, 141.0, 100.0), quality(100.0, 90.0), PassiveLimit::AtBorder),
            (&warm, face(100.0, f32::NAN, 100.0), quality(100.0, 90.0), PassiveLimit::AtBorder),
            (&grey, middle, quality(100.0, 90.0), PassiveLimit::Grey),
            (&black, middle, quality(100.0, 90.0), PassiveLimit::Grey),
            (&warm, middle, quality(100.0, 19.9), PassiveLimit::Blurred),
            (&warm, middle, quality(100.0, f32::NAN), PassiveLimit::Blurred),
        ];
        for (image, face, quality, limit) in cases {
            assert_eq!(networks.judge(image, &face, &quality).unwrap(), Passive::CannotJudge(limit));
        }
        assert!(matches!(networks.judge(&warm, &middle, &quality(96.0, 20.0)).unwrap(), Passive::Score(_)));
    }

    #[test]
    fn a_region_is_made_smaller_and_moved_until_it_fits() {
        let at = |x1, y1, side, crop| region(640, 480, &face(x1, y1, side).bounds, crop);
        assert_eq!(at(270.0, 190.0, 100.0, 2.7), [185, 105, 456, 376]);
        // Four times 200 is more than the picture is high.
        assert_eq!(at(220.0, 140.0, 200.0, 4.0), [80, 0, 560, 480]);
        assert_eq!(at(10.0, 10.0, 100.0, 2.7), [0, 0, 271, 271]);
        assert_eq!(at(530.0, 370.0, 100.0, 2.7), [369, 209, 640, 480]);
    }

    #[test]
    fn resizing_is_linear_between_the_nearest_pixels() {
        let ramp = picture(|x, y| [x as u8, y as u8, 7]);
        let mut out = vec![0; 80 * 80 * 3];
        // 201 pixels from 60 to 260: places are 2.5125 apart.
        cut(&ramp, &face(110.0, 70.0, 100.0).bounds, 2.0, 80, &mut out);
        for (place, pixel) in out[..80 * 3].chunks(3).enumerate() {
            let expected = (60.0 + (place as f32 + 0.5) * 2.5125 - 0.5 + 0.5) as u32 as u8;
            assert!(pixel[0].abs_diff(expected) <= 1 && pixel[2] == 7, "{place}: {pixel:?}, {expected}");
        }
    }

    #[test]
    fn scores_that_are_not_finite_are_not_real() {
        assert!((probability(&[0.0, 2.0, 0.0], 1) - 0.787).abs() < 1e-3);
        assert!(probability(&[-900.0, 900.0, 0.0], 1) == 1.0);
        for broken in [&[f32::NAN, 1.0, 0.0][..], &[f32::INFINITY, f32::INFINITY, 0.0], &[], &[1.0]] {
            assert_eq!(probability(broken, 1), 0.0, "{broken:?}");
        }
    }

    #[test]
    fn another_file_than_the_manifests_and_other_scores_than_the_checks_are_refused() {
        let runtime = Runtime::load(None).expect("script/setup fetches LiteRT");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/liveness");
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        let open = || {
            let opened = PassiveNetworks::open(&runtime, folder.path(), &Accelerator::Cpu, 1);
            opened.map(|networks| networks.placements().len()).map_err(|error| error.to_string())
        };
        assert_eq!(open(), Ok(2));
        let manifest = folder.path().join("MANIFEST.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        let other = text.replace("check = [", "check = [9.0, ").replace("classes = 3", "classes = 4");
        std::fs::write(&manifest, other).unwrap();
        assert!(open().unwrap_err().contains("expected form"));
        let line = text.lines().find(|line| line.starts_with("check = ")).unwrap();
        std::fs::write(&manifest, text.replace(line, "check = [5.0, -5.0, 5.0]")).unwrap();
        let error = open().unwrap_err();
        assert!(error.contains("instead of [5.00, -5.00, 5.00]") && error.contains("build liveness"), "{error}");
        std::fs::write(&manifest, "format = 1\n[model]\n").unwrap();
        assert!(open().unwrap_err().contains("no model `liveness`"));
        std::fs::write(&manifest, &text).unwrap();
        std::fs::write(folder.path().join("toy-near.tflite"), b"another file").unwrap();
        assert!(open().unwrap_err().contains("is not the file that the manifest names"));
    }

    proptest! {
        #[test]
        fn any_bounds_are_cut_from_inside_the_picture(
            corners in prop::array::uniform4(prop::num::f32::ANY), crop in 1f32..8.0, width in 1u32..60, height in 1u32..60,
        ) {
            let [x1, y1, x2, y2] = corners;
            let bounds = Bounds { x1, y1, x2, y2 };
            let [left, top, right, bottom] = region(width, height, &bounds, crop);
            prop_assert!(left < right && right <= width as usize && top < bottom && bottom <= height as usize);
            let image = Image::new(width, height, vec![90; (width * height * 3) as usize]).unwrap();
            let mut out = vec![0; 12 * 12 * 3];
            cut(&image, &bounds, crop, 12, &mut out);
            prop_assert!(out.iter().all(|&value| value == 90));
            let face = Face { bounds, score: Score(1.0), landmarks: [Point::default(); 5] };
            limit(&image, &face.bounds, &quality(100.0, 90.0));
        }
    }
}
