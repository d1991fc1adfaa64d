//! The accept loops of the control socket and of the addresses of the metrics and the page, with a permit for each connection and time limits.
//!
//! A listener never uses more descriptors than [`Budget`] gives it, so that cameras, doors and the store always find theirs.

mod budget;
mod late_body;
mod permits;
mod stall_timeout;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::api::{self, ApiError, LARGEST_REQUEST_BYTES};
use crate::web;
pub use budget::Budget;
use late_body::LateBody;
use permits::{Admission, Busy, Caller, Permits};
use stall_timeout::StallTimeout;

/// The limit for the head of each request.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The limit for the body of a request.
const BODY_WITHIN: Duration = Duration::from_secs(15);
/// The limit for a long body of the page, such as photographs.
const UPLOAD_WITHIN: Duration = Duration::from_secs(120);
/// The largest body of the page that is read before anybody knows who sends it.
const LARGEST_STRANGERS_BYTES: usize = 256 << 10;
/// A connection that takes nothing of its answer for this long is closed.
const STALLED: Duration = Duration::from_secs(30);
/// The pause after an error such as "too many open files".
const PAUSE: Duration = Duration::from_millis(200);
/// Errors of accepting and closed connections are logged at most this often.
const LOG_AGAIN: Duration = Duration::from_secs(60);
/// The limit for a request without its body.
const LARGEST_HEAD_BYTES: usize = 64 << 10;

/// A socket that accepts connections.
pub enum Listener {
    Control(UnixListener),
    Metrics(TcpListener),
    /// With TLS, or behind a proxy or on a loopback address without.
    Web(TcpListener, Option<TlsAcceptor>),
}

/// The connections of one listener.
#[derive(Debug, Default)]
pub struct ListenerCounts {
    pub open: AtomicU64,
    /// Closed to make room for another, or not accepted.
    pub turned_away: AtomicU64,
}

/// The connections of each listener, for the metrics.
#[derive(Clone, Debug, Default)]
pub struct ConnectionCounts {
    pub control: Arc<ListenerCounts>,
    pub metrics: Arc<ListenerCounts>,
    pub web: Arc<ListenerCounts>,
}

/// Accepts connections until the runtime ends. `most` is the limit for open connections.
pub async fn serve(listener: Listener, router: Router, most: usize, counts: Arc<ListenerCounts>) {
    let name = match &listener {
        Listener::Control(_) => "the control socket",
        Listener::Metrics(_) => "the address of the metrics",
        Listener::Web(..) => "the address of the page",
    };
    // Behind a proxy, all viewers have one address.
    let of_one = if matches!(listener, Listener::Web(..)) { most / 2 } else { most / 4 };
    let permits = Permits::new(most, matches!(listener, Listener::Control(_)), of_one, counts.clone());
    let own = rustix::process::geteuid().as_raw();
    let mut logged: Option<Instant> = None;
    let mut log = |what: &str| {
        if logged.is_none_or(|at| at.elapsed() >= LOG_AGAIN) {
            logged = Some(Instant::now());
            tracing::warn!("{name}: {what}");
        }
    };
    loop {
        let accepted = match &listener {
            Listener::Control(listener) => listener.accept().await.map(|(stream, _)| {
                let uid = stream.peer_cred().map_or(u32::MAX, |peer| peer.uid());
                let caller = Caller::User { uid, first: uid == 0 || uid == own };
                let origin = Origin::User(stream.peer_cred().ok().map(|peer| peer.uid()));
                (Stream::Unix(stream), caller, origin)
            }),
            Listener::Metrics(listener) => listener.accept().await.map(|(stream, address)| {
                (Stream::Tcp(stream, None), Caller::Address(network(address.ip())), Origin::Anybody)
            }),
            Listener::Web(listener, tls) => listener.accept().await.map(|(stream, address)| {
                let origin = Origin::Address(address.ip());
                (Stream::Tcp(stream, tls.clone()), Caller::Address(network(address.ip())), origin)
            }),
        };
        let (stream, caller, origin) = match accepted {
            Ok(accepted) => accepted,
            // The other side has hung up already.
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                log(&format!("no connection can be accepted: {error}"));
                sleep(PAUSE).await;
                continue;
            }
        };
        let permit = match permits.admit(caller) {
            Admission::Admitted(permit) => permit,
            Admission::Replacing(permit, gone) => {
                log("many connections at once; idle ones are closed for new ones");
                counts.turned_away.fetch_add(1, Relaxed);
                gone.abort();
                // Afterwards its descriptor is free.
                drop(gone.await);
                permit
            }
            Admission::Full => {
                log("all connections are busy; new ones are closed");
                counts.turned_away.fetch_add(1, Relaxed);
                continue;
            }
        };
        let (router, number, permits) = (router.clone(), permit.number(), permits.clone());
        let task = match stream {
            Stream::Unix(stream) => tokio::spawn(serve_connection(stream, router, origin, permit)),
            Stream::Tcp(stream, None) => tokio::spawn(serve_connection(stream, router, origin, permit)),
            Stream::Tcp(stream, Some(tls)) => tokio::spawn(async move {
                match timeout(HEAD_WITHIN, tls.accept(stream)).await {
                    Ok(Ok(stream)) => serve_connection(stream, router, origin, permit).await,
                    Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!("a TLS handshake took too long"),
                }
            }),
        };
        permits.served_by(number, task);
    }
}

