//! The one face of a data set's photograph that is meant, and its embedding.
//!
//! Knows nothing of who it is.

use std::path::Path;

use thiserror::Error;

use crate::domain::{Embedding, Face, Image};
use crate::photo::{self, PhotoError};
use crate::vision::{Seen, Vision, VisionError};

/// Why a photograph gives no embedding.
#[derive(Debug, Error)]
pub enum FaceError {
    #[error(transparent)]
    Photo(#[from] PhotoError),
    #[error(transparent)]
    Vision(#[from] VisionError),
}

/// The face that a data set means: large and near the middle, by its area less twice the squared offset of its centre from the
/// picture's (the FaceNet project's `align_dataset_mtcnn`).
pub fn principal(faces: &[Face], image: &Image) -> Option<Face> {
    let (cx, cy) = (image.width() as f32 / 2.0, image.height() as f32 / 2.0);
    let weight = |face: &Face| {
        let centre = face.bounds.centre();
        face.bounds.area() - 2.0 * ((centre.x - cx).powi(2) + (centre.y - cy).powi(2))
    };
    faces.iter().max_by(|a, b| weight(a).total_cmp(&weight(b))).copied()
}

/// The principal face in the file with quality and embedding; `None` where no face is found.
pub fn see_file(vision: &mut Vision, file: &Path) -> Result<Option<Seen>, FaceError> {
    let (image, _) = photo::load_reduced(file)?;
    let faces = vision.detect(&image)?;
    let Some(face) = principal(&faces, &image) else { return Ok(None) };
    Ok(Some(vision.look_at(&image, face)?))
}

/// The embedding of the principal face in the file; `None` where no face is found.
pub fn embed_file(vision: &mut Vision, file: &Path) -> Result<Option<Embedding>, FaceError> {
    Ok(see_file(vision, file)?.map(|seen| seen.embedding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Bounds, Point, Score};

    #[test]
    fn a_smaller_face_in_the_middle_is_meant_before_a_larger_one_at_the_edge() {
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
}
