//! Tensors of the kernels: int8 values kept in 16 bits, read and written in blocks of 16, and AVX2 registers from arrays.

use std::arch::x86_64::*;

/// Channels of a block: two registers of sums.
pub(super) const BLOCK: usize = 16;

/// Values behind the last one of a tensor that may be read and written, because a block may begin at any value.
pub(super) const SLACK: usize = BLOCK;

/// Rows, columns and channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub rows: usize,
    pub columns: usize,
    pub channels: usize,
}

impl Size {
    pub fn values(self) -> usize {
        self.rows * self.columns * self.channels
    }

    /// Row and column of each place, in the order of their values.
    #[inline]
    pub fn places(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.rows).flat_map(move |row| (0..self.columns).map(move |column| (row, column)))
    }
}

/// 16 values of a tensor from `at` on.
#[inline]
#[expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "`at` is a value of the tensor, and SLACK values follow the last one"
)]
pub(super) fn block(tensor: &[i16], at: usize) -> &[i16; BLOCK] {
    tensor[at..].first_chunk().expect("a tensor has slack behind its last value")
}

/// The same, to be written.
#[inline]
#[expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "`at` is a value of the tensor, and SLACK values follow the last one"
)]
pub(super) fn block_mut(tensor: &mut [i16], at: usize) -> &mut [i16; BLOCK] {
    tensor[at..].first_chunk_mut().expect("a tensor has slack behind its last value")
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn floats(values: &[f32; 8]) -> __m256 {
    // SAFETY: the array is as long as a register, and need not be aligned.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn ints(values: &[i32; 8]) -> __m256i {
    // SAFETY: as above.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn shorts(values: &[i16; 16]) -> __m256i {
    // SAFETY: as above.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// 16 bytes, sign-extended to 16 bits each.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn widened(values: &[i8; 16]) -> __m256i {
    // SAFETY: the array is as long as half a register, and need not be aligned.
    _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(values.as_ptr().cast()) })
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn into_shorts(values: __m256i) -> [i16; 16] {
    let mut array = [0; 16];
    // SAFETY: as above.
    unsafe { _mm256_storeu_si256(array.as_mut_ptr().cast(), values) };
    array
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn into_floats(values: __m256) -> [f32; 8] {
    let mut array = [0.0; 8];
    // SAFETY: as above.
    unsafe { _mm256_storeu_ps(array.as_mut_ptr(), values) };
    array
}
