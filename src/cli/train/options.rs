//! Command-line options of training: mining, optimisers, devices, networks and losses by name.

#[cfg(feature = "train")]
use clap::Args;
use clap::ValueEnum;

use crate::cli::argument::ArgumentError;
#[cfg(feature = "train")]
use crate::train::device::DeviceKind;
use crate::train::mining::Mining;
#[cfg(feature = "train")]
use crate::train::network::{Kind, Network, sequential::DEEPFACE_DIMENSION};
use crate::train::optimiser::Optimiser;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MiningName {
    /// A negative farther than the positive, by less than the margin (FaceNet's)
    SemiHard,
    /// The farthest positive and the nearest negative of each anchor in the batch
    Hard,
    /// All triplets of the batch
    All,
    /// Negatives that are already far enough; for comparison, teaches nothing
    Easy,
    /// The hardest positives and negatives of a part of the data set, listed every --refresh steps
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
pub enum DeviceName {
    /// The CPU
    Cpu,
    /// A graphics card, in a build with --features train-wgpu
    Gpu,
}

#[cfg(feature = "train")]
impl From<DeviceName> for DeviceKind {
    fn from(name: DeviceName) -> Self {
        match name {
            DeviceName::Cpu => Self::Cpu,
            DeviceName::Gpu => Self::Gpu,
        }
    }
}

/// The network and its size.
#[cfg(feature = "train")]
#[derive(Args)]
pub struct NetworkOptions {
    /// The network
    #[arg(long, value_enum, default_value_t = NetworkName::InceptionResnetV1)]
    network: NetworkName,
    /// Dimension of an embedding [default: 512, small: 64, deepface: always 4096]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=4096))]
    dimension: Option<u16>,
}

#[cfg(feature = "train")]
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NetworkName {
    /// FaceNet's Inception-ResNet-v1: 160x160 pixels
    InceptionResnetV1,
    /// DeepFace's aligned network: 152x152 pixels, for --loss people
    Deepface,
    /// Four convolutions on 64x64 pixels: trains in minutes, for first experiments
    Small,
}

#[cfg(feature = "train")]
impl NetworkOptions {
    /// The network with a softmax over `classes` people, or without one if 0; `keep` is the share that dropout keeps.
    pub fn network(&self, classes: usize, keep: f32) -> Network {
        let (kind, default) = match self.network {
            NetworkName::InceptionResnetV1 => (Kind::InceptionResnetV1, 512),
            NetworkName::Deepface => (Kind::DeepFace, DEEPFACE_DIMENSION),
            NetworkName::Small => (Kind::Small, 64),
        };
        let dimension = match kind {
            Kind::DeepFace => default,
            _ => self.dimension.map_or(default, usize::from),
        };
        Network { kind, dimension, classes, keep }
    }
}

#[cfg(feature = "train")]
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LossName {
    /// The triplet loss
    Triplets,
    /// Cross-entropy of a softmax over the data set's people
    People,
}

/// A value's name on the command line.
#[cfg(feature = "train")]
pub fn argument_of(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Parses the mining of a site head.
pub fn head_mining(text: &str) -> Result<MiningName, ArgumentError> {
    match MiningName::from_str(text, false) {
        Ok(MiningName::Offline) => Err(ArgumentError::OfflineMining),
        Ok(name) => Ok(name),
        Err(_) => Err(ArgumentError::Mining { text: text.to_owned() }),
    }
}
