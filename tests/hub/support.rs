//! Brokers to test against, connections to cut, and an observer.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use crate::in_process::rumqttd_config;
pub use crate::proxy::Proxy;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use rumqttd::Broker;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use usher::clock::SimulatedClock;
use usher::domain::{Content, Prompt, Recorded};
use usher::hub::{
    ConnectionState, DeviceLayout, DoorLayout, DoorState, Hub, HubCommand, HubDeps, HubEntry, HubSettings, LockState,
    MemoryOutbox, MemoryTopics, MessageRefusal, Outbox, RefusedCommand, Snapshot, StorageError, Version,
};

/// Far longer than anything takes; only a failing test waits that long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// 2026-01-02T10:32:07Z
pub fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_349_927)
}

pub fn settings(port: u16) -> HubSettings {
    HubSettings {
        host: "127.0.0.1".to_owned(),
        port,
        version: Version::V5,
        tls: None,
        client_id: "usher-test".to_owned(),
        username: None,
        password: None,
        keep_alive: Duration::from_secs(30),
        clean_start: true,
        session_expiry: Duration::ZERO,
        prefix: "house".to_owned(),
        device: "door".to_owned(),
        home_assistant: None,
        commands: None,
        snapshots: false,
    }
}

pub fn layout() -> DeviceLayout {
    let door = DoorLayout {
        name: "front".into(),
        leaf_sensor: true,
        tamper_contact: true,
        mode: "normal".into(),
        prompts: true,
    };
    DeviceLayout {
        doors: vec![door],
        cameras: vec!["porch".into()],
        people: vec![(7, "Barack Obama".into())],
        inside: Default::default(),
        before: Default::default(),
        version: "0.1.0".into(),
    }
}

/// A record of that kind. What `content` leaves out is added: what every such record has.
pub fn entry(seq: u64, kind: &str, mut content: Value) -> Recorded {
    let rest = match kind {
        "granted" | "denied" => json!({
            "camera": "porch", "direction": null, "verdict": if kind == "granted" { "grant" } else { "deny" }, "reason": null,
            "person": null, "distance": null, "runner_up": null, "frames": { "agree": 3, "of": 5 }, "track": 4, "frame": 918,
            "capture_to_verdict_ms": 214, "gates": [],
        }),
        "unlocked" => json!({ "cause": "grant", "record": 1, "duration_ms": 3000, "capture_to_door_ms": null }),
        "passed" => json!({ "direction": null, "zone": null, "record": 1 }),
        "enrolled" => json!({ "templates": 5, "by": "anna" }),
        "renamed" => json!({ "before": "x", "by": "anna" }),
        "removed" => json!({ "by": "anna" }),
        "hub_message_refused" => json!({ "bytes": 4000, "reason": "too large" }),
        _ => json!({}),
    };
    if let (Value::Object(content), Value::Object(rest)) = (&mut content, rest) {
        for (name, value) in rest {
            content.entry(name).or_insert(value);
        }
    }
    let id = format!("019b7e3c-1153-7a10-8b1e-{seq:012}");
    let (time, content) = ("2026-01-02T10:32:07.123456Z".to_owned(), Content::from_json(kind, content));
    let (previous, hash) = (format!("{:064x}", seq - 1), format!("{seq:064x}"));
    Recorded { seq, id, time, kind: kind.to_owned(), content, previous, hash }
}

/// A picture that belongs to the record of that number.
pub fn picture(seq: u64, kind: &str, jpeg: Vec<u8>) -> Snapshot {
    let Recorded { id, time, kind, .. } = entry(seq, kind, Value::Null);
    let (door, camera) = ("front".to_owned(), "porch".to_owned());
    Snapshot { seq, id, time, kind, door, camera, shows: "frame", jpeg: jpeg.into(), width: 640, height: 480 }
}

/// A hub with an outbox in memory.
pub struct House {
    pub hub: Hub,
    pub outbox: Arc<MemoryOutbox>,
    pub commands: mpsc::Receiver<Result<HubCommand, RefusedCommand>>,
    /// Refusals that the hub wants recorded.
    pub refused: mpsc::Receiver<MessageRefusal>,
    /// PINs and tags, where they are taken.
    pub entries: Option<mpsc::Receiver<HubEntry>>,
}

/// How a hub is started, with what an earlier run left.
#[derive(Default)]
pub struct Past {
    pub outbox: Arc<MemoryOutbox>,
    /// Events up to this number are of an earlier run.
    pub earlier: u64,
    pub retained_topics: Arc<MemoryTopics>,
    /// Whether PINs and tags are taken.
    pub takes_entries: bool,
}

/// The front door in this lock state.
pub fn front(lock: LockState) -> Vec<DoorState> {
    let (name, mode) = ("front".to_owned(), "normal".to_owned());
    vec![DoorState { name, lock, open: None, mode, alarms: Vec::new(), fault: None, prompt: Prompt::Idle }]
}

