//! A small network, for tests and for learning how training works: four convolutions and a dense layer. It takes faces of 64 x 64
//! pixels and learns in minutes on two cores; it is no match for FaceNet.

use burn::tensor::Tensor;

use super::pass::{Padding, Pass};
use super::{Network, Output};

/// Side of its pictures in pixels.
pub const SIDE: usize = 64;
/// What its variables' names begin with.
pub const ROOT: &str = "Small";

pub fn run(network: &Network, pass: &mut Pass, images: Tensor<4>) -> Output {
    let mut x = images;
    for (layer, channels) in [("Conv_1", 24), ("Conv_2", 48), ("Conv_3", 96), ("Conv_4", 128)] {
        // 31, 15, 7 and 3 pixels a side remain.
        x = pass.conv_norm_relu(x, &format!("{ROOT}/{layer}"), [3, 3], channels, 2, Padding::Valid);
    }
    let [batch, channels, rows, columns] = x.dims();
    // Rows, columns, channels: as TensorFlow flattens it.
    let flat = x.permute([0, 2, 3, 1]).reshape([batch, rows * columns * channels]);
    let kept = pass.dropout(flat, network.keep);
    let embedding = pass.dense(kept, &format!("{ROOT}/Bottleneck"), network.dimension, true);
    let logits = network.logits(pass, embedding.clone(), &format!("{ROOT}/Logits"));
    Output { embedding, logits }
}
