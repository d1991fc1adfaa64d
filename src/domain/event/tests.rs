//! Each event's JSON, and what reading gives back.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::samples::{arbitrary, decided, near, one_of_each};
use super::*;
use crate::domain::{Distance, Match, PersonId, Reason, Verdict};

const SUBJECTS: [&[&str]; 5] =
    [AccessEvent::KINDS, DoorEvent::KINDS, PeopleEvent::KINDS, StoreEvent::KINDS, DaemonEvent::KINDS];

fn content(wanted: &str) -> Value {
    one_of_each().iter().find(|event| event.kind() == wanted).unwrap().to_json()
}

#[test]
fn every_event_has_a_kind_of_its_own() {
    let kinds: Vec<_> = one_of_each().iter().map(Event::kind).collect();
    let expected = "started stopped granted denied denials_repeated passed admitted pin_entered exit_requested operator_unlocked operator_locked mode_set \
                    command_refused schedule_began schedule_ended unlocked locked unlock_refused door_failed door_opened door_closed \
                    held_open_warning alarm_raised alarm_ended contact_chattered contacts_lost contacts_back reader_lost reader_back low_assurance amnesty cut_moved \
                    clock_jumped time_quality clock_trusted camera_lost camera_back camera_changed camera_turned stage_failed enrolled renamed changed enabled disabled \
                    removed templates_made attendance_amended template_learned lookalike_noted templates_forgotten templates_added template_removed exported visitors_forgotten sealed templates_locked store_key_changed head_kept head_removed account_changed model_switch_begun model_switched model_switch_cancelled model_switch_finished store_mended journal_back outbox_shed backup_taken hub_message_refused pruned erased \
                    restored site_rules";
    assert_eq!(kinds.join(" "), expected);
    let all: BTreeSet<&str> = SUBJECTS.iter().flat_map(|kinds| kinds.iter().copied()).collect();
    assert_eq!(all.len(), SUBJECTS.iter().map(|kinds| kinds.len()).sum::<usize>(), "no kind is of two subjects");
    assert_eq!(all, kinds.iter().copied().collect(), "the samples have every kind");
}

#[test]
fn random_events_are_of_every_kind() {
    let mut runner = TestRunner::deterministic();
    let strategy = arbitrary();
    let made: BTreeSet<&str> = (0..10_000).map(|_| strategy.new_tree(&mut runner).unwrap().current().kind()).collect();
    let all: BTreeSet<&str> = SUBJECTS.iter().flat_map(|kinds| kinds.iter().copied()).collect();
    assert_eq!(made, all, "samples::arbitrary makes every kind");
}

#[test]
fn every_sample_is_read_back() {
    for event in one_of_each() {
        let content = Content::from(&event);
        assert!(content.event().is_some_and(|read| read.kind() == event.kind()), "{content:?}");
        assert_eq!(content.to_json(), event.to_json());
    }
}

#[test]
fn a_grant_records_everything_it_rests_on() {
    let event = decided(Verdict::Grant { person: PersonId(7) }, Some(near()));
    let expected = json!({
        "door": "front",
        "camera": "porch",
        "direction": "in",
        "verdict": "grant",
        "reason": null,
        "person": { "id": 7, "name": "Barack Obama", "employee_id": "E007", "groups": ["staff"] },
        "distance": 0.62,
        "runner_up": { "id": 9, "name": "Joe Biden", "distance": 1.21 },
        "frames": { "agree": 3, "of": 5 },
        "track": 4,
        "frame": 918,
        "capture_to_verdict_ms": 214,
        "gates": [
            { "name": "distance", "input": "0.62", "limit": "at most 0.90", "passed": true },
            { "name": "margin", "input": "0.59", "limit": "at least 0.10", "passed": true },
        ],
    });
    assert_eq!((event.kind(), event.to_json()), ("granted", expected));
}

#[test]
fn a_denial_in_an_empty_gallery_names_nobody() {
    let content = decided(Verdict::Deny { reason: Reason::Unknown }, None).to_json();
    assert_eq!(content["reason"], "unknown");
    assert_eq!([&content["person"], &content["distance"], &content["runner_up"]], [&Value::Null; 3]);
}

#[test]
fn a_name_of_somebody_else_is_not_used() {
    let nearest = Match { person: PersonId(8), ..near() };
    let content = decided(Verdict::Deny { reason: Reason::Ambiguous }, Some(nearest)).to_json();
    assert_eq!(content["person"], json!({ "id": 8, "name": null }));
}

#[test]
fn a_distance_that_is_no_number_is_null() {
    let nearest = Match { distance: Distance(f32::NAN), ..near() };
    let event = decided(Verdict::Deny { reason: Reason::Unknown }, Some(nearest));
    assert_eq!(event.to_json()["distance"], Value::Null);
    assert!(matches!(Content::from_json("denied", event.to_json()), Content::Known(_)));
}

