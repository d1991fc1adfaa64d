//! A connection to a broker that can be cut or slowed.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::sleep;

/// Passes bytes on from its own port to a broker's, until it is dropped: then all connections break at once.
pub struct Proxy {
    accepting: JoinHandle<()>,
    lines: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Proxy {
    pub async fn between(port: u16, broker: u16) -> Proxy {
        Proxy::with(port, broker, None).await
    }

    /// Passes this many bytes in each tenth of a second towards the broker.
    pub async fn slow(port: u16, broker: u16, bytes: usize) -> Proxy {
        Proxy::with(port, broker, Some(bytes)).await
    }

    async fn with(port: u16, broker: u16, bytes: Option<usize>) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let lines = Arc::<Mutex<Vec<AbortHandle>>>::default();
        let accepted = lines.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let line = tokio::spawn(async move {
                    let far = TcpStream::connect(("127.0.0.1", broker)).await.unwrap();
                    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) =
                        (near.into_split(), far.into_split());
                    let back = tokio::io::copy(&mut far_in, &mut near_out);
                    let forth = async {
                        let mut buffer = vec![0; bytes.unwrap_or(16 << 10)];
                        loop {
                            let count = near_in.read(&mut buffer).await?;
                            if count == 0 {
                                return Ok(0);
                            }
                            far_out.write_all(&buffer[..count]).await?;
                            if bytes.is_some() {
                                sleep(Duration::from_millis(100)).await;
                            }
                        }
                    };
                    let _: (io::Result<u64>, io::Result<u64>) = tokio::join!(back, forth);
                });
                accepted.lock().unwrap().push(line.abort_handle());
            }
        });
        Proxy { accepting, lines }
    }

    /// Breaks all connections, and still accepts new ones.
    pub fn cut(&self) {
        self.lines.lock().unwrap().drain(..).for_each(|line| line.abort());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}
