//! Networks and losses by the names that the command line has for them.

use clap::{Args, ValueEnum};

use crate::train::network::{Kind, Network, deepface};

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
pub enum LossName {
    /// The triplet loss
    Triplets,
    /// Cross-entropy of a softmax over the data set's people
    People,
}
