//! One run through a network: layers that fetch their weights by name.
//!
//! A network is written once, as the run itself. What a layer needs it says where it is used: when a network is founded, a weight
//! that is not there yet is made; later its shape is checked. Images are batch, channels, rows, columns.

use std::collections::BTreeMap;

use burn::tensor::activation::relu;
use burn::tensor::module::{batch_norm, batch_norm_train, conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData, s};

use super::NetworkError;
use crate::train::weights::{Array, Weights};

/// Of the FaceNet code's batch norms.
const NORM_EPSILON: f64 = 1e-3;
/// How much of a moving mean or variance stays at a step: the FaceNet code's.
const NORM_DECAY: f32 = 0.995;

/// Why a pass is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To make or check the weights: one picture, no gradients.
    Found,
    /// To learn: batch norms by the batch, dropout, gradients.
    Learn,
    /// To embed: batch norms by their moving figures.
    Embed,
}

/// How far a window reaches over the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Not at all.
    Valid,
    /// Half its size, so that the picture keeps its size at stride 1.
    Same,
}

/// A run through a network.
pub struct Pass<'a> {
    purpose: Purpose,
    device: Device,
    weights: &'a mut Weights,
    draw: &'a mut fastrand::Rng,
    leaves: BTreeMap<String, Tensor<1>>,
    statistics: Vec<(String, Tensor<1>)>,
    /// The share of zeros of layers that report it.
    sparsity: Vec<(String, f32)>,
    wrong: Option<NetworkError>,
}

impl<'a> Pass<'a> {
    /// `draw` decides about fresh weights and about dropout.
    pub fn new(purpose: Purpose, device: &Device, weights: &'a mut Weights, draw: &'a mut fastrand::Rng) -> Self {
        let device = match purpose {
            Purpose::Learn => device.clone().autodiff(),
            Purpose::Found | Purpose::Embed => device.clone(),
        };
        Self {
            purpose,
            device,
            weights,
            draw,
            leaves: BTreeMap::new(),
            statistics: Vec::new(),
            sparsity: Vec::new(),
            wrong: None,
        }
    }

    /// A weight as a tensor: founded with `fill` where it is missing, and checked otherwise.
    ///
    /// A wrong shape is remembered, and told at the pass's end; until then the weight counts as zeros.
    fn weight<const D: usize>(&mut self, name: &str, shape: [usize; D], fill: Fill) -> Tensor<D> {
        if let Some(leaf) = self.leaves.get(name) {
            return leaf.clone().reshape(shape);
        }
        if self.purpose == Purpose::Found && !self.weights.contains_key(name) {
            let values = fill.values(shape.iter().product(), self.draw);
            self.weights.insert(name.to_owned(), Array { shape: shape.to_vec(), values });
        }
        let values = match self.weights.get(name) {
            Some(array) if array.shape == shape => array.values.clone(),
            found => {
                let found = found.map(|array| array.shape.clone());
                self.wrong.get_or_insert(NetworkError::Shape { name: name.to_owned(), needed: shape.to_vec(), found });
                vec![0.0; shape.iter().product()]
            }
        };
        let length = values.len();
        let mut leaf = Tensor::<1>::from_data(TensorData::new(values, [length]), &self.device);
        if self.purpose == Purpose::Learn && is_learned(name) {
            leaf = leaf.require_grad();
        }
        self.leaves.insert(name.to_owned(), leaf.clone());
        leaf.reshape(shape)
    }

    /// Where tensors of this pass live.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Pictures as a tensor: `pixels` are (pixel - 127.5) / 128, RGB, in the order of rows; the tensor has channels first.
    pub fn images(&self, pixels: Vec<f32>, side: usize) -> Tensor<4> {
        let count = pixels.len() / (side * side * 3);
        Tensor::<4>::from_data(TensorData::new(pixels, [count, side, side, 3]), &self.device).permute([0, 3, 1, 2])
    }

