//! From floats to int8, as XNNPACK does it: to the nearest step (the even one of two), plus the zero point, within int8.

use std::arch::x86_64::*;

/// The way into one tensor.
pub(super) struct Rounding {
    zero: i16,
    /// The most steps before the zero point is added, and the least value after it.
    most: f32,
    least: i16,
}

impl Rounding {
    /// With `relu` nothing is below `zero`, which must be within int8.
    pub fn new(zero: i32, relu: bool) -> Rounding {
        let least = if relu { zero } else { -128 };
        Rounding { zero: zero as i16, most: (127 - zero) as f32, least: least as i16 }
    }

    /// The whole steps of eight floats, which are counted in steps.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn steps(&self, floats: __m256) -> __m256i {
        _mm256_cvtps_epi32(_mm256_min_ps(floats, _mm256_set1_ps(self.most)))
    }

    /// The values of sixteen steps, packed.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub fn values(&self, steps: __m256i) -> __m256i {
        let values = _mm256_adds_epi16(steps, _mm256_set1_epi16(self.zero));
        _mm256_max_epi16(values, _mm256_set1_epi16(self.least))
    }
}
