//! The hub against a real broker in the test process. A small proxy stands between the two where a test has to cut the line.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep, timeout};
use usher::hub::{EventMessage, Hub, HubSettings, Publication, State};

/// Far longer than anything here takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

fn settings(port: u16) -> HubSettings {
    HubSettings {
        host: "127.0.0.1".to_owned(),
        port,
        client_id: "usher-test".to_owned(),
        username: None,
        password: None,
        keep_alive: Duration::from_secs(30),
        prefix: "house".to_owned(),
        device: "door".to_owned(),
    }
}

fn publication(seq: u64) -> Publication {
    let content = json!({ "door": "front", "reason": "time is over" });
    let (id, time) = ("019b7e3c-1153-7a10-8b1e-4c0ffee00001", "2026-01-02T10:32:07.123456Z");
    EventMessage { seq, id, time, kind: "door_closed", content: &content }.publication()
}

fn seq(publish: &Publish) -> u64 {
    serde_json::from_slice::<serde_json::Value>(&publish.payload).unwrap()["seq"].as_u64().unwrap()
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// Starts a broker that lives until the test process ends. Returns its port.
async fn broker(users: Option<(&str, &str)>) -> u16 {
    let port = free_port().await;
    let connections = ConnectionSettings {
        connection_timeout_ms: 5000,
        max_payload_size: 20_480,
        max_inflight_count: 100,
        auth: users.map(|(name, password)| HashMap::from([(name.to_owned(), password.to_owned())])),
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
    timeout(PATIENCE, async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the broker listens");
    port
}

/// Accepts one connection and says nothing more for good. Returns its port.
async fn mute_broker() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // MQTT 5.0, 3.2: CONNACK, three bytes follow, no session, success, no properties.
        stream.write_all(&[0x20, 3, 0, 0, 0]).await.unwrap();
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.unwrap();
        std::future::pending::<()>().await;
    });
    port
}

/// Somebody else who listens to all topics of the device.
struct Observer {
    publishes: mpsc::UnboundedReceiver<Publish>,
    task: JoinHandle<()>,
}

impl Observer {
    /// Returns once the broker has confirmed the subscription.
    async fn of(port: u16, name: &str) -> Observer {
        let (client, mut events) = AsyncClient::new(MqttOptions::new(name, "127.0.0.1", port), 10);
        client.subscribe("house/door/#", QoS::AtLeastOnce).await.unwrap();
        let (ready, mut subscribed) = mpsc::channel(1);
        let (sender, publishes) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let _client = client;
            loop {
                match events.poll().await.unwrap() {
                    Event::Incoming(Packet::Publish(publish)) => drop(sender.send(publish)),
                    Event::Incoming(Packet::SubAck(_)) => drop(ready.send(()).await),
                    _ => {}
                }
            }
        });
        timeout(PATIENCE, subscribed.recv()).await.expect("the broker confirms the subscription");
        Observer { publishes, task }
    }

    async fn next(&mut self) -> Publish {
        timeout(PATIENCE, self.publishes.recv()).await.expect("a message arrives").expect("the observer lives")
    }

    async fn expect_status(&mut self, status: &str) -> Publish {
        let publish = self.next().await;
        assert_eq!((&publish.topic[..], &publish.payload[..]), (&b"house/door/status"[..], status.as_bytes()));
        publish
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes bytes on from its own port to a broker's, until it is dropped: then all lines break at once.
struct Proxy {
    accepting: JoinHandle<()>,
    lines: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Proxy {
    async fn between(port: u16, broker: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let lines = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let accepted = lines.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let line = tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", broker)).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
                accepted.lock().unwrap().push(line.abort_handle());
            }
        });
        Proxy { accepting, lines }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.lines.lock().unwrap().iter().for_each(AbortHandle::abort);
    }
}

