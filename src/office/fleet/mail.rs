//! Opening what boards say: records of their journals, and how they stand.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::author::Author;
use super::book::Book;
use super::collected::Arrived;
use super::kept::{KeptBoard, KeptRecord};
use super::protocol::BoardReport;
use crate::fleet::carrier::{MAX_PAYLOAD, Stored, board_of};
use crate::fleet::mail::MAX_SAID;
use crate::fleet::{
    Board, BoardPublic, Body, FleetId, Gallery, Head, OfficePublic, Opened, RequestError, RequestKey, Site, SiteRules,
    mail,
};

/// What is needed to open what boards say, apart from the book: opening takes time.
pub struct MailKeys {
    fleet: FleetId,
    office: OfficePublic,
    with: RequestKey,
    boards: BTreeMap<Board, Keys>,
}

/// The keys of the boards that have had a name.
struct Keys {
    /// Each with the site where the board was, the newest first.
    all: Vec<(Site, BoardPublic)>,
    /// Whether the board of the newest key was shut out.
    revoked: bool,
}

/// How a board stands, and what this office has signed before, as the board holds it.
pub struct Heard {
    pub board: Board,
    /// By which key.
    pub author: Author,
    /// When a server stored it, by its clock, in milliseconds since 1970.
    pub at_ms: i64,
    pub said: BoardReport,
    pub head: Option<Head>,
    /// Rules that the servers do not have, or not any more.
    pub rules: Option<KeptRecord<SiteRules>>,
}

impl MailKeys {
    /// Those of the book's boards.
    pub fn of(book: &Book) -> MailKeys {
        let keys = |kept: &KeptBoard| {
            let earlier = kept.earlier.iter().rev().map(|before| (before.site.clone(), before.public()));
            let all = std::iter::once((kept.site.clone(), kept.public())).chain(earlier).collect();
            Keys { all, revoked: kept.revoked }
        };
        let boards = book.boards.iter().map(|(board, kept)| (board.clone(), keys(kept))).collect();
        MailKeys { fleet: book.fleet, office: book.key.public(), with: RequestKey::of(&book.key), boards }
    }

    /// A record of a board's journal; `None` for anything else. What a board said before it was shut out may come late, so earlier keys count.
    pub fn record(&self, stored: &Stored) -> Option<Arrived> {
        let mut parts = stored.subject.strip_prefix("usher.journal.")?.split('.');
        let (site, board): (Site, Board) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let all = &self.boards.get(&board)?.all;
        let keys = all.iter().filter(|(of, _)| *of == site);
        let (author, message) = self.read(stored, MAX_SAID, &board, keys)?;
        let is_current = all.first().is_some_and(|(_, key)| author_of(key) == author);
        Some(Arrived { board, site, author, is_current, message })
    }

    /// What a board says of itself, and by which key; `None` for anything else. It is about now, so the key of a board that was shut out does not count: a
    /// server that has it could speak for the next board of that name.
    pub fn report(&self, stored: &Stored) -> Option<Heard> {
        let (site, board) = board_of(&stored.subject)?;
        let keys = self.boards.get(&board).filter(|keys| !keys.revoked)?;
        let keys = keys.all.first().filter(|(of, _)| *of == site).into_iter();
        let (author, mut said): (_, BoardReport) = self.read(stored, MAX_PAYLOAD, &board, keys)?;
        let (head, rules) = (std::mem::take(&mut said.head), std::mem::take(&mut said.rules_held));
        let head = self.own::<Head>(&head).filter(|head| head.gallery == Gallery::from(&site));
        let held = self.own::<SiteRules>(&rules).filter(|rules| rules.site == site);
        Some(Heard {
            board,
            author,
            at_ms: stored.at_ms,
            said,
            head,
            rules: held.map(|body| KeptRecord { signed: rules, body }),
        })
    }

