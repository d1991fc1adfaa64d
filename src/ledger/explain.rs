//! A record in words: one line for a list, a receipt for a single one.
//!
//! A record whose content is not known, as one of a later version, is shown as JSON. Control characters, which could break the line or
//! command the terminal, are shown as escapes.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::record::hex;
use super::{Dated, Origin, Record};
use crate::domain::{
    AccessEvent, AccountAct, Amendment, Content, DaemonEvent, Decided, DoorEvent, Event, Forgotten, Mode, Named,
    PeopleEvent, Personal, RulesOutcome, StoreEvent, TimeQuality,
};

/// One line in local time, without a line break:
/// `10:32:07 granted Barack Obama at front: distance 0.62, runner-up Joe Biden 1.21, 3 of 5 frames, 214 ms`.
pub fn explain(record: &Record) -> String {
    explain_in(record, &TimeZone::system())
}

/// As [`explain`], in the given time zone.
pub fn explain_in(record: &Record, zone: &TimeZone) -> String {
    format!("{} {}", local(record, zone, "%H:%M:%S"), plain(&happened(record)))
}

/// What happened in words, without the time and without a line break.
pub fn sentence(record: &Record) -> String {
    plain(&happened(record)).into_owned()
}

/// Everything about a record, over several lines in local time: for a decision its evidence and every gate, otherwise the content; then
/// the hashes.
pub fn receipt(record: &Record) -> String {
    receipt_in(record, &TimeZone::system())
}

/// As [`receipt`], in the given time zone.
pub fn receipt_in(record: &Record, zone: &TimeZone) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{:<10}{}", plain(name), plain(text));
    };
    line("record", &format!("{}  {}", record.seq, record.id));
    line("time", &format!("{}{}", local(record, zone, "%Y-%m-%d %H:%M:%S%.3f %:z"), doubt(record)));
    line("event", &happened(record));
    let event = record.content.event();
    match event.and_then(Event::decided) {
        Some(decided) => {
            line("seen by", &format!("{}, track {}, frame {}", decided.camera, decided.track.0, decided.frame));
            line("nearest", &nearest(decided).unwrap_or_else(|| "nobody".to_owned()));
            for (n, gate) in decided.gates.iter().enumerate() {
                let gate = format!("{}  {:<10} {} ({})", gate.answer(), gate.name, gate.input, gate.limit);
                line(if n == 0 { "gates" } else { "" }, &gate);
            }
        }
        None => {
            for (name, value) in record.content.to_json().as_object().into_iter().flatten() {
                let person = event.and_then(Event::person).filter(|_| name == "person");
                line(&format!("{name} "), &person.map_or_else(|| shown(value), numbered));
            }
        }
    }
    if record.erased {
        line("erased", "a person was erased from this record");
    }
    line("previous", &hex(&record.previous));
    line("hash", &hex(&record.hash));
    out
}

/// As [`explain_in`], at the time that the record is dated; where its own clock showed another one, that follows:
/// `08:01:02 locked front: the time is over (its clock showed 1970-01-01 00:02:11)`.
pub fn explain_dated(dated: &Dated, zone: &TimeZone) -> String {
    let Dated { record, at, .. } = dated;
    let line = explain_in(&Record { at: *at, ..record.clone() }, zone);
    match dated.differs() {
        true => format!("{line} (its clock showed {})", local_time(record.at, zone, "%Y-%m-%d %H:%M:%S")),
        false => line,
    }
}

/// As [`receipt_in`], with a line that names the board for a record of a fleet, and a line `dated` below the time where the record's own clock showed another one.
pub fn receipt_dated(dated: &Dated, zone: &TimeZone) -> String {
    let mut receipt = receipt_in(&dated.record, zone);
    if let (Some(Origin { board, site }), Some(end)) = (&dated.origin, receipt.find("\nevent ")) {
        receipt.insert_str(end, &format!("\nboard     {board} of {site}"));
    }
    match receipt.find("\nevent ").filter(|_| dated.differs()) {
        Some(end) => {
            let (before, after) = receipt.split_at(end);
            let at = local_time(dated.at, zone, "%Y-%m-%d %H:%M:%S%.3f %:z");
            format!("{before}\ndated     {at} (by a later record of the same boot){after}")
        }
        None => receipt,
    }
}

fn local(record: &Record, zone: &TimeZone, format: &str) -> String {
    match Timestamp::try_from(record.at) {
        Ok(at) => at.to_zoned_datetime(zone.clone()).strftime(format).to_string(),
        Err(_) => record.time(),
    }
}

