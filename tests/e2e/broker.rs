//! What a broker hears of the daemon, in its life and at its death.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{Client, Event, MqttOptions};
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use serde_json::Value;

use crate::support::{Daemon, Film, House, PATIENCE, eventually, status};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a broker that lives until the test process ends. Returns its port.
fn broker() -> u16 {
    let port = free_port();
    let connections = ConnectionSettings {
        connection_timeout_ms: 5000,
        max_payload_size: 20_480,
        max_inflight_count: 100,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings {
        name: "test".to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], port)),
        tls: None,
        next_connection_delay_ms: 1,
        connections,
    };
    let router = RouterConfig {
        max_connections: 100,
        max_outgoing_packet_count: 200,
        max_segment_size: 1 << 20,
        max_segment_count: 10,
        ..RouterConfig::default()
    };
    let config = Config { router, v5: Some(HashMap::from([("test".to_owned(), server)])), ..Config::default() };
    let mut broker = Broker::new(config);
    std::thread::spawn(move || broker.start().unwrap());
    eventually("the broker", || TcpStream::connect(("127.0.0.1", port)).ok());
    port
}

/// Somebody else who listens to all topics of the house.
struct Observer(Receiver<Publish>);

impl Observer {
    /// Returns once the broker has confirmed the subscription.
    fn of(port: u16, name: &str) -> Observer {
        let (client, mut connection) = Client::new(MqttOptions::new(name, "127.0.0.1", port), 10);
        client.subscribe("usher/house/#", QoS::AtLeastOnce).unwrap();
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
    fn wait_for(&self, topic: &str) -> Publish {
        loop {
            let publish = self.0.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("waited in vain for {topic}"));
            if publish.topic == format!("usher/house/{topic}").as_bytes() {
                return publish;
            }
        }
    }

    fn wait_for_event(&self, kind: &str) -> Value {
        let publish = self.wait_for(&format!("event/{kind}"));
        assert!(!publish.retain);
        serde_json::from_slice(&publish.payload).unwrap()
    }

    fn wait_for_status(&self, status: &str) -> Publish {
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
fn a_second_signal_ends_the_daemon_at_once() {
    // A broker that lets everybody in and then says nothing: an orderly end waits for it for two seconds.
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
