//! Convolutions, 16 channels of six places at a time; and fully connected layers.
//!
//! A value is an int8 kept in 16 bits, so that one instruction (`vpmaddwd`) multiplies two neighbouring inputs by their weights and adds the
//! products, for eight channels. The sums are exact.

#![expect(
    clippy::indexing_slicing,
    reason = "window and channels are checked by `Layer::fits` and `output`, and `at` asserts that its windows end within the input"
)]

use std::arch::x86_64::*;

use super::layer::{Finish, Layer, Pair};
use super::tensor::{BLOCK, Size, block_mut, shorts, widened};

/// Places that share one read of the weights: twelve registers of sums leave four for everything else.
const PLACES: usize = 6;

/// A convolution with stride 1 and without padding.
pub(super) struct Convolution {
    window: [usize; 2],
    channels: [usize; 2],
    /// Pairs of neighbouring values in a row of the window.
    pairs: usize,
    blocks: Vec<Block>,
}

/// 16 channels of the output.
struct Block {
    /// For each row of the window and each pair, in the order of [`Layer::packed`].
    weights: Vec<Pair<i16>>,
    finish: Finish,
}

impl Convolution {
    /// `layer` must fit ([`Layer::fits`]).
    pub fn new(layer: &Layer) -> Convolution {
        let pairs = layer.pairs();
        let weights = layer.packed();
        let blocks = weights.chunks(layer.window[0] * pairs).zip(layer.finish());
        Convolution {
            window: layer.window,
            channels: layer.channels,
            pairs,
            blocks: blocks.map(|(weights, finish)| Block { weights: weights.into(), finish }).collect(),
        }
    }

    /// The output's size; `None` for an input of another size.
    pub fn output(&self, input: Size) -> Option<Size> {
        let side = |pixels: usize, window: usize| (pixels + 1).checked_sub(window).filter(|&side| side > 0);
        Some(Size {
            rows: side(input.rows, self.window[0])?,
            columns: side(input.columns, self.window[1])?,
            channels: (input.channels == self.channels[0]).then_some(self.channels[1])?,
        })
    }

    /// From `input` of size `from` to `output` of size `to`, both with slack.
    #[target_feature(enable = "avx2")]
    pub fn run(&self, [from, to]: [Size; 2], input: &[i16], output: &mut [i16]) {
        let count = to.rows * to.columns;
        let start = |row: usize, column: usize| (row * from.columns + column) * from.channels;
        let mut starts = to.places().map(|(row, column)| start(row, column));
        for first in (0..count / PLACES).map(|six| six * PLACES) {
            let places: [usize; PLACES] = std::array::from_fn(|i| first + i);
            self.at(places, places.map(|_| starts.next().unwrap_or(0)), from, input, output);
        }
        if count % PLACES == 0 {
            return;
        }
        let start = |place: usize| start(place / to.columns, place % to.columns);
        match count.checked_sub(PLACES) {
            // The last six overlap the previous ones: some places are computed twice.
            Some(first) => {
                let places: [usize; PLACES] = std::array::from_fn(|i| first + i);
                self.at(places, places.map(start), from, input, output);
            }
            None => (0..count).for_each(|place| self.at([place], [start(place)], from, input, output)),
        }
    }

    /// All channels of `places`, whose windows begin at `starts`.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn at<const P: usize>(
        &self,
        places: [usize; P],
        starts: [usize; P],
        from: Size,
        input: &[i16],
        output: &mut [i16],
    ) {
        let outputs = self.channels[1];
        let stride = from.columns * from.channels;
        let reach = (self.window[0] - 1) * stride + self.pairs * 2;
        assert!(starts.iter().all(|start| start + reach <= input.len()), "a window extends beyond the input");
        // The last block first: if it has fewer than 16 channels, its excess values are overwritten by the next place.
        for (index, block) in self.blocks.iter().enumerate().rev() {
            // SAFETY: all windows end within the input, as asserted above.
            let sums = unsafe { sums(block.finish.bias(), input, starts, stride, &block.weights, self.pairs) };
            for place in 0..P {
                let values = block.finish.values(sums[place]);
                *block_mut(output, places[place] * outputs + index * BLOCK) = values;
            }
        }
    }
}

/// The sums of 16 channels at `P` places, beginning with `bias`. `weights` has `pairs` pairs for each row of a window; the rows of a window are
/// `stride` values apart.
///
/// # Safety
/// From each start on, `input` must hold as many rows as `weights` has, each of `pairs` pairs.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn sums<const P: usize>(
    bias: [__m256i; 2],
    input: &[i16],
    starts: [usize; P],
    stride: usize,
    weights: &[Pair<i16>],
    pairs: usize,
) -> [[__m256i; 2]; P] {
    let mut sums = [bias; P];
    let mut row = input.as_ptr();
    let mut weights = weights;
    while let Some((of_row, rest)) = weights.split_at_checked(pairs).filter(|(of_row, _)| !of_row.is_empty()) {
        for (pair, Pair([low, high])) in of_row.iter().enumerate() {
            let (low, high) = (shorts(low), shorts(high));
            for place in 0..P {
                // SAFETY: the caller guarantees that this pair is within the input.
                let values = unsafe { row.add(starts[place] + pair * 2).cast::<i32>().read_unaligned() };
                let values = _mm256_set1_epi32(values);
                sums[place][0] = _mm256_add_epi32(sums[place][0], _mm256_madd_epi16(values, low));
                sums[place][1] = _mm256_add_epi32(sums[place][1], _mm256_madd_epi16(values, high));
            }
        }
        (weights, row) = (rest, row.wrapping_add(stride));
    }
    sums
}

/// A fully connected layer. Each weight is used once, so the time goes into reading the weights.
pub(super) struct Dense {
    values: usize,
    outputs: usize,
    pairs: usize,
    /// In the order of [`Layer::packed`]; as bytes, to read half as much memory.
    weights: Vec<Pair<i8>>,
    finish: Vec<Finish>,
}

impl Dense {
    /// `layer` must fit and have one row, in which the window's rows follow each other.
    pub fn new(layer: &Layer) -> Dense {
        let pairs = layer.pairs();
        let values = layer.window[1] * layer.channels[0];
        Dense { values, outputs: layer.channels[1], pairs, weights: layer.packed(), finish: layer.finish() }
    }

    /// The output's size; `None` for an input of another size.
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
