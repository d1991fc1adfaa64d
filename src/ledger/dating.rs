//! When something happened: by the wall clock of its record or, where that was not set yet, by a later record of the same boot. And where
//! in the journal a span of time is found.
//!
//! A board without a battery starts with a wrong clock and sets it later. Within one boot the time since the start is reliable, so a later
//! record dates an earlier one. Wall clocks do not rise with the records' numbers; a [`Timeline`] knows for each short run of records which
//! times occur in it. It reads no clock and no database.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use uuid::Uuid;

use super::Record;
use crate::domain::{PersonId, Personal, earliest};

/// A clock that is behind an earlier record by more than this is wrong. Records of several threads may be written slightly out of order.
const BEHIND: Duration = Duration::from_secs(2);
/// The most records in a run.
const RUN: u64 = 512;
/// Times that differ by less are shown as one.
const SHOWN_APART: Duration = Duration::from_secs(1);

/// A record with its time, corrected where possible.
#[derive(Clone, Debug, PartialEq)]
pub struct Dated {
    pub record: Record,
    /// The record's own time, unless another record corrects it.
    pub at: SystemTime,
    corrected: bool,
    /// Where it was written; `None` in its own journal.
    pub origin: Option<Origin>,
}

/// The journal of a fleet's board in which a record was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The board's name in the fleet.
    pub board: String,
    pub site: String,
}

impl Dated {
    /// With the record's own time.
    pub fn plainly(record: Record) -> Dated {
        Dated { at: record.at, record, corrected: false, origin: None }
    }

    /// A record of another journal, with its time there.
    pub fn from_elsewhere(record: Record, at: SystemTime, corrected: bool, origin: Origin) -> Dated {
        Dated { record, at, corrected, origin: Some(origin) }
    }

    /// Whether the time comes from a later record of the same boot.
    pub fn is_corrected(&self) -> bool {
        self.corrected
    }

    /// Whether the record's own clock showed another time, by a second or more.
    pub fn differs(&self) -> bool {
        self.corrected && apart(self.at, self.record.at) >= SHOWN_APART
    }

    /// As [`Record::to_json`], with `dated` (RFC 3339 in UTC) where the time is corrected, and `board` and `site` where it was written elsewhere.
    pub fn to_json(&self) -> Value {
        let mut json = self.record.to_json();
        if let Some(fields) = json.as_object_mut() {
            if self.corrected {
                fields.insert("dated".to_owned(), Record { at: self.at, ..self.record.clone() }.time().into());
            }
            if let Some(Origin { board, site }) = &self.origin {
                fields.insert("board".to_owned(), board.as_str().into());
                fields.insert("site".to_owned(), site.as_str().into());
            }
        }
        json
    }

    /// Reads what [`Dated::to_json`] wrote. `None` when a field is missing or malformed.
    pub fn from_json(json: &Value) -> Option<Dated> {
        let record = Record::from_json(json)?;
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let origin = text("board").zip(text("site"));
        let origin = origin.map(|(board, site)| Origin { board: board.to_owned(), site: site.to_owned() });
        match text("dated") {
            None => Some(Dated { origin, ..Dated::plainly(record) }),
            Some(text) => {
                let at = SystemTime::try_from(text.parse::<jiff::Timestamp>().ok()?).ok()?;
                Some(Dated { record, at, corrected: true, origin })
            }
        }
    }
}

/// What the dating needs of a record.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: SystemTime,
    since_boot: Duration,
    boot: Uuid,
    trust: Trust,
}

/// How far a clock can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// It was set by the network or another source.
    Synchronised,
    /// It may be right.
    Plausible,
    /// It shows an earlier time than an earlier record.
    Behind,
    /// It shows a time before usher existed.
    Unset,
}

impl Mark {
    fn of(record: &Record, trust: Trust) -> Mark {
        let Record { at, since_boot, boot, .. } = *record;
        Mark { at, since_boot, boot, trust }
    }
}

