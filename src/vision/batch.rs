//! A network for square crops, compiled for several batch sizes and run on any number of crops.

use std::time::{Duration, Instant};

use super::VisionError;
use super::runtime::{CompiledNetwork, OutputFloats, PlacedModel};

/// No network here has more outputs than O-Net.
const MAX_OUTPUTS: usize = 3;

/// One model for several batch sizes, largest first.
pub(super) struct Batched {
    networks: Vec<CompiledNetwork>,
    side: usize,
    crops: Vec<u8>,
}

impl Batched {
    /// Compiles `model` for inputs of `side` by `side` pixels in each of `batches` (largest first).
    pub fn new(model: PlacedModel, side: usize, batches: &[usize]) -> Result<Batched, VisionError> {
        let networks =
            batches.iter().map(|&batch| model.network([batch, side, side, 3])).collect::<Result<Vec<_>, _>>()?;
        Ok(Batched { networks, side, crops: Vec::new() })
    }

    /// Checks that the model has an output for each of `widths`, with so many floats for each crop.
    pub fn expect_outputs(&self, widths: &[usize]) -> Result<(), VisionError> {
        for network in &self.networks {
            let [batch, ..] = network.shape();
            let found = network.outputs();
            let fits = found.len() == widths.len()
                && found.len() <= MAX_OUTPUTS
                && found.iter().zip(widths).all(|(shape, &width)| shape.iter().product::<usize>() == batch * width);
            if !fits {
                return Err(VisionError::Form(format!(
                    "outputs {found:?} for {batch} crops, expected rows of {widths:?}"
                )));
            }
        }
        Ok(())
    }

    /// Runs on the next of the `left` crops, as many as the best-fitting batch holds. `fill(i, crop)` draws the i-th of them
    /// (`side * side * 3` bytes).
    pub fn run(&mut self, left: usize, mut fill: impl FnMut(usize, &mut [u8])) -> Result<Rows<'_>, VisionError> {
        let bytes = self.side * self.side * 3;
        // The largest batch that can be filled; if there are fewer crops than the smallest holds, the smallest.
        let fitting = self.networks.iter().position(|network| network.shape()[0] <= left);
        let chosen = fitting.unwrap_or(self.networks.len().saturating_sub(1));
        let Some(network) = self.networks.get_mut(chosen) else {
            return Err(VisionError::Form("no batch size to run it with".to_owned()));
        };
        let [batch, ..] = network.shape();
        let count = batch.min(left);
        self.crops.resize(count * bytes, 0);
        for (i, crop) in self.crops.chunks_exact_mut(bytes).enumerate() {
            fill(i, crop);
        }
        let start = Instant::now();
        network.run(&self.crops)?;
        let spent = start.elapsed();
        let mut outputs = [const { None }; MAX_OUTPUTS];
        for (i, output) in outputs.iter_mut().enumerate().take(network.outputs().len()) {
            *output = Some(network.output(i)?);
        }
        Ok(Rows { count, spent, batch, outputs })
    }
}

/// The outputs of one batch.
pub(super) struct Rows<'a> {
    /// Number of crops in the batch.
    pub count: usize,
    /// Time spent inside the network.
    pub spent: Duration,
    batch: usize,
    outputs: [Option<OutputFloats<'a>>; MAX_OUTPUTS],
}

impl Rows<'_> {
    /// Output `output` of crop `crop`: as many floats as [`Batched::expect_outputs`] checked, none for an output or a crop that does not exist.
    pub fn row(&self, output: usize, crop: usize) -> &[f32] {
        let floats = self.outputs.get(output).and_then(|floats| floats.as_deref()).unwrap_or_default();
        let width = floats.len() / self.batch.max(1);
        floats.get(crop * width..(crop + 1) * width).unwrap_or_default()
    }

    /// The same, for an output with `N` floats for each crop.
    pub fn array<const N: usize>(&self, output: usize, crop: usize) -> Result<&[f32; N], VisionError> {
        self.row(output, crop).try_into().map_err(|_| VisionError::Form(format!("output {output} has no row of {N}")))
    }
}
