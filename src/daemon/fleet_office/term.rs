//! That one office writes. Each office says every minute, in a subject of its own, that it is the one; it only does so if nobody else has since it
//! last did. An office that finds another one's word stops.

use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::fleet::carrier::{Carrier, CarrierError, Message, Subject};
use crate::fleet::{Body, FleetId, Kind, OfficeKey, Opened};
use crate::office::fleet::key_file::hex;
use crate::store::Store;

/// How long another office's word counts, in milliseconds: two of three may be lost.
const COUNTS_FOR_MS: i64 = 150_000;

/// Why this office does not write.
#[derive(Debug, Error)]
pub enum TermError {
    #[error(transparent)]
    Carrier(#[from] CarrierError),
    #[error("the office's word cannot be signed: {0}")]
    Signed(#[from] crate::fleet::Refusal),
    #[error(
        "another office of this fleet, on {host}, spoke {seconds} s ago: stop it first. If it is gone for good, wait {} s, or let this one take over",
        COUNTS_FOR_MS / 1000
    )]
    Another { host: String, seconds: i64 },
    #[error("another office of this fleet has taken over: this one stops, so that two never write")]
    TakenOver,
}

/// The word of an office.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Word {
    /// Another one at each start.
    start: Uuid,
    host: String,
    /// The machine and the folder, as a hash: a copy of the folder is in another place.
    place: String,
    at_ms: u64,
}

impl Body for Word {
    const KIND: Kind = Kind::Office;
    const MAX: usize = 4096;
}

/// The term of this office.
#[derive(Clone)]
pub struct Term {
    start: Uuid,
    host: String,
    place: String,
    /// The sequence of the newest word.
    sequence: u64,
}

impl Term {
    /// Begins a term. `take_over` does so even if another office spoke just now. With `before`, it goes on with that one.
    ///
    /// # Errors
    /// Another office writes, or the servers are away.
    pub async fn begin(
        carrier: &dyn Carrier,
        store: &Store,
        (fleet, key): (FleetId, &OfficeKey),
        take_over: bool,
        before: Option<Term>,
        now_ms: u64,
    ) -> Result<Term, TermError> {
        let newest = carrier.newest(&Subject::office()).await?;
        let here = place(store);
        if let Some(newest) = &newest
            && let Ok(Opened::Body(Word { start, host, place, .. })) = key.public().open::<Word>(fleet, &newest.payload)
        {
            let ago = i64::try_from(now_ms).unwrap_or(i64::MAX).saturating_sub(newest.at_ms);
            if before.as_ref().is_some_and(|term| term.start != start) {
                return Err(TermError::TakenOver);
            }
            // The store is locked, so no other office is alive in this folder: what spoke from here was this one before its restart.
            if place != here && ago < COUNTS_FOR_MS && !take_over {
                return Err(TermError::Another { host, seconds: ago.max(0) / 1000 });
            }
        }
        let start = before.map_or_else(Uuid::new_v4, |term| term.start);
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        let mut term = Term { start, host, place: here, sequence: newest.map_or(0, |newest| newest.sequence) };
        term.go_on(carrier, (fleet, key), now_ms).await?;
        Ok(term)
    }

    fn word(&self, at_ms: u64) -> Word {
        Word { start: self.start, host: self.host.clone(), place: self.place.clone(), at_ms }
    }

    /// Says again that this office writes.
    ///
    /// # Errors
    /// The newest word is not this office's last one, or the servers are away. Whose it is says [`Term::begin`] with this term: it may be another office's, this
    /// one's whose acknowledgement was lost, or noise.
    pub async fn go_on(
        &mut self,
        carrier: &dyn Carrier,
        (fleet, key): (FleetId, &OfficeKey),
        at_ms: u64,
    ) -> Result<(), TermError> {
        let word = key.sign(fleet, &self.word(at_ms))?;
        let payload: Vec<u8> = word.into();
        let message = Message { expected: Some(self.sequence), ..Message::new(Subject::office(), payload) };
        self.sequence = carrier.publish(message).await?;
        Ok(())
    }
}

/// The machine and the folder of a store, as a hash: neither is anybody's business.
fn place(store: &Store) -> String {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let folder = std::fs::metadata(store.dir()).map(|found| (found.dev(), found.ino())).unwrap_or_default();
    let hash = blake3::derive_key("usher fleet 1: where an office is", format!("{machine} {folder:?}").as_bytes());
    hex(hash.first_chunk::<16>().unwrap_or(&[0; 16]))
}
