//! Answers that last: streams of events, records and pictures, and downloads. Each ends when whoever asked may no longer ask: after a logout, at the
//! end of the session, after a change of the account, and once the token is removed.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use thiserror::Error;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Site, cookies};

/// How often it is looked whether whoever asked may still ask, beside before everything that is sent.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Who asked for an answer.
#[derive(Clone, Debug)]
pub enum Asker {
    /// The session with this secret.
    Session(String),
    /// The program with this token.
    Token(String),
}

impl Asker {
    fn may_ask(&self, site: &Site) -> bool {
        match self {
            Asker::Session(secret) => site.logged_in(secret).is_some(),
            Asker::Token(secret) => site.accounts.token_of(secret).is_some(),
        }
    }
}

/// Why an answer ends early. It ends with this error and not in order, so that half a download is not taken for the whole.
#[derive(Clone, Copy, Debug, Error)]
#[error("whoever asked may no longer ask")]
struct NoLonger;

/// The layer that ends the answers of a session with it.
pub async fn of_session(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let asker = cookies::secret(&site, request.headers()).map(|secret| Asker::Session(secret.to_owned()));
    let answer = next.run(request).await;
    match asker {
        Some(asker) => lasting(answer, site, asker),
        None => answer,
    }
}

/// An answer to `asker`. One of a known length is complete already, and stays as it is.
pub fn lasting(answer: Response, site: Arc<Site>, asker: Asker) -> Response {
    if answer.body().size_hint().exact().is_some() {
        return answer;
    }
    answer.map(|body| until(body, move || asker.may_ask(&site)))
}

/// The body for as long as `may_go_on`.
fn until(body: Body, may_go_on: impl Fn() -> bool + Send + 'static) -> Body {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Body::new(Lasting { body, look, may_go_on: Box::new(may_go_on) })
}

struct Lasting {
    body: Body,
    look: Interval,
    may_go_on: Box<dyn Fn() -> bool + Send>,
}

impl HttpBody for Lasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let mut look = matches!(frame, Poll::Ready(Some(_)));
        // Until it is pending: then it wakes this task.
        while self.look.poll_tick(cx).is_ready() {
            look = true;
        }
        if look && !(self.may_go_on)() {
            self.body = Body::empty();
            return Poll::Ready(Some(Err(axum::Error::new(NoLonger))));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::Relaxed;

    use futures_util::{Stream, StreamExt as _, stream};
    use http_body_util::BodyExt as _;
    use tokio::time::Instant;

    use super::*;

    fn pieces(count: usize) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
        stream::iter((0..count).map(|_| Ok(Bytes::from_static(b"piece"))))
    }

    fn watched(pieces: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> (Arc<AtomicBool>, Body) {
        let may = Arc::new(AtomicBool::new(true));
        let asked = may.clone();
        (may, until(Body::from_stream(pieces), move || asked.load(Relaxed)))
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_anything_to_send_ends_within_seconds() {
        let (may, mut body) = watched(pieces(1).chain(stream::pending()));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "piece");
        let began = Instant::now();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(9)).await;
            may.store(false, Relaxed);
        });
        assert!(body.frame().await.unwrap().is_err());
        assert!(began.elapsed() >= Duration::from_secs(9) && began.elapsed() <= Duration::from_secs(9) + LOOK_EVERY);
        assert!(body.frame().await.is_none(), "and nothing afterwards");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_to_somebody_who_may_no_longer_ask() {
        let (may, mut body) = watched(pieces(5));
        assert!(body.frame().await.unwrap().is_ok());
        may.store(false, Relaxed);
        assert!(body.frame().await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_may_ask_gets_the_whole_answer() {
        let (_may, body) = watched(pieces(5));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "piece".repeat(5));
    }
}
