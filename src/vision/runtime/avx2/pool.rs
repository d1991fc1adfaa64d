//! Max-pooling.

#![expect(clippy::indexing_slicing, reason = "`neighbours` clips every window to the input")]

use std::arch::x86_64::*;

use super::tensor::{BLOCK, Size, block, block_mut, into_shorts, shorts};

/// Square windows. With `same` padding they may extend beyond the input's edge, where they have fewer values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool {
    pub window: usize,
    pub stride: usize,
    pub same: bool,
}

/// The values of one window, within an input.
#[derive(Clone, Copy)]
pub(super) struct Neighbours {
    /// Index of the first.
    start: usize,
    rows: usize,
    columns: usize,
    /// Values from one to the next, down and across the input.
    steps: [usize; 2],
}

impl Pool {
    /// The output's size; `None` for an input smaller than a window.
    pub fn output(&self, input: Size) -> Option<Size> {
        let side = |side: usize| {
            let room = if self.same { side + self.stride } else { (side + 1).checked_sub(self.window)? + self.stride };
            Some((room - 1) / self.stride).filter(|&side| side > 0)
        };
        Some(Size { rows: side(input.rows)?, columns: side(input.columns)?, channels: input.channels })
    }

    /// The neighbours of the place at `row` and `column` of an output of size `to`.
    #[inline]
    pub fn neighbours(&self, [from, to]: [Size; 2], row: usize, column: usize) -> Neighbours {
        let range = |index: usize, from: usize, to: usize| {
            // TensorFlow's padding: half of what is missing at each end, the smaller half at the first.
            let missing = ((to - 1) * self.stride + self.window).saturating_sub(from) / 2;
            let first = index * self.stride;
            (first.saturating_sub(missing), (first + self.window - missing).min(from))
        };
        let (top, bottom) = range(row, from.rows, to.rows);
        let (left, right) = range(column, from.columns, to.columns);
        let steps = [from.columns * from.channels, from.channels];
        Neighbours { start: top * steps[0] + left * steps[1], rows: bottom - top, columns: right - left, steps }
    }

    /// From `input` of size `from` to `output` of size `to`, both with slack.
    #[target_feature(enable = "avx2")]
    pub fn run(&self, [from, to]: [Size; 2], input: &[i16], output: &mut [i16]) {
        for (place, (row, column)) in to.places().enumerate() {
            let neighbours = self.neighbours([from, to], row, column);
            for index in 0..to.channels.div_ceil(BLOCK) {
                let at = place * to.channels + index * BLOCK;
                *block_mut(output, at) = into_shorts(neighbours.largest(index, input));
            }
        }
    }
}

impl Neighbours {
    /// The maximum of each of 16 channels.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn largest(&self, index: usize, input: &[i16]) -> __m256i {
        let first = shorts(block(input, self.start + index * BLOCK));
        self.fold(index, input, first, |largest, values| _mm256_max_epi16(largest, values))
    }

    /// The minimum and the maximum of each of 16 channels.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn extremes(&self, index: usize, input: &[i16]) -> [__m256i; 2] {
        let first = shorts(block(input, self.start + index * BLOCK));
        self.fold(index, input, [first; 2], |[least, largest], values| {
            [_mm256_min_epi16(least, values), _mm256_max_epi16(largest, values)]
        })
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn fold<T>(&self, index: usize, input: &[i16], first: T, join: impl Fn(T, __m256i) -> T) -> T {
        let input = &input[self.start + index * BLOCK..];
        // Loops of constant length are unrolled.
        match (self.rows, self.columns) {
            (1, 1) => first,
            (2, 2) => self.fold_square(input, [2, 2], first, join),
            (3, 3) => self.fold_square(input, [3, 3], first, join),
            (rows, columns) => self.fold_square(input, [rows, columns], first, join),
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn fold_square<T>(
        &self,
        input: &[i16],
        [rows, columns]: [usize; 2],
        first: T,
        join: impl Fn(T, __m256i) -> T,
    ) -> T {
        let [down, across] = self.steps;
        let mut joined = first;
        for row in 0..rows {
            for column in 0..columns {
                joined = join(joined, shorts(block(input, row * down + column * across)));
            }
        }
        joined
    }
}
