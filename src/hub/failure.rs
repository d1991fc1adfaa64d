//! What can go wrong between this client and a broker, in words that say what to look at.
//!
//! Knows nothing of what was being sent.

use std::error::Error;

use rumqttc::v5::mqttbytes::Error as Packet5;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode as Code5, DisconnectReasonCode as Goodbye};
use rumqttc::{ConnectReturnCode, v5};

use super::client::{CONNECT_WITHIN, LARGEST_INCOMING_311};

/// Why a connection did not come about, or broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing was heard in time.
    Silent,
    /// The other side closed the line without a word.
    HungUp,
    /// The line could not be made, or broke.
    Line(String),
    /// The two sides could not agree on a secure line.
    Tls(String),
    /// The broker does not accept user and password.
    Login,
    /// The broker does not accept this client for another reason.
    Refused(String),
    /// The broker says something that is not in the protocol.
    Protocol(String),
    /// The broker ended the connection and says why.
    Ended(Goodbye),
    /// Another client came with this client id.
    TakenOver,
    /// The broker sent a message that is larger than what is taken in.
    TooLarge,
    /// The broker is there, and does not acknowledge what it was sent.
    Unacknowledged,
}

/// Whether a message that was under way may be the cause of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// It is not: the line, or something else.
    Line,
    /// The broker does not say.
    Perhaps,
    /// It is.
    Message,
}

impl Failure {
    /// Why there is no connection to the broker at `address`, and what to look at.
    pub fn while_connecting(&self, address: &str) -> String {
        match self {
            Failure::Silent => {
                let seconds = CONNECT_WITHIN.as_secs();
                format!("{address} did not answer within {seconds} s; check host, port and network")
            }
            Failure::HungUp => {
                format!(
                    "{address} hung up instead of answering; check user name, password, port and whether it wants TLS"
                )
            }
            Failure::Line(why) => format!("{address} cannot be reached: {why}; check host, port and network"),
            Failure::Tls(why) => format!("{address}: no secure line: {why}; {}", tls_hint(why)),
            Failure::Login => format!("{address} refused the user name or the password; check both"),
            Failure::Refused(why) => format!("{address} refused the connection: {why}"),
            Failure::Protocol(why) => {
                format!("{address} does not speak MQTT as asked: {why}; check port and [mqtt] version")
            }
            Failure::Ended(_) | Failure::TakenOver | Failure::TooLarge | Failure::Unacknowledged => {
                format!("{address}: {}", self.while_online())
            }
        }
    }

    /// Why a connection broke that had been good.
    pub fn while_online(&self) -> String {
        match self {
            Failure::Silent => "the broker stopped answering".to_owned(),
            Failure::HungUp => "the broker hung up".to_owned(),
            Failure::Line(why) | Failure::Refused(why) | Failure::Protocol(why) => why.clone(),
            Failure::Tls(why) => format!("the secure line broke: {why}"),
            Failure::Login => "the broker took the permission back".to_owned(),
            Failure::Ended(reason) => format!("the broker ended the connection: {reason:?}"),
            Failure::TakenOver => {
                "another client connected with the same client id: give each device a name of its own ([device] \
                                   name), or set [mqtt] client_id"
                    .to_owned()
            }
            Failure::TooLarge => format!(
                "the broker sent a message of more than {} MiB on a topic that usher listens to; clear it there if it is retained",
                LARGEST_INCOMING_311 >> 20
            ),
            Failure::Unacknowledged => "the broker does not acknowledge what it is sent".to_owned(),
        }
    }

    /// Whether a message may be the cause, for a connection that had been good.
    pub fn blame(&self) -> Blame {
        match self {
            Failure::HungUp | Failure::Unacknowledged | Failure::Protocol(_) => Blame::Perhaps,
            Failure::Ended(reason) => match reason {
                Goodbye::UnspecifiedError => Blame::Perhaps,
                Goodbye::MalformedPacket
                | Goodbye::ProtocolError
                | Goodbye::ImplementationSpecificError
                | Goodbye::NotAuthorized
                | Goodbye::TopicFilterInvalid
                | Goodbye::TopicNameInvalid
                | Goodbye::PacketTooLarge
                | Goodbye::QuotaExceeded
                | Goodbye::PayloadFormatInvalid
                | Goodbye::RetainNotSupported
                | Goodbye::QoSNotSupported
                | Goodbye::WildcardSubscriptionsNotSupported => Blame::Message,
                _ => Blame::Line,
            },
            Failure::Silent
            | Failure::Line(_)
            | Failure::Tls(_)
            | Failure::Login
            | Failure::Refused(_)
            | Failure::TakenOver
            | Failure::TooLarge => Blame::Line,
        }
    }
}

/// What to look at, by the words that rustls uses.
fn tls_hint(why: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if has(&["received fatal alert"]) {
        "the broker does not accept our side: check client_cert_file and client_key_file, and that the certificate has not expired"
    } else if has(&["Expired", "expired", "NotValidYet"]) {
        "the broker's certificate is out of date, or this device's clock is wrong"
    } else if has(&["not valid for name", "NotValidForName"]) {
        "the broker's certificate is for another name: set host to a name that stands in it"
    } else if has(&["UnknownIssuer", "CaUsedAsEndEntity", "BadSignature"]) {
        "the broker's certificate is not signed by a known authority: set [mqtt.tls] ca_file"
    } else {
        "check the port and the files of [mqtt.tls]"
    }
}

/// The innermost causes say what happened; the outer ones only where.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Whether the cause lies in TLS: in the handshake, or, for a client that the broker does not like, just after it.
fn of_tls(text: &str) -> bool {
    ["alert", "certificate", "InvalidContentType", "handshake"].iter().any(|word| text.contains(word))
}

