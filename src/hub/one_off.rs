//! What the command line does at the broker: each act makes a connection of its own, does one thing and ends the connection.
//!
//! [`probe`] tries whether the broker accepts this device. [`remove`] clears everything that the broker retains of it, so that Home Assistant
//! removes it as well; the running hub would publish everything again, so it must be stopped before.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use super::client::{self, Client, ClientEvent, Events};
use super::failure::{BrokerFailure, NO_ACKNOWLEDGEMENT};
use super::settings::{HomeAssistantSettings, HubSettings, PeopleAs};
use super::tls::TlsError;
use super::wire::Topics;

/// All retained messages have arrived after this long without one.
const QUIET: Duration = Duration::from_millis(500);

/// Why a command of the command line could not do its work at the broker.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    #[error("[mqtt.tls] {0}")]
    Tls(#[from] TlsError),
    /// There is no connection.
    #[error("{}", .failure.while_connecting(.address))]
    NotConnected { address: String, failure: BrokerFailure },
    /// Nothing came within the time that the caller is ready to wait.
    #[error("{address} does not answer within {} s", .wait.as_secs())]
    NoAnswer { address: String, wait: Duration },
    /// The connection broke.
    #[error("{address}: {}", .failure.while_online())]
    Broken { address: String, failure: BrokerFailure },
    /// The broker does not show the topics that it retains.
    #[error("{address}: the broker does not show what it keeps: {reason}")]
    Hidden { address: String, reason: String },
    /// The broker does not let this user write to a topic.
    #[error("{address}: {topic}: the broker refuses: {reason}")]
    NotAllowed { address: String, topic: String, reason: String },
    /// MQTT does not allow such a topic.
    #[error("{address}: {topic} cannot be a topic")]
    BadTopic { address: String, topic: String },
}

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
async fn connect(settings: HubSettings, role: &str, wait: Duration) -> Result<(Client, Events), HubError> {
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
async fn disconnect(client: &Client, events: &mut Events) {
    if client.disconnect() {
        let gone = async { while !matches!(events.next().await, Ok(ClientEvent::Disconnected) | Err(_)) {} };
        // The connection is dropped in any case.
        drop(timeout(Duration::from_millis(200), gone).await);
    }
}

/// Clears every retained topic of the device below its prefix, its announcement below `discovery_prefix`, and the topics of `also`. Returns the
/// cleared topics.
///
/// # Errors
/// What went wrong at the broker. Some topics may have been cleared.
pub async fn remove(
    settings: HubSettings,
    discovery_prefix: &str,
    also: &[String],
    wait: Duration,
) -> Result<Vec<String>, HubError> {
    let topics = Topics::new(&settings.prefix, &settings.device);
    let home_assistant = HomeAssistantSettings {
        discovery_prefix: discovery_prefix.to_owned(),
        people: PeopleAs::Nobody,
        nearest: false,
        page: None,
    };
    let [announcement, more] = home_assistant.discovery_filters(&settings.device);
    let address = settings.address();
    let (client, mut events) = connect(settings, "remove", wait).await?;
    let all = format!("{}/#", topics.base());
    if !client.subscribe(&[all.clone(), announcement.clone(), more]) {
        return Err(HubError::BadTopic { address, topic: all });
    }
    let retained = retained(&mut events, &address, wait).await?;
    // The announcement and the other topics in any case: a broker may hide from a user what it lets them write.
    let cleared: BTreeSet<String> = retained.into_iter().chain([announcement]).chain(also.iter().cloned()).collect();
    for topic in &cleared {
        clear(&client, &mut events, &address, topic, wait).await?;
    }
    disconnect(&client, &mut events).await;
    Ok(cleared.into_iter().collect())
}

/// The topics of the retained messages that the subscription delivers.
async fn retained(events: &mut Events, address: &str, wait: Duration) -> Result<BTreeSet<String>, HubError> {
    let address = || address.to_owned();
    let until = Instant::now() + wait;
    let (mut topics, mut answered) = (BTreeSet::new(), false);
    loop {
        let quiet = if answered { (Instant::now() + QUIET).min(until) } else { until };
        match timeout_at(quiet, events.next()).await {
            Ok(Ok(ClientEvent::Message(message))) if message.retained => drop(topics.insert(message.topic)),
            Ok(Ok(ClientEvent::Subscribed { refused: Some(reason) })) => {
                return Err(HubError::Hidden { address: address(), reason });
            }
            Ok(Ok(ClientEvent::Subscribed { refused: None })) => answered = true,
            Ok(Ok(_)) => {}
            Ok(Err(failure)) => return Err(HubError::Broken { address: address(), failure }),
            Err(_) if answered => return Ok(topics),
            Err(_) => return Err(HubError::NoAnswer { address: address(), wait }),
        }
    }
}

/// Publishes an empty retained message to `topic`, and waits for the acknowledgement.
async fn clear(
    client: &Client,
    events: &mut Events,
    address: &str,
    topic: &str,
    wait: Duration,
) -> Result<(), HubError> {
    let (address, topic) = (|| address.to_owned(), || topic.to_owned());
    if !client.publish(topic(), Bytes::new(), true) {
        return Err(HubError::BadTopic { address: address(), topic: topic() });
    }
    let acknowledged = async {
        loop {
            match events.next().await.map_err(|failure| HubError::Broken { address: address(), failure })? {
                ClientEvent::Acknowledged { refusal: Some(reason), .. } => {
                    return Err(HubError::NotAllowed { address: address(), topic: topic(), reason });
                }
                ClientEvent::Acknowledged { refusal: None, .. } => return Ok(()),
                _ => {}
            }
        }
    };
    timeout(wait, acknowledged).await.map_err(|_| HubError::NoAnswer { address: address(), wait })?
}