enum Stream {
    Unix(tokio::net::UnixStream),
    Tcp(tokio::net::TcpStream, Option<TlsAcceptor>),
}

/// Where the requests of a connection come from.
#[derive(Clone, Copy, Debug)]
enum Origin {
    /// The control socket: a user of this machine, where the kernel says which.
    User(Option<u32>),
    /// The metrics ask nobody.
    Anybody,
    /// The page.
    Address(IpAddr),
}

impl Origin {
    /// The largest body that is read before its request is handed on. The page reads longer ones itself, once it knows who sends them.
    fn most_bytes(self) -> usize {
        match self {
            Origin::User(_) | Origin::Anybody => LARGEST_REQUEST_BYTES,
            Origin::Address(_) => LARGEST_STRANGERS_BYTES,
        }
    }

    fn note(self, request: &mut Request<Body>) {
        match self {
            Origin::User(uid) => drop(request.extensions_mut().insert(api::Caller::User(uid))),
            Origin::Anybody => {}
            Origin::Address(address) => drop(request.extensions_mut().insert(web::From(address))),
        }
    }
}

/// Whether an error concerns the connection that was to be accepted, not the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The part of an address that identifies a customer of a network provider: of an IPv6 address the first half.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        IpAddr::V4(address) => IpAddr::V4(address),
    }
}

/// Answers the requests of one connection.
async fn serve_connection<S>(stream: S, router: Router, origin: Origin, permit: permits::Permit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answers = TowerToHyperService::new(router);
    let busy = permit.busy();
    let service = service_fn(move |request: Request<Incoming>| {
        let (answers, busy) = (answers.clone(), busy.clone());
        async move {
            let mut request = match whole(request, origin).await {
                Ok(request) => request,
                Err(error) => return Ok(refusal(error)),
            };
            origin.note(&mut request);
            // The connection is busy only from now on: while it sends its request, it may lose its permit to another.
            let busy = busy.begin();
            let answer: Response<Body> = answers.call(request).await?;
            Ok::<_, Infallible>(answer.map(|body| Body::new(Answer { body, _busy: busy })))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(LARGEST_HEAD_BYTES)
        .serve_connection(TokioIo::new(StallTimeout::new(stream, STALLED)), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection ended early");
    }
    drop(permit);
}

/// The request with its whole body; only the page gets one whose body is still on its way, if it is long.
async fn whole(request: Request<Incoming>, origin: Origin) -> Result<Request<Body>, ApiError> {
    let (head, body) = request.into_parts();
    let most = origin.most_bytes();
    let long = body.size_hint().exact().is_some_and(|bytes| bytes > most as u64);
    if long && matches!(origin, Origin::Address(_)) {
        let body = LateBody::new(Limited::new(body, web::LARGEST_UPLOAD_BYTES), UPLOAD_WITHIN);
        return Ok(Request::from_parts(head, Body::new(body)));
    }
    match timeout(BODY_WITHIN, Limited::new(body, most).collect()).await {
        Ok(Ok(whole)) => Ok(Request::from_parts(head, Body::from(whole.to_bytes()))),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::TooLarge),
        Ok(Err(_)) => Err(ApiError::CutShort),
        Err(_) => Err(ApiError::Late),
    }
}

fn refusal(error: ApiError) -> Response<Body> {
    let mut answer = error.into_response();
    answer.headers_mut().insert("connection", axum::http::HeaderValue::from_static("close"));
    answer
}

/// An answer on its way: while it lasts, its connection is busy.
struct Answer {
    body: Body,
    _busy: Busy,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
