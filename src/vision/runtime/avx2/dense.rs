//! Fully connected layers: each weight is used once, so that reading them is the work.
//!
//! The arithmetic is that of the convolutions.

use std::arch::x86_64::*;

use super::Size;
use super::lanes::widened;
use super::layer::{BLOCK, Finish, Layer, Pair};

/// A layer whose window is all of its input.
pub(super) struct Dense {
    values: usize,
    outputs: usize,
    pairs: usize,
    /// As [`Layer::packed`] lays them out; as bytes, because there are many.
    weights: Vec<Pair<i8>>,
    finish: Vec<Finish>,
}

impl Dense {
    /// `layer` must fit, and have one row: the window's rows are one after the other.
    pub fn new(layer: &Layer) -> Dense {
        let pairs = layer.pairs();
        let values = layer.window[1] * layer.channels[0];
        Dense { values, outputs: layer.channels[1], pairs, weights: layer.packed(), finish: layer.finish() }
    }

    /// `None` for an input that it does not take.
    pub fn output(&self, input: Size) -> Option<Size> {
        (input.values() == self.values).then_some(Size { rows: 1, columns: 1, channels: self.outputs })
    }

    /// From `input` to `output`, both with slack.
    #[target_feature(enable = "avx2")]
    pub fn run(&self, input: &[i16], output: &mut [i16]) {
        let blocks = output.as_chunks_mut::<BLOCK>().0.iter_mut();
        for ((weights, finish), output) in self.weights.chunks_exact(self.pairs).zip(&self.finish).zip(blocks) {
            let mut sums = finish.bias();
            for (Pair([low, high]), &[first, second]) in weights.iter().zip(input.as_chunks::<2>().0) {
                let pair = _mm256_set1_epi32(i32::from(first as u16) | i32::from(second) << 16);
                sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(pair, widened(low)));
                sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(pair, widened(high)));
            }
            *output = finish.values(sums);
        }
    }
}