/// What is known of the time of one boot.
#[derive(Clone, Debug, Default)]
struct Boot {
    /// By the time since the start: each synchronised record that comes after one that was not.
    anchors: Vec<(Duration, SystemTime)>,
    /// The newest record was synchronised.
    settled: bool,
    /// The newest record whose clock may be right.
    plausible: Option<(Duration, SystemTime)>,
    /// The newest record whose clock was set, to whatever.
    set: Option<(Duration, SystemTime)>,
}

/// Records one after the other, of one boot and one trust.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    last: u64,
    boot: Uuid,
    trust: Trust,
    at: (SystemTime, SystemTime),
    since_boot: (Duration, Duration),
    /// A bit for each kind, by a hash.
    kinds: u64,
}

/// Where times lie in the journal, and which records date which.
#[derive(Debug, Default)]
pub struct Timeline {
    through: u64,
    /// The latest time that a clock has shown.
    latest: Option<SystemTime>,
    runs: Vec<Run>,
    boots: HashMap<Uuid, Boot>,
}

/// Which records are wanted. All that is given must fit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordFilter {
    /// Not before this time.
    pub since: Option<SystemTime>,
    /// Before this time.
    pub until: Option<SystemTime>,
    /// Of one of these kinds; empty: of any.
    pub kinds: Vec<String>,
    /// At this door.
    pub door: Option<String>,
    /// About one of these people; empty: about anybody or nobody.
    pub people: Vec<PersonId>,
}

impl RecordFilter {
    /// Whether a record is wanted.
    pub fn fits(&self, dated: &Dated) -> bool {
        self.fits_chained(dated) && self.fits_content(&dated.record)
    }

    /// Whether a record is wanted by its kind and its time, which the chained part holds.
    pub(super) fn fits_chained(&self, dated: &Dated) -> bool {
        self.fits_kind(&dated.record.kind)
            && self.since.is_none_or(|since| dated.at >= since)
            && self.until.is_none_or(|until| dated.at < until)
    }

    /// Whether a record is wanted by its door and its person, which the content holds.
    pub(super) fn fits_content(&self, record: &Record) -> bool {
        if self.door.is_none() && self.people.is_empty() {
            return true;
        }
        let Some(event) = record.content.event() else { return false };
        let about = || event.person().and_then(Personal::known).map(|person| person.id);
        self.door.as_deref().is_none_or(|door| event.door() == Some(door))
            && (self.people.is_empty() || about().is_some_and(|person| self.people.contains(&person)))
    }

    fn fits_kind(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == kind)
    }
}

impl Timeline {
    /// The number of the newest record that it knows.
    pub fn through(&self) -> u64 {
        self.through
    }

    /// Adds the next record. Records that it knows already are passed over.
    pub fn add(&mut self, record: &Record) {
        if record.seq <= self.through {
            return;
        }
        self.through = record.seq;
        let mark = Mark::of(record, self.trust(record));
        self.latest = self.latest.max(Some(mark.at));
        let boot = self.boots.entry(mark.boot).or_default();
        let here = (mark.since_boot, mark.at);
        if mark.trust == Trust::Synchronised && !boot.settled {
            boot.anchors.push(here);
        }
        boot.settled = mark.trust == Trust::Synchronised;
        if matches!(mark.trust, Trust::Synchronised | Trust::Plausible) {
            boot.plausible = Some(here);
        }
        if mark.trust != Trust::Unset {
            boot.set = Some(here);
        }
        let kinds = bit(&record.kind);
        match self.runs.last_mut() {
            Some(run)
                if run.boot == mark.boot && run.trust == mark.trust && record.seq.saturating_sub(run.first) < RUN =>
            {
                run.last = record.seq;
                run.at = (run.at.0.min(mark.at), run.at.1.max(mark.at));
                run.since_boot = (run.since_boot.0.min(mark.since_boot), run.since_boot.1.max(mark.since_boot));
                run.kinds |= kinds;
            }
            _ => self.runs.push(Run {
                first: record.seq,
                last: record.seq,
                boot: mark.boot,
                trust: mark.trust,
                at: (mark.at, mark.at),
                since_boot: (mark.since_boot, mark.since_boot),
                kinds,
            }),
        }
    }

