//! What the board tells the office: its journal, and how it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::Instant;
use uuid::Uuid;

use super::board::{BoardError, BoardTask, Identity};
use crate::domain::{Content, Event, Named};
use crate::fleet::SiteRules;
use crate::fleet::carrier::{CarrierError, MAX_PAYLOAD, Message, Subject};
use crate::fleet::mail::{self, MAX_SAID};
use crate::ledger::{Pending, Record};
use crate::office::fleet::key_file::hex;
use crate::office::fleet::protocol::{BoardReport, JournalMessage, MOST_DOORS};

/// Records of the journal that wait for the servers at once, and how long they are sent before rules are looked at again.
const AT_ONCE: usize = 32;
const SENDS_FOR: Duration = Duration::from_millis(50);

impl BoardTask {
    /// Goes back in the journal if these rules ask for it.
    pub(super) async fn send_again(&mut self, rules: &SiteRules) -> Result<(), BoardError> {
        let board = &self.identity.board;
        let before = self.rules.as_ref().and_then(|held| held.resend.get(board));
        let Some(asked) = rules.resend.get(board).filter(|asked| Some(*asked) != before).copied() else {
            return Ok(());
        };
        tracing::info!(from = asked.from, "the office asks for records again");
        let state = self.state.clone();
        let sent = state.reader.done();
        spawn_blocking(move || state.reader.resend(asked.from)).await??;
        let before = self.telling.again.map_or(0, |(_, sent)| sent);
        self.telling.again = Some((asked, sent.max(before)));
        self.more_records = true;
        Ok(())
    }

    /// Sends some of what the servers have not got of the journal; then [`BoardTask::more_records`] says whether more waits. A record is done with once
    /// the servers have acknowledged it.
    pub(super) async fn send_journal(&mut self) -> Result<(), BoardError> {
        if self.more_records {
            self.send_waiting_requests().await?;
        }
        let subject = Subject::journal(&self.identity.site, &self.identity.board);
        let state = self.state.clone();
        let pending = spawn_blocking(move || state.reader.pending(0, AT_ONCE)).await??;
        self.more_records = pending.len() >= AT_ONCE || self.asking.waits();
        let (mut done, began) = (None, Instant::now());
        for Pending { after, record } in pending {
            if began.elapsed() > SENDS_FOR {
                // A lockdown does not wait for a long queue.
                self.more_records = true;
                break;
            }
            let payload = self.sealed_record(&subject, after, &record)?;
            let id = Some(message_id(&record, self.asked(record.seq)));
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

    /// A record on its way. One that is too long for the office goes without its content, so that nobody waits for it.
    fn sealed_record(&self, subject: &Subject, after: u64, record: &Record) -> Result<Vec<u8>, BoardError> {
        let (first, people) = (self.telling.first, self.people_in(record));
        let whole = JournalMessage { after, first, record: record.to_json(), people };
        let payload = self.sealed(subject, &whole)?;
        if payload.len() <= MAX_SAID {
            return Ok(payload);
        }
        tracing::error!(
            bytes = payload.len(),
            seq = record.seq,
            "this record is too long for the office, and goes there without its content"
        );
        let message = JournalMessage { record: without_content(record).to_json(), people: BTreeMap::new(), ..whole };
        self.sealed(subject, &message)
    }

    /// The request by which a record is sent again, if it is.
    fn asked(&self, seq: u64) -> Option<u64> {
        let again = self.telling.again.filter(|(_, sent)| seq <= *sent).map(|(asked, _)| asked);
        let held = || self.rules.as_ref()?.resend.get(&self.identity.board).copied();
        again.or_else(held).map(|asked| asked.number)
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
        let (disk, others) = (self.disk.clone(), self.telling.others);
        let read = move || {
            let rules = if others { disk.signed_rules() } else { Vec::new() };
            Ok::<_, BoardError>((state.reader.waiting()?, state.reader.done_record(), disk.signed_head(), rules))
        };
        let (waiting, (sent, sent_id), head, rules_held) = spawn_blocking(read).await??;
        let beside = self.report_beside().await?;
        let now_ms = self.now_ms();
        let number = self.telling.next(now_ms);
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
            sent,
            sent_id,
            first: self.telling.first,
            number,
            head,
            rules_hash: self.telling.rules.map(|hash| hex(&hash)),
            rules_held,
            set_aside: standing.set_aside,
            refused: standing.refused,
            access: self.rulebook.now().version(),
            rules_trouble: self.rulebook.now().origin.trouble.clone(),
            doors: self.rulebook.own().doors.iter().map(|door| door.name.clone()).take(MOST_DOORS).collect(),
            at_ms: now_ms,
            clock_ahead_ms: None,
            instance: self.identity.instance.map(|instance| instance.to_string()),
            beside,
            models_trouble: self.leader.trouble.clone(),
        };
        self.told_waiting = said.waiting;
        let subject = Subject::board(&self.identity.site, &self.identity.board);
        let mut payload = self.sealed(&subject, &said)?;
        if payload.len() > MAX_PAYLOAD {
            payload = self.sealed(&subject, &BoardReport { rules_held: Vec::new(), ..said })?;
        }
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

/// A record that says only that it was written, and when: its place in the chain.
fn without_content(record: &Record) -> Record {
    let content = Content::Unknown(serde_json::json!({ "left_out": "it is too long for the office" }));
    Record { content, erased: true, ..record.clone() }
}

/// By what servers know that they have a record. They drop what comes twice within some minutes, so one that the office asks for again, by a request of
/// that number, has another id: perhaps the servers have it, and the office has not. The office keeps it once.
fn message_id(record: &Record, asked: Option<u64>) -> String {
    asked.map_or_else(|| record.id.to_string(), |number| format!("{}-{number}", record.id))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::domain::{DaemonEvent, Stamp};
    use crate::ledger::Journal;
    use crate::store::Store;

    #[test]
    fn a_record_that_is_too_long_keeps_its_place_and_has_another_id_when_it_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
        let event = Event::Daemon(DaemonEvent::Stopped { reason: "long ".repeat(MAX_SAID) });
        let record = journal.append(&event, &Stamp::at(SystemTime::now())).unwrap();
        assert!(record.to_json().to_string().len() > MAX_SAID);
        let json = without_content(&record).to_json();
        assert!(json.to_string().len() < 2000);
        let short = Record::from_json(&json).unwrap();
        assert_eq!((short.seq, short.id, short.hash, short.previous), (1, record.id, record.hash, record.previous));
        assert!(short.erased && short.kind == record.kind && short.content.event().is_none());
        let id = record.id.to_string();
        assert_eq!((message_id(&record, None), message_id(&record, Some(7))), (id.clone(), format!("{id}-7")));
    }
}
