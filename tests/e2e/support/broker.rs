//! Brokers for the daemon, and a client that observes what they get.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{Client, Event, MqttOptions};
use rumqttd::Broker;
use serde_json::Value;

use super::{House, PATIENCE, eventually};
use crate::in_process::rumqttd_config;

/// A port that was free a moment ago. It is below those that the kernel gives to connections: one of them could take it while a broker is away.
pub fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(15_000..20_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Starts a broker that lives until the test process ends. Returns its port.
pub fn broker() -> u16 {
    broker_for(None)
}

/// The same for one user with a password.
pub fn broker_for(user: Option<(&str, &str)>) -> u16 {
    broker_at(free_port(), user)
}

/// Starts a broker on that port, for everybody or for one user with a password.
pub fn broker_at(port: u16, user: Option<(&str, &str)>) -> u16 {
    let config = rumqttd_config(port, user);
    let mut broker = Broker::new(config);
    std::thread::spawn(move || broker.start().unwrap());
    eventually("the broker", || TcpStream::connect(("127.0.0.1", port)).ok());
    port
}

/// Another client of the broker, which has subscribed to all topics of the house.
pub struct Observer(pub Receiver<Publish>);

impl Observer {
    /// Returns once the broker has confirmed the subscription.
    pub fn of(port: u16, name: &str) -> Observer {
        Observer::listening_to(port, name, "usher/house/#")
    }

    pub fn listening_to(port: u16, name: &str, topic: &str) -> Observer {
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

    /// Waits for a message of that topic below `usher/house/`; skips others.
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

/// The broker's retained topics and payloads.
pub fn retained(port: u16) -> BTreeMap<String, String> {
    let (client, mut connection) = {
        let mut options = MqttOptions::new("late", "127.0.0.1", port);
        options.set_max_packet_size(Some(1 << 20));
        Client::new(options, 10)
    };
    client.subscribe("#", QoS::AtLeastOnce).unwrap();
    let mut retained = BTreeMap::new();
    for event in connection.iter() {
        match event.unwrap() {
            Event::Incoming(Packet::SubAck(_)) => client.publish("end", QoS::AtLeastOnce, false, "").unwrap(),
            Event::Incoming(Packet::Publish(publish)) if publish.topic == b"end"[..] => break,
            Event::Incoming(Packet::Publish(publish)) if publish.retain => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                retained.insert(text(&publish.topic), text(&publish.payload));
            }
            _ => {}
        }
    }
    retained
}

/// A broker that accepts every connection and never sends anything after that. Returns its port.
pub fn mute_broker() -> u16 {
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

/// The page `/metrics`, from the control socket.
pub fn metrics(house: &House) -> String {
    let mut stream = std::os::unix::net::UnixStream::connect(house.socket()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: usher\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
