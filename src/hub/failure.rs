//! What can go wrong between this client and a broker, worded so that it says what to check.

use std::error::Error;
use std::io;
use std::time::Duration;

use rumqttc::v5::mqttbytes::Error as Packet5;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode as Code5, DisconnectReasonCode as Goodbye};
use rumqttc::{ConnectReturnCode, v5};
use rustls::CertificateError;

/// A broker that does not accept the connection within this time has failed.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The largest packet that is read over MQTT 3.1.1, in bytes. Such a broker cannot be given a limit, and one larger message ends the connection. So
/// messages that are too long for any use are still read, and ignored; beyond this the memory of a small board matters more.
pub const LARGEST_INCOMING_311: usize = 16 << 20;

/// A [`BrokerFailure::Protocol`]: a broker begins with a CONNACK packet.
pub const NO_ACKNOWLEDGEMENT: &str = "its first packet does not acknowledge the connection";

/// Why a connection could not be made, or broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerFailure {
    /// No answer in time.
    Silent,
    /// The broker closed the connection without giving a reason.
    HungUp,
    /// The network connection could not be made, or broke.
    Line(String),
    /// TLS failed: the kind, and the library's words.
    Tls(TlsFault, String),
    /// The broker does not accept user name and password.
    Login,
    /// The broker does not accept this client for another reason.
    Refused(String),
    /// The broker violates the protocol.
    Protocol(String),
    /// The broker ended the connection and gives this reason.
    Ended(Goodbye),
    /// Another client connected with this client id.
    TakenOver,
    /// The broker sent a message larger than [`LARGEST_INCOMING_311`].
    TooLarge,
    /// The broker answers, but does not acknowledge a message.
    Unacknowledged,
}

/// What TLS failed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// The broker sent an alert: it does not accept this device's side.
    Alert,
    /// The broker's certificate is expired or not valid yet.
    OutOfDate,
    /// The broker's certificate is for another name.
    WrongName,
    /// The broker's certificate is not signed by a known authority.
    UnknownIssuer,
    /// Anything else, such as a broker without TLS.
    Other,
}

impl TlsFault {
    fn of(error: &rustls::Error) -> TlsFault {
        match error {
            rustls::Error::AlertReceived(_) => TlsFault::Alert,
            rustls::Error::InvalidCertificate(error) => match error {
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => TlsFault::OutOfDate,
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    TlsFault::WrongName
                }
                // `Other` is what webpki says of a chain, such as that an authority's certificate is used as the broker's own.
                CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Other(_) => {
                    TlsFault::UnknownIssuer
                }
                _ => TlsFault::Other,
            },
            _ => TlsFault::Other,
        }
    }

    /// What to check.
    fn hint(self) -> &'static str {
        match self {
            TlsFault::Alert => {
                "the broker does not accept our side: check client_cert_file and client_key_file, and that the certificate has not expired"
            }
            TlsFault::OutOfDate => "the broker's certificate is out of date, or this device's clock is wrong",
            TlsFault::WrongName => {
                "the broker's certificate is for another name: set host to a name that the certificate contains"
            }
            TlsFault::UnknownIssuer => {
                "the broker's certificate is not signed by a known authority: set [mqtt.tls] ca_file"
            }
            TlsFault::Other => "check the port and the files of [mqtt.tls]",
        }
    }
}

/// Whether a message that was being sent may be the cause of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// No: it was the network, or something else.
    Line,
    /// Unknown.
    Perhaps,
    /// Yes.
    Message,
}

impl BrokerFailure {
    /// Why there is no connection to the broker at `address`, and what to check.
    pub fn while_connecting(&self, address: &str) -> String {
        match self {
            BrokerFailure::Silent => {
                let seconds = CONNECT_WITHIN.as_secs();
                format!("{address} did not answer within {seconds} s; check host, port and network")
            }
            BrokerFailure::HungUp => {
                format!(
                    "{address} hung up instead of answering; check user name, password, port and whether it wants TLS"
                )
            }
            BrokerFailure::Line(why) => format!("{address} cannot be reached: {why}; check host, port and network"),
            BrokerFailure::Tls(fault, why) => format!("{address}: no TLS connection: {why}; {}", fault.hint()),
            BrokerFailure::Login => format!("{address} refused the user name or the password; check both"),
            BrokerFailure::Refused(why) => format!("{address} refused the connection: {why}"),
            BrokerFailure::Protocol(why) => {
                format!("{address} does not speak the configured MQTT: {why}; check port and [mqtt] version")
            }
            BrokerFailure::Ended(_)
            | BrokerFailure::TakenOver
            | BrokerFailure::TooLarge
            | BrokerFailure::Unacknowledged => {
                format!("{address}: {}", self.while_online())
            }
        }
    }

