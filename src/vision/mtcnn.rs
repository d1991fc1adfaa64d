//! The face detector: MTCNN (Zhang, Zhang, Li, Qiao 2016) as the FaceNet project implements it. A pyramid of the picture goes through P-Net,
//! its candidates through R-Net, and the remaining ones through O-Net.

use std::time::{Duration, Instant};

use super::VisionError;
use super::batch::Batched;
use super::boxes::{Candidate, Overlap, suppress};
use super::crop::{Cropper, Outside};
use super::pyramid::Halvings;
use super::resample::Resampler;
use super::runtime::{CompiledNetwork, PlacedModel};
use crate::domain::{Bounds, Face, Image, Point, Score};

/// Side of P-Net's receptive field in pixels of a level, and its stride.
const CELL: f32 = 12.0;
const STRIDE: f32 = 2.0;
/// P-Net's outputs at each position: the log-odds of a face, and the shifts of the four sides.
const PNET_VALUES: usize = 5;
const RNET_SIDE: usize = 24;
const ONET_SIDE: usize = 48;
/// Overlaps at which two boxes are the same face: within a level; across levels, after R-Net and after O-Net.
const SAME_LEVEL: f32 = 0.5;
const SAME_FACE: f32 = 0.7;
/// A face is settled when `ENOUGH` boxes show it with a score of at least `SURE`. Further boxes that overlap these by more than
/// `SAME_SURE_FACE` are skipped, unless all boxes are requested.
const SURE: f32 = 0.99;
const SAME_SURE_FACE: f32 = 0.4;
const ENOUGH: usize = 2;
/// A level of more pixels than this goes through P-Net in bands of rows, because P-Net needs about 130 MB for a megapixel.
const BAND_PX: usize = 200_000;
/// The largest level. A larger one is skipped, and the faces that only it would show are missed (in a picture of 50 megapixels those below
/// 30 pixels).
const MAX_LEVEL_PX: usize = 4_000_000;
/// The most boxes that a level, and all levels together, pass on to R-Net: bounds the time that a noisy picture takes.
const MAX_CANDIDATES: usize = 2_000;

/// How faces are detected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectorSettings {
    /// The smallest face, in pixels of the shorter side. Time is inversely proportional to its square.
    pub min_face_px: u32,
    /// Ratio of one pyramid level to the previous one; 0.709 halves the area.
    pub pyramid_factor: f32,
    /// The lowest accepted scores of P-, R- and O-Net.
    pub thresholds: [f32; 3],
}

impl Default for DetectorSettings {
    /// The FaceNet project's thresholds and factor, with a smallest face of 40 pixels.
    fn default() -> DetectorSettings {
        DetectorSettings { min_face_px: 40, pyramid_factor: 0.709, thresholds: [0.6, 0.7, 0.7] }
    }
}

/// How many boxes of one face go through O-Net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thoroughness {
    /// Boxes until the face is settled. The landmarks are as good as with all boxes.
    UntilSettled,
    /// All boxes. The best of them is a better box, which matters if faces are cut out by their box.
    All,
}

/// The three networks with their scratch memory. A stream of frames of one size causes almost no allocations.
pub struct Mtcnn {
    settings: DetectorSettings,
    thoroughness: Thoroughness,
    pnet: PlacedModel,
    rnet: Batched,
    onet: Batched,
    frame: (u32, u32),
    levels: Vec<Level>,
    cropper: Cropper,
    resized: Vec<u8>,
    level: Vec<Candidate>,
    candidates: Vec<Candidate>,
    landmarks: Vec<[Point; 5]>,
    in_models: Duration,
}

/// One size of the pyramid with the P-Net compiled for it, and the resampler from a halving to it. (Of the filters tried on the golden faces,
/// Mitchell's gives the boxes and landmarks nearest to the reference, which resizes by area; docs/benchmarks.md.)
struct Level {
    scale: f64,
    width: usize,
    pixels: usize,
    /// The rows that the network processes at once, and the first row of each such band. A level of a camera's frame is one band; a
    /// photograph's may be several, to bound the network's memory.
    rows: usize,
    bands: Vec<usize>,
    /// Columns of the network's output map.
    columns: usize,
    resampler: Resampler,
    network: CompiledNetwork,
}

/// The number of rows of a band, and the first row of each: an even row, because P-Net's stride is two pixels. Bands overlap by P-Net's
/// receptive field, so that no face is cut by a band's edge; suppression removes boxes that two bands find.
fn bands(width: usize, height: usize) -> (usize, Vec<usize>) {
    let most = (BAND_PX / width.max(1)).max(4 * CELL as usize) & !1;
    if height <= most {
        return (height, vec![0]);
    }
    let step = most - CELL as usize;
    let last = (height - most) & !1;
    let mut tops: Vec<usize> = (0..last).step_by(step).collect();
    tops.push(last);
    (most, tops)
}

