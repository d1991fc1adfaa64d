//! The task behind the hub: [`run`] makes one connection after another, [`connect_once`] lives through one of them.
//!
//! Knows nothing of what the messages say. All retrying is in `run`; each connection begins with a fresh client, and what the
//! broker had not acknowledged when the last one broke goes back into the queue.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, LastWill, Packet, PubAckReason};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::queue::Queue;
use super::wire::{Publication, event_topic, status_topic};
use super::{HubSettings, State};

/// How many messages wait while the broker is away or slow.
const QUEUE: usize = 256;
/// How many messages are sent ahead of their acknowledgement.
const WINDOW: usize = 16;
/// A broker that does not accept the connection within this time is given up.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// What the fixed header, the packet identifier and the lengths of a PUBLISH take at most, in bytes.
const PUBLISH_OVERHEAD: usize = 16;

/// What the hub and its task share.
pub struct Shared {
    settings: HubSettings,
    pub queue: Queue<Message>,
    pub state: watch::Sender<State>,
}

/// A message with all the broker needs.
#[derive(Clone)]
pub struct Message {
    topic: String,
    payload: Bytes,
    retain: bool,
}

impl Shared {
    pub fn new(settings: HubSettings) -> Shared {
        Shared { settings, queue: Queue::new(QUEUE), state: watch::Sender::new(State::Connecting) }
    }

    pub fn publish(&self, publication: Publication) {
        let Publication { kind, payload, retain } = publication;
        let topic = event_topic(&self.settings.prefix, &self.settings.device, &kind);
        self.queue.push(Message { topic, payload: payload.into(), retain });
    }

    fn status(&self, status: &'static str) -> Message {
        let topic = status_topic(&self.settings.prefix, &self.settings.device);
        Message { topic, payload: Bytes::from_static(status.as_bytes()), retain: true }
    }

    pub fn address(&self) -> String {
        format!("{}:{}", self.settings.host, self.settings.port)
    }

    pub fn options(&self) -> MqttOptions {
        let HubSettings { host, port, client_id, username, password, keep_alive, .. } = &self.settings;
        let mut options = MqttOptions::new(client_id, host, *port);
        // The client panics below 5 seconds, and MQTT has 16 bits for it.
        options.set_keep_alive((*keep_alive).clamp(Duration::from_secs(5), Duration::from_secs(u16::MAX.into())));
        options.set_connection_timeout(CONNECT_WITHIN.as_secs());
        // The client sets memory aside for each; the default is 65535.
        options.set_outgoing_inflight_upper_limit(2 * WINDOW as u16);
        if let Some(username) = username {
            options.set_credentials(username, password.as_deref().unwrap_or_default());
        }
        options
    }

    /// The same with the last will, by which the broker says `offline` when this device falls silent.
    fn options_with_will(&self) -> MqttOptions {
        let will = self.status("offline");
        let mut options = self.options();
        options.set_last_will(LastWill::new(will.topic, will.payload, QoS::AtLeastOnce, true, None));
        options
    }
}

/// How a connection ended.
enum End {
    /// As it was asked to.
    Stopped,
    /// Or not: `why` for people, and how long the connection had been good.
    Lost { why: String, online: Option<Duration> },
}

/// Connects, and connects again, until `stopping` turns true.
pub async fn run(shared: Arc<Shared>, mut stopping: watch::Receiver<bool>) {
    let mut backoff = Backoff::default();
    let mut outage = Outage::default();
    while let End::Lost { why, online } = connect_once(&shared, &mut stopping, &mut outage).await {
        backoff.ended_after(online.unwrap_or_default());
        outage.goes_on(&shared.address(), &why);
        shared.state.send_replace(State::Offline { why });
        tokio::select! {
            () = sleep(backoff.next()) => {}
            () = stop_is_asked(&mut stopping) => break,
        }
    }
}

