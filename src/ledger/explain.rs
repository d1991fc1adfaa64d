//! A record in words: one line for a list, a receipt for a single one.
//!
//! Knows nothing of where the record came from. A field that is missing, as in a record of a later version, is left out.

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
    format!("{} {}", local(record, zone, "%H:%M:%S"), happened(record))
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
        let _ = writeln!(out, "{name:<10}{text}");
    };
    line("record", &format!("{}  {}", record.seq, record.id));
    line("time", &local(record, zone, "%Y-%m-%d %H:%M:%S%.3f %:z"));
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
        "door_opened" => {
            let (duration, delay) = (span("duration_ms"), span("capture_to_door_ms"));
            format!("opened {} for {duration}, {delay} after the frame, for record {}", text("door"), content["cause"])
        }
        "door_closed" => format!("closed {}: {}", text("door"), text("reason")),
        "door_failed" => format!("door {} failed: {}", text("door"), text("reason")),
        "camera_lost" => format!("lost camera {}: {}", text("camera"), text("reason")),
        "camera_back" => format!("camera {} is back after {}", text("camera"), span("lost_for_ms")),
        "stage_failed" => format!("stage {} failed: {}", text("stage"), text("reason")),
        "enrolled" => format!("enrolled {} with {} templates, by {}", person(), content["templates"], text("by")),
        "renamed" => format!("renamed {} to {}, by {}", text("before"), person(), text("by")),
        "enabled" | "disabled" | "removed" => format!("{} {}, by {}", record.kind, person(), text("by")),
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

/// The name, or the number when there is no name.
fn person(person: &Value) -> String {
    match (word(person, "name"), person["id"].as_u64()) {
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
    use crate::ledger::content::{of, tests::one_of_each};

    fn record(kind: &str, content: Value) -> Record {
        Record {
            seq: 12,
            id: Uuid::from_u128(0x019b7e3c_1153_7a10_8b1e_4c0ffee00001),
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_349_927_123),
            monotonic: Duration::from_secs(60),
            kind: kind.to_owned(),
            content,
            previous: [1; 32],
            hash: [2; 32],
        }
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
            "10:32:07 opened front for 3000 ms, 232 ms after the frame, for record 3",
            "10:32:07 closed front: because",
            "10:32:07 door front failed: because",
            "10:32:07 lost camera porch: because",
            "10:32:07 camera porch is back after 90 s",
            "10:32:07 stage vision failed: because",
            "10:32:07 enrolled Barack Obama with 5 templates, by anna",
            "10:32:07 renamed B. Obama to Barack Obama, by anna",
            "10:32:07 enabled Barack Obama, by anna",
            "10:32:07 disabled Barack Obama, by anna",
            "10:32:07 removed Barack Obama, by anna",
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
        let (kind, content) = of(&one_of_each()[10]);
        let receipt = receipt_in(&record(kind, content), &TimeZone::UTC);
        for line in ["by        anna\n", "person    Barack Obama (7)\n", "templates 5\n"] {
            assert!(receipt.contains(line), "{receipt}");
        }
    }
}
