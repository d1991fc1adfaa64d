//! One face for both versions of the protocol: MQTT 5 and 3.1.1 speak alike from here on.
//!
//! Knows nothing of what the messages say and of when to connect again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, LastWill as LastWill5, LastWillProperties, Packet as Packet5, PubAckReason,
    SubscribeReasonCode as SubscribeReason5,
};
use rumqttc::v5::mqttbytes::{QoS as QoS5, v5::Filter as Filter5};
use rumqttc::{Outgoing, QoS, SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport, v5};
use rustls::ClientConfig;

use super::failure::Failure;
use super::{HubSettings, Version};

/// A broker that does not accept the connection within this time is given up.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The largest packet that is taken in, in bytes. An MQTT 5 broker is told and keeps larger ones to itself.
const LARGEST_INCOMING: u32 = 1 << 20;
/// MQTT 3.1.1 cannot tell a broker, and one larger message ends the connection. So what is too long for any use is still read, and passed
/// over; beyond this the memory of a small board matters more.
pub const LARGEST_INCOMING_311: usize = 16 << 20;

/// What is said on connecting and what the broker shall say when this client falls silent.
pub struct Will {
    pub topic: String,
    pub payload: &'static str,
}

/// A way in for messages. Never waits: the connection has room for `room` of them.
pub enum Client {
    V5(v5::AsyncClient),
    V311(rumqttc::AsyncClient),
}

/// What comes back; to be polled for anything to happen.
pub enum Events {
    V5(Box<v5::EventLoop>),
    V311(Box<rumqttc::EventLoop>),
}

/// What happened on the connection.
#[derive(Debug)]
pub enum Heard {
    /// The broker accepts the connection and takes packets of at most `largest` bytes.
    Accepted { largest: Option<u32> },
    /// The next message that was handed over is on its way and has this number.
    Written(u16),
    /// The broker has the message with this number, or says why it does not want it.
    Acknowledged { packet: u16, refusal: Option<String> },
    /// The broker's answer to a subscription; `refused` says why one of its topics was not allowed.
    Subscribed { refused: Option<String> },
    /// A message of a topic that was subscribed to.
    Message(Incoming),
    /// The farewell is written.
    Left,
    /// Nothing of interest.
    Nothing,
}

/// A message from the broker.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub topic: String,
    pub payload: Bytes,
    /// It was kept by the broker and is not news.
    pub retained: bool,
    /// Seconds until the broker would have thrown it away, for a sender that said so (MQTT 5 only).
    pub expires_in_s: Option<u32>,
}

/// Prepares a connection with room for `room` messages at once, of which `window` are under way unacknowledged.
pub fn open(
    settings: &HubSettings,
    tls: Option<Arc<ClientConfig>>,
    will: Option<Will>,
    room: usize,
    window: u16,
) -> (Client, Events) {
    let transport = match tls {
        Some(config) => Transport::tls_with_config(TlsConfiguration::Rustls(config)),
        None => Transport::Tcp,
    };
    // The client panics below 5 seconds, and MQTT has 16 bits for it.
    let keep_alive = settings.keep_alive.clamp(Duration::from_secs(5), Duration::from_secs(u16::MAX.into()));
    let expiry_s = u32::try_from(settings.session_expiry.as_secs()).unwrap_or(u32::MAX);
    let login = settings.username.as_ref().map(|name| (name, settings.password.as_deref().unwrap_or_default()));
    match settings.version {
        Version::V5 => {
            let mut options = v5::MqttOptions::new(&settings.client_id, &settings.host, settings.port);
            options
                .set_transport(transport)
                .set_keep_alive(keep_alive)
                .set_connection_timeout(CONNECT_WITHIN.as_secs())
                .set_clean_start(settings.clean_start)
                .set_session_expiry_interval(Some(expiry_s))
                .set_max_packet_size(Some(LARGEST_INCOMING))
                .set_outgoing_inflight_upper_limit(window);
            if let Some((name, password)) = login {
                options.set_credentials(name, password);
            }
            if let Some(will) = will {
                // While the session lives a short break of the line is nobody's business.
                let delay = LastWillProperties {
                    delay_interval: (!settings.clean_start).then_some(expiry_s.min(LONGEST_WILL_DELAY_S)),
                    payload_format_indicator: None,
                    message_expiry_interval: None,
                    content_type: None,
                    response_topic: None,
                    correlation_data: None,
                    user_properties: Vec::new(),
                };
                options.set_last_will(LastWill5::new(will.topic, will.payload, QoS5::AtLeastOnce, true, Some(delay)));
            }
            let (client, events) = v5::AsyncClient::new(options, room);
            (Client::V5(client), Events::V5(Box::new(events)))
        }
        Version::V311 => {
            let mut options = rumqttc::MqttOptions::new(&settings.client_id, &settings.host, settings.port);
            options
                .set_transport(transport)
                .set_keep_alive(keep_alive)
                .set_clean_session(settings.clean_start)
                .set_max_packet_size(LARGEST_INCOMING_311, usize::MAX)
                .set_inflight(window);
            if let Some((name, password)) = login {
                options.set_credentials(name, password);
            }
            if let Some(will) = will {
                options.set_last_will(rumqttc::LastWill::new(will.topic, will.payload, QoS::AtLeastOnce, true));
            }
            let (client, mut events) = rumqttc::AsyncClient::new(options, room);
            events.network_options.set_connection_timeout(CONNECT_WITHIN.as_secs());
            (Client::V311(client), Events::V311(Box::new(events)))
        }
    }
}

