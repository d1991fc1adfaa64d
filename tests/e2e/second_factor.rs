//! PINs and tags beside the face, duress, and people whom an operator admits: the running daemon, entries over the broker, the command line.

use std::io::Write;
use std::process::Stdio;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Client, Event, MqttOptions};
use serde_json::{Value, json};

use crate::support::{Daemon, Film, House, Observer, broker, eventually, status};

/// A house whose front door asks for `tier`, with keypad and reader over the broker, and Barack Obama before the camera now and then.
fn house(port: u16, tier: &str) -> House {
    let film = Film::default().shows("obama2.jpg", 80).nobody(25);
    let house = House::new().watching(film, true).with(&format!(
        "[[door]]\nname = \"front\"\npulse = \"300ms\"\nassurance = \"{tier}\"\n[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\nentries = true\n"
    ));
    house.enroll("Barack Obama", &["obama.jpg"]);
    house
}

/// Runs a command with a line on its standard input; exit code and all that it says.
fn with_line(house: &House, arguments: &[&str], line: &str) -> (Option<i32>, String) {
    let mut child =
        house.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{line}").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout) + &text(output.stderr))
}

fn set_pin(house: &House, more: &[&str], pin: &str) {
    let (code, said) = with_line(house, &[&["people", "pin", "Barack Obama"], more].concat(), pin);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains(pin), "{said}");
}

/// What somebody does at the front door's keypad or reader.
fn enter(port: u16, kind: &str, payload: &str) {
    let (client, mut connection) = Client::new(MqttOptions::new("keypad", "127.0.0.1", port), 10);
    client.publish(format!("usher/house/door/front/{kind}"), QoS::AtLeastOnce, false, payload.to_owned()).unwrap();
    let acknowledged = |event: &Result<Event, _>| matches!(event, Ok(Event::Incoming(Packet::PubAck(_))));
    assert!(connection.iter().any(|event| acknowledged(&event)), "the broker accepts it");
}

fn gate(decision: &Value, name: &str) -> Value {
    let gates = decision["content"]["gates"].as_array().unwrap();
    gates.iter().find(|gate| gate["name"] == name).unwrap_or_else(|| panic!("{decision}")).clone()
}

fn asked(house: &House, prompt: &str) {
    eventually(prompt, || (status(house)["doors"][0]["prompt"] == prompt).then_some(()));
}

#[test]
fn the_pin_of_the_face_opens_and_another_one_does_not() {
    let port = broker();
    let house = house(port, "face+pin");
    let doctor = house.ask(&["doctor"]).out;
    assert!(doctor.contains("front does not open for 1 people, who have no PIN: Barack Obama (#1)"), "{doctor}");
    set_pin(&house, &[], "40719382");
    let doctor = house.ask(&["doctor"]).out;
    assert!(doctor.contains("1 people have a PIN, 0 a tag"), "{doctor}");
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    observer.wait_for_status("online");
    asked(&house, "enter_pin");
    enter(port, "keypad", "50827164");
    let denied = eventually("a refusal", || {
        house.records("denied").into_iter().find(|record| record["content"]["reason"] == "second_factor")
    });
    let pin = gate(&denied, "pin");
    assert_eq!((&pin["passed"], denied["content"]["person"]["name"].as_str()), (&json!(false), Some("Barack Obama")));
    assert!(house.records("granted").is_empty());

    asked(&house, "enter_pin");
    enter(port, "keypad", "40719382");
    let granted = observer.wait_for_event("granted");
    let pin = gate(&granted, "pin");
    assert!(pin["passed"] == true && pin["input"].as_str().unwrap().starts_with("entered "), "{pin}");
    assert_eq!(gate(&granted, "assurance")["input"], "face+pin");
    observer.wait_for_event("unlocked");
    let entered = house.records("pin_entered");
    assert_eq!(entered.len(), 1, "the right one");
    assert!(entered[0]["seq"].as_u64() < granted["seq"].as_u64());
    assert_eq!(house.usher(&["journal", "duress"]).trim(), "no duress PIN was entered");
    let log = daemon.log();
    daemon.stop();
    let said = format!("{log}{:?}{}", house.journal(), house.usher(&["people", "show", "Barack Obama", "--json"]));
    for secret in ["40719382", "50827164", "argon2"] {
        assert!(!said.contains(secret), "{secret}");
    }
}

