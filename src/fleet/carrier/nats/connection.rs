//! The connection to the servers: TLS with the fleet's own authority, the credential, and what is known of the connection.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{AuthError, Client, ConnectOptions, Event, ServerAddr, ServerError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::watch;

use super::super::{CarrierError, Credential, Domain, Leaves, Link, SHUT_OUT};

/// How long to wait for a connection, TLS included.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How often to ask whether the server is there: after two questions without an answer the connection counts as lost.
const PING_EVERY: Duration = Duration::from_secs(5);
/// The longest pause between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// Messages and requests that wait within the client.
const QUEUE: usize = 512;
/// From this number of servers on, each message is kept three times.
const REPLICATED_FROM: usize = 3;

/// How to reach the servers, and as whom.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Addresses as `host:port`.
    pub servers: Vec<String>,
    /// The certificate of the fleet's authority, in PEM. No other authority is believed.
    pub authority: String,
    /// Who connects.
    pub credential: Credential,
    /// The certificate that the authority made for the key of [`Credential::tls_key`], in PEM. Servers talk to nobody without one.
    pub certificate: String,
    /// How servers name this connection in their own logs.
    pub name: String,
    /// Which servers these are.
    pub at: Domain,
    /// The sites that have a leaf server.
    pub leaves: Leaves,
}

/// A client of the servers. It connects again by itself.
pub struct NatsCarrier {
    pub(super) client: Client,
    pub(super) link: watch::Sender<Link>,
    /// The newest error that a server sent.
    pub(super) complaints: watch::Sender<Option<String>>,
    pub(super) replicas: usize,
    pub(super) at: Domain,
    pub(super) leaves: Leaves,
}

impl Connection {
    /// Starts to connect, and returns without waiting for it; [`super::super::Carrier::link`] says when it is done. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// Addresses, the authority or the credential cannot be used.
    pub async fn start(self) -> Result<NatsCarrier, CarrierError> {
        let (addresses, replicas) = (self.addresses()?, self.replicas());
        let (at, leaves) = (self.at.clone(), self.leaves.clone());
        let link = watch::Sender::new(Link::Away { why: "not connected yet".to_owned() });
        let complaints = watch::Sender::new(None);
        let told = (link.clone(), complaints.clone());
        let options = self.options()?.retry_on_initial_connect().event_callback(move |event| {
            note(&event, &told.0, &told.1);
            std::future::ready(())
        });
        let client = options.connect(addresses).await.map_err(|error| away(&error))?;
        Ok(NatsCarrier { client, link, complaints, replicas, at, leaves })
    }

    /// Connects once, to see whether it can be done.
    ///
    /// # Errors
    /// As [`Connection::start`], and [`CarrierError::Away`] with the reason why no server can be reached.
    pub async fn check(&self) -> Result<(), CarrierError> {
        let client = self.options()?.connect(self.addresses()?).await.map_err(|error| away(&error))?;
        client.flush().await.map_err(|error| away(&error))
    }

    /// How many copies of a message there are.
    fn replicas(&self) -> usize {
        if self.servers.len() >= REPLICATED_FROM { REPLICATED_FROM } else { 1 }
    }

    fn addresses(&self) -> Result<Vec<ServerAddr>, CarrierError> {
        if self.servers.is_empty() {
            return Err(CarrierError::Setup { why: "no server is named".to_owned() });
        }
        let address = |server: &String| {
            format!("tls://{server}").parse().map_err(|error| CarrierError::Setup {
                why: format!("{server:?} is not an address of a server: {error}"),
            })
        };
        self.servers.iter().map(address).collect()
    }

    /// TLS that believes one authority, and shows a certificate of it.
    fn tls(&self) -> Result<ClientConfig, CarrierError> {
        let setup = |what: &str, error: &dyn std::fmt::Display| CarrierError::Setup {
            why: format!("{what} cannot be used: {error}"),
        };
        let (authority, own) = ("the fleet's authority", "the certificate");
        let certificate =
            CertificateDer::from_pem_slice(self.authority.as_bytes()).map_err(|error| setup(authority, &error))?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate).map_err(|error| setup(authority, &error))?;
        let shown = CertificateDer::from_pem_slice(self.certificate.as_bytes()).map_err(|error| setup(own, &error))?;
        let key = PrivatePkcs8KeyDer::from(self.credential.tls_key().to_vec());
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| setup("TLS", &error))?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![shown], key.into())
            .map_err(|error| setup(own, &error))
    }

    fn options(&self) -> Result<ConnectOptions, CarrierError> {
        let wrong = |why: String| CarrierError::Setup { why: format!("the credential cannot be used: {why}") };
        let key = Arc::new(self.credential.key().map_err(|error| wrong(error.to_string()))?);
        let user = key.public_key();
        let sign = move |nonce: Vec<u8>| {
            let signature = key.sign(&nonce).map_err(AuthError::new);
            std::future::ready(signature)
        };
        Ok(ConnectOptions::with_jwt(self.credential.claim.clone(), sign)
            .tls_client_config(self.tls()?)
            .require_tls(true)
            .custom_inbox_prefix(self.at.inbox(&user))
            .ignore_discovered_servers()
            .connection_timeout(CONNECT_WITHIN)
            .request_timeout(Some(CONNECT_WITHIN))
            .ping_interval(PING_EVERY)
            .subscription_capacity(QUEUE)
            .client_capacity(QUEUE)
            .reconnect_delay_callback(pause)
            .name(&self.name))
    }
}

