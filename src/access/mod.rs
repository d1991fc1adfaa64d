//! Access rules: turn sightings into decisions. Near enough, in enough frames, fresh enough, and permitted?
//!
//! About the face:
//! - [`Rules`]: the settings, and the finding for a single frame
//! - `evidence`: the findings of the last frames of each track
//! - [`Referee`]: weighs the evidence and decides
//! - [`Shown`]: a person as a track shows them, for the rules about people
//! - `gates`: documents each check of a decision; [`Insight`] tells people who watch what a face lacks
//! - `enquiry`: what is asked of a person beyond the face, from the frame that would let them in; `assurance` weighs it, [`LivenessRules`] are its
//!   settings, and [`DoorCues`] report what the referee does not see itself
//! - [`Calibration`]: the distance limit for a gallery of some size
//! - [`Challenge`]: whether the head turns as asked, which no photograph's does
//!
//! About the person and the door:
//! - [`Schedule`], [`Holidays`]: weekly hours. [`Holder`]: what the rules know about a person
//! - [`Authority`]: who may pass, where and when; with [`Whereabouts`] and [`Backoff`]; [`FleetRule`] and [`Heard`]:
//!   whether the fleet's office was heard lately; [`SitePlaces`]: whether places of the whole site count
//! - [`SecondFactors`]: PINs and tags, and the faces that they belong to
//! - [`Doorway`]: a door's lock, leaf, mode and alarms
//!
//! About what is asked beyond the face: [`CueReport`]; [`PassiveEvidence`] of the networks that look for prints and screens, [`InfraredEyes`] of second
//! eyes.
//!
//! About floods: [`Repeats`] summarises repeated denials, [`Chatter`] the changes of a chattering contact.
//! About time: [`Now`] with the quality of the wall clock, and [`When`], a point in time that can be compared after a restart.
//!
//! Everything here is pure: the time is an argument, and there are no images, devices, names of people, or clocks.

#[cfg(test)]
mod asking_properties;
mod assurance;
mod authority;
mod backoff;
mod calendar;
mod calibration;
mod challenge;
mod chatter;
mod cue;
mod days_off;
mod doorway;
mod enquiry;
mod evidence;
mod fleet_news;
mod gates;
mod holidays;
mod infrared;
mod liveness;
mod passback;
mod passive;
mod person;
mod presentation;
#[cfg(test)]
mod properties;
mod referee;
mod repeats;
mod room;
mod rules;
mod second_factor;
mod waits;
mod when;
mod whereabouts;

pub use authority::{Authority, DoorRules, HouseRules, Judgement, PassRequest, Permit};
pub use calendar::{Hours, Schedule, WEEKDAYS, Window};
pub use calibration::{Calibration, CalibrationError, Cut, NearEnough, Point, VISIT_PICTURES};
pub use challenge::{Attempts, Challenge, ChallengeLook, ChallengeSettings, Failure, Identity, Reference, Turn, View};
pub use chatter::{Change, Chatter, ChatterSummary};
pub use cue::{CueReport, CueState, DoorCues, NoCues, missing_device};
pub use doorway::{Act, Doorway, DoorwaySettings, Passage, Refusal};
pub use fleet_news::{FleetNews, FleetRule, Heard, RULES_WITHIN};
pub use holidays::{BadLine, HolidayError, Holidays};
pub use infrared::{InfraredEyes, InfraredLook, InfraredRules};
pub use liveness::{Dice, LivenessRules};
pub use passback::{SitePlaces, Zones};
pub use passive::{PassiveEvidence, PassiveRules};
pub use person::{CLEARLY, Clear, Holder, Shown};
pub use referee::Referee;
pub use referee::insight::{Found, Insight, Lack};
pub use repeats::{Kind, RepeatSummary, Repeats};
pub use rules::Rules;
#[cfg(test)]
pub(crate) use rules::tests::usual;
pub use second_factor::{CheckedEntry, Entered, PinCheck, SecondFactorSettings, SecondFactors};
pub use waits::Backoff;
pub use when::{Now, When};
pub use whereabouts::{KnownPlace, Place, ToldPlace, Whereabouts};
