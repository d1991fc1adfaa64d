//! Reading what boards say of themselves, and shutting out those that were invited and never heard.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, interval_at};

use super::answers;
use super::away::LinkError;
use super::desk::{Office, Report, SPEAKS_EVERY};
use crate::fleet::carrier::{Carrier, MAX_READ, Stored, Stream, StreamState, Subject};
use crate::fleet::{Head, SiteRules};
use crate::office::fleet::{Heard, KeptRecord, MailKeys};

/// Hears boards until something fails; why.
pub async fn keep(office: &Arc<Office>, carrier: &dyn Carrier) -> LinkError {
    office.begin_hearing();
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
                part.iter().filter_map(|stored: &Stored| keys.report(stored)).collect::<Vec<_>>()
            });
            let (mut heard, mut ahead, mut heads) = (Vec::new(), Vec::new(), Vec::new());
            for Heard { board, author, at_ms, said, head, rules } in opened.await? {
                if let Some(instance) = &said.instance {
                    self.office.note_instance(&board, instance);
                }
                let head_ms = head.as_ref().map_or(0, |head| head.at_ms);
                let is_new = self.office.note_report(&board, Report { author, said: said.shown(), at_ms, head_ms });
                if is_new {
                    ahead.extend(rules);
                    heads.extend(head.filter(|head| self.office.has_lost(head)));
                    heard.push(board);
                }
            }
            if !heard.is_empty() {
                let noted =
                    self.office.blocking(move |book| heard.iter().try_for_each(|board| book.board_heard(board)));
                noted.await??;
            }
            for rules in ahead {
                self.take_back(rules).await?;
            }
            for head in heads {
                self.go_on_after(head).await?;
            }
            self.from = next;
        }
    }

    /// Rules that a board holds and the servers do not have.
    async fn take_back(&self, rules: KeptRecord<SiteRules>) -> Result<(), LinkError> {
        let (site, version, now_ms) = (rules.body.site.clone(), rules.body.version, self.office.now_ms());
        if self.office.change(move |book| book.take_back_rules(rules, now_ms)).await?? {
            tracing::error!(
                %site,
                version,
                "ALARM: a board holds rules that this office signed and does not know: it was restored from a backup. What was said last counts: check                  the site's lockdown and its rules"
            );
        }
        Ok(())
    }

    /// A head that a board holds, of what the store does not know.
    async fn go_on_after(&self, head: Head) -> Result<(), LinkError> {
        // Another board may have told the same.
        if !self.office.has_lost(&head) {
            return Ok(());
        }
        let (gallery, epoch, count) = (head.gallery.clone(), head.epoch, head.count);
        let of = head.clone();
        self.office.change(move |book| book.go_on_after(&of)).await??;
        self.office.went_on_after(&head);
        tracing::error!(
            %gallery,
            epoch,
            count,
            "ALARM: this office signed people that it does not know: it was restored from a backup, and the servers have lost them, too. All people are as in the backup. Repeat what was done since: enrol, disable, forget"
        );
        Ok(())
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
