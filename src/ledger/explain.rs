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
mod tests {
    use std::time::{Duration, SystemTime};

    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::Event;
    use crate::ledger::content::{of, tests::one_of_each};

    fn record(kind: &str, content: Value) -> Record {
        Record {
            seq: 12,
            id: Uuid::from_u128(0x019b7e3c_1153_7a10_8b1e_4c0ffee00001),
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_349_927_123),
            offset_s: 3600,
            since_boot: Duration::from_secs(60),
            boot: Uuid::nil(),
            synchronised: Some(true),
            erased: false,
            kind: kind.to_owned(),
            content,
            previous: [1; 32],
            hash: [2; 32],
        }
    }

    #[test]
    fn control_characters_break_no_line_and_reach_no_terminal() {
        let record = record("locked\u{85}", json!({ "door\r": "fr\nont", "reason": "\u{1b}[2J\u{9b}2J" }));
        assert!(explain(&record).contains("locked\\u{85}"));
        assert!(!explain(&record).contains(char::is_control));
        let receipt = receipt(&record);
        assert!(receipt.contains("door\\r    fr\\nont\n") && receipt.contains("\\u{1b}[2J\\u{9b}2J\n"), "{receipt}");
        assert!(!receipt.contains(|c: char| c.is_control() && c != '\n'));
        let record = self::record("locked", json!({ "door": "front", "reason": "one\ntwo" }));
        assert!(explain(&record).ends_with("locked front: one\\ntwo"));
    }

    #[test]
    fn every_kind_has_its_line() {
        let lines: Vec<String> = one_of_each()
            .iter()
            .map(|event| {
                let (kind, content) = of(event);
                explain_in(&record(kind, content), &TimeZone::UTC)
            })
            .collect();
        let expected = [
            "10:32:07 started usher 0.1.0, model net-1, configuration 5f3a",
            "10:32:07 stopped: because",
            "10:32:07 granted Barack Obama at front: distance 0.62, runner-up Joe Biden 1.21, 3 of 5 frames, 214 ms",
            "10:32:07 denied at front (unknown): nobody to compare with, 3 of 5 frames, 214 ms",
            "10:32:07 denied at front (disabled) 9 times more within 60 s: Barack Obama, seen by porch",
            "10:32:07 Barack Obama passed front (in), now in office, by record 3",
            "10:32:07 exit button at front",
            "10:32:07 anna unlocks front for 5000 ms",
            "10:32:07 anna locks front",
            "10:32:07 anna sets front to lockdown but for guards",
            "10:32:07 refused unlock of mqtt/anna at front: because",
            "10:32:07 front stands unlocked by the schedule office",
            "10:32:07 front is locked again by the schedule office",
            "10:32:07 unlocked front for 3000 ms, 232 ms after the frame, by grant of record 3",
            "10:32:07 locked front: because",
            "10:32:07 front stayed locked: because",
            "10:32:07 door front failed, and its relay may be energised: because",
            "10:32:07 front was opened",
            "10:32:07 front was closed after 4000 ms",
            "10:32:07 front has been open for 20 s",
            "10:32:07 ALARM at front: opened while locked",
            "10:32:07 end of alarm at front after 60 s: opened while locked",
            "10:32:07 the door sensor of front changed 148 times more within 60 s; it is open",
            "10:32:07 the inputs of front cannot be read: because",
            "10:32:07 the inputs of front can be read again",
            "10:32:07 anna forgets where Barack Obama is",
            "10:32:07 near enough is now 1.0100 instead of 1.0200: 12 people with 60 templates, 3 strangers in 1000 let in by mistake",
            "10:32:07 the clock was set back by 3600 s",
            "10:32:07 the time is not known: the clock is behind earlier records",
            "10:32:07 the clock is right, says anna",
            "10:32:07 lost camera porch: because",
            "10:32:07 camera porch is back after 90 s",
            "10:32:07 camera porch is another device: Webcam B @ usb-2; before, it was Webcam A @ usb-1",
            "10:32:07 stage vision failed: because",
            "10:32:07 enrolled Barack Obama with 5 templates, by anna",
            "10:32:07 renamed B. Obama to Barack Obama, by anna",
            "10:32:07 changed Barack Obama: groups staff, guards, by anna",
            "10:32:07 enabled Barack Obama, by anna",
            "10:32:07 disabled Barack Obama, by anna",
            "10:32:07 removed Barack Obama, by anna",
            "10:32:07 amended the attendance of Barack Obama: out at 2026-01-02T10:32:07Z (because), by anna",
            "10:32:07 erased 12 visits of unknown visitors, by anna",
            "10:32:07 sealed 40 templates of 12 people with the key 5f3a91c2d0e4b718",
            "10:32:07 ALARM: 5 templates of 1 people cannot be opened: because",
            "10:32:07 the store's key is now 5f3a91c2d0e4b718, by anna",
            "10:32:07 keeps the site head net-1+1a2b3c4d, learned from 310 photographs of 60 people: 39.60 % missed instead of 50.40 % at a \
             false match rate of 0.001, by anna",
            "10:32:07 took the site head net-1+1a2b3c4d off, by anna",
            "10:32:07 mended the store: the second copy was missing",
            "10:32:07 ALARM: the journal could not be written for 90 s; 3 events are missing, 1 of them openings of a door: because",
            "10:32:07 the outbox was full: 1000 records from 12 to 1043 will not reach the broker",
            "10:32:07 the broker refuses usher/d/event/granted (4000 bytes): because",
            "10:32:07 deleted 7000 records up to 7000: because",
            "10:32:07 erased a person from 4 records (3-5,9), by anna",
            "10:32:07 restored a backup up to record 7000 over a store up to record 7310, by anna; locked down: front",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_hour_is_local() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let line = explain_in(&record("stopped", json!({ "reason": "asked to" })), &zone);
        assert_eq!(line, "12:32:07 stopped: asked to");
    }

    #[test]
    fn a_denial_names_the_nearest() {
        let (_, mut content) = of(&one_of_each()[2]);
        content["reason"] = "ambiguous".into();
        let line = explain_in(&record("denied", content), &TimeZone::UTC);
        let expected = "10:32:07 denied at front (ambiguous): nearest Barack Obama 0.62, runner-up Joe Biden 1.21, \
                        3 of 5 frames, 214 ms";
        assert_eq!(line, expected);
    }

    #[test]
    fn an_unknown_kind_or_content_is_still_shown() {
        assert_eq!(explain_in(&record("sneezed", json!({ "at": 3 })), &TimeZone::UTC), r#"10:32:07 sneezed {"at":3}"#);
        for event in one_of_each() {
            for content in [Value::Null, json!([]), json!({ "person": 3, "gates": 4, "frames": [], "verdict": 1 })] {
                let record = record(of(&event).0, content);
                assert!(explain_in(&record, &TimeZone::UTC).starts_with("10:32:07 "));
                assert!(receipt_in(&record, &TimeZone::UTC).starts_with("record    12"));
            }
        }
    }

    #[test]
    fn a_receipt_shows_every_gate() {
        let (kind, content) = of(&one_of_each()[2]);
        let expected = "\
record    12  019b7e3c-1153-7a10-8b1e-4c0ffee00001
time      2026-01-02 10:32:07.123 +00:00
event     granted Barack Obama at front: distance 0.62, runner-up Joe Biden 1.21, 3 of 5 frames, 214 ms
seen by   porch, track 4, frame 918
nearest   Barack Obama 0.62, runner-up Joe Biden 1.21
gates     passed  distance   0.62 (at most 0.90)
          passed  margin     0.59 (at least 0.10)
previous  0101010101010101010101010101010101010101010101010101010101010101
hash      0202020202020202020202020202020202020202020202020202020202020202
";
        assert_eq!(receipt_in(&record(kind, content), &TimeZone::UTC), expected);
    }

    #[test]
    fn a_receipt_of_anything_else_shows_its_fields() {
        let enrolled = one_of_each().into_iter().find(|event| matches!(event, Event::Enrolled { .. })).unwrap();
        let (kind, content) = of(&enrolled);
        let receipt = receipt_in(&record(kind, content), &TimeZone::UTC);
        for line in ["by        anna\n", "person    Barack Obama (7)\n", "templates 5\n"] {
            assert!(receipt.contains(line), "{receipt}");
        }
    }
}
