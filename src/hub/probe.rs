//! Whether a broker lets this device in: one connection, nothing published.
//!
//! Knows nothing of the running hub.

use std::time::Duration;

use tokio::time::timeout;

use super::HubSettings;
use super::client::{self, Client, Events, Heard};
use super::failure::Failure;

/// Connects under another client id, so that a running daemon keeps its connection; `Err` says what went wrong, in words.
pub async fn probe(settings: HubSettings, wait: Duration) -> Result<(), String> {
    let (client, mut events) = connect(settings, "doctor", wait).await?;
    leave(&client, &mut events).await;
    Ok(())
}

/// Connects as `<client id>-<role>`, without a session and without a last will.
pub(super) async fn connect(settings: HubSettings, role: &str, wait: Duration) -> Result<(Client, Events), String> {
    let client_id = format!("{}-{role}", settings.client_id);
    let settings = HubSettings { client_id, clean_start: true, session_expiry: Duration::ZERO, ..settings };
    let address = settings.address();
    let tls = settings.tls.as_ref().map(|tls| tls.load()).transpose();
    let tls = tls.map_err(|error| format!("[mqtt.tls] {error}"))?;
    let (client, mut events) = client::open(&settings, tls, None, 64, 32);
    match timeout(wait, events.next()).await {
        Err(_) => Err(format!("{address} does not answer within {} s", wait.as_secs())),
        Ok(Err(failure)) => Err(failure.while_connecting(&address)),
        Ok(Ok(Heard::Accepted { .. })) => Ok((client, events)),
        Ok(Ok(_)) => Err(Failure::Protocol("its first answer is another packet".to_owned()).while_connecting(&address)),
    }
}

/// Says goodbye.
pub(super) async fn leave(client: &Client, events: &mut Events) {
    // Leaving politely is all that is left to do; whether it works does not matter.
    let _ = client.leave();
    let until_gone = async { while !matches!(events.next().await, Ok(Heard::Left) | Err(_)) {} };
    let _ = timeout(Duration::from_millis(200), until_gone).await;
}
