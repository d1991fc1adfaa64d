//! Work that may never answer: names that do not resolve, drivers that hang.

use std::io;
#[cfg(any(feature = "gstreamer", test))]
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    #[error("no answer within {} s", waited.as_secs())]
    Late { waited: Duration },
    #[error("no thread could be started: {0}")]
    NoThread(io::Error),
    /// The work panicked.
    #[error("the work ended without an answer")]
    Ended,
}

/// Runs `work` in a thread of this name and waits for its answer, for at most `limit`. Work that takes longer goes on, and its answer is
/// dropped.
///
/// # Errors
/// There is no answer in time.
#[cfg(any(feature = "gstreamer", test))]
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unanswered> {
    let (answer, answered) = sync_channel(1);
    let run = move || drop(answer.send(work()));
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(Unanswered::NoThread)?;
    answered.recv_timeout(limit).map_err(|error| match error {
        RecvTimeoutError::Timeout => Unanswered::Late { waited: limit },
        RecvTimeoutError::Disconnected => Unanswered::Ended,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_in_time_or_not_at_all() {
        assert_eq!(within(Duration::from_secs(60), "quick", || 7).unwrap(), 7);
        let (hold, held) = sync_channel::<()>(1);
        let late = within(Duration::from_millis(20), "slow", move || held.recv().is_ok());
        assert!(matches!(late, Err(Unanswered::Late { .. })), "{late:?}");
        drop(hold);
        let ended = within(Duration::from_secs(60), "failing", || assert_eq!(1, 2, "on purpose"));
        assert!(matches!(ended, Err(Unanswered::Ended)), "{ended:?}");
    }
}
