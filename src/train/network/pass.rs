//! One pass through a network: layers that fetch their weights by name.
//!
//! A network is defined once, by its pass. Each layer states the shapes of its weights where it is used: initialisation creates missing weights, and
//! later passes check the shapes. Images are batch, channels, rows, columns.

use std::collections::BTreeMap;

use burn::tensor::activation::relu;
use burn::tensor::module::{batch_norm, batch_norm_train, conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData, s};

use super::NetworkError;
use crate::train::weights::{Array, Weights};

/// Epsilon of the FaceNet code's batch norms.
const NORM_EPSILON: f64 = 1e-3;
/// Decay of the moving means and variances, as in the FaceNet code.
const NORM_DECAY: f32 = 0.995;

/// The purpose of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To create or check the weights: one picture, no gradients.
    Initialise,
    /// To train: batch norms use the batch's statistics; dropout; gradients.
    Train,
    /// To embed: batch norms use their moving statistics.
    Embed,
}

/// The padding of a window at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// None.
    Valid,
    /// Half the window's size, which preserves the picture's size at stride 1.
    Same,
}

/// A pass through a network.
pub struct Pass<'a> {
    purpose: Purpose,
    device: Device,
    weights: &'a mut Weights,
    rng: &'a mut fastrand::Rng,
    leaves: BTreeMap<String, Tensor<1>>,
    statistics: Vec<(String, Tensor<1>)>,
    /// The share of zeros, for layers that report it.
    sparsity: Vec<(String, f32)>,
    error: Option<NetworkError>,
}

impl<'a> Pass<'a> {
    /// `rng` determines new weights and dropout.
    pub fn new(purpose: Purpose, device: &Device, weights: &'a mut Weights, rng: &'a mut fastrand::Rng) -> Self {
        let device = match purpose {
            Purpose::Train => device.clone().autodiff(),
            Purpose::Initialise | Purpose::Embed => device.clone(),
        };
        Self {
            purpose,
            device,
            weights,
            rng,
            leaves: BTreeMap::new(),
            statistics: Vec::new(),
            sparsity: Vec::new(),
            error: None,
        }
    }

    /// A weight as a tensor. Initialisation creates a missing weight with `fill`.
    ///
    /// A missing weight or a wrong shape is reported at the end of the pass; until then the weight is zero.
    fn weight<const D: usize>(&mut self, name: &str, shape: [usize; D], fill: Fill) -> Tensor<D> {
        if let Some(leaf) = self.leaves.get(name) {
            return leaf.clone().reshape(shape);
        }
        if self.purpose == Purpose::Initialise && !self.weights.contains_key(name) {
            let values = fill.values(shape.iter().product(), self.rng);
            self.weights.insert(name.to_owned(), Array { shape: shape.to_vec(), values });
        }
        let values = match self.weights.get(name) {
            Some(array) if array.shape == shape => array.values.clone(),
            found => {
                let found = found.map(|array| array.shape.clone());
                self.error.get_or_insert(NetworkError::Shape { name: name.to_owned(), needed: shape.to_vec(), found });
                vec![0.0; shape.iter().product()]
            }
        };
        let length = values.len();
        let mut leaf = Tensor::<1>::from_data(TensorData::new(values, [length]), &self.device);
        if self.purpose == Purpose::Train && is_trained(name) {
            leaf = leaf.require_grad();
        }
        self.leaves.insert(name.to_owned(), leaf.clone());
        leaf.reshape(shape)
    }

    /// The device of this pass's tensors.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Pictures as a tensor: `pixels` are (pixel - 127.5) / 128, RGB, by rows; the tensor has channels first.
    pub fn images(&self, pixels: Vec<f32>, side: usize) -> Tensor<4> {
        let count = pixels.len() / (side * side * 3);
        Tensor::<4>::from_data(TensorData::new(pixels, [count, side, side, 3]), &self.device).permute([0, 3, 1, 2])
    }

    /// A convolution without bias. Kernels are initialised after Glorot and Bengio 2010, as by TF-slim's `xavier_initializer`.
    pub fn conv(
        &mut self,
        x: Tensor<4>,
        name: &str,
        kernel: [usize; 2],
        outputs: usize,
        stride: usize,
        padding: Padding,
    ) -> Tensor<4> {
        let [_, inputs, _, _] = x.dims();
        let area = kernel[0] * kernel[1];
        let weight: Tensor<4> = self.weight(
            &format!("{name}/weights"),
            [kernel[0], kernel[1], inputs, outputs],
            Fill::Glorot { inputs: inputs * area, outputs: outputs * area },
        );
        let padding = match padding {
            Padding::Valid => [0, 0],
            Padding::Same => [(kernel[0] - 1) / 2, (kernel[1] - 1) / 2],
        };
        conv2d(x, weight.permute([3, 2, 0, 1]), None, ConvOptions::new([stride, stride], padding, [1, 1], 1))
    }

