//! An infra-red camera that recognises people: its lit frames, without the false colours that some of them have.

use super::lit::LitFrames;
use super::{Arrival, CameraError, FaceLight, FrameSource, Identity};
use crate::domain::{Glimpse, Image};

/// The most dark frames in a row that are left out: an emitter flashes for at least every fourth frame. Beyond that it is dark, and frames arrive all
/// the same, so that the camera does not seem to be stuck.
const MOST_DARK: u32 = 3;

/// The lit frames of `source`, grey.
pub struct Infrared {
    source: Box<dyn FrameSource>,
    lit: LitFrames,
    /// Of the frame that is held; `None` where the source has none.
    glimpse: Option<Glimpse>,
    spare: Glimpse,
}

impl Infrared {
    /// The lit frames of `source`, grey.
    pub fn new(source: Box<dyn FrameSource>) -> Infrared {
        Infrared { source, lit: LitFrames::default(), glimpse: None, spare: Glimpse::default() }
    }

    /// Reads the glimpse of the frame that is held; whether it is lit. One without a glimpse counts as lit.
    fn is_lit(&mut self) -> Result<bool, CameraError> {
        let mut glimpse = self.glimpse.take().unwrap_or_else(|| std::mem::take(&mut self.spare));
        if !self.source.glimpse(&mut glimpse)? {
            self.spare = glimpse;
            return Ok(true);
        }
        let sum: u64 = glimpse.cells().iter().map(|cell| u64::from(*cell)).sum();
        // Cells are in eighths of a level.
        let mean = sum as f32 / (glimpse.cells().len().max(1) * 8) as f32;
        self.glimpse = Some(glimpse);
        Ok(self.lit.is_lit(mean))
    }
}

impl FrameSource for Infrared {
    fn wait(&mut self) -> Result<Arrival, CameraError> {
        let mut dark = 0;
        loop {
            let arrival = self.source.wait()?;
            if self.is_lit()? || dark == MOST_DARK {
                return Ok(arrival);
            }
            dark += 1;
        }
    }

    fn glimpse(&mut self, glimpse: &mut Glimpse) -> Result<bool, CameraError> {
        let Some(held) = &self.glimpse else { return Ok(false) };
        glimpse.clone_from(held);
        Ok(true)
    }

    fn own_jpeg(&self) -> Result<Option<Vec<u8>>, CameraError> {
        self.source.own_jpeg()
    }

    fn picture(&mut self) -> Result<Image, CameraError> {
        let mut image = self.source.picture()?;
        image.make_grey();
        Ok(image)
    }

    fn recycle(&mut self, image: Image) {
        self.source.recycle(image);
    }

    fn show_face(&mut self, light: FaceLight) {
        self.source.show_face(light);
    }

    fn describe(&self) -> String {
        format!("{}, infra-red", self.source.describe())
    }

    fn identity(&self) -> Option<&Identity> {
        self.source.identity()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::camera::replay::{Replay, ReplaySettings};
    use crate::clock::SimulatedClock;

    /// Pictures of these colours, one after the other.
    fn source(pictures: &[[u8; 3]]) -> Infrared {
        let folder = tempfile::tempdir().unwrap();
        for (at, pixel) in pictures.iter().enumerate() {
            let image = image::RgbImage::from_pixel(64, 64, image::Rgb(*pixel));
            image.save(folder.path().join(format!("{at:02}.png"))).unwrap();
        }
        let settings = ReplaySettings { interval: Duration::ZERO, looping: false };
        let clock = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH));
        let replay = Replay::open(&folder.keep(), settings, clock).unwrap();
        Infrared::new(Box::new(replay))
    }

    /// The brightness of the frames that arrive.
    fn levels(pictures: &[[u8; 3]]) -> Vec<u8> {
        let mut source = source(pictures);
        let frames = std::iter::from_fn(|| source.next().ok());
        frames.map(|frame| frame.image.rgb()[0]).collect()
    }

    #[test]
    fn dark_frames_between_flashes_are_left_out() {
        assert_eq!(levels(&[[80; 3], [9; 3], [82; 3], [9; 3], [81; 3]]), [80, 82, 81]);
        assert_eq!(levels(&[[80; 3], [70; 3], [60; 3]]), [80, 70, 60], "a steady light is always lit");
    }

    #[test]
    fn frames_arrive_in_the_dark_too() {
        assert_eq!(levels(&[[3; 3]; 9]).len(), 2, "every fourth");
    }

    #[test]
    fn false_colours_are_taken_out_and_glimpses_are_those_of_the_frame() {
        let mut source = source(&[[9, 9, 9], [120, 60, 140]]);
        let mut glimpse = Glimpse::default();
        assert!(!source.glimpse(&mut glimpse).unwrap(), "no frame is held yet");
        source.wait().unwrap();
        source.wait().unwrap();
        assert!(source.glimpse(&mut glimpse).unwrap());
        let [r, g, b] = source.picture().unwrap().rgb()[..3] else { unreachable!() };
        assert!(r == g && g == b, "{r} {g} {b}");
        assert!(glimpse.cells()[0].abs_diff(u16::from(r) * 8) <= 16, "{} {r}", glimpse.cells()[0]);
        assert!(source.describe().ends_with(", infra-red"));
    }
}
