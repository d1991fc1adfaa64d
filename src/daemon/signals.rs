//! Signals of the system, which stop the relays at once.

use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::threads::MainMessage;
use crate::door::RelayStop;

/// Relays answer a stop within this time, or count as stuck. Drivers answer within a millisecond.
const RELAYS_STOP_WITHIN: Duration = Duration::from_secs(1);

/// Sends each signal to the main thread after putting the relays at their safe level. The first signal asks for an orderly end; a second one ends
/// the process at once.
pub async fn listen(to_main: Sender<MainMessage>, relays: RelayStop) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("cannot listen for signals");
        return;
    };
    let mut asked = false;
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
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