    /// Why an established connection broke.
    pub fn while_online(&self) -> String {
        match self {
            BrokerFailure::Silent => "the broker stopped answering".to_owned(),
            BrokerFailure::HungUp => "the broker hung up".to_owned(),
            BrokerFailure::Line(why) | BrokerFailure::Refused(why) | BrokerFailure::Protocol(why) => why.clone(),
            BrokerFailure::Tls(_, why) => format!("the TLS connection broke: {why}"),
            BrokerFailure::Login => "the broker withdrew the permission".to_owned(),
            BrokerFailure::Ended(reason) => format!("the broker ended the connection: {reason:?}"),
            BrokerFailure::TakenOver => {
                "another client connected with the same client id: give each device a name of its own ([device] \
                                   name), or set [mqtt] client_id"
                    .to_owned()
            }
            BrokerFailure::TooLarge => format!(
                "the broker sent a message of more than {} MiB on a topic that usher listens to; clear it there if it is retained",
                LARGEST_INCOMING_311 >> 20
            ),
            BrokerFailure::Unacknowledged => "the broker does not acknowledge what it is sent".to_owned(),
        }
    }

    /// Whether a message may be the cause, for an established connection.
    pub fn blame(&self) -> Blame {
        match self {
            BrokerFailure::HungUp | BrokerFailure::Unacknowledged | BrokerFailure::Protocol(_) => Blame::Perhaps,
            BrokerFailure::Ended(reason) => match reason {
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
            BrokerFailure::Silent
            | BrokerFailure::Line(_)
            | BrokerFailure::Tls(..)
            | BrokerFailure::Login
            | BrokerFailure::Refused(_)
            | BrokerFailure::TakenOver
            | BrokerFailure::TooLarge => Blame::Line,
        }
    }
}

/// The error and its causes, from the outermost to the innermost. Some errors hide their cause from [`Error::source`], so it is unwrapped here.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    if let Some(v5::StateError::Deserialization(error)) = error.downcast_ref() {
        return Some(error);
    }
    if let Some(rumqttc::StateError::Deserialization(error)) = error.downcast_ref() {
        return Some(error);
    }
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// The innermost cause says what happened; the outer ones only where.
fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// A TLS failure, if TLS is among the causes.
fn tls_failure(error: &(dyn Error + 'static)) -> Option<BrokerFailure> {
    let cause = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>())?;
    Some(BrokerFailure::Tls(TlsFault::of(cause), innermost(error)))
}

/// A failure of the network connection, or of TLS on it, if an [`io::Error`] is among the causes.
fn network_failure(error: &(dyn Error + 'static)) -> Option<BrokerFailure> {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    if let Some(failure) = tls_failure(error) {
        return Some(failure);
    }
    let kind = causes(error).find_map(|cause| cause.downcast_ref::<io::Error>())?.kind();
    Some(match kind {
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => BrokerFailure::HungUp,
        _ => BrokerFailure::Line(innermost(error)),
    })
}