#[test]
fn the_duress_pin_opens_as_usual_and_only_those_who_may_know_learn_of_it() {
    let port = broker();
    let house = house(port, "face+pin");
    set_pin(&house, &[], "40719382");
    set_pin(&house, &["--duress"], "40729382");
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    observer.wait_for_status("online");
    let opened = |pin: &str| {
        asked(&house, "enter_pin");
        enter(port, "keypad", pin);
        let entered = observer.wait_for_event("pin_entered");
        let granted = observer.wait_for_event("granted");
        observer.wait_for_event("unlocked");
        observer.wait_for_event("locked");
        (entered, granted)
    };
    let (usual, usually_granted) = opened("40719382");
    asked(&house, "enter_pin");
    enter(port, "keypad", "40729382");
    let alarm: Value = {
        let publish = observer.wait_for("duress");
        assert!(!publish.retain);
        serde_json::from_slice(&publish.payload).unwrap()
    };
    let duress = observer.wait_for_event("pin_entered");
    let granted = observer.wait_for_event("granted");
    assert_eq!(alarm["seq"], duress["seq"]);
    assert_eq!((&alarm["door"], &alarm["person"]["name"]), (&json!("front"), &json!("Barack Obama")));
    // Nothing else differs.
    let words = |record: &Value| {
        let words = |gate: &Value| format!("{} {} {}", gate["name"], gate["limit"], gate["passed"]);
        record["content"]["gates"].as_array().unwrap().iter().map(words).collect::<Vec<_>>()
    };
    assert_eq!(words(&usually_granted), words(&granted));
    assert!(gate(&granted, "pin")["input"].as_str().unwrap().starts_with("entered "));
    let note = |record: &Value| record["content"]["note"].as_str().unwrap().to_owned();
    assert_eq!(note(&usual).len(), note(&duress).len());

    let listed = house.json(&["journal", "duress", "--json"]);
    assert_eq!((listed.len(), &listed[0]["record"]), (1, &duress["seq"]));
    assert!(house.usher(&["journal", "duress"]).contains("Barack Obama at front"));
    let seen = format!("{}{}{}", status(&house), house.usher(&["why"]), house.usher(&["journal", "list"]));
    let log = daemon.log();
    daemon.stop();
    for said in [&log, &seen, &house.usher(&["people", "show", "#1", "--json"])] {
        assert!(!said.to_lowercase().contains("duress") && !said.contains("40729382"), "{said}");
    }
    house.usher(&["journal", "verify"]);

    // Without the key nobody can tell.
    let mut house = house;
    house.environment.insert("USHER__STORE__KEY_FILE".into(), "usher.store-key".into());
    let answer = house.ask(&["journal", "duress"]);
    assert_eq!((answer.code, answer.out.trim()), (Some(0), "no duress PIN was entered"));
    assert!(answer.err.contains("2 notes cannot be opened"), "{answer:?}");
    house.usher(&["journal", "verify"]);
}

