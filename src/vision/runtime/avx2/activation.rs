//! PReLU, between int8 values and floats.

use std::arch::x86_64::*;

use super::lanes::{floats, into_shorts};
use super::layer::BLOCK;
use super::pool::Pool;
use super::rounding::Rounding;
use super::{Size, block_mut};

/// What a step of int8 values is worth, and which value is zero.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub scale: f32,
    pub zero: i32,
}

/// What is below zero is multiplied by a slope a channel.
pub(super) struct Prelu {
    from: Grid,
    channels: usize,
    slopes: Vec<[[f32; 8]; 2]>,
}

impl Prelu {
    /// `slopes` has one for each channel.
    pub fn new(from: Grid, slopes: &[f32]) -> Prelu {
        let block = |slopes: &[f32]| {
            let slope = |i: usize| slopes.get(i).copied().unwrap_or(0.0);
            std::array::from_fn(|half| std::array::from_fn(|lane| slope(half * 8 + lane)))
        };
        Prelu { from, channels: slopes.len(), slopes: slopes.chunks(BLOCK).map(block).collect() }
    }

    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Whether any channel of a block falls before it rises.
    fn falls(&self, block: usize) -> bool {
        self.slopes[block].as_flattened().iter().any(|&slope| slope < 0.0)
    }

    /// The floats of a block of 16 values.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn floats(&self, block: usize, values: __m256i) -> [__m256; 2] {
        let halves = [_mm256_castsi256_si128(values), _mm256_extracti128_si256::<1>(values)];
        let slopes = &self.slopes[block];
        [self.half(&slopes[0], halves[0]), self.half(&slopes[1], halves[1])]
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn half(&self, slopes: &[f32; 8], values: __m128i) -> __m256 {
        let steps = _mm256_sub_epi32(_mm256_cvtepi16_epi32(values), _mm256_set1_epi32(self.from.zero));
        let value = _mm256_mul_ps(_mm256_cvtepi32_ps(steps), _mm256_set1_ps(self.from.scale));
        // Its sign chooses.
        _mm256_blendv_ps(value, _mm256_mul_ps(value, floats(slopes)), value)
    }
}

/// A PReLU with int8 results, and the largest of each result's neighbours.
pub(super) struct Activation {
    prelu: Prelu,
    /// Steps of the results in 1.
    steps: f32,
    rounding: Rounding,
    pool: Pool,
    /// For each block, whether the least neighbour has to be looked at.
    falls: Vec<bool>,
}

impl Activation {
    pub fn new(prelu: Prelu, to: Grid, pool: Option<Pool>) -> Activation {
        let alone = Pool { window: 1, stride: 1, same: false };
        let falls = (0..prelu.slopes.len()).map(|block| pool.is_some() && prelu.falls(block)).collect();
        let rounding = Rounding::new(to.zero, false);
        Activation { prelu, steps: 1.0 / to.scale, rounding, pool: pool.unwrap_or(alone), falls }
    }

    /// `None` for an input that it does not take.
    pub fn output(&self, input: Size) -> Option<Size> {
        self.pool.output((input.channels == self.prelu.channels).then_some(input)?)
    }

    /// From `input` of size `from` to `output` of size `to`, both with slack.
    ///
    /// The neighbours are compared first, because then fewer values go through the PReLU. The largest neighbour has the largest result where the slope
    /// is not below zero; where it is, results fall and then rise, so that either the largest or the least neighbour has it.
    #[target_feature(enable = "avx2")]
    // Within a longer function its constants do not stay in registers.
    #[inline(never)]
    pub fn run(&self, [from, to]: [Size; 2], input: &[i16], output: &mut [i16]) {
        for (place, (row, column)) in to.places().enumerate() {
            let neighbours = self.pool.neighbours([from, to], row, column);
            for (block, &falls) in self.falls.iter().enumerate() {
                let [low, high] = if falls {
                    let [least, largest] = neighbours.extremes(block, input);
                    let [least, largest] = [self.prelu.floats(block, least), self.prelu.floats(block, largest)];
                    [_mm256_max_ps(least[0], largest[0]), _mm256_max_ps(least[1], largest[1])]
                } else {
                    self.prelu.floats(block, neighbours.largest(block, input))
                };
                let results = self.rounded(low, high);
                *block_mut(output, place * to.channels + block * BLOCK) = into_shorts(results);
            }
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn rounded(&self, low: __m256, high: __m256) -> __m256i {
        let steps = _mm256_set1_ps(self.steps);
        let [low, high] = [_mm256_mul_ps(low, steps), _mm256_mul_ps(high, steps)];
        let packed = _mm256_packs_epi32(self.rounding.steps(low), self.rounding.steps(high));
        // Packing takes its values from the halves of both registers in turn.
        self.rounding.values(_mm256_permute4x64_epi64::<0b11_01_10_00>(packed))
    }
}