    /// A bias for each channel of a convolution.
    pub fn bias(&mut self, x: Tensor<4>, name: &str) -> Tensor<4> {
        let channels = x.dims()[1];
        let bias: Tensor<1> = self.weight(&format!("{name}/biases"), [channels], Fill::Constant(0.0));
        x + bias.reshape([1, channels, 1, 1])
    }

    /// FaceNet's convolution without bias, followed by batch norm and ReLU.
    pub fn conv_norm_relu(
        &mut self,
        x: Tensor<4>,
        name: &str,
        kernel: [usize; 2],
        outputs: usize,
        stride: usize,
        padding: Padding,
    ) -> Tensor<4> {
        let y = self.conv(x, name, kernel, outputs, stride, padding);
        relu(self.norm(y, name))
    }

    /// A dense layer, with a bias if `bias` is set.
    pub fn dense(&mut self, x: Tensor<2>, name: &str, outputs: usize, bias: bool) -> Tensor<2> {
        let [_, inputs] = x.dims();
        let weight: Tensor<2> =
            self.weight(&format!("{name}/weights"), [inputs, outputs], Fill::Glorot { inputs, outputs });
        let y = x.matmul(weight);
        match bias {
            true => y + self.weight::<1>(&format!("{name}/biases"), [outputs], Fill::Constant(0.0)).unsqueeze(),
            false => y,
        }
    }

    /// A batch norm with a shift and without a scale, like all of FaceNet's. Channels are the second dimension.
    pub fn norm<const D: usize>(&mut self, x: Tensor<D>, layer: &str) -> Tensor<D> {
        let channels = x.dims()[1];
        let [beta, mean, variance] =
            ["beta", "moving_mean", "moving_variance"].map(|variable| format!("{layer}/BatchNorm/{variable}"));
        let shift = self.weight(&beta, [channels], Fill::Constant(0.0));
        let scale = Tensor::<1>::ones([channels], &self.device);
        let moving_mean = self.weight(&mean, [channels], Fill::Constant(0.0));
        let moving_variance = self.weight(&variance, [channels], Fill::Constant(1.0));
        match self.purpose {
            Purpose::Train => {
                let normed = batch_norm_train(x, scale, shift, NORM_EPSILON);
                self.statistics.push((mean, normed.mean));
                self.statistics.push((variance, normed.variance));
                normed.output
            }
            Purpose::Initialise | Purpose::Embed => {
                batch_norm(x, scale, shift, moving_mean, moving_variance, NORM_EPSILON)
            }
        }
    }

    /// A locally connected layer: like a convolution, but with separate weights and biases at each place (DeepFace, Taigman et al. 2014, layers L4 to
    /// L6). Its kernel is places, rows x columns x inputs, outputs.
    pub fn local(&mut self, x: Tensor<4>, name: &str, kernel: usize, outputs: usize, stride: usize) -> Tensor<4> {
        let [batch, inputs, rows, columns] = x.dims();
        let (down, along) = ((rows - kernel) / stride + 1, (columns - kernel) / stride + 1);
        let (places, taps) = (down * along, kernel * kernel * inputs);
        let weight: Tensor<3> = self.weight(
            &format!("{name}/weights"),
            [places, taps, outputs],
            Fill::Glorot { inputs: taps, outputs: outputs * kernel * kernel },
        );
        let bias: Tensor<3> = self.weight(&format!("{name}/biases"), [places, 1, outputs], Fill::Constant(0.0));
        // A window's taps in the order of rows, columns, inputs; then one matrix product for each place.
        let mut shifted = Vec::with_capacity(kernel * kernel);
        for (row, column) in (0..kernel).flat_map(|row| (0..kernel).map(move |column| (row, column))) {
            let (last_row, last_column) = (row + (down - 1) * stride + 1, column + (along - 1) * stride + 1);
            shifted.push(
                x.clone()
                    .slice(s![.., .., row..last_row;stride, column..last_column;stride])
                    .reshape([batch, inputs, places]),
            );
        }
        let windows = Tensor::cat(shifted, 1).permute([2, 0, 1]); // places, batch, taps
        let y = windows.matmul(weight) + bias;
        y.permute([1, 2, 0]).reshape([batch, outputs, down, along])
    }

