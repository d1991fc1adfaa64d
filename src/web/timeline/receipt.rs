//! One record in full: why a door opened or did not, with each gate beside its limit.

use axum::body::Body;
use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde_json::Value;

use super::face::Shown;
use super::{bars, names, row};
use crate::accounts::Permission;
use crate::api::journal::{Record, number_in_journal};
use crate::domain::{AccessEvent, Decided, Direction, Event, Gate, Personal};
use crate::ledger::figures::measures;
use crate::ledger::{Dated, sentence};
use crate::web::query::escape;
use crate::web::{Area, Page, Refusal, Session, Words};

/// The page of a record.
pub async fn show(session: Session, Path(which): Path<String>) -> Result<Response, Refusal> {
    let Record(dated) = session.get(&format!("/v1/journal/{}", escape(&which))).await?;
    let t = session.words();
    let record = &dated.record;
    let event = record.content.event();
    let decided = event.and_then(Event::decided);
    let number = number_in_journal(record.seq);
    let title = match &dated.origin {
        None => t.with("timeline-receipt", &[("record", number.to_string().into())]),
        Some(origin) => {
            let about = [("record", number.to_string().into()), ("board", origin.board.as_str().into())];
            t.with("timeline-receipt-of-board", &about)
        }
    };
    let faces = Shown::of(&session).await?;
    let gates = match event {
        Some(Event::Access(AccessEvent::Decided(decided))) => decided.gates.as_slice(),
        Some(Event::Access(AccessEvent::Admitted { gates, .. })) => gates.as_slice(),
        _ => &[],
    };
    Ok(Page::new(&session, Area::Timeline, title.clone()).render(&html! {
        p { a href="/timeline" { (t.get("timeline-back")) } }
        h1 { (title) }
        p .verdict {
            span .badge .(row::tone(&record.kind)) { (names::kind(t, &record.kind)) } " "
            (sentence(record))
        }
        @if record.erased { p .warn { (t.get("timeline-erased")) } }
        (faces.beside(record.seq, "face large", &t.get("timeline-face")))
        (facts(&session, &dated))
        @if !gates.is_empty() {
            h2 { (t.get("timeline-gates")) }
            (gates_of(t, gates))
        }
        @if decided.is_none() { (content(t, &record.content.to_json())) }
        details {
            summary { (t.get("timeline-chain")) }
            dl {
                dt { (t.get("timeline-record")) } dd { code { (record.id) } }
                @let (previous, hash) = record.hashes();
                dt { (t.get("timeline-previous-hash")) } dd { code { (previous) } }
                dt { (t.get("timeline-hash")) } dd { code { (hash) } }
            }
        }
        nav.row aria-label=(t.get("area-timeline")) {
            @if number > 1 { a href={ "/records/" (record.seq - 1) } { (t.get("timeline-earlier-record")) } }
            a href={ "/records/" (record.seq.saturating_add(1)) } { (t.get("timeline-later-record")) }
        }
    }))
}

/// The face beside a record.
pub async fn face(session: Session, Path(which): Path<u64>) -> Result<Response, Refusal> {
    session.answer(Method::GET, &format!("/v1/faces/{which}"), Body::empty()).await
}

/// When, where, who.
fn facts(session: &Session, dated: &Dated) -> Markup {
    let t = session.words();
    let record = &dated.record;
    let event = record.content.event();
    let person = event.and_then(Event::person).and_then(Personal::known);
    let way = event.and_then(Event::direction).map(|way| match way {
        Direction::In => t.get("timeline-way-in"),
        Direction::Out => t.get("timeline-way-out"),
    });
    html! {
        dl.facts {
            dt { (t.get("timeline-time")) }
            dd {
                (session.time(dated.at))
                @if record.synchronised == Some(false) && !dated.is_corrected() { " (" (t.get("timeline-not-synchronised")) ")" }
            }
            @if dated.differs() {
                dt { (t.get("timeline-clock-showed")) } dd { (session.time(record.at)) }
            }
            @if let Some(origin) = &dated.origin {
                dt { (t.get("fleet-site")) } dd { (origin.site) }
                dt { (t.get("fleet-board")) } dd { (origin.board) }
            }
            @if let Some(door) = event.and_then(Event::door) {
                dt { (t.get("timeline-door")) } dd { a href={ "/timeline?door=" (escape(door)) } { (door) } }
            }
            @if let Some(person) = person {
                dt { (t.get("timeline-person")) }
                dd {
                    @let name = person.name.clone().unwrap_or_else(|| format!("#{}", person.id));
                    a href={ "/timeline?person=" (person.id) } { (name) }
                    @if session.may(Permission::Attendance) && is_passage(&record.kind) {
                        " · " a href={ "/attendance/day?date=" (local_date(&session.site().settings.zone, dated)) } { (t.get("timeline-attendance-day")) }
                    }
                }
            }
            @if let Some(way) = way { dt { (t.get("timeline-way")) } dd { (way) } }
            @if let Some(by) = event.and_then(Event::by) { dt { (t.get("timeline-by")) } dd { (by) } }
            @if let Some(decided) = event.and_then(Event::decided) { (evidence(t, decided)) }
        }
    }
}

