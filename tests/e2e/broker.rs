//! What the daemon publishes to a broker, in its life and at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::support::{
    Daemon, Film, House, Observer, PATIENCE, broker, broker_at, broker_for, eventually, free_port, metrics,
    mute_broker, retained, status,
};

fn house(port: u16) -> House {
    let film = Film::default().shows("obama2.jpg", 8).nobody(14).shows("biden.jpg", 8).nobody(14);
    let house = House::new().watching(film, true).with(&format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}"));
    house.enroll("Barack Obama", &["obama.jpg"]);
    house
}

#[test]
fn decisions_arrive_as_recorded_and_the_end_is_announced() {
    let port = broker();
    let house = house(port);
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    observer.wait_for_status("online");
    let granted = observer.wait_for_event("granted");
    let denied = observer.wait_for_event("denied");
    assert!(Observer::of(port, "late").wait_for_status("online").retain);
    assert_eq!(status(&house)["hub"]["state"], "online");
    assert!(house.usher(&["doctor"]).contains("online"));
    daemon.stop();
    let stopped = observer.wait_for_event("stopped");
    observer.wait_for_status("offline");
    assert!(Observer::of(port, "later").wait_for_status("offline").retain);

    let journal = house.journal();
    for heard in [granted, denied, stopped] {
        let seq = heard["seq"].as_u64().unwrap() as usize;
        let record = &journal[seq - 1];
        for field in ["seq", "id", "time", "kind", "content"] {
            assert_eq!(heard[field], record[field], "{field}");
        }
        assert_eq!(heard["replayed"], false);
    }
    assert!(house.usher(&["doctor"]).contains("accepts this device"));
}

#[test]
fn the_broker_announces_a_death() {
    let port = broker();
    let house = house(port);
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    observer.wait_for_status("online");
    daemon.kill();
    observer.wait_for_status("offline");
    let daemon = Daemon::start(&house);
    observer.wait_for_status("online");
    daemon.stop();
}

#[test]
fn the_door_does_not_wait_for_a_broker_that_is_away() {
    let house = house(free_port());
    let daemon = Daemon::start(&house);
    eventually("a grant", || house.records("unlocked").pop());
    let state = eventually("an attempt to connect", || {
        status(&house)["hub"]["state"].as_str().filter(|state| *state != "connecting").map(str::to_owned)
    });
    assert!(state.contains("cannot be reached"), "{state}");
    daemon.stop();
    house.usher(&["journal", "verify"]);
}

#[test]
fn the_device_appears_in_home_assistant_with_the_lock_s_real_state_and_can_be_removed() {
    let port = broker();
    let film = Film::default().shows("obama2.jpg", 8).nobody(14);
    let house = House::new().watching(film, true).with(&format!(
        "[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n[mqtt.home_assistant]\nenabled = true\npeople = \"device_tracker\""
    ));
    house.enroll("Barack Obama", &["obama.jpg"]);
    let announcements = Observer::listening_to(port, "announcements", "homeassistant/device/usher_house/config");
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    let announcement = announcements.0.recv_timeout(PATIENCE).expect("an announcement");
    let entities: Value = serde_json::from_slice(&announcement.payload).unwrap();
    assert_eq!(entities["cmps"]["person_1"]["name"], "Barack Obama");
    let state_topic = entities["cmps"]["front_lock"]["state_topic"].as_str().unwrap().to_owned();
    let lock_is = |expected: &str| loop {
        let publish = observer.wait_for(state_topic.strip_prefix("usher/house/").unwrap());
        let state: Value = serde_json::from_slice(&publish.payload).unwrap();
        if state["lock"] == expected {
            return;
        }
    };
    ["locked", "unlocked", "locked"].into_iter().for_each(lock_is);
    let refused = house.refused(&["hub", "remove"]);
    assert!(refused.contains("stop it first"), "{refused}");
    daemon.stop();
    let cleared = house.usher(&["hub", "remove"]);
    for topic in ["homeassistant/device/usher_house/config", "usher/house/status", "usher/house/door/front"] {
        assert!(cleared.contains(&format!("cleared {topic}\n")), "{cleared}");
    }
    let cleared_again = house.usher(&["hub", "remove"]);
    assert_eq!(cleared_again, "cleared homeassistant/device/usher_house/config\n");
}

