//! What is known of the fleet at this moment: written by the fleet's task, read by the doors, the status and the metrics.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::access::{FleetNews, Heard};
use crate::api::status::FleetStatus;
use crate::clock::Clock;
use crate::daemon::site_places::PlacesDesk;
use crate::ledger::Reader;

/// The board's place in its fleet, and how things stand.
pub struct FleetState {
    pub board: String,
    pub site: String,
    /// `[fleet] max_age`; `None` without a limit.
    pub max_age: Option<Duration>,
    pub clock: Arc<dyn Clock>,
    /// The journal, as far as the office has it.
    pub reader: Reader,
    /// Where people are, in the whole site; `None` without `[fleet] places`.
    places: Option<Arc<PlacesDesk>>,
    now: Mutex<Standing>,
}

/// How things stand.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    pub connection: Connection,
    pub heard: Option<Heard>,
    /// Whether the board held exactly the people of the newest head.
    pub whole: Option<bool>,
    /// People of the fleet on this board.
    pub people: u64,
    /// The newest epoch whose key is here.
    pub epoch: Option<u64>,
    /// The version of the rules in force, and whether the newest ones were read since the start.
    pub rules: u64,
    pub rules_read: bool,
    pub set_aside: u64,
    pub refused: u64,
    /// This board's clock against that of the servers.
    pub clock_ahead_ms: Option<i64>,
}

/// The connection to the servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    #[default]
    Connecting,
    Online,
    /// Why not, and what to do.
    Offline(String),
}

impl FleetState {
    /// Nothing is known yet.
    pub fn new(
        board: String,
        site: String,
        max_age: Option<Duration>,
        clock: Arc<dyn Clock>,
        reader: Reader,
    ) -> FleetState {
        FleetState { board, site, max_age, clock, reader, places: None, now: Mutex::default() }
    }

    /// With the places of the site's people.
    pub fn with_places(self, places: Option<Arc<PlacesDesk>>) -> FleetState {
        FleetState { places, ..self }
    }

    /// How things stand now.
    pub fn standing(&self) -> Standing {
        self.lock().clone()
    }

    /// Changes how things stand.
    pub fn note(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.lock());
    }

    /// What the doors have to know.
    pub fn news(&self) -> FleetNews {
        let now = self.lock();
        FleetNews { heard: now.heard, rules_read: now.rules_read }
    }

    /// Notes a signed word of the office. `arrived` is false for one that was on disk. An older one than before counts for nothing.
    pub fn hear(&self, signed_at: Timestamp, arrived: bool) {
        let arrived = arrived.then(|| self.clock.now());
        let mut now = self.lock();
        if now.heard.is_none_or(|before| before.signed_at < signed_at) {
            now.heard = Some(Heard { signed_at, arrived });
        }
    }

    /// How long ago the office was heard: since its newest word came, or since it was signed, whichever is longer.
    pub fn age(&self) -> Option<Duration> {
        let heard = self.lock().heard?;
        let wall = Timestamp::try_from(self.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
        let signed = Duration::try_from(wall.duration_since(heard.signed_at)).unwrap_or_default();
        Some(heard.arrived.map_or(signed, |arrived| signed.max(self.clock.now().since(arrived))))
    }

    /// For the status of the daemon.
    pub fn status(&self) -> FleetStatus {
        let standing = self.standing();
        FleetStatus {
            board: self.board.clone(),
            site: self.site.clone(),
            state: match standing.connection {
                Connection::Connecting => "connecting".into(),
                Connection::Online => "online".into(),
                Connection::Offline(why) => why,
            },
            heard_s: self.age().map(|age| age.as_secs()),
            max_age_s: self.max_age.map(|age| age.as_secs()),
            whole: standing.whole,
            people: standing.people,
            epoch: standing.epoch,
            rules: standing.rules,
            // The rulebook has them.
            access: 0,
            rules_trouble: None,
            waiting: self.reader.waiting().unwrap_or_default(),
            set_aside: standing.set_aside,
            refused: standing.refused,
            clock_ahead_ms: standing.clock_ahead_ms,
            places_current: self.places.as_ref().map(|places| places.is_current()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::clock::SimulatedClock;
    use crate::store::Store;

    #[test]
    fn an_older_word_makes_the_news_no_younger() {
        let dir = tempfile::tempdir().unwrap();
        let reader = Reader::open(&Store::open(dir.path()).unwrap(), "fleet").unwrap();
        let clock = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        let state = FleetState::new("front".into(), "berlin".into(), None, clock.clone(), reader);
        assert_eq!((state.age(), state.status().heard_s), (None, None));
        let signed = Timestamp::try_from(clock.wall()).unwrap();
        state.hear(signed, false);
        clock.advance(Duration::from_secs(70));
        state.hear(signed, true);
        assert_eq!(state.age(), Some(Duration::from_secs(70)), "the same word again");
        state.hear(Timestamp::try_from(clock.wall()).unwrap(), true);
        assert_eq!(state.age(), Some(Duration::ZERO));
    }
}
