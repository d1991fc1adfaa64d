//! The principal face of a data set's photograph, and its embedding as a vector to compare.

use std::path::Path;

use thiserror::Error;

use crate::domain::{Embedding, Face, Image};
use crate::photo::{self, PhotoError};
use crate::vision::{Embedded, Seen, Vision, VisionError};

/// Why a photograph has no embedding.
#[derive(Debug, Error)]
pub enum FaceError {
    #[error(transparent)]
    Photo(#[from] PhotoError),
    #[error(transparent)]
    Vision(#[from] VisionError),
}

/// The face that a labelled photograph is of: large and near the middle. Maximises the area minus twice the squared distance of its centre from
/// the picture's (the FaceNet project's `align_dataset_mtcnn`).
pub fn principal(faces: &[Face], image: &Image) -> Option<Face> {
    let (cx, cy) = (image.width() as f32 / 2.0, image.height() as f32 / 2.0);
    let weight = |face: &Face| {
        let centre = face.bounds.centre();
        face.bounds.area() - 2.0 * ((centre.x - cx).powi(2) + (centre.y - cy).powi(2))
    };
    faces.iter().max_by(|a, b| weight(a).total_cmp(&weight(b))).copied()
}

/// The principal face in the file with quality and embedding; `None` if no face is found.
pub fn see_file(vision: &mut Vision, file: &Path) -> Result<Option<Seen>, FaceError> {
    let (image, _) = photo::load_reduced(file)?;
    let faces = vision.detect(&image)?;
    let Some(face) = principal(&faces, &image) else { return Ok(None) };
    Ok(Some(vision.look_at(&image, face)?))
}

/// The embedding of the principal face in the file; `None` if no face is found.
pub fn embed_file(vision: &mut Vision, file: &Path) -> Result<Option<Embedding>, FaceError> {
    Ok(see_file(vision, file)?.map(|seen| seen.embedding))
}

/// What photographs contain, and what vector is made of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// The pictures are faces that are already cut out. They are embedded whole, without detection.
    pub aligned: bool,
    /// Append the embedding of the mirrored face, and scale the result to unit length.
    pub flip: bool,
    /// Make a template besides, as enrolment does.
    pub template: bool,
    /// Take the colour out of the pictures first.
    pub grey: bool,
}

/// What is made of a photograph.
#[derive(Clone, Debug, PartialEq)]
pub struct Extracted {
    /// The unit vector to compare: an embedding, or with `flip` twice as long.
    pub vector: Box<[f32]>,
    /// The unit vector to enrol ([`Vision::with_mirror`]); with `flip` it is `vector`. `None` unless asked for.
    pub template: Option<Box<[f32]>>,
    /// The embedding's length, as in [`crate::domain::Quality::length`].
    pub length: f32,
}

/// Makes vectors of photographs with one set of networks.
pub struct Extractor {
    vision: Vision,
    form: Form,
}

impl Extractor {
    pub fn new(vision: Vision, form: Form) -> Extractor {
        Extractor { vision, form }
    }

    /// The unit vector of the photograph's principal face: an embedding, or with `flip` twice as long. `None` if no face is found.
    pub fn extract(&mut self, file: &Path) -> Result<Option<Box<[f32]>>, FaceError> {
        Ok(self.extract_all(file)?.map(|extracted| extracted.vector))
    }

    /// Everything asked for of the photograph's principal face. `None` if no face is found.
    pub fn extract_all(&mut self, file: &Path) -> Result<Option<Extracted>, FaceError> {
        let (mut image, _) = photo::load_reduced(file)?;
        if self.form.grey {
            image.make_grey();
        }
        let Embedded { embedding, length } = if self.form.aligned {
            self.vision.embed_cut_out(&image)?
        } else {
            let faces = self.vision.detect(&image)?;
            let Some(face) = principal(&faces, &image) else { return Ok(None) };
            self.vision.judge(&image, &face);
            self.vision.embed_judged()?
        };
        if self.form.flip {
            let vector = joined(&embedding, &self.vision.embed_mirrored()?);
            let template = self.form.template.then(|| vector.clone());
            return Ok(Some(Extracted { vector, template, length }));
        }
        let template = match self.form.template {
            true => Some(self.vision.with_mirror(&embedding)?.values().into()),
            false => None,
        };
        Ok(Some(Extracted { vector: embedding.values().into(), template, length }))
    }

    /// The networks.
    pub fn vision(&self) -> &Vision {
        &self.vision
    }
}

/// Concatenates two unit vectors into one of unit length. Its squared distances are the means of theirs, so the same cuts apply.
fn joined(a: &Embedding, b: &Embedding) -> Box<[f32]> {
    let values = a.values().iter().chain(b.values());
    values.map(|v| v * std::f32::consts::FRAC_1_SQRT_2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Bounds, ModelId, Point, Score};

    #[test]
    fn a_smaller_face_in_the_middle_is_preferred_to_a_larger_one_at_the_edge() {
        let image = Image::new(250, 250, vec![0; 250 * 250 * 3]).unwrap();
        let face = |x: f32, y: f32, side: f32| Face {
            bounds: Bounds { x1: x, y1: y, x2: x + side, y2: y + side },
            score: Score(0.9),
            landmarks: [Point::default(); 5],
        };
        let (middle, edge) = (face(85.0, 85.0, 80.0), face(0.0, 0.0, 90.0));
        assert_eq!(principal(&[edge, middle], &image), Some(middle));
        assert_eq!(principal(&[], &image), None);
    }

    #[test]
    fn a_face_and_its_mirror_image_are_one_unit_vector() {
        let embedding = |x: f32, y: f32| Embedding::normalised(ModelId::new("m"), [x, y].into()).unwrap();
        let both = joined(&embedding(3.0, 4.0), &embedding(0.0, 1.0));
        assert_eq!(both.len(), 4);
        assert!((both.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
