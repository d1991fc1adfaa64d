//! Talks to a running daemon: HTTP over its Unix socket.
//!
//! Knows nothing of what is asked, but for how long an answer may take. Nothing here waits for ever.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
use tokio::time::{sleep, timeout, timeout_at};

use crate::daemon::wire::ErrorWire;

/// A daemon that has no place for a connection for so long has too much to do.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Beyond what the daemon itself allows the doors for their answer.
const QUICK: Duration = Duration::from_secs(15);
/// What writes, or compares faces.
const USUAL: Duration = Duration::from_secs(60);
/// What reads the whole store, or writes it anew.
const LONG: Duration = Duration::from_secs(3600);

/// How long the answer to this may take.
fn patience(path: &str) -> Duration {
    let path = path.split('?').next().unwrap_or(path);
    match path {
        "/v1/status" | "/v1/doors" | "/v1/amnesty" | "/v1/views" => QUICK,
        "/v1/journal/verify" | "/v1/journal/erase" | "/v1/backup" | "/v1/standings" | "/v1/unknown" => LONG,
        _ => USUAL,
    }
}

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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match runtime.block_on(open(socket)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => bail!(
                "the daemon's socket {} is closed to you: ask to be added to its group, or use sudo",
                socket.display()
            ),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => bail!(
                "the daemon on {} takes no connection for {} s: it hangs, or too many wait; `journalctl -u usher` says more, and \
                 `systemctl restart usher` starts it anew",
                socket.display(),
                CONNECT_WITHIN.as_secs()
            ),
            Err(_) => return Ok(None),
        }
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
            let answer = self.in_time(QUICK, self.request(Method::GET, path, Bytes::new())).await?;
            let status = answer.status();
            let mut body = answer.into_body();
            if !status.is_success() {
                return Err(failure(status, &self.in_time(QUICK, whole(body)).await?));
            }
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
            self.expect_life(path).await?;
            let answer = self.in_time(patience(path), self.request(Method::GET, path, Bytes::new())).await?;
            let status = answer.status();
            let mut body = answer.into_body();
            if !status.is_success() {
                return Err(failure(status, &self.in_time(QUICK, whole(body)).await?));
            }
            let next = async |body: &mut Incoming| Ok(body.frame().await);
            while let Some(frame) = self.in_time(USUAL, next(&mut body)).await? {
                if let Ok(data) = frame.context("the daemon's answer broke off")?.into_data() {
                    each(&data)?;
                }
            }
            Ok(())
        })
    }

    fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Bytes) -> Result<T> {
        self.runtime.block_on(async {
            self.expect_life(path).await?;
            let (status, bytes) = self.in_time(patience(path), self.answer(method, path, body)).await?;
            if !status.is_success() {
                return Err(failure(status, &bytes));
            }
            serde_json::from_slice(&bytes).context("the daemon's answer is of another version; restart it")
        })
    }

    /// Before something that may take long: an error when the daemon does not answer at all.
    async fn expect_life(&self, path: &str) -> Result<()> {
        if patience(path) == LONG {
            self.in_time(QUICK, self.answer(Method::GET, "/v1/status", Bytes::new())).await?;
        }
        Ok(())
    }

    async fn answer(&self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes)> {
        let answer = self.request(method, path, body).await?;
        Ok((answer.status(), whole(answer.into_body()).await?))
    }

    /// What `asked` gives, when it comes in time.
    async fn in_time<T>(&self, within: Duration, asked: impl Future<Output = Result<T>>) -> Result<T> {
        let late = |_| {
            anyhow!(
                "the daemon on {} has not answered for {} s, and whether it did what you asked is not known: it hangs, or waits for its \
                 disk; `journalctl -u usher` says more, and `systemctl restart usher` starts it anew",
                self.socket.display(),
                within.as_secs()
            )
        };
        timeout(within, asked).await.map_err(late)?
    }

    async fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>> {
        let gone = || format!("the daemon on {} does not answer", self.socket.display());
        let turned_away = || {
            format!(
                "the daemon on {} closed the connection without an answer: it is ending, or has too many connections at once; try again, \
                 and see what has them open (`ss -xp`)",
                self.socket.display()
            )
        };
        let stream = open(&self.socket).await.with_context(gone)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.with_context(gone)?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "usher")
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        sender.send_request(request).await.with_context(turned_away)
    }
}

/// A connection; `WouldBlock` when the daemon has had no place for it for [`CONNECT_WITHIN`].
async fn open(socket: &Path) -> io::Result<UnixStream> {
    let until = Instant::now() + CONNECT_WITHIN;
    loop {
        match UnixStream::connect(socket).await {
            // The queue of those who wait to be accepted is full.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {
                sleep(Duration::from_millis(50)).await;
            }
            done => return done,
        }
    }
}

async fn whole(body: Incoming) -> Result<Bytes> {
    Ok(body.collect().await.context("the daemon's answer broke off")?.to_bytes())
}

/// What the daemon says went wrong.
fn failure(status: StatusCode, bytes: &[u8]) -> anyhow::Error {
    let text = serde_json::from_slice::<ErrorWire>(bytes)
        .map_or_else(|_| String::from_utf8_lossy(bytes).into_owned(), |wire| wire.error);
    anyhow!(if text.is_empty() { format!("the daemon says {status}") } else { text })
}