/// One connection, from the first packet to its end.
async fn connect_once(shared: &Shared, stopping: &mut watch::Receiver<bool>, outage: &mut Outage) -> End {
    // Room for the window, both statuses and the farewell, so that handing over never waits.
    let (client, mut events) = AsyncClient::new(shared.options_with_will(), WINDOW + 3);
    let first = tokio::select! {
        first = events.poll() => first,
        () = stop_is_asked(stopping) => return End::Stopped,
    };
    let largest = match first {
        Ok(Event::Incoming(Packet::ConnAck(accepted))) => accepted.properties.and_then(|p| p.max_packet_size),
        Ok(_) => {
            return End::Lost { why: "the broker does not speak MQTT 5; use one that does".to_owned(), online: None };
        }
        Err(error) => return End::Lost { why: refusal(&shared.address(), &error), online: None },
    };
    let since = Instant::now();
    outage.is_over(&shared.address());
    shared.state.send_replace(State::Online);

    let mut link = Link { shared, client, largest, outstanding: VecDeque::new(), refusals: 0 };
    link.hand_over(shared.status("online"), Purpose::Status);
    let end = link.live(&mut events, stopping).await;
    let unsent = link.outstanding.into_iter().filter(|sent| sent.purpose == Purpose::Event);
    shared.queue.put_back(unsent.map(|sent| sent.message));
    match end {
        Ok(()) => End::Stopped,
        Err(error) => {
            let why = format!("{} was lost: {}", shared.address(), cause(&error));
            End::Lost { why, online: Some(since.elapsed()) }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Event,
    Status,
    Farewell,
}

/// How far a link is with its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// What is queued is still sent.
    Asked,
    /// Nothing is sent any more; only the acknowledgement is waited for.
    SaidOffline,
}

/// A message that the client has and the broker has not acknowledged.
struct Sent {
    message: Message,
    purpose: Purpose,
    /// Known once the client has written it.
    packet: Option<u16>,
}

/// A connection that the broker has accepted.
struct Link<'a> {
    shared: &'a Shared,
    client: AsyncClient,
    /// The largest packet the broker takes, in bytes.
    largest: Option<u32>,
    /// In the order in which they were handed over.
    outstanding: VecDeque<Sent>,
    /// How many messages the broker acknowledged with a refusal.
    refusals: u64,
}

impl Link<'_> {
    /// Sends what is queued until the connection breaks, or until everything is said after a stop was asked for.
    async fn live(
        &mut self,
        events: &mut EventLoop,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<(), ConnectionError> {
        let mut leaving = Leaving::No;
        loop {
            // The client writes at least a ping in each keep-alive span. Longer silence means that it hangs in a write.
            let silence = events.options.keep_alive() * 2;
            // Kept over the inner loop: the client's poll must not be dropped half way, or a packet could be lost.
            let mut poll = pin!(timeout(silence, events.poll()));
            let event = loop {
                if leaving != Leaving::SaidOffline {
                    self.send_queued();
                }
                if leaving == Leaving::Asked && self.outstanding.is_empty() {
                    self.hand_over(self.shared.status("offline"), Purpose::Farewell);
                    leaving = Leaving::SaidOffline;
                }
                tokio::select! {
                    event = &mut poll => break event??,
                    () = self.shared.queue.filled() => {}
                    () = stop_is_asked(stopping), if leaving == Leaving::No => leaving = Leaving::Asked,
                }
            };
            match event {
                Event::Outgoing(Outgoing::Publish(packet)) => self.written(packet),
                Event::Incoming(Packet::PubAck(ack)) => self.acknowledged(ack.pkid, ack.reason),
                Event::Outgoing(Outgoing::Disconnect) => return Ok(()),
                _ => {}
            }
        }
    }

    fn send_queued(&mut self) {
        while self.outstanding.len() < WINDOW {
            let Some(message) = self.shared.queue.pop() else { return };
            if fits(&message, self.largest) {
                self.hand_over(message, Purpose::Event);
            } else {
                self.shared.queue.count_dropped();
                tracing::warn!(topic = message.topic, "dropped: larger than the broker takes; raise its limit");
            }
        }
    }

    fn hand_over(&mut self, message: Message, purpose: Purpose) {
        let Message { topic, payload, retain } = message.clone();
        match self.client.try_publish(topic, QoS::AtLeastOnce, retain, payload) {
            Ok(()) => self.outstanding.push_back(Sent { message, purpose, packet: None }),
            // The channel has room, so it is the topic that the client does not like.
            Err(_) => {
                self.shared.queue.count_dropped();
                tracing::warn!(topic = message.topic, "dropped: a topic must not hold `+`, `#` or NUL");
            }
        }
    }

    /// The client writes in the order in which it was told.
    fn written(&mut self, packet: u16) {
        if let Some(sent) = self.outstanding.iter_mut().find(|sent| sent.packet.is_none()) {
            sent.packet = Some(packet);
        }
    }

    fn acknowledged(&mut self, packet: u16, reason: PubAckReason) {
        let Some(position) = self.outstanding.iter().position(|sent| sent.packet == Some(packet)) else { return };
        let Some(sent) = self.outstanding.remove(position) else { return };
        if !matches!(reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers) {
            self.refusals += 1;
            if self.refusals == 1 {
                let topic = sent.message.topic;
                tracing::warn!(topic, ?reason, "the broker refuses messages: let this user write to this topic");
            }
        }
        if sent.purpose == Purpose::Farewell && self.client.try_disconnect().is_err() {
            tracing::debug!("no room to say goodbye");
        }
    }
}