impl Mtcnn {
    /// A detector of three networks. P-Nets are compiled when the first frame of a size arrives.
    pub fn new(
        settings: DetectorSettings,
        thoroughness: Thoroughness,
        pnet: PlacedModel,
        rnet: PlacedModel,
        onet: PlacedModel,
    ) -> Result<Mtcnn, VisionError> {
        let rnet = Batched::new(rnet, RNET_SIDE, &[64, 16, 4])?;
        let onet = Batched::new(onet, ONET_SIDE, &[1])?;
        rnet.expect_outputs(&[2, 4])?;
        onet.expect_outputs(&[2, 4, 10])?;
        Ok(Mtcnn {
            settings,
            thoroughness,
            pnet,
            rnet,
            onet,
            frame: (0, 0),
            levels: Vec::new(),
            cropper: Cropper::default(),
            resized: Vec::new(),
            level: Vec::new(),
            candidates: Vec::new(),
            landmarks: Vec::new(),
            in_models: Duration::ZERO,
        })
    }

    /// The settings in force.
    pub fn settings(&self) -> &DetectorSettings {
        &self.settings
    }

    /// The time spent inside the networks so far.
    pub fn time_in_models(&self) -> Duration {
        self.in_models
    }

    /// All faces of `image`, best score first. `halvings` must have been made of it.
    pub(super) fn detect(&mut self, image: &Image, halvings: &Halvings) -> Result<Vec<Face>, VisionError> {
        self.prepare_levels(image, halvings)?;
        self.run_pnet(image, halvings)?;
        self.run_rnet(image, halvings)?;
        self.run_onet(image, halvings)?;
        Ok(self.faces())
    }

    /// The faces at about `places`, where they were one frame ago, best score first, by O-Net alone. `None` unless each place still shows a face
    /// of its own that overlaps it by at least `least_overlap` (intersection over union).
    pub(super) fn follow(
        &mut self,
        image: &Image,
        halvings: &Halvings,
        places: &[Bounds],
        least_overlap: f32,
    ) -> Result<Option<Vec<Face>>, VisionError> {
        self.candidates.clear();
        self.landmarks.clear();
        for place in places {
            let Bounds { x1, y1, x2, y2 } = *place;
            let mut candidate = Candidate { x1, y1, x2, y2, ..Candidate::default() };
            candidate.square();
            if !touches(&candidate, image) {
                return Ok(None);
            }
            let Some(face) = self.onet_face(image, halvings, candidate)? else { return Ok(None) };
            let now = Bounds { x1: face.x1, y1: face.y1, x2: face.x2, y2: face.y2 };
            // Not-a-number overlaps nothing.
            if now.iou(place).partial_cmp(&least_overlap).is_none_or(std::cmp::Ordering::is_lt) {
                return Ok(None);
            }
            self.candidates.push(face);
        }
        suppress(&mut self.candidates, SAME_FACE, Overlap::Min);
        Ok((self.candidates.len() == places.len()).then(|| self.faces()))
    }

    /// The candidates that are left, with their landmarks.
    fn faces(&self) -> Vec<Face> {
        let face = |c: &Candidate| {
            Some(Face {
                bounds: Bounds { x1: c.x1, y1: c.y1, x2: c.x2, y2: c.y2 },
                score: Score(c.score),
                landmarks: *self.landmarks.get(c.index)?,
            })
        };
        self.candidates.iter().filter_map(face).collect()
    }

    /// Compiles a P-Net for each level if the frame's size has changed.
    fn prepare_levels(&mut self, image: &Image, halvings: &Halvings) -> Result<(), VisionError> {
        let (width, height) = (image.width(), image.height());
        if self.frame == (width, height) {
            return Ok(());
        }
        self.levels.clear();
        for scale in scales(width, height, &self.settings) {
            let size = |side: u32| (f64::from(side) * scale).ceil() as usize;
            let (width, height) = (size(width), size(height));
            if width * height <= MAX_LEVEL_PX {
                let (rows, bands) = bands(width, height);
                let network = self.pnet.network([1, rows, width, 3])?;
                let columns = match network.outputs() {
                    [map] => match map[..] {
                        [_, _, columns, PNET_VALUES] if columns > 0 => columns,
                        _ => return Err(VisionError::Form(format!("P-Net has the output {map:?}"))),
                    },
                    other => return Err(VisionError::Form(format!("P-Net has the outputs {other:?}"))),
                };
                let (source, _) = halvings.for_shrink(image, (1.0 / scale) as f32);
                let resampler = Resampler::new((source.width, source.height), (width, height))
                    .ok_or_else(|| VisionError::Form(format!("cannot resize to {width}x{height}")))?;
                let pixels = width * height;
                self.levels.push(Level { scale, width, pixels, rows, bands, columns, resampler, network });
            }
        }
        self.frame = (width, height);
        Ok(())
    }

