//! Takes a device off the broker: everything that the broker keeps of it is forgotten, and Home Assistant takes the device away.
//!
//! Knows nothing of the running hub, which would put it all back: it has to be stopped before.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use super::HubSettings;
use super::client::{Events, Heard};
use super::home_assistant::HomeAssistantSettings;
use super::probe::{connect, leave};
use super::wire::Topics;

/// How long nothing more must come from the broker before everything that it keeps is known.
const QUIET: Duration = Duration::from_millis(500);

/// Clears every retained topic of the device below its prefix, its announcement below `discovery_prefix`, and the topics of `also`. Returns
/// the topics that were cleared; `Err` says what went wrong, in words.
pub async fn remove(
    settings: HubSettings,
    discovery_prefix: &str,
    also: &[String],
    wait: Duration,
) -> Result<Vec<String>, String> {
    let topics = Topics::new(&settings.prefix, &settings.device);
    let home_assistant = HomeAssistantSettings {
        discovery_prefix: discovery_prefix.to_owned(),
        people: super::home_assistant::PeopleAs::Nobody,
    };
    let [announcement, more] = home_assistant.discovery_filters(&settings.device);
    let address = settings.address();
    let (client, mut events) = connect(settings, "remove", wait).await?;
    if !client.subscribe(&[format!("{}/#", topics.base()), announcement.clone(), more]) {
        return Err(format!("{address}: the prefix or the device's name cannot be part of a topic"));
    }
    let kept = kept(&mut events, wait).await.map_err(|why| format!("{address}: {why}"))?;
    // Cleared in any case: a broker may hide from a user what it lets them write.
    let cleared: Vec<String> = kept
        .into_iter()
        .chain([announcement])
        .chain(also.iter().cloned())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    for topic in &cleared {
        publish(&client, &mut events, topic, wait).await.map_err(|why| format!("{address}: {topic}: {why}"))?;
    }
    leave(&client, &mut events).await;
    Ok(cleared)
}

/// The topics that the broker keeps something of.
async fn kept(events: &mut Events, wait: Duration) -> Result<BTreeSet<String>, String> {
    let until = Instant::now() + wait;
    let (mut kept, mut answered) = (BTreeSet::new(), false);
    loop {
        let quiet = if answered { (Instant::now() + QUIET).min(until) } else { until };
        match timeout_at(quiet, events.next()).await {
            Ok(Ok(Heard::Message(message))) if message.retained => drop(kept.insert(message.topic)),
            Ok(Ok(Heard::Subscribed { refused: Some(why) })) => {
                return Err(format!("the broker does not show what it keeps: {why}"));
            }
            Ok(Ok(Heard::Subscribed { refused: None })) => answered = true,
            Ok(Ok(_)) => {}
            Ok(Err(failure)) => return Err(failure.while_online()),
            Err(_) if answered => return Ok(kept),
            Err(_) => return Err("the broker did not answer".to_owned()),
        }
    }
}

/// Publishes nothing to `topic`, retained, and waits for the acknowledgement.
async fn publish(
    client: &super::client::Client,
    events: &mut Events,
    topic: &str,
    wait: Duration,
) -> Result<(), String> {
    if !client.publish(topic.to_owned(), Bytes::new(), true) {
        return Err("the topic is not allowed".to_owned());
    }
    let acknowledged = async {
        loop {
            match events.next().await.map_err(|failure| failure.while_online())? {
                Heard::Acknowledged { refusal: Some(why), .. } => return Err(format!("the broker refuses: {why}")),
                Heard::Acknowledged { refusal: None, .. } => return Ok(()),
                _ => {}
            }
        }
    };
    timeout(wait, acknowledged).await.map_err(|_| "the broker did not answer".to_owned())?
}