#[test]
fn nothing_is_retained_of_what_is_gone() {
    let port = broker();
    let mqtt = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n");
    let with_trackers = format!("{mqtt}[mqtt.home_assistant]\nenabled = true\npeople = \"device_tracker\"\n");
    let house = House::new().with(&with_trackers);
    house.enroll("Ada Probe", &["obama.jpg"]);
    let until = |what: &str, is_it: &dyn Fn(&BTreeMap<String, String>) -> bool| {
        eventually(what, || Some(retained(port)).filter(|kept| is_it(kept)))
    };
    let runs = |house: &House, what: &str, is_it: &dyn Fn(&BTreeMap<String, String>) -> bool| {
        let daemon = Daemon::start(house);
        let kept = until(what, is_it);
        daemon.stop();
        kept
    };
    let announced = |kept: &BTreeMap<String, String>| kept.contains_key("homeassistant/device/usher_house/config");
    runs(&house, "Ada", &|kept| kept.contains_key("usher/house/person/1") && announced(kept));
    // While usher is not connected.
    house.usher(&["people", "remove", "Ada Probe", "--yes"]);
    runs(&house, "no Ada", &|kept| announced(kept) && !kept.values().any(|payload| payload.contains("Ada Probe")));

    let mut house = house.with(&mqtt);
    runs(&house, "no announcement", &|kept| !kept.keys().any(|topic| topic.starts_with("homeassistant/")));
    house.environment.insert("USHER__DEVICE__NAME".into(), "other".into());
    let left = runs(&house, "no former name", &|kept| !kept.keys().any(|topic| topic.contains("house")));
    assert!(left.contains_key("usher/other/door/front"), "{left:?}");
    house.usher(&["hub", "remove"]);
    assert_eq!(retained(port), BTreeMap::new());
}

#[test]
fn the_broker_s_events_are_checked_against_the_journal() {
    let port = broker();
    let house = house(port);
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    observer.wait_for_event("granted");
    daemon.stop();
    let mut lines = String::new();
    let late = observer.wait_for_event("stopped");
    let journal = house.journal();
    assert_eq!(
        (&late["hash"], &late["previous"]),
        (&journal.last().unwrap()["hash"], &journal[journal.len() - 2]["hash"])
    );
    lines.push_str(&format!("usher/house/event/stopped {late}\n"));
    let file = house.path("events.jsonl");
    std::fs::write(&file, &lines).unwrap();
    let verify = ["journal", "verify", "--against", file.to_str().unwrap()];
    assert!(house.usher(&verify).contains("1 events agree"));

    let mut forged = late.clone();
    forged["hash"] = journal[0]["hash"].clone();
    std::fs::write(&file, forged.to_string()).unwrap();
    assert!(house.refused(&verify).contains("is not the one that was sent (line 1)"));
    let mut later = late.clone();
    later["seq"] = (late["seq"].as_u64().unwrap() + 100).into();
    std::fs::write(&file, format!("{lines}{later}")).unwrap();
    let refused = house.refused(&verify);
    assert!(refused.contains("is not in the journal") && refused.contains("line 2"), "{refused}");
}

#[test]
fn user_and_password_come_from_files_and_from_systemd_s_credentials() {
    let port = broker_for(Some(("usher", "s3cret")));
    let mut house = House::new();
    let credentials = house.path("credentials");
    std::fs::create_dir(&credentials).unwrap();
    std::fs::write(credentials.join("mqtt.password"), "s3cret\n").unwrap();
    std::fs::write(house.path("user"), "usher\n").unwrap();
    house.environment.insert("CREDENTIALS_DIRECTORY".into(), credentials.display().to_string());
    let house = house.with(&format!(
        "[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\nusername_file = \"./user\"\npassword_file = \"mqtt.password\""
    ));
    assert!(house.usher(&["doctor"]).contains("accepts this device"));
    let shown = house.usher(&["config", "show"]);
    assert!(!shown.contains("s3cret"), "{shown}");
    std::fs::write(credentials.join("mqtt.password"), "wrong\n").unwrap();
    let answer = house.ask(&["doctor"]);
    assert!(answer.out.contains("BROKEN   broker") && answer.out.contains("password"), "{answer:?}");
    std::fs::remove_file(credentials.join("mqtt.password")).unwrap();
    let answer = house.ask(&["doctor"]);
    assert!(answer.out.contains("[mqtt] password_file") && answer.out.contains("cannot be read"), "{answer:?}");
}