    /// Runs P-Net over the pyramid: the first candidates.
    fn run_pnet(&mut self, image: &Image, halvings: &Halvings) -> Result<(), VisionError> {
        self.candidates.clear();
        let threshold = self.settings.thresholds[0];
        // The sigmoid is monotonic, so log-odds are compared; only accepted boxes need it.
        let least = (threshold / (1.0 - threshold)).ln();
        for level in &mut self.levels {
            let (source, _) = halvings.for_shrink(image, (1.0 / level.scale) as f32);
            self.resized.resize(level.pixels * 3, 0);
            if !level.resampler.resize(source, &mut self.resized) {
                return Err(VisionError::Form(format!(
                    "an unexpected halving of {}x{} pixels",
                    source.width, source.height
                )));
            }
            self.level.clear();
            for &top in &level.bands {
                let start = Instant::now();
                let band = self.resized.get(top * level.width * 3..(top + level.rows) * level.width * 3);
                level.network.run(band.unwrap_or_default())?;
                self.in_models += start.elapsed();
                let (columns, map) = (level.columns, level.network.output(0)?);
                for (cell, &[log_odds, ref shift @ ..]) in map.as_chunks::<PNET_VALUES>().0.iter().enumerate() {
                    if log_odds >= least {
                        let (x, y) = ((cell % columns) as f32 * STRIDE, (cell / columns) as f32 * STRIDE + top as f32);
                        let place = |v: f32| (f64::from(v) / level.scale).trunc() as f32;
                        self.level.push(Candidate {
                            x1: place(x + 1.0),
                            y1: place(y + 1.0),
                            x2: place(x + CELL),
                            y2: place(y + CELL),
                            score: 1.0 / (1.0 + (-log_odds).exp()),
                            shift: *shift,
                            index: 0,
                        });
                    }
                }
            }
            suppress(&mut self.level, SAME_LEVEL, Overlap::Union);
            self.level.truncate(MAX_CANDIDATES);
            self.candidates.extend_from_slice(&self.level);
        }
        suppress(&mut self.candidates, SAME_FACE, Overlap::Union);
        self.candidates.truncate(MAX_CANDIDATES);
        for candidate in &mut self.candidates {
            candidate.regress(0.0);
            candidate.square();
        }
        Ok(())
    }

    /// Runs R-Net, which rejects most candidates and refines the others.
    #[expect(clippy::indexing_slicing, reason = "`kept` and `done + i` stay below the number of candidates")]
    fn run_rnet(&mut self, image: &Image, halvings: &Halvings) -> Result<(), VisionError> {
        self.candidates.retain(|c| touches(c, image));
        let candidates = &mut self.candidates;
        let (mut done, mut kept) = (0, 0);
        while done < candidates.len() {
            let rows = self.rnet.run(candidates.len() - done, |i, crop| {
                cut(&mut self.cropper, image, halvings, &candidates[done + i], RNET_SIDE, crop);
            })?;
            self.in_models += rows.spent;
            for i in 0..rows.count {
                let (&[_, score], &shift) = (rows.array(0, i)?, rows.array(1, i)?);
                if score > self.settings.thresholds[1] {
                    candidates[kept] = Candidate { score, shift, ..candidates[done + i] };
                    kept += 1;
                }
            }
            done += rows.count;
        }
        candidates.truncate(kept);
        suppress(candidates, SAME_FACE, Overlap::Union);
        for candidate in candidates {
            candidate.regress(1.0);
            candidate.square();
        }
        Ok(())
    }

    /// Runs O-Net: faces with landmarks. One box at a time, best first, so that the other boxes of a settled face are skipped; a batch would
    /// not be faster on a CPU.
    #[expect(clippy::indexing_slicing, reason = "`kept` never exceeds `i`, an index of the candidates")]
    fn run_onet(&mut self, image: &Image, halvings: &Halvings) -> Result<(), VisionError> {
        self.candidates.retain(|c| touches(c, image));
        self.landmarks.clear();
        let mut kept = 0;
        for i in 0..self.candidates.len() {
            let candidate = self.candidates[i];
            let settled = self.candidates[..kept]
                .iter()
                .filter(|face| face.score >= SURE && candidate.overlaps(face, SAME_SURE_FACE, Overlap::Union));
            if self.thoroughness == Thoroughness::UntilSettled && settled.count() >= ENOUGH {
                continue;
            }
            if let Some(face) = self.onet_face(image, halvings, candidate)? {
                self.candidates[kept] = face;
                kept += 1;
            }
        }
        let candidates = &mut self.candidates;
        candidates.truncate(kept);
        suppress(candidates, SAME_FACE, Overlap::Min);
        candidates.retain(|c| [c.x1, c.y1, c.x2, c.y2].iter().all(|v| v.is_finite()) && c.x2 > c.x1 && c.y2 > c.y1);
        Ok(())
    }

