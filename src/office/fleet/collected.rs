//! The records of all boards, as the office has collected them. A record is kept by its board, its number there and its id, so that nothing takes the
//! place of another: the same record comes twice, and a restored board uses numbers again.
//! Records come in by [`super::taking`], and [`super::mark`] says how far those of a board are here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::author::Author;
use super::feed::{Feed, FeedPlace};
use super::history::{History, NUMBERS};
use super::kept::KeptError;
use super::mark::Mark;
use super::protocol::{BoardReport, Changes, CollectedRecord, JournalMessage, Position};
use super::traces::Traces;
use crate::fleet::{Board, Site};
use crate::ledger::Journal;
use crate::store::{Bytes, Store, Tree};

/// Records of one part of the changes, in bytes of their JSON.
const PART_BYTES: usize = 4 << 20;
pub(super) const PLACE: &str = "journal";

/// Where the collector stands in the servers' stream: the stream's birth and the newest sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPlace {
    pub birth: u64,
    pub sequence: u64,
}

/// A record as it came.
pub struct Arrived {
    pub board: Board,
    pub site: Site,
    /// Who sealed it.
    pub author: Author,
    /// Whether that is the board of that name now, and none that was shut out before it.
    pub is_current: bool,
    pub message: JournalMessage,
}

/// The collected records.
pub struct Collected {
    pub(super) store: Store,
    pub(super) records: Tree,
    pub(super) marks: Tree,
    /// The records that came before one that is missing.
    pub(super) links: Tree,
    /// The records of each board in the order in which they came.
    pub(super) arrivals: Tree,
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
    /// The journal, as [`Mark::journal`] counts them, in which it came first.
    #[serde(default)]
    pub journal: u64,
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
            links: store.tree("fleet_links")?,
            arrivals: store.tree("fleet_arrivals")?,
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

    /// From which number on records of a board are missing, by its mark and by what it says that it has sent; `None` if none is.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn missing(&self, board: &str, mark: &Mark, said: &BoardReport) -> Result<Option<u64>, KeptError> {
        // No journal gets so far.
        if said.sent.max(said.first) >= NUMBERS {
            return Ok(mark.missing());
        }
        if let Some(from) = mark.missing_of(said.sent, said.first) {
            return Ok(Some(from));
        }
        // A board that was restored from a backup names another record by a number that is known.
        let Some(id) = said.sent_id.filter(|_| mark.newest > 0 && said.sent >= mark.first) else { return Ok(None) };
        let is_here = self.records.contains_key(key(board, said.sent, id.as_bytes()))?;
        Ok((!is_here).then_some(said.sent))
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

pub(super) fn prefix(board: &str) -> Vec<u8> {
    [board.as_bytes(), &[0]].concat()
}

pub(super) fn key(board: &str, seq: u64, id: &[u8]) -> Vec<u8> {
    [&prefix(board), &seq.to_be_bytes()[..], id].concat()
}

/// The number and the id in a record's key.
pub(super) fn number_and_id(key: &[u8]) -> Option<(u64, Uuid)> {
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
