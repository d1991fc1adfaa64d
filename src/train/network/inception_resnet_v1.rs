//! FaceNet's Inception-ResNet-v1 (Szegedy et al. 2016, as in the FaceNet project), with TF-slim's variable names.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::pass::{Padding, Pass};
use super::{Network, NetworkOutput};

/// Side of its input in pixels.
pub const SIDE: usize = 160;
/// Prefix of its variables.
const ROOT: &str = "InceptionResnetV1";

/// A layer of a branch: name, kernel's rows and columns, output channels.
type Layer = (&'static str, [usize; 2], usize);

/// A residual block: `x + scale * convolution(concatenated branches)`.
struct Block {
    branches: &'static [&'static [Layer]],
    scale: f32,
}

const BLOCK_35: Block = Block {
    branches: &[
        &[("Conv2d_1x1", [1, 1], 32)],
        &[("Conv2d_0a_1x1", [1, 1], 32), ("Conv2d_0b_3x3", [3, 3], 32)],
        &[("Conv2d_0a_1x1", [1, 1], 32), ("Conv2d_0b_3x3", [3, 3], 32), ("Conv2d_0c_3x3", [3, 3], 32)],
    ],
    scale: 0.17,
};
const BLOCK_17: Block = Block {
    branches: &[
        &[("Conv2d_1x1", [1, 1], 128)],
        &[("Conv2d_0a_1x1", [1, 1], 128), ("Conv2d_0b_1x7", [1, 7], 128), ("Conv2d_0c_7x1", [7, 1], 128)],
    ],
    scale: 0.10,
};
const BLOCK_8: Block = Block {
    branches: &[
        &[("Conv2d_1x1", [1, 1], 192)],
        &[("Conv2d_0a_1x1", [1, 1], 192), ("Conv2d_0b_1x3", [1, 3], 192), ("Conv2d_0c_3x1", [3, 1], 192)],
    ],
    scale: 0.20,
};

/// In a reduction the last layer of each branch has stride 2, and there is another branch of max-pooling.
const MIXED_6A: &[&[Layer]] = &[
    &[("Conv2d_1a_3x3", [3, 3], 384)],
    &[("Conv2d_0a_1x1", [1, 1], 192), ("Conv2d_0b_3x3", [3, 3], 192), ("Conv2d_1a_3x3", [3, 3], 256)],
];
const MIXED_7A: &[&[Layer]] = &[
    &[("Conv2d_0a_1x1", [1, 1], 256), ("Conv2d_1a_3x3", [3, 3], 384)],
    &[("Conv2d_0a_1x1", [1, 1], 256), ("Conv2d_1a_3x3", [3, 3], 256)],
    &[("Conv2d_0a_1x1", [1, 1], 256), ("Conv2d_0b_3x3", [3, 3], 256), ("Conv2d_1a_3x3", [3, 3], 256)],
];

pub fn run(network: &Network, pass: &mut Pass, images: Tensor<4>) -> NetworkOutput {
    use Padding::{Same, Valid};
    let mut x = images;
    for (name, size, channels, stride, padding) in [
        ("Conv2d_1a_3x3", 3, 32, 2, Valid),
        ("Conv2d_2a_3x3", 3, 32, 1, Valid),
        ("Conv2d_2b_3x3", 3, 64, 1, Same),
        ("MaxPool_3a_3x3", 3, 64, 2, Valid),
        ("Conv2d_3b_1x1", 1, 80, 1, Valid),
        ("Conv2d_4a_3x3", 3, 192, 1, Valid),
        ("Conv2d_4b_3x3", 3, 256, 2, Valid),
    ] {
        x = match name.starts_with("MaxPool") {
            true => pass.max_pool(x, size, stride, false),
            false => pass.conv_norm_relu(x, &format!("{ROOT}/{name}"), [size, size], channels, stride, padding),
        };
    }
    x = blocks(pass, x, "Repeat/block35", 5, &BLOCK_35);
    x = reduction(pass, x, "Mixed_6a", MIXED_6A);
    x = blocks(pass, x, "Repeat_1/block17", 10, &BLOCK_17);
    x = reduction(pass, x, "Mixed_7a", MIXED_7A);
    x = blocks(pass, x, "Repeat_2/block8", 5, &BLOCK_8);
    x = block(pass, x, "Block8", &Block { scale: 1.0, ..BLOCK_8 });
    let pooled = pass.mean_pool(x);
    let kept = pass.dropout(pooled, network.keep);
    let bottleneck = format!("{ROOT}/Bottleneck");
    let dense = pass.dense(kept, &bottleneck, network.dimension, false);
    let embedding = pass.norm(dense, &bottleneck);
    let logits = network.logits(pass, embedding.clone(), "Logits");
    NetworkOutput { embedding, logits }
}

