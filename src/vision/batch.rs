//! A network for square crops, compiled for a few batch sizes, fed with any number of crops.
//!
//! Knows nothing of what the crops show.

use std::time::{Duration, Instant};

use super::VisionError;
use super::runtime::{Network, Output, Planned};

/// No network here has more outputs than O-Net.
const MOST_OUTPUTS: usize = 3;

/// The same model for several batch sizes, largest first.
pub(super) struct Batched {
    networks: Vec<Network>,
    side: usize,
    crops: Vec<u8>,
}

impl Batched {
    /// Compiles `model` for inputs of `side` by `side` pixels in each of `batches` (largest first).
    pub fn new(model: Planned, side: usize, batches: &[usize]) -> Result<Batched, VisionError> {
        let networks =
            batches.iter().map(|&batch| model.network([batch, side, side, 3])).collect::<Result<Vec<_>, _>>()?;
        Ok(Batched { networks, side, crops: Vec::new() })
    }

    /// Refuses a model whose outputs are not rows of `widths` floats for each crop.
    pub fn expect_outputs(&self, widths: &[usize]) -> Result<(), VisionError> {
        for network in &self.networks {
            let batch = network.shape()[0];
            let found = network.outputs();
            let fits = found.len() == widths.len()
                && found.len() <= MOST_OUTPUTS
                && found.iter().zip(widths).all(|(shape, &width)| shape.iter().product::<usize>() == batch * width);
            if !fits {
                return Err(VisionError::Form(format!(
                    "outputs {found:?} for {batch} crops, expected rows of {widths:?}"
                )));
            }
        }
        Ok(())
    }

    /// Runs on the next crops of `left`: as many as the best-fitting batch takes. `fill(i, crop)` draws the i-th of them
    /// (`side * side * 3` bytes).
    pub fn run(&mut self, left: usize, mut fill: impl FnMut(usize, &mut [u8])) -> Result<Rows<'_>, VisionError> {
        let bytes = self.side * self.side * 3;
        // The largest batch that can be filled; with fewer crops than the smallest, the smallest.
        let chosen = self.networks.iter().position(|n| n.shape()[0] <= left).unwrap_or(self.networks.len() - 1);
        let network = &mut self.networks[chosen];
        let count = network.shape()[0].min(left);
        self.crops.resize(count * bytes, 0);
        for (i, crop) in self.crops.chunks_exact_mut(bytes).enumerate() {
            fill(i, crop);
        }
        let start = Instant::now();
        network.run(&self.crops)?;
        let spent = start.elapsed();
        let mut outputs = [const { None }; MOST_OUTPUTS];
        for (i, output) in outputs.iter_mut().enumerate().take(network.outputs().len()) {
            *output = Some(network.output(i)?);
        }
        Ok(Rows { count, spent, batch: network.shape()[0], outputs })
    }
}

/// The outputs of one batch.
pub(super) struct Rows<'a> {
    /// How many crops were taken.
    pub count: usize,
    /// The time inside the network.
    pub spent: Duration,
    batch: usize,
    outputs: [Option<Output<'a>>; MOST_OUTPUTS],
}

impl Rows<'_> {
    /// Output `output` of crop `crop`, as [`Batched::expect_outputs`] found it.
    pub fn row(&self, output: usize, crop: usize) -> &[f32] {
        let floats = self.outputs[output].as_deref().unwrap_or(&[]);
        let width = floats.len() / self.batch;
        &floats[crop * width..][..width]
    }
}
