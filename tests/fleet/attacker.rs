//! Somebody who has a credential and any client: what servers let them do, and what not.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;
use usher::fleet::carrier::Credential;
use usher::setup::fleet::Membership;

use crate::server::{Servers, authority};

/// A plain client, and the errors that servers sent it.
pub struct Attacker {
    pub client: Client,
    errors: mpsc::UnboundedReceiver<String>,
}

impl Attacker {
    /// Connects with a board's credential.
    pub async fn with(servers: &Servers, membership: &Membership) -> Attacker {
        Attacker::connect(servers, &membership.credential, &membership.certificate, servers.office.servers()).await
    }

    /// Connects with the office's credential, read from its file.
    pub async fn office(servers: &Servers) -> Attacker {
        let text = std::fs::read_to_string(servers.folder.join("office.json")).unwrap();
        let file: Value = serde_json::from_str(&text).unwrap();
        let credential: Credential = serde_json::from_value(file["office_credential"].clone()).unwrap();
        Attacker::connect(servers, &credential, file["office_certificate"].as_str().unwrap(), servers.office.servers())
            .await
    }

    /// Connects to servers of the fleet.
    pub async fn connect(servers: &Servers, credential: &Credential, certificate: &str, to: &[String]) -> Attacker {
        let (ca, own, own_key) = (servers.path("ca.pem"), servers.path("client.pem"), servers.path("client.key"));
        authority(servers, &ca);
        std::fs::write(&own, certificate).unwrap();
        std::fs::write(&own_key, pem(&credential.tls_key())).unwrap();
        let user = credential.user().unwrap();
        let key = std::sync::Arc::new(nkeys::KeyPair::from_seed(&credential.seed).unwrap());
        let (send, errors) = mpsc::unbounded_channel();
        let client = ConnectOptions::with_jwt(credential.claim.clone(), move |nonce| {
            std::future::ready(key.sign(&nonce).map_err(async_nats::AuthError::new))
        })
        .add_root_certificates(ca)
        .add_client_certificate(own, own_key)
        .require_tls(true)
        .custom_inbox_prefix(format!("_INBOX.{user}"))
        .request_timeout(Some(Duration::from_secs(2)))
        .event_callback(move |event| {
            if let Event::ServerError(error) = event {
                send.send(error.to_string()).ok();
            }
            std::future::ready(())
        })
        .connect(to.iter().map(|server| format!("tls://{server}")).collect::<Vec<_>>())
        .await
        .unwrap();
        Attacker { client, errors }
    }

    /// Publishes, and asserts that the server forbids it.
    pub async fn is_forbidden(&mut self, subject: &str, payload: &str) {
        self.client.publish(subject.to_owned(), payload.to_owned().into()).await.unwrap();
        self.is_told(&format!("Publish to \"{subject}\"")).await;
    }

    /// Subscribes, and asserts that the server forbids it.
    pub async fn may_not_hear(&mut self, subject: &str) {
        let mut heard = self.client.subscribe(subject.to_owned()).await.unwrap();
        self.is_told(&format!("Subscription to \"{subject}\"")).await;
        assert!(timeout(Duration::from_millis(50), heard.next()).await.is_err());
    }

    async fn is_told(&mut self, what: &str) {
        self.client.flush().await.unwrap();
        let error = timeout(Duration::from_secs(10), self.errors.recv()).await;
        let error = error.unwrap_or_else(|_| panic!("nothing forbids {what}")).unwrap();
        assert!(error.contains(what), "{error}, not {what}");
    }

    /// The answer to a request to JetStream's API.
    pub async fn ask(&self, subject: &str, body: &str) -> Value {
        let answer = self.client.request(subject.to_owned(), body.to_owned().into()).await.unwrap();
        serde_json::from_slice(&answer.payload).unwrap()
    }
}

/// A private key as a file has it.
pub fn pem(key: &[u8]) -> String {
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, key);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}
