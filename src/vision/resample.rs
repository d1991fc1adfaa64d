//! Resizes pictures of one size to a smaller one with Mitchell's filter. The weights are computed once.

#![expect(
    clippy::indexing_slicing,
    reason = "`Axis::new` keeps every tap inside the source, and `resize` checks both pictures' sizes"
)]

use multiversion::multiversion;

use super::pyramid::ImageView;

/// Weights are integers in units of `1 / (1 << UNIT_BITS)`.
const UNIT_BITS: u32 = 14;
const UNIT: i32 = 1 << UNIT_BITS;
const HALF: i32 = UNIT / 2;
/// Taps of a shrink by two, the largest that a pyramid with its halvings needs.
const FEW_TAPS: usize = 8;
/// Bytes that the vertical pass processes at once.
const BLOCK: usize = 32;
/// Radius of Mitchell's filter, in pixels of the smaller picture.
const REACH: f64 = 2.0;

/// Resizes pictures of one size to another. Reuses its scratch row.
pub(super) struct Resampler {
    columns: Axis,
    /// The columns' weights again, padded with zeros to `FEW_TAPS`; empty if a column has more taps.
    few: Vec<[i32; FEW_TAPS]>,
    rows: Axis,
    row: Vec<u8>,
}

/// For each target position the first source position, and `taps` weights from there on.
struct Axis {
    source: usize,
    taps: usize,
    first: Vec<usize>,
    weights: Vec<i32>,
}

impl Resampler {
    /// From `source` = (width, height) to `target`. `None` if a side is zero.
    pub fn new(source: (usize, usize), target: (usize, usize)) -> Option<Resampler> {
        let sides = [source.0, source.1, target.0, target.1];
        if sides.contains(&0) {
            return None;
        }
        let (columns, rows) = (Axis::new(source.0, target.0), Axis::new(source.1, target.1));
        let few = match columns.taps {
            0..=FEW_TAPS => columns
                .weights
                .chunks_exact(columns.taps)
                .map(|weights| std::array::from_fn(|i| weights.get(i).copied().unwrap_or(0)))
                .collect(),
            _ => Vec::new(),
        };
        // Room for what the horizontal pass reads behind the last pixel: taps with weight 0, and a fourth value with each pixel.
        let row = vec![0; source.0 * 3 + FEW_TAPS * 3 + 1];
        Some(Resampler { columns, few, rows, row })
    }

    /// Fills `target` (rows of RGB) with the resized `source`. Returns `false` and does nothing if either has another size than agreed.
    pub fn resize(&mut self, source: ImageView<'_>, target: &mut [u8]) -> bool {
        let (columns, rows) = (&self.columns, &self.rows);
        let fits = (source.width, source.height) == (columns.source, rows.source)
            && source.rgb.len() == source.width * source.height * 3
            && target.len() == columns.first.len() * rows.first.len() * 3;
        if !fits {
            return false;
        }
        let stride = source.width * 3;
        let out_rows = target.chunks_exact_mut(columns.first.len() * 3);
        for ((out, &first), weights) in out_rows.zip(&rows.first).zip(rows.weights.chunks_exact(rows.taps)) {
            blend_rows(&source.rgb[first * stride..][..rows.taps * stride], weights, &mut self.row[..stride]);
            match self.few.is_empty() {
                false => gather_few(&self.row, &columns.first, &self.few, out),
                true => gather(&self.row, columns.taps, &columns.first, &columns.weights, out),
            }
        }
        true
    }
}

impl Axis {
    fn new(source: usize, target: usize) -> Axis {
        let step = source as f64 / target as f64;
        let wide = step.max(1.0);
        let reach = REACH * wide;
        // As many pixel centres as fit within the filter's radius.
        let taps = ((2.0 * reach).ceil() as usize).min(source);
        let (mut first, mut weights) = (Vec::with_capacity(target), Vec::with_capacity(target * taps));
        for position in 0..target {
            // Pixel centres are at halves.
            let centre = (position as f64 + 0.5) * step;
            let start = ((centre - reach - 0.5).ceil().max(0.0) as usize).min(source - taps);
            let shares: Vec<f64> = (start..start + taps).map(|i| mitchell((i as f64 + 0.5 - centre) / wide)).collect();
            let sum: f64 = shares.iter().sum();
            let whole: Vec<i32> = shares.iter().map(|s| (s / sum * f64::from(UNIT)).round() as i32).collect();
            // The largest weight absorbs the rounding error, so that an even grey is preserved.
            let rest = UNIT - whole.iter().sum::<i32>();
            let largest = (0..taps).max_by_key(|&i| whole[i]).unwrap_or(0);
            first.push(start);
            weights.extend(whole.iter().enumerate().map(|(i, w)| w + if i == largest { rest } else { 0 }));
        }
        Axis { source, taps, first, weights }
    }
}

