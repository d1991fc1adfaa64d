//! The credentials that were taken back, at the servers as well as in the office's folder: an office that was restored from a backup takes over those
//! that are newer than the backup, before the servers are told by it who is shut out.

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};

use super::desk::{IssuerError, Office};
use crate::fleet::carrier::{Carrier, CarrierError, Message, Stream, Subject};
use crate::fleet::{Gallery, Opened, Refusal, Revocations};
use crate::office::fleet::BookError;

/// Why the lists were not compared.
#[derive(Debug, Error)]
pub enum RevocationsError {
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    #[error("the list of revoked credentials cannot be written: {0}")]
    Issuer(#[from] IssuerError),
    #[error(transparent)]
    Book(#[from] BookError),
    #[error("the list of revoked credentials cannot be signed: {0}")]
    Signed(#[from] Refusal),
    #[error("a task failed: {0}")]
    Task(#[from] JoinError),
}

/// Takes over what the servers have and the folder has not, and the other way round. Returns the galleries that need a new key for it.
///
/// # Errors
/// The servers are away, or the folder cannot be written.
pub async fn compare(office: &Arc<Office>, carrier: &dyn Carrier) -> Result<BTreeSet<Gallery>, RevocationsError> {
    carrier.prepare(&Stream::Revoked).await?;
    let (fleet, key) = office.with(|book| (book.fleet, book.key.public()));
    let theirs = match carrier.newest(&Subject::revoked()).await? {
        Some(stored) => match key.open::<Revocations>(fleet, &stored.payload) {
            Ok(Opened::Body(revoked)) => revoked.credentials,
            Ok(Opened::SetAside { .. }) | Err(_) => BTreeSet::new(),
        },
        None => BTreeSet::new(),
    };
    let new: BTreeSet<String> = theirs.difference(&office.issuer.revoked()).cloned().collect();
    let of = office.clone();
    spawn_blocking(move || of.issuer.take_over(&new)).await??;
    // Not only the new ones: a stop between the folder and the book may have left a board that counts as a member.
    let all = office.issuer.revoked();
    let shut_out = office.change(move |book| book.shut_out(&all)).await??;
    if office.issuer.revoked() != theirs {
        publish(office, carrier).await?;
    }
    Ok(shut_out)
}

/// Says who is shut out.
///
/// # Errors
/// The servers are away.
pub async fn publish(office: &Office, carrier: &dyn Carrier) -> Result<(), RevocationsError> {
    let revoked = Revocations { credentials: office.issuer.revoked() };
    let signed: Vec<u8> = office.with(|book| book.key.sign(book.fleet, &revoked))?.into();
    carrier.publish(Message::new(Subject::revoked(), signed)).await?;
    Ok(())
}
