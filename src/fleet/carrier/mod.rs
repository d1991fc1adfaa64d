//! What carries records between the office and the boards: a trait, NATS JetStream behind it, and one in memory for tests.
//!
//! A carrier is believed in nothing. It may lose, repeat, reorder and withhold records; the office's store and the boards' chains are the truth.
//!
//! - `subject`: which streams there are, and the subjects in them
//! - `domain`: which servers keep a stream
//! - `watch`: being told when something under a subject may have changed
//! - `memory`: a carrier in memory
//! - `claims`, `permissions`: who may do what at the servers, in signed claims
//! - `nats`: the client of the servers

mod claims;
mod domain;
mod memory;
mod nats;
mod permissions;
mod subject;
mod watch;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use thiserror::Error;

pub use claims::{AccountClaims, ClaimsError, Credential, OperatorKeys, UserId};
pub use domain::{Domain, Leaves};
pub use memory::{MemoryCarrier, MemoryServer};
pub use nats::{ClaimsPushed, Connection, NatsCarrier, push_account};
pub use permissions::{Permissions, Role};
pub use subject::{Stream, Subject, board_of, person_of, placed_person, request_of};
pub use watch::Watch;

/// The largest payload of a message, in bytes. It is above [`super::MAX_RECORD`], and in base64 below the 1 MiB that a server accepts.
pub const MAX_PAYLOAD: usize = 640 * 1024;
/// The most messages that one [`Carrier::read`] returns.
pub const MAX_READ: usize = 1000;

/// Why nothing goes on although a server answers.
pub(super) const SHUT_OUT: &str = "the servers refuse the credential";

/// What to do about servers that are away.
fn describe_away(why: &str) -> String {
    match why == SHUT_OUT {
        true => format!(
            "{SHUT_OUT}; on a board: ask the office for a new token (usher fleet invite); at the office: check that the servers run with \
             the files of this fleet"
        ),
        false => format!("the fleet's servers cannot be reached ({why}); check the network and that nats-server runs"),
    }
}

/// What a carrier answers later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, CarrierError>> + Send + 'a>>;

/// Why a carrier did not do what was asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CarrierError {
    /// No server can be reached, or none answered in time. The message may have been stored: publish it again with the same id.
    #[error("{}", describe_away(why))]
    Away {
        /// What the network or the server said.
        why: String,
    },
    /// The newest message of the subject is not the one that was expected: somebody else has written.
    #[error("{subject} has changed since it was read; read it again")]
    Conflict {
        /// The subject.
        subject: String,
    },
    /// The server answered, and refused.
    #[error("the server refused {what}: {why}")]
    Refused {
        /// What was asked.
        what: String,
        /// The server's words.
        why: String,
    },
    /// The stream does not exist. The office makes it.
    #[error("the servers have no stream {stream}; start the office, which makes it")]
    NoStream {
        /// The stream's name.
        stream: String,
    },
    /// The payload is too large.
    #[error("a message of {bytes} bytes is larger than the {MAX_PAYLOAD} that the fleet carries")]
    TooLarge {
        /// The payload's length.
        bytes: usize,
    },
    /// The answer cannot be understood: another program or another version answers.
    #[error("the server's answer to {what} cannot be read: {why}; check that its version is supported")]
    Garbled {
        /// What was asked.
        what: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// The settings of the connection are wrong.
    #[error("the connection to the fleet cannot be set up: {why}")]
    Setup {
        /// What is wrong.
        why: String,
    },
}

/// A message to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it goes.
    pub subject: Subject,
    /// At most [`MAX_PAYLOAD`] bytes.
    pub payload: Bytes,
    /// An id of at most 64 characters. Within some minutes the servers store a message with the same id once.
    pub id: Option<String>,
    /// The sequence that the subject's newest message must have, 0 for none; `None` publishes in any case.
    pub expected: Option<u64>,
}

impl Message {
    /// A message that is published in any case.
    pub fn new(subject: Subject, payload: impl Into<Bytes>) -> Message {
        Message { subject, payload: payload.into(), id: None, expected: None }
    }
}

/// A message as a stream has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The subject as text: what a stream has need not be one that this version writes.
    pub subject: String,
    /// Its place in the stream, from 1.
    pub sequence: u64,
    /// When the server stored it, by the server's clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// The payload.
    pub payload: Bytes,
}

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// When the stream was made, in nanoseconds since 1970: a stream that was deleted and made again has another birth.
    pub birth: u64,
    /// The sequence of its oldest message.
    pub first: u64,
    /// The sequence of its newest message, 0 if it never had one.
    pub last: u64,
    /// How many messages it has.
    pub messages: u64,
}

/// Whether the servers can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Connected.
    Online,
    /// Not connected; the carrier tries again by itself.
    Away {
        /// Why, in the words of the network or the server.
        why: String,
    },
}

/// What brings records from the office to boards, and journals from boards to the office. All methods may be called at any time; none waits longer
/// than some seconds for a server.
pub trait Carrier: Send + Sync {
    /// Stores a message and returns its sequence.
    ///
    /// # Errors
    /// [`CarrierError::Conflict`] where another message is the newest; the others as described there.
    fn publish(&self, message: Message) -> Answer<'_, u64>;

    /// The messages of a stream from a sequence on, in the order of their sequences: at most `limit` and [`MAX_READ`], and about 4 MiB. None means
    /// that there are no more now.
    ///
    /// # Errors
    /// As described at [`CarrierError`].
    fn read<'a>(&'a self, stream: &'a Stream, from: u64, limit: usize) -> Answer<'a, Vec<Stored>>;

    /// The newest message of a subject. A server that has just come back may answer with an older one: compare versions, and ask again when
    /// [`Watch::changed`] says so.
    ///
    /// # Errors
    /// As described at [`CarrierError`].
    fn newest<'a>(&'a self, subject: &'a Subject) -> Answer<'a, Option<Stored>>;

    /// What a stream holds. Boards may ask this of the people of their own gallery only.
    ///
    /// # Errors
    /// [`CarrierError::NoStream`] where it does not exist.
    fn state<'a>(&'a self, stream: &'a Stream) -> Answer<'a, StreamState>;

    /// Makes a stream, or changes its settings to those of this version. Only the office may.
    ///
    /// # Errors
    /// As described at [`CarrierError`].
    fn prepare<'a>(&'a self, stream: &'a Stream) -> Answer<'a, StreamState>;

    /// Deletes the messages of a subject, or of all that fit a pattern, for good. Only the office may.
    ///
    /// # Errors
    /// As described at [`CarrierError`].
    fn purge<'a>(&'a self, subject: &'a Subject) -> Answer<'a, ()>;

    /// Tells when something under a subject may have changed.
    ///
    /// # Errors
    /// As described at [`CarrierError`].
    fn watch<'a>(&'a self, subject: &'a Subject) -> Answer<'a, Watch>;

    /// Whether the servers can be reached, now and from now on.
    fn link(&self) -> tokio::sync::watch::Receiver<Link>;
}
