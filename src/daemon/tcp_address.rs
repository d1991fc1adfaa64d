//! The addresses of the metrics and of the page. An address that is not free never keeps a door from starting: it is tried again until it is.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::sleep;

/// The pause before an address that is not free is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Why something is not served on its address, in words.
#[derive(Clone, Debug, Default)]
pub struct AddressTrouble(Arc<Mutex<Option<String>>>);

impl AddressTrouble {
    /// `None` while all is well.
    pub fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, trouble: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// Listens on `address`, as soon as it can be had. `key` is the setting that names it, in words.
pub async fn listen(address: SocketAddr, key: &str, trouble: &AddressTrouble) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                trouble.set(None);
                return listener;
            }
            Err(error) => {
                if trouble.get().is_none() {
                    tracing::warn!(%address, %error, "{key} cannot be listened on; trying again until it can");
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
        let trouble = AddressTrouble::default();
        let waiting = tokio::spawn({
            let trouble = trouble.clone();
            async move { listen(address, "[metrics] listen", &trouble).await }
        });
        sleep(Duration::from_secs(1)).await;
        let said = trouble.get().unwrap();
        assert!(said.contains(&address.to_string()) && said.contains("in use"), "{said}");
        drop(taken);
        assert_eq!(waiting.await.unwrap().local_addr().unwrap(), address);
        assert_eq!(trouble.get(), None);
    }
}
