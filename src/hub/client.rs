//! The MQTT client: one interface for MQTT 5 and 3.1.1.

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

use super::failure::{BrokerFailure, CONNECT_WITHIN, LARGEST_INCOMING_311};
use super::settings::{HubSettings, Version};

/// The largest packet that is accepted over MQTT 5, in bytes. The broker is given this limit and sends no larger ones.
const LARGEST_INCOMING: u32 = 1 << 20;

/// The message that the broker publishes when this client falls silent.
pub struct Will {
    pub topic: String,
    pub payload: &'static str,
}

/// Takes messages to be sent. Never blocks: the connection has room for `room` of them.
pub enum Client {
    V5(v5::AsyncClient),
    V311(rumqttc::AsyncClient),
}

/// The events of the connection, which must be polled for anything to happen.
pub enum Events {
    V5(Box<v5::EventLoop>),
    V311(Box<rumqttc::EventLoop>),
}

/// An event of the connection.
#[derive(Debug)]
pub enum ClientEvent {
    /// The broker accepts the connection and takes packets of at most `largest` bytes.
    Accepted { largest: Option<u32> },
    /// The next message that was handed over has been written, and has this packet identifier.
    Written(u16),
    /// The broker has the message with this packet identifier, or refuses it for this reason.
    Acknowledged { packet: u16, refusal: Option<String> },
    /// The broker's answer to a subscription; `refused` is why one of its topics is not allowed.
    Subscribed { refused: Option<String> },
    /// A message on a subscribed topic.
    Message(Incoming),
    /// The disconnection has been written.
    Disconnected,
    /// Anything else.
    Other,
}

/// A message from the broker.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub topic: String,
    pub payload: Bytes,
    /// The broker had retained it, so it is not new.
    pub retained: bool,
    /// Seconds until the broker would discard it, if the sender set that (MQTT 5 only).
    pub expires_in_s: Option<u32>,
}

/// Prepares a connection with room for `room` messages, of which `window` may be unacknowledged.
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
    // The client panics below 5 seconds, and MQTT has 16 bits for the value.
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
                // While the session lives, a short interruption is not published as an outage.
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

/// However long a session lives, the device is published as offline after this many seconds of silence.
const LONGEST_WILL_DELAY_S: u32 = 30;

impl Client {
    /// Sends a message at QoS 1. `false` if MQTT does not allow the topic or there is no room.
    pub fn publish(&self, topic: String, payload: Bytes, retain: bool) -> bool {
        match self {
            Client::V5(client) => client.try_publish(topic, QoS5::AtLeastOnce, retain, payload).is_ok(),
            Client::V311(client) => client.try_publish(topic, QoS::AtLeastOnce, retain, payload).is_ok(),
        }
    }

    /// Subscribes to `topics` at QoS 1. `false` if there is no room.
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

    /// Disconnects. `false` if there is no room.
    pub fn disconnect(&self) -> bool {
        match self {
            Client::V5(client) => client.try_disconnect().is_ok(),
            Client::V311(client) => client.try_disconnect().is_ok(),
        }
    }
}

impl Events {
    /// Waits for the next event. The first call connects. The future must not be dropped before it is ready: a packet could be lost.
    pub async fn next(&mut self) -> Result<ClientEvent, BrokerFailure> {
        match self {
            Events::V5(events) => events.poll().await.map(event5).map_err(BrokerFailure::from),
            Events::V311(events) => events.poll().await.map(event311).map_err(BrokerFailure::from),
        }
    }

    /// The events before a failure that were not taken yet.
    pub fn rest(&mut self) -> Vec<ClientEvent> {
        match self {
            Events::V5(events) => events.state.events.drain(..).map(event5).collect(),
            Events::V311(events) => events.state.events.drain(..).map(event311).collect(),
        }
    }

    /// The longest silence before the broker is pinged. The broker may have set its own.
    pub fn keep_alive(&self) -> Duration {
        match self {
            Events::V5(events) => events.options.keep_alive(),
            Events::V311(events) => events.mqtt_options.keep_alive(),
        }
    }
}

fn event5(event: v5::Event) -> ClientEvent {
    match event {
        v5::Event::Outgoing(outgoing) => written(&outgoing),
        v5::Event::Incoming(Packet5::ConnAck(accepted)) => match accepted.code {
            ConnectReturnCode::Success => {
                ClientEvent::Accepted { largest: accepted.properties.and_then(|properties| properties.max_packet_size) }
            }
            _ => ClientEvent::Other,
        },
        v5::Event::Incoming(Packet5::PubAck(ack)) => {
            let well = matches!(ack.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
            ClientEvent::Acknowledged { packet: ack.pkid, refusal: (!well).then(|| format!("{:?}", ack.reason)) }
        }
        v5::Event::Incoming(Packet5::SubAck(ack)) => {
            let refused = ack.return_codes.iter().find(|code| !matches!(code, SubscribeReason5::Success(_)));
            ClientEvent::Subscribed { refused: refused.map(|code| format!("{code:?}")) }
        }
        v5::Event::Incoming(Packet5::Publish(publish)) => ClientEvent::Message(Incoming {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload,
            retained: publish.retain,
            expires_in_s: publish.properties.and_then(|properties| properties.message_expiry_interval),
        }),
        v5::Event::Incoming(_) => ClientEvent::Other,
    }
}

fn event311(event: rumqttc::Event) -> ClientEvent {
    use rumqttc::Packet;
    match event {
        rumqttc::Event::Outgoing(outgoing) => written(&outgoing),
        rumqttc::Event::Incoming(Packet::ConnAck(_)) => ClientEvent::Accepted { largest: None },
        rumqttc::Event::Incoming(Packet::PubAck(ack)) => ClientEvent::Acknowledged { packet: ack.pkid, refusal: None },
        rumqttc::Event::Incoming(Packet::SubAck(ack)) => {
            let refused = ack.return_codes.contains(&SubscribeReasonCode::Failure);
            ClientEvent::Subscribed { refused: refused.then(|| "BrokerFailure".to_owned()) }
        }
        rumqttc::Event::Incoming(Packet::Publish(publish)) => ClientEvent::Message(Incoming {
            topic: publish.topic,
            payload: publish.payload,
            retained: publish.retain,
            expires_in_s: None,
        }),
        rumqttc::Event::Incoming(_) => ClientEvent::Other,
    }
}

fn written(outgoing: &Outgoing) -> ClientEvent {
    match outgoing {
        Outgoing::Publish(packet) => ClientEvent::Written(*packet),
        Outgoing::Disconnect => ClientEvent::Disconnected,
        _ => ClientEvent::Other,
    }
}
