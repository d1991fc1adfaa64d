//! Aligned faces to embeddings.
//!
//! Knows nothing of whose they are.

use super::VisionError;
use super::align::AlignedFace;
use super::batch::Batched;
use super::manifest::{Alignment, Model};
use super::runtime::Planned;
use crate::domain::{Embedding, ModelId};

/// An embedding network with the alignment that it was trained for.
pub struct Embedder {
    model: ModelId,
    alignment: Alignment,
    side: usize,
    dimension: usize,
    network: Batched,
}

impl Embedder {
    /// `entry` must be the manifest's entry of `planned`'s file.
    pub fn new(entry: &Model, planned: Planned) -> Result<Embedder, VisionError> {
        let (Some(alignment), Some(form)) = (entry.alignment.clone(), entry.embedding.as_ref()) else {
            return Err(VisionError::Form(format!("{} is not an embedder", entry.name)));
        };
        let side = entry.input.width as usize;
        // One face at a time: a batch gains nothing on these processors (models/README.md).
        let network = Batched::new(planned, side, &[1])?;
        network.expect_outputs(&[form.dimension])?;
        Ok(Embedder { model: entry.id(), alignment, side, dimension: form.dimension, network })
    }

    /// The tag of its embeddings.
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// How it wants its faces cut out.
    pub fn alignment(&self) -> &Alignment {
        &self.alignment
    }

    /// Pixels of an aligned face's side.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Floats of an embedding.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The embedding of a face that was aligned for this network.
    pub fn embed(&mut self, face: &AlignedFace) -> Result<Embedding, VisionError> {
        if face.rgb.len() != self.side * self.side * 3 {
            return Err(VisionError::Form(format!("a face of {} pixels for a network of {}", face.side, self.side)));
        }
        let rows = self.network.run(1, |_, crop| crop.copy_from_slice(&face.rgb))?;
        Embedding::normalised(self.model.clone(), rows.row(0, 0).into()).ok_or(VisionError::NoDirection)
    }
}