/// Whether a broker that takes packets of at most `largest` bytes takes `message`.
fn fits(message: &Message, largest: Option<u32>) -> bool {
    let size = message.topic.len() + message.payload.len() + PUBLISH_OVERHEAD;
    largest.is_none_or(|largest| u32::try_from(size).is_ok_and(|size| size <= largest))
}

async fn stop_is_asked(stopping: &mut watch::Receiver<bool>) {
    // An error means that the hub is gone; then its task is about to be aborted anyway.
    let _ = stopping.wait_for(|&stop| stop).await;
}

/// Why the connection did not come about, and what to look at.
pub fn refusal(address: &str, error: &ConnectionError) -> String {
    match error {
        ConnectionError::Timeout(_) => {
            format!("{address} did not answer within {} s; check host, port and network", CONNECT_WITHIN.as_secs())
        }
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => {
            format!("{address} refused the user name or the password; check both")
        }
        ConnectionError::MqttState(_) => {
            format!("{address} hung up instead of answering; check user name, password and port")
        }
        ConnectionError::Io(error) => format!("{address} cannot be reached: {error}; check host, port and network"),
        other => format!("{address} refused the connection: {other}"),
    }
}

/// Why the connection broke.
fn cause(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Timeout(_) | ConnectionError::MqttState(StateError::AwaitPingResp) => {
            "the broker stopped answering".to_owned()
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => "the broker hung up".to_owned(),
        other => other.to_string(),
    }
}

/// Sees to it that an outage is told once, and once that it is over.
#[derive(Default)]
struct Outage {
    since: Option<Instant>,
}

impl Outage {
    fn goes_on(&mut self, address: &str, why: &str) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
            tracing::warn!(broker = address, why, "the broker is away; trying again from time to time");
        } else {
            tracing::debug!(broker = address, why, "the broker is still away");
        }
    }

    fn is_over(&mut self, address: &str) {
        match self.since.take() {
            Some(since) => {
                tracing::info!(broker = address, away_for_s = since.elapsed().as_secs(), "the broker is back");
            }
            None => tracing::info!(broker = address, "connected to the broker"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_fits_or_not() {
        let message = Message { topic: "t".repeat(20), payload: vec![0; 64].into(), retain: false };
        assert!(fits(&message, None));
        assert!(fits(&message, Some(100)));
        assert!(!fits(&message, Some(99)));
    }
}
