//! From a photograph to a template: the one face that can be enrolled, or what is wrong.

use std::time::SystemTime;

use super::gates::{Gates, Refusal};
use crate::domain::{Embedding, Face, Image, Quality};
use crate::gallery::Template;
use crate::vision::second::SecondEmbedder;
use crate::vision::{Vision, VisionError};

/// The networks for faces that are compared with enrolled people.
pub struct Eyes {
    pub vision: Vision,
    /// The other embedder of a switch of models, while both sets of templates are kept.
    pub beside: Option<SecondEmbedder>,
}

/// A face as a template of the model in use, and of the other one during a switch.
#[derive(Clone, Debug, PartialEq)]
pub struct FaceTemplates {
    pub template: Template,
    pub beside: Option<Template>,
}

impl Eyes {
    /// The embedding by the other embedder, if there is one, of a face that [`Eyes::vision`] just found in `image`.
    pub fn embed_beside(&mut self, image: &Image, face: &Face) -> Result<Option<Embedding>, VisionError> {
        let Eyes { vision, beside } = self;
        beside.as_mut().map(|beside| beside.embed(vision, image, face)).transpose()
    }

    /// The templates of the face in a photograph that `gates` let through, made `now`; or what is wrong with it. With `largest`, of several faces
    /// the largest counts.
    ///
    /// # Errors
    /// The networks fail.
    pub fn enrol(
        &mut self,
        image: &Image,
        gates: &Gates,
        largest: bool,
        now: SystemTime,
    ) -> Result<Result<FaceTemplates, Refusal>, VisionError> {
        let mut faces = Vec::new();
        for face in self.vision.detect(image)? {
            let quality = self.vision.judge(image, &face);
            faces.push((face, quality));
        }
        let face = match gates.choose(&faces, largest).map(|at| faces.get(at)) {
            Ok(Some((face, _))) => *face,
            Ok(None) => return Ok(Err(Refusal::NoFace)),
            Err(refusal) => return Ok(Err(refusal)),
        };
        let seen = self.vision.look_for_template(image, face)?;
        if let Err(refusal) = gates.check_embedded(&seen.quality) {
            return Ok(Err(refusal));
        }
        // The length is that of the other model's embedding.
        let without = Quality { length: None, ..seen.quality };
        let beside = self.embed_beside(image, &face)?;
        let beside = beside.map(|embedding| Template { embedding, quality: without, created: now });
        let template = Template { embedding: seen.embedding, quality: seen.quality, created: now };
        Ok(Ok(FaceTemplates { template, beside }))
    }
}
