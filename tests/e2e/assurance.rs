//! Doors that ask for more than a face, from outside: configurations that are refused, a photograph that opens nothing, prompts.

use serde_json::Value;

use crate::support::{Daemon, Film, House, Observer, broker, eventually, status};

/// A photograph of an enrolled person, held before the camera again and again.
fn house(more: &str) -> House {
    let film = Film::default().shows("obama2.jpg", 80).nobody(30);
    let door = "[[door]]\nname = \"front\"\npulse = \"300ms\"\nassurance = \"challenge\"\nattended = true\n";
    let house = House::new().watching(film, true).with(&format!("{door}{more}"));
    house.enroll("Barack Obama", &["obama.jpg"]);
    house
}

#[test]
fn a_photograph_opens_no_door_that_asks_for_a_challenge_and_people_are_told_what_it_asks() {
    let port = broker();
    let house = house(&format!("prompt = \"display\"\n[mqtt]\nhost = \"127.0.0.1\"\nport = {port}"));
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    let prompt = |wanted: &dyn Fn(&str) -> bool| loop {
        let publish = observer.wait_for("door/front/prompt");
        assert!(!publish.retain, "a prompt is over within seconds");
        let payload: Value = serde_json::from_slice(&publish.payload).unwrap();
        let word = payload["prompt"].as_str().unwrap().to_owned();
        if wanted(&word) {
            return payload;
        }
    };
    let turn = prompt(&|word| word.starts_with("turn_"));
    assert!(turn["side"] == "left" || turn["side"] == "right", "{turn}");
    let denied = eventually("a refusal", || house.records("denied").pop());
    assert_eq!(denied["content"]["reason"], "challenge");
    assert_eq!(denied["content"]["person"]["name"], "Barack Obama");
    let gate = |name: &str| {
        let gates = denied["content"]["gates"].as_array().unwrap();
        gates.iter().find(|gate| gate["name"] == name).unwrap_or_else(|| panic!("{denied}")).clone()
    };
    assert_eq!((&gate("distance")["passed"], &gate("assurance")["passed"]), (&true.into(), &false.into()));
    assert!(gate("challenge")["input"].as_str().unwrap().starts_with("did not turn far enough"), "{denied}");
    prompt(&|word| word == "idle");
    let door = &status(&house)["doors"][0];
    assert_eq!(door["assurance"], serde_json::json!(["challenge"]));
    eventually("a prompt in the status", || (status(&house)["doors"][0]["prompt"] != "idle").then_some(()));
    assert!(house.usher(&["why"]).contains("failed  challenge"));
    daemon.stop();
    assert!(house.records("granted").is_empty() && house.records("unlocked").is_empty());
    assert_eq!(house.records("low_assurance").len(), 0, "nothing is behind a simulated door");
    house.usher(&["journal", "verify"]);
}

#[test]
fn the_same_photograph_opens_a_door_that_asks_for_nothing_and_the_receipt_says_so() {
    let house = House::new().watching(Film::default().shows("obama2.jpg", 8).nobody(14), true);
    house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&house);
    let granted = eventually("a grant", || house.records("granted").pop());
    daemon.stop();
    let gates = granted["content"]["gates"].as_array().unwrap();
    let last = gates.last().unwrap();
    assert_eq!((&last["name"], &last["input"]), (&"assurance".into(), &"recognised".into()));
}

#[test]
fn what_a_door_cannot_ask_is_refused_and_what_shuts_people_out_is_a_warning() {
    let house = House::new();
    let ask = |keys: &str| house_check(&house, keys);
    let (code, text) = ask("assurance = \"face+pin\"");
    assert!(code == Some(1) && text.contains("cannot be met at door \"front\": it has no keypad"), "{text}");
    let (code, text) = ask("assurance = \"iris\"");
    assert!(code == Some(1) && text.contains("door[0].assurance: must be one of"), "{text}");
    let (code, text) = ask("assurance = \"challenge\"");
    assert!(code == Some(0) && text.contains("shuts out people who cannot"), "{text}");
    let (code, text) = ask("assurance = \"challenge\"\nattended = true");
    assert!(code == Some(0) && !text.contains("shuts out"), "{text}");
    let real = "driver = \"gpiocdev\"\nattended = true";
    let relay = "[door.relay]\nline = 17";
    let (code, text) = ask(&format!("{real}\nassurance = \"recognised\"\n{relay}"));
    assert!(code == Some(0) && text.contains("a photograph of somebody who may pass"), "{text}");
    let (code, text) = ask(&format!("{real}\n{relay}"));
    assert!(code == Some(0) && !text.contains("photograph"), "{text}");
}

/// `usher config check` with these keys of the door; exit code and all that it says.
fn house_check(house: &House, keys: &str) -> (Option<i32>, String) {
    let text = format!(
        "[[door]]\nname = \"front\"\n{keys}\n[[camera]]\nname = \"porch\"\nkind = \"v4l2\"\ndoor = \"front\"\n"
    );
    std::fs::write(house.config(), text).unwrap();
    let answer = house.ask(&["config", "check"]);
    (answer.code, answer.out + &answer.err)
}
