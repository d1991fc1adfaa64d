//! Ways of mining, optimisers and processors by the names that the command line has for them.

use clap::ValueEnum;

#[cfg(feature = "train")]
use crate::train::device::Processor;
use crate::train::mining::Mining;
use crate::train::optimiser::Optimiser;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MiningName {
    /// A negative farther than the positive, by less than the margin (FaceNet's)
    SemiHard,
    /// For each anchor the farthest positive and the nearest negative of the batch
    Hard,
    /// All triplets of the batch
    All,
    /// Negatives that are far enough already, for comparison: teaches nothing
    Easy,
    /// Hardest positives and negatives of a part of the data set, listed every --refresh steps
    Offline,
}

impl From<MiningName> for Mining {
    fn from(name: MiningName) -> Self {
        match name {
            MiningName::SemiHard => Self::SemiHard,
            MiningName::Hard => Self::Hard,
            MiningName::All => Self::All,
            MiningName::Easy => Self::Easy,
            MiningName::Offline => Self::Offline,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OptimiserName {
    Adagrad,
    Adadelta,
    Adam,
    Rmsprop,
    Mom,
}

impl From<OptimiserName> for Optimiser {
    fn from(name: OptimiserName) -> Self {
        match name {
            OptimiserName::Adagrad => Self::Adagrad,
            OptimiserName::Adadelta => Self::Adadelta,
            OptimiserName::Adam => Self::Adam,
            OptimiserName::Rmsprop => Self::Rmsprop,
            OptimiserName::Mom => Self::Mom,
        }
    }
}

#[cfg(feature = "train")]
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProcessorName {
    /// This machine's processor
    Cpu,
    /// A graphics card, in a build with --features train-wgpu
    Gpu,
}

#[cfg(feature = "train")]
impl From<ProcessorName> for Processor {
    fn from(name: ProcessorName) -> Self {
        match name {
            ProcessorName::Cpu => Self::Cpu,
            ProcessorName::Gpu => Self::Gpu,
        }
    }
}

/// A value's name on the command line.
#[cfg(feature = "train")]
pub fn said(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// A way of mining for a site head.
pub fn head_mining(text: &str) -> Result<MiningName, String> {
    match MiningName::from_str(text, false)? {
        MiningName::Offline => Err("offline mining lists triplets for many steps ahead, because a network takes long to embed; a head takes no \
             time, so nothing is listed for it: use semi-hard, hard or all"
            .to_owned()),
        name => Ok(name),
    }
}

/// A figure above 0.
pub fn positive(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("give a number above 0".to_owned()),
    }
}
