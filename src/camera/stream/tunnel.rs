//! TLS to a camera, ended at a port of the loopback interface from which GStreamer reads. So usher has one TLS, with its own rules for certificates:
//! a pinned one, or one that an authority of the system has signed for this host.
//!
//! Another process of this machine that finds the port reaches the camera through it, as it could without it: the camera asks for its password all
//! the same.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;

use super::fault::Fault;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// A tunnel in a thread of its own. Dropping it ends the thread and its connections.
pub(super) struct Tunnel {
    port: u16,
    /// Dropping it is the sign.
    _stop: oneshot::Sender<()>,
}

impl Tunnel {
    /// Shakes hands with the camera once, so that a wrong certificate is an error here, and listens.
    pub(super) fn open(peer: SocketAddr, host: &str, certificate: Option<&str>) -> Result<Tunnel, Fault> {
        let rules = Rules::new(certificate)?;
        let seen = rules.seen.clone();
        let config = config(rules)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| tls(&error))?;
        let way = Way { peer, name, connector: TlsConnector::from(Arc::new(config)) };
        let runtime = Builder::new_current_thread().enable_io().enable_time().build().map_err(|error| tls(&error))?;
        let listener = runtime.block_on(async {
            let shaken = tokio::time::timeout(HANDSHAKE, way.connect()).await;
            match shaken {
                Ok(Ok(_)) => TcpListener::bind("127.0.0.1:0").await.map_err(|error| tls(&error)),
                Ok(Err(error)) => Err(seen.fault(certificate).unwrap_or_else(|| tls(&error))),
                Err(_) => Err(Fault::Tls { reason: "the camera does not answer".to_owned() }),
            }
        })?;
        let port = listener.local_addr().map_err(|error| tls(&error))?.port();
        let (stop, stopped) = oneshot::channel();
        let run = move || serve(&runtime, listener, way, stopped);
        std::thread::Builder::new().name("stream tls".into()).spawn(run).map_err(|error| tls(&error))?;
        Ok(Tunnel { port, _stop: stop })
    }

    /// The port of the loopback interface.
    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

fn tls(error: &impl ToString) -> Fault {
    Fault::Tls { reason: error.to_string() }
}

/// The way from the port to the camera.
#[derive(Clone)]
struct Way {
    peer: SocketAddr,
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl Way {
    async fn connect(&self) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let plain = TcpStream::connect(self.peer).await?;
        plain.set_nodelay(true)?;
        self.connector.connect(self.name.clone(), plain).await
    }
}

/// Carries bytes both ways, a connection for each that comes in, until the tunnel is dropped.
fn serve(runtime: &Runtime, listener: TcpListener, way: Way, stopped: oneshot::Receiver<()>) {
    runtime.block_on(async {
        let accepting = async {
            while let Ok((mut near, _)) = listener.accept().await {
                let way = way.clone();
                tokio::spawn(async move {
                    let Ok(Ok(mut far)) = tokio::time::timeout(HANDSHAKE, way.connect()).await else { return };
                    // A connection that breaks ends both ends; GStreamer reports it.
                    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                });
            }
        };
        tokio::select! {
            () = accepting => {}
            // An error means that the tunnel was dropped.
            _ = stopped => {}
        }
    });
}

fn config(rules: Rules) -> Result<ClientConfig, Fault> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| tls(&error))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(rules)).with_no_client_auth())
}

/// The last certificate that was refused, and why.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Option<(String, String)>>>);

impl Seen {
    fn note(&self, found: String, reason: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((found, reason));
    }

    fn fault(&self, wanted: Option<&str>) -> Option<Fault> {
        let (found, reason) = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(match wanted {
            Some(wanted) => Fault::OtherCertificate { found, wanted: wanted.to_owned() },
            None => Fault::Untrusted { found, reason },
        })
    }
}

/// Which certificates are taken.
#[derive(Debug)]
struct Rules {
    provider: Arc<CryptoProvider>,
    pinned: Option<String>,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    seen: Seen,
}

impl Rules {
    fn new(pinned: Option<&str>) -> Result<Rules, Fault> {
        let provider = Arc::new(ring::default_provider());
        let authorities = match pinned {
            Some(_) => None,
            None => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                // Without any authority nothing is trusted: then only a pinned certificate works, and the message says so.
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().ok()
            }
        };
        Ok(Rules { provider, pinned: pinned.map(str::to_ascii_lowercase), authorities, seen: Seen::default() })
    }
}

/// The SHA-256 of a certificate, in lower-case hexadecimal digits.
fn digits(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate.as_ref()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl ServerCertVerifier for Rules {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = digits(end_entity);
        let verdict = match (&self.pinned, &self.authorities) {
            (Some(pinned), _) if *pinned == found => Ok(ServerCertVerified::assertion()),
            (Some(_), _) => Err(rustls::Error::General("another certificate is pinned".to_owned())),
            (None, Some(authorities)) => {
                authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            (None, None) => Err(rustls::Error::General("the system trusts no authority".to_owned())),
        };
        verdict.inspect_err(|error| self.seen.note(found, error.to_string()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::ServerConfig;
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use std::io::{Read, Write};

    /// A server that answers each connection with what it has received, and the digits of its certificate.
    fn echo() -> (SocketAddr, String) {
        let made = rcgen::generate_simple_self_signed(vec!["camera.example".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let pin = digits(&certificate);
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key.into())
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let config = Arc::new(config);
        std::thread::spawn(move || {
            for plain in listener.incoming().flatten() {
                let mut tls = rustls::StreamOwned::new(rustls::ServerConnection::new(config.clone()).unwrap(), plain);
                let mut bytes = [0; 5];
                if tls.read_exact(&mut bytes).is_ok() {
                    tls.write_all(&bytes).unwrap();
                }
            }
        });
        (at, pin)
    }

    #[test]
    fn a_pinned_certificate_carries_bytes_and_another_does_not() {
        let (at, pin) = echo();
        let tunnel = Tunnel::open(at, "192.0.2.20", Some(&pin.to_ascii_uppercase())).unwrap();
        let mut near = std::net::TcpStream::connect(("127.0.0.1", tunnel.port())).unwrap();
        near.write_all(b"hello").unwrap();
        let mut back = [0; 5];
        near.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"hello");

        let wanted = "ab".repeat(32);
        let refused = Tunnel::open(at, "192.0.2.20", Some(&wanted)).err();
        assert_eq!(refused, Some(Fault::OtherCertificate { found: pin.clone(), wanted }));
        // Nobody has signed it: the message has what would be pinned.
        match Tunnel::open(at, "camera.example", None).err() {
            Some(Fault::Untrusted { found, .. }) => assert_eq!(found, pin),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_port_without_tls_says_so() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut plain in listener.incoming().flatten() {
                plain.write_all(b"RTSP/1.0 400 Bad Request\r\n\r\n").unwrap();
            }
        });
        assert!(matches!(Tunnel::open(at, "camera.example", None).err(), Some(Fault::Tls { .. })));
    }
}
