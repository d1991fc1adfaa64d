//! What the office answered, on the screen.

use std::io::Write;

use anyhow::Result;
use thiserror::Error;

use crate::cli::listing::Listing;
use crate::cli::print::{Tone, toned};
use crate::ledger::{Record, receipt, sentence};
use crate::names::shown;
use crate::office::fleet::protocol::{BoardRow, CollectedRecord, Done, OfficeStatus, PersonRow, Proof, SiteRow};

/// A change is on the office's disk, and not every board that it concerns has confirmed it. The command has printed which, and ends with
/// [`NotInForce::EXIT`].
#[derive(Debug, Error)]
#[error("the change is on the office's disk, and not all boards have confirmed it yet")]
pub struct NotInForce;

impl NotInForce {
    /// Neither a failure (1) nor a wrong command line (2).
    pub const EXIT: u8 = 3;
}

/// Prints what was done, and who has confirmed it.
///
/// # Errors
/// [`NotInForce`], once all is printed; or nothing can be printed.
pub fn done(out: &mut impl Write, done: &Done, json: bool) -> Result<()> {
    match json {
        true => writeln!(out, "{}", serde_json::to_string(done)?)?,
        false => print_done(out, done)?,
    }
    if done.in_force { Ok(()) } else { Err(NotInForce.into()) }
}

fn print_done(out: &mut impl Write, done: &Done) -> Result<()> {
    writeln!(out, "{}", shown(&done.what))?;
    for note in &done.notes {
        writeln!(out, "{}", toned(Tone::Warning, note))?;
    }
    if !done.sent {
        writeln!(
            out,
            "{}",
            toned(Tone::Warning, "the servers do not have it yet: it goes out when they can be reached")
        )?;
    }
    if !done.confirmed.is_empty() {
        writeln!(out, "confirmed by {}", done.confirmed.join(", "))?;
    }
    if !done.missing.is_empty() {
        let missing = format!("not confirmed yet by {}", done.missing.join(", "));
        writeln!(out, "{}", toned(Tone::Warning, &missing))?;
    }
    if !done.unheard.is_empty() {
        writeln!(out, "invited and never heard: {}", done.unheard.join(", "))?;
    }
    Ok(())
}

/// What can be shown of a forgetting.
pub fn proof(out: &mut impl Write, proof: &Proof) -> Result<()> {
    let Proof { uuid, record, mark, destroyed_epoch, epoch, erased_records } = proof;
    writeln!(out, "uuid    {uuid}")?;
    writeln!(out, "record  {record} (BLAKE3; sealed by key {destroyed_epoch}, which is destroyed)")?;
    writeln!(out, "mark    {mark} (BLAKE3; everybody else is sealed by key {epoch})")?;
    Ok(writeln!(out, "erased from {erased_records} collected records, and from those that still come")?)
}

/// A collected record in full.
pub fn record(out: &mut impl Write, record: &CollectedRecord, json: bool) -> Result<()> {
    match Record::from_json(&record.record).filter(|_| !json) {
        Some(read) => writeln!(out, "{} of {}\n{}", record.board, record.site, shown(receipt(&read).trim_end()))?,
        None => writeln!(out, "{}", serde_json::to_string(record)?)?,
    }
    Ok(())
}

