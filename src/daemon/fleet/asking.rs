//! What the board asks of the office, and hears about it.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::board::{BoardError, BoardTask};
use crate::fleet::carrier::{CarrierError, Message, Subject};
use crate::fleet::{Answers, BoardRequest, RequestPlace};
use crate::office::Which;

/// How long requests are sent before rules are looked at again.
const SENDS_FOR: Duration = Duration::from_millis(50);

impl BoardTask {
    /// Sends requests to the office. Nothing waits for their answers. Servers may lose one, so those without an answer are sent again now and then.
    pub(super) async fn send_requests(&mut self, which: Which) -> Result<(), BoardError> {
        let which = self.asking.due(which, Instant::now());
        let register = self.register.clone();
        let due = spawn_blocking(move || register.requests_due(which)).await??;
        self.asking.add(due);
        self.send_waiting_requests().await
    }

    /// Sends some of the requests that wait: rules are looked at in between.
    pub(super) async fn send_waiting_requests(&mut self) -> Result<(), BoardError> {
        let began = Instant::now();
        while let Some((id, asked, ask)) = self.asking.waiting.pop_front() {
            if began.elapsed() > SENDS_FOR {
                self.asking.waiting.push_front((id, asked, ask));
                self.more_records = true;
                break;
            }
            let identity = &self.identity;
            let (site, board) = (identity.site.clone(), identity.board.clone());
            let place = RequestPlace { site, board, kind: id.kind, uuid: id.uuid };
            let request = BoardRequest { number: asked.number, by: asked.by.to_string(), ask };
            let sealed = match request.seal(identity.fleet, &place, &identity.key, &identity.requests) {
                Ok(sealed) => sealed,
                Err(error) => {
                    tracing::error!(%error, uuid = %place.uuid, "a request cannot be sent to the office");
                    continue;
                }
            };
            match self.carrier.publish(Message::new(Subject::request(&place), sealed)).await {
                Ok(_) => {}
                // The stream is full of others' requests, say: it is tried again with the next connection.
                Err(error @ (CarrierError::Refused { .. } | CarrierError::TooLarge { .. })) => {
                    tracing::warn!(%error, uuid = %place.uuid, "the servers did not take a request to the office");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Hears what became of its requests.
    pub(super) async fn read_answers(&mut self) -> Result<(), BoardError> {
        let subject = Subject::answers(&self.identity.site, &self.identity.board);
        let Some(stored) = self.carrier.newest(&subject).await? else { return Ok(()) };
        if self.answers == stored.sequence {
            return Ok(());
        }
        let Some(answers) = self.opened::<Answers>(&stored, "answers") else { return Ok(()) };
        self.answers = stored.sequence;
        if answers.site != self.identity.site || answers.board != self.identity.board {
            return Ok(());
        }
        let answered = match answers.open(self.identity.fleet, &self.identity.key) {
            Ok(answered) => answered,
            Err(error) => {
                tracing::error!(%error, "the office's answers cannot be opened: let the board join again");
                return Ok(());
            }
        };
        let register = self.register.clone();
        let refused = spawn_blocking(move || register.take_answers(&answered)).await??;
        if refused > 0 {
            tracing::warn!(
                refused,
                "the fleet's office has refused what this board asked: `usher people show` says why"
            );
        }
        Ok(())
    }
}
