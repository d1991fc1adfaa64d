//! How late a relay returns to its safe level, with an idle process and with a stalled disk: after each pulse, the time between its scheduled
//! end and the level on the wires.
//!
//! Prints the median, the 99th percentile and the maximum. `cargo bench --bench relay -- PULSES` measures another number of pulses than 200.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

use std::sync::Arc;
use std::time::Duration;

use usher::clock::{Clock, SystemClock};
use usher::daemon::doors::write_queue::{PATIENCE, write_queue};
use usher::daemon::doors::writer::{EventWriter, Unwritten};
use usher::domain::{DaemonEvent, DoorCommand, Event};
use usher::door::{Level, Limits, Panel, Relay, RelayOutcome, RelayStop, Simulated, relay_thread};
use usher::office::saved::SavedEntry;

const PULSE: Duration = Duration::from_millis(30);

/// A disk that stalls for two seconds on each record.
struct Stalling;

impl EventWriter for Stalling {
    fn write(&self, _: &Event, _: &[SavedEntry]) -> Result<u64, Unwritten> {
        std::thread::sleep(Duration::from_secs(2));
        Ok(1)
    }
}

fn main() {
    let pulses = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(200);
    report("idle", measure(pulses, false));
    report("while the doors wait for a stalled disk", measure(pulses / 20, true));
}

fn measure(pulses: usize, stalled: bool) -> Vec<Duration> {
    let clock = Arc::new(SystemClock::new());
    let wires = Simulated::new(clock.clone());
    let history = wires.history();
    let limits = Limits { max_age: Duration::from_secs(1), max_on: PULSE, max_hold: None };
    let relay = Relay::new(Box::new(wires), limits).expect("simulated wires never fail");
    let (mut relay, body) = relay_thread(relay, Panel::new(None), clock.clone(), &RelayStop::default(), || {});
    std::thread::spawn(move || body.run(|| {}));
    let (writer, records) = write_queue(Stalling, PATIENCE, |_| {});
    std::thread::spawn(move || records.run());
    let mut late = Vec::with_capacity(pulses);
    for _ in 0..pulses {
        let not_after = clock.now() + Duration::from_secs(1);
        let command = DoorCommand::Pulse { evidence: None, duration: PULSE, not_after };
        let Ok(RelayOutcome::Opened { until }) = relay.command(command) else { panic!("the relay did not open") };
        match stalled {
            true => drop(writer.write(&Event::Daemon(DaemonEvent::Stopped { reason: "bench".into() }), &[])),
            false => std::thread::sleep(PULSE),
        }
        while history.level() != Some(Level::Safe) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let (safe_at, _) = history.levels().pop().expect("a level was written");
        late.push(safe_at.since(until));
        relay.reports();
    }
    late.sort_unstable();
    late
}

fn report(when: &str, late: Vec<Duration>) {
    let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
    println!(
        "released late, {when}: median {:?}, 99 % {:?}, largest {:?} of {}",
        at(0.5),
        at(0.99),
        at(1.0),
        late.len()
    );
}
