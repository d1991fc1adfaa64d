//! The networks that can be trained. Each is one function: the run of pictures through its layers (`pass`).

pub mod deepface;
pub mod inception_resnet_v1;
pub mod pass;
pub mod small;

use burn::tensor::{Device, Tensor};
use thiserror::Error;

use self::pass::{Pass, Purpose};
use super::weights::Weights;

/// What can be trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// FaceNet's: 160 x 160, 512-D or another size.
    InceptionResnetV1,
    /// The aligned network of DeepFace: 152 x 152, its descriptor is F7's 4096 figures.
    DeepFace,
    /// Four convolutions on 64 x 64: learns in minutes, to see how it works.
    Small,
}

/// A network of a size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Network {
    pub kind: Kind,
    /// Figures of an embedding. DeepFace's is 4096, whatever is said here.
    pub dimension: usize,
    /// People of the softmax layer, 0 without one.
    pub classes: usize,
    /// The share of figures that dropout leaves while learning; 1 for all.
    pub keep: f32,
}

/// What comes out of a network.
pub struct Output {
    /// Not yet of unit length: batch, dimension.
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
    /// Side of the square pictures that it takes, in pixels.
    pub fn side(&self) -> usize {
        match self.kind {
            Kind::InceptionResnetV1 => inception_resnet_v1::SIDE,
            Kind::DeepFace => deepface::SIDE,
            Kind::Small => small::SIDE,
        }
    }

    /// Runs pictures through the network.
    pub fn run(&self, pass: &mut Pass, images: Tensor<4>) -> Output {
        match self.kind {
            Kind::InceptionResnetV1 => inception_resnet_v1::run(self, pass, images),
            Kind::DeepFace => deepface::run(self, pass, images),
            Kind::Small => small::run(self, pass, images),
        }
    }

    /// Makes the weights that are missing, and checks the others.
    ///
    /// # Errors
    ///
    /// When a weight that is there has another shape.
    pub fn found(&self, weights: &mut Weights, device: &Device, draw: &mut fastrand::Rng) -> Result<(), NetworkError> {
        let side = self.side();
        let mut pass = Pass::new(Purpose::Found, device, weights, draw);
        let picture = pass.images(vec![0.0; side * side * 3], side);
        self.run(&mut pass, picture);
        pass.end()
    }

    /// Of weights that were found somewhere, under FaceNet's names or Keras's, those that the network has, by its own names, but for those of
    /// the layers in `anew`; and how many are missing.
    ///
    /// # Errors
    ///
    /// Never for weights of this network; when layers contradict each other.
    pub fn take(&self, found: &Weights, anew: &[String]) -> Result<(Weights, usize), NetworkError> {
        let mut own = Weights::new();
        self.found(&mut own, &Device::flex(), &mut fastrand::Rng::with_seed(0))?;
        let is_anew = |name: &str| anew.iter().any(|layer| name.split('/').any(|part| part == layer));
        let mut taken = Weights::new();
        for name in own.keys().filter(|name| !is_anew(name)) {
            let array = found.get(name).or_else(|| found.get(&inception_resnet_v1::keras_name(name)));
            taken.extend(array.map(|array| (name.clone(), array.clone())));
        }
        let missing = own.len() - taken.len();
        Ok((taken, missing))
    }

    /// The softmax layer's logits, where there is one. It comes last in a run and is not exported.
    fn logits(&self, pass: &mut Pass, x: Tensor<2>, name: &str) -> Option<Tensor<2>> {
        (self.classes > 0).then(|| pass.dense(x, name, self.classes, true))
    }
}
