//! What the board tells the office: its journal, and how it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::Instant;
use uuid::Uuid;

use super::board::{BoardError, BoardTask, Identity};
use crate::domain::{Event, Named};
use crate::fleet::carrier::{CarrierError, Message, Subject};
use crate::fleet::mail;
use crate::ledger::{Pending, Record};
use crate::office::fleet::protocol::{BoardReport, JournalMessage, MOST_DOORS};

/// Records of the journal that wait for the servers at once, and how long they are sent before rules are looked at again.
const AT_ONCE: usize = 32;
const SENDS_FOR: Duration = Duration::from_millis(50);

impl BoardTask {
    /// Sends some of what the servers have not got of the journal; then [`BoardTask::more_records`] says whether more waits. A record is done with once
    /// the servers have acknowledged it.
    pub(super) async fn send_journal(&mut self) -> Result<(), BoardError> {
        let Identity { site, board, .. } = &self.identity;
        let subject = Subject::journal(site, board);
        let state = self.state.clone();
        let pending = spawn_blocking(move || state.reader.pending(0, AT_ONCE)).await??;
        self.more_records = pending.len() >= AT_ONCE;
        let asked = self.rules.as_ref().filter(|rules| rules.resend.contains_key(board)).map(|rules| rules.version);
        let (mut done, began) = (None, Instant::now());
        for Pending { after, record } in pending {
            if began.elapsed() > SENDS_FOR {
                // A lockdown does not wait for a long queue.
                self.more_records = true;
                break;
            }
            let message = JournalMessage { after, record: record.to_json(), people: self.people_in(&record) };
            let payload = self.sealed(&subject, &message)?;
            let id = Some(message_id(&record, asked));
            match self.carrier.publish(Message { id, ..Message::new(subject.clone(), payload) }).await {
                Ok(_) => {}
                Err(error @ CarrierError::TooLarge { .. }) => {
                    tracing::error!(%error, seq = record.seq, "this record cannot be sent to the office, and stays here alone");
                }
                Err(error) => {
                    if let Some(seq) = done {
                        let state = self.state.clone();
                        spawn_blocking(move || state.reader.done_with(seq)).await??;
                    }
                    return Err(error.into());
                }
            }
            done = Some(record.seq);
        }
        let Some(seq) = done else { return Ok(()) };
        let state = self.state.clone();
        spawn_blocking(move || state.reader.done_with(seq)).await??;
        Ok(())
    }

    /// The uuids of the fleet's people in a record, by their number here. Somebody who has left the board since is told by earlier records.
    fn people_in(&self, record: &Record) -> BTreeMap<u32, Uuid> {
        let people = record.content.event().into_iter().flat_map(Event::people);
        let uuid = |named: &Named| Some((named.id.0, self.register.gallery().person(named.id).ok()?.uuid?));
        people.filter_map(uuid).collect()
    }

    /// Says how the board stands.
    pub(super) async fn report(&mut self) -> Result<(), BoardError> {
        let (digest, position) =
            self.with_replica(|replica| (replica.digest().to_string(), replica.position())).await?;
        let (standing, state) = (self.state.standing(), self.state.clone());
        let waiting = spawn_blocking(move || state.reader.waiting()).await??;
        let beside = self.report_beside().await?;
        let said = BoardReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            model: self.identity.model.to_string(),
            digest,
            people: standing.people,
            epoch: standing.epoch,
            oldest_epoch: self.keys().epochs(&self.identity.gallery).first().copied(),
            rules: standing.rules,
            position: position.map_or(0, |position| position.sequence),
            birth: position.map_or(0, |position| position.birth.0),
            waiting,
            sent: self.state.reader.done(),
            set_aside: standing.set_aside,
            refused: standing.refused,
            access: self.rulebook.now().version(),
            rules_trouble: self.rulebook.now().origin.trouble.clone(),
            doors: self.rulebook.own().doors.iter().map(|door| door.name.clone()).take(MOST_DOORS).collect(),
            at_ms: self.now_ms(),
            clock_ahead_ms: None,
            beside,
            models_trouble: self.leader.trouble.clone(),
        };
        self.told_waiting = said.waiting;
        let subject = Subject::board(&self.identity.site, &self.identity.board);
        let payload = self.sealed(&subject, &said)?;
        self.carrier.publish(Message::new(subject, payload)).await?;
        Ok(())
    }

    /// Something that is said to the office alone.
    fn sealed(&self, subject: &Subject, said: &impl serde::Serialize) -> Result<Vec<u8>, BoardError> {
        let Identity { fleet, key, requests, .. } = &self.identity;
        let plain = serde_json::to_vec(said).unwrap_or_default();
        Ok(mail::seal(*fleet, subject.as_str(), &plain, key, requests)?)
    }
}

/// By what servers know that they have a record. They drop what comes twice within some minutes, so one that the office asks for again, by rules of that
/// version, has another id: perhaps the servers have it, and the office has not. The office keeps it once.
fn message_id(record: &Record, asked: Option<u64>) -> String {
    asked.map_or_else(|| record.id.to_string(), |version| format!("{}-{version}", record.id))
}
