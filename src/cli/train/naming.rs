//! Networks, ways of mining and optimisers by the names that the command line has for them.

use clap::{Args, ValueEnum};

use crate::train::mining::Mining;
use crate::train::network::{Kind, Network, deepface};
use crate::train::optimiser::Optimiser;

/// Which network, and of what size.
#[derive(Args)]
pub struct NetworkChoice {
    /// The network
    #[arg(long, value_enum, default_value_t = NetworkName::InceptionResnetV1)]
    network: NetworkName,
    /// Figures of an embedding [default: 512, small: 64, deepface: always 4096]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=4096))]
    dimension: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NetworkName {
    /// FaceNet's Inception-ResNet-v1: 160x160 pixels
    InceptionResnetV1,
    /// DeepFace's aligned network: 152x152 pixels, learns by --loss people
    Deepface,
    /// Four convolutions on 64x64 pixels: learns in minutes, to see how it works
    Small,
}

impl NetworkChoice {
    /// With a softmax over `classes` people, none when 0; `keep` is what dropout leaves.
    pub fn network(&self, classes: usize, keep: f32) -> Network {
        let (kind, usual) = match self.network {
            NetworkName::InceptionResnetV1 => (Kind::InceptionResnetV1, 512),
            NetworkName::Deepface => (Kind::DeepFace, deepface::DIMENSION),
            NetworkName::Small => (Kind::Small, 64),
        };
        let dimension = match kind {
            Kind::DeepFace => usual,
            _ => self.dimension.map_or(usual, usize::from),
        };
        Network { kind, dimension, classes, keep }
    }
}

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

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LossName {
    /// The triplet loss
    Triplets,
    /// Cross-entropy of a softmax over the data set's people
    People,
}

/// A value's name on the command line.
pub fn said(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
