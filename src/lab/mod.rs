//! Data sets: aligning, grouping and measuring, with the daemon's own detector and embedder.
//!
//! Knows nothing of daemons, doors and hubs.
//!
//! - `folder`: what lies in one; `crowd`: the photographs of a data set, on all cores; `faces`, `features`: which face is meant, and its vector
//! - `pairs`, `ytf`: lists of what is compared with what; `verification`: their distances; `roc`: their figures
//! - `open_set`: searches in galleries of growing size
//! - `calibrate`: everybody against everybody; `distribution`: the distances of millions of pairs; `repeats`: how pictures of one face add up
//! - `align`: a photograph's faces cut out; `aligned`: the folder they go to; `template`: where landmarks come to lie
//! - `cluster`: groups that are one person each; `agreement`: how well they agree with the truth; `sheet`, `placing`: shown, sorted
//! - `interval`: how sure a share is; `plot`: drawings
//! - `stopwatch`: how long something takes; `drawing`: a face to measure with where there is no photograph

pub mod agreement;
pub mod align;
pub mod aligned;
pub mod calibrate;
pub mod cluster;
pub mod crowd;
pub mod distribution;
pub mod drawing;
pub mod faces;
pub mod features;
pub mod folder;
pub mod interval;
pub mod open_set;
pub mod pairs;
pub mod placing;
pub mod plot;
pub mod repeats;
pub mod roc;
pub mod sheet;
pub mod stopwatch;
pub mod template;
pub mod verification;
pub mod ytf;