/// A sequence of blocks, each followed by a ReLU.
fn blocks(pass: &mut Pass, mut x: Tensor<4>, name: &str, count: usize, kind: &Block) -> Tensor<4> {
    for number in 1..=count {
        x = relu(block(pass, x, &format!("{name}_{number}"), kind));
    }
    x
}

fn block(pass: &mut Pass, x: Tensor<4>, name: &str, kind: &Block) -> Tensor<4> {
    let channels = x.dims()[1];
    let branches = kind.branches.iter().enumerate().map(|(index, layers)| {
        layers.iter().fold(x.clone(), |y, (layer, kernel, outputs)| {
            pass.conv_norm_relu(
                y,
                &format!("{ROOT}/{name}/Branch_{index}/{layer}"),
                *kernel,
                *outputs,
                1,
                Padding::Same,
            )
        })
    });
    let together = Tensor::cat(branches.collect(), 1);
    let layer = format!("{ROOT}/{name}/Conv2d_1x1");
    let up = pass.conv(together, &layer, [1, 1], channels, 1, Padding::Same);
    let up = pass.bias(up, &layer);
    x + up * kind.scale
}

fn reduction(pass: &mut Pass, x: Tensor<4>, name: &str, branches: &[&[Layer]]) -> Tensor<4> {
    let mut parts = Vec::with_capacity(branches.len() + 1);
    for (index, layers) in branches.iter().enumerate() {
        let mut y = x.clone();
        for (place, (layer, kernel, outputs)) in layers.iter().enumerate() {
            let (stride, padding) = if place + 1 == layers.len() { (2, Padding::Valid) } else { (1, Padding::Same) };
            y = pass.conv_norm_relu(
                y,
                &format!("{ROOT}/{name}/Branch_{index}/{layer}"),
                *kernel,
                *outputs,
                stride,
                padding,
            );
        }
        parts.push(y);
    }
    parts.push(pass.max_pool(x, 3, 2, false));
    Tensor::cat(parts, 1)
}

/// A variable's name in the Keras version of the published weights, such as `Block17_3_Branch_1_Conv2d_0a_1x1_kernel`.
pub fn keras_name(variable: &str) -> String {
    let inside = variable.strip_prefix("InceptionResnetV1/").unwrap_or(variable);
    let inside = match inside.strip_prefix("Block8/") {
        Some(last) => format!("Block8_6/{last}"),
        None => ["Repeat/b", "Repeat_1/b", "Repeat_2/b"]
            .iter()
            .find_map(|repeat| inside.strip_prefix(repeat))
            .map_or_else(|| inside.to_owned(), |rest| format!("B{rest}")),
    };
    inside.replace("/weights", "/kernel").replace("/biases", "/bias").replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keras_names_follow_their_pattern() {
        for (variable, keras) in [
            ("InceptionResnetV1/Conv2d_1a_3x3/weights", "Conv2d_1a_3x3_kernel"),
            ("InceptionResnetV1/Repeat/block35_3/Conv2d_1x1/biases", "Block35_3_Conv2d_1x1_bias"),
            (
                "InceptionResnetV1/Repeat_1/block17_10/Branch_1/Conv2d_0b_1x7/BatchNorm/moving_mean",
                "Block17_10_Branch_1_Conv2d_0b_1x7_BatchNorm_moving_mean",
            ),
            (
                "InceptionResnetV1/Block8/Branch_0/Conv2d_1x1/BatchNorm/beta",
                "Block8_6_Branch_0_Conv2d_1x1_BatchNorm_beta",
            ),
            ("InceptionResnetV1/Bottleneck/BatchNorm/beta", "Bottleneck_BatchNorm_beta"),
        ] {
            assert_eq!(keras_name(variable), keras);
        }
    }
}
