//! The streams of places: the office makes one for each site, and again where a server has lost it. It does not read them.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use super::desk::Office;
use crate::fleet::Site;
use crate::fleet::carrier::{Carrier, Stream};

/// How often to look. A server that starts anew has lost them, and boards go by their own places until then.
const AGAIN: Duration = Duration::from_secs(20);

/// Keeps the streams. Nothing waits for them: a site's server may be cut off.
pub async fn keep(office: &Office, carrier: &dyn Carrier) -> Infallible {
    let mut missing: BTreeSet<Site> = BTreeSet::new();
    loop {
        let sites: Vec<Site> =
            office.with(|book| book.galleries.keys().filter_map(|name| name.as_str().parse().ok()).collect());
        for site in sites {
            match carrier.prepare(&Stream::Places(site.clone())).await {
                Ok(_) => drop(missing.remove(&site)),
                Err(error) if missing.insert(site.clone()) => {
                    tracing::warn!(%site, %error, "the stream of this site's places cannot be made; its boards go by their own places")
                }
                Err(_) => {}
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}
