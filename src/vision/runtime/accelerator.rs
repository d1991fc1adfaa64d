//! The hardware that an operator can ask for.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// The hardware that runs a model. Written as `auto`, `cpu`, `gpu`, `npu` or a delegate's absolute path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Accelerator {
    /// The NPU if a vendor's library for it is installed beside LiteRT's, otherwise the CPU.
    #[default]
    Auto,
    Cpu,
    /// LiteRT's GPU accelerator.
    Gpu,
    /// LiteRT's NPU dispatch.
    Npu,
    /// An external delegate of classic TensorFlow Lite.
    Delegate(PathBuf),
}

/// A text that names no accelerator.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not auto, cpu, gpu, npu or the absolute path of a delegate")]
pub struct UnknownAccelerator(String);

impl FromStr for Accelerator {
    type Err = UnknownAccelerator;
    fn from_str(text: &str) -> Result<Accelerator, UnknownAccelerator> {
        match text {
            "auto" => Ok(Accelerator::Auto),
            "cpu" => Ok(Accelerator::Cpu),
            "gpu" => Ok(Accelerator::Gpu),
            "npu" => Ok(Accelerator::Npu),
            path if path.starts_with('/') => Ok(Accelerator::Delegate(path.into())),
            other => Err(UnknownAccelerator(other.to_owned())),
        }
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Accelerator::Auto => f.write_str("auto"),
            Accelerator::Cpu => f.write_str("cpu"),
            Accelerator::Gpu => f.write_str("gpu"),
            Accelerator::Npu => f.write_str("npu"),
            Accelerator::Delegate(path) => write!(f, "{}", path.display()),
        }
    }
}
