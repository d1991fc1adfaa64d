//! Bytes from a broker as a command: nothing panics, and nothing that was kept or is not of now is let through.
#![no_main]

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use usher::clock::SimulatedClock;
use usher::hub::{HubCommand, Incoming, ReadCommand, RefusedCommand, read_command};

const MAX_AGE: Duration = Duration::from_secs(10);

fuzz_target!(|data: &[u8]| {
    // The first byte says how the broker hands the rest over, and whether the clock can be believed.
    let (how, payload) = data.split_first().map_or((0, data), |(how, rest)| (*how, rest));
    let message = Incoming {
        topic: "usher/d/command/front".to_owned(),
        payload: payload.to_vec().into(),
        retained: how & 1 != 0,
        expires_in_s: (how & 2 != 0).then_some(u32::from(how >> 3)),
    };
    let since_1970_s = if how & 4 == 0 { 1_767_349_927 } else { 1 << 52 };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(since_1970_s);
    let doors = ["front".to_owned()];
    let Some(ReadCommand { command, .. }) = read_command(&message, "usher/d/command", &doors, &SimulatedClock::new(now), MAX_AGE) else { return };

    let (Ok(HubCommand { door, by, .. }) | Err(RefusedCommand { door, by, .. })) = &command;
    assert_eq!(door, "front");
    let by = by.to_string();
    assert!(by.starts_with("mqtt") && by.chars().count() <= 69, "{by:?}");
    assert!(!by.contains(char::is_control), "{by:?}");
    if command.is_err() {
        return;
    }
    assert!(!message.retained);
    let wire: Value = serde_json::from_slice(payload).expect("what was read as a command is JSON");
    let wire = wire.as_object().expect("what was read as a command is an object");
    match wire.get("at").and_then(Value::as_str) {
        Some(at) => {
            let (at, now): (Timestamp, _) = (at.parse().unwrap(), Timestamp::try_from(now).unwrap());
            assert!(now.duration_since(at).unsigned_abs() <= MAX_AGE, "{at} is not of now");
        }
        None => assert!(message.expires_in_s.is_some_and(|left| left <= 10), "neither a time nor a short expiry"),
    }
});