impl House {
    pub fn start(settings: HubSettings) -> House {
        House::with(settings, layout(), Arc::default(), 0)
    }

    /// With what an earlier run left: events up to number `earlier`.
    pub fn with(settings: HubSettings, layout: DeviceLayout, outbox: Arc<MemoryOutbox>, earlier: u64) -> House {
        House::after(settings, layout, Past { outbox, earlier, ..Past::default() })
    }

    pub fn after(settings: HubSettings, layout: DeviceLayout, past: Past) -> House {
        let Past { outbox, earlier, retained_topics, takes_entries } = past;
        let clock = Arc::new(SimulatedClock::new(wall()));
        let (refused, refusals) = mpsc::channel(16);
        let (entries, entered) = takes_entries.then(|| mpsc::channel(64)).unzip();
        let deps = HubDeps { layout, outbox: outbox.clone(), earlier, clock, retained_topics, refused, entries };
        let (hub, commands) = Hub::start(settings, deps);
        House { hub, outbox, commands, refused: refusals, entries: entered }
    }

    /// An event happens: on disk first, then to the hub.
    pub fn happens(&self, entry: Recorded) {
        self.outbox.push(entry.clone());
        self.hub.happened(&entry);
    }

    /// The door is locked again: event number `seq`.
    pub fn locks(&self, seq: u64) {
        self.happens(entry(seq, "locked", json!({ "door": "front", "reason": "time is over" })));
    }

    pub async fn online(&self) {
        eventually("the hub to come online", || self.hub.state() == ConnectionState::Online).await;
    }

    /// Waits for an outage; returns its reason.
    pub async fn offline(&self) -> String {
        timeout(PATIENCE, async {
            loop {
                if let ConnectionState::Offline { why } = self.hub.state() {
                    return why;
                }
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("the hub goes offline")
    }
}

/// An outbox that cannot be read for a while.
pub struct SickOutbox {
    pub well: Arc<MemoryOutbox>,
    pub sick: std::sync::atomic::AtomicBool,
}

impl Outbox for SickOutbox {
    fn pending(&self, after: u64, limit: usize) -> Result<Vec<Recorded>, StorageError> {
        match self.sick.load(std::sync::atomic::Ordering::Relaxed) {
            true => Err(StorageError::new("the disk is on fire")),
            false => self.well.pending(after, limit),
        }
    }
    fn acknowledge(&self, seqs: &[u64]) -> Result<(), StorageError> {
        self.well.acknowledge(seqs)
    }
}

pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    timeout(PATIENCE, async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

/// A port that was free a moment ago. It is below those that the kernel gives to connections: one of them could take it while a broker is away.
pub async fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(10_000..15_000);
        if TcpListener::bind(("127.0.0.1", port)).await.is_ok() {
            return port;
        }
    }
}

async fn listening(port: u16) {
    timeout(PATIENCE, async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the broker listens");
}

/// Starts a broker that lives until the test process ends. Returns its port.
pub async fn broker(users: Option<(&str, &str)>) -> u16 {
    let port = free_port().await;
    let config = rumqttd_config(port, users);
    let mut broker = Broker::new(config);
    std::thread::spawn(move || broker.start().unwrap());
    listening(port).await;
    port
}

/// Accepts connections and never sends anything after that. Returns its port.
pub async fn mute_broker() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                // MQTT 5.0, 3.2: CONNACK, three bytes follow, no session, success, no properties.
                stream.write_all(&[0x20, 3, 0, 0, 0]).await.unwrap();
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            });
        }
    });
    port
}

/// A real mosquitto in a folder of its own, with a plain port for observers. Ends when it is dropped.
pub struct Mosquitto {
    child: Child,
    folder: TempDir,
    /// The plain port, without a password.
    pub port: u16,
    /// The port of `listener`; a plain one without it.
    pub own_port: u16,
}

impl Mosquitto {
    /// Without a listener of its own.
    pub async fn start() -> Mosquitto {
        Mosquitto::with(|_| "allow_anonymous true".to_owned()).await
    }

    /// With another listener that has these lines; they may name files that were written into the folder.
    pub async fn with(listener: impl FnOnce(&Path) -> String) -> Mosquitto {
        Mosquitto::made("", listener).await
    }

    /// The same with lines for the whole of it.
    pub async fn made(general: &str, listener: impl FnOnce(&Path) -> String) -> Mosquitto {
        let folder = tempfile::tempdir().unwrap();
        let (port, own_port) = (free_port().await, free_port().await);
        let lines = listener(folder.path());
        let text = format!(
            "per_listener_settings true\npersistence false\nlog_dest none\nuser root\nmax_queued_messages 0\n{general}\n\
             listener {port} 127.0.0.1\nallow_anonymous true\n\
             listener {own_port} 127.0.0.1\n{lines}\n"
        );
        std::fs::write(folder.path().join("mosquitto.conf"), text).unwrap();
        let child = Mosquitto::spawn(folder.path());
        listening(port).await;
        listening(own_port).await;
        Mosquitto { child, folder, port, own_port }
    }