    /// A convolution without bias. The kernel is drawn after Glorot and Bengio 2010, as TF-slim's `xavier_initializer`
    /// does.
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
        let reach = match padding {
            Padding::Valid => [0, 0],
            Padding::Same => [(kernel[0] - 1) / 2, (kernel[1] - 1) / 2],
        };
        conv2d(x, weight.permute([3, 2, 0, 1]), None, ConvOptions::new([stride, stride], reach, [1, 1], 1))
    }

    /// A bias for each channel of a convolution.
    pub fn bias(&mut self, x: Tensor<4>, name: &str) -> Tensor<4> {
        let channels = x.dims()[1];
        let bias: Tensor<1> = self.weight(&format!("{name}/biases"), [channels], Fill::Even(0.0));
        x + bias.reshape([1, channels, 1, 1])
    }

    /// FaceNet's convolution: without bias, batch norm, ReLU.
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

    /// A dense layer, without bias unless `bias`.
    pub fn dense(&mut self, x: Tensor<2>, name: &str, outputs: usize, bias: bool) -> Tensor<2> {
        let [_, inputs] = x.dims();
        let weight: Tensor<2> =
            self.weight(&format!("{name}/weights"), [inputs, outputs], Fill::Glorot { inputs, outputs });
        let y = x.matmul(weight);
        match bias {
            true => y + self.weight::<1>(&format!("{name}/biases"), [outputs], Fill::Even(0.0)).unsqueeze(),
            false => y,
        }
    }

    /// A batch norm with a shift and without a scale, as all of FaceNet's are. Channels are the second dimension.
    pub fn norm<const D: usize>(&mut self, x: Tensor<D>, layer: &str) -> Tensor<D> {
        let channels = x.dims()[1];
        let [beta, mean, variance] =
            ["beta", "moving_mean", "moving_variance"].map(|figure| format!("{layer}/BatchNorm/{figure}"));
        let shift = self.weight(&beta, [channels], Fill::Even(0.0));
        let scale = Tensor::<1>::ones([channels], &self.device);
        let moving_mean = self.weight(&mean, [channels], Fill::Even(0.0));
        let moving_variance = self.weight(&variance, [channels], Fill::Even(1.0));
        match self.purpose {
            Purpose::Learn => {
                let normed = batch_norm_train(x, scale, shift, NORM_EPSILON);
                self.statistics.push((mean, normed.mean));
                self.statistics.push((variance, normed.variance));
                normed.output
            }
            Purpose::Found | Purpose::Embed => batch_norm(x, scale, shift, moving_mean, moving_variance, NORM_EPSILON),
        }
    }

    /// A layer like a convolution whose weights differ at each place (DeepFace, Taigman et al. 2014, layers L4 to L6), with a bias for
    /// each place. Its kernel is places, rows x columns x inputs, outputs.
    pub fn local(&mut self, x: Tensor<4>, name: &str, kernel: usize, outputs: usize, stride: usize) -> Tensor<4> {
        let [batch, inputs, rows, columns] = x.dims();
        let (down, along) = ((rows - kernel) / stride + 1, (columns - kernel) / stride + 1);
        let (places, taps) = (down * along, kernel * kernel * inputs);
        let weight: Tensor<3> = self.weight(
            &format!("{name}/weights"),
            [places, taps, outputs],
            Fill::Glorot { inputs: taps, outputs: outputs * kernel * kernel },
        );
        let bias: Tensor<3> = self.weight(&format!("{name}/biases"), [places, 1, outputs], Fill::Even(0.0));
        // A window's taps in the order of rows, columns, inputs; then one product of matrices for each place.
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

    /// The largest of each window. The last window may reach over the edge if `over`, which rounds the size up, not down.
    pub fn max_pool(&mut self, x: Tensor<4>, size: usize, stride: usize, over: bool) -> Tensor<4> {
        max_pool2d(x, MaxPoolOptions::new([size, size]).with_stride([stride, stride]).with_ceil_mode(over))
    }

    /// The mean over all places of each channel.
    pub fn mean_pool(&mut self, x: Tensor<4>) -> Tensor<2> {
        let [batch, channels, rows, columns] = x.dims();
        x.reshape([batch, channels, rows * columns]).mean_dim(2).reshape([batch, channels])
    }

    /// While learning, sets a share of the figures to zero and makes up for it in the others.
    pub fn dropout(&mut self, x: Tensor<2>, kept: f32) -> Tensor<2> {
        if self.purpose != Purpose::Learn || kept >= 1.0 {
            return x;
        }
        let [rows, columns] = x.dims();
        let mask: Vec<f32> =
            (0..rows * columns).map(|_| if self.draw.f32() < kept { 1.0 / kept } else { 0.0 }).collect();
        x * Tensor::<2>::from_data(TensorData::new(mask, [rows, columns]), &self.device)
    }

    /// Notes the share of zeros among a layer's figures.
    pub fn note_sparsity(&mut self, name: &str, x: &Tensor<2>) {
        let values = figures(x.clone().detach());
        let zeros = values.iter().filter(|&&value| value == 0.0).count();
        self.sparsity.push((name.to_owned(), zeros as f32 / values.len().max(1) as f32));
    }

    /// Ends a pass that does not learn.
    ///
    /// # Errors
    ///
    /// When a weight was missing or had another shape.
    pub fn end(self) -> Result<(), NetworkError> {
        self.wrong.map_or(Ok(()), Err)
    }

    /// Ends a pass that learns, with what it learned from `loss`. No weight is moved yet.
    ///
    /// # Errors
    ///
    /// When a weight was missing or had another shape.
    pub fn learn(self, loss: &Tensor<1>) -> Result<Learned, NetworkError> {
        self.wrong.map_or(Ok(()), Err)?;
        let mut gradients = loss.backward();
        let (names, gradients) = self
            .leaves
            .into_iter()
            .filter_map(|(name, leaf)| Some((name, figures(leaf.grad_remove(&mut gradients)?))))
            .unzip();
        let statistics = self.statistics.into_iter().map(|(name, newest)| (name, figures(newest))).collect();
        Ok(Learned { names, gradients, statistics, sparsity: self.sparsity })
    }
}

