//! Enrolling, changing and removing people, with a journal record of each act; leading a site from one model to
//! another.
//!
//! Joins the gallery and the ledger for the API, so that the daemon and the commands use the same rules. Also owns the state that doors save
//! over a restart.

mod asking;
mod clock_evidence;
mod credentials;
mod disk_space;
pub mod fleet;
mod fleet_people;
#[cfg(test)]
mod fleet_people_tests;
mod gates;
mod import;
mod learn;
mod moving;
mod outliers;
mod personal_data;
mod photograph;
mod recorder;
mod register;
mod requests;
#[cfg(test)]
mod requests_tests;
pub mod saved;
mod sitting;
mod strangers;
pub mod switch;
mod tallies;
mod templates;
mod totals;
mod visitor_faces;

#[cfg(test)]
mod crash;

pub use clock_evidence::{clock_evidence, clock_quality};
pub use disk_space::DiskSpace;
pub use fleet_people::{FleetPeople, FleetPeopleError};
pub use gates::{Gates, Likely, Refusal};
pub use import::{Field, FieldChange, ImportError, ListedPerson, PlannedRow, plan as plan_import};
pub use learn::{Grant, Learned, Learning};
pub use moving::Move;
pub use personal_data::{ErasedOf, KeptOf, erase_all_of, kept_of};
pub use photograph::{Eyes, FaceTemplates};
pub use recorder::Recorder;
pub use register::{Enrolment, OfficeError, Register, record_locked_templates, record_sealing};
pub use requests::{AskError, Asked, AskedId, Requests, Which, Wish};
pub use sitting::{Advice, Sitting};
pub use strangers::{Stranger, Strangers, StrangersError, faces_of, forget_strangers, strangers};
pub use tallies::{Opinion, Tally};
pub use templates::Addition;
pub use totals::Totals;
pub use visitor_faces::records_of;
