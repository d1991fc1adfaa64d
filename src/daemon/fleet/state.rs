//! What is known of the fleet at this moment: written by the fleet's task, read by the doors, the status and the metrics.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::access::{FleetNews, Heard};
use crate::api::status::FleetStatus;
use crate::clock::Clock;
use crate::daemon::site_places::PlacesDesk;
use crate::ledger::{LedgerError, Reader};

/// The board's place in its fleet, and how things stand.
pub struct FleetState {
    pub board: String,
    pub site: String,
    /// `[fleet] max_age`; `None` without a limit.
    pub max_age: Option<Duration>,
    pub clock: Arc<dyn Clock>,
    /// The journal, as far as the office has it.
    pub reader: Reader,
    /// The newest record of the journal at the start, and the newest one since.
    begun: u64,
    written: watch::Receiver<u64>,
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
    /// Nothing is known yet. `written` is the number of the newest record since the start.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn new(
        (board, site): (String, String),
        max_age: Option<Duration>,
        clock: Arc<dyn Clock>,
        reader: Reader,
        written: watch::Receiver<u64>,
    ) -> Result<FleetState, LedgerError> {
        let begun = reader.done().saturating_add(reader.waiting()?);
        Ok(FleetState { board, site, max_age, clock, reader, begun, written, places: None, now: Mutex::default() })
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

    /// How long ago the office was heard, as [`Heard::age_at`] says.
    pub fn age(&self) -> Option<Duration> {
        let heard = self.lock().heard?;
        let wall = Timestamp::try_from(self.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
        heard.age_at(Some(wall), self.clock.now())
    }

    /// How many numbers of records the servers have not acknowledged. Does not wait for the disk.
    pub fn waiting(&self) -> u64 {
        self.begun.max(*self.written.borrow()).saturating_sub(self.reader.done())
    }

    /// For the status of the daemon. Does not wait for the disk.
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
            waiting: self.waiting(),
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
    use crate::clock::{SimulatedClock, SystemClock};
    use crate::domain::{DaemonEvent, Event, Stamp};
    use crate::ledger::Journal;
    use crate::store::Store;

    #[test]
    fn an_older_word_makes_the_news_no_younger() {
        let dir = tempfile::tempdir().unwrap();
        let reader = Reader::open(&Store::open(dir.path()).unwrap(), "fleet").unwrap();
        let clock = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        let (_, written) = watch::channel(0);
        let names = ("front".into(), "berlin".into());
        let state = FleetState::new(names, None, clock.clone(), reader, written).unwrap();
        assert_eq!((state.age(), state.status().heard_s), (None, None));
        let signed = Timestamp::try_from(clock.wall()).unwrap();
        state.hear(signed, false);
        clock.advance(Duration::from_secs(70));
        state.hear(signed, true);
        assert_eq!(state.age(), Some(Duration::from_secs(70)), "the same word again");
        state.hear(Timestamp::try_from(clock.wall()).unwrap(), true);
        assert_eq!(state.age(), Some(Duration::ZERO));
    }

    #[test]
    fn what_waits_is_known_without_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let journal = Journal::open(&store).unwrap();
        let append = || {
            let event = Event::Daemon(DaemonEvent::Stopped { reason: "because".into() });
            journal.append(&event, &Stamp::at(SystemTime::now())).unwrap().seq
        };
        let reader = Reader::open(&store, "fleet").unwrap();
        append();
        append();
        let (written, newest) = watch::channel(0);
        let names = ("front".into(), "berlin".into());
        let state = FleetState::new(names, None, Arc::new(SystemClock::new()), reader, newest).unwrap();
        assert_eq!(state.status().waiting, 2, "from before the start");
        written.send(append()).unwrap();
        assert_eq!((state.status().waiting, state.reader.waiting().unwrap()), (3, 3));
        state.reader.done_with(2).unwrap();
        assert_eq!(state.status().waiting, 1);
        state.reader.resend(1).unwrap();
        assert_eq!(state.status().waiting, 3);
    }
}
