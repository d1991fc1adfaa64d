//! How a request reaches the API: through a running daemon's socket, or in this process over the open store.
//!
//! Every wait for a daemon has a limit.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use super::refused::Refused;
use crate::api::users::own_uid;
use crate::api::{Caller, ErrorBody};

/// A daemon that accepts no connection for this long has too much to do.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// More than the daemon itself allows its doors for an answer.
const QUICK: Duration = Duration::from_secs(15);
/// For requests that write, or compare faces.
pub const USUAL: Duration = Duration::from_secs(60);
/// For requests that read or rewrite the whole store.
const LONG: Duration = Duration::from_secs(3600);

/// How long the answer to a path may take.
fn time_limit(path: &str) -> Duration {
    let path = path.split('?').next().unwrap_or(path);
    match path {
        "/v1/status" | "/v1/doors" | "/v1/amnesty" | "/v1/inside" | "/v1/views" => QUICK,
        "/v1/models/switch"
        | "/v1/journal/verify"
        | "/v1/journal/erase"
        | "/v1/backup"
        | "/v1/standings"
        | "/v1/unknown"
        | "/v1/attendance"
        | "/v1/attendance/day"
        | "/v1/attendance/export"
        | "/v1/people/import" => LONG,
        person if person.starts_with("/v1/people/") && (person.ends_with("/export") || person.ends_with("/erase")) => {
            LONG
        }
        _ => USUAL,
    }
}

/// Who serves the API on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// The daemon of a board.
    Daemon,
    /// The office of a fleet.
    Office,
}

impl Server {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Server::Daemon => "daemon",
            Server::Office => "office",
        }
    }

    /// Its unit of systemd.
    pub fn unit(self) -> &'static str {
        match self {
            Server::Daemon => "usher",
            Server::Office => "usher-office",
        }
    }
}

/// The way to the API.
pub enum Transport {
    /// Through a socket; each request has a connection of its own.
    Socket(PathBuf, Server),
    /// In this process.
    InProcess(Router),
}

impl Transport {
    /// Sends a request, and returns the answer once its head is there. A long request through a socket first checks that the daemon
    /// answers at all.
    ///
    /// # Errors
    /// The daemon does not answer in time, or the answer is an error: its text is the operator's.
    pub async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Body> {
        let limit = time_limit(path);
        if limit == LONG && matches!(self, Transport::Socket(..)) {
            let alive = async { self.call(Method::GET, "/v1/status", Bytes::new()).await.map(drop) };
            self.in_time(QUICK, alive).await?;
        }
        let answer = self.in_time(limit, self.call(method, path, body)).await?;
        let (status, body) = (answer.status(), answer.into_body());
        match status.is_success() {
            true => Ok(body),
            false => Err(failure(status, &self.in_time(QUICK, whole(body)).await?)),
        }
    }

    /// As [`Transport::send`], with the whole body.
    pub async fn send_and_read(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes> {
        let body = self.send(method, path, body).await?;
        self.in_time(time_limit(path), whole(body)).await
    }

    /// The result of `asked`, if it comes within a daemon's time limit. Work in this process has no limit.
    pub async fn in_time<T>(&self, within: Duration, asked: impl Future<Output = Result<T>>) -> Result<T> {
        let Transport::Socket(socket, server) = self else { return asked.await };
        let (name, unit) = (server.name(), server.unit());
        let late = |_| {
            anyhow!(
                "the {name} on {} has not answered for {} s, and whether it did what you asked is not known: it hangs, or waits for its \
                 disk; `journalctl -u {unit}` says more, and `systemctl restart {unit}` starts it anew",
                socket.display(),
                within.as_secs()
            )
        };
        timeout(within, asked).await.map_err(late)?
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Body>> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "usher")
            .header("content-type", "application/json")
            .body(Body::from(body))?;
        match self {
            Transport::Socket(socket, server) => through(socket, *server, request).await,
            Transport::InProcess(router) => {
                let mut request = request;
                request.extensions_mut().insert(Caller::User(Some(own_uid())));
                let Ok(answer) = router.clone().oneshot(request).await;
                Ok(answer)
            }
        }
    }
}

async fn through(socket: &PathBuf, server: Server, request: Request<Body>) -> Result<Response<Body>> {
    let name = server.name();
    let gone = || format!("the {name} on {} does not answer", socket.display());
    let turned_away = || {
        format!(
            "the {name} on {} closed the connection without an answer: it is stopping, or has too many connections at once; try again, \
             and see what has them open (`ss -xp`)",
            socket.display()
        )
    };
    let stream = connect(socket).await.with_context(gone)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.with_context(gone)?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await.with_context(turned_away)?.map(Body::new))
}

/// Connects to a socket; `WouldBlock` when the daemon has accepted no connection for [`CONNECT_WITHIN`].
pub async fn connect(socket: &PathBuf) -> io::Result<UnixStream> {
    let until = Instant::now() + CONNECT_WITHIN;
    loop {
        match UnixStream::connect(socket).await {
            // The queue of connections to be accepted is full.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {
                sleep(Duration::from_millis(50)).await;
            }
            done => return done,
        }
    }
}

/// The next piece of a body; `None` at its end.
///
/// # Errors
/// The answer ends early.
pub async fn next_piece(body: &mut Body) -> Result<Option<Bytes>> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.context("the answer ended early")?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

async fn whole(body: Body) -> Result<Bytes> {
    Ok(body.collect().await.context("the answer ended early")?.to_bytes())
}

/// The error that an answer carries.
fn failure(status: StatusCode, bytes: &[u8]) -> anyhow::Error {
    match serde_json::from_slice(bytes) {
        Ok(ErrorBody { error, remedy }) => Refused::new(error, remedy).into(),
        Err(_) if bytes.is_empty() => anyhow!("the daemon answers {status}"),
        Err(_) => anyhow!("{}", String::from_utf8_lossy(bytes)),
    }
}

/// Percent-encodes a text for a path or a query.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(encode("0199-a.b_c~"), "0199-a.b_c~");
        assert_eq!(encode("a/b?c=é "), "a%2Fb%3Fc%3D%C3%A9%20");
    }
}