    /// What this office has signed.
    fn own<T: Body>(&self, signed: &[u8]) -> Option<T> {
        match self.office.open(self.fleet, signed) {
            Ok(Opened::Body(body)) => Some(body),
            Ok(Opened::SetAside { .. }) | Err(_) => None,
        }
    }

    fn read<'k, T: serde::de::DeserializeOwned>(
        &self,
        stored: &Stored,
        most: usize,
        board: &Board,
        keys: impl Iterator<Item = &'k (Site, BoardPublic)>,
    ) -> Option<(Author, T)> {
        if stored.payload.len() > most {
            tracing::warn!(%board, bytes = stored.payload.len(), "a board says more at once than the office takes; it is left out");
            return None;
        }
        match self.open(stored, keys) {
            Ok((author, plain)) => serde_json::from_slice(&plain)
                .inspect_err(|error| tracing::warn!(%board, %error, "what a board says cannot be read: is it of another version?"))
                .ok()
                .map(|said| (author, said)),
            Err(error) => {
                tracing::warn!(%board, subject = stored.subject, %error, "what is under a board's subject was not said by it; it is left out");
                None
            }
        }
    }

    fn open<'k>(
        &self,
        stored: &Stored,
        keys: impl Iterator<Item = &'k (Site, BoardPublic)>,
    ) -> Result<(Author, Zeroizing<Vec<u8>>), RequestError> {
        for (_, key) in keys {
            match mail::open(self.fleet, &stored.subject, &stored.payload, &self.with, &[*key]) {
                Err(RequestError::NotARequest) => {}
                opened => return opened.map(|plain| (author_of(key), plain)),
            }
        }
        Err(RequestError::NotARequest)
    }
}

fn author_of(key: &BoardPublic) -> Author {
    Author::of(&key.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::BoardKey;
    use crate::office::fleet::protocol::JournalMessage;
    use crate::office::fleet::tests::{berlin, board, fleet, key, open};

    #[test]
    fn the_key_of_a_board_that_was_shut_out_tells_of_the_past_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut book = open(dir.path()).unwrap();
        let (stolen, next) = (BoardKey::from_bytes(&[3; 32]), BoardKey::from_bytes(&[4; 32]));
        let front = board("front");
        let says = |of: &BoardKey, subject: &str, what: &serde_json::Value| {
            let plain = serde_json::to_vec(what).unwrap();
            let sealed = mail::seal(fleet(), subject, &plain, of, &RequestKey::of(&key()).public()).unwrap();
            Stored { subject: subject.to_owned(), sequence: 1, at_ms: 7, payload: sealed.into() }
        };
        let report = |book: &Book, of: &BoardKey| {
            let said = serde_json::to_value(BoardReport { number: 5, ..BoardReport::default() }).unwrap();
            let heard = MailKeys::of(book).report(&says(of, "usher.board.berlin.front", &said));
            heard.map(|heard| (heard.said.number, heard.author))
        };
        let record = |book: &Book, of: &BoardKey| {
            let said = serde_json::to_value(JournalMessage::new(0, serde_json::Value::Null)).unwrap();
            let arrived = MailKeys::of(book).record(&says(of, "usher.journal.berlin.front", &said));
            arrived.map(|arrived| (arrived.author, arrived.is_current))
        };
        let author = |of: &BoardKey| Author::of(&of.public().to_bytes());
        book.add_board(&front, &berlin(), stolen.public(), "one".into(), 0).unwrap();
        assert_eq!(report(&book, &stolen), Some((5, author(&stolen))));
        assert_eq!(record(&book, &stolen), Some((author(&stolen), true)));
        book.revoke(&front).unwrap();
        assert_eq!(report(&book, &stolen), None, "it was shut out");
        book.add_board(&front, &berlin(), next.public(), "other".into(), 1).unwrap();
        assert_eq!((report(&book, &stolen), report(&book, &next)), (None, Some((5, author(&next)))));
        assert_eq!(record(&book, &stolen), Some((author(&stolen), false)), "what it had recorded may come late");
        assert_eq!(record(&book, &next), Some((author(&next), true)));
    }
}