/// Mitchell and Netravali's filter with B = C = 1/3 ("Reconstruction Filters in Computer Graphics", 1988).
fn mitchell(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        (7.0 * x * x * x - 12.0 * x * x + 16.0 / 3.0) / 6.0
    } else if x < 2.0 {
        (-7.0 / 3.0 * x * x * x + 12.0 * x * x - 20.0 * x + 32.0 / 3.0) / 6.0
    } else {
        0.0
    }
}

/// One row from `weights.len()` rows, each as long as `out`.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1+ssse3", "aarch64+neon"))]
fn blend_rows(rows: &[u8], weights: &[i32], out: &mut [u8]) {
    let stride = out.len();
    let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
    let done = blocks.len() * BLOCK;
    for (block, out) in blocks.iter_mut().enumerate() {
        let mut sums = [HALF; BLOCK];
        for (row, &weight) in rows.chunks_exact(stride).zip(weights) {
            if let Some(values) = row[block * BLOCK..].first_chunk::<BLOCK>() {
                for (sum, &value) in sums.iter_mut().zip(values) {
                    *sum += i32::from(value) * weight;
                }
            }
        }
        for (value, sum) in out.iter_mut().zip(sums) {
            *value = (sum >> UNIT_BITS).clamp(0, 255) as u8;
        }
    }
    for (i, out) in rest.iter_mut().enumerate() {
        let column = rows.chunks_exact(stride).map(|row| i32::from(row[done + i]));
        let sum = column.zip(weights).fold(HALF, |sum, (value, weight)| sum + value * weight);
        *out = (sum >> UNIT_BITS).clamp(0, 255) as u8;
    }
}

/// Each pixel of `out` from `FEW_TAPS` pixels of `row`, which has that many pixels of padding at its end.
#[multiversion(targets("x86_64+avx2", "x86_64+sse4.1+ssse3", "aarch64+neon"))]
fn gather_few(row: &[u8], first: &[usize], weights: &[[i32; FEW_TAPS]], out: &mut [u8]) {
    for ((pixel, &first), weights) in out.as_chunks_mut::<3>().0.iter_mut().zip(first).zip(weights) {
        let Some(values) = row[first * 3..].first_chunk::<{ FEW_TAPS * 3 + 1 }>() else { continue };
        // Four values at once: red, green, blue, and the next pixel's red, which is discarded.
        let mut sums = [HALF; 4];
        for (tap, &weight) in weights.iter().enumerate() {
            for (c, sum) in sums.iter_mut().enumerate() {
                *sum += i32::from(values[tap * 3 + c]) * weight;
            }
        }
        for (value, sum) in pixel.iter_mut().zip(sums) {
            *value = (sum >> UNIT_BITS).clamp(0, 255) as u8;
        }
    }
}

