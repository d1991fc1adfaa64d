//! A record in words: one line for a list, a receipt for a single one.
//!
//! Knows nothing of where the record came from. A field that is missing, as in a record of a later version, is left out. Control
//! characters, which could break the line or command the terminal, are shown as escapes.

use std::borrow::Cow;
use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::Record;
use super::record::hex;

/// One line in local time, without a line break:
/// `10:32:07 granted Barack Obama at front: distance 0.62, runner-up Joe Biden 1.21, 3 of 5 frames, 214 ms`.
pub fn explain(record: &Record) -> String {
    explain_in(record, &TimeZone::system())
}

/// As [`explain`], in the given time zone.
pub fn explain_in(record: &Record, zone: &TimeZone) -> String {
    format!("{} {}", local(record, zone, "%H:%M:%S"), plain(&happened(record)))
}

/// All there is to know of a record, over several lines in local time: for a decision what it rests on and every gate, for
/// anything else the content; then the hashes.
pub fn receipt(record: &Record) -> String {
    receipt_in(record, &TimeZone::system())
}

/// As [`receipt`], in the given time zone.
pub fn receipt_in(record: &Record, zone: &TimeZone) -> String {
    let content = &record.content;
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{:<10}{}", plain(name), plain(text));
    };
    line("record", &format!("{}  {}", record.seq, record.id));
    line("time", &format!("{}{}", local(record, zone, "%Y-%m-%d %H:%M:%S%.3f %:z"), doubt(record)));
    line("event", &happened(record));
    if content.get("verdict").is_some() {
        let camera = word(content, "camera").unwrap_or("?");
        line("seen by", &format!("{camera}, track {}, frame {}", content["track"], content["frame"]));
        line("nearest", &nearest(content).unwrap_or_else(|| "nobody".to_owned()));
        for (n, gate) in content["gates"].as_array().into_iter().flatten().enumerate() {
            let passed = if gate["passed"] == true { "passed" } else { "failed" };
            let text = |name| word(gate, name).unwrap_or("?");
            let gate = format!("{passed}  {:<10} {} ({})", text("name"), text("input"), text("limit"));
            line(if n == 0 { "gates" } else { "" }, &gate);
        }
    } else if let Some(fields) = content.as_object() {
        for (name, value) in fields {
            line(&format!("{name} "), &shown(value));
        }
    }
    if record.erased {
        line("erased", "a person was erased from this record");
    }
    line("previous", &hex(&record.previous));
    line("hash", &hex(&record.hash));
    out
}

fn local(record: &Record, zone: &TimeZone, format: &str) -> String {
    match Timestamp::try_from(record.at) {
        Ok(at) => at.to_zoned_datetime(zone.clone()).strftime(format).to_string(),
        Err(_) => record.time(),
    }
}

/// Without control characters: `\n` or `\u{1b}` stands in the place of each.
fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c.is_control() {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// What to think of the time, when it is not certain.
fn doubt(record: &Record) -> &'static str {
    match record.synchronised {
        Some(true) => "",
        Some(false) => " (the clock was not set)",
        None => " (whether the clock was set is not known)",
    }
}

