//! Finds faces and nothing more: the detector without an embedder, for a camera whose faces are not recognised.

use std::path::Path;

use super::VisionError;
use super::manifest::Manifest;
use super::mtcnn::{Mtcnn, Thoroughness};
use super::pipeline::{VisionSettings, open_detector};
use super::pyramid::Halvings;
use super::runtime::{Placement, Runtime};
use crate::domain::{Face, Image};

/// The detector with its scratch memory.
pub struct FaceFinder {
    detector: Mtcnn,
    placements: Vec<(String, Placement)>,
    halvings: Halvings,
}

impl FaceFinder {
    /// Reads the manifest in `models`, checks the hash of the detector's files, and compiles them. The embedder of `settings` is not opened.
    pub fn open(runtime: &Runtime, models: &Path, settings: &VisionSettings) -> Result<FaceFinder, VisionError> {
        let manifest = Manifest::load(models)?;
        let (detector, placements) = open_detector(runtime, &manifest, settings, Thoroughness::UntilSettled)?;
        Ok(FaceFinder { detector, placements, halvings: Halvings::default() })
    }

    /// The faces of `image`, best score first.
    pub fn find(&mut self, image: &Image) -> Result<Vec<Face>, VisionError> {
        self.halvings.make(image, 1);
        self.detector.detect(image, &self.halvings)
    }

    /// The shorter side of the smallest face that is found, in pixels.
    pub fn least_px(&self) -> f32 {
        self.detector.settings().min_face_px as f32
    }

    /// Where each network runs, in the order they are used.
    pub fn placements(&self) -> &[(String, Placement)] {
        &self.placements
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::drawing;
    use crate::vision::Vision;

    #[test]
    fn it_finds_what_the_whole_pipeline_finds_without_an_embedder() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let runtime = Runtime::load(None).expect("script/setup fetches LiteRT");
        let image = drawing::face().unwrap();
        let mut whole = Vision::open(&runtime, &models, &VisionSettings::default()).unwrap();
        let settings = VisionSettings { embedder: "none".to_owned(), ..VisionSettings::default() };
        let mut finder = FaceFinder::open(&runtime, &models, &settings).unwrap();
        assert_eq!(finder.find(&image).unwrap(), whole.detect(&image).unwrap());
        assert_eq!((finder.placements().len(), finder.least_px()), (3, 40.0));
    }
}