#[test]
fn spans_are_whole_milliseconds() {
    let unlocked = json!({
        "door": "front", "cause": "grant", "record": 3, "duration_ms": 3000, "capture_to_door_ms": 232
    });
    assert_eq!(content("unlocked"), unlocked);
    assert_eq!(content("camera_back"), json!({ "camera": "porch", "lost_for_ms": 90_000 }));
}

#[test]
fn contents_with_fields_of_their_own_are_the_documented_ones() {
    assert_eq!(content("mode_set"), json!({ "door": "front", "mode": "lockdown", "group": "guards", "by": "anna" }));
    assert_eq!(content("time_quality"), json!({ "quality": "wrong", "known": false }));
    assert_eq!(content("erased"), json!({ "records": "3-5,9", "count": 4, "by": "anna" }));
    let added = json!({ "direction": "out", "at": "2026-01-02T10:32:07Z" });
    assert_eq!([&content("attendance_amended")["add"], &content("attendance_amended")["void"]], [&added, &Value::Null]);
    let back = json!({ "lost": 3, "unlocked": 1, "since": "2026-01-02T10:32:07Z", "failed_for_ms": 90_000, "reason": "because" });
    assert_eq!(content("journal_back"), back);
    assert_eq!(content("pruned")["hash"], "07".repeat(32));
    assert_eq!(content("head_kept")["missed_behind"], 0.396);
}

#[test]
fn records_of_0_1_0_are_read_to_the_same_variants() {
    let person = json!({ "id": 7, "name": "Ada" });
    let old = [
        ("enrolled", json!({ "person": person, "templates": 5, "by": "anna" })),
        ("passed", json!({ "door": "front", "person": person, "direction": "in", "zone": null, "record": 3 })),
        ("journal_back", json!({ "lost": 3, "failed_for_ms": 90_000, "reason": "because" })),
        ("restored", json!({ "through": 7000, "by": "anna" })),
        (
            "cut_moved",
            json!({ "people": 12, "before": 1.02, "after": 1.01, "false_identification_rate": 0.003, "extrapolated": false }),
        ),
    ];
    for (kind, json) in old {
        let content = Content::from_json(kind, json.clone());
        assert!(content.event().is_some_and(|event| event.kind() == kind), "{content:?}");
        assert_eq!(content.to_json(), json);
    }
}

/// An erasure by 0.1.0 added `gates` to the records that it changed.
#[test]
fn records_that_0_1_0_erased_are_read() {
    let old = [
        ("enrolled", json!({ "person": { "erased": true }, "templates": 5, "by": "anna", "gates": null })),
        ("removed", json!({ "person": { "erased": true }, "by": "anna", "gates": null })),
        ("renamed", json!({ "person": { "erased": true }, "before": "(erased)", "by": "anna", "gates": null })),
        (
            "passed",
            json!({ "door": "front", "person": { "erased": true }, "direction": "in", "zone": null, "record": 3, "gates": null }),
        ),
    ];
    for (kind, json) in old {
        let content = Content::from_json(kind, json.clone());
        assert!(content.event().is_some_and(|event| event.kind() == kind), "{content:?}");
        let mut more = json;
        more["surplus"] = 1.into();
        assert_eq!(Content::from_json(kind, more.clone()), Content::Unknown(more));
    }
}

#[test]
fn what_is_not_known_loses_nothing() {
    let unknown = [
        ("sneezed", json!({ "at": 3 })),
        ("locked", json!({ "door": "front" })),
        ("locked", json!({ "door": "front", "reason": "over", "more": 1 })),
        ("locked", json!(["front", "over"])),
        ("locked", Value::Null),
        ("granted", decided(Verdict::Deny { reason: Reason::Unknown }, Some(near())).to_json()),
        ("renamed", json!({ "person": { "erased": false }, "before": "x", "by": "anna" })),
    ];
    for (kind, json) in unknown {
        assert_eq!(Content::from_json(kind, json.clone()), Content::Unknown(json));
    }
    assert_eq!(Content::from_json("sneezed", json!({ "erased": true })), Content::Erased);
}

#[test]
fn an_erased_person_leaves_nothing() {
    let mut erasure = Erasure::of(PersonId(7));
    one_of_each().iter().for_each(|event| erasure.learn(&Content::from(event)));
    for event in one_of_each() {
        let mut content = Content::from(&event);
        let found = erasure.erase(&mut content);
        assert_eq!(found, event.to_json().to_string().contains("Obama"), "{}", event.kind());
        let json = content.to_json();
        assert!(!json.to_string().contains("Obama") && !json.to_string().contains("E007"), "{json}");
        assert_eq!(Content::from_json(event.kind(), json), content, "an erased record reads back");
    }
    let mut later = Content::Unknown(json!({ "who": { "id": 7, "name": "Barack Obama" }, "note": "x" }));
    assert!(erasure.erase(&mut later));
    assert_eq!(later, Content::Erased);
    let note = "Barack Obama opened for her";
    let event = PeopleEvent::AttendanceAmended {
        person: Personal::Known(samples::person(9, "Ann")),
        amendment: Amendment::Void { record: 3 },
        reason: note.into(),
        by: "anna".into(),
    };
    let mut content = Content::from(&event.into());
    assert!(erasure.erase(&mut content));
    assert_eq!(content.to_json()["reason"], "(erased)");
    assert_eq!(content.to_json()["person"]["name"], "Ann");
}

