//! The demo's scenes: what the door should do in each, and what the journal says it did.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;

use crate::cli::listing::width;
use crate::domain::{Decided, Personal, Reason};
use crate::ledger::Record;

/// A stretch of the recording.
pub struct Scene {
    pub title: &'static str,
    pub shows: Shows,
    pub frames: u32,
    pub expected: Expected,
}

/// What the camera sees, with the file name of the photograph that it is made of.
#[derive(Clone, Copy)]
pub enum Shows {
    Nobody,
    /// A person who walks up.
    Person(&'static str),
    /// The same, with a scarf that hides the face from the nose down, and dark glasses.
    Covered(&'static str),
    /// A person who walks up, and turns the head as the door asks. The head is drawn from the photograph.
    TurningHead(&'static str),
    /// The photograph on paper, moved and tilted.
    HeldUp(&'static str),
}

impl Shows {
    /// The photograph's file name.
    pub fn photo(self) -> Option<&'static str> {
        match self {
            Shows::Nobody => None,
            Shows::Person(name) | Shows::Covered(name) | Shows::TurningHead(name) | Shows::HeldUp(name) => Some(name),
        }
    }
}

/// What the door should do in a scene.
#[derive(Clone, Copy, PartialEq)]
pub enum Expected {
    /// It opens.
    Grant,
    /// It stays shut: nobody enrolled is near enough.
    Unknown,
    /// It stays shut: the face is known, and no head turned.
    Challenge,
    /// It stays shut, for any reason.
    NoGrant,
    /// Nothing happens at all.
    Silence,
}

impl Expected {
    fn words(self) -> &'static str {
        match self {
            Expected::Grant => "opens",
            Expected::Unknown => "stays shut: unknown",
            Expected::Challenge => "stays shut: challenge",
            Expected::NoGrant => "stays shut",
            Expected::Silence => "nothing happens",
        }
    }
}

/// Prints what happened in each scene; the number of scenes that did not go as they should.
pub fn print(out: &mut impl Write, scenes: &[Scene], records: &[Record]) -> Result<usize> {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic).set_width(width().unwrap_or(80));
    table.set_header(["scene", "the door should", "what usher did", ""]);
    let (mut first, mut failed) = (0, 0);
    for scene in scenes {
        let frames = first..first + u64::from(scene.frames);
        first = frames.end;
        let decisions: Vec<Shown> = records
            .iter()
            .filter_map(|record| Shown::of(record, records))
            .filter(|shown| frames.contains(&shown.decided.frame))
            .collect();
        let granted = decisions.iter().any(|shown| shown.decided.is_grant() && shown.opened.is_some());
        let as_expected = match scene.expected {
            Expected::Grant => granted && decisions.iter().all(|shown| shown.decided.is_grant()),
            Expected::Unknown => shut_for(&decisions, Reason::Unknown),
            Expected::Challenge => shut_for(&decisions, Reason::Challenge),
            Expected::NoGrant => decisions.iter().all(|shown| !shown.decided.is_grant()),
            Expected::Silence => decisions.is_empty(),
        };
        failed += usize::from(!as_expected);
        let did: Vec<String> = decisions.iter().map(Shown::words).collect();
        let did = if did.is_empty() { "nothing".to_owned() } else { did.join("\n") };
        table.add_row([scene.title, scene.expected.words(), &did, if as_expected { "✓" } else { "✗" }]);
    }
    writeln!(out, "\n{table}")?;
    Ok(failed)
}

/// Whether there was no grant, and a denial for `reason`.
fn shut_for(decisions: &[Shown], reason: Reason) -> bool {
    let denied = |shown: &Shown| shown.decided.reason() == Some(reason);
    decisions.iter().any(denied) && decisions.iter().all(|shown| !shown.decided.is_grant())
}

/// A decision, with what the door made of it.
struct Shown<'a> {
    decided: &'a Decided,
    /// From the frame to the relay, where the door was unlocked.
    opened: Option<Duration>,
}

impl<'a> Shown<'a> {
    /// `None` for a record that is no decision.
    fn of(record: &'a Record, records: &[Record]) -> Option<Shown<'a>> {
        let decided = record.content.event()?.decided()?;
        let unlockings = records.iter().filter_map(|other| other.content.event()?.unlocking());
        let opened = unlockings
            .filter(|unlocking| unlocking.record == record.seq)
            .map(|unlocking| unlocking.capture_to_door.unwrap_or_default())
            .next();
        Some(Shown { decided, opened })
    }

    fn words(&self) -> String {
        let Shown { decided, opened } = self;
        let distance = decided.distance.map_or_else(|| "-".to_owned(), |d| format!("{:.2}", d.recorded()));
        let evidence = format!(
            "distance {distance}, {} of {} frames, {} ms from capture to verdict",
            decided.frames.agree,
            decided.frames.of,
            decided.capture_to_verdict.as_millis()
        );
        match opened {
            Some(delay) => {
                let person = decided.person.as_ref().map_or_else(|| "?".to_owned(), Personal::to_string);
                format!("open for {person} after {} ms\n{evidence}", delay.as_millis())
            }
            None => format!("shut: {}\n{evidence}", decided.reason().map_or("?", Reason::as_str)),
        }
    }
}
