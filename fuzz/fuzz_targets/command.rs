//! Bytes from a broker as a command: nothing panics, and nothing that was kept or is not of now is let through.
#![no_main]

use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use usher::hub::{Incoming, read_command};

fuzz_target!(|data: &[u8]| {
    // The first byte says how the broker hands the rest over.
    let (how, payload) = data.split_first().map_or((0, data), |(how, rest)| (*how, rest));
    let message = Incoming {
        topic: "usher/d/command/front".to_owned(),
        payload: payload.to_vec().into(),
        retained: how & 1 != 0,
        expires_in_s: (how & 2 != 0).then_some(u32::from(how >> 2)),
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_349_927);
    let doors = ["front".to_owned()];
    if let Some(command) = read_command(&message, "usher/d/command", &doors, now, Duration::from_secs(10)) {
        assert!(!message.retained || command.refused.is_some());
        assert!(!command.by.chars().any(char::is_control));
    }
});
