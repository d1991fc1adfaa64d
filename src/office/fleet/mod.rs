//! What the fleet's office knows and does: the only writer of who may pass at which site. Its store is the truth; the servers only carry. The process
//! is in [`crate::daemon::fleet_office`].
//!
//! - `protocol`: what commands ask and what the office answers; `rolls`: about models
//! - `key_file`: the galleries' keys, beside the store
//! - `kept`: what the store holds of people, boards and rules
//! - `book`: people, boards and rules in memory, and what the servers do not have yet
//! - `refused`: what the servers refuse
//! - `restored`: going on from a backup
//! - `faces`: whether a new face or name is somebody's already
//! - `admit`: taking somebody in, and saying something new of them; `requests`: what boards ask
//! - `mail`: opening what boards say; `told`: what that is, `shown` on a screen; `author`: whose key sealed it
//! - `changes`: enrolling, forgetting, lockdowns, boards, new epochs
//! - `collected`: the records of all boards; `taking`: how they come in; `mark`: how far those of a board are here; `erase`: without those who were
//!   forgotten, whom `traces` finds; `feed`: which are new, for copies elsewhere;
//!   `history`: by time, with numbers that hold over all boards; `read`: as that orders them; `own`: the office's own records beside them
//! - `heads`: when heads were signed, over a restart
//! - `models`: the way of a site to another model; `gathering`: templates of that model

mod admit;
mod author;
mod book;
mod changes;
mod collected;
mod erase;
mod faces;
mod feed;
mod gathering;
mod heads;
pub mod history;
#[cfg(test)]
pub(crate) mod history_tests;
mod kept;
pub mod key_file;
mod mail;
mod mark;
mod models;
#[cfg(test)]
pub(crate) mod models_tests;
mod own;
pub mod protocol;
mod read;
mod refused;
mod requests;
#[cfg(test)]
mod requests_tests;
mod restored;
mod rolls;
mod shown;
mod taking;
#[cfg(test)]
pub(crate) mod tests;
mod told;
mod traces;

pub use author::Author;
pub use book::{Book, BookError, Entry, Item, People, Set, Who};
pub use changes::{Forgotten, INVITATION_MS};
pub use collected::{Arrived, Collected, StreamPlace};
#[cfg(test)]
pub(crate) use erase::tests as erase_tests;
pub use feed::FeedPlace;
pub use gathering::{Gathered, MOST_OF_A_VISIT, Photographed};
pub use heads::HeadTimes;
pub use kept::{KeptBoard, KeptError, KeptGallery, KeptRecord, KeptRequest, Roll, RollPhase};
pub use mail::{Heard, MailKeys};
pub use mark::Mark;
pub use models::{KEPT_MS, RollOrder, RollStanding};
pub use requests::{Decided, Decision};
pub use restored::{Recovered, Signed};
