//! Networks without branches: the aligned network of DeepFace, and a small one for tests and first experiments.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::pass::{Padding, Pass};
use super::{Network, NetworkOutput};

/// Side of DeepFace's input in pixels.
pub const DEEPFACE_SIDE: usize = 152;
/// Dimension of F7, DeepFace's descriptor.
pub const DEEPFACE_DIMENSION: usize = 4096;
/// Prefix of DeepFace's variables.
const DEEPFACE: &str = "DeepFace";

/// Side of the small network's input in pixels.
pub const SMALL_SIDE: usize = 64;
/// Prefix of the small network's variables.
const SMALL: &str = "Small";

/// DeepFace (Taigman et al. 2014, figure 2): two convolutions, three layers with separate weights at each place, a descriptor of 4096 values, and a
/// softmax over people. Layers have the paper's names. L5 has stride 2: the paper does not mention it, but its figure's sizes imply it.
pub fn deepface(network: &Network, pass: &mut Pass, images: Tensor<4>) -> NetworkOutput {
    let name = |layer: &str| format!("{DEEPFACE}/{layer}");
    let x = pass.conv(images, &name("C1"), [11, 11], 32, 1, Padding::Valid);
    let x = relu(pass.bias(x, &name("C1"))); // 142 x 142
    let x = pass.max_pool(x, 3, 2, true); // 71 x 71
    let x = pass.conv(x, &name("C3"), [9, 9], 16, 1, Padding::Valid);
    let x = relu(pass.bias(x, &name("C3"))); // 63 x 63
    let x = relu(pass.local(x, &name("L4"), 9, 16, 1)); // 55 x 55
    let x = relu(pass.local(x, &name("L5"), 7, 16, 2)); // 25 x 25
    let x = relu(pass.local(x, &name("L6"), 5, 16, 1)); // 21 x 21
    let [batch, channels, rows, columns] = x.dims();
    // Rows, columns, channels: the order in which TensorFlow flattens.
    let flat = x.permute([0, 2, 3, 1]).reshape([batch, rows * columns * channels]);
    let embedding = relu(pass.dense(flat, &name("F7"), DEEPFACE_DIMENSION, true));
    pass.record_sparsity("F7", &embedding);
    let kept = pass.dropout(embedding.clone(), network.keep);
    let logits = network.logits(pass, kept, &name("F8"));
    NetworkOutput { embedding, logits }
}

/// Four convolutions and a dense layer. Trains in minutes on two cores; much less accurate than FaceNet.
pub fn small(network: &Network, pass: &mut Pass, images: Tensor<4>) -> NetworkOutput {
    let mut x = images;
    for (layer, channels) in [("Conv_1", 24), ("Conv_2", 48), ("Conv_3", 96), ("Conv_4", 128)] {
        // Sides of 31, 15, 7 and 3 pixels.
        x = pass.conv_norm_relu(x, &format!("{SMALL}/{layer}"), [3, 3], channels, 2, Padding::Valid);
    }
    let [batch, channels, rows, columns] = x.dims();
    // Rows, columns, channels: the order in which TensorFlow flattens.
    let flat = x.permute([0, 2, 3, 1]).reshape([batch, rows * columns * channels]);
    let kept = pass.dropout(flat, network.keep);
    let embedding = pass.dense(kept, &format!("{SMALL}/Bottleneck"), network.dimension, true);
    let logits = network.logits(pass, embedding.clone(), &format!("{SMALL}/Logits"));
    NetworkOutput { embedding, logits }
}
