//! What each kind of record says, and receipts of decisions.

use std::time::{Duration, SystemTime};

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::domain::samples::{decided, near, one_of_each};
use crate::domain::{PersonId, Reason, Verdict};

fn record_of(event: &Event) -> Record {
    record(event.kind(), event.to_json())
}

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
        content: Content::from_json(kind, content),
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
    let lines: Vec<String> = one_of_each().iter().map(|event| explain_in(&record_of(event), &TimeZone::UTC)).collect();
    let expected = [
        "10:32:07 started usher 0.1.0, model net-1, configuration 5f3a",
        "10:32:07 stopped: because",
        "10:32:07 granted Barack Obama at front: distance 0.62, runner-up Joe Biden 1.21, 3 of 5 frames, 214 ms",
        "10:32:07 denied at front (unknown): nobody to compare with, 3 of 5 frames, 214 ms",
        "10:32:07 denied at front (disabled) 9 times more within 60 s: Barack Obama, seen by porch",
        "10:32:07 Barack Obama passed front (in), now in office, by record 3",
        "10:32:07 anna admits Barack Obama at front (in): because",
        "10:32:07 Barack Obama entered the PIN at front",
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
        "10:32:07 the reader of front (usb) cannot be used: because",
        "10:32:07 the reader of front (usb) can be used again",
        "10:32:07 front does not stop photographs: it asks for passive or face+pin",
        "10:32:07 anna forgets where Barack Obama is",
        "10:32:07 near enough is now 1.0100 instead of 1.0200: 12 people with 60 templates, 3 strangers in 1000 let in by mistake",
        "10:32:07 the clock was set back by 3600 s",
        "10:32:07 the time is not known: the clock is behind earlier records",
        "10:32:07 the clock is right, says anna",
        "10:32:07 lost camera porch: because",
        "10:32:07 camera porch is back after 90 s",
        "10:32:07 camera porch is another device: Webcam B @ usb-2; before, it was Webcam A @ usb-1",
        "10:32:07 anna turned the picture of camera porch: by 90° from the next start on",
        "10:32:07 stage vision failed: because",
        "10:32:07 enrolled Barack Obama with 5 templates, by anna",
        "10:32:07 renamed B. Obama to Barack Obama, by anna",
        "10:32:07 changed Barack Obama: groups staff, guards, by anna",
        "10:32:07 enabled Barack Obama, by anna",
        "10:32:07 disabled Barack Obama, by anna",
        "10:32:07 removed Barack Obama, by anna",
        "10:32:07 made 3 templates of net-2 for Barack Obama from the visit of record 12, by usher, from a visit",
        "10:32:07 amended the attendance of Barack Obama: out at 2026-01-02T10:32:07Z (because), by anna",
        "10:32:07 learned a template of Barack Obama from record 4711 (2 learned now), by usher, from a grant",
        "10:32:07 the face of record 4711 is not Barack Obama, says anna",
        "10:32:07 erased 2 learned templates of Barack Obama, by anna",
        "10:32:07 added 2 templates to Barack Obama, by anna",
        "10:32:07 erased the template learned-1 of Barack Obama (4 left), by anna",
        "10:32:07 exported everything that is kept of Barack Obama, by anna",
        "10:32:07 erased 12 visits of unknown visitors, by anna",
        "10:32:07 sealed 40 templates of 12 people with the key 5f3a91c2d0e4b718",
        "10:32:07 ALARM: 5 templates of 1 people cannot be opened: because",
        "10:32:07 the store's key is now 5f3a91c2d0e4b718, by anna",
        "10:32:07 keeps the site head net-1+1a2b3c4d, learned from 310 photographs of 60 people: 39.60 % missed instead of 50.40 % at a \
             false match rate of 0.001, by anna",
        "10:32:07 took the site head net-1+1a2b3c4d off, by anna",
        "10:32:07 account otto added as operator, by web/anna",
        "10:32:07 leads the site from net-1 to net-2, switching once everybody has moved; learns from visits, by anna",
        "10:32:07 faces are compared by net-2 instead of net-1: of 12 people 11 have moved, by usher, at its start",
        "10:32:07 goes back to net-1, or stays with it, instead of net-2, by anna",
        "10:32:07 erased 40 templates of net-1 of 12 people; net-2 stays, by anna",
        "10:32:07 mended the store: the second copy was missing",
        "10:32:07 ALARM: the journal could not be written for 90 s; 3 events are missing, 1 of them openings of a door: because",
        "10:32:07 the outbox was full: 1000 records from 12 to 1043 will not reach the broker",
        "10:32:07 took a backup of the store, by anna",
        "10:32:07 the broker refuses usher/d/event/granted (4000 bytes): because",
        "10:32:07 deleted 7000 records up to 7000: because",
        "10:32:07 erased a person from 4 records (3-5,9), by anna",
        "10:32:07 restored a backup up to record 7000 over a store up to record 7310, by anna; locked down: front",
        "10:32:07 the doors go by rules 7 of berlin, pushed by fleet/anna",
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
    let denied = decided(Verdict::Deny { reason: Reason::Ambiguous }, Some(near()));
    let line = explain_in(&record_of(&denied), &TimeZone::UTC);
    let expected = "10:32:07 denied at front (ambiguous): nearest Barack Obama 0.62, runner-up Joe Biden 1.21, \
                        3 of 5 frames, 214 ms";
    assert_eq!(line, expected);
}

#[test]
fn an_unknown_kind_or_content_is_still_shown() {
    assert_eq!(explain_in(&record("sneezed", json!({ "at": 3 })), &TimeZone::UTC), r#"10:32:07 sneezed {"at":3}"#);
    for event in one_of_each() {
        for content in [Value::Null, json!([]), json!({ "person": 3, "gates": 4, "frames": [], "verdict": 1 })] {
            let record = record(event.kind(), content);
            assert!(explain_in(&record, &TimeZone::UTC).starts_with("10:32:07 "));
            assert!(receipt_in(&record, &TimeZone::UTC).starts_with("record    12"));
        }
    }
}

#[test]
fn a_receipt_shows_every_gate() {
    let granted = decided(Verdict::Grant { person: PersonId(7) }, Some(near()));
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
    assert_eq!(receipt_in(&record_of(&granted), &TimeZone::UTC), expected);
}

#[test]
fn a_receipt_of_anything_else_shows_its_fields() {
    let enrolled = one_of_each().into_iter().find(|event| event.kind() == "enrolled").unwrap();
    let receipt = receipt_in(&record_of(&enrolled), &TimeZone::UTC);
    for line in ["by        anna\n", "person    Barack Obama (7)\n", "templates 5\n"] {
        assert!(receipt.contains(line), "{receipt}");
    }
}