/// With each control character as an escape, such as `\n` or `\u{1b}`.
fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len().saturating_add(8));
    for c in text.chars() {
        match c.is_control() {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// A remark where the time is not certain.
fn doubt(record: &Record) -> &'static str {
    match record.synchronised {
        Some(true) => "",
        Some(false) => " (the clock was not set)",
        None => " (whether the clock was set is not known)",
    }
}

/// The event without its time.
fn happened(record: &Record) -> String {
    match &record.content {
        Content::Known(event) => match &**event {
            Event::Access(event) => access(event),
            Event::Door(event) => at_door(event),
            Event::People(event) => people(event),
            Event::Store(event) => store(event),
            Event::Daemon(event) => daemon(event),
        },
        Content::Unknown(json) => format!("{} {json}", record.kind),
        Content::Erased => format!("{} (erased)", record.kind),
    }
}

fn access(event: &AccessEvent) -> String {
    match event {
        AccessEvent::Decided(decided) => decision(decided),
        AccessEvent::DenialsRepeated { door, camera, direction: _, reason, person, count, faces, span } => {
            let who = person.as_ref().map_or_else(|| format!("{faces} faces"), Personal::to_string);
            let (reason, span) = (reason.as_str(), self::span(*span));
            format!("denied at {door} ({reason}) {count} times more within {span}: {who}, seen by {camera}")
        }
        AccessEvent::Passed { door, person, direction, zone, record } => {
            let way = direction.map_or_else(String::new, |way| format!(" ({})", way.as_str()));
            let zone = zone.as_ref().map_or_else(String::new, |zone| format!(", now in {zone}"));
            format!("{person} passed {door}{way}{zone}, by record {record}")
        }
        AccessEvent::Admitted { door, person, direction, reason, by, gates: _ } => {
            let way = direction.map_or_else(String::new, |way| format!(" ({})", way.as_str()));
            format!("{by} admits {person} at {door}{way}: {reason}")
        }
        AccessEvent::PinEntered { door, person, note: _ } => format!("{person} entered the PIN at {door}"),
        AccessEvent::Amnesty { person: None, by } => format!("{by} forgets where everybody is"),
        AccessEvent::Amnesty { person: Some(person), by } => format!("{by} forgets where {person} is"),
        AccessEvent::CutMoved { people, templates, before, after, false_identification_rate: rate, extrapolated } => {
            let beyond = if *extrapolated { ", beyond what was measured" } else { "" };
            let with = templates.map_or_else(String::new, |n| format!(" with {n} templates"));
            let (after, before) = (after.recorded(), before.recorded());
            format!(
                "near enough is now {after:.4} instead of {before:.4}: {people} people{with}, {} strangers in 1000 let in by mistake{beyond}",
                rate * 1000.0
            )
        }
    }
}

/// `granted Barack Obama at front: distance 0.62, runner-up Joe Biden 1.21, 3 of 5 frames, 214 ms`.
fn decision(decided: &Decided) -> String {
    let person = decided.person.as_ref().map_or_else(|| "nobody".to_owned(), Personal::to_string);
    let (begin, distance) = match decided.reason() {
        None => (format!("granted {person} at {}", decided.door), "distance".to_owned()),
        Some(reason) => (format!("denied at {} ({})", decided.door, reason.as_str()), format!("nearest {person}")),
    };
    let mut parts = Vec::new();
    match decided.distance.map(|distance| distance.recorded()).filter(|distance| distance.is_finite()) {
        Some(value) => parts.push(format!("{distance} {value:.2}")),
        None if decided.person.is_none() => parts.push("nobody to compare with".to_owned()),
        None => {}
    }
    parts.extend(decided.runner_up.as_ref().map(|runner_up| format!("runner-up {runner_up}")));
    parts.push(format!("{} of {} frames", decided.frames.agree, decided.frames.of));
    parts.push(format!("{} ms", decided.capture_to_verdict.as_millis()));
    format!("{begin}: {}", parts.join(", "))
}

/// `Barack Obama 0.62, runner-up Joe Biden 1.21`; `None` in an empty gallery.
fn nearest(decided: &Decided) -> Option<String> {
    let distance = decided.distance.map(|distance| distance.recorded()).filter(|distance| distance.is_finite())?;
    let person = decided.person.as_ref().map_or_else(|| "nobody".to_owned(), Personal::to_string);
    let runner_up = decided.runner_up.as_ref().map_or_else(String::new, |other| format!(", runner-up {other}"));
    Some(format!("{person} {distance:.2}{runner_up}"))
}

fn at_door(event: &DoorEvent) -> String {
    match event {
        DoorEvent::ExitRequested { door, refused: None } => format!("exit button at {door}"),
        DoorEvent::ExitRequested { door, refused: Some(why) } => format!("exit button at {door}, refused: {why}"),
        DoorEvent::OperatorUnlocked { door, duration, by } => format!("{by} unlocks {door} for {}", span(*duration)),
        DoorEvent::OperatorLocked { door, by } => format!("{by} locks {door}"),
        DoorEvent::ModeSet { door, mode, by } => {
            let group = match mode {
                Mode::Lockdown { group: Some(group) } => format!(" but for {group}"),
                Mode::Lockdown { group: None } | Mode::Normal | Mode::Release => String::new(),
            };
            format!("{by} sets {door} to {}{group}", mode.as_str())
        }
        DoorEvent::CommandRefused { door, command, by, reason } => {
            format!("refused {command} of {by} at {door}: {reason}")
        }
        DoorEvent::ScheduleBegan { door, schedule } => format!("{door} stands unlocked by the schedule {schedule}"),
        DoorEvent::ScheduleEnded { door, schedule } => format!("{door} is locked again by the schedule {schedule}"),
        DoorEvent::Unlocked { door, cause, record, duration, capture_to_door } => {
            let duration =
                duration.map_or_else(|| "until it is locked".to_owned(), |lasts| format!("for {}", span(lasts)));
            let delay = capture_to_door.map_or_else(String::new, |delay| format!(", {} after the frame", span(delay)));
            format!("unlocked {door} {duration}{delay}, by {} of record {record}", cause.as_str())
        }
        DoorEvent::Locked { door, reason } => format!("locked {door}: {reason}"),
        DoorEvent::UnlockRefused { door, reason } => format!("{door} stayed locked: {reason}"),
        DoorEvent::DoorFailed { door, reason } => {
            format!("door {door} failed, and its relay may be energised: {reason}")
        }
        DoorEvent::DoorOpened { door } => format!("{door} was opened"),
        DoorEvent::DoorClosed { door, open_for } => format!("{door} was closed after {}", span(*open_for)),
        DoorEvent::HeldOpenWarning { door, open_for } => format!("{door} has been open for {}", span(*open_for)),
        DoorEvent::AlarmRaised { door, alarm } => format!("ALARM at {door}: {alarm}"),
        DoorEvent::AlarmEnded { door, alarm, lasted } => {
            format!("end of alarm at {door} after {}: {alarm}", span(*lasted))
        }
        DoorEvent::ContactChattered { door, input, changes, span, active, over } => {
            let (level, span) = (input.word(*active), self::span(*span));
            let end = if *over { ", and is quiet now" } else { "" };
            format!("the {input} of {door} changed {changes} times more within {span}; it is {level}{end}")
        }
        DoorEvent::ContactsLost { door, reason } => format!("the inputs of {door} cannot be read: {reason}"),
        DoorEvent::ContactsBack { door } => format!("the inputs of {door} can be read again"),
        DoorEvent::ReaderLost { door, reader, reason } => {
            format!("the reader of {door} ({reader}) cannot be used: {reason}")
        }
        DoorEvent::ReaderBack { door, reader } => format!("the reader of {door} ({reader}) can be used again"),
        DoorEvent::LowAssurance { door, assurance } => {
            let tiers: Vec<&str> = assurance.iter().map(|tier| tier.as_str()).collect();
            format!("{door} does not stop photographs: it asks for {}", tiers.join(" or "))
        }
    }
}

fn people(event: &PeopleEvent) -> String {
    match event {
        PeopleEvent::Enrolled { person, templates, by } => {
            format!("enrolled {person} with {templates} templates, by {by}")
        }
        PeopleEvent::Renamed { person, before, by } => format!("renamed {before} to {person}, by {by}"),
        PeopleEvent::Changed { person, what, by } => format!("changed {person}: {what}, by {by}"),
        PeopleEvent::Enabled { person, by }
        | PeopleEvent::Disabled { person, by }
        | PeopleEvent::Removed { person, by } => format!("{} {person}, by {by}", event.kind()),
        PeopleEvent::TemplatesMade { person, model, templates, record, by } => {
            let from = record.map_or_else(String::new, |record| format!(" from the visit of record {record}"));
            format!("made {templates} templates of {model} for {person}{from}, by {by}")
        }
        PeopleEvent::AttendanceAmended { person, amendment, reason, by } => {
            let change = match amendment {
                Amendment::Void { record } => format!("record {record} does not count"),
                Amendment::Add { direction, at } => format!("{} at {}", direction.as_str(), utc(*at)),
            };
            format!("amended the attendance of {person}: {change} ({reason}), by {by}")
        }
        PeopleEvent::TemplateLearned { person, record, learned, by } => {
            format!("learned a template of {person} from record {record} ({learned} learned now), by {by}")
        }
        PeopleEvent::LookalikeNoted { person, record, by } => {
            format!("the face of record {record} is not {person}, says {by}")
        }
        PeopleEvent::TemplatesForgotten { person, what, count, by } => {
            let what = match what {
                Forgotten::Learned => "learned templates",
                Forgotten::Lookalikes => "negative references",
            };
            format!("erased {count} {what} of {person}, by {by}")
        }
        PeopleEvent::TemplatesAdded { person, templates, by } => {
            format!("added {templates} templates to {person}, by {by}")
        }
        PeopleEvent::TemplateRemoved { person, template, left, by } => {
            format!("erased the template {template} of {person} ({left} left), by {by}")
        }
        PeopleEvent::Exported { person, by } => format!("exported everything that is kept of {person}, by {by}"),
        PeopleEvent::VisitorsForgotten { visits, by } => format!("erased {visits} visits of unknown visitors, by {by}"),
    }
}

fn store(event: &StoreEvent) -> String {
    match event {
        StoreEvent::Sealed { people, templates, key } => {
            format!("sealed {templates} templates of {people} people with the key {key}")
        }
        StoreEvent::TemplatesLocked { people, templates, reason } => {
            format!("ALARM: {templates} templates of {people} people cannot be opened: {reason}")
        }
        StoreEvent::StoreKeyChanged { key, by } => format!("the store's key is now {key}, by {by}"),
        StoreEvent::HeadKept {
            head,
            sha256: _,
            people,
            photographs,
            false_match_rate,
            missed_without,
            missed_behind,
            by,
        } => {
            let (behind, without) = (missed_behind * 100.0, missed_without * 100.0);
            format!(
                "keeps the site head {head}, learned from {photographs} photographs of {people} people: {behind:.2} % missed instead of \
                 {without:.2} % at a false match rate of {false_match_rate}, by {by}"
            )
        }
        StoreEvent::HeadRemoved { head: Some(head), sha256: _, by } => {
            format!("took the site head {head} off, by {by}")
        }
        StoreEvent::HeadRemoved { head: None, sha256: _, by } => {
            format!("took a site head off that could not be read, by {by}")
        }
        StoreEvent::AccountChanged { account, what, role, by } => {
            let role = role.as_deref().unwrap_or("none");
            match what {
                AccountAct::Added => format!("account {account} added as {role}, by {by}"),
                AccountAct::RoleSet => format!("account {account} is {role} now, by {by}"),
                AccountAct::PasswordSet => format!("account {account} has a new password, by {by}"),
                AccountAct::Removed => format!("account {account} removed, by {by}"),
                AccountAct::TokenAdded => format!("token {account} added as {role}, by {by}"),
                AccountAct::TokenRemoved => format!("token {account} removed, by {by}"),
            }
        }
        StoreEvent::ModelSwitchBegun { from, to, learn, shadow, after, by } => {
            let when = match after.as_deref() {
                None => "when an operator says so",
                Some("all") => "once everybody has moved",
                Some(time) => time,
            };
            let also = match (learn, shadow) {
                (false, false) => "",
                (true, false) => "; learns from visits",
                (false, true) => "; compares visits with both",
                (true, true) => "; learns from visits and compares them with both",
            };
            format!("leads the site from {from} to {to}, switching {when}{also}, by {by}")
        }
        StoreEvent::ModelSwitched { from, to, moved, left, by } => {
            let all = moved.saturating_add(*left);
            format!("faces are compared by {to} instead of {from}: of {all} people {moved} have moved, by {by}")
        }
        StoreEvent::ModelSwitchCancelled { from, to, by } => {
            format!("goes back to {from}, or stays with it, instead of {to}, by {by}")
        }
        StoreEvent::ModelSwitchFinished { kept, removed, people, templates, by } => {
            format!("erased {templates} templates of {removed} of {people} people; {kept} stays, by {by}")
        }
        StoreEvent::StoreMended { what, lost: 0 } => format!("mended the store: {what}"),
        StoreEvent::StoreMended { what, lost } => format!("ALARM: {what} ({lost} commits are lost)"),
        StoreEvent::JournalBack { lost, details, failed_for, reason } => {
            let opened = details.map(|details| details.unlocked).filter(|count| *count > 0);
            let opened = opened.map_or_else(String::new, |count| format!(", {count} of them openings of a door"));
            let span = span(*failed_for);
            format!("ALARM: the journal could not be written for {span}; {lost} events are missing{opened}: {reason}")
        }
        StoreEvent::OutboxShed { records, from, through } => {
            format!("the outbox was full: {records} records from {from} to {through} will not reach the broker")
        }
        StoreEvent::Pruned { through, hash: _, records, reason } => {
            format!("deleted {records} records up to {through}: {reason}")
        }
        StoreEvent::Erased { records, count, by } => {
            format!("erased a person from {count} records ({records}), by {by}")
        }
        StoreEvent::BackupTaken { by } => format!("took a backup of the store, by {by}"),
        StoreEvent::Restored { through, details, by } => {
            let replaced = details.as_ref().and_then(|details| details.replaced);
            let over = replaced.map_or_else(String::new, |seq| format!(" over a store up to record {seq}"));
            let doors = details.as_ref().map(|details| details.lockdown.join(", ")).unwrap_or_default();
            let locked = if doors.is_empty() { String::new() } else { format!("; locked down: {doors}") };
            format!("restored a backup up to record {through}{over}, by {by}{locked}")
        }
    }
}

fn daemon(event: &DaemonEvent) -> String {
    match event {
        DaemonEvent::Started { version, config, model } => {
            format!("started usher {version}, model {model}, configuration {config}")
        }
        DaemonEvent::Stopped { reason } => format!("stopped: {reason}"),
        DaemonEvent::StageFailed { stage, reason } => format!("stage {stage} failed: {reason}"),
        DaemonEvent::ClockJumped { milliseconds } => {
            let way = if *milliseconds < 0 { "back" } else { "forward" };
            format!("the clock was set {way} by {}", span(Duration::from_millis(milliseconds.unsigned_abs())))
        }
        DaemonEvent::TimeQualityChanged { quality } => match quality {
            TimeQuality::Unset => "the time is not known: the clock is not set".to_owned(),
            TimeQuality::Wrong => "the time is not known: the clock is behind earlier records".to_owned(),
            TimeQuality::Plausible | TimeQuality::Synchronised => {
                format!("the time is known again ({})", quality.as_str())
            }
        },
        DaemonEvent::SiteRules { site, version, outcome, reason, by } => match outcome {
            RulesOutcome::Followed => format!("the doors go by rules {version} of {site}, pushed by {by}"),
            RulesOutcome::Ended => {
                format!(
                    "the doors go by this board's own rules again: {by} cleared those of {site} (version {version})"
                )
            }
            RulesOutcome::Refused => {
                let why = reason.as_deref().unwrap_or("no reason is recorded");
                format!("this board cannot go by rules {version} of {site}, pushed by {by}: {why}")
            }
        },
        DaemonEvent::ClockTrusted { by } => format!("the clock is right, says {by}"),
        DaemonEvent::CameraLost { camera, reason } => format!("lost camera {camera}: {reason}"),
        DaemonEvent::CameraBack { camera, lost_for } => format!("camera {camera} is back after {}", span(*lost_for)),
        DaemonEvent::CameraChanged { camera, before, now } => {
            format!("camera {camera} is another device: {now}; before, it was {before}")
        }
        DaemonEvent::CameraTurned { camera, rotation, by } => {
            format!("{by} turned the picture of camera {camera}: by {rotation} from the next start on")
        }
        DaemonEvent::HubMessageRefused { topic, bytes, reason } => {
            format!("the broker refuses {topic} ({bytes} bytes): {reason}")
        }
    }
}

fn local_time(at: SystemTime, zone: &TimeZone, format: &str) -> String {
    Timestamp::try_from(at)
        .map_or_else(|_| "?".to_owned(), |at| at.to_zoned_datetime(zone.clone()).strftime(format).to_string())
}

/// RFC 3339 in UTC.
fn utc(at: SystemTime) -> String {
    Timestamp::try_from(at).map_or_else(|_| "?".to_owned(), |at| at.to_string())
}

/// Below ten seconds in milliseconds, else in seconds.
fn span(span: Duration) -> String {
    if span.as_millis() < 10_000 { format!("{} ms", span.as_millis()) } else { format!("{} s", span.as_secs()) }
}

/// A person by name and number.
fn numbered(person: &Personal<Named>) -> String {
    match person {
        Personal::Known(named) => format!("{named} ({})", named.id),
        Personal::Erased => person.to_string(),
    }
}

/// A field's value; a text without its quotes.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