/// The event without its time.
fn happened(record: &Record) -> String {
    let content = &record.content;
    let text = |name| word(content, name).unwrap_or("?");
    let span = |name| content.get(name).and_then(Value::as_u64).map_or_else(|| "?".to_owned(), span);
    let person = || person(&content["person"]);
    match record.kind.as_str() {
        "started" => {
            format!("started usher {}, model {}, configuration {}", text("version"), text("model"), text("config"))
        }
        "stopped" => format!("stopped: {}", text("reason")),
        "granted" => format!("granted {} at {}: {}", person(), text("door"), evidence(content, "distance ")),
        "denied" => {
            let nearest = format!("nearest {} ", person());
            format!("denied at {} ({}): {}", text("door"), text("reason"), evidence(content, &nearest))
        }
        "denials_repeated" => {
            let who = match content["person"].is_null() {
                true => format!("{} faces", content["faces"]),
                false => person(),
            };
            format!(
                "denied at {} ({}) {} times more within {}: {who}, seen by {}",
                text("door"),
                text("reason"),
                content["count"],
                span("span_ms"),
                text("camera")
            )
        }
        "passed" => {
            let way = word(content, "direction").map_or_else(String::new, |way| format!(" ({way})"));
            let zone = word(content, "zone").map_or_else(String::new, |zone| format!(", now in {zone}"));
            format!("{} passed {}{way}{zone}, by record {}", person(), text("door"), content["record"])
        }
        "exit_requested" => match word(content, "refused") {
            None => format!("exit button at {}", text("door")),
            Some(why) => format!("exit button at {}, refused: {why}", text("door")),
        },
        "operator_unlocked" => format!("{} unlocks {} for {}", text("by"), text("door"), span("duration_ms")),
        "operator_locked" => format!("{} locks {}", text("by"), text("door")),
        "mode_set" => {
            let group = word(content, "group").map_or_else(String::new, |group| format!(" but for {group}"));
            format!("{} sets {} to {}{group}", text("by"), text("door"), text("mode"))
        }
        "command_refused" => {
            format!("refused {} of {} at {}: {}", text("command"), text("by"), text("door"), text("reason"))
        }
        "schedule_began" => format!("{} stands unlocked by the schedule {}", text("door"), text("schedule")),
        "schedule_ended" => format!("{} is locked again by the schedule {}", text("door"), text("schedule")),
        "unlocked" => {
            let duration = content["duration_ms"]
                .as_u64()
                .map_or_else(|| "until told otherwise".into(), |ms| format!("for {}", self::span(ms)));
            let delay = content["capture_to_door_ms"]
                .as_u64()
                .map_or_else(String::new, |ms| format!(", {} after the frame", self::span(ms)));
            format!("unlocked {} {duration}{delay}, by {} of record {}", text("door"), text("cause"), content["record"])
        }
        "locked" => format!("locked {}: {}", text("door"), text("reason")),
        "unlock_refused" => format!("{} stayed locked: {}", text("door"), text("reason")),
        "door_failed" => format!("door {} failed, and its relay may be energised: {}", text("door"), text("reason")),
        "door_opened" => format!("{} was opened", text("door")),
        "door_closed" => format!("{} was closed after {}", text("door"), span("open_for_ms")),
        "held_open_warning" => format!("{} has been open for {}", text("door"), span("open_for_ms")),
        "alarm_raised" => format!("ALARM at {}: {}", text("door"), alarm(text("alarm"))),
        "alarm_ended" => {
            format!("end of alarm at {} after {}: {}", text("door"), span("lasted_ms"), alarm(text("alarm")))
        }
        "contact_chattered" => {
            let (input, active) = (text("input"), content["active"] == true);
            let end = if content["over"] == true { ", and is quiet now" } else { "" };
            format!(
                "the {} of {} changed {} times more within {}; it is {}{end}",
                contact(input),
                text("door"),
                content["changes"],
                span("span_ms"),
                level(input, active)
            )
        }
        "contacts_lost" => format!("the inputs of {} cannot be read: {}", text("door"), text("reason")),
        "contacts_back" => format!("the inputs of {} can be read again", text("door")),
        "amnesty" => match content["person"].is_null() {
            true => format!("{} forgets where everybody is", text("by")),
            false => format!("{} forgets where {} is", text("by"), person()),
        },
        "cut_moved" => {
            let number = |name: &str| content[name].as_f64().unwrap_or(f64::NAN);
            let beyond = if content["extrapolated"] == true { ", beyond what was measured" } else { "" };
            // Records of usher 0.1.0 have no templates.
            let with = content["templates"].as_u64().map_or_else(String::new, |n| format!(" with {n} templates"));
            format!(
                "near enough is now {:.4} instead of {:.4}: {} people{with}, {} strangers in 1000 let in by mistake{beyond}",
                number("after"),
                number("before"),
                content["people"],
                number("false_identification_rate") * 1000.0
            )
        }
        "clock_jumped" => match content["milliseconds"].as_i64() {
            Some(ms) if ms < 0 => format!("the clock was set back by {}", self::span(ms.unsigned_abs())),
            Some(ms) => format!("the clock was set forward by {}", self::span(ms.unsigned_abs())),
            None => "the clock was set".to_owned(),
        },
        "time_quality" => match text("quality") {
            "unset" => "the time is not known: the clock is not set".to_owned(),
            "wrong" => "the time is not known: the clock is behind earlier records".to_owned(),
            quality => format!("the time is known again ({quality})"),
        },
        "clock_trusted" => format!("the clock is right, says {}", text("by")),
        "camera_lost" => format!("lost camera {}: {}", text("camera"), text("reason")),
        "camera_back" => format!("camera {} is back after {}", text("camera"), span("lost_for_ms")),
        "camera_changed" => {
            format!("camera {} is another device: {}; before, it was {}", text("camera"), text("now"), text("before"))
        }
        "stage_failed" => format!("stage {} failed: {}", text("stage"), text("reason")),
        "enrolled" => format!("enrolled {} with {} templates, by {}", person(), content["templates"], text("by")),
        "renamed" => format!("renamed {} to {}, by {}", text("before"), person(), text("by")),
        "changed" => format!("changed {}: {}, by {}", person(), text("what"), text("by")),
        "enabled" | "disabled" | "removed" => format!("{} {}, by {}", record.kind, person(), text("by")),
        "attendance_amended" => {
            let change = match content["void"].as_u64() {
                Some(record) => format!("record {record} does not count"),
                None => {
                    let add = &content["add"];
                    format!("{} at {}", word(add, "direction").unwrap_or("?"), word(add, "at").unwrap_or("?"))
                }
            };
            format!("amended the attendance of {}: {change} ({}), by {}", person(), text("reason"), text("by"))
        }
        "visitors_forgotten" => format!("erased {} visits of unknown visitors, by {}", content["visits"], text("by")),
        "sealed" => {
            format!(
                "sealed {} templates of {} people with the key {}",
                content["templates"],
                content["people"],
                text("key")
            )
        }
        "templates_locked" => format!(
            "ALARM: {} templates of {} people cannot be opened: {}",
            content["templates"],
            content["people"],
            text("reason")
        ),
        "store_key_changed" => format!("the store's key is now {}, by {}", text("key"), text("by")),
        "head_kept" => {
            let percent =
                |name: &str| content[name].as_f64().map_or("?".to_owned(), |share| format!("{:.2}", share * 100.0));
            format!(
                "keeps the site head {}, learned from {} photographs of {} people: {} % missed instead of {} % at a false match rate of {}, by {}",
                text("head"),
                content["photographs"],
                content["people"],
                percent("missed_behind"),
                percent("missed_without"),
                content["false_match_rate"],
                text("by")
            )
        }
        "head_removed" => match word(content, "head") {
            Some(head) => format!("took the site head {head} off, by {}", text("by")),
            None => format!("took a site head off that could not be read, by {}", text("by")),
        },
        "store_mended" => match content["lost"].as_u64() {
            Some(lost) if lost > 0 => format!("ALARM: {} ({lost} commits are lost)", text("what")),
            _ => format!("mended the store: {}", text("what")),
        },
        "journal_back" => {
            let opened = content["unlocked"].as_u64().filter(|count| *count > 0);
            let opened = opened.map(|count| format!(", {count} of them openings of a door")).unwrap_or_default();
            let (lost, reason) = (&content["lost"], text("reason"));
            format!(
                "ALARM: the journal could not be written for {}; {lost} events are missing{opened}: {reason}",
                span("failed_for_ms")
            )
        }
        "outbox_shed" => format!(
            "the outbox was full: {} records from {} to {} will not reach the broker",
            content["records"], content["from"], content["through"]
        ),
        "hub_message_refused" => {
            format!("the broker refuses {} ({} bytes): {}", text("topic"), content["bytes"], text("reason"))
        }
        "pruned" => {
            format!("deleted {} records up to {}: {}", content["records"], content["through"], text("reason"))
        }
        "erased" => {
            format!("erased a person from {} records ({}), by {}", content["count"], text("records"), text("by"))
        }
        "restored" => {
            let over =
                content["replaced"].as_u64().map(|seq| format!(" over a store up to record {seq}")).unwrap_or_default();
            let doors: Vec<&str> =
                content["lockdown"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let locked = if doors.is_empty() { String::new() } else { format!("; locked down: {}", doors.join(", ")) };
            format!("restored a backup up to record {}{over}, by {}{locked}", content["through"], text("by"))
        }
        unknown => format!("{unknown} {content}"),
    }
}

/// `distance 0.62, runner-up Joe Biden 1.21, 3 of 5 frames, 214 ms`.
fn evidence(content: &Value, before_distance: &str) -> String {
    let mut parts = Vec::new();
    if let Some(distance) = content["distance"].as_f64() {
        parts.push(format!("{before_distance}{distance:.2}"));
    } else if content["person"].is_null() {
        parts.push("nobody to compare with".to_owned());
    }
    parts.extend(runner_up(content));
    let frames = &content["frames"];
    if let (Some(agree), Some(of)) = (frames["agree"].as_u64(), frames["of"].as_u64()) {
        parts.push(format!("{agree} of {of} frames"));
    }
    parts.extend(content["capture_to_verdict_ms"].as_u64().map(|ms| format!("{ms} ms")));
    parts.join(", ")
}

/// `Barack Obama 0.62, runner-up Joe Biden 1.21`; `None` in an empty gallery.
fn nearest(content: &Value) -> Option<String> {
    let distance = content["distance"].as_f64()?;
    let nearest = format!("{} {distance:.2}", person(&content["person"]));
    Some([nearest].into_iter().chain(runner_up(content)).collect::<Vec<_>>().join(", "))
}

fn runner_up(content: &Value) -> Option<String> {
    let runner_up = &content["runner_up"];
    let distance = runner_up["distance"].as_f64()?;
    Some(format!("runner-up {} {distance:.2}", person(runner_up)))
}

/// An alarm in words; one of a later version as it stands.
fn alarm(word: &str) -> &str {
    match word {
        "forced_open" => "opened while locked",
        "held_open" => "open for too long",
        "tamper" => "its housing was opened",
        other => other,
    }
}

/// An input in words.
fn contact(word: &str) -> &str {
    match word {
        "sensor" => "door sensor",
        "exit_button" => "exit button",
        "tamper" => "tamper contact",
        other => other,
    }
}

fn level(input: &str, active: bool) -> &'static str {
    match (input, active) {
        ("exit_button", true) => "pressed",
        ("exit_button", false) => "released",
        (_, true) => "open",
        (_, false) => "closed",
    }
}

/// The name, or the number when there is no name.
fn person(person: &Value) -> String {
    match (word(person, "name"), person["id"].as_u64()) {
        _ if person["erased"] == true => "somebody (erased)".to_owned(),
        (Some(name), _) => name.to_owned(),
        (None, Some(id)) => format!("person {id}"),
        (None, None) => "nobody".to_owned(),
    }
}

fn word<'a>(content: &'a Value, name: &str) -> Option<&'a str> {
    content.get(name).and_then(Value::as_str)
}

/// Below ten seconds in milliseconds, else in seconds.
fn span(ms: u64) -> String {
    if ms < 10_000 { format!("{ms} ms") } else { format!("{} s", ms / 1000) }
}

/// A field's value; a text without its quotes, a person by name and number.
fn shown(value: &Value) -> String {
    match (value, value.get("id").and_then(Value::as_u64)) {
        (Value::String(text), _) => text.clone(),
        (_, Some(id)) => format!("{} ({id})", person(value)),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