#[test]
fn the_tls_files_are_read() {
    let port = broker();
    let mqtt = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n[mqtt.tls]\nenabled = true\n");
    let house = House::new().with(&format!("{mqtt}ca_file = \"/nowhere/ca.pem\""));
    let answer = house.ask(&["doctor"]);
    assert!(answer.out.contains("[mqtt.tls] ca_file /nowhere/ca.pem"), "{answer:?}");
}

#[test]
fn events_of_an_outage_arrive_after_a_power_cut_once_in_order_and_marked() {
    let port = free_port();
    let house = house(port);
    let daemon = Daemon::start(&house);
    eventually("two grants", || (house.records("unlocked").len() >= 2).then_some(()));
    daemon.kill();
    let before = house.journal();

    broker_at(port, None);
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    let mut heard: Vec<Value> = Vec::new();
    while heard.len() < before.len() {
        let publish = observer.0.recv_timeout(PATIENCE).expect("more events");
        if String::from_utf8_lossy(&publish.topic).starts_with("usher/house/replay/") {
            heard.push(serde_json::from_slice(&publish.payload).unwrap());
        }
    }
    for (heard, record) in heard.iter().zip(&before) {
        assert_eq!(heard["replayed"], true);
        for field in ["seq", "id", "time", "kind", "content"] {
            assert_eq!(heard[field], record[field], "{field}");
        }
    }
    assert_eq!(observer.wait_for_event("unlocked")["replayed"], false, "new events are live");
    eventually("an empty outbox", || (status(&house)["hub"]["waiting"] == 0).then_some(()));
    daemon.stop();

    // Acknowledged events are not sent again.
    let last = house.journal().len() as u64;
    let daemon = Daemon::start(&house);
    let started = observer.wait_for_event("started");
    assert_eq!(started["seq"], last + 1);
    while let Ok(publish) = observer.0.try_recv() {
        assert!(!String::from_utf8_lossy(&publish.topic).contains("/replay/"));
    }
    daemon.stop();
}

#[test]
fn the_door_does_not_notice_a_broker_that_never_answers() {
    let port = mute_broker();
    let film = Film::default().shows("obama2.jpg", 8).nobody(14);
    let house = House::new()
        .watching(film, true)
        .with(&format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\nkeep_alive = \"5s\""));
    house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&house);
    eventually("three grants", || (house.records("unlocked").len() >= 3).then_some(()));
    let waits = |line: &str| line.starts_with("usher_outbox_events ") && !line.ends_with(" 0");
    assert!(metrics(&house).lines().any(waits), "{}", metrics(&house));
    // Twice the keep-alive, and time for a second attempt.
    eventually("the outage", || daemon.log().contains("the broker is away").then_some(()));
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(daemon.log().matches("the broker is").count(), 1, "{}", daemon.log());
    daemon.stop();
}

#[test]
fn a_second_signal_ends_the_daemon_at_once() {
    // An orderly end waits for such a broker for two seconds.
    let port = mute_broker();
    let house = house(port);
    let daemon = Daemon::start(&house);
    eventually("the connection", || (status(&house)["hub"]["state"] == "online").then_some(()));
    daemon.signal("TERM");
    // The socket is removed just before the daemon turns to the broker.
    eventually("the orderly end", || (!house.socket().exists()).then_some(()));
    daemon.signal("INT");
    let (status, log) = daemon.ended();
    assert_eq!(status.code(), Some(130), "{log}");
    assert!(log.contains("second signal"), "{log}");
    assert_eq!(house.journal().last().unwrap()["kind"], "stopped");
}
