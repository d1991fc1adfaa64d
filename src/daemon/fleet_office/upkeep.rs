//! Ending what the office has begun: keys of earlier epochs are destroyed, and people who were forgotten are erased from the collected records. It looks at
//! the start, after each change, and each minute, so that nothing is left by a stop or a full disk.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::desk::{Office, Unended};

/// How often it looks without a change, and after a failure.
const LOOKS_EVERY: Duration = Duration::from_secs(60);

/// Ends what was begun, as long as the office runs.
pub async fn keep(office: &Arc<Office>) -> Infallible {
    let mut changed = office.changed.subscribe();
    loop {
        changed.mark_unchanged();
        match end(office).await {
            Ok(()) => drop(timeout(LOOKS_EVERY, changed.changed()).await),
            Err(error) => {
                tracing::error!(%error, "an old key is not destroyed yet, or somebody who was forgotten is not erased yet; tried again in a minute. See that the office's folder can be written");
                sleep(LOOKS_EVERY).await;
            }
        }
    }
}

async fn end(office: &Arc<Office>) -> Result<(), Unended> {
    // What cannot be done of one does not keep the other from being done.
    let keys = office.end_epochs().await;
    for uuid in office.collected.erasings_due()? {
        let records = office.erase(uuid).await?;
        tracing::info!(%uuid, records, "somebody who was forgotten is erased from the collected records");
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Names, eventually, office};
    use super::*;
    use crate::fleet::BoardKey;
    use crate::office::fleet::erase_tests::{arrived, place_of};
    use crate::office::fleet::tests::{berlin, board, gallery, somebody};

    /// What the office has of its boards' records, as text.
    fn records(office: &Office) -> String {
        serde_json::to_string(&office.collected.list(None, None, 100).unwrap()).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_forgetting_that_a_stop_interrupted_is_ended_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let first = office(&dir, &Names::default());
        let forgotten = first.with(|book| {
            let public = BoardKey::from_bytes(&[3; 32]).public();
            book.add_board(&board("front"), &berlin(), public, "credential".into(), 0).unwrap();
            book.enroll(somebody("Bob", 90.0), "anna").unwrap();
            book.enroll(somebody("Ada", 0.0), "anna").unwrap()
        });
        first.collected.keep(&arrived(&[(1, "Ada"), (2, "Bob")]), place_of(1)).unwrap();
        // Stopped as soon as it is committed.
        assert_eq!(first.with(|book| book.forget(&berlin(), "Ada", 1)).unwrap().uuid, forgotten);
        assert!(records(&first).contains("Ada"));
        drop(first);

        let again = office(&dir, &Names::default());
        assert_eq!(again.with(|book| book.keys.epochs(&gallery())), [2]);
        let upkeep = tokio::spawn({
            let office = again.clone();
            async move { keep(&office).await }
        });
        eventually("the erasing", async || (!records(&again).contains("Ada")).then_some(())).await;
        assert!(records(&again).contains("Bob"));
        // What boards still send, too.
        again.collected.keep(&arrived(&[(5, "Ada")]), place_of(2)).unwrap();
        assert!(!records(&again).contains("Ada"));
        // She is enrolled again: from then on, what comes is about her.
        again.change(|book| book.enroll(somebody("Ada", 0.0), "anna")).await.unwrap().unwrap();
        again.collected.keep(&arrived(&[(6, "Ada")]), place_of(3)).unwrap();
        assert!(records(&again).contains("Ada"));
        upkeep.abort();
    }
}