fn is_passage(kind: &str) -> bool {
    matches!(kind, "granted" | "passed" | "admitted" | "attendance_amended")
}

fn local_date(zone: &TimeZone, dated: &Dated) -> String {
    jiff::Timestamp::try_from(dated.at)
        .map_or_else(|_| String::new(), |at| at.to_zoned_datetime(zone.clone()).date().to_string())
}

/// What a decision rests on besides its gates.
fn evidence(t: &Words, decided: &Decided) -> Markup {
    let at = |distance: Option<f32>| {
        distance.map(|distance| t.with("timeline-distance", &[("distance", format!("{distance:.3}").into())]))
    };
    let frames = [("agree", decided.frames.agree.into()), ("of", decided.frames.of.into())];
    html! {
        dt { (t.get("timeline-camera")) } dd { (decided.camera) }
        dt { (t.get("timeline-frames")) } dd { (t.with("timeline-frames-of", &frames)) }
        dt { (t.get("timeline-decided-after")) } dd { (decided.capture_to_verdict.as_millis()) " ms" }
        dt { (t.get("timeline-nearest")) }
        dd {
            @match decided.person.as_ref().and_then(Personal::known) {
                Some(person) => {
                    (person.name.clone().unwrap_or_else(|| format!("#{}", person.id)))
                    @if let Some(distance) = at(decided.distance.map(|distance| distance.0)) { ", " (distance) }
                }
                None => (t.get("timeline-nobody")),
            }
        }
        @if let Some(other) = &decided.runner_up {
            dt { (t.get("timeline-runner-up")) }
            dd {
                @if let Some(person) = other.person.known() {
                    (person.name.clone().unwrap_or_else(|| format!("#{}", person.id))) ", "
                }
                (at(Some(other.distance.0)).unwrap_or_default())
            }
        }
    }
}

/// The gates in their order, each with its answer and, where it measured something, its bars.
fn gates_of(t: &Words, gates: &[Gate]) -> Markup {
    html! {
        table.wide {
            thead { tr {
                th scope="col" { (t.get("timeline-gate")) }
                th scope="col" { (t.get("timeline-found")) }
                th scope="col" { (t.get("timeline-limit")) }
            } }
            tbody {
                @for gate in gates {
                    tr {
                        th scope="row" {
                            (names::gate(t, &gate.name)) " "
                            span .badge .(answer(gate).1) { (t.get(answer(gate).0)) }
                        }
                        @let drawn = measures(gate);
                        td {
                            p { (gate.input) }
                            @for measure in &drawn { (bars::bar(t, measure)) }
                        }
                        td { (gate.limit) }
                    }
                }
            }
        }
    }
}

/// The words of a gate's answer, and its colour.
fn answer(gate: &Gate) -> (&'static str, &'static str) {
    match (gate.passed, gate.cannot_judge) {
        (true, _) => ("timeline-passed", "good"),
        (false, true) => ("timeline-unsure", "warn"),
        (false, false) => ("timeline-failed", "bad"),
    }
}

/// The fields of a record that is no decision. A sealed note says nothing to anybody here.
fn content(t: &Words, content: &Value) -> Markup {
    let fields: Vec<_> =
        content.as_object().into_iter().flatten().filter(|(name, _)| *name != "note" && *name != "gates").collect();
    html! {
        @if !fields.is_empty() {
            h2 { (t.get("timeline-content")) }
            dl.facts {
                @for (name, value) in fields {
                    dt { code { (name) } }
                    dd { @match value { Value::String(text) => (text), other => (other.to_string()) } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_note_is_not_shown() {
        let shown =
            content(Words::english(), &serde_json::json!({ "door": "front", "note": "5f3a91c2" })).into_string();
        assert!(shown.contains("front") && !shown.contains("5f3a91c2") && !shown.contains("note"), "{shown}");
    }
}
