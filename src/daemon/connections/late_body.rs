//! A body that must arrive within a time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// Fails once its time is over.
pub struct LateBody<B> {
    body: Pin<Box<B>>,
    over: Pin<Box<Sleep>>,
}

impl<B> LateBody<B> {
    /// `body`, which has `within` to arrive.
    pub fn new(body: B, within: Duration) -> LateBody<B> {
        LateBody { body: Box::pin(body), over: Box::pin(sleep(within)) }
    }
}

impl<B> Body for LateBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err("the request did not arrive in time".into())));
        }
        self.body.as_mut().poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
