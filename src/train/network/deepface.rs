//! The aligned network of DeepFace (Taigman et al. 2014, figure 2): two convolutions, three layers with weights of their own at each
//! place, a descriptor of 4096 figures, a softmax over people.
//!
//! The layers' names are the paper's. The paper's L5 strides by two, though it does not say so: its figure gives the sizes.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::pass::{Padding, Pass};
use super::{Network, Output};

/// Side of its pictures in pixels.
pub const SIDE: usize = 152;
/// Figures of F7, the descriptor.
pub const DIMENSION: usize = 4096;
/// What its variables' names begin with.
pub const ROOT: &str = "DeepFace";

pub fn run(network: &Network, pass: &mut Pass, images: Tensor<4>) -> Output {
    let name = |layer: &str| format!("{ROOT}/{layer}");
    let x = pass.conv(images, &name("C1"), [11, 11], 32, 1, Padding::Valid);
    let x = relu(pass.bias(x, &name("C1"))); // 142 x 142
    let x = pass.max_pool(x, 3, 2, true); // 71 x 71
    let x = pass.conv(x, &name("C3"), [9, 9], 16, 1, Padding::Valid);
    let x = relu(pass.bias(x, &name("C3"))); // 63 x 63
    let x = relu(pass.local(x, &name("L4"), 9, 16, 1)); // 55 x 55
    let x = relu(pass.local(x, &name("L5"), 7, 16, 2)); // 25 x 25
    let x = relu(pass.local(x, &name("L6"), 5, 16, 1)); // 21 x 21
    let [batch, channels, rows, columns] = x.dims();
    // Rows, columns, channels: as TensorFlow flattens it.
    let flat = x.permute([0, 2, 3, 1]).reshape([batch, rows * columns * channels]);
    let embedding = relu(pass.dense(flat, &name("F7"), DIMENSION, true));
    pass.note_sparsity("F7", &embedding);
    let kept = pass.dropout(embedding.clone(), network.keep);
    let logits = network.logits(pass, kept, &name("F8"));
    Output { embedding, logits }
}
