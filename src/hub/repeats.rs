//! Commands that arrive twice: MQTT delivers at least once, so the same command may come again, also on another connection.
//!
//! Knows nothing of what they want.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};

/// So many are remembered; each of them has passed the limiter, so in practice there are far fewer.
const REMEMBERED: usize = 4096;

/// The commands of the last while, by what makes each the one it is.
#[derive(Debug, Default)]
pub struct Repeats(VecDeque<(Instant, String)>);

impl Repeats {
    /// Whether a command was here less than `span` ago.
    pub fn knows(&mut self, identity: &str, span: Duration, now: Instant) -> bool {
        while self.0.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > span) {
            self.0.pop_front();
        }
        self.0.iter().any(|(_, known)| known == identity)
    }

    /// Remembers a command.
    pub fn remember(&mut self, identity: &str, now: Instant) {
        self.0.push_back((now, identity.to_owned()));
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_known_for_a_while() {
        let (start, span) = (Instant::now(), Duration::from_secs(20));
        let mut repeats = Repeats::default();
        assert!(!repeats.knows("a", span, start));
        repeats.remember("a", start);
        assert!(repeats.knows("a", span, start + span) && !repeats.knows("b", span, start));
        assert!(!repeats.knows("a", span, start + span + Duration::from_millis(1)));
    }
}
