//! The networks that can be trained. Each is one function that runs pictures through its layers (`pass`).

pub mod inception_resnet_v1;
pub mod pass;
pub mod sequential;

use burn::tensor::{Device, Tensor};
use thiserror::Error;

use self::pass::{Pass, Purpose};
use super::weights::Weights;

/// The architectures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// FaceNet's: 160 x 160, 512-D or another size.
    InceptionResnetV1,
    /// The aligned network of DeepFace: 152 x 152, 4096-D.
    DeepFace,
    /// Four convolutions on 64 x 64: trains in minutes, for first experiments.
    Small,
}

/// An architecture with its sizes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Network {
    pub kind: Kind,
    /// Dimension of an embedding. Ignored for DeepFace, whose dimension is 4096.
    pub dimension: usize,
    /// People of the softmax layer; 0 without one.
    pub classes: usize,
    /// The share of values that dropout keeps during training; 1 for all.
    pub keep: f32,
}

/// The results of a network.
pub struct NetworkOutput {
    /// Before normalisation: batch, dimension.
    pub embedding: Tensor<2>,
    /// Before the softmax: batch, classes.
    pub logits: Option<Tensor<2>>,
}

/// Why weights do not fit a network.
#[derive(Debug, Error, PartialEq)]
pub enum NetworkError {
    #[error("the weight {name} must be of shape {needed:?} and is {}; are these the weights of this network and this size of embedding?",
        found.as_ref().map_or("missing".to_owned(), |shape| format!("{shape:?}")))]
    Shape { name: String, needed: Vec<usize>, found: Option<Vec<usize>> },
}

impl Network {
    /// Side of its input in pixels.
    pub fn side(&self) -> usize {
        match self.kind {
            Kind::InceptionResnetV1 => inception_resnet_v1::SIDE,
            Kind::DeepFace => sequential::DEEPFACE_SIDE,
            Kind::Small => sequential::SMALL_SIDE,
        }
    }

    /// Runs pictures through the network.
    pub fn run(&self, pass: &mut Pass, images: Tensor<4>) -> NetworkOutput {
        match self.kind {
            Kind::InceptionResnetV1 => inception_resnet_v1::run(self, pass, images),
            Kind::DeepFace => sequential::deepface(self, pass, images),
            Kind::Small => sequential::small(self, pass, images),
        }
    }

    /// Creates the missing weights, and checks the others.
    ///
    /// # Errors
    /// An existing weight has another shape.
    pub fn initialise(
        &self,
        weights: &mut Weights,
        device: &Device,
        rng: &mut fastrand::Rng,
    ) -> Result<(), NetworkError> {
        let side = self.side();
        let mut pass = Pass::new(Purpose::Initialise, device, weights, rng);
        let picture = pass.images(vec![0.0; side * side * 3], side);
        self.run(&mut pass, picture);
        pass.finish()
    }

    /// From `available` weights under FaceNet's names or Keras's, selects those of this network under its own names, except those of the layers in
    /// `anew`. Returns them with the number of missing ones.
    pub fn select_weights(&self, available: &Weights, anew: &[String]) -> Result<(Weights, usize), NetworkError> {
        let mut own = Weights::new();
        self.initialise(&mut own, &Device::flex(), &mut fastrand::Rng::with_seed(0))?;
        let is_anew = |name: &str| anew.iter().any(|layer| name.split('/').any(|part| part == layer));
        let mut selected = Weights::new();
        for name in own.keys().filter(|name| !is_anew(name)) {
            let array = available.get(name).or_else(|| available.get(&inception_resnet_v1::keras_name(name)));
            selected.extend(array.map(|array| (name.clone(), array.clone())));
        }
        let missing = own.len() - selected.len();
        Ok((selected, missing))
    }

    /// The softmax layer's logits, if there is one. It is the last layer and is not exported.
    fn logits(&self, pass: &mut Pass, x: Tensor<2>, name: &str) -> Option<Tensor<2>> {
        (self.classes > 0).then(|| pass.dense(x, name, self.classes, true))
    }
}
