//! A layer of weights as it is in the file, reordered to the order in which its products are summed; and the rounding of those sums.

#![expect(
    clippy::indexing_slicing,
    reason = "`Layer::fits` checks that weights, bias and scales have the sizes that `window` and `channels` give"
)]

use std::arch::x86_64::*;

use super::tensor::{BLOCK, floats, into_shorts, ints};

/// A convolution, or a fully connected layer: a convolution whose window is the whole input.
#[derive(Debug)]
pub(super) struct Layer {
    /// Rows and columns.
    pub window: [usize; 2],
    /// Of the input and of the output.
    pub channels: [usize; 2],
    /// Output channel, row, column, input channel.
    pub weights: Vec<i8>,
    pub bias: Vec<i32>,
    /// For each output channel, the value of 1 in a sum, in steps of the output.
    pub scales: Vec<f32>,
    /// Of the input and of the output.
    pub zeros: [i32; 2],
    pub relu: bool,
}

/// The weights of a pair of neighbouring values for 16 channels, in two registers. Aligned, so that a read touches one cache line.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(super) struct Pair<T>(pub [[T; 16]; 2]);

/// The channel of a block whose sum is in `lane` of `register`. With this order, packing two registers puts the 16 channels in sequence.
fn channel(register: usize, lane: usize) -> usize {
    register * 4 + lane / 4 * 8 + lane % 4
}

impl Layer {
    /// Whether weights, bias, scales and zero points fit the window and the channels.
    pub fn fits(&self) -> bool {
        let [_, outputs] = self.channels;
        let sides = [self.window[0], self.window[1], self.channels[0], outputs];
        let weights = sides.into_iter().try_fold(1usize, usize::checked_mul);
        weights.is_some_and(|weights| weights > 0 && self.weights.len() == weights)
            && self.bias.len() == outputs
            && self.scales.len() == outputs
            && self.zeros.iter().all(|zero| (-128..128).contains(zero))
    }

    /// Weights of an output channel.
    fn each(&self) -> usize {
        self.window[0] * self.window[1] * self.channels[0]
    }

    /// Pairs of neighbouring values in a row of the window. If their number is odd, the last pair has a value of the next place with weight 0.
    pub fn pairs(&self) -> usize {
        (self.window[1] * self.channels[0]).div_ceil(2)
    }

    /// For each block, row of the window and pair: two registers, each with the pair's weights for eight channels.
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

    /// How the sums of each block become output values.
    pub fn finish(&self) -> Vec<Finish> {
        let each = self.each();
        let [_, outputs] = self.channels;
        let [zero_in, zero_out] = self.zeros;
        // What the input's zero point adds to a sum is constant, so it goes into the bias.
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

/// Converts the sums of a block to output values: scales and rounds them.
pub(super) struct Finish {
    bias: [[i32; 8]; 2],
    scale: [[f32; 8]; 2],
    rounding: Rounding,
}

impl Finish {
    /// The initial value of the sums.
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

/// Rounds floats to the int8 values of one tensor as XNNPACK does: to the nearest step (ties to even), plus the zero point, clamped to int8.
pub(super) struct Rounding {
    zero: i16,
    /// The upper bound in steps before the zero point is added, and the lower bound after it.
    most: f32,
    least: i16,
}

impl Rounding {
    /// With `relu`, no value is below `zero`. `zero` must be within int8.
    pub fn new(zero: i32, relu: bool) -> Rounding {
        let least = if relu { zero } else { -128 };
        Rounding { zero: zero as i16, most: (127 - zero) as f32, least: least as i16 }
    }

    /// Eight floats, in units of steps, rounded to whole steps.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn steps(&self, floats: __m256) -> __m256i {
        _mm256_cvtps_epi32(_mm256_min_ps(floats, _mm256_set1_ps(self.most)))
    }

    /// The int8 values of sixteen packed numbers of steps.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn values(&self, steps: __m256i) -> __m256i {
        let values = _mm256_adds_epi16(steps, _mm256_set1_epi16(self.zero));
        _mm256_max_epi16(values, _mm256_set1_epi16(self.least))
    }
}
