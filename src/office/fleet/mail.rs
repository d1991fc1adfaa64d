//! Opening what boards say: records of their journals, and how they stand.

use std::collections::BTreeMap;

use super::book::Book;
use super::collected::Arrived;
use super::kept::KeptBoard;
use super::protocol::BoardReport;
use crate::fleet::carrier::{Stored, board_of};
use crate::fleet::{Board, BoardPublic, FleetId, RequestKey, Site, mail};

/// The largest record or report that is taken, in bytes: many times what usher writes. A board in wrong hands must not fill the office's disk.
const MOST_BYTES: usize = 64 << 10;

/// What is needed to open what boards say, apart from the book: opening takes time.
pub struct MailKeys {
    fleet: FleetId,
    with: RequestKey,
    /// The keys of each board, at each site where it was, the newest first.
    boards: BTreeMap<Board, Vec<(Site, BoardPublic)>>,
}

impl MailKeys {
    /// Those of the book's boards.
    pub fn of(book: &Book) -> MailKeys {
        let keys = |kept: &KeptBoard| {
            let earlier = kept.earlier.iter().rev().map(|before| (before.site.clone(), before.public()));
            std::iter::once((kept.site.clone(), kept.public())).chain(earlier).collect()
        };
        let boards = book.boards.iter().map(|(board, kept)| (board.clone(), keys(kept))).collect();
        MailKeys { fleet: book.fleet, with: RequestKey::of(&book.key), boards }
    }

    /// A record of a board's journal; `None` for anything else.
    pub fn record(&self, stored: &Stored) -> Option<Arrived> {
        let mut parts = stored.subject.strip_prefix("usher.journal.")?.split('.');
        let (site, board): (Site, Board) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let message = self.read(stored, &board, |of| *of == site)?;
        Some(Arrived { board, site, message })
    }

    /// What a board says of itself; `None` for anything else.
    pub fn report(&self, stored: &Stored) -> Option<(Board, BoardReport)> {
        let (site, board) = board_of(&stored.subject)?;
        let said = self.read(stored, &board, |of| *of == site)?;
        Some((board, said))
    }

    fn read<T: serde::de::DeserializeOwned>(
        &self,
        stored: &Stored,
        board: &Board,
        at: impl Fn(&Site) -> bool,
    ) -> Option<T> {
        if stored.payload.len() > MOST_BYTES {
            tracing::warn!(%board, bytes = stored.payload.len(), "a board says more at once than the office takes; it is left out");
            return None;
        }
        let keys = self.boards.get(board)?.iter().filter(|(site, _)| at(site));
        let keys: Vec<BoardPublic> = keys.map(|(_, key)| *key).collect();
        match mail::open(self.fleet, &stored.subject, &stored.payload, &self.with, &keys) {
            Ok(plain) => serde_json::from_slice(&plain)
                .inspect_err(|error| tracing::warn!(%board, %error, "what a board says cannot be read: is it of another version?"))
                .ok(),
            Err(error) => {
                tracing::warn!(%board, subject = stored.subject, %error, "what is under a board's subject was not said by it; it is left out");
                None
            }
        }
    }
}
