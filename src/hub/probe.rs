//! Whether a broker lets this device in: one connection, nothing published.
//!
//! Knows nothing of the running hub.

use std::time::Duration;

use rumqttc::v5::AsyncClient;
use rumqttc::v5::Event;
use rumqttc::v5::mqttbytes::v5::Packet;
use tokio::time::timeout;

use super::HubSettings;
use super::connection::{Shared, refusal};

/// Connects under another client id, so that a running daemon keeps its connection; `Err` says what went wrong, in words.
pub async fn probe(settings: HubSettings, wait: Duration) -> Result<(), String> {
    let shared = Shared::new(HubSettings { client_id: format!("{}-doctor", settings.client_id), ..settings });
    let address = shared.address();
    let (client, mut events) = AsyncClient::new(shared.options(), 1);
    match timeout(wait, events.poll()).await {
        Err(_) => Err(format!("{address} does not answer within {} s", wait.as_secs())),
        Ok(Err(error)) => Err(refusal(&address, &error)),
        Ok(Ok(Event::Incoming(Packet::ConnAck(_)))) => {
            // Leaving politely is all that is left to do; whether it works does not matter.
            let _ = client.try_disconnect();
            let _ = timeout(Duration::from_millis(200), events.poll()).await;
            Ok(())
        }
        Ok(Ok(_)) => Err(format!("{address} does not speak MQTT 5")),
    }
}
