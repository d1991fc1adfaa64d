//! Who may talk to the daemon at once: the accept loops of the control socket and of the figures' address, with places for so many
//! connections and time limits for each.
//!
//! Knows nothing of what is asked. A listener never takes more descriptors than [`Budget`] gives it, so that cameras, doors and the store
//! find theirs, however many others connect.

mod budget;
mod line;
mod places;

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
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::{sleep, timeout};

use super::control::{Failure, LARGEST_REQUEST_BYTES, Peer, operator};
pub use budget::Budget;
use line::Line;
use places::{Admission, Busy, Caller, Places};

/// A connection must send the whole head of a request within this time: the first as well as the next.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The body of a request must be there after this time.
const BODY_WITHIN: Duration = Duration::from_secs(15);
/// A connection that takes nothing of its answer for so long is closed.
const STALLED: Duration = Duration::from_secs(30);
/// How long a listener waits after an error such as "too many open files" before it accepts again.
const PAUSE: Duration = Duration::from_millis(200);
/// Errors of accepting, and connections that had to go, are logged at most this often.
const SAY_AGAIN: Duration = Duration::from_secs(60);
/// Of a request without its body.
const LARGEST_HEAD_BYTES: usize = 64 << 10;

/// Where connections come in.
pub enum Entrance {
    Control(UnixListener),
    Figures(TcpListener),
}

/// What became of the connections of one listener.
#[derive(Debug, Default)]
pub struct Counts {
    pub open: AtomicU64,
    /// Closed to make room for another, or not taken at all.
    pub turned_away: AtomicU64,
}

/// The counts of each listener, for the figures.
#[derive(Debug, Default)]
pub struct Reception {
    pub control: Arc<Counts>,
    pub figures: Arc<Counts>,
}

/// Accepts until the runtime ends. `most` is how many connections may be open at once.
pub async fn serve(entrance: Entrance, router: Router, most: usize, counts: Arc<Counts>) {
    let name = match &entrance {
        Entrance::Control(_) => "the control socket",
        Entrance::Figures(_) => "the figures' address",
    };
    let places = Places::new(most, matches!(entrance, Entrance::Control(_)), counts.clone());
    let own = rustix::process::geteuid().as_raw();
    let mut said: Option<Instant> = None;
    let mut say = |what: &str| {
        if said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
            said = Some(Instant::now());
            tracing::warn!("{name}: {what}");
        }
    };
    loop {
        let accepted = match &entrance {
            Entrance::Control(listener) => listener.accept().await.map(|(stream, _)| {
                let uid = stream.peer_cred().map_or(u32::MAX, |peer| peer.uid());
                let caller = Caller::User { uid, first: uid == 0 || uid == own };
                let peer = Some(Peer(operator(&stream)));
                (Stream::Unix(stream), caller, peer)
            }),
            Entrance::Figures(listener) => listener
                .accept()
                .await
                .map(|(stream, address)| (Stream::Tcp(stream), Caller::Address(network(address.ip())), None)),
        };
        let (stream, caller, peer) = match accepted {
            Ok(accepted) => accepted,
            // The other side was gone already.
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                say(&format!("no connection can be taken: {error}"));
                sleep(PAUSE).await;
                continue;
            }
        };
        let place = match places.admit(caller) {
            Admission::Welcome(place) => place,
            Admission::InPlaceOf(place, gone) => {
                say("many connections at once; those that asked nothing are closed for new ones");
                counts.turned_away.fetch_add(1, Relaxed);
                gone.abort();
                // Its descriptor is free when this is over.
                drop(gone.await);
                place
            }
            Admission::Full => {
                say("all places are taken by requests under way; new connections are closed");
                counts.turned_away.fetch_add(1, Relaxed);
                continue;
            }
        };
        let (router, number, places) = (router.clone(), place.number(), places.clone());
        let task = match stream {
            Stream::Unix(stream) => tokio::spawn(attend(stream, router, peer, place)),
            Stream::Tcp(stream) => tokio::spawn(attend(stream, router, peer, place)),
        };
        places.attended_by(number, task);
    }
}

enum Stream {
    Unix(tokio::net::UnixStream),
    Tcp(tokio::net::TcpStream),
}

/// An error of the connection that was to be accepted, not of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Addresses of one customer of a network provider count as one: the first half of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        IpAddr::V4(address) => IpAddr::V4(address),
    }
}

/// Answers the requests of one connection.
async fn attend<S>(stream: S, router: Router, peer: Option<Peer>, place: places::Place)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answers = TowerToHyperService::new(router);
    let busy = place.busy();
    let service = service_fn(move |request: Request<Incoming>| {
        let (answers, peer, busy) = (answers.clone(), peer.clone(), busy.clone());
        async move {
            let (head, body) = request.into_parts();
            let whole = match timeout(BODY_WITHIN, Limited::new(body, LARGEST_REQUEST_BYTES).collect()).await {
                Ok(Ok(whole)) => Body::from(whole.to_bytes()),
                Ok(Err(error)) if error.is::<LengthLimitError>() => {
                    return Ok(refusal(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large"));
                }
                Ok(Err(_)) => return Ok(refusal(StatusCode::BAD_REQUEST, "the request broke off")),
                Err(_) => return Ok(refusal(StatusCode::REQUEST_TIMEOUT, "the request did not come to its end")),
            };
            let mut request = Request::from_parts(head, whole);
            if let Some(peer) = peer {
                request.extensions_mut().insert(ConnectInfo(peer));
            }
            // Only now there is work under way; a connection that makes us wait has no claim on its place.
            let busy = busy.begin();
            let answer: Response<Body> = answers.call(request).await?;
            Ok::<_, Infallible>(answer.map(|body| Body::new(Answer { body, _busy: busy })))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(LARGEST_HEAD_BYTES)
        .serve_connection(TokioIo::new(Line::new(stream, STALLED)), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection ended early");
    }
    drop(place);
}

fn refusal(status: StatusCode, why: &str) -> Response<Body> {
    let mut answer = Failure(status, why.to_owned()).into_response();
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
