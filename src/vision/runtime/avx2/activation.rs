//! PReLU between int8 values and floats, alone or with max-pooling.

#![expect(clippy::indexing_slicing, reason = "`output` checks the channels; blocks are counted by the slopes")]

use std::arch::x86_64::*;

use super::layer::Rounding;
use super::pool::Pool;
use super::tensor::{BLOCK, Size, block_mut, floats, into_shorts};

/// The quantisation of a tensor: the value of one step, and the int8 value that means zero.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub scale: f32,
    pub zero: i32,
}

/// Multiplies negative values by their channel's slope.
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

    /// Whether any channel of a block has a negative slope, so that its results first fall and then rise.
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
        // The sign bit selects.
        _mm256_blendv_ps(value, _mm256_mul_ps(value, floats(slopes)), value)
    }
}

/// A PReLU with int8 results, followed by max-pooling.
pub(super) struct Activation {
    prelu: Prelu,
    /// The number of result steps in 1.0.
    steps: f32,
    rounding: Rounding,
    pool: Pool,
    /// For each block, whether the smallest neighbour must be considered too.
    falls: Vec<bool>,
}

impl Activation {
    pub fn new(prelu: Prelu, to: Grid, pool: Option<Pool>) -> Activation {
        let alone = Pool { window: 1, stride: 1, same: false };
        let falls = (0..prelu.slopes.len()).map(|block| pool.is_some() && prelu.falls(block)).collect();
        let rounding = Rounding::new(to.zero, false);
        Activation { prelu, steps: 1.0 / to.scale, rounding, pool: pool.unwrap_or(alone), falls }
    }

    /// The output's size; `None` for an input with other channels.
    pub fn output(&self, input: Size) -> Option<Size> {
        self.pool.output((input.channels == self.prelu.channels).then_some(input)?)
    }

    /// From `input` of size `from` to `output` of size `to`, both with slack.
    ///
    /// Neighbours are compared before the PReLU, because then fewer values go through it. With a slope of at least 0 the largest neighbour
    /// gives the largest result; with a negative slope either the largest or the smallest does.
    #[target_feature(enable = "avx2")]
    // Inlined into a longer function, its constants would not stay in registers.
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
        // Packing interleaves the halves of both registers; this restores the order.
        self.rounding.values(_mm256_permute4x64_epi64::<0b11_01_10_00>(packed))
    }
}
