//! A layer of weights as a file has it, laid out in the order in which its products are summed.
//!
//! Knows nothing of the input's size.

use std::arch::x86_64::*;

use super::lanes::{floats, into_shorts, ints};
use super::rounding::Rounding;

/// Channels of a block: two registers of sums.
pub(super) const BLOCK: usize = 16;

/// A convolution, or a fully connected layer, which is one whose window is all of its input.
#[derive(Debug)]
pub(super) struct Layer {
    /// Rows and columns.
    pub window: [usize; 2],
    /// Of the input and of the output.
    pub channels: [usize; 2],
    /// Output channel, row, column, input channel.
    pub weights: Vec<i8>,
    pub bias: Vec<i32>,
    /// For each output channel, what a sum is worth in steps of the output.
    pub scales: Vec<f32>,
    /// Of the input and of the output.
    pub zeros: [i32; 2],
    pub relu: bool,
}

/// The weights of a pair of neighbours for 16 channels, in two registers. Aligned, so that reading one touches one line of the cache.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(super) struct Pair<T>(pub [[T; 16]; 2]);

/// The channel of a block whose sum lies in lane `lane` of register `register`, so that packing two registers puts 16 in order.
fn channel(register: usize, lane: usize) -> usize {
    register * 4 + lane / 4 * 8 + lane % 4
}

impl Layer {
    /// Whether all parts are of one size.
    pub fn fits(&self) -> bool {
        let each = self.each();
        let [_, outputs] = self.channels;
        each > 0
            && outputs > 0
            && self.weights.len() == each * outputs
            && self.bias.len() == outputs
            && self.scales.len() == outputs
            && self.zeros.iter().all(|zero| (-128..128).contains(zero))
    }

    /// Weights of an output channel.
    fn each(&self) -> usize {
        self.window[0] * self.window[1] * self.channels[0]
    }

    /// Pairs of neighbours in a row of the window; where their number is odd, the last has a value of the next place, with no weight.
    pub fn pairs(&self) -> usize {
        (self.window[1] * self.channels[0]).div_ceil(2)
    }

    /// For each block, row of the window and pair: two registers, each with the pair's weights of eight channels.
    pub fn packed<T: From<i8>>(&self) -> Vec<Pair<T>> {
        let [rows, columns] = self.window;
        let [inputs, outputs] = self.channels;
        let run = columns * inputs;
        let weight = |output: usize, row: usize, value: usize| match output < outputs && value < run {
            true => self.weights[(output * rows + row) * run + value].into(),
            false => 0.into(),
        };
        let mut packed = Vec::with_capacity(outputs.div_ceil(BLOCK) * rows * self.pairs());
        for first in (0..outputs).step_by(BLOCK) {
            for row in 0..rows {
                for value in (0..run).step_by(2) {
                    let register = |register: usize| {
                        std::array::from_fn(|i| weight(first + channel(register, i / 2), row, value + i % 2))
                    };
                    packed.push(Pair(std::array::from_fn(register)));
                }
            }
        }
        packed
    }

    /// What becomes of the sums of each block.
    pub fn finish(&self) -> Vec<Finish> {
        let each = self.each();
        let [_, outputs] = self.channels;
        let [zero_in, zero_out] = self.zeros;
        // What the input's zero point adds to a sum is known beforehand.
        let bias = |output: usize| {
            let weights = self.weights[output * each..][..each].iter();
            self.bias[output].wrapping_sub(zero_in * weights.map(|&weight| i32::from(weight)).sum::<i32>())
        };
        let finish = |first: usize| {
            let there = |register: usize, lane: usize| Some(first + channel(register, lane)).filter(|&o| o < outputs);
            Finish {
                bias: std::array::from_fn(|r| std::array::from_fn(|lane| there(r, lane).map_or(0, bias))),
                scale: std::array::from_fn(|r| std::array::from_fn(|l| there(r, l).map_or(0.0, |o| self.scales[o]))),
                rounding: Rounding::new(zero_out, self.relu),
            }
        };
        (0..outputs).step_by(BLOCK).map(finish).collect()
    }
}

/// What makes the sums of a block values of the output: times the scale, and rounded.
pub(super) struct Finish {
    bias: [[i32; 8]; 2],
    scale: [[f32; 8]; 2],
    rounding: Rounding,
}

impl Finish {
    /// What the sums begin with.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn bias(&self) -> [__m256i; 2] {
        [ints(&self.bias[0]), ints(&self.bias[1])]
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn values(&self, sums: [__m256i; 2]) -> [i16; BLOCK] {
        let packed = _mm256_packs_epi32(self.steps(sums[0], 0), self.steps(sums[1], 1));
        into_shorts(self.rounding.values(packed))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn steps(&self, sums: __m256i, register: usize) -> __m256i {
        self.rounding.steps(_mm256_mul_ps(_mm256_cvtepi32_ps(sums), floats(&self.scale[register])))
    }
}