#[test]
fn the_tag_of_the_face_opens_and_another_one_does_not() {
    let port = broker();
    let house = house(port, "face+tag");
    house.usher(&["people", "tag", "Barack Obama", "add", "04:a2:2b:1f", "--label", "blue fob"]);
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    observer.wait_for_status("online");
    asked(&house, "present_tag");
    enter(port, "tag", "FFFFFFFF");
    eventually("a refusal", || {
        house.records("denied").into_iter().find(|record| record["content"]["reason"] == "second_factor")
    });
    asked(&house, "present_tag");
    enter(port, "tag", r#"{"uid":"04A22B1F"}"#);
    let granted = observer.wait_for_event("granted");
    assert_eq!(gate(&granted, "tag")["passed"], true);
    assert!(house.records("pin_entered").is_empty());
    let log = daemon.log();
    daemon.stop();
    assert!(!format!("{log}{:?}", house.journal()).contains("2B1F"));
}

#[test]
fn pins_and_tags_from_the_command_line() {
    let house = House::new();
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.enroll("Joe Biden", &["biden.jpg"]);
    let pin = |more: &[&str], line: &str| with_line(&house, &[&["people", "pin", "Joe Biden"], more].concat(), line);
    for (line, why) in
        [("1234", "count up or down"), ("0000", "are the same"), ("12a4", "4 to 10 digits"), ("", "4 to 10 digits")]
    {
        let (code, said) = pin(&[], line);
        assert!(code == Some(1) && said.contains(why), "{line}: {said}");
    }
    let (code, said) = pin(&["--duress"], "40719382");
    assert!(code == Some(1) && said.contains("has no PIN yet"), "{said}");
    assert_eq!(pin(&[], "40719382").0, Some(0));
    let (code, said) = pin(&["--duress"], "40719382");
    assert!(code == Some(1) && said.contains("must not be the PIN"), "{said}");
    let table = house.usher(&["people", "list"]);
    assert!(
        table.contains("PIN") && table.lines().any(|line| line.contains("Joe Biden") && line.contains("yes")),
        "{table}"
    );
    let people = house.people();
    assert_eq!((&people[0]["pin"], &people[1]["pin"]), (&json!(false), &json!(true)));

    let (code, said) = with_line(&house, &["people", "tag", "Joe Biden", "add", "-", "--label", "fob"], "W26-12-34567");
    assert_eq!(code, Some(0), "{said}");
    let error = house.refused(&["people", "tag", "Barack Obama", "add", "w26-12-34567"]);
    assert!(error.contains("is that of Joe Biden (#2)") && !error.contains("34567"), "{error}");
    let listed = house.json(&["people", "tag", "Joe Biden", "list", "--json"]).remove(0);
    assert_eq!(listed, json!({ "label": "fob", "ending": "4567" }));
    house.usher(&["people", "tag", "Joe Biden", "remove", "fob"]);
    let shown = house.usher(&["people", "show", "Joe Biden"]);
    assert!(shown.contains("PIN          yes") && shown.contains("tags         0"), "{shown}");
    house.usher(&["people", "pin", "Joe Biden", "--remove"]);
    assert!(house.refused(&["people", "pin", "Joe Biden", "--remove"]).contains("has no PIN"));
    let what: Vec<Value> = house.records("changed").iter().map(|record| record["content"]["what"].clone()).collect();
    assert_eq!(what, ["a PIN was set", "a tag was added", "a tag was removed", "a PIN was removed"]);
}

#[test]
fn an_operator_admits_somebody_by_the_rules_and_with_a_reason() {
    let house = House::new()
        .with("[[door]]\nname = \"front\"\npulse = \"300ms\"\nassurance = \"challenge\"\nattended = true\n");
    house.enroll("Barack Obama", &["obama.jpg"]);
    house.enroll("Joe Biden", &["biden.jpg"]);
    house.usher(&["people", "disable", "Joe Biden"]);
    assert!(house.refused(&["door", "admit", "Barack Obama", "--reason", "x"]).contains("no daemon answers"));
    let daemon = Daemon::start(&house);
    house.usher(&["door", "admit", "Barack Obama", "--reason", "broken arm", "--direction", "in"]);
    let admitted = house.records("admitted").pop().unwrap();
    let content = &admitted["content"];
    assert_eq!((&content["reason"], &content["direction"]), (&json!("broken arm"), &json!("in")));
    assert_eq!(
        (&content["person"]["name"], content["gates"][0]["name"].as_str()),
        (&json!("Barack Obama"), Some("mode"))
    );
    assert!(!content["by"].as_str().unwrap().is_empty());
    let unlocked = house.records("unlocked").pop().unwrap();
    assert_eq!((&unlocked["content"]["cause"], &unlocked["content"]["record"]), (&json!("operator"), &admitted["seq"]));
    let passed = house.records("passed").pop().unwrap();
    assert_eq!((&passed["content"]["record"], &passed["content"]["direction"]), (&admitted["seq"], &json!("in")));
    assert!(house.usher(&["attendance", "--day", "today"]).contains("Barack Obama"));
    assert!(
        house.usher(&["why", &admitted["seq"].to_string()]).contains("admits Barack Obama at front (in): broken arm")
    );

    let refused = |more: &[&str]| house.refused(&[&["door", "admit"], more].concat());
    assert!(refused(&["Joe Biden", "--reason", "x"]).contains("person: person 2, disabled"));
    assert!(refused(&["Barack Obama", "--reason", "  "]).contains("say why"));
    assert!(refused(&["Barack Obama", "--reason", "x", "--door", "side"]).contains("no door `side`"));
    house.usher(&["door", "lockdown"]);
    assert!(refused(&["Barack Obama", "--reason", "x"]).contains("mode: "));
    daemon.stop();
    assert_eq!(house.records("admitted").len(), 1);
    house.usher(&["journal", "verify"]);
}
