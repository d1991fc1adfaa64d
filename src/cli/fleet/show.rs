//! What the office answered, on the screen.

use std::io::Write;

use anyhow::Result;

use crate::cli::listing::Listing;
use crate::cli::print::{Tone, toned};
use crate::ledger::{Record, receipt, sentence};
use crate::office::fleet::protocol::{BoardRow, CollectedRecord, Done, OfficeStatus, PersonRow, Proof};

/// What was done, and who has confirmed it.
pub fn done(out: &mut impl Write, done: &Done, json: bool) -> Result<()> {
    if json {
        writeln!(out, "{}", serde_json::to_string(done)?)?;
        return Ok(());
    }
    writeln!(out, "{}", done.what)?;
    for note in &done.notes {
        writeln!(out, "{}", toned(Tone::Warning, note))?;
    }
    if !done.sent {
        writeln!(
            out,
            "{}",
            toned(Tone::Warning, "the servers do not have it yet: it goes out when they can be reached")
        )?;
        return Ok(());
    }
    if !done.confirmed.is_empty() {
        writeln!(out, "confirmed by {}", done.confirmed.join(", "))?;
    }
    if !done.missing.is_empty() {
        let missing = format!("not confirmed yet by {}", done.missing.join(", "));
        writeln!(out, "{}", toned(Tone::Warning, &missing))?;
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
        Some(read) => writeln!(out, "{} of {}\n{}", record.board, record.site, receipt(&read).trim_end())?,
        None => writeln!(out, "{}", serde_json::to_string(record)?)?,
    }
    Ok(())
}

/// The office, its sites and its boards.
pub fn status(out: &mut impl Write, status: &OfficeStatus) -> Result<()> {
    let tone = if status.state == "online" { Tone::Plain } else { Tone::Warning };
    writeln!(out, "office {}; {} changes wait for the servers", toned(tone, &status.state), status.unsent)?;
    if status.requests > 0 {
        let open = format!("{} enrolments at doors can be decided: usher fleet requests list", status.requests);
        writeln!(out, "{}", toned(Tone::Warning, &open))?;
    }
    for refused in &status.refused {
        writeln!(out, "{}", toned(Tone::Bad, &refused.in_words()))?;
    }
    for site in &status.sites {
        let lockdown = site.lockdown.as_deref().map(|lockdown| toned(Tone::Bad, &format!("; LOCKDOWN: {lockdown}")));
        let (name, people, epoch, rules) = (&site.site, site.people, site.epoch, site.rules);
        let who = match site.access {
            0 => "boards go by their own permits".to_owned(),
            version => format!("boards go by the permits of rules {version}"),
        };
        writeln!(
            out,
            "site {name}: {people} people, key {epoch}, rules {rules}; {who}{}",
            lockdown.unwrap_or_default()
        )?;
    }
    let heads = ["board", "site", "list", "waiting", "collected", "clock", "rules", "key", "model", "version", "heard"];
    let mut listing = Listing::new(heads).giving_way(&["model", "version", "key"]);
    for board in &status.boards {
        listing.row(tone_of(board), row(board));
    }
    listing.write(out)?;
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
        text(said.and_then(|said| said.clock_ahead_ms).map(|ms| format!("{ms:+} ms"))),
        text(said.map(|said| said.rules.to_string())),
        text(said.and_then(|said| said.epoch).map(|epoch| epoch.to_string())),
        text(said.map(|said| said.model.clone())),
        text(said.map(|said| said.version.clone())),
        text(board.heard_s.map(|seconds| format!("{seconds} s ago"))),
    ]
}

/// Who is enrolled.
pub fn people(out: &mut impl Write, people: &[PersonRow]) -> Result<()> {
    let mut listing = Listing::new(["name", "id", "groups", "state", "templates", "uuid"]).giving_way(&["uuid"]);
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
            Some(record) => writeln!(out, "{board} {:>7}  {}  {}", record.seq, record.time(), sentence(&record))?,
            None => writeln!(out, "{board} {record}")?,
        }
    }
    Ok(())
}