    /// Runs O-Net on one box. If it shows a face, adds its landmarks and returns its box.
    fn onet_face(
        &mut self,
        image: &Image,
        halvings: &Halvings,
        candidate: Candidate,
    ) -> Result<Option<Candidate>, VisionError> {
        let rows = self.onet.run(1, |_, crop| {
            cut(&mut self.cropper, image, halvings, &candidate, ONET_SIDE, crop);
        })?;
        self.in_models += rows.spent;
        let (&[_, score], &shift, points) = (rows.array(0, 0)?, rows.array(1, 0)?, rows.array::<10>(2, 0)?);
        if score <= self.settings.thresholds[2] {
            return Ok(None);
        }
        let (w, h) = (candidate.x2 - candidate.x1 + 1.0, candidate.y2 - candidate.y1 + 1.0);
        let (xs, ys) = points.split_at(5);
        let mut landmarks = [Point::default(); 5];
        for ((point, x), y) in landmarks.iter_mut().zip(xs).zip(ys) {
            *point = Point { x: w * x + candidate.x1 - 1.0, y: h * y + candidate.y1 - 1.0 };
        }
        let mut face = Candidate { score, shift, index: self.landmarks.len(), ..candidate };
        self.landmarks.push(landmarks);
        face.regress(1.0);
        Ok(Some(face))
    }
}

/// The pyramid's scales: the first maps the smallest face to 12 pixels; each next is smaller by the factor, while 12 pixels are left.
fn scales(width: u32, height: u32, settings: &DetectorSettings) -> impl Iterator<Item = f64> {
    let first = f64::from(CELL) / f64::from(settings.min_face_px.max(1));
    let factor = f64::from(settings.pyramid_factor).clamp(0.1, 0.95);
    let shorter = f64::from(width.min(height));
    std::iter::successors(Some(first), move |scale| Some(scale * factor))
        .take_while(move |scale| shorter * scale >= f64::from(CELL))
}

/// Whether a box contains any pixel of the picture.
fn touches(c: &Candidate, image: &Image) -> bool {
    c.x2 >= c.x1
        && c.y2 >= c.y1
        && c.x2 >= 1.0
        && c.y2 >= 1.0
        && c.x1 <= image.width() as f32
        && c.y1 <= image.height() as f32
}

/// Cuts a box out of the smallest halving that is at least as large as the network's input.
fn cut(cropper: &mut Cropper, image: &Image, halvings: &Halvings, c: &Candidate, side: usize, target: &mut [u8]) {
    let (w, h) = (c.x2 - c.x1 + 1.0, c.y2 - c.y1 + 1.0);
    let (view, times) = halvings.for_shrink(image, w.max(h) / side as f32);
    let scale = (-(times as f32)).exp2();
    cropper.crop(
        view,
        Outside::IsBlack,
        [(c.x1 - 1.0) * scale, (c.y1 - 1.0) * scale, w * scale, h * scale],
        (side, side),
        target,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pyramid_of_640_by_480_with_faces_of_40_pixels_has_eight_levels() {
        let scales: Vec<f64> = scales(640, 480, &DetectorSettings::default()).collect();
        assert_eq!(scales.len(), 8);
        assert!((scales[0] - 0.3).abs() < 1e-9 && 480.0 * scales[7] >= 12.0);
    }

    #[test]
    fn bands_cover_every_cell() {
        for (width, height) in
            [(384, 288), (1152, 648), (1200, 900), (2000, 1999), (2000, 2000), (40_000, 90), (3, 1_000_001)]
        {
            let (rows, tops) = bands(width, height);
            assert!(rows <= height && tops.iter().all(|top| top % 2 == 0 && top + rows <= height), "{width}x{height}");
            assert!(tops.len() == 1 || width * rows <= BAND_PX.max(width * 4 * CELL as usize), "{width}x{height}");
            // A cell begins at every second row and spans twelve.
            for cell in (0..=height - CELL as usize).step_by(2) {
                let is_covered = tops.iter().any(|top| *top <= cell && cell + CELL as usize <= top + rows);
                assert!(is_covered, "{width}x{height}: row {cell}");
            }
        }
        assert_eq!(bands(384, 288), (288, vec![0]));
    }

    #[test]
    fn a_picture_smaller_than_the_smallest_face_has_no_levels() {
        assert_eq!(scales(1, 1, &DetectorSettings::default()).count(), 0);
    }
}
