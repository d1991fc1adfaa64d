//! A record as a row of the timeline.

use maud::{Markup, html};

use super::face::Shown;
use super::names;
use crate::domain::Event;
use crate::ledger::{Dated, sentence};
use crate::web::Session;

/// The row of a record.
pub fn row(session: &Session, dated: &Dated, faces: &Shown) -> Markup {
    let record = &dated.record;
    let t = session.words();
    // Of a fleet, doors are named with their boards.
    let board = dated.origin.as_ref().map_or("", |origin| origin.board.as_str());
    let door = record.content.event().and_then(Event::door).unwrap_or(board);
    html! {
        tr data-seq=(record.seq) {
            td { (session.time(dated.at)) }
            td { span .badge .(tone(&record.kind)) { (names::kind(t, &record.kind)) } }
            td data-label=(t.get("timeline-door")) { (door) }
            td { a href={ "/records/" (record.seq) } { (sentence(record)) } }
            @if faces.are_kept() { td { (faces.beside(record.seq, "face", &t.get("timeline-face"))) } }
        }
    }
}

/// The colour of a kind.
pub fn tone(kind: &str) -> &'static str {
    match kind {
        "granted" | "passed" | "admitted" => "good",
        "alarm_raised" | "door_failed" | "unlock_refused" | "stage_failed" | "camera_lost" | "contacts_lost"
        | "reader_lost" | "journal_back" | "templates_locked" => "bad",
        "denied"
        | "denials_repeated"
        | "command_refused"
        | "held_open_warning"
        | "contact_chattered"
        | "low_assurance"
        | "clock_jumped"
        | "hub_message_refused"
        | "outbox_shed"
        | "store_mended" => "warn",
        _ => "quiet",
    }
}
