//! A connection to a server's port without any client: plain lines over TLS, as another server would speak.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

/// A certificate and its key, in PEM.
pub struct Shown<'a>(pub &'a str, pub &'a str);

/// A connection on which the server has said who it is.
pub struct Raw {
    stream: StreamOwned<ClientConnection, TcpStream>,
    nonce: String,
}

impl Raw {
    /// Connects to a port of this machine for clients or leaves, and shows a certificate if there is one.
    pub fn connect(port: u16, authority: &str, shown: Option<Shown>) -> Raw {
        Raw::open(port, authority, shown, true)
    }

    /// Connects to a port for other servers. TLS comes first there.
    pub fn as_server(port: u16, authority: &str, shown: Shown) -> Raw {
        Raw::open(port, authority, Some(shown), false)
    }

    fn open(port: u16, authority: &str, shown: Option<Shown>, info_first: bool) -> Raw {
        let tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        let mut line = "INFO {}".to_owned();
        // What follows is TLS, and begins with this side: nothing of it can be read too early.
        if info_first {
            line.clear();
            BufReader::new(&tcp).read_line(&mut line).unwrap();
        }
        let info: Value = serde_json::from_str(line.strip_prefix("INFO ").unwrap()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(Shown(certificate, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        let tls = ClientConnection::new(Arc::new(config), "127.0.0.1".try_into().unwrap()).unwrap();
        Raw { stream: StreamOwned::new(tls, tcp), nonce: info["nonce"].as_str().unwrap_or_default().to_owned() }
    }

    /// Logs in with a claim and the seed of its key; what the server answers.
    pub fn log_in(&mut self, claim: &str, seed: &str) -> String {
        let signature = nkeys::KeyPair::from_seed(seed).unwrap().sign(self.nonce.as_bytes()).unwrap();
        let connect = json!({
            "verbose": false, "headers": true, "name": "somebody", "jwt": claim, "sig": URL_SAFE_NO_PAD.encode(signature),
        });
        self.say(&format!("CONNECT {connect}\r\nPING\r\n"))
    }

    /// Sends lines; what comes back within some seconds, or until the server hangs up.
    pub fn say(&mut self, lines: &str) -> String {
        let (mut all, mut part) = (Vec::new(), [0; 4096]);
        if self.stream.write_all(lines.as_bytes()).and_then(|()| self.stream.flush()).is_ok() {
            while let Ok(length @ 1..) = self.stream.read(&mut part) {
                all.extend_from_slice(&part[..length]);
            }
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}
