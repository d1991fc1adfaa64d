//! The challenge: whether a head turns as it is asked to. A photograph can be moved and tilted in any way and shows no turn.
//!
//! - [`Reference`], [`View`]: what the five landmarks of a frame say about a head, relative to how it looks straight ahead
//! - [`Challenge`]: one attempt of a person on one track
//! - [`Attempts`]: who failed how often, and has to wait
//! - [`Orders`]: in which order each person is asked
//!
//! Decision 093 says why it is this rule, [`ChallengeSettings`] has its numbers.

mod attempt;
mod attempts;
mod geometry;
mod look;
mod orders;
mod outcome;
#[cfg(test)]
pub(in crate::access) mod people;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod recorded;
mod settings;

pub use attempt::Challenge;
pub use attempts::Attempts;
pub use geometry::{Reference, View};
pub use look::{ChallengeLook, Identity};
pub use orders::Orders;
pub use outcome::{Failure, Turn};
pub use settings::ChallengeSettings;
