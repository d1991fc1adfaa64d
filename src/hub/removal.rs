//! Removes a device from the broker: clears everything that the broker retains of it, so that Home Assistant removes it as well. The running hub would
//! publish everything again, so it must be stopped before.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use super::client::{Client, ClientEvent, Events};
use super::error::HubError;
use super::probe::{connect, disconnect};
use super::settings::{HomeAssistantSettings, HubSettings, PeopleAs};
use super::wire::Topics;

/// All retained messages have arrived after this long without one.
const QUIET: Duration = Duration::from_millis(500);

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
    let home_assistant =
        HomeAssistantSettings { discovery_prefix: discovery_prefix.to_owned(), people: PeopleAs::Nobody };
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