impl NatsCarrier {
    /// Whether it is connected now.
    pub(super) fn now(&self) -> Link {
        match (self.client.connection_state(), &*self.link.borrow()) {
            (async_nats::connection::State::Connected, _) => Link::Online,
            (_, Link::Away { why }) => Link::Away { why: why.clone() },
            (_, Link::Online) => Link::Away { why: "the connection was lost".to_owned() },
        }
    }

    /// The newest error that a server sent, such as a subject that this credential may not use.
    pub fn complaint(&self) -> Option<String> {
        self.complaints.borrow().clone()
    }
}

/// Pauses grow from nothing to [`LONGEST_PAUSE`], and differ, so that boards do not come back all at once.
fn pause(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts).unwrap_or(u32::MAX).saturating_sub(1).min(10);
    let longest = Duration::from_millis(50).saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_PAUSE);
    match attempts {
        0 | 1 => Duration::ZERO,
        _ => longest.mul_f64(0.5 + fastrand::f64() / 2.0),
    }
}

/// Keeps what an event says of the connection.
fn note(event: &Event, link: &watch::Sender<Link>, complaints: &watch::Sender<Option<String>>) {
    let short = |text: &dyn std::fmt::Display| text.to_string().chars().take(300).collect::<String>();
    let away = |why: String| {
        link.send_if_modified(|link| {
            let new = Link::Away { why };
            let differs = *link != new;
            *link = new;
            differs
        });
    };
    match event {
        Event::Connected => {
            link.send_replace(Link::Online);
        }
        // Why it ended has been said, if it was said.
        Event::Disconnected | Event::Closed if *link.borrow() != Link::Online => {}
        Event::Disconnected | Event::Closed => away("the connection was lost".to_owned()),
        Event::ServerError(error) => {
            complaints.send_replace(Some(short(error)));
            // The connection ends with it.
            if matches!(error, ServerError::AuthorizationViolation) {
                away(SHUT_OUT.to_owned());
            }
        }
        Event::ClientError(error) => {
            if *link.borrow() != Link::Online {
                away(told(short(error)));
            }
        }
        Event::SlowConsumer(_) | Event::LameDuckMode | Event::Draining => {}
    }
}

/// An error with all its reasons.
fn away(error: &dyn Error) -> CarrierError {
    let (mut why, mut source) = (error.to_string(), error.source());
    while let Some(reason) = source {
        let reason_text = reason.to_string();
        if !why.contains(&reason_text) {
            why = format!("{why}: {reason_text}");
        }
        source = reason.source();
    }
    CarrierError::Away { why: told(why) }
}

/// What is told of an error. The client passes on the words of a server that refuses a credential.
fn told(error: String) -> String {
    if error.contains("authorization violation") { SHUT_OUT.to_owned() } else { error }
}

#[cfg(test)]
mod tests {
    use super::super::super::{OperatorKeys, Role};
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        assert_eq!(pause(1), Duration::ZERO);
        for attempts in 2..200 {
            let pause = pause(attempts);
            assert!(pause >= Duration::from_millis(50) && pause <= LONGEST_PAUSE, "{attempts}: {pause:?}");
        }
        assert!(pause(100) >= LONGEST_PAUSE / 2);
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_named() {
        let credential = OperatorKeys::generate().unwrap().credential(&Role::Office, 1).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let authority = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
        let der = credential.tls_key();
        let own = rcgen::KeyPair::try_from(der.as_slice()).unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&own).unwrap().pem();
        let good = Connection {
            servers: vec!["127.0.0.1:1".to_owned()],
            authority,
            certificate,
            credential,
            name: "a".to_owned(),
            at: Domain::Hub,
            leaves: Leaves::default(),
        };
        let error = |connection: Connection| async move { connection.start().await.err().unwrap().to_string() };
        assert!(error(Connection { servers: vec![], ..good.clone() }).await.contains("no server"));
        assert!(error(Connection { servers: vec!["a b:c".to_owned()], ..good.clone() }).await.contains("a b:c"));
        assert!(error(Connection { authority: String::new(), ..good.clone() }).await.contains("authority"));
        let mine = |connection: &Connection| connection.authority.clone();
        assert!(error(Connection { certificate: mine(&good), ..good.clone() }).await.contains("certificate"));
        let credential = Credential { claim: String::new(), seed: String::new().into() };
        assert!(error(Connection { credential, ..good.clone() }).await.contains("credential"));
        // Nobody is there: it starts, and says so when it is asked.
        let refused = good.check().await.unwrap_err();
        assert!(matches!(refused, CarrierError::Away { .. }), "{refused}");
        let carrier = good.start().await.unwrap();
        assert!(matches!(carrier.now(), Link::Away { .. }));
    }
}
