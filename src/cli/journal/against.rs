//! The journal against events that somebody else has kept, as the broker sent them.
//!
//! Knows nothing of brokers: it reads lines.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::PAGE;
use crate::cli::client::{Client, Page};
use crate::ledger::Record;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Events whose record is as they say.
    pub agree: u64,
    /// Events whose record was deleted by age or size.
    pub deleted: u64,
    /// Events without a hash, as earlier versions sent them.
    pub without: u64,
}

/// An event as far as it bears witness.
#[derive(Debug, PartialEq, Eq)]
struct Witness {
    id: String,
    previous: String,
    hash: String,
    /// Of the file.
    line: usize,
}

/// An event as the broker sent it; the other fields are passed over.
#[derive(Deserialize)]
struct Line {
    seq: u64,
    id: String,
    previous: Option<String>,
    hash: Option<String>,
}

/// Compares the journal with the events in a file; `-` is standard input.
///
/// # Errors
/// Names the first line that is no event, and the first record that is not as it was sent.
pub fn compare(client: &Client, file: &Path) -> Result<Found> {
    let (witnesses, without) = if file == Path::new("-") {
        read(std::io::stdin().lock(), "standard input")?
    } else {
        let opened = std::fs::File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
        read(std::io::BufReader::new(opened), &file.display().to_string())?
    };
    let mut found = Found { without, ..Found::default() };
    let Some((first, last)) = witnesses.keys().next().zip(witnesses.keys().next_back()) else { return Ok(found) };
    let (mut after, mut oldest) = (first.saturating_sub(1), None);
    while after < *last {
        let records = client.journal(Page::After(after), PAGE)?;
        let Some(newest) = records.last().map(|record| record.seq) else { break };
        oldest = oldest.or(records.first().map(|record| record.seq));
        for record in &records {
            if let Some(witness) = witnesses.get(&record.seq) {
                check(record, witness)?;
                found.agree += 1;
            }
        }
        after = newest;
    }
    if after < *last {
        let line = witnesses.get(last).map_or(0, |witness| witness.line);
        bail!(
            "record {last} was sent (line {line}) and is not in the journal, which ends at {after}: its end was cut off, or an older \
             backup was restored"
        );
    }
    // Only the oldest are ever deleted; whether rightly so the chain says.
    found.deleted = witnesses.keys().filter(|seq| oldest.is_none_or(|oldest| **seq < oldest)).count() as u64;
    Ok(found)
}

fn check(record: &Record, witness: &Witness) -> Result<()> {
    let (previous, hash) = record.hashes();
    if record.id.to_string() == witness.id && previous == witness.previous && hash == witness.hash {
        return Ok(());
    }
    bail!(
        "record {} is not the one that was sent (line {}): it was written anew, or an older backup was restored, or the event is of another \
         device",
        record.seq,
        witness.line
    )
}

/// Events by number, and how many have no hash. A line may begin with the topic, as `mosquitto_sub -v` writes it.
fn read(lines: impl BufRead, name: &str) -> Result<(BTreeMap<u64, Witness>, u64)> {
    let (mut witnesses, mut without) = (BTreeMap::<u64, Witness>::new(), 0);
    for (number, line) in lines.lines().enumerate() {
        let (line, number) = (line.with_context(|| format!("{name} cannot be read"))?, number + 1);
        if line.trim().is_empty() {
            continue;
        }
        let json = line.find('{').and_then(|start| line.get(start..)).unwrap_or_default();
        let Ok(Line { seq, id, previous, hash }) = serde_json::from_str(json) else {
            bail!("line {number} of {name} is no event: docs/mqtt.md shows what they look like");
        };
        let (Some(previous), Some(hash)) = (previous, hash) else {
            without += 1;
            continue;
        };
        let witness = Witness { id, previous, hash, line: number };
        if let Some(other) = witnesses.get(&seq)
            && other.hash != witness.hash
        {
            bail!("lines {} and {number} of {name} tell different things of record {seq}", other.line);
        }
        witnesses.entry(seq).or_insert(witness);
    }
    Ok((witnesses, without))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<(BTreeMap<u64, Witness>, u64), String> {
        read(text.as_bytes(), "events").map_err(|error| error.to_string())
    }

    #[test]
    fn events_are_read_with_or_without_their_topic() {
        let text = "usher/d/event/locked {\"seq\":3,\"id\":\"a\",\"previous\":\"1\",\"hash\":\"2\"}\n\n\
                    {\"seq\":3,\"id\":\"a\",\"previous\":\"1\",\"hash\":\"2\"}\n{\"seq\":4,\"id\":\"b\"}\n";
        let (witnesses, without) = read_text(text).unwrap();
        assert_eq!((witnesses.len(), without), (1, 1));
        assert_eq!(witnesses[&3].line, 1);
    }

    #[test]
    fn what_is_no_event_is_named_with_its_line() {
        for text in ["online", "{", "{\"seq\":-1,\"id\":\"a\"}", "[1]"] {
            assert!(read_text(&format!("\n{text}\n")).unwrap_err().contains("line 2 of events"), "{text}");
        }
        let twice = "{\"seq\":3,\"id\":\"a\",\"previous\":\"1\",\"hash\":\"2\"}\n{\"seq\":3,\"id\":\"a\",\"previous\":\"1\",\"hash\":\"3\"}";
        assert!(read_text(twice).unwrap_err().contains("lines 1 and 2"));
    }
}
