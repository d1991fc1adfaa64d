//! Why the office is not at the servers.

use thiserror::Error;

use super::requests;
use super::revocations::RevocationsError;
use super::term::TermError;
use crate::fleet::carrier::CarrierError;
use crate::office::fleet::{BookError, KeptError};
use crate::store::StoreError;

/// Why the office is not at the servers.
#[derive(Debug, Error)]
pub enum LinkError {
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    #[error(transparent)]
    Book(#[from] BookError),
    #[error(transparent)]
    Kept(#[from] KeptError),
    #[error("the times of heads: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Term(#[from] TermError),
    #[error(transparent)]
    Requests(#[from] requests::Interrupted),
    #[error(transparent)]
    Revocations(#[from] RevocationsError),
    #[error("a task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl LinkError {
    /// Whether another office writes: this one must stop.
    pub fn is_final(&self) -> bool {
        matches!(self, LinkError::Term(TermError::TakenOver | TermError::Another { .. }))
    }
}
