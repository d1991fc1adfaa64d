//! TLS, client certificates and passwords, against mosquitto: valid ones connect, invalid ones are named and logged once.

use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;
use usher::hub::{HubSettings, TlsSettings, Version, probe};

use crate::certificates::{Authority, Good};
use crate::support::*;

/// Mosquitto with TLS, and settings that connect.
async fn secured(server: Good, client: Good, passwords_too: bool) -> (Mosquitto, HubSettings, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let (certificate, key) = authority.server("127.0.0.1", server);
    let own = authority.client("usher", client);
    let ca_file = authority.file();
    let mosquitto = Mosquitto::with(|home| {
        let login = match passwords_too {
            true => format!("password_file {}", passwords(home, "usher", "right").display()),
            false => "use_identity_as_username true".to_owned(),
        };
        format!(
            "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\nallow_anonymous false\n{login}",
            ca_file.display(),
            certificate.display(),
            key.display(),
        )
    })
    .await;
    let tls = TlsSettings { ca_file: Some(ca_file), client: Some(own) };
    let mut settings = HubSettings { tls: Some(tls), ..settings(mosquitto.own_port) };
    if passwords_too {
        (settings.username, settings.password) = (Some("usher".to_owned()), Some("right".to_owned()));
    }
    (mosquitto, settings, folder)
}

/// Waits until the log reports the outage, and then long enough for a second attempt.
async fn logged_once(settings: HubSettings, expected: &str) {
    let log = Log::begin();
    let address = settings.address();
    let house = House::start(settings);
    house.locks(1);
    let why = house.offline().await;
    assert!(why.contains(expected), "{why}");
    sleep(Duration::from_millis(2500)).await;
    assert_eq!(log.count("the broker is away", &address), 1);
    assert_eq!(house.outbox.len(), 1, "it waits");
}

#[tokio::test]
async fn a_certificate_connects_and_events_arrive() {
    let (mosquitto, settings, _folder) = secured(Good::Yes, Good::Yes, false).await;
    for version in [Version::V5, Version::V311] {
        let mut observer = Observer::of(mosquitto.port, "observer").await;
        let house = House::start(HubSettings { version, ..settings.clone() });
        observer.expect_status("online").await;
        house.locks(1);
        assert_eq!(seq(&observer.event().await), 1);
        eventually("an empty outbox", || house.outbox.is_empty()).await;
        house.hub.stop().await;
    }
    assert_eq!(probe(settings, Duration::from_secs(10)).await, Ok(()));
}

#[tokio::test]
async fn a_certificate_and_a_password_connect_together() {
    let (_mosquitto, settings, _folder) = secured(Good::Yes, Good::Yes, true).await;
    House::start(settings).online().await;
}

#[tokio::test]
async fn a_wrong_password_is_logged_once() {
    let (_mosquitto, settings, _folder) = secured(Good::Yes, Good::Yes, true).await;
    for version in [Version::V5, Version::V311] {
        let port = free_port().await;
        let _proxy = Proxy::between(port, settings.port).await;
        let wrong = HubSettings { port, version, password: Some("wrong".to_owned()), ..settings.clone() };
        logged_once(wrong, "refused the user name or the password").await;
    }
}

#[tokio::test]
async fn our_expired_certificate_is_logged_once() {
    let (_mosquitto, settings, _folder) = secured(Good::Yes, Good::Expired, false).await;
    for version in [Version::V5, Version::V311] {
        let port = free_port().await;
        let _proxy = Proxy::between(port, settings.port).await;
        logged_once(HubSettings { port, version, ..settings.clone() }, "client_cert_file").await;
    }
}

#[tokio::test]
async fn the_broker_s_expired_certificate_is_logged_once() {
    let (_mosquitto, settings, _folder) = secured(Good::Expired, Good::Yes, false).await;
    logged_once(settings, "out of date").await;
}

#[tokio::test]
async fn a_broker_of_an_unknown_authority_is_refused() {
    let (_mosquitto, settings, folder) = secured(Good::Yes, Good::Yes, false).await;
    let other = Authority::new(folder.path(), "other");
    let client = settings.tls.as_ref().unwrap().client.clone();
    let tls = Some(TlsSettings { ca_file: Some(other.file()), client });
    logged_once(HubSettings { tls, ..settings }, "ca_file").await;
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let (certificate, key) = authority.server("broker.example", Good::Yes);
    let mosquitto = Mosquitto::with(|_| {
        format!("certfile {}\nkeyfile {}\nallow_anonymous true", certificate.display(), key.display())
    })
    .await;
    let tls = |ca_file: &Path| Some(TlsSettings { ca_file: Some(ca_file.to_owned()), client: None });
    logged_once(HubSettings { tls: tls(&authority.file()), ..settings(mosquitto.own_port) }, "another name").await;
}

#[tokio::test]
async fn a_missing_file_and_a_broker_without_tls_are_reported() {
    let mosquitto = Mosquitto::start().await;
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pem");
    let tls = Some(TlsSettings { ca_file: Some(missing.clone()), client: None });
    let with_missing = HubSettings { tls, ..settings(mosquitto.own_port) };
    logged_once(with_missing, &format!("[mqtt.tls] ca_file {}", missing.display())).await;

    let authority = Authority::new(folder.path(), "ca");
    let tls = Some(TlsSettings { ca_file: Some(authority.file()), client: None });
    let house = House::start(HubSettings { tls, ..settings(mosquitto.own_port) });
    let why = house.offline().await;
    assert!(why.contains("TLS") || why.contains("secure line"), "{why}");
}

#[tokio::test]
async fn a_plain_connection_to_a_tls_broker_is_reported() {
    let (_mosquitto, settings, _folder) = secured(Good::Yes, Good::Yes, false).await;
    let house = House::start(HubSettings { tls: None, ..settings });
    let why = house.offline().await;
    assert!(why.contains("TLS"), "{why}");
}
