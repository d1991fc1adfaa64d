//! Being told that something may have changed. It is a hint to read again, never the news itself: a hint may be missing, late or one too many.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::Link;

/// After a hint, when to read again: a server hands a message on before it is stored, and other servers store it a little later.
const AGAIN: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];
/// How often to read without any hint.
const WITHOUT_HINT: Duration = Duration::from_secs(10);
/// The most waiting hints that one call takes.
const HINTS: usize = 4096;

/// Tells when to read again.
pub struct Watch {
    hints: Pin<Box<dyn Stream<Item = ()> + Send>>,
    link: watch::Receiver<Link>,
    /// Which of [`AGAIN`] is next.
    next: usize,
    /// Since when it is waited for. It stays when a wait is cancelled: something else that is always ready must not put the reading off.
    since: Option<Instant>,
    open: bool,
}

impl Watch {
    /// A watch that is told by `hints`, and by each new connection.
    pub(super) fn new(hints: Pin<Box<dyn Stream<Item = ()> + Send>>, link: watch::Receiver<Link>) -> Watch {
        Watch { hints, link, next: 0, since: None, open: true }
    }

    /// Waits until there may be news, at most 10 seconds. The first call returns at once. Each message, and each new connection, ends the wait
    /// several times within 3 seconds, because the first reading may come before the message is stored everywhere. Cancelling it loses nothing.
    pub async fn changed(&mut self) {
        let wait = AGAIN.get(self.next).copied().unwrap_or(WITHOUT_HINT);
        if wait.is_zero() {
            self.next = self.next.saturating_add(1);
            return;
        }
        let wait = wait.saturating_sub(self.since.get_or_insert_with(Instant::now).elapsed());
        let hinted = async {
            loop {
                tokio::select! {
                    hint = self.hints.next(), if self.open => match hint {
                        Some(()) => return,
                        None => self.open = false,
                    },
                    changed = self.link.changed() => match changed {
                        Ok(()) if *self.link.borrow_and_update() == Link::Online => return,
                        Ok(()) => {}
                        // The carrier is gone.
                        Err(_) => sleep(WITHOUT_HINT).await,
                    },
                }
            }
        };
        let woken = timeout(wait, hinted).await;
        self.since = None;
        match woken {
            Ok(()) => {
                for _ in 0..HINTS {
                    match self.open.then(|| self.hints.next().now_or_never()).flatten() {
                        Some(Some(())) => {}
                        Some(None) => self.open = false,
                        None => break,
                    }
                }
                // The caller reads now.
                self.next = 1;
            }
            Err(_) => self.next = self.next.saturating_add(1).min(AGAIN.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    async fn waited(watch: &mut Watch) -> Duration {
        let start = Instant::now();
        watch.changed().await;
        start.elapsed()
    }

    fn hints(receiver: tokio::sync::mpsc::Receiver<()>) -> Pin<Box<dyn Stream<Item = ()> + Send>> {
        Box::pin(futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|()| ((), receiver))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_hint_ends_the_wait_and_is_repeated_a_few_times() {
        let (send, receive) = tokio::sync::mpsc::channel(10);
        let (state, link) = watch::channel(Link::Online);
        let mut watch = Watch::new(hints(receive), link);
        assert_eq!(waited(&mut watch).await, Duration::ZERO);
        for wait in [20, 100, 500, 2000, 10_000, 10_000] {
            assert_eq!(waited(&mut watch).await.as_millis(), wait);
        }
        for _ in 0..3 {
            send.send(()).await.unwrap();
        }
        assert!(waited(&mut watch).await < Duration::from_millis(2));
        assert_eq!(waited(&mut watch).await.as_millis(), 20);

        tokio::time::sleep(Duration::from_millis(5)).await;
        for _ in 0..4 {
            waited(&mut watch).await;
        }
        state.send(Link::Away { why: "cut".to_owned() }).unwrap();
        assert_eq!(waited(&mut watch).await.as_millis(), 10_000, "a lost connection is no news");
        state.send(Link::Online).unwrap();
        assert!(waited(&mut watch).await < Duration::from_millis(2), "a new connection is");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_cancelled_again_and_again_ends_in_time() {
        let (send, receive) = tokio::sync::mpsc::channel(1);
        let (_state, link) = watch::channel(Link::Online);
        let mut watch = Watch::new(hints(receive), link);
        waited(&mut watch).await;
        send.send(()).await.unwrap();
        waited(&mut watch).await;
        for wait in [20, 100, 500] {
            let start = Instant::now();
            while tokio::time::timeout(Duration::from_millis(3), watch.changed()).await.is_err() {
                assert!(start.elapsed() < Duration::from_secs(1), "{wait} ms are put off for good");
            }
            assert!((wait..wait + 4).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_carrier_it_does_not_spin() {
        let (send, receive) = tokio::sync::mpsc::channel(1);
        let (state, link) = watch::channel(Link::Online);
        let mut watch = Watch::new(hints(receive), link);
        drop((send, state));
        let start = Instant::now();
        for _ in 0..8 {
            watch.changed().await;
        }
        assert!(start.elapsed() > Duration::from_secs(20));
    }
}
