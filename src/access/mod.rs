//! Near enough, often enough, fresh enough? The rules that turn sightings into decisions.
//!
//! - [`Rules`]: the settings, and what they say of one frame.
//! - `evidence`: what the last frames of each track showed.
//! - [`Referee`]: weighs the evidence and speaks when a decision is due.
//! - `gates`: writes down each question that a decision had to answer.
//!
//! Pure: the time comes in as an argument. Knows nothing of images, devices, names of people, doors or the wall clock.

mod calibration;
mod evidence;
mod gates;
#[cfg(test)]
mod properties;
mod referee;
mod rules;

pub use calibration::{Calibration, CalibrationError, Cut, Point};
pub use referee::Referee;
pub use rules::Rules;