/// A failure while the secure connection was being made.
fn handshake_failure(error: &(dyn Error + 'static)) -> BrokerFailure {
    tls_failure(error).unwrap_or_else(|| BrokerFailure::Tls(TlsFault::Other, innermost(error)))
}

/// A failure in the protocol's state, which may also wrap a failure of the network.
fn state_failure(error: &(dyn Error + 'static)) -> BrokerFailure {
    network_failure(error).unwrap_or_else(|| BrokerFailure::Protocol(innermost(error)))
}

impl From<v5::ConnectionError> for BrokerFailure {
    fn from(error: v5::ConnectionError) -> BrokerFailure {
        use v5::{ConnectionError, StateError};
        match &error {
            ConnectionError::Timeout(_) | ConnectionError::MqttState(StateError::AwaitPingResp) => {
                BrokerFailure::Silent
            }
            ConnectionError::MqttState(StateError::ConnectionAborted) => BrokerFailure::HungUp,
            ConnectionError::ConnectionRefused(Code5::BadUserNamePassword | Code5::NotAuthorized) => {
                BrokerFailure::Login
            }
            ConnectionError::ConnectionRefused(Code5::RefusedProtocolVersion | Code5::UnsupportedProtocolVersion) => {
                BrokerFailure::Protocol("it refuses MQTT 5".to_owned())
            }
            ConnectionError::ConnectionRefused(code) => BrokerFailure::Refused(format!("{code:?}")),
            ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => match reason_code {
                Goodbye::SessionTakenOver => BrokerFailure::TakenOver,
                other => BrokerFailure::Ended(*other),
            },
            ConnectionError::MqttState(StateError::Deserialization(Packet5::PayloadSizeLimitExceeded { .. })) => {
                BrokerFailure::TooLarge
            }
            // mosquitto says so in an acknowledgement, which the protocol does not provide for.
            ConnectionError::MqttState(StateError::Deserialization(Packet5::InvalidConnectReturnCode(0x95))) => {
                BrokerFailure::Ended(Goodbye::PacketTooLarge)
            }
            ConnectionError::Tls(_) => handshake_failure(&error),
            ConnectionError::Io(_) => state_failure(&error),
            ConnectionError::MqttState(_) => state_failure(&error),
            ConnectionError::NotConnAck(_) => BrokerFailure::Protocol(NO_ACKNOWLEDGEMENT.to_owned()),
            _ => BrokerFailure::Protocol(error.to_string()),
        }
    }
}

impl From<rumqttc::ConnectionError> for BrokerFailure {
    fn from(error: rumqttc::ConnectionError) -> BrokerFailure {
        use rumqttc::{ConnectionError, StateError};
        match &error {
            ConnectionError::NetworkTimeout
            | ConnectionError::FlushTimeout
            | ConnectionError::MqttState(StateError::AwaitPingResp) => BrokerFailure::Silent,
            ConnectionError::MqttState(StateError::ConnectionAborted) => BrokerFailure::HungUp,
            ConnectionError::ConnectionRefused(
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
            ) => BrokerFailure::Login,
            ConnectionError::ConnectionRefused(ConnectReturnCode::RefusedProtocolVersion) => {
                BrokerFailure::Protocol("it refuses MQTT 3.1.1".to_owned())
            }
            ConnectionError::ConnectionRefused(code) => BrokerFailure::Refused(format!("{code:?}")),
            ConnectionError::MqttState(StateError::Deserialization(
                rumqttc::mqttbytes::Error::PayloadSizeLimitExceeded(_),
            )) => BrokerFailure::TooLarge,
            ConnectionError::Tls(_) => handshake_failure(&error),
            ConnectionError::Io(_) => state_failure(&error),
            ConnectionError::MqttState(_) => state_failure(&error),
            ConnectionError::NotConnAck(_) => BrokerFailure::Protocol(NO_ACKNOWLEDGEMENT.to_owned()),
            _ => BrokerFailure::Protocol(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io_error(error: rustls::Error) -> rumqttc::ConnectionError {
        rumqttc::ConnectionError::MqttState(rumqttc::StateError::Io(io::Error::new(io::ErrorKind::InvalidData, error)))
    }

    #[test]
    fn errors_of_tls_lead_to_the_setting_to_check() {
        let of = |error: rustls::Error| BrokerFailure::from(io_error(error)).while_connecting("broker:8883");
        let certificate = |error| of(rustls::Error::InvalidCertificate(error));
        assert!(certificate(CertificateError::UnknownIssuer).contains("ca_file"));
        assert!(certificate(CertificateError::Expired).contains("out of date"));
        assert!(certificate(CertificateError::NotValidForName).contains("another name"));
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateExpired);
        assert!(of(alert).contains("client_cert_file"));
        // As it arrives while a packet is read.
        let read = rumqttc::mqttbytes::Error::Io(io::Error::other(rustls::Error::DecryptError));
        let read = rumqttc::ConnectionError::MqttState(rumqttc::StateError::Deserialization(read));
        assert!(matches!(BrokerFailure::from(read), BrokerFailure::Tls(TlsFault::Other, _)));
        let handshake = rumqttc::ConnectionError::Tls(rumqttc::TlsError::TLS(rustls::Error::DecryptError));
        assert!(BrokerFailure::from(handshake).while_connecting("broker:8883").contains("[mqtt.tls]"));
    }

    #[test]
    fn only_a_failure_that_a_message_can_cause_blames_it() {
        let of = |reason| BrokerFailure::Ended(reason).blame();
        assert_eq!([of(Goodbye::PacketTooLarge), of(Goodbye::NotAuthorized)], [Blame::Message; 2]);
        assert_eq!([of(Goodbye::ServerShuttingDown), of(Goodbye::KeepAliveTimeout)], [Blame::Line; 2]);
        assert_eq!([BrokerFailure::TakenOver.blame(), BrokerFailure::Silent.blame()], [Blame::Line; 2]);
        assert_eq!([BrokerFailure::HungUp.blame(), BrokerFailure::Protocol("?".into()).blame()], [Blame::Perhaps; 2]);
        assert!(BrokerFailure::TakenOver.while_online().contains("client_id"));
    }

    #[test]
    fn a_closed_connection_differs_from_one_that_cannot_be_made() {
        let of = |error: io::Error| BrokerFailure::from(v5::ConnectionError::Io(error));
        for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof, io::ErrorKind::BrokenPipe] {
            assert_eq!(of(kind.into()), BrokerFailure::HungUp, "{kind}");
            let read = v5::StateError::Deserialization(Packet5::Io(kind.into()));
            assert_eq!(BrokerFailure::from(v5::ConnectionError::MqttState(read)), BrokerFailure::HungUp, "{kind}");
        }
        let unreachable = of(io::Error::from_raw_os_error(113));
        assert!(
            matches!(&unreachable, BrokerFailure::Line(why) if why.contains("No route to host")),
            "{unreachable:?}"
        );
    }
}
