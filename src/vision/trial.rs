//! One network on one accelerator, to be run again and again: for measuring.
//!
//! Knows nothing of what a network is for, and of time.

use super::VisionError;
use super::manifest::{Manifest, Model};
use super::pipeline::plan;
use super::runtime::{Accelerator, Network, Placement, Runtime};

/// A compiled network with a picture to run on.
pub struct Trial {
    network: Network,
    picture: Vec<u8>,
    placement: Placement,
}

impl Trial {
    /// Compiles a model of the manifest for a single picture of the size that it is tried on (four for R-Net, as the detector
    /// gives it). Where the accelerator does not do, that is the CPU, as everywhere else: see [`Trial::placement`].
    ///
    /// # Errors
    /// What keeps the model from running on the CPU.
    pub fn open(
        runtime: &Runtime,
        manifest: &Manifest,
        model: &Model,
        asked: &Accelerator,
        threads: usize,
    ) -> Result<Trial, VisionError> {
        let (shape, planned) = plan(runtime, manifest, &model.name, model.role, asked, threads)?;
        let network = planned.network(shape)?;
        // A ramp: what the numbers are makes no difference to the time.
        let picture = (0..shape.iter().product::<usize>()).map(|index| index as u8).collect();
        Ok(Trial { network, picture, placement: planned.placement().clone() })
    }

    /// Where it runs, and why.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Runs it once.
    ///
    /// # Errors
    /// What the runtime says.
    pub fn run(&mut self) -> Result<(), VisionError> {
        Ok(self.network.run(&self.picture)?)
    }
}
