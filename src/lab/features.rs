//! A photograph as the vector that is compared: detected or cut out already, with its mirror image or without.
//!
//! Knows nothing of who it shows and of what the vector is compared with.

use std::path::Path;

use super::faces::{FaceError, principal};
use crate::domain::Embedding;
use crate::photo;
use crate::vision::Vision;

/// What a photograph is, and what is made of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// The pictures are faces already cut out: they are embedded whole, and none is without a face.
    pub aligned: bool,
    /// Append the embedding of the mirrored face. Both together are scaled to unit length again.
    pub flip: bool,
}

/// Networks, and how they are used on each photograph.
pub struct Extractor {
    vision: Vision,
    form: Form,
}

impl Extractor {
    pub fn new(vision: Vision, form: Form) -> Extractor {
        Extractor { vision, form }
    }

    /// The unit vector of the face that the photograph means, as long as an embedding or, with the mirror image, twice as long; `None`
    /// where no face is found.
    pub fn extract(&mut self, file: &Path) -> Result<Option<Box<[f32]>>, FaceError> {
        let (image, _) = photo::load_reduced(file)?;
        let embedding = if self.form.aligned {
            self.vision.embed_cut_out(&image)?
        } else {
            let faces = self.vision.detect(&image)?;
            let Some(face) = principal(&faces, &image) else { return Ok(None) };
            self.vision.look_at(&image, face)?.embedding
        };
        if !self.form.flip {
            return Ok(Some(embedding.values().into()));
        }
        let mirrored = self.vision.embed_mirrored()?;
        Ok(Some(joined(&embedding, &mirrored)))
    }

    /// The networks.
    pub fn vision(&self) -> &Vision {
        &self.vision
    }
}

/// Both unit vectors in one of unit length: its squared distances are the means of theirs, so the same cuts fit.
fn joined(a: &Embedding, b: &Embedding) -> Box<[f32]> {
    let values = a.values().iter().chain(b.values());
    values.map(|v| v * std::f32::consts::FRAC_1_SQRT_2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ModelId;

    #[test]
    fn a_face_and_its_mirror_image_are_one_unit_vector() {
        let embedding = |x: f32, y: f32| Embedding::normalised(ModelId::new("m"), [x, y].into()).unwrap();
        let both = joined(&embedding(3.0, 4.0), &embedding(0.0, 1.0));
        assert_eq!(both.len(), 4);
        assert!((both.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