/// As long as a number can be, so that no random number contains its digits.
const MARKED: PersonId = PersonId(4_198_273_645);

/// Puts a marked person and marked texts wherever an event may say who somebody is.
fn mark(event: &mut Event) {
    let marked = || Named::new(MARKED, "Marked Name", Some("marked-id".into()), vec!["marked group".into()]);
    event.each_part(&mut |part| match part {
        Part::Person(person) => *person = Personal::Known(marked()),
        Part::Other(person) => *person = Personal::Known(Named { card: None, ..marked() }),
        Part::Text(text) => *text = "by the marked name".into(),
        Part::Words(words) => words.push_str(&format!("person {MARKED}")),
    });
}

proptest! {
    #[test]
    fn any_event_is_read_back(event in arbitrary()) {
        let json = event.to_json();
        let content = Content::from_json(event.kind(), json.clone());
        prop_assert!(matches!(content, Content::Known(_)), "{content:?}");
        prop_assert_eq!(content.to_json(), json.clone());
        // In bytes as well, as the journal keeps it.
        let stored: Value = serde_json::from_slice(json.to_string().as_bytes()).unwrap();
        prop_assert_eq!(stored.to_string(), json.to_string());
    }

    #[test]
    fn a_marked_person_leaves_no_byte(event in arbitrary()) {
        let mut event = event;
        mark(&mut event);
        let mut content = Content::from(&event);
        let mut erasure = Erasure::of(MARKED);
        let person = PeopleEvent::Removed {
            person: Named::new(MARKED, "Marked Name", Some("marked-id".into()), Vec::new()).into(),
            by: "anna".into(),
        };
        erasure.learn(&Content::from(&person.into()));
        erasure.learn(&content);
        erasure.erase(&mut content);
        let json = content.to_json().to_string();
        prop_assert!(!json.to_lowercase().contains("marked") && !json.contains(&MARKED.to_string()), "{json}");
        prop_assert_eq!(Content::from_json(event.kind(), content.to_json()), content);
    }

    #[test]
    fn noise_is_kept_as_it_is(kind in "[a-z_]{0,12}|granted|passed|erased|mode_set", text in any::<String>(), id in any::<u64>()) {
        for json in [json!(null), json!([text]), json!({ "door": "front", "person": id, "alarm": text }),
            json!({ "door": text, "person": { "id": id, "name": text }, "direction": "in", "camera": id })]
        {
            let mut content = Content::from_json(&kind, json.clone());
            prop_assert_eq!(content.to_json(), json);
            Erasure::of(PersonId(7)).erase(&mut content);
        }
    }
}

/// The names of all fields, with those of the objects within.
fn fields(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => object
            .iter()
            .flat_map(|(name, value)| {
                std::iter::once(name.clone())
                    .chain(fields(value).into_iter().map(move |inner| format!("{name}.{inner}")))
            })
            .collect(),
        Value::Array(array) => array.first().map(fields).unwrap_or_default(),
        _ => Vec::new(),
    }
}

#[test]
fn the_broker_s_page_shows_each_content_as_it_is() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mqtt.md")).unwrap();
    for event in one_of_each() {
        let (kind, mut content) = (event.kind(), event.to_json());
        if kind == "denied" {
            // The page shows a denial with somebody near.
            content = decided(Verdict::Deny { reason: Reason::Unknown }, Some(near())).to_json();
        }
        let row = page.lines().find(|line| line.starts_with(&format!("| `{kind}` |")));
        let shown: Value = match row {
            Some(row) => serde_json::from_str(row.rsplit('`').nth(1).unwrap()).unwrap(),
            None => {
                let (_, block) = page.split_once(&format!("/event/{kind}\n")).expect(kind);
                let message: Value = serde_json::from_str(block.split("\n\n").next().unwrap()).unwrap();
                assert_eq!(message["kind"], kind);
                message["content"].clone()
            }
        };
        assert_eq!(fields(&shown), fields(&content), "{kind}");
        // The example is one that this program reads, unless it is shortened.
        let shortened = shown.to_string().contains('…');
        assert!(shortened || Content::from_json(kind, shown).event().is_some(), "{kind}");
    }
}
