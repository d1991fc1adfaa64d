//! Near enough, often enough, fresh enough, and allowed? The rules that turn sightings into decisions.
//!
//! About the face:
//! - [`Rules`]: the settings, and what they say of one frame.
//! - `evidence`: what the last frames of each track showed.
//! - [`Referee`]: weighs the evidence and speaks when a decision is due.
//! - [`Shown`]: a person as a track shows them, for the rules about people.
//! - `gates`: writes down each question that a decision had to answer.
//! - [`Calibration`]: how near is near enough, for a gallery of some size.
//!
//! About the person and the door:
//! - [`Schedule`], [`Holidays`]: hours of the week. [`Holder`]: what the rules know of a person.
//! - [`Authority`]: who may pass, where and when; with [`Whereabouts`] and [`Backoff`]. [`Doorway`]: lock, leaf, mode and alarms of a door.
//!
//! About floods: [`Repeats`] of denials and the [`Chatter`] of a contact become summaries.
//! About the time: [`Now`] with the wall clock's quality, and [`When`] something was, over a restart.
//!
//! Pure: the time comes in as an argument. Knows nothing of images, devices, names of people or the wall clock.

mod authority;
mod backoff;
mod calendar;
mod calibration;
mod chatter;
mod doorway;
mod evidence;
mod gates;
mod holder;
mod holidays;
#[cfg(test)]
mod properties;
mod referee;
mod repeats;
mod rules;
mod shown;
mod when;
mod whereabouts;

pub use authority::{Asked, Authority, DoorRules, HouseRules, Judgement, Permit, Zones};
pub use backoff::Backoff;
pub use calendar::{Hours, Schedule, WEEKDAYS, Window};
pub use calibration::{Calibration, CalibrationError, Cut, NearEnough, Point, VISIT_PICTURES};
pub use chatter::{Change, Chatter, ChatterSummary};
pub use doorway::{Act, Doorway, DoorwaySettings, Passage};
pub use holder::Holder;
pub use holidays::{BadLine, Holidays};
pub use referee::Referee;
pub use repeats::{Kind, RepeatSummary, Repeats};
pub use rules::Rules;
#[cfg(test)]
pub(crate) use rules::tests::usual;
pub use shown::{CLEARLY, Clear, Shown};
pub use when::{Now, When};
pub use whereabouts::{Place, Whereabouts};
