//! The largest of neighbours.

use std::arch::x86_64::*;

use super::lanes::{into_shorts, shorts};
use super::layer::BLOCK;
use super::{Size, block_mut};

/// Squares of neighbours. With `same` they may reach beyond the input's end, and have fewer there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool {
    pub window: usize,
    pub stride: usize,
    pub same: bool,
}

/// The neighbours of one place, within an input.
#[derive(Clone, Copy)]
pub(super) struct Neighbours {
    /// Where the first lies.
    start: usize,
    rows: usize,
    columns: usize,
    /// Values from one to the next, down and across.
    steps: [usize; 2],
}

impl Pool {
    /// `None` for an input that has no whole square.
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
            // What is missing is shared by both ends, as TensorFlow does it; the first has the smaller half.
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
            for block in 0..to.channels.div_ceil(BLOCK) {
                let at = place * to.channels + block * BLOCK;
                *block_mut(output, at) = into_shorts(neighbours.largest(block, input));
            }
        }
    }
}

impl Neighbours {
    /// The largest of each of 16 channels.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn largest(&self, block: usize, input: &[i16]) -> __m256i {
        let first = shorts(super::block(input, self.start + block * BLOCK));
        self.fold(block, input, first, |largest, values| _mm256_max_epi16(largest, values))
    }

    /// The least and the largest of each of 16 channels.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn extremes(&self, block: usize, input: &[i16]) -> [__m256i; 2] {
        let first = shorts(super::block(input, self.start + block * BLOCK));
        self.fold(block, input, [first; 2], |[least, largest], values| {
            [_mm256_min_epi16(least, values), _mm256_max_epi16(largest, values)]
        })
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn fold<T>(&self, block: usize, input: &[i16], first: T, join: impl Fn(T, __m256i) -> T) -> T {
        let input = &input[self.start + block * BLOCK..];
        // Loops of a length that is known beforehand are no loops.
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
                joined = join(joined, shorts(super::block(input, row * down + column * across)));
            }
        }
        joined
    }
}