    fn spawn(folder: &Path) -> Child {
        // Debian installs it in a folder that is only in root's PATH.
        let there = Path::new("/usr/sbin/mosquitto");
        let program = if there.exists() { there } else { Path::new("mosquitto") };
        Command::new(program)
            .arg("-c")
            .arg(folder.join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is installed: script/setup does it")
    }

    /// Ends it at once, as when the power fails.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again; it has forgotten everything.
    pub async fn restart(&mut self) {
        self.child = Mosquitto::spawn(self.folder.path());
        listening(self.port).await;
        listening(self.own_port).await;
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Writes a file of users for mosquitto.
pub fn passwords(folder: &Path, user: &str, password: &str) -> PathBuf {
    let path = folder.join("passwords");
    let made = Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&path).args([user, password]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    path
}

/// Another client of the broker.
pub struct Observer {
    pub client: AsyncClient,
    publishes: mpsc::UnboundedReceiver<Publish>,
    task: JoinHandle<()>,
}

impl Observer {
    /// Listens to all topics of the device. Returns once the broker has confirmed the subscription.
    pub async fn of(port: u16, name: &str) -> Observer {
        Observer::listening_to(port, name, "house/door/#").await
    }

    pub async fn listening_to(port: u16, name: &str, topic: &str) -> Observer {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options.set_max_packet_size(Some(1 << 20));
        let (client, mut events) = AsyncClient::new(options, 100);
        client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        let (ready, mut subscribed) = mpsc::channel(1);
        let (sender, publishes) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                match events.poll().await.unwrap() {
                    Event::Incoming(Packet::Publish(publish)) => drop(sender.send(publish)),
                    Event::Incoming(Packet::SubAck(_)) => drop(ready.send(()).await),
                    _ => {}
                }
            }
        });
        timeout(PATIENCE, subscribed.recv()).await.expect("the broker confirms the subscription");
        Observer { client, publishes, task }
    }

    pub async fn next(&mut self) -> Publish {
        timeout(PATIENCE, self.publishes.recv()).await.expect("a message arrives").expect("the observer lives")
    }

    /// The next message of that topic; skips others.
    pub async fn wait_for(&mut self, topic: &str) -> Publish {
        loop {
            let publish = self.next().await;
            if publish.topic == topic.as_bytes() {
                return publish;
            }
        }
    }

    /// Waits until the topic's payload satisfies `is_it`.
    pub async fn wait_until(&mut self, topic: &str, is_it: impl Fn(&Value) -> bool) -> Publish {
        loop {
            let publish = self.wait_for(topic).await;
            if serde_json::from_slice(&publish.payload).is_ok_and(|value| is_it(&value)) {
                return publish;
            }
        }
    }

    pub async fn expect_status(&mut self, status: &str) -> Publish {
        loop {
            let publish = self.wait_for("house/door/status").await;
            if publish.payload == status.as_bytes() {
                return publish;
            }
        }
    }

    /// The next event, whether it comes late or not.
    pub async fn event(&mut self) -> Publish {
        loop {
            let publish = self.next().await;
            let topic = text(&publish.topic);
            if topic.starts_with("house/door/event/") || topic.starts_with("house/door/replay/") {
                return publish;
            }
        }
    }

    /// Publishes with an expiry, where one is given.
    pub async fn says(&self, topic: &str, payload: impl Into<Vec<u8>>, retain: bool, expiry_s: Option<u32>) {
        let properties = PublishProperties { message_expiry_interval: expiry_s, ..PublishProperties::default() };
        let payload: Vec<u8> = payload.into();
        self.client.publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties).await.unwrap();
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

pub fn value(publish: &Publish) -> Value {
    serde_json::from_slice(&publish.payload).unwrap()
}

pub fn seq(publish: &Publish) -> u64 {
    value(publish)["seq"].as_u64().unwrap()
}

/// What is logged in this process, by all tests, from a moment on: before it, another test may have had the same port.
pub struct Log {
    written: &'static Written,
    from: usize,
}

/// Everything logged in this process.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The log from now on.
    pub fn begin() -> Log {
        static WRITTEN: OnceLock<Written> = OnceLock::new();
        let written = WRITTEN.get_or_init(|| {
            let written = Written::default();
            let writer = written.clone();
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
            written
        });
        Log { written, from: written.0.lock().unwrap().len() }
    }

    /// How many lines contain both.
    pub fn count(&self, what: &str, also: &str) -> usize {
        self.lines(also).iter().filter(|line| line.contains(what)).count()
    }

    /// The lines that contain it.
    pub fn lines(&self, what: &str) -> Vec<String> {
        let bytes = self.written.0.lock().unwrap();
        let lines = String::from_utf8_lossy(&bytes[self.from..]);
        lines.lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
