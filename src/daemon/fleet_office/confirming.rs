//! Changing the office's book for a command, and waiting until servers have the change and boards have confirmed it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinError;
use tokio::time::{Instant, timeout_at};

use super::desk::{IssuerError, Office, Report};
use super::wording::BadText;
use crate::domain::ModelId;
use crate::fleet::{Board, Gallery, SealedError, Site};
use crate::office::fleet::key_file::hex;
use crate::office::fleet::protocol::{BoardReport, BoardRow, Done, RefusedRow};
use crate::office::fleet::{Author, Book, BookError, KeptBoard, KeptError, StreamPlace};

/// How long a command waits for the servers, and then for the boards.
const SENT_WITHIN: Duration = Duration::from_secs(10);
const CONFIRMED_WITHIN: Duration = Duration::from_secs(10);

/// Why something was not done.
#[derive(Debug, Error)]
pub enum Refused {
    #[error(transparent)]
    Book(#[from] BookError),
    #[error(transparent)]
    Kept(#[from] KeptError),
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error("the board's key cannot be made: {0}")]
    Key(#[from] SealedError),
    #[error("{0}")]
    Rules(String),
    #[error(transparent)]
    Text(#[from] BadText),
    #[error("there is no site {0}: `usher fleet status` lists all")]
    NoSite(Site),
    #[error("a task failed: {0}")]
    Task(#[from] JoinError),
}

/// Changes the book, and has the change published.
///
/// # Errors
/// It is refused, or cannot be stored.
pub async fn changed<T: Send + 'static>(
    office: &Arc<Office>,
    work: impl FnOnce(&mut Book) -> Result<T, BookError> + Send + 'static,
) -> Result<T, Refused> {
    Ok(office.change(work).await??)
}

/// A change that the boards of a site are to confirm.
pub struct Change<'a> {
    site: &'a Site,
    /// Where the site's people end at the servers once the change is there; `None` if that is not known.
    people: Option<StreamPlace>,
}

/// What kind of a change it is.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Whether the servers do not have all of it yet.
    waits: fn(&Book, &Site) -> bool,
    /// Whether what a board says of itself confirms it.
    confirms: fn(&Book, &BoardRow, &Change<'_>) -> bool,
}

/// A change of a site's list of people.
pub const LIST: Kind = Kind { waits: Book::waits, confirms: holds_list };
/// A change after which a board must hold no earlier key.
pub const KEY: Kind = Kind { waits: Book::waits, confirms: holds_no_old_key };
/// A change of a site's rules.
pub const RULES: Kind = Kind { waits: Book::rules_wait, confirms: follows_rules };

/// What is reported of a change: whether it was sent, and which boards of the site have confirmed it.
pub async fn done(office: &Arc<Office>, site: &Site, what: String, kind: Kind) -> Done {
    let sent = wait_until_sent(office, site, kind).await;
    // What others change meanwhile is not waited for.
    let change = Change { site, people: office.written(&Gallery::from(site)) };
    let until = Instant::now() + CONFIRMED_WITHIN;
    let mut heard = office.heard.subscribe();
    loop {
        let boards = rows_of_boards(office).unwrap_or_default();
        let of_site = boards.into_iter().filter(|row| row.site == site.as_str() && !row.revoked);
        let (boards, unheard): (Vec<BoardRow>, Vec<BoardRow>) = of_site.partition(|row| row.joined);
        let (confirmed, missing): (Vec<BoardRow>, Vec<BoardRow>) =
            office.with(|book| boards.into_iter().partition(|row| (kind.confirms)(book, row, &change)));
        let names = |rows: Vec<BoardRow>| rows.into_iter().map(|row| row.board).collect::<Vec<_>>();
        let in_force = sent && missing.is_empty();
        let over = !sent || missing.is_empty() || !matches!(timeout_at(until, heard.changed()).await, Ok(Ok(())));
        if over {
            let (confirmed, missing, unheard) = (names(confirmed), names(missing), names(unheard));
            let notes = refused_at(office, site);
            return Done { what, sent, in_force, confirmed, missing, unheard, notes, proof: None };
        }
    }
}

/// Whether the servers have everything of a site that is of this kind.
pub async fn wait_until_sent(office: &Arc<Office>, site: &Site, kind: Kind) -> bool {
    let mut sent = office.sent.subscribe();
    let until = Instant::now() + SENT_WITHIN;
    let all = sent.wait_for(|sent| *sent != u64::MAX && !office.with(|book| (kind.waits)(book, site)));
    matches!(timeout_at(until, all).await, Ok(Ok(_)))
}

/// What the servers refuse of a site, in words.
fn refused_at(office: &Office, site: &Site) -> Vec<String> {
    let rows = office.with(|book| book.refused_rows());
    rows.iter().filter(|row| row.site == site.as_str()).map(RefusedRow::in_words).collect()
}

/// Holds the office's list, or has read the site's people as far as the change and taken all of them.
fn holds_list(_: &Book, row: &BoardRow, change: &Change<'_>) -> bool {
    row.whole || row.said.as_ref().zip(change.people).is_some_and(|(said, place)| has_taken(said, place))
}

/// Whether a board has taken every record up to a place.
fn has_taken(said: &BoardReport, place: StreamPlace) -> bool {
    said.birth == place.birth && said.position >= place.sequence && said.set_aside == 0 && said.refused == 0
}

/// Holds the list, and no key from before the newest one.
fn holds_no_old_key(book: &Book, row: &BoardRow, change: &Change<'_>) -> bool {
    let epoch = book.galleries.get(&Gallery::from(change.site)).map_or(0, |people| people.kept.epoch);
    holds_list(book, row, change)
        && row.said.as_ref().and_then(|said| said.oldest_epoch).is_some_and(|oldest| oldest == epoch)
}

fn follows_rules(book: &Book, row: &BoardRow, change: &Change<'_>) -> bool {
    // Exactly these: a version that another office gave, or that this one gave before it was restored, may be something else.
    let Some(rules) = book.rules.get(change.site) else { return true };
    let hash = hex(blake3::hash(&rules.signed).as_bytes());
    row.said.as_ref().is_some_and(|said| said.rules == rules.body.version && said.rules_hash.as_ref() == Some(&hash))
}

/// Every board, and what it last said.
pub fn rows_of_boards(office: &Arc<Office>) -> Result<Vec<BoardRow>, KeptError> {
    let (now_ms, reports) = (i64::try_from(office.now_ms()).unwrap_or(i64::MAX), office.reports());
    let mut rows = office.with(|book| {
        let row = |(board, kept): (&Board, &KeptBoard)| {
            let report = reports.get(board);
            let people = book.galleries.get(&Gallery::from(&kept.site));
            let whole = report.zip(people).is_some_and(|(report, people)| {
                // Before anybody is enrolled, no model is known.
                let set = people.set(&ModelId::new(&report.said.model)).map(|(_, digest)| digest.value());
                let digest = set.or_else(|| people.entries.is_empty().then(|| people.digest.value()));
                digest.is_some_and(|digest| report.said.digest == digest.to_string())
            });
            BoardRow {
                board: board.to_string(),
                site: kept.site.to_string(),
                revoked: kept.revoked,
                joined: kept.heard || report.is_some(),
                twice: office.are_two(board),
                said: report.map(|report| {
                    let clock_ahead_ms = Some(report.said.at_ms.saturating_sub(report.at_ms));
                    BoardReport { clock_ahead_ms, ..report.said.clone() }
                }),
                heard_s: report
                    .and_then(Report::heard_ms)
                    .map(|heard_ms| u64::try_from(now_ms.saturating_sub(heard_ms)).unwrap_or_default() / 1000),
                whole,
                ..BoardRow::default()
            }
        };
        book.boards.iter().map(row).collect::<Vec<_>>()
    });
    let authors: BTreeMap<String, Author> =
        office.with(|book| book.boards.iter().map(|(board, kept)| (board.to_string(), kept.author())).collect());
    for row in &mut rows {
        let mark = office.collected.mark(&row.board)?.of(authors.get(&row.board).copied().unwrap_or_default());
        (row.collected, row.gap) = (mark.newest, mark.missing().is_some());
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_has_taken_what_it_has_read_unless_it_refused_something() {
        let place = StreamPlace { birth: 7, sequence: 40 };
        let said = |birth, position| BoardReport { birth, position, ..BoardReport::default() };
        assert!(has_taken(&said(7, 40), place) && has_taken(&said(7, 41), place));
        assert!(!has_taken(&said(7, 39), place), "it has not read so far");
        assert!(!has_taken(&said(8, 99), place), "that is another stream");
        assert!(!has_taken(&BoardReport { refused: 1, ..said(7, 40) }, place), "perhaps it refused this one");
        assert!(!has_taken(&BoardReport { set_aside: 1, ..said(7, 40) }, place), "perhaps it cannot read this one");
    }
}
