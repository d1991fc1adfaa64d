//! The page on its address: its TLS, and what it is given of the daemon.

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::certificate::{self, CertificateError, Pair, unusable};
use super::connections::{self, Listener, ListenerCounts};
use super::tcp_address::{self, AddressTrouble};
use crate::accounts::Accounts;
use crate::clock::Clock;
use crate::config::{Config, WebTls};
use crate::setup;
use crate::web::{self, Hosts, Place, Site, SiteSettings};

/// The page over the API of this place.
pub fn site(
    config: &Config,
    place: Place,
    api: Router,
    accounts: Arc<Accounts>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<Site>> {
    let zone = setup::house::time_zone(config)?;
    let web = &config.web;
    let names = names(config);
    let loopback = [std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()];
    let proxies = match (web.tls, web.proxies.as_slice()) {
        (WebTls::Proxy, []) => loopback.to_vec(),
        (WebTls::Proxy, proxies) => proxies.to_vec(),
        (WebTls::Auto | WebTls::Own | WebTls::Files, _) => Vec::new(),
    };
    let settings = SiteSettings {
        place,
        device: config.device.name.clone(),
        zone,
        session: web.session,
        secure: web.speaks_tls() || web.tls == WebTls::Proxy,
        hosts: Hosts::new(names.iter().map(String::as_str)),
        proxies,
    };
    Ok(Site::new(api, accounts, settings, clock))
}

/// This machine's names, and the configured ones.
fn names(config: &Config) -> Vec<String> {
    let mut names = config.web.names.clone();
    if let Some(host) = config.web.url.as_deref().and_then(|url| url.split_once("://")) {
        let authority = host.1.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        names.push(authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned());
    }
    if let Ok(own) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        let own = own.trim().to_owned();
        names.extend([format!("{own}.local"), own]);
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Serves the page until the runtime ends. A certificate that cannot be had is logged and shown in the status; it keeps no door from starting.
pub async fn serve(config: Config, site: Arc<Site>, most: usize, counts: Arc<ListenerCounts>, trouble: AddressTrouble) {
    let address = config.web.listen;
    let tls = match acceptor(&config) {
        Ok(tls) => tls,
        Err(error) => {
            tracing::error!(%error, "the page is not served");
            return trouble.set(Some(error.to_string()));
        }
    };
    let listener = tcp_address::listen(address, "[web] listen", &trouble).await;
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!("the page is at {scheme}://{address}");
    connections::serve(Listener::Web(listener, tls), web::router(site), most, counts).await;
}

/// `None` where usher speaks no TLS itself.
fn acceptor(config: &Config) -> Result<Option<TlsAcceptor>, CertificateError> {
    let web = &config.web;
    if !web.speaks_tls() {
        return Ok(None);
    }
    let pair = match (web.tls, &web.certificate, &web.key) {
        (WebTls::Files, Some(certificate), Some(key)) => Pair { certificate: certificate.clone(), key: key.clone() },
        _ => {
            let mut names = names(config);
            names.extend(["localhost".to_owned(), web.listen.ip().to_string()]);
            certificate::own(&setup::web_folder(config), &names)?
        }
    };
    let chain = CertificateDer::pem_file_iter(&pair.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(&pair.certificate, &error))?;
    let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(|error| unusable(&pair.key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| unusable(&pair.certificate, &error))?;
    Ok(Some(TlsAcceptor::from(Arc::new(settings))))
}
