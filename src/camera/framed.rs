//! A source whose pictures are turned upright, mirrored or cropped before anybody sees them.

use super::{Arrival, CameraError, FaceLight, FrameSource, Identity};
use crate::domain::{Framing, Glimpse, Image};

/// `source` as seen through a [`Framing`].
pub struct Framed {
    source: Box<dyn FrameSource>,
    framing: Framing,
    /// The glimpse of the source.
    whole: Glimpse,
    spare: Vec<u8>,
}

impl Framed {
    /// Frames the pictures of `source`.
    pub fn new(source: Box<dyn FrameSource>, framing: Framing) -> Framed {
        Framed { source, framing, whole: Glimpse::default(), spare: Vec::new() }
    }
}

impl FrameSource for Framed {
    fn wait(&mut self) -> Result<Arrival, CameraError> {
        self.source.wait()
    }

    fn glimpse(&mut self, glimpse: &mut Glimpse) -> Result<bool, CameraError> {
        Ok(self.source.glimpse(&mut self.whole)? && self.framing.glimpse(&self.whole, glimpse))
    }

    fn picture(&mut self) -> Result<Image, CameraError> {
        let whole = self.source.picture()?;
        let framed = self.framing.picture(&whole, std::mem::take(&mut self.spare));
        let (width, height) = (whole.width(), whole.height());
        self.source.recycle(whole);
        framed.ok_or_else(|| CameraError::TooSmall { origin: self.source.describe(), width, height })
    }

    fn recycle(&mut self, image: Image) {
        self.spare = image.into_rgb();
    }

    fn show_face(&mut self, light: FaceLight) {
        self.source.show_face(light);
    }

    fn describe(&self) -> String {
        format!("{}, {}", self.source.describe(), self.framing)
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
    use crate::domain::Rotation;
    use crate::photo::glimpse_of;

    /// A picture whose upper half is white.
    fn replay(folder: &std::path::Path, width: u32, height: u32) -> Replay {
        let white = |_, y| image::Rgb([if y < height / 2 { 255 } else { 0 }; 3]);
        image::RgbImage::from_fn(width, height, white).save(folder.join("a.png")).unwrap();
        let settings = ReplaySettings { interval: Duration::ZERO, looping: true };
        Replay::open(folder, settings, Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH))).unwrap()
    }

    #[test]
    fn pictures_and_glimpses_are_framed_alike() {
        let folder = tempfile::tempdir().unwrap();
        let framing = Framing { crop: [0.0, 0.0, 1.0, 0.5], ..Framing::turned(Rotation::Quarter) };
        let mut source = Framed::new(Box::new(replay(folder.path(), 64, 32)), framing);
        assert!(source.describe().ends_with("turned by 90°, cropped to 0, 0, 1, 0.5"), "{}", source.describe());
        for _ in 0..2 {
            source.wait().unwrap();
            let mut glimpse = Glimpse::default();
            assert!(source.glimpse(&mut glimpse).unwrap());
            let picture = source.picture().unwrap();
            assert_eq!((picture.width(), picture.height()), (32, 32));
            let mut expected = Glimpse::default();
            glimpse_of(&picture, &mut expected);
            assert_eq!(glimpse, expected);
            // What was above is now on the right.
            assert_eq!((picture.rgb()[0], picture.rgb()[31 * 3]), (0, 255));
            source.recycle(picture);
        }
    }

    #[test]
    fn a_picture_that_is_smaller_than_a_cell_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut source = Framed::new(Box::new(replay(folder.path(), 64, 7)), Framing::turned(Rotation::Half));
        let mut glimpse = Glimpse::default();
        source.wait().unwrap();
        assert!(!source.glimpse(&mut glimpse).unwrap());
        let error = source.picture().unwrap_err();
        assert!(error.is_bad_frame() && error.to_string().contains("64x7"), "{error}");
    }
}
