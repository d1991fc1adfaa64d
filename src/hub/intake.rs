//! Accepts commands: reads them, ignores repeats, limits their rate, refuses unlocking during a lockdown, and hands them on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::client::Incoming;
use super::command::{self, HubAction, HubCommand, ReadCommand, RefusedCommand};
use super::counters::Counters;
use super::settings::CommandSettings;
use crate::clock::{Clock, Pace, RateLimit};
use crate::domain::Moment;

/// The most commands that are remembered as carried out. Each has passed the rate limit, so in practice there are far fewer.
const REMEMBERED: usize = 4096;

/// Where accepted and refused commands go.
pub type CommandSender = mpsc::Sender<Result<HubCommand, RefusedCommand>>;

/// Judges commands over all connections.
pub struct Intake {
    settings: CommandSettings,
    /// The topic of commands, without the door's name.
    topics: String,
    doors: Vec<String>,
    clock: Arc<dyn Clock>,
    limiter: Limiter,
    repeats: Repeats,
    queue: CommandSender,
}

impl Intake {
    /// Accepts commands for `doors` on topics below `topics`.
    pub fn new(
        settings: CommandSettings,
        topics: String,
        doors: Vec<String>,
        clock: Arc<dyn Clock>,
        queue: CommandSender,
    ) -> Intake {
        let limiter = Limiter::new(settings.per_minute, Instant::now());
        Intake { settings, topics, doors, clock, limiter, repeats: Repeats::default(), queue }
    }

    /// Judges a message and hands it on if it is a command.
    pub fn take(&mut self, message: &Incoming, counts: &Counters, is_locked_down: impl Fn(&str) -> bool) {
        let max_age = self.settings.max_age;
        let Some(read) = command::read(message, &self.topics, &self.doors, &*self.clock, max_age) else {
            if counts.commands_malformed.increment() == 1 {
                tracing::warn!(topic = message.topic, "ignored: this is no command; docs/mqtt.md shows one");
            }
            return;
        };
        let ReadCommand { command, identity } = read;
        let (door, action, by) = match &command {
            Ok(HubCommand { door, action, by, .. }) | Err(RefusedCommand { door, action, by, .. }) => {
                (door, *action, by)
            }
        };
        let now = Instant::now();
        // A sender's clock may be ahead by the greatest age, so a command is fresh for twice as long at most.
        let fresh_for = max_age.saturating_mul(2);
        if identity.as_ref().is_some_and(|identity| self.repeats.knows(identity, fresh_for, now)) {
            tracing::debug!(door, %by, "a command arrived again and is ignored");
            counts.commands_repeated.increment();
            return;
        }
        let pace = self.limiter.take(action, now);
        if pace == Pace::TooMany {
            counts.commands_limited.increment();
            return;
        }
        if let Some(identity) = identity {
            self.repeats.remember(identity, now);
        }
        let per_minute = self.settings.per_minute;
        let too_many = || format!("there are more than {per_minute} commands a minute");
        let command = match (command, pace) {
            (Ok(command), Pace::FirstTooMany) => Err(command.refuse(too_many())),
            (Err(refused), Pace::FirstTooMany) => Err(RefusedCommand { reason: too_many(), ..refused }),
            (Ok(command), _) if command.action == HubAction::Unlock && is_locked_down(&command.door) => {
                Err(command.refuse("the door is locked down".to_owned()))
            }
            (command, _) => command,
        };
        match &command {
            Ok(_) => counts.commands_accepted.increment(),
            Err(_) => counts.commands_refused.increment(),
        };
        if self.queue.try_send(command).is_err() {
            tracing::warn!("a command was dropped: too many wait to be carried out");
            counts.commands_limited.increment();
        }
    }
}

/// Rate-limits commands: those that open and those that close by themselves, so that a flood of the one kind does not block the other. The first
/// command beyond a limit is recorded.
#[derive(Debug)]
struct Limiter {
    began: Instant,
    opening: RateLimit,
    closing: RateLimit,
}

impl Limiter {
    /// So many commands a minute of each kind.
    fn new(per_minute: u32, now: Instant) -> Limiter {
        let limit = || RateLimit::per_minute(per_minute, Moment::default());
        Limiter { began: now, opening: limit(), closing: limit() }
    }

    /// Counts a command for `action`.
    fn take(&mut self, action: HubAction, now: Instant) -> Pace {
        let limit = if action.opens() { &mut self.opening } else { &mut self.closing };
        limit.take(Moment(now.saturating_duration_since(self.began)))
    }
}

/// The identities of recent commands: MQTT delivers at least once, so a command may arrive again, also on another connection.
#[derive(Debug, Default)]
struct Repeats(VecDeque<(Instant, String)>);

impl Repeats {
    /// Whether a command arrived less than `span` ago.
    fn knows(&mut self, identity: &str, span: Duration, now: Instant) -> bool {
        while self.0.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > span) {
            self.0.pop_front();
        }
        self.0.iter().any(|(_, known)| known == identity)
    }

    /// Remembers a command.
    fn remember(&mut self, identity: String, now: Instant) {
        self.0.push_back((now, identity));
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_unlocks_is_recorded_once_and_does_not_block_a_lockdown() {
        let start = Instant::now();
        let mut limiter = Limiter::new(3, start);
        let paces: Vec<Pace> = (0..6).map(|_| limiter.take(HubAction::Unlock, start)).collect();
        assert_eq!(paces[..3], [Pace::WithinLimit; 3]);
        assert_eq!(paces[3..], [Pace::FirstTooMany, Pace::TooMany, Pace::TooMany]);
        assert_eq!(limiter.take(HubAction::Lockdown, start), Pace::WithinLimit);
        let later = start + Duration::from_secs(20);
        assert_eq!(
            [limiter.take(HubAction::Unlock, later), limiter.take(HubAction::Unlock, later)],
            [Pace::WithinLimit, Pace::FirstTooMany]
        );
    }

    #[test]
    fn a_command_is_known_for_a_while() {
        let (start, span) = (Instant::now(), Duration::from_secs(20));
        let mut repeats = Repeats::default();
        assert!(!repeats.knows("a", span, start));
        repeats.remember("a".to_owned(), start);
        assert!(repeats.knows("a", span, start + span) && !repeats.knows("b", span, start));
        assert!(!repeats.knows("a", span, start + span + Duration::from_millis(1)));
    }
}
