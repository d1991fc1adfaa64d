//! The records of all boards, as the office has collected them. A record is kept by its board, its number there and its id, so that nothing takes the
//! place of another: the same record comes twice, and a restored board uses numbers again.
//!
//! Each record names the number before it in its board's journal. Where that one is missing here, there is a gap, and the board is asked to send
//! again from there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::feed::{Feed, FeedPlace};
use super::history::{Batch, History, NUMBERS};
use super::kept::KeptError;
use super::protocol::{Changes, CollectedRecord, JournalMessage, Position};
use super::traces::Traces;
use crate::fleet::{Board, Site};
use crate::ledger::{Journal, Record};
use crate::store::{Bytes, Change, Store, Tree};

/// The most records that are kept of a board. Beyond that, the oldest hundredth goes.
const MOST: u64 = 1_000_000;
/// The most bytes of a board's records. Beyond that, too, the oldest hundredth goes.
const MOST_BYTES: u64 = 2 << 30;
/// The highest number of a record that is believed.
const MOST_NUMBER: u64 = NUMBERS - 1;
/// Records of one part of the changes, in bytes of their JSON.
const PART_BYTES: usize = 4 << 20;
const PLACE: &str = "journal";

/// Where the collector stands in the servers' stream: the stream's birth and the newest sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPlace {
    pub birth: u64,
    pub sequence: u64,
}

/// A board's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// All that can be had up to this number is here.
    pub complete: u64,
    /// The newest record that is here.
    pub newest: u64,
    /// How many are kept, and the bytes that they take.
    pub kept: u64,
    #[serde(default)]
    pub bytes: u64,
}

impl Mark {
    /// From which number on records are missing; `None` if none is.
    pub fn missing(&self) -> Option<u64> {
        (self.newest > self.complete).then(|| self.complete.saturating_add(1))
    }
}

/// A record as it came.
pub struct Arrived {
    pub board: Board,
    pub site: Site,
    pub message: JournalMessage,
}

/// The collected records.
pub struct Collected {
    pub(super) store: Store,
    pub(super) records: Tree,
    marks: Tree,
    pub(super) place: Tree,
    /// Those who are erased.
    pub(super) traces: Traces,
    /// The erasings that were finished last, with the numbers of records.
    pub(super) finished: Mutex<VecDeque<(Uuid, u64)>>,
    pub(super) feed: Feed,
    /// Held from looking who is erased until the records are kept: what comes while somebody is erased must not slip through.
    pub(super) keeping: Mutex<()>,
    /// The records by time, with numbers that hold over all boards.
    pub history: History,
    /// The office's own records.
    pub(super) own: Journal,
}

/// A record in the store.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    pub site: String,
    pub after: u64,
    pub record: Value,
}

