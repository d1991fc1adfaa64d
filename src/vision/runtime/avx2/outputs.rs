//! The end of a network: a PReLU and the float layers that read its results.

#![expect(
    clippy::indexing_slicing,
    reason = "`new` checks the weights' sizes, and `takes` the input's channels; the buffers are allocated from both"
)]

use std::arch::x86_64::*;

use super::activation::Prelu;
use super::tensor::{BLOCK, Size, block, floats, into_floats, shorts};

/// Places computed at the same time, because each addition to a sum waits for the previous one.
const PLACES: usize = 6;
/// Floats of a register.
const LANES: usize = 8;

/// One output: a layer that gives `bias.len()` floats at each place.
pub(super) struct OutputLayer {
    /// For each float of the output, a weight for each channel.
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
    /// Whether a sigmoid turns the floats into probabilities.
    pub sigmoid: bool,
}

/// All outputs of a network; they read the same values.
pub(super) struct OutputLayers {
    prelu: Prelu,
    /// The outputs' floats side by side, in blocks of eight: for each block, the weights of each channel.
    weights: Vec<Vec<[f32; LANES]>>,
    bias: Vec<[f32; LANES]>,
    outputs: Vec<(usize, bool)>,
}

impl OutputLayers {
    /// `None` if the outputs' weights do not fit the PReLU's channels.
    pub fn new(prelu: Prelu, outputs: &[OutputLayer]) -> Option<OutputLayers> {
        let channels = prelu.channels();
        let fits = |o: &OutputLayer| !o.bias.is_empty() && o.weights.len() == channels * o.bias.len();
        if outputs.is_empty() || !outputs.iter().all(fits) {
            return None;
        }
        let bias: Vec<f32> = outputs.iter().flat_map(|o| &o.bias).copied().collect();
        let rows: Vec<&[f32]> = outputs.iter().flat_map(|o| o.weights.chunks_exact(channels)).collect();
        let block = |rows: &[&[f32]]| {
            let weight = |channel: usize, lane: usize| rows.get(lane).map_or(0.0, |row| row[channel]);
            (0..channels).map(|channel| std::array::from_fn(|lane| weight(channel, lane))).collect()
        };
        Some(OutputLayers {
            prelu,
            weights: rows.chunks(LANES).map(block).collect(),
            bias: bias
                .chunks(LANES)
                .map(|bias| std::array::from_fn(|lane| bias.get(lane).copied().unwrap_or(0.0)))
                .collect(),
            outputs: outputs.iter().map(|o| (o.bias.len(), o.sigmoid)).collect(),
        })
    }

    /// Whether the input has the PReLU's channels.
    pub fn takes(&self, input: Size) -> bool {
        input.channels == self.prelu.channels()
    }

    /// The number of floats at a place, output by output.
    pub fn widths(&self) -> impl Iterator<Item = usize> {
        self.outputs.iter().map(|&(width, _)| width)
    }

    /// Size of the scratch memory that [`OutputLayers::run`] needs, in floats.
    pub fn scratch(&self) -> usize {
        PLACES * (self.padded() + self.weights.len() * LANES)
    }

    fn padded(&self) -> usize {
        self.prelu.channels().next_multiple_of(BLOCK)
    }

    /// From `input` of size `from`, with slack, to the outputs' floats, beginning with those of place `first`.
    #[target_feature(enable = "avx2,fma")]
    pub fn run(&self, from: Size, input: &[i16], scratch: &mut [f32], outputs: &mut [Vec<f32>], first: usize) {
        let count = from.rows * from.columns;
        if count < PLACES {
            for place in 0..count {
                self.at([place], first, input, scratch, outputs);
            }
            return;
        }
        // If the last six places would extend beyond the end, they begin earlier: some places are computed twice.
        for start in (0..count).step_by(PLACES).map(|start| start.min(count - PLACES)) {
            self.at::<PLACES>(std::array::from_fn(|i| start + i), first, input, scratch, outputs);
        }
    }

    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn at<const P: usize>(
        &self,
        places: [usize; P],
        first: usize,
        input: &[i16],
        scratch: &mut [f32],
        outputs: &mut [Vec<f32>],
    ) {
        let (channels, padded) = (self.prelu.channels(), self.padded());
        let (values, lines) = scratch.split_at_mut(PLACES * padded);
        for (place, values) in places.iter().zip(values.chunks_exact_mut(padded)) {
            for (index, values) in values.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
                let [low, high] = self.prelu.floats(index, shorts(block(input, place * channels + index * BLOCK)));
                values[..LANES].copy_from_slice(&into_floats(low));
                values[LANES..].copy_from_slice(&into_floats(high));
            }
        }
        let width = self.weights.len() * LANES;
        for (block, (weights, bias)) in self.weights.iter().zip(&self.bias).enumerate() {
            let mut sums = [floats(bias); P];
            for (channel, weights) in weights.iter().enumerate() {
                let weights = floats(weights);
                for (place, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm256_fmadd_ps(_mm256_set1_ps(values[place * padded + channel]), weights, *sum);
                }
            }
            for (sum, line) in sums.into_iter().zip(lines.chunks_exact_mut(width)) {
                line[block * LANES..][..LANES].copy_from_slice(&into_floats(sum));
            }
        }
        for (place, line) in places.iter().zip(lines.chunks_exact(width)) {
            let mut line = line;
            for (&(width, sigmoid), output) in self.outputs.iter().zip(outputs.iter_mut()) {
                let found;
                (found, line) = line.split_at(width);
                let output = &mut output[(first + place) * width..][..width];
                output.copy_from_slice(found);
                if sigmoid {
                    output.iter_mut().for_each(|value| *value = 1.0 / (1.0 + (-*value).exp()));
                }
            }
        }
    }
}