fn line(text: String) -> Failure {
    if of_tls(&text) {
        Failure::Tls(text)
    } else if ["closed by peer", "reset by peer", "unexpected end", "eof", "Broken pipe"]
        .iter()
        .any(|end| text.contains(end))
    {
        Failure::HungUp
    } else {
        Failure::Line(text)
    }
}

impl From<v5::ConnectionError> for Failure {
    fn from(error: v5::ConnectionError) -> Failure {
        use v5::{ConnectionError, StateError};
        match &error {
            ConnectionError::Timeout(_) | ConnectionError::MqttState(StateError::AwaitPingResp) => Failure::Silent,
            ConnectionError::MqttState(StateError::ConnectionAborted) => Failure::HungUp,
            ConnectionError::ConnectionRefused(Code5::BadUserNamePassword | Code5::NotAuthorized) => Failure::Login,
            ConnectionError::ConnectionRefused(Code5::RefusedProtocolVersion | Code5::UnsupportedProtocolVersion) => {
                Failure::Protocol("it refuses MQTT 5".to_owned())
            }
            ConnectionError::ConnectionRefused(code) => Failure::Refused(format!("{code:?}")),
            ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => match reason_code {
                Goodbye::SessionTakenOver => Failure::TakenOver,
                other => Failure::Ended(*other),
            },
            ConnectionError::MqttState(StateError::Deserialization(Packet5::PayloadSizeLimitExceeded { .. })) => {
                Failure::TooLarge
            }
            // mosquitto says so in an acknowledgement, where the protocol does not foresee it.
            ConnectionError::MqttState(StateError::Deserialization(Packet5::InvalidConnectReturnCode(0x95))) => {
                Failure::Ended(Goodbye::PacketTooLarge)
            }
            ConnectionError::Tls(_) => Failure::Tls(innermost(&error)),
            ConnectionError::Io(_) => line(innermost(&error)),
            ConnectionError::MqttState(state) => of_state(&error, format!("{state:?}")),
            ConnectionError::NotConnAck(_) => Failure::Protocol("its first answer is another packet".to_owned()),
            _ => Failure::Protocol(error.to_string()),
        }
    }
}

impl From<rumqttc::ConnectionError> for Failure {
    fn from(error: rumqttc::ConnectionError) -> Failure {
        use rumqttc::{ConnectionError, StateError};
        match &error {
            ConnectionError::NetworkTimeout
            | ConnectionError::FlushTimeout
            | ConnectionError::MqttState(StateError::AwaitPingResp) => Failure::Silent,
            ConnectionError::MqttState(StateError::ConnectionAborted) => Failure::HungUp,
            ConnectionError::ConnectionRefused(
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
            ) => Failure::Login,
            ConnectionError::ConnectionRefused(ConnectReturnCode::RefusedProtocolVersion) => {
                Failure::Protocol("it refuses MQTT 3.1.1".to_owned())
            }
            ConnectionError::ConnectionRefused(code) => Failure::Refused(format!("{code:?}")),
            ConnectionError::MqttState(StateError::Deserialization(
                rumqttc::mqttbytes::Error::PayloadSizeLimitExceeded(_),
            )) => Failure::TooLarge,
            ConnectionError::Tls(_) => Failure::Tls(innermost(&error)),
            ConnectionError::Io(_) => line(innermost(&error)),
            ConnectionError::MqttState(state) => of_state(&error, format!("{state:?}")),
            ConnectionError::NotConnAck(_) => Failure::Protocol("its first answer is another packet".to_owned()),
            _ => Failure::Protocol(error.to_string()),
        }
    }
}

/// The client wraps what the line says into errors of the protocol's state.
fn of_state(error: &(dyn Error + 'static), debug: String) -> Failure {
    match line(format!("{} ({debug})", innermost(error))) {
        Failure::Tls(_) => Failure::Tls(innermost(error)),
        Failure::Line(_) if debug.contains("Io") => Failure::Line(innermost(error)),
        Failure::Line(_) => Failure::Protocol(innermost(error)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_rustls_lead_to_the_setting_to_look_at() {
        let told = |why: &str| Failure::Tls(why.to_owned()).while_connecting("broker:8883");
        assert!(told("invalid peer certificate: UnknownIssuer").contains("ca_file"));
        assert!(told("invalid peer certificate: certificate expired: verification time …").contains("out of date"));
        assert!(told("received fatal alert: CertificateExpired").contains("client_cert_file"));
        assert!(told("invalid peer certificate: certificate not valid for name \"a\"").contains("another name"));
    }

    #[test]
    fn only_what_can_be_due_to_a_message_is_laid_to_its_charge() {
        let of = |reason| Failure::Ended(reason).blame();
        assert_eq!([of(Goodbye::PacketTooLarge), of(Goodbye::NotAuthorized)], [Blame::Message; 2]);
        assert_eq!([of(Goodbye::ServerShuttingDown), of(Goodbye::KeepAliveTimeout)], [Blame::Line; 2]);
        assert_eq!([Failure::TakenOver.blame(), Failure::Silent.blame()], [Blame::Line; 2]);
        assert_eq!([Failure::HungUp.blame(), Failure::Protocol("?".into()).blame()], [Blame::Perhaps; 2]);
        assert!(Failure::TakenOver.while_online().contains("client_id"));
    }

    #[test]
    fn a_closed_line_is_told_from_a_broken_one() {
        assert_eq!(line("Connection reset by peer (os error 104)".into()), Failure::HungUp);
        assert_eq!(
            line("No route to host (os error 113)".into()),
            Failure::Line("No route to host (os error 113)".into())
        );
        assert!(matches!(line("received fatal alert: UnknownCA".into()), Failure::Tls(_)));
    }
}
