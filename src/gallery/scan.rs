//! The first pass over all templates: a dot product in 8-bit integers, with a proven bound on its error.
//!
//! A unit vector `t` is stored as `s c + e`: integers `c` from -127 to 127, a scale `s`, and the length of the residual `|e|`. The probe `q`
//! becomes `r k + f` in the same way. Then `q·t = r s k·c + f·(s c) + q·e`, and by Cauchy-Schwarz the last two terms together are at most
//! `|f| (1 + |e|) + |e|`.

use multiversion::multiversion;

use crate::domain::PersonId;

use super::nearest_two::NearestTwo;

/// Rows are padded with zeros to a multiple of this many bytes, one cache line.
pub const LINE: usize = 64;
/// Rows processed before their bounds are compared with the best so far.
const BLOCK: usize = 128;
/// Covers what the proof leaves out: unit vectors have unit length only to within 1e-6, and distances and bounds are rounded to 24 bits.
/// Each moves a dot product by less than 1e-6.
const ROUNDING: f32 = 1e-5;

/// The integer type of the probe's values.
pub trait Step: Copy + Default + Into<i32> + Send + Sync {
    /// The largest value. `127 * max * dimension` must fit in an `i32`.
    fn max(dimension: usize) -> f64;
    /// Converts an integral value within the limit.
    fn of(value: f64) -> Self;
}

impl Step for i8 {
    fn max(_: usize) -> f64 {
        127.0
    }
    fn of(value: f64) -> i8 {
        value as i8
    }
}

impl Step for i16 {
    fn max(dimension: usize) -> f64 {
        (f64::from(i32::MAX) / (127.0 * dimension as f64)).floor().min(f64::from(i16::MAX))
    }
    fn of(value: f64) -> i16 {
        value as i16
    }
}

/// What this processor multiplies fastest with 8-bit integers: AArch64 has a dot product of bytes (`sdot`), x86-64 one of 16-bit integers
/// (`vpmaddwd`), which also makes the probe nearly exact.
#[cfg(target_arch = "aarch64")]
pub type NativeStep = i8;
#[cfg(not(target_arch = "aarch64"))]
pub type NativeStep = i16;

/// The quantised embedding that is searched for.
pub struct Probe<S> {
    steps: Vec<S>,
    scale: f32,
    /// The error of a row's dot product is at most `slack + slope * residual`.
    slack: f32,
    slope: f32,
}

impl<S: Step> Probe<S> {
    /// Quantises a unit vector. `stride` is its length rounded up to whole cache lines.
    pub fn new(values: &[f32], stride: usize) -> Probe<S> {
        let mut steps = vec![S::default(); stride];
        let (scale, error) = quantise(values, S::max(stride), &mut steps, S::of);
        Probe { steps, scale, slack: error + ROUNDING, slope: 1.0 + error + ROUNDING }
    }
}

/// Quantises a unit vector into `codes`, whose padding must be zero. Returns the scale and the length of the residual.
pub fn encode(values: &[f32], codes: &mut [i8]) -> (f32, f32) {
    quantise(values, 127.0, codes, |step| step as i8)
}

fn quantise<T>(values: &[f32], steps: f64, codes: &mut [T], of: impl Fn(f64) -> T) -> (f32, f32) {
    let largest = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let scale = (f64::from(largest) / steps) as f32;
    let mut residual = 0.0f64;
    for (&value, code) in values.iter().zip(codes) {
        let step = (f64::from(value) / f64::from(scale)).round().clamp(-steps, steps);
        *code = of(step);
        residual += (f64::from(value) - step * f64::from(scale)).powi(2);
    }
    (scale, (residual.sqrt() as f32).next_up())
}

/// Consecutive rows of the index. All slices have the same number of rows.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// `stride` bytes per row.
    pub codes: &'a [i8],
    pub scales: &'a [f32],
    pub errors: &'a [f32],
    pub owners: &'a [PersonId],
    /// The number of the first row in the index.
    pub first: usize,
}

impl<'a> Rows<'a> {
    /// Splits the rows before `middle`, counted from the first of these.
    pub fn split_at(self, middle: usize, stride: usize) -> (Rows<'a>, Rows<'a>) {
        let (codes, scales) = (self.codes.split_at(middle * stride), self.scales.split_at(middle));
        let (errors, owners) = (self.errors.split_at(middle), self.owners.split_at(middle));
        let rows = |codes, scales, errors, owners, first| Rows { codes, scales, errors, owners, first };
        (
            rows(codes.0, scales.0, errors.0, owners.0, self.first),
            rows(codes.1, scales.1, errors.1, owners.1, self.first + middle),
        )
    }
}

/// The rows that may be the nearest or the runner-up.
#[derive(Default)]
pub struct Frontier {
    /// The two people who are certainly nearest, with minus the lower bound of the dot product as the distance.
    sure: NearestTwo<f32>,
    /// Rows and the upper bounds of their dot products.
    candidates: Vec<(usize, f32)>,
}

