//! What an office and its boards say to each other: signed records, sealed templates, and the set of people that a board holds.
//!
//! One office writes. It signs every record, so that boards believe no server, and seals templates and names, so that servers read none. This room
//! does no I/O: the carrier brings bytes, and what a board holds is behind the trait [`Holding`].
//!
//! - [`carrier`]: what brings records from one to the other
//! - `name`: names of sites, galleries and boards, and the fleet's id
//! - `encoding`: bytes in JSON
//! - `signed`: records with the office's signature
//! - `sealed`: keys that seal, and what is sealed to a board
//! - `person`: a person's record and the mark that somebody was forgotten
//! - `revoked`: which credentials were taken back
//! - `rules`: what holds at a site, such as a lockdown
//! - `key`: a gallery's key sealed to a board, and the keys that a board holds
//! - `head`: what a whole gallery looks like, signed each minute
//! - `letter`: sealing from a board to the office; `request`: what a board asks; `answers`: what became of it
//! - `digest`: a number that is equal where the same records are held
//! - `place`: where the people of a site are, as its boards say; `server_time`: the clock by which they are dated
//! - `replica`: the records that a board holds, kept up to date; `holding`: where they are kept; `judged`: what is to become of a record

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod answers;
pub mod carrier;
mod digest;
pub(crate) mod encoding;
mod head;
mod holding;
mod judged;
mod key;
mod letter;
pub mod mail;
mod name;
mod person;
mod place;
#[cfg(test)]
mod place_properties;
#[cfg(test)]
mod properties;
mod replica;
mod request;
mod revoked;
mod rules;
mod sealed;
mod server_time;
mod signed;

pub use answers::{Answered, Answers, MAX_ANSWERS, MAX_WHY, Verdict};
pub use digest::{Digest, DigestValue};
pub use head::{Head, Heads, SetHead};
pub use holding::{Birth, Entry, EntryState, Holding, Position, Step, Taken};
pub use judged::{Incoming, MAX_ENTRIES, Outcome, Reader, Why};
pub use key::{Epochs, GalleryKey, MAX_EPOCHS};
pub use letter::{RequestKey, RequestPublic};
pub use name::{Board, FleetId, Gallery, NameError, Site};
pub use person::{MAX_FLEET_TEMPLATES, PeopleRecord, PersonBody, PersonRecord, Place, Tombstone};
pub use place::{MAX_PLACE, MAX_PLACES, PLACES_FOR_MS, PersonPlace, Places};
pub use replica::{Counts, Progress, Replica};
pub use request::{Ask, BoardRequest, MAX_MODEL, MAX_REQUEST, RequestError, RequestKind, RequestPlace};
pub use revoked::Revocations;
pub use rules::{AccessText, Lockdown, MAX_ACCESS, MAX_RESENDS, ModelName, Resend, SiteAccess, SiteModels, SiteRules};
pub use sealed::{BoardKey, BoardPublic, EpochKey, SealedError};
pub use server_time::{ServerTime, millis};
pub use signed::{Body, Kind, OfficeKey, OfficePublic, Opened, Refusal, Signed};
