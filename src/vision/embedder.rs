//! The embedder: from an aligned face to its embedding.

use super::VisionError;
use super::align::AlignedFace;
use super::batch::Batched;
use super::manifest::{Alignment, Model};
use super::runtime::PlacedModel;
use crate::domain::{Embedding, ModelId};

/// An embedding with the length of the network's output, as in [`crate::domain::Quality::length`].
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    pub embedding: Embedding,
    pub length: f32,
}

/// An embedding network with the alignment that it was trained with.
pub struct Embedder {
    model: ModelId,
    alignment: Alignment,
    side: usize,
    dimension: usize,
    network: Batched,
}

impl Embedder {
    /// `entry` must be the manifest's entry of `placed`'s file.
    pub fn new(entry: &Model, placed: PlacedModel) -> Result<Embedder, VisionError> {
        let (Some(alignment), Some(form)) = (entry.alignment.clone(), entry.embedding.as_ref()) else {
            return Err(VisionError::Form(format!("{} is not an embedder", entry.name)));
        };
        let side = entry.input.width as usize;
        // One face at a time: a batch is not faster on these processors (models/README.md).
        let network = Batched::new(placed, side, &[1])?;
        network.expect_outputs(&[form.dimension])?;
        Ok(Embedder { model: entry.id(), alignment, side, dimension: form.dimension, network })
    }

    /// The id of its embeddings.
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// How its faces are cut out.
    pub fn alignment(&self) -> &Alignment {
        &self.alignment
    }

    /// Side of an aligned face in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Dimension of an embedding.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The embedding of a face that was aligned for this network.
    pub fn embed(&mut self, face: &AlignedFace) -> Result<Embedded, VisionError> {
        if face.rgb.len() != self.side * self.side * 3 {
            return Err(VisionError::Form(format!("a face of {} pixels for a network of {}", face.side, self.side)));
        }
        let rows = self.network.run(1, |_, crop| crop.copy_from_slice(&face.rgb))?;
        let embedded = Embedding::with_length(self.model.clone(), rows.row(0, 0).into());
        embedded.map(|(embedding, length)| Embedded { embedding, length }).ok_or(VisionError::NoDirection)
    }
}
