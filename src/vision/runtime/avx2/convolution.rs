//! Convolutions: 16 channels of six places at a time.
//!
//! A value is an int8 kept in 16 bits, so that one instruction (`vpmaddwd`) multiplies two neighbours of the input with their weights and adds
//! them, for eight channels. The sums are exact.

use std::arch::x86_64::*;

use super::lanes::shorts;
use super::layer::{BLOCK, Finish, Layer, Pair};
use super::{Size, block_mut};

/// Places that share a look at the weights: twelve registers of sums leave four for the rest.
const PLACES: usize = 6;

/// A layer whose window moves by one, without padding.
pub(super) struct Convolution {
    window: [usize; 2],
    channels: [usize; 2],
    /// Pairs of neighbours in a row of the window.
    pairs: usize,
    blocks: Vec<Block>,
}

/// 16 channels of the output.
struct Block {
    /// For each row of the window and each pair, as [`Layer::packed`] lays them out.
    weights: Vec<Pair<i16>>,
    finish: Finish,
}

impl Convolution {
    /// `layer` must fit.
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

    /// `None` for an input that it does not take.
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
            // Some places are done twice.
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
        assert!(starts.iter().all(|start| start + reach <= input.len()), "a window reaches beyond the input");
        // The last block first: where it has fewer than 16 channels, the rest is the next place's, which is written later.
        for (index, block) in self.blocks.iter().enumerate().rev() {
            // SAFETY: all windows end within the input, as was asserted.
            let sums = unsafe { sums(block.finish.bias(), input, starts, stride, &block.weights, self.pairs) };
            for place in 0..P {
                let values = block.finish.values(sums[place]);
                *block_mut(output, places[place] * outputs + index * BLOCK) = values;
            }
        }
    }
}

/// The sums of 16 channels at `P` places, from `bias` on. `weights` has `pairs` for each row of a window, and a window's rows are `stride` values apart.
///
/// # Safety
/// From each start on, `input` has as many rows as the weights, each of so many pairs.
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
                // SAFETY: the caller promises that this pair is within the input.
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
