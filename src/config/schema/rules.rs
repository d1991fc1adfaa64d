//! Rules that a text has to keep, and spans written short. Each rule says what would be right.
//!
//! Knows nothing of which key it is asked for.

use std::time::Duration;

pub(super) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn any(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.contains('\0') { Err("text, not empty") } else { Ok(()) }
}

pub(super) fn name(text: &str) -> Result<(), &'static str> {
    let fits = (1..=32).contains(&text.len());
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if fits && plain { Ok(()) } else { Err("1 to 32 letters (a to z), digits, - or _") }
}

pub(super) fn host(text: &str) -> Result<(), &'static str> {
    let plain = text.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '/' && c != '@');
    if !text.is_empty() && plain { Ok(()) } else { Err("a host name or an address alone, without mqtt:// and user") }
}

pub(super) fn client_id(text: &str) -> Result<(), &'static str> {
    let plain = text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    if (1..=128).contains(&text.len()) && plain { Ok(()) } else { Err("1 to 128 characters without blanks") }
}

pub(super) fn topic(text: &str) -> Result<(), &'static str> {
    let level = |level: &str| !level.is_empty() && !level.contains(|c: char| c == '+' || c == '#' || c.is_control());
    if text.len() <= 128 && text.split('/').all(level) {
        Ok(())
    } else {
        Err("topic levels with / between them, not empty, without + and #")
    }
}

/// The kernel keeps a socket's path in 108 bytes, the last of them zero (unix(7)).
pub(super) fn socket(text: &str) -> Result<(), &'static str> {
    if (1..=107).contains(&text.len()) && !text.contains('\0') { Ok(()) } else { Err("a path of 1 to 107 bytes") }
}

pub(super) fn group(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || name(text).is_ok() { Ok(()) } else { Err("a group's name, or empty") }
}

pub(super) fn address(text: &str) -> Result<(), &'static str> {
    let parsed = text.parse::<std::net::SocketAddr>();
    parsed.map(drop).map_err(|_| "an address with a port, as in \"127.0.0.1:9099\" or \"[::1]:9099\"")
}
