//! Records on their way into the store: what a part of them changes, in one commit.
//!
//! Each record names the number before it in its board's journal. Where that one is missing here, there is a gap, and the board is asked to send
//! again from there.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::collected::{Arrived, Collected, PLACE, Stored, StreamPlace, key, number_and_id, prefix};
use super::history::{Batch, NUMBERS};
use super::kept::KeptError;
use super::mark::{Links, Mark};
use super::protocol::JournalMessage;
use crate::fleet::Board;
use crate::ledger::Record;
use crate::store::Change;

/// The most records that are kept of a board. Beyond that, the hundredth that came first goes.
const MOST: u64 = 1_000_000;
/// The most bytes of a board's records. Beyond that, too, the hundredth that came first goes.
const MOST_BYTES: u64 = 2 << 30;
/// The highest number of a record that is believed.
const MOST_NUMBER: u64 = NUMBERS - 1;

impl Collected {
    /// Keeps records, and the place in the stream up to which they are.
    ///
    /// # Errors
    /// The store cannot be read or written; nothing is kept then.
    pub(super) fn take(
        &self,
        arrived: &[Arrived],
        place: Option<StreamPlace>,
    ) -> Result<BTreeMap<Board, Mark>, KeptError> {
        self.take_within((MOST, MOST_BYTES), arrived, place)
    }

    /// The same where at most so many records of a board are kept, with so many bytes.
    fn take_within(
        &self,
        most: (u64, u64),
        arrived: &[Arrived],
        place: Option<StreamPlace>,
    ) -> Result<BTreeMap<Board, Mark>, KeptError> {
        let _keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        self.history.redate()?;
        let mut part = Part {
            collected: self,
            history: self.history.batch(),
            marks: BTreeMap::new(),
            records: BTreeMap::new(),
            links: Links::new(&self.links),
            arrivals: BTreeMap::new(),
        };
        for arrived in arrived {
            part.add(arrived)?;
        }
        let mut gone = Vec::new();
        for board in part.marks.keys().cloned().collect::<Vec<_>>() {
            part.bound(&board, &mut gone, most)?;
        }
        let marks = part.commit(&gone, place)?;
        self.history.redate()?;
        Ok(marks)
    }
}

