//! The boards' requests at the servers: the office reads them and carries them out.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinError;
use tokio::time::Instant;

use super::desk::Office;
use crate::fleet::carrier::{Carrier, CarrierError, MAX_READ, Stored, Stream, StreamState, Subject, request_of};
use crate::office::fleet::BookError;

/// How often requests that nobody has decided are looked through.
const LOOKS_EVERY: Duration = Duration::from_secs(3600);

/// Why reading ended.
#[derive(Debug, Error)]
pub enum Interrupted {
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    #[error(transparent)]
    Book(#[from] BookError),
    #[error("a task failed: {0}")]
    Task(#[from] JoinError),
}

/// Reads requests until something fails; why. After each connection all of them are read: those that were carried out change nothing.
pub async fn keep(office: &Arc<Office>, carrier: &dyn Carrier) -> Interrupted {
    match follow(office, carrier).await {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

async fn follow(office: &Arc<Office>, carrier: &dyn Carrier) -> Result<Infallible, Interrupted> {
    let mut watch = carrier.watch(&Subject::requests()).await?;
    let (mut birth, mut from, mut looked) = (0, 1, None::<Instant>);
    loop {
        watch.changed().await;
        if looked.is_none_or(|at| at.elapsed() > LOOKS_EVERY) {
            let now_ms = office.now_ms();
            office.change(move |book| book.let_requests_expire(now_ms)).await??;
            looked = Some(Instant::now());
        }
        let now: StreamState = carrier.state(&Stream::Requests).await?;
        if now.birth != birth || now.last.saturating_add(1) < from {
            (birth, from) = (now.birth, 1);
        }
        while from <= now.last {
            let part = carrier.read(&Stream::Requests, from, MAX_READ).await?;
            let Some(newest) = part.last() else { break };
            from = newest.sequence.saturating_add(1);
            for stored in part {
                take(office, stored).await?;
            }
        }
    }
}

async fn take(office: &Arc<Office>, stored: Stored) -> Result<(), Interrupted> {
    let Some(place) = request_of(&stored.subject) else { return Ok(()) };
    let at_ms = office.now_ms();
    office.change(move |book| book.take_request(&place, &stored.payload, at_ms)).await??;
    Ok(())
}
