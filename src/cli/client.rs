//! Talks to a running daemon: HTTP over its Unix socket.
//!
//! Knows nothing of what is asked.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::time::timeout_at;

use crate::daemon::wire::ErrorWire;

/// A way to the daemon; each request has a connection of its own.
pub struct Client {
    socket: PathBuf,
    runtime: Runtime,
}

impl Client {
    /// `None` when no daemon answers on `socket`.
    ///
    /// # Errors
    /// A daemon is there but this user may not talk to it.
    pub fn connect(socket: &Path) -> Result<Option<Client>> {
        match std::os::unix::net::UnixStream::connect(socket) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => bail!(
                "the daemon's socket {} is closed to you: ask to be added to its group, or use sudo",
                socket.display()
            ),
            Err(_) => return Ok(None),
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Some(Client { socket: socket.to_owned(), runtime }))
    }

    /// Asks, and reads the answer.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.ask(Method::GET, path, Bytes::new())
    }

    /// Sends `body` with `method`, and reads the answer.
    pub fn send<T: DeserializeOwned>(&self, method: Method, path: &str, body: &impl Serialize) -> Result<T> {
        self.ask(method, path, serde_json::to_vec(body)?.into())
    }

    /// Calls `each` with every line of an endless answer until it says `false`, the daemon goes away, or it is `until`.
    pub fn lines(&self, path: &str, until: Instant, mut each: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
        self.runtime.block_on(async {
            let mut body = self.request(Method::GET, path, Bytes::new()).await?.into_body();
            let mut pending = Vec::new();
            loop {
                let Ok(frame) = timeout_at(until.into(), body.frame()).await else { return Ok(()) };
                let Some(frame) = frame else { bail!("the daemon went away") };
                let Ok(data) = frame?.into_data() else { continue };
                pending.extend_from_slice(&data);
                while let Some(end) = pending.iter().position(|&b| b == b'\n') {
                    let line: Vec<u8> = pending.drain(..=end).collect();
                    if !each(&line)? {
                        return Ok(());
                    }
                }
            }
        })
    }

    /// Calls `each` with every piece of a long answer.
    pub fn download(&self, path: &str, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.runtime.block_on(async {
            let answer = self.request(Method::GET, path, Bytes::new()).await?;
            let status = answer.status();
            let mut body = answer.into_body();
            if !status.is_success() {
                return Err(failure(status, &body.collect().await?.to_bytes()));
            }
            while let Some(frame) = body.frame().await {
                if let Ok(data) = frame.context("the daemon's answer broke off")?.into_data() {
                    each(&data)?;
                }
            }
            Ok(())
        })
    }

    fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T> {
        self.runtime.block_on(async {
            let answer = self.request(method, path, body).await?;
            let status = answer.status();
            let bytes = answer.into_body().collect().await.context("the daemon's answer broke off")?.to_bytes();
            if !status.is_success() {
                return Err(failure(status, &bytes));
            }
            serde_json::from_slice(&bytes).context("the daemon's answer is of another version; restart it")
        })
    }

    async fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>> {
        let gone = || format!("the daemon on {} does not answer", self.socket.display());
        let stream = UnixStream::connect(&self.socket).await.with_context(gone)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.with_context(gone)?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "usher")
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        sender.send_request(request).await.with_context(gone)
    }
}

/// What the daemon says went wrong.
fn failure(status: StatusCode, bytes: &[u8]) -> anyhow::Error {
    let text = serde_json::from_slice::<ErrorWire>(bytes)
        .map_or_else(|_| String::from_utf8_lossy(bytes).into_owned(), |wire| wire.error);
    anyhow!(if text.is_empty() { format!("the daemon says {status}") } else { text })
}