/// A part of records.
struct Part<'c> {
    collected: &'c Collected,
    history: Batch<'c>,
    marks: BTreeMap<Board, Mark>,
    /// New ones and those that came again, by their keys.
    records: BTreeMap<Vec<u8>, Stored>,
    links: Links<'c>,
    /// The places of new records in the order of arrival.
    arrivals: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Part<'_> {
    fn add(&mut self, arrived: &Arrived) -> Result<(), KeptError> {
        let Arrived { board, site, author, is_current, message } = arrived;
        let JournalMessage { after, record, people, .. } = message;
        let Some(read) = Record::from_json(record) else {
            tracing::warn!(%board, "a board sent what is no record; it is left out");
            return Ok(());
        };
        // A journal's numbers rise from 1, and no journal ever gets so far.
        if *after >= read.seq || read.seq > MOST_NUMBER {
            tracing::warn!(%board, seq = read.seq, after, "a board sent a record with an impossible number; it is left out");
            return Ok(());
        }
        let key = key(board.as_str(), read.seq, read.id.as_bytes());
        let before = match self.records.get(&key) {
            Some(stored) => Some(stored.journal),
            None => self.collected.stored(board.as_str(), read.seq, read.id)?.map(|stored| stored.journal),
        };
        let mut mark = match self.marks.get(board) {
            Some(mark) => *mark,
            None => self.collected.mark(board.as_str())?,
        };
        if *is_current {
            // Another key: the board was set up again, or its name was given to another one.
            mark = mark.of(*author);
        }
        let is_its_own = mark.author == *author;
        if is_its_own {
            self.follow(board, &mut mark, &read, message, before)?;
        }
        let journal = before.unwrap_or(if is_its_own { mark.journal } else { 0 });
        let stored = Stored { site: site.to_string(), after: *after, journal, record: record.clone() };
        let stored = self.collected.admitted(stored)?;
        if let Some(read) = Record::from_json(&stored.record) {
            self.history.add((board.as_str(), *author), site.as_str(), &read, people)?;
        }
        if before.is_none() {
            mark.kept = mark.kept.saturating_add(1);
            mark.bytes = mark.bytes.saturating_add(length(&stored));
            mark.arrived = mark.arrived.saturating_add(1);
            let place = [&prefix(board.as_str())[..], &mark.arrived.to_be_bytes()].concat();
            self.arrivals.insert(place, key.clone());
        }
        self.records.insert(key, stored);
        self.marks.insert(board.clone(), mark);
        Ok(())
    }

    /// Moves the mark of a record's journal. `before` is the journal in which the record came first, if it is here already.
    fn follow(
        &mut self,
        board: &Board,
        mark: &mut Mark,
        read: &Record,
        message: &JournalMessage,
        before: Option<u64>,
    ) -> Result<(), KeptError> {
        let (seq, after) = (read.seq, message.after);
        if mark.newest == 0 {
            mark.begin(message.first, after);
        } else if before.is_none()
            && (mark.has(seq) || seq > mark.complete && self.links.has(board.as_str(), mark.journal, seq)?)
        {
            tracing::warn!(%board, seq, "a board uses numbers of its journal again for other records: it was restored from a backup");
            let is_linked = after.saturating_add(1) == seq && self.has_hash(board, after, &read.previous)?;
            mark.begin_again(is_linked, after);
        }
        // One of the journal before, which a server tells again, says nothing of this one.
        if before.is_none_or(|journal| journal == mark.journal || seq <= mark.shared) {
            self.links.add(board.as_str(), mark, seq, after)?;
        }
        Ok(())
    }

    /// Whether a record with that number and hash is here.
    fn has_hash(&self, board: &Board, seq: u64, hash: &[u8; 32]) -> Result<bool, KeptError> {
        let is_it = |stored: &Stored| Record::from_json(&stored.record).is_some_and(|record| record.hash == *hash);
        let (from, to) = (key(board.as_str(), seq, &[]), key(board.as_str(), seq, &[0xff; 17]));
        if self.records.range(from.clone()..=to.clone()).any(|(_, stored)| is_it(stored)) {
            return Ok(true);
        }
        for entry in self.collected.records.range(from..=to) {
            if super::collected::read(&entry?).is_some_and(|(_, stored)| is_it(&stored)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes out those records of a board that came first while it has too many: more than `most`, in number and bytes.
    fn bound(&mut self, board: &Board, gone: &mut Vec<Vec<u8>>, most: (u64, u64)) -> Result<(), KeptError> {
        let Some(mut mark) = self.marks.get(board).copied() else { return Ok(()) };
        if mark.kept <= most.0 && mark.bytes <= most.1 {
            return Ok(());
        }
        let mut oldest = self.collected.arrivals.scan_prefix(prefix(board.as_str()));
        for _ in 0..(mark.kept / 100).max(1) {
            let Some(entry) = oldest.next() else { break };
            let (place, key) = entry?;
            self.arrivals.insert(place.to_vec(), Vec::new());
            self.records.remove(&*key);
            let Some(value) = self.collected.records.get(&key)? else { continue };
            mark.kept = mark.kept.saturating_sub(1);
            mark.bytes = mark.bytes.saturating_sub(value.len() as u64);
            if let Some((seq, id)) = number_and_id(&key) {
                self.history.remove(board.as_str(), seq, id)?;
                let journal = serde_json::from_slice::<Stored>(&value).map_or(0, |stored| stored.journal);
                self.links.remove(board.as_str(), journal, seq)?;
            }
            gone.push(key.to_vec());
        }
        self.marks.insert(board.clone(), mark);
        Ok(())
    }

    fn commit(self, gone: &[Vec<u8>], place: Option<StreamPlace>) -> Result<BTreeMap<Board, Mark>, KeptError> {
        let Part { collected, history, marks, records, links, arrivals } = self;
        let put: Vec<Vec<u8>> = records.keys().cloned().collect();
        let json = |stored: &Stored| serde_json::to_vec(stored).unwrap_or_default();
        let mut changes: Vec<Change> =
            records.iter().map(|(key, stored)| collected.records.put(key.clone(), json(stored))).collect();
        for (board, mark) in &marks {
            changes.push(collected.marks.put(board.as_str(), serde_json::to_vec(mark).unwrap_or_default()));
        }
        changes.extend(links.changes());
        changes.extend(arrivals.into_iter().map(|(place, key)| match key.is_empty() {
            true => collected.arrivals.delete(place),
            false => collected.arrivals.put(place, key),
        }));
        changes.extend(gone.iter().map(|key| collected.records.delete(key.clone())));
        let place = place.map(|place| serde_json::to_vec(&place).unwrap_or_default());
        changes.extend(place.map(|place| collected.place.put(PLACE, place)));
        changes.extend(history.changes());
        collected.feed.commit(&put, gone, changes)?;
        collected.history.committed(history);
        Ok(marks)
    }
}

fn length(stored: &Stored) -> u64 {
    serde_json::to_vec(stored).map_or(0, |json| json.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DaemonEvent, Event};
    use crate::fleet::Site;
    use crate::office::fleet::author::Author;
    use crate::office::fleet::history_tests::OneBoard;
    use crate::office::fleet::protocol::{BoardReport, Position};
    use crate::office::fleet::tests::messages;
    use crate::store::Store;

    fn arrived(board: &str, messages: &[JournalMessage]) -> Vec<Arrived> {
        let (board, site): (Board, Site) = (board.parse().unwrap(), "berlin".parse().unwrap());
        let of = |m: &JournalMessage| Arrived {
            board: board.clone(),
            site: site.clone(),
            author: Author::of(&[1; 32]),
            is_current: true,
            message: m.clone(),
        };
        messages.iter().map(of).collect()
    }

    /// The same of a board of another key, which was to begin with its record 1.
    fn arrived_anew(board: &str, messages: &[JournalMessage]) -> Vec<Arrived> {
        let mut arrived = arrived(board, messages);
        for one in &mut arrived {
            (one.author, one.message.first) = (Author::of(&[2; 32]), 1);
        }
        arrived
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
    fn a_board_that_was_set_up_again_is_judged_by_its_own_records() {
        let (_dir, collected) = collected();
        let (front, other): (Board, _) = ("front".parse().unwrap(), Author::of(&[2; 32]));
        let (before, sent) = (messages(9), messages(5));
        collected.keep(&arrived("front", &before[..8]), place(8)).unwrap();
        let said = BoardReport { sent: 3, first: 1, ..BoardReport::default() };
        // It has sent three, and none has come.
        let mark = collected.mark("front").unwrap().of(other);
        assert_eq!((mark.newest, collected.missing("front", &mark, &said).unwrap()), (0, Some(1)));
        let keep = |part: &[Arrived]| collected.keep(part, place(9)).unwrap()[&front];
        let mark = keep(&arrived_anew("front", &sent[1..3]));
        assert_eq!((mark.missing(), mark.newest, mark.kept), (Some(1), 3, 10), "its first one is missing");
        // What the board before it had sent comes late, and says nothing of this one.
        let mut late = arrived("front", &before[8..]);
        late[0].is_current = false;
        let mark = keep(&late);
        assert_eq!((mark.author, mark.missing(), mark.newest, mark.kept), (other, Some(1), 3, 11));
        let mark = keep(&arrived_anew("front", &sent[..1]));
        assert_eq!((mark.missing(), mark.complete), (None, 3));
        let mark = keep(&arrived_anew("front", &sent[4..]));
        assert_eq!(mark.missing(), Some(4), "although the board before it had a record 4");
    }

    #[test]
    fn a_board_that_was_restored_from_a_backup_is_judged_by_what_it_writes_since() {
        let front: Board = "front".parse().unwrap();
        let event = || Event::Daemon(DaemonEvent::Stopped { reason: "because".into() });
        let written = |board: OneBoard, seconds: std::ops::Range<u64>| {
            seconds.for_each(|second| board.writes(second, event()));
            board
        };
        let of = |board: &OneBoard| {
            let mut sent = board.sends();
            sent.iter_mut().for_each(|one| one.message.first = 1);
            sent
        };
        let board = written(OneBoard::new("front", "berlin"), 0..5);
        // Both have the same five records, and then each its own.
        let (shared, lost, since) = {
            let (shared, restored) = (of(&board), board.copied());
            let lost = of(&written(board, 5..9)).split_off(5);
            (shared, lost, of(&written(restored, 5..8)).split_off(5))
        };
        let office = || {
            let (dir, collected) = collected();
            collected.keep(&shared, place(5)).unwrap();
            let mark = collected.keep(&lost, place(9)).unwrap()[&front];
            assert_eq!((mark.complete, mark.missing()), (9, None));
            (dir, collected)
        };
        // Its next record follows one that is here.
        let (_dir, linked) = office();
        let keep = |part: &[Arrived]| linked.keep(part, place(10)).unwrap()[&front];
        assert_eq!((keep(&since[..1]).complete, keep(&since[..1]).missing()), (6, None));
        assert_eq!(keep(&since[2..]).missing(), Some(7), "although there was a record 7 before");
        assert_eq!(keep(&lost[1..2]).missing(), Some(7), "which a server tells again");
        assert_eq!((keep(&since[1..2]).complete, keep(&since[1..2]).missing()), (8, None));
        // Its next record is lost: the board names one that is not here, and is asked for all of its own.
        let (_dir, unlinked) = office();
        let keep = |part: &[Arrived]| unlinked.keep(part, place(10)).unwrap()[&front];
        let id = Record::from_json(&since[0].message.record).map(|record| record.id);
        let said = BoardReport { sent: 6, sent_id: id, first: 1, ..BoardReport::default() };
        let mark = unlinked.mark("front").unwrap();
        assert_eq!(unlinked.missing("front", &mark, &said).unwrap(), Some(6));
        assert_eq!(keep(&since[1..2]).missing(), Some(1));
        keep(&shared[..3]);
        assert_eq!(keep(&shared[3..]).missing(), Some(6));
        assert_eq!((keep(&since).complete, keep(&since).missing()), (8, None));
    }

    #[test]
    fn the_records_that_came_first_give_way_whatever_their_numbers() {
        let (_dir, collected) = collected();
        let front: Board = "front".parse().unwrap();
        let (before, sent) = (messages(9), messages(4));
        collected.keep(&arrived("front", &before[5..]), place(4)).unwrap();
        let mut mark = Mark::default();
        for one in arrived_anew("front", &sent) {
            mark = collected.take_within((4, u64::MAX), &[one], None).unwrap()[&front];
        }
        assert_eq!((mark.kept, mark.complete, mark.missing()), (4, 4, None));
        let kept: Vec<_> = collected.list(None, None, 9).unwrap().into_iter().map(|one| one.record).collect();
        assert_eq!(kept, sent.iter().map(|message| message.record.clone()).collect::<Vec<_>>());
        assert_eq!((collected.arrivals.iter().count(), collected.links.iter().count()), (4, 0));
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
