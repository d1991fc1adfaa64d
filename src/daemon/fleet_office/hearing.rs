//! Reading what boards say of themselves, and shutting out those that were invited and never heard.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, interval_at};

use super::answers;
use super::away::LinkError;
use super::desk::{Office, Report, SPEAKS_EVERY};
use crate::fleet::carrier::{Carrier, MAX_READ, Stored, Stream, StreamState, Subject};
use crate::office::fleet::MailKeys;

/// Hears boards until something fails; why.
pub async fn keep(office: &Arc<Office>, carrier: &dyn Carrier) -> LinkError {
    let mut hearing = Hearing { office, carrier, birth: 0, from: 1 };
    match hearing.follow().await {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

struct Hearing<'o> {
    office: &'o Arc<Office>,
    carrier: &'o dyn Carrier,
    /// The birth of the stream that was read, and the sequence to read on from.
    birth: u64,
    from: u64,
}

impl Hearing<'_> {
    async fn follow(&mut self) -> Result<Infallible, LinkError> {
        let mut boards = self.carrier.watch(&Subject::boards()).await?;
        let mut minute = interval_at(Instant::now() + SPEAKS_EVERY, SPEAKS_EVERY);
        loop {
            let is_minute = tokio::select! {
                () = boards.changed() => false,
                _ = minute.tick() => true,
            };
            if is_minute {
                // All again: a server that has just come back may have left something out.
                self.from = 1;
            }
            self.read().await?;
            if is_minute {
                self.revoke_unused().await;
            }
        }
    }

    /// Reads what was not read yet.
    async fn read(&mut self) -> Result<(), LinkError> {
        let StreamState { birth, last, .. } = self.carrier.state(&Stream::Boards).await?;
        if birth != self.birth || last.saturating_add(1) < self.from {
            (self.birth, self.from) = (birth, 1);
        }
        loop {
            let part = self.carrier.read(&Stream::Boards, self.from, MAX_READ).await?;
            let Some(newest) = part.last() else { return Ok(()) };
            let next = newest.sequence.saturating_add(1);
            let keys = self.office.with(|book| MailKeys::of(book));
            let opened = spawn_blocking(move || {
                let said = |stored: &Stored| keys.report(stored).map(|(board, said)| (board, stored.at_ms, said));
                part.iter().filter_map(said).collect::<Vec<_>>()
            });
            let mut heard = Vec::new();
            for (board, at_ms, said) in opened.await? {
                if self.office.note_report(&board, Report { said, at_ms }) {
                    heard.push(board);
                }
            }
            if !heard.is_empty() {
                let noted =
                    self.office.blocking(move |book| heard.iter().try_for_each(|board| book.board_heard(board)));
                noted.await??;
            }
            self.from = next;
        }
    }

    /// Shuts boards out whose invitation was not used in time.
    async fn revoke_unused(&self) {
        let now_ms = self.office.now_ms();
        for board in self.office.with(|book| book.overdue(now_ms)) {
            tracing::warn!(%board, "the invitation was not used in time, and is revoked");
            if let Err(error) = answers::revoke(self.office, &board).await {
                tracing::error!(%board, %error, "the invitation cannot be revoked; tried again in a minute. See that the office's folder can be written");
            }
        }
    }
}