    /// Max-pooling. With `ceil` the last window may extend over the edge: the size is rounded up instead of down.
    pub fn max_pool(&mut self, x: Tensor<4>, size: usize, stride: usize, ceil: bool) -> Tensor<4> {
        max_pool2d(x, MaxPoolOptions::new([size, size]).with_stride([stride, stride]).with_ceil_mode(ceil))
    }

    /// The mean over all places of each channel.
    pub fn mean_pool(&mut self, x: Tensor<4>) -> Tensor<2> {
        let [batch, channels, rows, columns] = x.dims();
        x.reshape([batch, channels, rows * columns]).mean_dim(2).reshape([batch, channels])
    }

    /// During training, sets a random share of the values to zero and scales the others up accordingly.
    pub fn dropout(&mut self, x: Tensor<2>, kept: f32) -> Tensor<2> {
        if self.purpose != Purpose::Train || kept >= 1.0 {
            return x;
        }
        let [rows, columns] = x.dims();
        let mask: Vec<f32> =
            (0..rows * columns).map(|_| if self.rng.f32() < kept { 1.0 / kept } else { 0.0 }).collect();
        x * Tensor::<2>::from_data(TensorData::new(mask, [rows, columns]), &self.device)
    }

    /// Records the share of zeros among a layer's values.
    pub fn record_sparsity(&mut self, name: &str, x: &Tensor<2>) {
        let values = values(x.clone().detach());
        let zeros = values.iter().filter(|&&value| value == 0.0).count();
        self.sparsity.push((name.to_owned(), zeros as f32 / values.len().max(1) as f32));
    }

    /// Finishes a pass that does not train.
    ///
    /// # Errors
    /// A weight was missing or had another shape.
    pub fn finish(self) -> Result<(), NetworkError> {
        self.error.map_or(Ok(()), Err)
    }

    /// Finishes a training pass with the gradients of `loss`. Weights are not changed yet.
    ///
    /// # Errors
    /// A weight was missing or had another shape.
    pub fn gradients(self, loss: &Tensor<1>) -> Result<Gradients, NetworkError> {
        self.error.map_or(Ok(()), Err)?;
        let mut gradients = loss.backward();
        let (names, gradients) = self
            .leaves
            .into_iter()
            .filter_map(|(name, leaf)| Some((name, values(leaf.grad_remove(&mut gradients)?))))
            .unzip();
        let statistics = self.statistics.into_iter().map(|(name, latest)| (name, values(latest))).collect();
        Ok(Gradients { names, gradients, statistics, sparsity: self.sparsity })
    }
}

/// The results of a training pass.
pub struct Gradients {
    /// The weights that the loss depends on, in the order of their names.
    pub names: Vec<String>,
    /// The gradient of each, as long as the weight.
    pub gradients: Vec<Vec<f32>>,
    /// The batch's means and variances, for [`Gradients::update_statistics`].
    statistics: Vec<(String, Vec<f32>)>,
    /// The share of zeros, 0 to 1, for layers that report it.
    pub sparsity: Vec<(String, f32)>,
}

impl Gradients {
    /// Moves the moving means and variances of batch norms towards the batch's.
    pub fn update_statistics(&self, weights: &mut Weights) {
        for (name, latest) in &self.statistics {
            // The pass fetched this weight, so it exists.
            let Some(moving) = weights.get_mut(name) else { continue };
            for (moving, latest) in moving.values.iter_mut().zip(latest) {
                *moving = NORM_DECAY * *moving + (1.0 - NORM_DECAY) * latest;
            }
        }
    }
}

/// The initial values of a weight.
enum Fill {
    Constant(f32),
    /// Uniform between plus and minus `sqrt(6 / (inputs + outputs))`.
    Glorot {
        inputs: usize,
        outputs: usize,
    },
}

impl Fill {
    fn values(self, count: usize, rng: &mut fastrand::Rng) -> Vec<f32> {
        match self {
            Self::Constant(value) => vec![value; count],
            Self::Glorot { inputs, outputs } => {
                let limit = (6.0 / (inputs + outputs) as f32).sqrt();
                (0..count).map(|_| (rng.f32() * 2.0 - 1.0) * limit).collect()
            }
        }
    }
}

/// Whether a weight is trained by gradients. Moving means and variances follow the batches instead.
pub fn is_trained(name: &str) -> bool {
    !name.ends_with("/moving_mean") && !name.ends_with("/moving_variance")
}

/// Whether weight decay applies to a weight: to kernels, as with TF-slim's regularizer, but not to shifts and biases.
pub fn is_kernel(name: &str) -> bool {
    name.ends_with("/weights")
}

/// A tensor's values.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    // All tensors here are float32, so the conversion always succeeds.
    tensor.into_data().try_into_vec::<f32>().unwrap_or_default()
}
