//! The heads that the office signs, as the board hears them: how old its people are, whether they are all there, and how far its clock is off.

use jiff::Timestamp;
use tokio::task::spawn_blocking;

use super::board::{BoardError, BoardTask};
use crate::fleet::carrier::Subject;
use crate::fleet::{Head, Replica};

/// Heads by which the clock is compared with the servers': a head may have come late, and that of the least delay counts.
const CLOCK_READINGS: usize = 5;

impl BoardTask {
    /// Hears the newest head. Returns whether it is new.
    pub(super) async fn read_head(&mut self) -> Result<bool, BoardError> {
        let subject = Subject::head(&self.identity.gallery);
        let Some(stored) = self.carrier.newest(&subject).await? else { return Ok(false) };
        let Some(head) = self.opened::<Head>(&stored, "head") else { return Ok(false) };
        let is_own = head.gallery == self.identity.gallery;
        let told = head.rules.get(&self.identity.site).copied().unwrap_or_default();
        if is_own && told > self.newest_rules {
            self.read_rules().await?;
            if told > self.newest_rules {
                tracing::warn!(
                    told,
                    has = self.newest_rules,
                    "the servers withhold the site's newest rules, so the office counts as not heard"
                );
                return Ok(false);
            }
        }
        let at = Timestamp::try_from(head.at()).unwrap_or(Timestamp::UNIX_EPOCH);
        if !is_own || !self.heads.take(head) {
            return Ok(false);
        }
        self.compare_clocks(stored.at_ms);
        let (disk, signed) = (self.disk.clone(), stored.payload);
        spawn_blocking(move || disk.keep_head(&signed)).await??;
        self.state.hear(at, true);
        self.catch_up().await?;
        if self.state.standing().whole == Some(false) {
            self.read_keys().await?;
            self.read_people().await?;
        }
        let is_whole = self.state.standing().whole == Some(true);
        if (is_whole || self.read_all) && self.astray.reads_anew(is_whole, self.state.clock.now()) {
            tracing::warn!(
                "all that the servers have was read, and the office's list is another one: everything is read anew"
            );
            self.with_replica(Replica::read_anew).await?;
            self.read_people().await?;
        }
        Ok(true)
    }

    fn compare_clocks(&mut self, server_ms: i64) {
        self.clocks.push(self.now_ms().saturating_sub(server_ms));
        if self.clocks.len() > CLOCK_READINGS {
            self.clocks.remove(0);
        }
        // A message takes time: it makes this clock look ahead.
        let ahead = self.clocks.iter().min().copied();
        self.state.note(|state| state.clock_ahead_ms = ahead);
    }
}
