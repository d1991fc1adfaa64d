//! What a broker hears of the daemon, in its life and at its death.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{Client, Event, MqttOptions};
use rumqttd::Broker;
use serde_json::Value;

use crate::in_process::rumqttd_config;
use crate::support::{Daemon, Film, House, PATIENCE, eventually, status};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a broker that lives until the test process ends. Returns its port.
pub fn broker() -> u16 {
    broker_for(None)
}

/// The same for one user with a password.
fn broker_for(user: Option<(&str, &str)>) -> u16 {
    broker_at(free_port(), user)
}

fn broker_at(port: u16, user: Option<(&str, &str)>) -> u16 {
    let config = rumqttd_config(port, user);
    let mut broker = Broker::new(config);
    std::thread::spawn(move || broker.start().unwrap());
    eventually("the broker", || TcpStream::connect(("127.0.0.1", port)).ok());
    port
}

/// Somebody else who listens to all topics of the house.
pub struct Observer(pub Receiver<Publish>);

impl Observer {
    /// Returns once the broker has confirmed the subscription.
    pub fn of(port: u16, name: &str) -> Observer {
        Observer::listening_to(port, name, "usher/house/#")
    }

    fn listening_to(port: u16, name: &str, topic: &str) -> Observer {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options.set_max_packet_size(Some(1 << 20));
        let (client, mut connection) = Client::new(options, 10);
        client.subscribe(topic, QoS::AtLeastOnce).unwrap();
        let (ready, subscribed) = channel();
        let (sender, publishes) = channel();
        std::thread::spawn(move || {
            let _client = client;
            for event in connection.iter() {
                let goes_on = match event {
                    Ok(Event::Incoming(Packet::Publish(publish))) => sender.send(publish).is_ok(),
                    Ok(Event::Incoming(Packet::SubAck(_))) => ready.send(()).is_ok(),
                    Ok(_) => true,
                    Err(_) => false,
                };
                if !goes_on {
                    return;
                }
            }
        });
        subscribed.recv_timeout(PATIENCE).expect("the broker confirms the subscription");
        Observer(publishes)
    }

    /// Waits for a message of that topic below `usher/house/`; the others before it are passed over.
    pub fn wait_for(&self, topic: &str) -> Publish {
        loop {
            let publish = self.0.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("waited in vain for {topic}"));
            if publish.topic == format!("usher/house/{topic}").as_bytes() {
                return publish;
            }
        }
    }

    pub fn wait_for_event(&self, kind: &str) -> Value {
        let publish = self.wait_for(&format!("event/{kind}"));
        assert!(!publish.retain);
        serde_json::from_slice(&publish.payload).unwrap()
    }

    pub fn wait_for_status(&self, status: &str) -> Publish {
        let publish = self.wait_for("status");
        assert_eq!(publish.payload, status.as_bytes());
        publish
    }
}

fn house(port: u16) -> House {
    let film = Film::default().shows("obama2.jpg", 8).nobody(14).shows("biden.jpg", 8).nobody(14);
    let house = House::new().watching(film, true).with(&format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}"));
    house.enroll("Barack Obama", &["obama.jpg"]);
    house
}