/// The office, its sites and its boards.
pub fn status(out: &mut impl Write, status: &OfficeStatus) -> Result<()> {
    let wait = match status.unsent {
        0 => "no change waits".to_owned(),
        1 => "1 change waits".to_owned(),
        changes => format!("{changes} changes wait"),
    };
    let (tone, state) = match status.state.as_str() {
        "online" => (Tone::Plain, "the office is at the servers".to_owned()),
        "connecting" => (Tone::Warning, "the office is not at the servers yet".to_owned()),
        why => (Tone::Warning, format!("the office is not at the servers: {why}")),
    };
    writeln!(out, "{}; {wait} for them", toned(tone, &state))?;
    if status.requests > 0 {
        let open = match status.requests {
            1 => "1 enrolment at a door".to_owned(),
            several => format!("{several} enrolments at doors"),
        };
        let open = format!("{open} can be decided: usher fleet requests list");
        writeln!(out, "{}", toned(Tone::Warning, &open))?;
    }
    for refused in &status.refused {
        writeln!(out, "{}", toned(Tone::Bad, &refused.in_words()))?;
    }
    for site in &status.sites {
        let lockdown = site.lockdown.as_deref().map(|lockdown| toned(Tone::Bad, &format!("; LOCKDOWN: {lockdown}")));
        let (name, people, epoch, rules) = (&site.site, site.people, site.epoch, site.rules);
        let who = whose_permits(site, &status.boards);
        writeln!(
            out,
            "site {name}: {people} {}, key {epoch}, rules {rules}; {who}{}",
            if people == 1 { "person" } else { "people" },
            lockdown.unwrap_or_default()
        )?;
    }
    let heads = ["BOARD", "SITE", "LIST", "WAITING", "COLLECTED", "CLOCK", "RULES", "KEY", "MODEL", "VERSION", "HEARD"];
    let mut listing = Listing::new(heads).giving_way(&["MODEL", "VERSION", "KEY"]);
    for board in &status.boards {
        listing.row(tone_of(board), row(board));
    }
    listing.write(out)?;
    for board in status.boards.iter().filter(|board| !board.revoked && board.twice) {
        let board = &board.board;
        let two = format!("two boards speak as {board}: revoke {board}, and invite each by a name of its own");
        writeln!(out, "{}", toned(Tone::Bad, &two))?;
    }
    for board in status.boards.iter().filter(|board| !board.revoked) {
        let Some(trouble) = board.said.as_ref().and_then(|said| said.rules_trouble.as_ref()) else { continue };
        writeln!(out, "{}", toned(Tone::Bad, &format!("{} does not go by the newest rules: {trouble}", board.board)))?;
    }
    for board in status.boards.iter().filter(|board| !board.revoked) {
        let Some(trouble) = board.said.as_ref().and_then(|said| said.models_trouble.as_ref()) else { continue };
        let trouble = format!("{} does not follow its site to another model: {trouble}", board.board);
        writeln!(out, "{}", toned(Tone::Bad, &trouble))?;
    }
    Ok(())
}

/// By whose permits the boards of a site are to go, and which do not.
fn whose_permits(site: &SiteRow, boards: &[BoardRow]) -> String {
    let of_site = boards.iter().filter(|board| board.site == site.site && !board.revoked);
    let others = of_site.filter(|board| board.said.as_ref().is_some_and(|said| said.access != site.access));
    let others: Vec<&str> = others.map(|board| board.board.as_str()).collect();
    let but = if others.is_empty() { String::new() } else { format!(", but not {}", others.join(", ")) };
    match site.access {
        0 => format!("boards go by their own permits{but}"),
        version => format!("boards go by the permits of rules {version}{but}"),
    }
}

fn tone_of(board: &BoardRow) -> Tone {
    match board.is_well() {
        _ if board.revoked => Tone::Faint,
        true => Tone::Plain,
        false => Tone::Warning,
    }
}

fn row(board: &BoardRow) -> [String; 11] {
    let said = board.said.as_ref();
    let list = match said {
        _ if board.revoked => "revoked".to_owned(),
        None => "never heard".to_owned(),
        Some(said) if board.whole => format!("whole ({})", said.people),
        Some(said) => format!("behind ({})", said.people),
    };
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let collected = if board.gap { format!("{}, gap", board.collected) } else { board.collected.to_string() };
    [
        board.board.clone(),
        board.site.clone(),
        list,
        text(said.map(|said| said.waiting.to_string())),
        collected,
        text(said.and_then(|said| said.clock_ahead_ms).map(difference)),
        text(said.map(|said| said.rules.to_string())),
        text(said.and_then(|said| said.epoch).map(|epoch| epoch.to_string())),
        text(said.map(|said| said.model.clone())),
        text(said.map(|said| said.version.clone())),
        text(board.heard_s.map(|seconds| format!("{seconds} s ago"))),
    ]
}

