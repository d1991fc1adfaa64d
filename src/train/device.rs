//! The device that trains a network: the CPU or a graphics card. burn runs each operation on the device of its tensors, so nothing else depends on
//! this choice.

use burn::tensor::Device;
use thiserror::Error;

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// The CPU, with burn's `flex` back end. Results are reproducible bit for bit.
    Cpu,
    /// The first fast graphics card that the system lists, with wgpu. The order of sums may differ from run to run.
    Gpu,
}

/// Why a device cannot be used.
#[derive(Debug, Error)]
pub enum DeviceError {
    #[error(
        "no graphics card can be used: {why}. Is its driver installed, with Vulkan (see `vulkaninfo`)? --device cpu needs none"
    )]
    NoCard { why: String },
    #[error(
        "this usher was built without support for graphics cards: build it with `cargo build --release --features train-wgpu`, or use --device cpu"
    )]
    NotBuilt,
}

impl DeviceKind {
    /// Opens the device.
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
    fn a_build_without_graphics_cards_says_how_to_build_with_them() {
        assert!(DeviceKind::Cpu.open().is_ok());
        let error = DeviceKind::Gpu.open().err().unwrap().to_string();
        assert!(error.contains("--features train-wgpu") && error.contains("--device cpu"), "{error}");
    }
}
