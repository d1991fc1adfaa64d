//! The address of the metrics. An address that is not free never keeps a door from starting: it is tried again until it is.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::connections::{self, Listener, ListenerCounts};

/// The pause before an address that is not free is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Why the metrics are not on their address, in words.
#[derive(Clone, Debug, Default)]
pub struct MetricsTrouble(Arc<Mutex<Option<String>>>);

impl MetricsTrouble {
    /// `None` while all is well.
    pub fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, trouble: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// Serves `router` on `address` until the runtime ends, as soon as the address can be had. `most` is the limit for open connections.
pub async fn serve(
    address: SocketAddr,
    router: Router,
    most: usize,
    counts: Arc<ListenerCounts>,
    trouble: MetricsTrouble,
) {
    let listener = listen(address, &trouble).await;
    tracing::info!(%address, "serving /metrics");
    connections::serve(Listener::Metrics(listener), router, most, counts).await;
}

async fn listen(address: SocketAddr, trouble: &MetricsTrouble) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                trouble.set(None);
                return listener;
            }
            Err(error) => {
                if trouble.get().is_none() {
                    tracing::warn!(%address, %error, "the metrics cannot be served; trying again until they can ([metrics] listen)");
                }
                trouble.set(Some(format!("cannot be served on {address}: {error}")));
            }
        }
        sleep(TRY_AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_in_use_is_named_and_taken_once_it_is_free() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let trouble = MetricsTrouble::default();
        let waiting = tokio::spawn({
            let trouble = trouble.clone();
            async move { listen(address, &trouble).await }
        });
        sleep(Duration::from_secs(1)).await;
        let said = trouble.get().unwrap();
        assert!(said.contains(&address.to_string()) && said.contains("in use"), "{said}");
        drop(taken);
        assert_eq!(waiting.await.unwrap().local_addr().unwrap(), address);
        assert_eq!(trouble.get(), None);
    }
}