/// A difference of clocks, in milliseconds, as people say it: `+12 ms`, `-3 s`, `+1 d 4 h`.
pub fn difference(ms: i64) -> String {
    let (sign, ms) = (if ms < 0 { '-' } else { '+' }, ms.unsigned_abs());
    let seconds = ms / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes, seconds) {
        (0, 0, 0, 0..10) => format!("{sign}{ms} ms"),
        (0, 0, 0, _) => format!("{sign}{seconds} s"),
        (0, 0, ..) => format!("{sign}{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{sign}{hours} h {} min", minutes % 60),
        _ => format!("{sign}{days} d {} h", hours % 24),
    }
}

/// Who is enrolled.
pub fn people(out: &mut impl Write, people: &[PersonRow]) -> Result<()> {
    let mut listing = Listing::new(["NAME", "ID", "GROUPS", "STATE", "TEMPLATES", "UUID"]).giving_way(&["UUID"]);
    for person in people {
        let id = person.employee_id.clone().unwrap_or_default();
        let (groups, templates) = (person.groups.join(", "), person.templates.to_string());
        let (tone, state) = if person.enabled { (Tone::Plain, "enabled") } else { (Tone::Faint, "disabled") };
        listing.row(tone, [person.name.clone(), id, groups, state.to_owned(), templates, person.uuid.clone()]);
    }
    Ok(listing.write(out)?)
}

/// Collected records, one a line.
pub fn records(out: &mut impl Write, records: &[CollectedRecord]) -> Result<()> {
    for CollectedRecord { board, record, .. } in records {
        match Record::from_json(record) {
            Some(record) => {
                writeln!(out, "{board} {:>7}  {}  {}", record.seq, record.time(), shown(&sentence(&record)))?
            }
            None => writeln!(out, "{board} {record}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_of_clocks_are_told_as_people_say_them() {
        let told = [(12, "+12 ms"), (-2_300, "-2300 ms"), (-59_900, "-59 s"), (61_000, "+1 min 1 s")];
        let longer = [(86_400_000, "+1 d 0 h"), (-3_660_000, "-1 h 1 min"), (0, "+0 ms")];
        for (ms, text) in told.into_iter().chain(longer) {
            assert_eq!(difference(ms), text);
        }
        assert!(difference(i64::MIN).starts_with('-'));
    }

    #[test]
    fn the_status_is_a_sentence() {
        let told = |state: &str, unsent| {
            let mut out = Vec::new();
            status(&mut out, &OfficeStatus { state: state.into(), unsent, ..OfficeStatus::default() }).unwrap();
            String::from_utf8(out).unwrap().lines().next().unwrap().to_owned()
        };
        assert_eq!(told("online", 0), "the office is at the servers; no change waits for them");
        let away = told("the server refuses it", 2);
        assert_eq!(away, "the office is not at the servers: the server refuses it; 2 changes wait for them");
    }

    #[test]
    fn a_change_that_is_not_in_force_ends_with_a_code_of_its_own() {
        let told = |change: &Done, json| {
            let mut out = Vec::new();
            let ended = done(&mut out, change, json).is_ok();
            (ended, String::from_utf8(out).unwrap())
        };
        let away = Done {
            what: "done".into(),
            missing: vec!["front".into()],
            unheard: vec!["yard".into()],
            ..Done::default()
        };
        let (ended, text) = told(&away, false);
        assert!(!ended && text.contains("the servers do not have it") && text.contains("by front"), "{text}");
        assert!(text.contains("never heard: yard"), "{text}");
        assert!(!told(&away, true).0);
        assert!(told(&Done { in_force: true, sent: true, ..Done::default() }, false).0);
    }
}
