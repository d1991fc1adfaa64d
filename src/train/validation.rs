//! Validation of a network on people that it is not trained on: pairs of aligned faces, with the FaceNet project's figures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use thiserror::Error;

use super::data::{Crop, Size, Why, face, window};
use super::network::{Network, NetworkError};
use super::run::embed_some;
use super::weights::Weights;
use crate::lab::pairs::{Pair, PairsError, read_lfw};
use crate::lab::roc::{Figures, RocError, balanced};
use crate::lab::verification::{Comparison, FaceVectors, Metric, Protocol, measure};

/// Folds; each is evaluated at the cuts of the others.
const FOLDS: usize = 10;
/// The false accept rate at which the validation rate is measured.
const FAR: f64 = 0.01;

/// Pairs with their pictures, in memory.
pub struct Pairs {
    comparisons: Vec<Comparison>,
    /// As the network's input values.
    pictures: Vec<Vec<f32>>,
}

/// Why pairs cannot be used.
#[derive(Debug, Error)]
pub enum ValidationError {
    #[error(transparent)]
    Pairs(#[from] PairsError),
    #[error("{}: {why}; is this the folder that `usher align` wrote?", path.display())]
    Picture { path: PathBuf, why: Why },
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Roc(#[from] RocError),
}

impl Pairs {
    /// Reads a list in LFW's format and the aligned faces that it names. The network's input is the middle of each.
    pub fn read(list: &Path, images: &Path, size: Size) -> Result<Self, ValidationError> {
        let mut places: BTreeMap<PathBuf, usize> = BTreeMap::new();
        let mut pictures = Vec::new();
        let mut place = |path: PathBuf| -> Result<usize, ValidationError> {
            if let Some(&place) = places.get(&path) {
                return Ok(place);
            }
            let pixels =
                face(&path, size.kept()).map_err(|why| ValidationError::Picture { path: path.clone(), why })?;
            let mut values = Vec::with_capacity(size.side * size.side * 3);
            window(&pixels, size, Crop::middle(size), &mut values);
            pictures.push(values);
            places.insert(path, pictures.len() - 1);
            Ok(pictures.len() - 1)
        };
        let comparisons = read_lfw(list, images)?
            .into_iter()
            .map(|Pair { a, b, same }| Ok(Comparison { a: place(a)?, b: place(b)?, same }))
            .collect::<Result<_, ValidationError>>()?;
        Ok(Self { comparisons, pictures })
    }

    /// The figures of a network.
    pub fn figures(
        &self,
        network: &Network,
        weights: &mut Weights,
        device: &Device,
    ) -> Result<Figures, ValidationError> {
        let embeddings = embed_some(network, weights, device, &self.pictures, <[Vec<f32>]>::concat)?;
        let dimension = embeddings.len() / self.pictures.len().max(1);
        let faces: Vec<FaceVectors> =
            embeddings.chunks_exact(dimension.max(1)).map(|one| FaceVectors(vec![one.into()])).collect();
        let same: Vec<bool> = self.comparisons.iter().map(|pair| pair.same).collect();
        let protocol = Protocol { metric: Metric::Euclidean, subtract_mean: false, far: FAR };
        Ok(measure(&faces, &self.comparisons, &balanced(&same, FOLDS)?, protocol)?)
    }
}
