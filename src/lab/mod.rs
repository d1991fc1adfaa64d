//! Data sets: aligning, clustering and measuring, with the daemon's own detector and embedder.
//!
//! Knows nothing of the daemon, doors and the hub.
//!
//! - `dataset`: the photographs in a folder; `walk`: processing them on all cores; `faces`: the principal face and its vector
//! - `pairs`, `ytf`: lists of pairs; `verification`: their distances; `roc`: their figures
//! - `open_set`: identification in galleries of growing size
//! - `calibrate`: all photographs compared with all; `distribution`: the distances of millions of pairs; `repeats`: how the risk of several
//!   pictures accumulates
//! - `align`: cutting out a photograph's faces; `aligned`: the folder of aligned faces; `template`: positions of landmarks
//! - `cluster`: groups of one person each; `agreement`: comparison with the truth; `sheet`: a contact sheet; `placing`: a folder for each group
//! - `clips`: the folder of a liveness test; `presentations`: its figures, after ISO/IEC 30107-3
//! - `share`: counted shares with confidence intervals; `plot`: drawings
//! - `stopwatch`: timing; `drawing`: a drawn face, to measure without photographs

pub mod agreement;
pub mod align;
pub mod aligned;
pub mod calibrate;
pub mod clips;
pub mod cluster;
pub mod dataset;
pub mod distribution;
pub mod drawing;
pub mod faces;
pub mod lengths;
pub mod lettering;
pub mod open_set;
pub mod pairs;
pub mod placing;
pub mod plot;
pub mod presentations;
pub mod repeats;
pub mod roc;
pub mod share;
pub mod sheet;
pub mod stopwatch;
pub mod template;
pub mod verification;
pub mod walk;
pub mod ytf;