/// However long a session lives, after so many seconds of silence the device is told to be offline.
const LONGEST_WILL_DELAY_S: u32 = 30;

impl Client {
    /// Hands a message over at QoS 1. `false` when the topic is not allowed by the protocol, or when there is no room.
    pub fn publish(&self, topic: String, payload: Bytes, retain: bool) -> bool {
        match self {
            Client::V5(client) => client.try_publish(topic, QoS5::AtLeastOnce, retain, payload).is_ok(),
            Client::V311(client) => client.try_publish(topic, QoS::AtLeastOnce, retain, payload).is_ok(),
        }
    }

    /// Asks for `topics` at QoS 1. `false` when there is no room.
    pub fn subscribe(&self, topics: &[String]) -> bool {
        match self {
            Client::V5(client) => {
                client.try_subscribe_many(topics.iter().map(|topic| Filter5::new(topic, QoS5::AtLeastOnce))).is_ok()
            }
            Client::V311(client) => client
                .try_subscribe_many(topics.iter().map(|topic| SubscribeFilter::new(topic.clone(), QoS::AtLeastOnce)))
                .is_ok(),
        }
    }

    /// Takes leave. `false` when there is no room.
    pub fn leave(&self) -> bool {
        match self {
            Client::V5(client) => client.try_disconnect().is_ok(),
            Client::V311(client) => client.try_disconnect().is_ok(),
        }
    }
}

impl Events {
    /// Waits for the next thing to happen. The first call connects. Must not be dropped half way: a packet could be lost.
    pub async fn next(&mut self) -> Result<Heard, Failure> {
        match self {
            Events::V5(events) => events.poll().await.map(heard5).map_err(Failure::from),
            Events::V311(events) => events.poll().await.map(heard311).map_err(Failure::from),
        }
    }

    /// What was heard before a failure and not taken yet.
    pub fn rest(&mut self) -> Vec<Heard> {
        match self {
            Events::V5(events) => events.state.events.drain(..).map(heard5).collect(),
            Events::V311(events) => events.state.events.drain(..).map(heard311).collect(),
        }
    }

    /// The longest silence before the broker is asked whether it is there; it may have its own wish.
    pub fn keep_alive(&self) -> Duration {
        match self {
            Events::V5(events) => events.options.keep_alive(),
            Events::V311(events) => events.mqtt_options.keep_alive(),
        }
    }
}

fn heard5(event: v5::Event) -> Heard {
    match event {
        v5::Event::Outgoing(outgoing) => written(&outgoing),
        v5::Event::Incoming(Packet5::ConnAck(accepted)) => match accepted.code {
            ConnectReturnCode::Success => {
                Heard::Accepted { largest: accepted.properties.and_then(|properties| properties.max_packet_size) }
            }
            _ => Heard::Nothing,
        },
        v5::Event::Incoming(Packet5::PubAck(ack)) => {
            let well = matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
            Heard::Acknowledged { packet: ack.pkid, refusal: (!well).then(|| format!("{:?}", ack.reason)) }
        }
        v5::Event::Incoming(Packet5::SubAck(ack)) => {
            let refused = ack.return_codes.iter().find(|code| !matches!(code, SubscribeReason5::Success(_)));
            Heard::Subscribed { refused: refused.map(|code| format!("{code:?}")) }
        }
        v5::Event::Incoming(Packet5::Publish(publish)) => Heard::Message(Incoming {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload,
            retained: publish.retain,
            expires_in_s: publish.properties.and_then(|properties| properties.message_expiry_interval),
        }),
        v5::Event::Incoming(_) => Heard::Nothing,
    }
}

fn heard311(event: rumqttc::Event) -> Heard {
    use rumqttc::Packet;
    match event {
        rumqttc::Event::Outgoing(outgoing) => written(&outgoing),
        rumqttc::Event::Incoming(Packet::ConnAck(_)) => Heard::Accepted { largest: None },
        rumqttc::Event::Incoming(Packet::PubAck(ack)) => Heard::Acknowledged { packet: ack.pkid, refusal: None },
        rumqttc::Event::Incoming(Packet::SubAck(ack)) => {
            let refused = ack.return_codes.contains(&SubscribeReasonCode::Failure);
            Heard::Subscribed { refused: refused.then(|| "Failure".to_owned()) }
        }
        rumqttc::Event::Incoming(Packet::Publish(publish)) => Heard::Message(Incoming {
            topic: publish.topic,
            payload: publish.payload,
            retained: publish.retain,
            expires_in_s: None,
        }),
        rumqttc::Event::Incoming(_) => Heard::Nothing,
    }
}

fn written(outgoing: &Outgoing) -> Heard {
    match outgoing {
        Outgoing::Publish(packet) => Heard::Written(*packet),
        Outgoing::Disconnect => Heard::Left,
        _ => Heard::Nothing,
    }
}
