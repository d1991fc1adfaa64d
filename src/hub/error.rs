//! The hub's errors.

use std::error::Error;
use std::time::Duration;

use super::failure::BrokerFailure;
use super::tls::TlsError;

/// Why a command of the command line could not do its work at the broker.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    #[error("[mqtt.tls] {0}")]
    Tls(#[from] TlsError),
    /// There is no connection.
    #[error("{}", .failure.while_connecting(.address))]
    NotConnected { address: String, failure: BrokerFailure },
    /// Nothing came within the time that the caller is ready to wait.
    #[error("{address} does not answer within {} s", .wait.as_secs())]
    NoAnswer { address: String, wait: Duration },
    /// The connection broke.
    #[error("{address}: {}", .failure.while_online())]
    Broken { address: String, failure: BrokerFailure },
    /// The broker does not show the topics that it retains.
    #[error("{address}: the broker does not show what it keeps: {reason}")]
    Hidden { address: String, reason: String },
    /// The broker does not let this user write to a topic.
    #[error("{address}: {topic}: the broker refuses: {reason}")]
    NotAllowed { address: String, topic: String, reason: String },
    /// MQTT does not allow such a topic.
    #[error("{address}: {topic} cannot be a topic")]
    BadTopic { address: String, topic: String },
}

/// Why the outbox or the list of retained topics cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StorageError(Box<dyn Error + Send + Sync>);

impl StorageError {
    /// Wraps an error of whatever keeps the data.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> StorageError {
        StorageError(error.into())
    }
}