impl Collected {
    /// The collected records in `store`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(store: &Store) -> Result<Collected, KeptError> {
        let collected = Collected {
            records: store.tree("fleet_records")?,
            marks: store.tree("fleet_marks")?,
            place: store.tree("fleet_place")?,
            traces: Traces::open(store)?,
            finished: Mutex::default(),
            feed: Feed::open(store)?,
            keeping: Mutex::new(()),
            history: History::open(store)?,
            own: Journal::open(store)?,
            store: store.clone(),
        };
        collected.take_own()?;
        Ok(collected)
    }

    /// Where the collector stands.
    pub fn place(&self) -> Result<StreamPlace, KeptError> {
        let bytes = self.place.get(PLACE)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    /// The mark of a board.
    pub fn mark(&self, board: &str) -> Result<Mark, KeptError> {
        let bytes = self.marks.get(board)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    /// Keeps records, with the place of the last of them in the same commit. Returns the marks of their boards. What is no record is left out.
    ///
    /// # Errors
    /// The store cannot be read or written; nothing is kept then.
    pub fn keep(&self, arrived: &[Arrived], place: StreamPlace) -> Result<BTreeMap<Board, Mark>, KeptError> {
        self.take(arrived, Some(place))
    }

    /// The same for records that do not come from the stream.
    pub(super) fn take(
        &self,
        arrived: &[Arrived],
        place: Option<StreamPlace>,
    ) -> Result<BTreeMap<Board, Mark>, KeptError> {
        let _keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        self.history.redate()?;
        let mut history = self.history.batch();
        let mut marks: BTreeMap<Board, Mark> = BTreeMap::new();
        let mut changes: BTreeMap<Vec<u8>, Change> = BTreeMap::new();
        let mut links: BTreeMap<(Board, u64), u64> = BTreeMap::new();
        for Arrived { board, site, message } in arrived {
            let JournalMessage { after, record, people } = message;
            let Some(read) = Record::from_json(record) else {
                tracing::warn!(%board, "a board sent what is no record; it is left out");
                continue;
            };
            // A journal's numbers rise from 1, and no journal ever gets so far.
            if *after >= read.seq || read.seq > MOST_NUMBER {
                tracing::warn!(%board, seq = read.seq, after, "a board sent a record with an impossible number; it is left out");
                continue;
            }
            let key = key(board.as_str(), read.seq, read.id.as_bytes());
            let is_new = !changes.contains_key(&key) && !self.records.contains_key(&key)?;
            let mark = match marks.get_mut(board) {
                Some(mark) => mark,
                None => {
                    let mark = self.mark(board.as_str())?;
                    marks.entry(board.clone()).or_insert(mark)
                }
            };
            if mark.newest == 0 {
                // The first of this board: what was before it joined is not asked for.
                mark.complete = *after;
            }
            mark.newest = mark.newest.max(read.seq);
            mark.kept = mark.kept.saturating_add(u64::from(is_new));
            links.insert((board.clone(), read.seq), *after);
            let stored = self.admitted(Stored { site: site.to_string(), after: *after, record: record.clone() })?;
            if let Some(read) = Record::from_json(&stored.record) {
                history.add(board.as_str(), site.as_str(), &read, people)?;
            }
            let bytes = serde_json::to_vec(&stored).unwrap_or_default();
            if is_new {
                mark.bytes = mark.bytes.saturating_add(bytes.len() as u64);
            }
            changes.insert(key.clone(), self.records.put(key, bytes));
        }
        let put: Vec<Vec<u8>> = changes.keys().cloned().collect();
        let (mut changes, mut gone): (Vec<Change>, Vec<Vec<u8>>) = (changes.into_values().collect(), Vec::new());
        for (board, mark) in &mut marks {
            self.advance(board, mark, &links)?;
            self.bound(board, mark, &mut history, &mut gone)?;
            changes.push(self.marks.put(board.as_str(), serde_json::to_vec(mark).unwrap_or_default()));
        }
        changes.extend(gone.iter().map(|key| self.records.delete(key.clone())));
        changes.extend(place.map(|place| self.place.put(PLACE, serde_json::to_vec(&place).unwrap_or_default())));
        changes.extend(history.changes());
        self.feed.commit(&put, &gone, changes)?;
        self.history.committed(history);
        self.history.redate()?;
        Ok(marks)
    }

    /// Takes out a board's oldest records while it has too many.
    fn bound(
        &self,
        board: &Board,
        mark: &mut Mark,
        history: &mut Batch<'_>,
        gone: &mut Vec<Vec<u8>>,
    ) -> Result<(), KeptError> {
        if mark.kept <= MOST && mark.bytes <= MOST_BYTES {
            return Ok(());
        }
        let mut oldest = self.records.scan_prefix(prefix(board.as_str()));
        for _ in 0..(mark.kept / 100).max(1) {
            let Some(entry) = oldest.next() else { break };
            let (key, value) = entry?;
            if let Some((seq, id)) = number_and_id(&key) {
                history.remove(board.as_str(), seq, id)?;
            }
            mark.kept = mark.kept.saturating_sub(1);
            mark.bytes = mark.bytes.saturating_sub(value.len() as u64);
            gone.push(key.to_vec());
        }
        Ok(())
    }

    /// A part of the records that are new or were changed after a place: at most `limit`, and about 4 MiB.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn changes(&self, after: Option<FeedPlace>, limit: usize) -> Result<Changes, KeptError> {
        let known = self.feed.known(after)?;
        let mut last = known.map_or(0, |place| place.number);
        let (mut found, mut bytes) = (Vec::new(), 0_usize);
        for entry in self.feed.after(known) {
            let (number, key) = entry?;
            last = number;
            let Some(value) = self.records.get(&key)? else { continue };
            bytes = bytes.saturating_add(value.len());
            if let Some((position, Stored { site, record, .. })) = read(&(key, value)) {
                found.push(CollectedRecord { board: position.board, site, record });
            }
            if found.len() >= limit || bytes >= PART_BYTES {
                break;
            }
        }
        let anew = after.is_some() && known.is_none();
        Ok(Changes { records: found, place: self.feed.place(last)?, anew })
    }

    /// A record in the store.
    pub(super) fn stored(&self, board: &str, seq: u64, id: Uuid) -> Result<Option<Stored>, KeptError> {
        let value = self.records.get(key(board, seq, id.as_bytes()))?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
    }

    /// Moves a mark over all records that follow each other, those in `links` and those that are kept.
    fn advance(&self, board: &Board, mark: &mut Mark, links: &BTreeMap<(Board, u64), u64>) -> Result<(), KeptError> {
        loop {
            let Some(next) = mark.complete.checked_add(1) else { return Ok(()) };
            let new = links.range((board.clone(), next)..).next().filter(|((of, _), _)| of == board);
            let new = new.map(|((_, seq), after)| (*seq, *after));
            let mut kept =
                self.records.range(key(board.as_str(), next, &[])..=key(board.as_str(), u64::MAX, &[0xff; 17]));
            let kept = match kept.next() {
                Some(entry) => read(&entry?).map(|(position, stored)| (position.seq, stored.after)),
                None => None,
            };
            let nearest = new.into_iter().chain(kept).min();
            match nearest {
                Some((seq, after)) if after <= mark.complete => mark.complete = seq,
                _ => return Ok(()),
            }
        }
    }

    /// At most `limit` records after a position, of one board or of all, by board and number.
    pub fn list(
        &self,
        board: Option<&Board>,
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Vec<CollectedRecord>, KeptError> {
        let begin = match (after, board) {
            (Some(after), _) => key(&after.board, after.seq.saturating_add(1), &[]),
            (None, Some(board)) => prefix(board.as_str()),
            (None, None) => Vec::new(),
        };
        let mut found = Vec::new();
        for entry in self.records.range(begin..) {
            let Some((position, stored)) = read(&entry?) else { continue };
            if found.len() == limit || board.is_some_and(|board| board.as_str() != position.board) {
                break;
            }
            found.push(CollectedRecord { board: position.board, site: stored.site, record: stored.record });
        }
        Ok(found)
    }
}

fn prefix(board: &str) -> Vec<u8> {
    [board.as_bytes(), &[0]].concat()
}

fn key(board: &str, seq: u64, id: &[u8]) -> Vec<u8> {
    [&prefix(board), &seq.to_be_bytes()[..], id].concat()
}

/// The number and the id in a record's key.
fn number_and_id(key: &[u8]) -> Option<(u64, Uuid)> {
    let end = key.iter().position(|byte| *byte == 0)?;
    let (seq, id) = key.get(end.checked_add(1)?..)?.split_first_chunk()?;
    Some((u64::from_be_bytes(*seq), Uuid::from_slice(id).ok()?))
}

/// `None` for what is no record.
pub(super) fn read((key, value): &(Bytes, Bytes)) -> Option<(Position, Stored)> {
    let end = key.iter().position(|byte| *byte == 0)?;
    let (board, rest) = key.split_at_checked(end)?;
    let seq = u64::from_be_bytes(*rest.get(1..)?.first_chunk()?);
    let board = String::from_utf8(board.to_vec()).ok()?;
    Some((Position { board, seq }, serde_json::from_slice(value).ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::domain::{DaemonEvent, Event, Stamp};
    use crate::ledger::ReadOrder;

    /// The records of a board, as they travel.
    fn messages(count: usize) -> Vec<JournalMessage> {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&Store::open(dir.path()).unwrap()).unwrap();
        for _ in 0..count {
            let event = Event::Daemon(DaemonEvent::Stopped { reason: "because".into() });
            journal.append(&event, &Stamp::at(SystemTime::now())).unwrap();
        }
        let records = journal.list(.., ReadOrder::OldestFirst, count).unwrap();
        records.iter().map(|record| JournalMessage::new(record.seq - 1, record.to_json())).collect()
    }

    fn arrived(board: &str, messages: &[JournalMessage]) -> Vec<Arrived> {
        let (board, site): (Board, Site) = (board.parse().unwrap(), "berlin".parse().unwrap());
        messages.iter().map(|m| Arrived { board: board.clone(), site: site.clone(), message: m.clone() }).collect()
    }

    fn collected() -> (tempfile::TempDir, Collected) {
        let dir = tempfile::tempdir().unwrap();
        let collected = Collected::open(&Store::open(dir.path()).unwrap()).unwrap();
        (dir, collected)
    }

    fn place(sequence: u64) -> StreamPlace {
        StreamPlace { birth: 7, sequence }
    }

    #[test]
    fn a_gap_is_seen_and_closed_by_what_comes_again() {
        let (_dir, collected) = collected();
        let sent = messages(12);
        let front: Board = "front".parse().unwrap();
        let keep = |part: &[JournalMessage]| collected.keep(&arrived("front", part), place(1)).unwrap()[&front];
        // The board joined after its record 2.
        assert_eq!(keep(&sent[2..4]).missing(), None);
        assert_eq!(keep(&sent[6..7]).missing(), Some(5), "5 and 6 were lost");
        assert_eq!(keep(&sent[7..8]).missing(), Some(5));
        // 7 and 8 do not come again: the servers know them.
        let mark = keep(&sent[4..6]);
        assert_eq!((mark.missing(), mark.complete, mark.kept), (None, 8, 6));
        assert_eq!(keep(&sent[4..6]).kept, 6, "what comes twice is kept once");
        // What is no longer in the board's journal is not waited for.
        let later = JournalMessage::new(8, sent[10].record.clone());
        let mark = keep(&[later]);
        assert_eq!((mark.missing(), mark.complete), (None, 11));
        let no_record = JournalMessage::new(11, serde_json::json!({ "seq": 12 }));
        assert_eq!(collected.keep(&arrived("front", &[no_record]), place(2)).unwrap().len(), 0);
        assert_eq!(collected.place().unwrap(), place(2));
    }

    #[test]
    fn records_with_impossible_numbers_are_left_out() {
        let (_dir, collected) = collected();
        let [message] = &messages(1)[..] else { panic!("one record") };
        let numbered = |seq: u64, after: u64| {
            let mut record = message.record.clone();
            record["seq"] = seq.into();
            JournalMessage::new(after, record)
        };
        let lies = [numbered(u64::MAX, 0), numbered(7, 7), numbered(7, u64::MAX), numbered(0, 0)];
        assert!(collected.keep(&arrived("front", &lies), place(1)).unwrap().is_empty());
        let honest = collected.keep(&arrived("front", std::slice::from_ref(message)), place(2)).unwrap();
        assert_eq!(honest.values().next().map(|mark| (mark.newest, mark.missing())), Some((1, None)));
    }

    #[test]
    fn numbers_that_a_restored_board_uses_again_replace_nothing() {
        let (_dir, collected) = collected();
        let (before, after) = (messages(3), messages(3));
        collected.keep(&arrived("front", &before), place(3)).unwrap();
        collected.keep(&arrived("front", &after), place(6)).unwrap();
        assert_eq!(collected.list(None, None, 100).unwrap().len(), 6);
    }

    #[test]
    fn records_are_listed_by_board_and_number_in_parts() {
        let (_dir, collected) = collected();
        collected.keep(&arrived("front", &messages(3)), place(3)).unwrap();
        collected.keep(&arrived("back", &messages(2)), place(5)).unwrap();
        let all = collected.list(None, None, 100).unwrap();
        let numbers: Vec<_> = all.iter().map(|r| (r.board.as_str(), r.record["seq"].as_u64().unwrap())).collect();
        assert_eq!(numbers, [("back", 1), ("back", 2), ("front", 1), ("front", 2), ("front", 3)]);
        let after = Position { board: "front".into(), seq: 1 };
        assert_eq!(collected.list(None, Some(&after), 1).unwrap()[0].record["seq"], 2);
        let back: Board = "back".parse().unwrap();
        assert_eq!(collected.list(Some(&back), None, 100).unwrap().len(), 2);
    }
}