#[test]
fn decisions_arrive_as_the_journal_has_them_and_the_end_is_announced() {
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
    assert!(house.usher(&["doctor"]).contains("lets us in"));
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
fn the_device_appears_in_home_assistant_with_the_lock_s_real_state_and_goes_away_again() {
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

/// What the broker keeps: topics and payloads.
fn kept(port: u16) -> BTreeMap<String, String> {
    let (client, mut connection) = {
        let mut options = MqttOptions::new("late", "127.0.0.1", port);
        options.set_max_packet_size(Some(1 << 20));
        Client::new(options, 10)
    };
    client.subscribe("#", QoS::AtLeastOnce).unwrap();
    let mut kept = BTreeMap::new();
    for event in connection.iter() {
        match event.unwrap() {
            Event::Incoming(Packet::SubAck(_)) => client.publish("end", QoS::AtLeastOnce, false, "").unwrap(),
            Event::Incoming(Packet::Publish(publish)) if publish.topic == b"end"[..] => break,
            Event::Incoming(Packet::Publish(publish)) if publish.retain => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                kept.insert(text(&publish.topic), text(&publish.payload));
            }
            _ => {}
        }
    }
    kept
}

#[test]
fn nothing_is_left_on_the_broker_of_what_is_gone() {
    let port = broker();
    let mqtt = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n");
    let with_trackers = format!("{mqtt}[mqtt.home_assistant]\nenabled = true\npeople = \"device_tracker\"\n");
    let house = House::new().with(&with_trackers);
    house.enroll("Ada Probe", &["obama.jpg"]);
    let until = |what: &str, is_it: &dyn Fn(&BTreeMap<String, String>) -> bool| {
        eventually(what, || Some(kept(port)).filter(|kept| is_it(kept)))
    };
    let runs = |house: &House, what: &str, is_it: &dyn Fn(&BTreeMap<String, String>) -> bool| {
        let daemon = Daemon::start(house);
        let kept = until(what, is_it);
        daemon.stop();
        kept
    };
    let announced = |kept: &BTreeMap<String, String>| kept.contains_key("homeassistant/device/usher_house/config");
    runs(&house, "Ada", &|kept| kept.contains_key("usher/house/person/1") && announced(kept));
    // While nobody listens: neither usher nor, as far as it knows, the broker.
    house.usher(&["people", "remove", "Ada Probe", "--yes"]);
    runs(&house, "no Ada", &|kept| announced(kept) && !kept.values().any(|payload| payload.contains("Ada Probe")));

    let mut house = house.with(&mqtt);
    runs(&house, "no announcement", &|kept| !kept.keys().any(|topic| topic.starts_with("homeassistant/")));
    house.environment.insert("USHER__DEVICE__NAME".into(), "other".into());
    let left = runs(&house, "no former name", &|kept| !kept.keys().any(|topic| topic.contains("house")));
    assert!(left.contains_key("usher/other/door/front"), "{left:?}");
    house.usher(&["hub", "remove"]);
    assert_eq!(kept(port), BTreeMap::new());
}

#[test]
fn the_broker_s_events_bear_witness_against_the_journal() {
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

/// Somebody on the broker who gives commands.
fn command(port: u16, act: &str, at: SystemTime, retain: bool) {
    let (client, mut connection) = Client::new(MqttOptions::new("somebody", "127.0.0.1", port), 10);
    let at = jiff::Timestamp::try_from(at).unwrap();
    let group = if act == "lockdown" { ",\"group\":\"guards\"" } else { "" };
    let payload = format!("{{\"act\":\"{act}\",\"at\":\"{at}\",\"by\":\"anna\"{group}}}");
    client.publish("usher/house/command/front", QoS::AtLeastOnce, retain, payload).unwrap();
    let acknowledged = |event: &Result<Event, _>| matches!(event, Ok(Event::Incoming(Packet::PubAck(_))));
    assert!(connection.iter().any(|event| acknowledged(&event)), "the broker takes the command");
}

#[test]
fn commands_from_the_broker_move_the_door_and_are_written_down_whatever_comes_of_them() {
    let port = broker();
    let house = House::new().with(&format!(
        "[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n[mqtt.commands]\nenabled = true\nunlock_for = \"200ms\""
    ));
    let observer = Observer::of(port, "observer");
    let daemon = Daemon::start(&house);
    observer.wait_for_status("online");
    let now = SystemTime::now;

    let first = now();
    command(port, "unlock", first, false);
    let unlocked = observer.wait_for_event("unlocked");
    assert_eq!(unlocked["content"]["cause"], "operator");
    let operator = house.records("operator_unlocked").pop().unwrap();
    assert_eq!((&operator["content"]["by"], &operator["content"]["duration_ms"]), (&"mqtt/anna".into(), &200.into()));
    observer.wait_for_event("locked");
    // The same one once more, as MQTT may deliver it: no second command, above all not after a lock.
    command(port, "lock", now(), false);
    observer.wait_for_event("operator_locked");
    command(port, "unlock", first, false);
    eventually("the repeat", || {
        figures(&house).contains("usher_commands_total{outcome=\"repeated\"} 1\n").then_some(())
    });
    assert_eq!(house.records("operator_unlocked").len(), 1);

    let refused = |reason: &str| {
        let content = observer.wait_for_event("command_refused")["content"].clone();
        assert_eq!((&content["by"], &content["command"]), (&"mqtt/anna".into(), &"unlock".into()));
        assert!(content["reason"].as_str().unwrap().contains(reason), "{content}");
    };
    command(port, "unlock", now() - Duration::from_secs(60), false);
    refused("s old");
    command(port, "lockdown", now(), false);
    let set = observer.wait_for_event("mode_set")["content"].clone();
    assert_eq!((&set["mode"], &set["group"]), (&"lockdown".into(), &"guards".into()));
    command(port, "unlock", now(), false);
    refused("locked down");
    daemon.stop();
    observer.wait_for_status("offline");

    // The mode is kept over a restart, also for the hub.
    let daemon = Daemon::start(&house);
    observer.wait_for_status("online");
    command(port, "unlock", now(), false);
    refused("locked down");
    assert_eq!(house.records("operator_unlocked").len(), 1);
    command(port, "normal", now(), false);
    assert_eq!(observer.wait_for_event("mode_set")["content"]["mode"], "normal");
    daemon.stop();
    house.usher(&["journal", "verify"]);
}

#[test]
fn figures_are_on_the_control_socket_and_where_they_are_asked_for() {
    let port = free_port();
    let film = Film::default().shows("obama2.jpg", 8).nobody(14);
    let house = House::new().watching(film, true).with(&format!("[metrics]\nlisten = \"127.0.0.1:{port}\""));
    house.enroll("Barack Obama", &["obama.jpg"]);
    let daemon = Daemon::start(&house);
    eventually("a grant", || house.records("unlocked").pop());
    let ask = |stream: &mut dyn ReadWrite| {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: usher\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let over_tcp = ask(&mut TcpStream::connect(("127.0.0.1", port)).unwrap());
    let over_socket = ask(&mut std::os::unix::net::UnixStream::connect(house.socket()).unwrap());
    for answer in [&over_tcp, &over_socket] {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
        assert!(answer.contains("\nusher_journal_records_total{kind=\"granted\"} "), "{answer}");
        assert!(answer.contains("\nusher_stage_well{role=\"camera\",name=\"porch\"} 1\n"), "{answer}");
        assert!(!answer.contains("Obama"), "no names: {answer}");
    }
    // The other routes are for the socket alone.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /v1/people HTTP/1.1\r\nHost: usher\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");

    // The page lists every figure, and no other.
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    for name in over_tcp.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(page.contains(&format!("| `{name}` |")), "docs/metrics.md does not tell of {name}");
    }
    daemon.stop();
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
    assert!(house.usher(&["doctor"]).contains("lets us in"));
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
fn the_files_of_tls_are_asked_for() {
    let port = broker();
    let mqtt = format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n[mqtt.tls]\nenabled = true\n");
    let house = House::new().with(&format!("{mqtt}ca_file = \"/nowhere/ca.pem\""));
    let answer = house.ask(&["doctor"]);
    assert!(answer.out.contains("[mqtt.tls] ca_file /nowhere/ca.pem"), "{answer:?}");
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// A broker that lets everybody in and then says nothing. Returns its port.
fn mute_broker() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // MQTT 5.0, 3.2: CONNACK, three bytes follow, no session, success, no properties.
            stream.write_all(&[0x20, 3, 0, 0, 0]).unwrap();
            let mut reader = stream.try_clone().unwrap();
            std::thread::spawn(move || {
                let mut bytes = [0; 1024];
                while reader.read(&mut bytes).is_ok_and(|count| count > 0) {}
            });
            kept.push(stream);
        }
    });
    port
}

#[test]
fn what_happened_while_the_broker_was_away_arrives_after_a_power_cut_once_in_order_and_marked() {
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
    assert_eq!(observer.wait_for_event("unlocked")["replayed"], false, "news goes on");
    eventually("an empty outbox", || (status(&house)["hub"]["waiting"] == 0).then_some(()));
    daemon.stop();

    // What was acknowledged does not come again.
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
    assert!(figures(&house).lines().any(waits), "{}", figures(&house));
    // Twice the keep-alive, and some more for a second attempt.
    eventually("the outage", || daemon.log().contains("the broker is away").then_some(()));
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(daemon.log().matches("the broker is").count(), 1, "{}", daemon.log());
    daemon.stop();
}

/// The page of figures, from the control socket.
fn figures(house: &House) -> String {
    let mut stream = std::os::unix::net::UnixStream::connect(house.socket()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: usher\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
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