impl Frontier {
    /// A row whose upper bound is below this is farther than two people, so it is neither the nearest nor the runner-up.
    fn floor(&self) -> f32 {
        self.sure.second().map_or(f32::NEG_INFINITY, |(far, _)| -far)
    }

    fn offer(&mut self, row: usize, owner: PersonId, lower: f32, upper: f32) {
        self.sure.offer(-lower, owner);
        self.candidates.push((row, upper));
    }

    /// Adds the result of another part of the index.
    pub fn merge(&mut self, other: Frontier) {
        for (far, owner) in other.sure.both() {
            self.sure.offer(far, owner);
        }
        self.candidates.extend(other.candidates);
    }

    /// The rows whose distance has to be computed exactly.
    pub fn candidates(&self) -> impl Iterator<Item = usize> {
        let floor = self.floor();
        self.candidates.iter().filter(move |(_, upper)| *upper >= floor).map(|&(row, _)| row)
    }
}

/// Scans all rows.
#[multiversion(targets("x86_64+avx2+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2", "aarch64+neon+dotprod",))]
pub fn scan(probe: &Probe<NativeStep>, rows: Rows, frontier: &mut Frontier) {
    scan_in(probe, rows, frontier);
}

#[inline(always)]
fn scan_in<S: Step>(probe: &Probe<S>, rows: Rows<'_>, frontier: &mut Frontier) {
    let stride = probe.steps.len();
    let mut uppers = [0.0f32; BLOCK];
    let blocks = rows.codes.chunks(BLOCK * stride).zip(rows.scales.chunks(BLOCK)).zip(rows.errors.chunks(BLOCK));
    for (block, (((codes, scales), errors), owners)) in blocks.zip(rows.owners.chunks(BLOCK)).enumerate() {
        let mut dots = [0i32; BLOCK];
        for (row, dot) in codes.chunks_exact(stride).zip(&mut dots) {
            let mut sum = 0i32;
            for (&code, &step) in row.iter().zip(&probe.steps) {
                sum += i32::from(code) * step.into();
            }
            *dot = sum;
        }
        let floor = frontier.floor();
        let mut any = false;
        for (((upper, &dot), &scale), &error) in uppers.iter_mut().zip(&dots).zip(scales).zip(errors) {
            *upper = dot as f32 * (scale * probe.scale) + (probe.slack + probe.slope * error);
            any |= *upper >= floor;
        }
        if any {
            let first = block * BLOCK;
            for (i, ((&upper, &error), &owner)) in uppers.iter().zip(errors).zip(owners).enumerate() {
                if upper >= frontier.floor() {
                    let lower = upper - 2.0 * (probe.slack + probe.slope * error);
                    frontier.offer(rows.first + first + i, owner, lower, upper);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Embedding, ModelId};

    fn unit(values: Vec<f32>) -> Option<Vec<f32>> {
        Embedding::normalised(ModelId::new("m"), values.into()).map(|e| e.values().to_vec())
    }

    /// Lower and upper bound of one row.
    fn bounds<S: Step>(q: &[f32], t: &[f32]) -> (f64, f64) {
        let stride = q.len().next_multiple_of(LINE);
        let mut codes = vec![0; stride];
        let (scale, error) = encode(t, &mut codes);
        let rows = Rows { codes: &codes, scales: &[scale], errors: &[error], owners: &[PersonId(1)], first: 0 };
        let mut frontier = Frontier::default();
        scan_in(&Probe::<S>::new(q, stride), rows, &mut frontier);
        let (far, _) = frontier.sure.first().unwrap();
        (f64::from(-far), f64::from(frontier.candidates[0].1))
    }

    proptest! {
        #[test]
        fn the_bounds_hold_and_are_tight(
            pair in (1usize..600).prop_flat_map(|n| (
                prop::collection::vec(-1.0f32..1.0, n),
                prop::collection::vec(prop_oneof![4 => -1.0f32..1.0, 1 => -50.0f32..50.0], n),
            )),
        ) {
            let (Some(q), Some(t)) = (unit(pair.0), unit(pair.1)) else { return Ok(()) };
            let dot: f64 = q.iter().zip(&t).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            for (lower, upper) in [bounds::<i8>(&q, &t), bounds::<i16>(&q, &t)] {
                prop_assert!(lower <= dot && dot <= upper, "{lower} {dot} {upper}");
                prop_assert!(upper - lower < 0.4, "{lower} {upper}");
            }
        }

        #[test]
        fn largest_sums_do_not_overflow(n in 1usize..5000) {
            let q = unit(vec![1.0; n]).unwrap();
            let (lower, upper) = bounds::<NativeStep>(&q, &q);
            prop_assert!(lower <= 1.0 && 1.0 <= upper + 1e-6);
        }
    }
}