async fn online(hub: &Hub) {
    timeout(PATIENCE, async {
        while hub.state() != State::Online {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the hub comes online");
}

/// Waits for an outage and says why there is one.
async fn offline(hub: &Hub) -> String {
    timeout(PATIENCE, async {
        loop {
            if let State::Offline { why } = hub.state() {
                return why;
            }
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the hub goes offline")
}

#[tokio::test]
async fn events_arrive_with_qos_1_and_the_status_is_retained() {
    let port = broker(None).await;
    let mut early = Observer::of(port, "early").await;
    let hub = Hub::start(settings(port));
    early.expect_status("online").await;

    hub.publish(publication(8));
    let event = early.next().await;
    assert_eq!(event.topic, "house/door/event/door_closed");
    assert_eq!((event.qos, event.retain), (QoS::AtLeastOnce, false));
    let payload: serde_json::Value = serde_json::from_slice(&event.payload).unwrap();
    let expected = json!({
        "seq": 8,
        "id": "019b7e3c-1153-7a10-8b1e-4c0ffee00001",
        "time": "2026-01-02T10:32:07.123456Z",
        "kind": "door_closed",
        "content": { "door": "front", "reason": "time is over" },
    });
    assert_eq!(payload, expected);

    let mut late = Observer::of(port, "late").await;
    assert!(late.expect_status("online").await.retain);
    assert_eq!((hub.state(), hub.dropped()), (State::Online, 0));
}

#[tokio::test]
async fn stopping_sends_what_is_queued_and_then_says_offline() {
    let port = broker(None).await;
    let mut observer = Observer::of(port, "observer").await;
    let hub = Hub::start(settings(port));
    observer.expect_status("online").await;
    (1..=100).for_each(|seq| hub.publish(publication(seq)));
    hub.stop().await;
    for expected in 1..=100 {
        assert_eq!(seq(&observer.next().await), expected);
    }
    observer.expect_status("offline").await;
}

#[tokio::test]
async fn a_broken_line_makes_the_broker_say_offline() {
    let port = broker(None).await;
    let mut observer = Observer::of(port, "observer").await;
    let proxy_port = free_port().await;
    let proxy = Proxy::between(proxy_port, port).await;
    let hub = Hub::start(settings(proxy_port));
    observer.expect_status("online").await;

    drop(proxy);
    observer.expect_status("offline").await;
    assert!(offline(&hub).await.contains(&format!("127.0.0.1:{proxy_port}")));
    assert!(Observer::of(port, "late").await.expect_status("offline").await.retain);
}

#[tokio::test]
async fn a_dropped_hub_leaves_the_broker_to_say_offline() {
    let port = broker(None).await;
    let mut observer = Observer::of(port, "observer").await;
    let hub = Hub::start(settings(port));
    observer.expect_status("online").await;
    drop(hub);
    observer.expect_status("offline").await;
}

#[tokio::test]
async fn after_a_restart_of_the_broker_the_hub_comes_back_and_says_so_once() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();

    let port = free_port().await;
    let first = broker(None).await;
    let proxy = Proxy::between(port, first).await;
    let hub = Hub::start(settings(port));
    online(&hub).await;

    drop(proxy);
    offline(&hub).await;
    hub.publish(publication(1));
    hub.publish(publication(2));
    // Long enough for a second attempt, which fails too.
    sleep(Duration::from_millis(2500)).await;

    let second = broker(None).await;
    let mut observer = Observer::of(second, "observer").await;
    let _proxy = Proxy::between(port, second).await;
    observer.expect_status("online").await;
    assert_eq!([seq(&observer.next().await), seq(&observer.next().await)], [1, 2]);
    assert_eq!((hub.state(), hub.dropped()), (State::Online, 0));
    let told = |what| log.count(what, &format!("127.0.0.1:{port}"));
    assert_eq!([told("the broker is away"), told("the broker is back")], [1, 1]);
}

#[tokio::test]
async fn a_wrong_port_blocks_nobody_and_the_newest_are_kept() {
    let port = free_port().await;
    let hub = Hub::start(settings(port));
    assert_eq!(hub.state(), State::Connecting);
    let why = offline(&hub).await;
    assert!(why.contains(&format!("127.0.0.1:{port} cannot be reached")), "{why}");
    (1..=1000).for_each(|seq| hub.publish(publication(seq)));
    assert_eq!(hub.dropped(), 1000 - 256);

    let second = broker(None).await;
    let mut observer = Observer::of(second, "observer").await;
    let _proxy = Proxy::between(port, second).await;
    observer.expect_status("online").await;
    for expected in 745..=1000 {
        assert_eq!(seq(&observer.next().await), expected);
    }
    timeout(Duration::from_secs(3), hub.stop()).await.expect("stopping takes 2 seconds at most");
}

#[tokio::test]
async fn a_wrong_password_is_named() {
    let port = broker(Some(("usher", "right"))).await;
    let with = |password: &str| {
        let (username, password) = (Some("usher".to_owned()), Some(password.to_owned()));
        HubSettings { username, password, ..settings(port) }
    };
    let hub = Hub::start(with("wrong"));
    let why = offline(&hub).await;
    assert!(why.contains("password"), "{why}");
    hub.stop().await;
    online(&Hub::start(with("right"))).await;
}

#[tokio::test]
async fn a_host_without_address_is_an_outage() {
    let hub = Hub::start(HubSettings { host: "no-such-host.invalid".to_owned(), ..settings(1883) });
    let why = offline(&hub).await;
    assert!(why.contains("no-such-host.invalid:1883"), "{why}");
    hub.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let hub = Hub::start(settings(port));
    let why = offline(&hub).await;
    assert!(why.contains("did not answer within 5 s"), "{why}");
    hub.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_falls_silent_is_noticed() {
    let keep_alive = Duration::from_secs(5);
    let hub = Hub::start(HubSettings { keep_alive, ..settings(mute_broker().await) });
    online(&hub).await;
    let why = offline(&hub).await;
    assert!(why.contains("stopped answering"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_a_silent_broker() {
    let hub = Hub::start(settings(mute_broker().await));
    online(&hub).await;
    hub.publish(publication(1));
    let asked = Instant::now();
    hub.stop().await;
    assert!(asked.elapsed() < Duration::from_millis(2100), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_topic_that_mqtt_forbids_is_dropped_and_harms_nobody() {
    let port = broker(None).await;
    let mut observer = Observer::of(port, "observer").await;
    let hub = Hub::start(settings(port));
    observer.expect_status("online").await;
    hub.publish(Publication { kind: "a/#".to_owned(), ..publication(1) });
    hub.publish(publication(2));
    assert_eq!(seq(&observer.next().await), 2);
    assert_eq!(hub.dropped(), 1);
}

#[test]
fn the_password_is_not_printed() {
    let settings = HubSettings { password: Some("s3cret".to_owned()), ..settings(1883) };
    let printed = format!("{settings:?}");
    assert!(printed.contains("usher-test") && !printed.contains("s3cret"), "{printed}");
}

/// What was logged in this process, by all tests.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// How many lines hold both.
    fn count(&self, what: &str, address: &str) -> usize {
        let bytes = self.0.lock().unwrap();
        String::from_utf8_lossy(&bytes).lines().filter(|line| line.contains(what) && line.contains(address)).count()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
