//! Registers of AVX2 from arrays of their size, and back.
//!
//! Knows nothing of what the numbers mean.

use std::arch::x86_64::*;

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

/// 16 bytes with their signs, each in 16 bits.
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
