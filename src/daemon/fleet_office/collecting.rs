//! Collecting the records of the boards' journals, and asking boards to send again what is missing.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, interval_at};

use super::away::LinkError;
use super::desk::{Office, Report, SPEAKS_EVERY};
use crate::fleet::carrier::{Carrier, Stream, StreamState, Subject};
use crate::fleet::{Board, Site};
use crate::office::fleet::{Arrived, Author, KeptBoard, MailKeys, StreamPlace};

/// Records in one commit: changes of the office's own wait for the disk behind it.
const AT_ONCE: usize = 100;
/// How long after a request records that are still missing are asked for again, at first and at most. Each time it takes twice as long.
const ASKS_AGAIN: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// Collects until something fails; why.
pub async fn keep(office: &Arc<Office>, carrier: &dyn Carrier) -> LinkError {
    match Collecting::new(office, carrier).follow().await {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

struct Collecting<'o> {
    office: &'o Arc<Office>,
    carrier: &'o dyn Carrier,
    /// From where on records of a board were missing a minute ago, and the newest one that was here.
    behind: BTreeMap<Board, (u64, u64)>,
    asked: BTreeMap<Board, Asked>,
}

/// A request to send records again.
#[derive(Clone, Copy)]
struct Asked {
    from: u64,
    /// When it is repeated, if the board has heard it and the records are still missing.
    again: Instant,
    pause: Duration,
    /// When the board was heard last, before it was asked.
    heard_ms: i64,
}

impl<'o> Collecting<'o> {
    fn new(office: &'o Arc<Office>, carrier: &'o dyn Carrier) -> Collecting<'o> {
        Collecting { office, carrier, behind: BTreeMap::new(), asked: BTreeMap::new() }
    }

    async fn follow(&mut self) -> Result<Infallible, LinkError> {
        let mut journals = self.carrier.watch(&Subject::journals()).await?;
        let mut minute = interval_at(Instant::now() + SPEAKS_EVERY, SPEAKS_EVERY);
        loop {
            let is_minute = tokio::select! {
                () = journals.changed() => false,
                _ = minute.tick() => true,
            };
            while self.collect().await? {}
            if is_minute {
                self.ask_for_missed().await?;
            }
        }
    }

    /// Takes some of the records that wait in the stream of journals. Returns whether there are more.
    async fn collect(&mut self) -> Result<bool, LinkError> {
        let StreamState { birth, last, .. } = self.carrier.state(&Stream::Journal).await?;
        let mut place = self.office.collected.place()?;
        if place.birth != birth || place.sequence > last {
            place = StreamPlace { birth, sequence: 0 };
        }
        let part = self.carrier.read(&Stream::Journal, place.sequence.saturating_add(1), AT_ONCE).await?;
        let Some(newest) = part.last() else { return Ok(false) };
        place.sequence = newest.sequence;
        let keys = self.office.with(|book| MailKeys::of(book));
        let opened = spawn_blocking(move || part.iter().filter_map(|stored| keys.record(stored)).collect());
        let arrived: Vec<Arrived> = opened.await?;
        let office = self.office.clone();
        let marks = spawn_blocking(move || office.collected.keep(&arrived, place)).await??;
        let reports = if marks.is_empty() { BTreeMap::new() } else { self.office.reports() };
        for (board, mark) in marks {
            let Some((site, author)) = self.member(&board) else { continue };
            let report = reports.get(&board).filter(|report| report.author == author);
            match mark.of(author).missing() {
                Some(from) if self.asked.get(&board).is_none_or(|asked| asked.from != from) => {
                    self.ask((site, board), from, ASKS_AGAIN, report).await?;
                }
                Some(_) => {}
                // More may be missing than can be seen here.
                None if report.is_some_and(|report| report.said.sent > mark.newest) => {}
                None => self.ask_no_longer(site, board).await?,
            }
        }
        Ok(place.sequence < last)
    }

    /// The site of a board that was not shut out, and its key.
    fn member(&self, board: &Board) -> Option<(Site, Author)> {
        let of = |kept: &KeptBoard| (kept.site.clone(), kept.author());
        self.office.with(|book| book.boards.get(board).filter(|kept| !kept.revoked).map(of))
    }

    /// Asks a board to send its records again from a number on, as was not asked before or was in vain.
    async fn ask(
        &mut self,
        (site, board): (Site, Board),
        from: u64,
        pause: Duration,
        report: Option<&Report>,
    ) -> Result<(), LinkError> {
        let (again, heard_ms) = (Instant::now() + pause, report.map_or(i64::MIN, |report| report.at_ms));
        let (at_ms, of, repeat) = (self.office.now_ms(), board.clone(), pause > ASKS_AGAIN);
        tracing::warn!(%board, from, "records of a board are missing: it is asked to send them again");
        self.office.change(move |book| book.ask_again((&site, &of), Some(from), repeat, at_ms)).await??;
        self.asked.insert(board, Asked { from, again, pause, heard_ms });
        Ok(())
    }

    async fn ask_no_longer(&mut self, site: Site, board: Board) -> Result<(), LinkError> {
        self.asked.remove(&board);
        let at_ms = self.office.now_ms();
        self.office.change(move |book| book.ask_again((&site, &board), None, false, at_ms)).await??;
        Ok(())
    }

    /// Boards that have sent what never came: servers have lost it. One whose records were missing a minute ago, too, is asked to send them again, and
    /// again after a pause if they are lost once more.
    async fn ask_for_missed(&mut self) -> Result<(), LinkError> {
        let mut behind = BTreeMap::new();
        for (board, report) in self.office.reports() {
            let Some((site, author)) = self.member(&board).filter(|(_, author)| *author == report.author) else {
                continue;
            };
            let mark = self.office.collected.mark(board.as_str())?.of(author);
            let Some(from) = self.office.collected.missing(board.as_str(), &mark, &report.said)? else {
                self.ask_no_longer(site, board).await?;
                continue;
            };
            let known = self.behind.get(&board) == Some(&(from, mark.newest));
            behind.insert(board.clone(), (from, mark.newest));
            // What the board has yet to send is not missing.
            if !known || report.said.sent < from {
                continue;
            }
            let pause = match self.asked.get(&board).filter(|asked| asked.from == from) {
                Some(asked) if asked.again > Instant::now() || asked.heard_ms >= report.at_ms => continue,
                Some(asked) => asked.pause.saturating_mul(2).min(LONGEST_PAUSE),
                // Perhaps before this office was started.
                None => ASKS_AGAIN.saturating_mul(2),
            };
            self.ask((site, board), from, pause, Some(&report)).await?;
        }
        self.behind = behind;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::carrier::{MemoryServer, Message};
    use crate::fleet::{BoardKey, RequestKey, Resend, mail};
    use crate::office::fleet::protocol::{BoardReport, JournalMessage};
    use crate::office::fleet::tests::{berlin, board, fleet, key, messages};

    const OWN: [u8; 32] = [3; 32];

    async fn send(server: &MemoryServer, message: &JournalMessage) {
        let subject = Subject::journal(&berlin(), &board("front"));
        let (plain, to) = (serde_json::to_vec(message).unwrap(), RequestKey::of(&key()).public());
        let sealed = mail::seal(fleet(), subject.as_str(), &plain, &BoardKey::from_bytes(&OWN), &to).unwrap();
        server.carrier().publish(Message::new(subject, sealed)).await.unwrap();
    }

    fn asked(office: &Office) -> Option<Resend> {
        office.with(|book| book.rules[&berlin()].body.resend.get(&board("front")).copied())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_lost_again_is_asked_for_again_after_growing_pauses() {
        let (dir, server) = (tempfile::tempdir().unwrap(), MemoryServer::default());
        let office = super::super::tests::office(&dir, &super::super::tests::Names::default());
        let public = BoardKey::from_bytes(&OWN).public();
        office.with(|book| book.add_board(&board("front"), &berlin(), public, "credential".into(), 0)).unwrap();
        let author = Author::of(&public.to_bytes());
        let reports = |sent: u64, at_ms: i64| {
            let said = BoardReport { sent, first: 1, ..BoardReport::default() };
            let head_ms = u64::try_from(at_ms).unwrap();
            assert!(office.note_report(&board("front"), Report { author, said, at_ms, head_ms }));
        };
        let carrier = server.carrier();
        carrier.prepare(&Stream::Journal).await.unwrap();
        let mut collecting = Collecting::new(&office, &carrier);
        let sent: Vec<_> = messages(5).into_iter().map(|message| JournalMessage { first: 1, ..message }).collect();
        send(&server, &sent[0]).await;
        send(&server, &sent[2]).await;
        collecting.collect().await.unwrap();
        let first = asked(&office).unwrap();
        assert_eq!(first.from, 2, "at once");
        // The board has sent it again, and it is lost again.
        reports(3, 1);
        let mut minute = async || {
            collecting.ask_for_missed().await.unwrap();
            tokio::time::advance(SPEAKS_EVERY).await;
            asked(&office)
        };
        assert_eq!(minute().await, Some(first));
        let second = minute().await.unwrap();
        assert!(second.from == 2 && second.number > first.number, "another request for the same");
        reports(3, 2);
        assert_eq!(minute().await, Some(second), "after two minutes");
        let third = minute().await.unwrap();
        assert!(third.number > second.number);
        for _ in 0..20 {
            assert_eq!(minute().await, Some(third), "the board has not been heard since");
        }
        // A board that has sent none of it is not asked once more.
        reports(1, 3);
        assert_eq!(minute().await, Some(third));
        send(&server, &sent[1]).await;
        collecting.collect().await.unwrap();
        assert_eq!(asked(&office), None);
        // Nothing says that a record is missing, but the board does.
        reports(4, 4);
        collecting.ask_for_missed().await.unwrap();
        assert_eq!(asked(&office), None, "it may be on its way");
        collecting.ask_for_missed().await.unwrap();
        assert_eq!(asked(&office).map(|asked| asked.from), Some(4));
    }
}
