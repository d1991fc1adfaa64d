//! What a network is trained on: this machine's processor, or a graphics card.
//!
//! Knows nothing of networks: burn sends each tensor's work to where the tensor lives.

use burn::tensor::Device;
use thiserror::Error;

/// Where tensors live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// The CPU, by burn's `flex` back end. The same run gives the same figures, bit for bit.
    Cpu,
    /// The graphics card that the system names first among the fast ones, by wgpu. Sums may be made in another order from run to run.
    Gpu,
}

/// Why a processor cannot be used.
#[derive(Debug, Error)]
pub enum DeviceError {
    #[error(
        "no graphics card can be used: {why}. Is its driver installed, with Vulkan (`vulkaninfo` shows it)? --device cpu does without"
    )]
    NoCard { why: String },
    #[error(
        "this usher was built without graphics cards: build it with `cargo build --release --features train-wgpu`, or take --device cpu"
    )]
    NotBuilt,
}

impl Processor {
    /// Opens it.
    pub fn open(self) -> Result<Device, DeviceError> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            Self::Gpu => card(),
        }
    }
}

#[cfg(feature = "train-wgpu")]
fn card() -> Result<Device, DeviceError> {
    Device::wgpu_options().init().map_err(|error| DeviceError::NoCard { why: error.to_string() })
}

#[cfg(not(feature = "train-wgpu"))]
fn card() -> Result<Device, DeviceError> {
    Err(DeviceError::NotBuilt)
}

#[cfg(all(test, not(feature = "train-wgpu")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_graphics_cards_says_how_to_get_one_with_them() {
        assert!(Processor::Cpu.open().is_ok());
        let error = Processor::Gpu.open().err().unwrap().to_string();
        assert!(error.contains("--features train-wgpu") && error.contains("--device cpu"), "{error}");
    }
}
