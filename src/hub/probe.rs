//! Whether a broker accepts this device: one connection, nothing published.

use std::time::Duration;

use tokio::time::timeout;

use super::client::{self, Client, ClientEvent, Events};
use super::error::HubError;
use super::failure::{BrokerFailure, NO_ACKNOWLEDGEMENT};
use super::settings::HubSettings;

/// Connects under another client id, so that a running daemon keeps its connection.
///
/// # Errors
/// Why there is no connection, in words that say what to check.
pub async fn probe(settings: HubSettings, wait: Duration) -> Result<(), HubError> {
    let (client, mut events) = connect(settings, "doctor", wait).await?;
    disconnect(&client, &mut events).await;
    Ok(())
}

/// Connects as `<client id>-<role>`, without a session and without a last will.
pub(super) async fn connect(settings: HubSettings, role: &str, wait: Duration) -> Result<(Client, Events), HubError> {
    let client_id = format!("{}-{role}", settings.client_id);
    let settings = HubSettings { client_id, clean_start: true, session_expiry: Duration::ZERO, ..settings };
    let address = settings.address();
    let tls = settings.tls.as_ref().map(|tls| tls.load()).transpose()?;
    let (client, mut events) = client::open(&settings, tls, None, 64, 32);
    let failure = match timeout(wait, events.next()).await {
        Err(_) => return Err(HubError::NoAnswer { address, wait }),
        Ok(Ok(ClientEvent::Accepted { .. })) => return Ok((client, events)),
        Ok(Ok(_)) => BrokerFailure::Protocol(NO_ACKNOWLEDGEMENT.to_owned()),
        Ok(Err(failure)) => failure,
    };
    Err(HubError::NotConnected { address, failure })
}

/// Disconnects in an orderly way, if that works.
pub(super) async fn disconnect(client: &Client, events: &mut Events) {
    if client.disconnect() {
        let gone = async { while !matches!(events.next().await, Ok(ClientEvent::Disconnected) | Err(_)) {} };
        // The connection is dropped in any case.
        drop(timeout(Duration::from_millis(200), gone).await);
    }
}
