//! How fast the outbox drains: events per second from a full outbox to mosquitto on the loopback interface, each acknowledged at QoS 1.
//!
//! Needs mosquitto (script/setup installs it). `cargo bench --bench outbox`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use usher::clock::SystemClock;
use usher::domain::{Content, Recorded};
use usher::hub::{DeviceLayout, Hub, HubDeps, HubSettings, MemoryOutbox, MemoryTopics, Version};

const EVENTS: u64 = 20_000;
const ROUNDS: usize = 5;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn mosquitto(folder: &Path) -> (Child, u16) {
    let port = free_port();
    let text =
        format!("persistence false\nlog_dest none\nuser root\nlistener {port} 127.0.0.1\nallow_anonymous true\n");
    let config = folder.join("mosquitto.conf");
    std::fs::write(&config, text).unwrap();
    let there = Path::new("/usr/sbin/mosquitto");
    let program = if there.exists() { there } else { Path::new("mosquitto") };
    let child = Command::new(program)
        .arg("-c")
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto is installed: script/setup does it");
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    (child, port)
}

/// An outbox of events as large as a grant in the journal.
fn full() -> MemoryOutbox {
    let outbox = MemoryOutbox::default();
    let gate = json!({ "name": "distance", "input": "0.62", "limit": "at most 0.90", "passed": true });
    let content = json!({
        "door": "front", "camera": "porch", "direction": "in", "verdict": "grant", "reason": null,
        "person": { "id": 7, "name": "Barack Obama" }, "distance": 0.62,
        "runner_up": { "id": 9, "name": "Joe Biden", "distance": 1.21 },
        "frames": { "agree": 3, "of": 5 }, "track": 4, "frame": 918, "capture_to_verdict_ms": 214,
        "gates": [gate, gate, gate, gate, gate],
    });
    for seq in 1..=EVENTS {
        outbox.push(Recorded {
            seq,
            id: format!("019b7e3c-1153-7a10-8b1e-{seq:012}"),
            time: "2026-01-02T10:32:07.123456Z".to_owned(),
            kind: "granted".to_owned(),
            content: Content::from_json("granted", content.clone()),
            previous: format!("{:064x}", seq - 1),
            hash: format!("{seq:064x}"),
        });
    }
    outbox
}

fn settings(port: u16, version: Version) -> HubSettings {
    HubSettings {
        host: "127.0.0.1".to_owned(),
        port,
        version,
        tls: None,
        client_id: "usher-bench".to_owned(),
        username: None,
        password: None,
        keep_alive: Duration::from_secs(30),
        clean_start: true,
        session_expiry: Duration::ZERO,
        prefix: "bench".to_owned(),
        device: "door".to_owned(),
        home_assistant: None,
        commands: None,
        snapshots: false,
    }
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, port) = mosquitto(folder.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for (name, version) in [("MQTT 5", Version::V5), ("MQTT 3.1.1", Version::V311)] {
        let mut rates: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let outbox = Arc::new(full());
                let clock = Arc::new(SystemClock::new());
                let started = Instant::now();
                let (refused, _) = tokio::sync::mpsc::channel(1);
                let (layout, retained_topics) = (DeviceLayout::default(), Arc::new(MemoryTopics::default()));
                let deps = HubDeps {
                    layout,
                    outbox: outbox.clone(),
                    earlier: EVENTS,
                    clock,
                    retained_topics,
                    refused,
                    entries: None,
                };
                let (hub, _commands) = {
                    let _inside = runtime.enter();
                    Hub::start(settings(port, version), deps)
                };
                while !outbox.is_empty() {
                    std::thread::sleep(Duration::from_millis(2));
                }
                let rate = EVENTS as f64 / started.elapsed().as_secs_f64();
                runtime.block_on(hub.stop());
                rate
            })
            .collect();
        rates.sort_by(f64::total_cmp);
        println!(
            "{name}: {:.0} events/s (median of {ROUNDS}; {:.0} to {:.0})",
            rates[ROUNDS / 2],
            rates[0],
            rates[ROUNDS - 1]
        );
    }
    // It may have ended already.
    drop(child.kill());
    drop(child.wait());
}
