//! Signals of the system, which stop the relays at once.

use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::threads::MainMessage;
use crate::door::RelayStop;

/// Relays answer a stop within this time, or count as stuck. Drivers answer within a millisecond.
const RELAYS_STOP_WITHIN: Duration = Duration::from_secs(1);

/// Whether the process was started with SIGHUP ignored, as by `nohup`: then the end of its terminal is not to end it.
fn hangup_is_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// The first bit of `SigIgn` is signal 1 (proc_pid_status(5)).
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Sends each signal to the main thread after putting the relays at their safe level. The first signal asks for an orderly end; a second one ends
/// the process at once.
pub async fn listen(to_main: Sender<MainMessage>, relays: RelayStop) {
    // Before the handler replaces it.
    let stays = hangup_is_ignored();
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()))
    else {
        tracing::error!("cannot listen for signals");
        return;
    };
    let mut asked = false;
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hangup.recv() => match stays {
                true => continue,
                false => "SIGHUP",
            },
        };
        stop_relays(&relays);
        if asked {
            tracing::warn!(signal = name, "second signal: ending at once");
            std::process::exit(130);
        }
        asked = true;
        if to_main.send(MainMessage::Signal(name)).is_err() {
            std::process::exit(130);
        }
    }
}

/// Puts all relays at their safe level for good.
pub fn stop_relays(relays: &RelayStop) {
    let silent = relays.stop(RELAYS_STOP_WITHIN);
    if silent > 0 {
        tracing::error!(relays = silent, "relays do not answer and may still be energised: cut their power");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_is_ignored_where_the_first_bit_says_so() {
        assert!(ignores_hangup("Name:\tusher\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n"));
        assert!(!ignores_hangup("") && !ignores_hangup("SigIgn:\tnone\n"));
    }
}
