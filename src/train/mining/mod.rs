//! Which triplets a network learns from: the hard ones teach, the easy ones cost time, and the hardest are often wrong labels.
//!
//! Owns the choice of triplets within a batch (`online`) and over a larger part of the data set (`offline`), what is counted about them
//! (`tally`) and the suspicion against labels (`suspects`). Knows distances and labels only.

pub mod offline;
pub mod online;
pub mod suspects;
pub mod tally;

/// An anchor, another picture of the same person, and a picture of somebody else, by their places in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Triplet {
    pub anchor: usize,
    pub positive: usize,
    pub negative: usize,
}

/// Which triplets are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mining {
    /// All that labels allow.
    All,
    /// For each pair of pictures of a person one negative that is farther than the positive, but by less than the margin: the
    /// paper's (Schroff et al. 2015, 3.2). It is drawn among those.
    SemiHard,
    /// For each anchor the farthest positive and the nearest negative (Hermans et al. 2017, "batch hard").
    Hard,
    /// For each pair of pictures of a person one negative that is already far enough; what is left when nobody looks for hard ones.
    Easy,
    /// Every `n` steps the newest network embeds a part of the data set, and the farthest positives and nearest negatives of it are
    /// the next triplets (Schroff et al. 2015, 3.2, "offline").
    Offline,
}
