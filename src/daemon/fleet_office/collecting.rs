//! Collecting the records of the boards' journals, and asking boards to send again what is missing.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, interval_at};

use super::away::LinkError;
use super::desk::{Office, Report, SPEAKS_EVERY};
use crate::fleet::carrier::{Carrier, Stream, StreamState, Subject};
use crate::fleet::{Board, Site};
use crate::office::fleet::{Arrived, MailKeys, Mark, StreamPlace};

/// Records in one commit: changes of the office's own wait for the disk behind it.
const AT_ONCE: usize = 100;

/// Collects until something fails; why.
pub async fn keep(office: &Arc<Office>, carrier: &dyn Carrier) -> LinkError {
    match (Collecting { office, carrier, behind: BTreeMap::new() }).follow().await {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

struct Collecting<'o> {
    office: &'o Arc<Office>,
    carrier: &'o dyn Carrier,
    /// The newest record of each board that had sent more than was collected, a minute ago.
    behind: BTreeMap<Board, u64>,
}

impl Collecting<'_> {
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
    async fn collect(&self) -> Result<bool, LinkError> {
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
        let sites: BTreeMap<Board, Site> =
            arrived.iter().map(|record| (record.board.clone(), record.site.clone())).collect();
        let office = self.office.clone();
        let marks = spawn_blocking(move || office.collected.keep(&arrived, place)).await??;
        for (board, site) in sites {
            let mark = marks.get(&board).copied().unwrap_or_default();
            self.ask(site, board, mark.missing()).await?;
        }
        Ok(place.sequence < last)
    }

    /// Asks a board to send its records again, or no longer.
    async fn ask(&self, site: Site, board: Board, from: Option<u64>) -> Result<(), LinkError> {
        let known = self.office.with(|book| book.boards.get(&board).is_some_and(|kept| kept.site == site));
        if known {
            let at_ms = self.office.now_ms();
            self.office.change(move |book| book.ask_again(&site, &board, from, at_ms)).await??;
        }
        Ok(())
    }

    /// Boards that say they have sent what never came: the servers have lost it. One that is behind for a minute is asked.
    async fn ask_for_missed(&mut self) -> Result<(), LinkError> {
        let mut behind = BTreeMap::new();
        for (board, Report { said, .. }) in self.office.reports() {
            let mark: Mark = self.office.collected.mark(board.as_str())?;
            if mark.newest == 0 || said.sent <= mark.newest {
                continue;
            }
            let site = self.office.with(|book| book.boards.get(&board).map(|kept| kept.site.clone()));
            if let Some(site) = site.filter(|_| self.behind.get(&board) == Some(&mark.newest)) {
                self.ask(site, board.clone(), Some(mark.complete.saturating_add(1))).await?;
            }
            behind.insert(board, mark.newest);
        }
        self.behind = behind;
        Ok(())
    }
}