/// Each pixel of `out` from `taps` pixels of `row`.
fn gather(row: &[u8], taps: usize, first: &[usize], weights: &[i32], out: &mut [u8]) {
    for ((pixel, &first), weights) in out.as_chunks_mut::<3>().0.iter_mut().zip(first).zip(weights.chunks_exact(taps)) {
        let values = row[first * 3..].as_chunks::<3>().0;
        for (c, value) in pixel.iter_mut().enumerate() {
            let sum = values.iter().zip(weights).fold(HALF, |sum, (pixel, weight)| sum + i32::from(pixel[c]) * weight);
            *value = (sum >> UNIT_BITS).clamp(0, 255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noise(bytes: usize, seed: u64) -> Vec<u8> {
        let mut noise = vec![0; bytes];
        fastrand::Rng::with_seed(seed).fill(&mut noise);
        noise
    }

    fn resized(rgb: &[u8], (width, height): (usize, usize), target: (usize, usize)) -> Vec<u8> {
        let mut out = vec![0; target.0 * target.1 * 3];
        assert!(Resampler::new((width, height), target).unwrap().resize(ImageView { width, height, rgb }, &mut out));
        out
    }

    /// Value by value: rows in integers, rounded, then columns in integers, rounded.
    fn plainly(rgb: &[u8], (width, height): (usize, usize), target: (usize, usize)) -> Vec<u8> {
        let (columns, rows) = (Axis::new(width, target.0), Axis::new(height, target.1));
        let weigh = |axis: &Axis, position: usize, value: &dyn Fn(usize) -> u8| {
            let taps = (0..axis.taps)
                .map(|t| axis.weights[position * axis.taps + t] * i32::from(value(axis.first[position] + t)));
            ((taps.sum::<i32>() + (1 << 13)) >> 14).clamp(0, 255) as u8
        };
        let mut out = Vec::new();
        for y in 0..target.1 {
            let line: Vec<u8> = (0..width * 3).map(|x| weigh(&rows, y, &|row| rgb[row * width * 3 + x])).collect();
            for x in 0..target.0 {
                out.extend((0..3).map(|c| weigh(&columns, x, &|column| line[column * 3 + c])));
            }
        }
        out
    }

    /// The filter in double precision, without intermediate rounding.
    fn exactly(rgb: &[u8], (width, height): (usize, usize), target: (usize, usize)) -> Vec<f64> {
        let axis = |source: usize, target: usize, position: usize| -> Vec<f64> {
            let step = source as f64 / target as f64;
            let centre = (position as f64 + 0.5) * step - 0.5;
            let shares: Vec<f64> = (0..source).map(|i| mitchell((i as f64 - centre) / step.max(1.0))).collect();
            let sum: f64 = shares.iter().sum();
            shares.iter().map(|s| s / sum).collect()
        };
        let mut out = Vec::new();
        for y in 0..target.1 {
            let rows = axis(height, target.1, y);
            for x in 0..target.0 {
                let columns = axis(width, target.0, x);
                for c in 0..3 {
                    let mut sum = 0.0;
                    for (j, row) in rows.iter().enumerate() {
                        for (i, column) in columns.iter().enumerate() {
                            sum += row * column * f64::from(rgb[(j * width + i) * 3 + c]);
                        }
                    }
                    out.push(sum.clamp(0.0, 255.0));
                }
            }
        }
        out
    }

    #[test]
    fn a_grey_stays_that_grey() {
        for level in [0, 1, 127, 255] {
            assert!(resized(&vec![level; 53 * 31 * 3], (53, 31), (29, 17)).iter().all(|&v| v == level));
        }
    }

    #[test]
    fn at_the_same_size_only_the_filter_blurs() {
        // At step 1 Mitchell's weights are 1/18, 16/18, 1/18.
        let rgb: Vec<u8> = [0, 0, 180, 0, 0].iter().flat_map(|&v| [v; 3]).collect();
        let out = resized(&rgb, (5, 1), (5, 1));
        assert_eq!(out.chunks(3).map(|p| p[0]).collect::<Vec<_>>(), [0, 10, 160, 10, 0]);
    }

    #[test]
    fn pictures_of_another_size_and_empty_ones_are_refused() {
        let mut resampler = Resampler::new((4, 4), (2, 2)).unwrap();
        let mut out = [0; 12];
        assert!(!resampler.resize(ImageView { width: 4, height: 3, rgb: &[0; 36] }, &mut out));
        assert!(!resampler.resize(ImageView { width: 4, height: 4, rgb: &[0; 48] }, &mut out[..9]));
        assert!(Resampler::new((0, 4), (2, 2)).is_none() && Resampler::new((4, 4), (2, 0)).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_equals_the_plain_sum_exactly_and_the_filter_within_two_levels(
            width in 1usize..70, height in 1usize..40, across in 0.2f64..1.3, down in 0.2f64..1.3, seed in any::<u64>(),
        ) {
            let target = ((width as f64 * across).ceil() as usize, (height as f64 * down).ceil() as usize);
            let rgb = noise(width * height * 3, seed);
            let found = resized(&rgb, (width, height), target);
            prop_assert_eq!(&found, &plainly(&rgb, (width, height), target));
            // A row clamped at 0 or 255 may be off by more where the filter rings; on noise that is rare.
            let exact = exactly(&rgb, (width, height), target);
            let off: f64 = found.iter().zip(&exact).map(|(a, b)| (f64::from(*a) - b).abs()).sum();
            prop_assert!(off / (found.len() as f64) < 1.0, "{}", off / found.len() as f64);
        }
    }
}