/// What a pass that learns gives.
pub struct Learned {
    /// The weights that the loss depends on, in the order of their names.
    pub names: Vec<String>,
    /// The gradient of each, as long as the weight.
    pub gradients: Vec<Vec<f32>>,
    /// The batch's means and variances, for `follow`.
    statistics: Vec<(String, Vec<f32>)>,
    /// The share of zeros of layers that report it, 0 to 1.
    pub sparsity: Vec<(String, f32)>,
}

impl Learned {
    /// Moves the moving means and variances of batch norms towards the batch's.
    pub fn follow(&self, weights: &mut Weights) {
        for (name, newest) in &self.statistics {
            let moving = weights.get_mut(name).expect("a batch norm has fetched what it moves");
            for (moving, newest) in moving.values.iter_mut().zip(newest) {
                *moving = NORM_DECAY * *moving + (1.0 - NORM_DECAY) * newest;
            }
        }
    }
}

/// What a fresh weight is made of.
enum Fill {
    Even(f32),
    /// Even between plus and minus `sqrt(6 / (inputs + outputs))`.
    Glorot {
        inputs: usize,
        outputs: usize,
    },
}

impl Fill {
    fn values(self, count: usize, draw: &mut fastrand::Rng) -> Vec<f32> {
        match self {
            Self::Even(value) => vec![value; count],
            Self::Glorot { inputs, outputs } => {
                let limit = (6.0 / (inputs + outputs) as f32).sqrt();
                (0..count).map(|_| (draw.f32() * 2.0 - 1.0) * limit).collect()
            }
        }
    }
}

/// Whether gradients move a weight. Moving means and variances follow the batches instead.
pub fn is_learned(name: &str) -> bool {
    !name.ends_with("/moving_mean") && !name.ends_with("/moving_variance")
}

/// Whether weight decay pulls at a weight: at kernels, as TF-slim's regularizer does, not at shifts and biases.
pub fn is_kernel(name: &str) -> bool {
    name.ends_with("/weights")
}

/// A tensor's figures.
pub fn figures<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().expect("all tensors here are float32")
}
