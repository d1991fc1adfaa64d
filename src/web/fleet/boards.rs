//! The boards of the fleet, one row each.

use maud::{Markup, html};

use super::super::query::escape;
use super::{Session, Words};
use crate::accounts::Permission;
use crate::api::fleet::{BoardReport, BoardRow};

/// Digits of a digest that are shown: enough to see that two differ.
const DIGEST_DIGITS: usize = 8;

/// The table of all boards; those that need somebody come first, those that were shut out last.
pub fn table(session: &Session, boards: &[BoardRow]) -> Markup {
    let t = session.words();
    let acts = session.may(Permission::Administer);
    let mut boards: Vec<&BoardRow> = boards.iter().collect();
    boards.sort_by_key(|row| (row.revoked, row.is_well()));
    html! {
        @if boards.is_empty() { p { (t.get("fleet-no-boards")) } } @else {
            table.wide {
                caption.unseen { (t.get("fleet-boards")) }
                thead { tr {
                    @for head in ["fleet-board", "fleet-list", "fleet-records", "fleet-clock", "fleet-rules-and-key", "fleet-program", "fleet-heard"] {
                        th scope="col" { (t.get(head)) }
                    }
                    @if acts { th scope="col" { span.unseen { (t.get("fleet-acts")) } } }
                } }
                tbody { @for board in boards { (row(session, board, acts)) } }
            }
        }
    }
}

fn row(session: &Session, board: &BoardRow, acts: bool) -> Markup {
    let t = session.words();
    let said = board.said.as_ref();
    html! { tr {
        th scope="row" { (board.board) " " span.soft { (board.site) } }
        td data-label=(t.get("fleet-list")) { (list(t, board)) }
        td data-label=(t.get("fleet-records")) { (records(t, board)) }
        td data-label=(t.get("fleet-clock")) { (clock(board)) }
        td data-label=(t.get("fleet-rules-and-key")) { @if let Some(said) = said { (rules_and_key(t, said)) } @else { "–" } }
        td data-label=(t.get("fleet-program")) {
            @if let Some(said) = said { (said.version) " " span.soft { (said.model) } } @else { "–" }
        }
        td data-label=(t.get("fleet-heard")) { (heard(t, board)) }
        @if acts { td { @if !board.revoked { (revocation(session, board)) } } }
    } }
}

/// Whether the board holds the office's list.
fn list(t: &Words, board: &BoardRow) -> Markup {
    html! {
        @match &board.said {
            _ if board.revoked => { span.badge.quiet { (t.get("fleet-revoked")) } }
            None => { span.badge.quiet { (t.get("fleet-never-heard")) } }
            Some(said) => {
                @if board.whole { span.badge.good { (t.get("fleet-whole")) } } @else { span.badge.warn { (t.get("fleet-behind")) } }
                " " (t.with("fleet-people-of-board", &[("count", said.people.into())]))
                @let digest: String = said.digest.chars().take(DIGEST_DIGITS).collect();
                @if !digest.is_empty() { " " code.soft title=(said.digest) { (digest) } }
                @if said.set_aside + said.refused > 0 {
                    @let counts = [("aside", said.set_aside.into()), ("refused", said.refused.into())];
                    p.soft { (t.with("fleet-not-taken", &counts)) }
                }
            }
        }
    }
}

/// Records of the journal: those that wait at the board, and those that the office has.
fn records(t: &Words, board: &BoardRow) -> Markup {
    let waiting = board.said.as_ref().map(|said| said.waiting);
    html! {
        @match board.collected {
            0 => (t.get("fleet-none-collected")),
            number => (t.with("fleet-collected", &[("number", number.into())])),
        }
        @if let Some(waiting) = waiting.filter(|waiting| *waiting > 0) { ", " (t.with("fleet-waiting", &[("count", waiting.into())])) }
        @if board.gap { " " span.badge.warn { (t.get("fleet-gap")) } }
    }
}

fn clock(board: &BoardRow) -> Markup {
    let ahead = board.said.as_ref().and_then(|said| said.clock_ahead_ms);
    let text = ahead.map_or_else(|| "–".to_owned(), |ms| format!("{ms:+}\u{a0}ms"));
    html! { @if board.clock_is_off() { span.badge.warn { (text) } } @else { (text) } }
}

fn rules_and_key(t: &Words, said: &BoardReport) -> Markup {
    html! {
        (t.with("fleet-rules-number", &[("version", said.rules.into())]))
        @if let Some(epoch) = said.epoch { ", " (t.with("fleet-key-number", &[("epoch", epoch.into())])) }
        @if let Some(trouble) = &said.rules_trouble {
            p { span.badge.warn { (t.get("fleet-old-rules")) } " " (trouble) }
        }
    }
}

fn heard(t: &Words, board: &BoardRow) -> Markup {
    html! {
        @match board.heard_s {
            None => "–",
            Some(seconds) => {
                @let text = t.with("fleet-seconds-ago", &[("seconds", seconds.into())]);
                @if board.is_silent() && !board.revoked { span.badge.warn { (text) } } @else { (text) }
            }
        }
    }
}

fn revocation(session: &Session, board: &BoardRow) -> Markup {
    let t = session.words();
    html! {
        details.confirm {
            summary aria-label=(t.with("fleet-revoke-board", &[("board", board.board.as_str().into())])) { (t.get("fleet-revoke")) }
            form method="post" action={ "/fleet/boards/" (escape(&board.board)) "/revoke" } {
                (session.csrf())
                p { (t.with("fleet-revoke-sure", &[("board", board.board.as_str().into())])) }
                button.danger { (t.get("fleet-revoke")) }
            }
        }
    }
}