    /// The record with its time: its own, when this record was not added.
    pub fn date(&self, record: Record) -> Dated {
        let place = self.runs.partition_point(|run| run.last < record.seq);
        let Some(run) = self.runs.get(place).filter(|run| run.first <= record.seq) else {
            return Dated::plainly(record);
        };
        let (at, corrected) = self.time_of(Mark::of(&record, run.trust));
        Dated { record, at, corrected, origin: None }
    }

    /// How far the clock of the next record can be relied on.
    fn trust(&self, record: &Record) -> Trust {
        let behind = self.latest.and_then(|latest| latest.duration_since(record.at).ok()).is_some_and(|by| by > BEHIND);
        match record.at < earliest() {
            true => Trust::Unset,
            false if record.synchronised == Some(true) => Trust::Synchronised,
            false if behind => Trust::Behind,
            false => Trust::Plausible,
        }
    }

    /// The ranges of numbers that records which fit can have, in order.
    pub fn stretches(&self, filter: &RecordFilter) -> Vec<(u64, u64)> {
        let wanted = filter.kinds.iter().fold(0, |bits, kind| bits | bit(kind));
        let fits = |run: &&Run| {
            let Run { boot, trust, at, since_boot, kinds, .. } = **run;
            // Some records of a run may be corrected and others not, so both times bound it.
            let corrected =
                |at, since_boot| self.corrected(Mark { at, since_boot, boot, trust }).map_or(at, |(at, _)| at);
            let (first, last) = (at.0.min(corrected(at.0, since_boot.0)), at.1.max(corrected(at.1, since_boot.1)));
            (wanted == 0 || kinds & wanted != 0)
                && filter.since.is_none_or(|since| last >= since)
                && filter.until.is_none_or(|until| first < until)
        };
        self.runs.iter().filter(fits).map(|run| (run.first, run.last)).collect()
    }

    /// When that was, and whether another record says so.
    fn time_of(&self, mark: Mark) -> (SystemTime, bool) {
        match self.corrected(mark) {
            // A clock that was not synchronised and has only run on since corrects nothing.
            Some((at, sure)) if sure || apart(at, mark.at) >= SHOWN_APART => (at, true),
            _ => (mark.at, false),
        }
    }

    /// The time by a later record of the boot, and whether that one was synchronised.
    fn corrected(&self, mark: Mark) -> Option<(SystemTime, bool)> {
        // Without the machine's name for the boot, times since a start say nothing of each other.
        let boot = self.boots.get(&mark.boot).filter(|_| !mark.boot.is_nil() && mark.trust != Trust::Synchronised)?;
        let later = |anchor: &&(Duration, SystemTime)| anchor.0 >= mark.since_boot;
        let time = |anchor: &(Duration, SystemTime)| anchor.1.checked_sub(anchor.0.saturating_sub(mark.since_boot));
        if let Some(at) = boot.anchors.iter().find(later).and_then(time) {
            return Some((at, true));
        }
        let better = match mark.trust {
            Trust::Synchronised | Trust::Plausible => None,
            Trust::Behind => boot.plausible.as_ref().filter(later),
            Trust::Unset => [&boot.plausible, &boot.set].into_iter().flatten().find(later),
        };
        Some((better.and_then(time)?, false))
    }
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).or_else(|_| other.duration_since(one)).unwrap_or_default()
}

/// One of 64 bits.
fn bit(kind: &str) -> u64 {
    let hash = kind.bytes().fold(0u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    1u64.wrapping_shl(hash)
}

#[cfg(test)]
mod tests;
