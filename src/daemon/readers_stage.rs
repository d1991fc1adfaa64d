//! The thread of one keypad or reader: waits for entries and sends them to the doors' thread.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use super::door_thread::DoorMessage;
use super::stage::Stage;
use super::threads::Stop;
use crate::clock::{Clock, Pace, RateLimit};
use crate::domain::{DoorIndex, Entry, Moment};
use crate::door::{DoorError, EntryReader, Reading, Unreadable};

/// The longest time between two heartbeats.
const BEAT: Duration = Duration::from_millis(250);
/// The pause after the first error. Each further error in a row doubles it.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause: a device that is plugged in is found within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// An entry that the doors cannot take for this long is dropped: the person who made it may have gone.
const STALE: Duration = Duration::from_secs(2);
/// So many errors in a row are recorded as a loss: a plug that is pulled and put back at once is none.
const LOST_AFTER: u32 = 3;
/// A reader that was lost is back after so long without an error, so that a loose plug does not fill the journal.
const BACK_AFTER: Duration = Duration::from_secs(60);
/// The most entries a minute that a device may make, and at once: more than people make, and little enough for the doors.
const PER_MINUTE: u32 = 60;
/// What cannot be read is logged this often at most, and counted always.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// The thread's body and everything that it owns.
pub struct ReaderStage {
    pub door: DoorIndex,
    pub reader: Box<dyn EntryReader>,
    pub door_queue: SyncSender<DoorMessage>,
    pub clock: Arc<dyn Clock>,
    pub stage: Arc<Stage>,
    pub stop: Stop,
}

impl ReaderStage {
    /// Runs until a stop is requested or the doors' thread has ended.
    pub fn run(mut self) {
        let mut pause = PAUSE;
        let mut told: Option<Moment> = None;
        let mut loss = Loss::default();
        let mut limit = RateLimit::per_minute(PER_MINUTE, self.clock.now());
        while !self.stop.is_requested() {
            self.stage.beat(self.clock.now());
            let readings = self.reader.wait(BEAT);
            self.report(readings.as_ref().err());
            if let Some(trouble) = loss.change(readings.as_ref().err(), self.clock.now()) {
                let message = DoorMessage::Reader { door: self.door, kind: self.reader.kind(), trouble };
                if !self.send(message) {
                    return;
                }
            }
            let Ok(readings) = readings else {
                if self.pause(pause) {
                    return;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            };
            pause = PAUSE;
            for reading in readings {
                let goes_on = match reading {
                    Reading::Entry(entry) => self.enter(entry, &mut limit),
                    Reading::Unreadable(why) => {
                        self.note(why, &mut told);
                        true
                    }
                };
                if !goes_on {
                    return;
                }
            }
        }
    }

    /// Makes an error the stage's trouble, and logs when it begins and when it is over.
    fn report(&self, error: Option<&DoorError>) {
        let (before, now) = (self.stage.trouble(), error.map(DoorError::to_string));
        match (&before, &now) {
            (None, Some(error)) => tracing::warn!(reader = %self.stage.name, error, "the reader cannot be used"),
            (Some(_), None) => tracing::info!(reader = %self.stage.name, "the reader can be used again"),
            _ => {}
        }
        self.stage.set_trouble(now);
    }

    /// Counts what cannot be read.
    fn note(&self, why: Unreadable, told: &mut Option<Moment>) {
        Stage::count(&self.stage.bad);
        let now = self.clock.now();
        if told.is_none_or(|told| now.since(told) >= TELL_EVERY) {
            *told = Some(now);
            tracing::warn!(reader = %self.stage.name, %why, "something cannot be read; the like is only counted for a minute");
        }
    }

    /// Waits for `span` with heartbeats. Returns whether a stop is requested.
    fn pause(&self, span: Duration) -> bool {
        let until = self.clock.now() + span;
        loop {
            let now = self.clock.now();
            self.stage.beat(now);
            let left = until.since(now);
            if self.stop.wait(left.min(BEAT)) {
                return true;
            }
            if left <= BEAT {
                return false;
            }
        }
    }

    /// Sends an entry, unless there are too many. `false` if a stop is requested or the doors' thread has ended.
    fn enter(&self, entry: Entry, limit: &mut RateLimit) -> bool {
        Stage::count(&self.stage.handled);
        let pace = limit.take(self.clock.now());
        if pace == Pace::WithinLimit {
            return self.send(DoorMessage::Entered { door: self.door, entry });
        }
        Stage::count(&self.stage.dropped);
        if pace == Pace::FirstTooMany {
            tracing::warn!(reader = %self.stage.name, "more than {PER_MINUTE} entries a minute: the others are dropped");
        }
        true
    }

    /// Sends a message, and waits a moment while the queue is full. `false` if a stop is requested or the doors' thread has ended.
    fn send(&self, mut message: DoorMessage) -> bool {
        let until = self.clock.now() + STALE;
        loop {
            match self.door_queue.try_send(message) {
                Ok(()) => return true,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(back)) => message = back,
            }
            let now = self.clock.now();
            self.stage.beat(now);
            if now >= until {
                Stage::count(&self.stage.dropped);
                return true;
            }
            if self.stop.wait(Duration::from_millis(2)) {
                return false;
            }
        }
    }
}

/// Whether a reader counts as lost.
#[derive(Default)]
struct Loss {
    errors: u32,
    lost: bool,
    well_since: Option<Moment>,
}

impl Loss {
    /// Takes in how a use ended. Returns what is to be recorded: that the reader is lost and why, or that it is back (`Some(None)`).
    fn change(&mut self, error: Option<&DoorError>, now: Moment) -> Option<Option<String>> {
        let Some(error) = error else {
            self.errors = 0;
            let since = *self.well_since.get_or_insert(now);
            let back = self.lost && now.since(since) >= BACK_AFTER;
            self.lost &= !back;
            return back.then_some(None);
        };
        self.well_since = None;
        self.errors = self.errors.saturating_add(1);
        let lost = !self.lost && self.errors >= LOST_AFTER;
        self.lost |= lost;
        lost.then(|| Some(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::Ordering::Relaxed;
    use std::sync::mpsc::sync_channel;
    use std::time::SystemTime;

    use super::*;
    use crate::clock::{SimulatedClock, SystemClock};
    use crate::daemon::stage::Role;
    use crate::daemon::threads::StopToken;
    use crate::door::ReaderKind;

    type Step = Result<Vec<Reading>, DoorError>;

    /// A reader by a script, which ends the stage when it is over.
    struct Script(VecDeque<Step>, Option<StopToken>);

    impl EntryReader for Script {
        fn wait(&mut self, _: Duration) -> Step {
            if self.0.len() == 1 {
                self.1 = None;
            }
            self.0.pop_front().unwrap_or_else(|| Ok(Vec::new()))
        }
        fn look(&mut self) -> Result<String, DoorError> {
            Ok("script".to_owned())
        }
        fn kind(&self) -> ReaderKind {
            ReaderKind::Usb
        }
        fn describe(&self) -> String {
            "script".to_owned()
        }
    }

    fn gone() -> DoorError {
        DoorError::InputDeviceGone { path: "/d".into() }
    }

    fn pin(digits: &str) -> Reading {
        Reading::Entry(Entry::Pin(digits.parse().unwrap()))
    }

    /// Runs a stage on `steps` with room for two messages, and returns it with what it sent.
    fn run(steps: Vec<Step>) -> (Arc<Stage>, Vec<Entry>) {
        let (token, stop) = StopToken::new();
        let (door_queue, inbox) = sync_channel(2);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let stage = Stage::new(Role::Reader, "front usb", clock.now());
        let reader = Box::new(Script(steps.into(), Some(token)));
        let running = ReaderStage { door: DoorIndex(1), reader, door_queue, clock, stage: stage.clone(), stop };
        running.run();
        let entries = inbox.try_iter().map(|message| match message {
            DoorMessage::Entered { door: DoorIndex(1), entry } => entry,
            _ => panic!("another message"),
        });
        (stage, entries.collect())
    }

    #[test]
    fn entries_reach_the_doors_and_what_cannot_be_read_is_counted() {
        let noise = || Reading::Unreadable(Unreadable::BothLines);
        let (stage, entries) =
            run(vec![Ok(vec![pin("1234"), noise()]), Ok(vec![noise(), noise()]), Ok(vec![pin("5678")])]);
        assert_eq!(entries.len(), 2);
        assert_eq!((stage.handled.load(Relaxed), stage.bad.load(Relaxed), stage.trouble()), (2, 3, None));
    }

    #[test]
    fn an_error_is_trouble_until_it_is_over() {
        let (stage, entries) = run(vec![Err(gone()), Ok(vec![pin("1234")])]);
        assert_eq!((entries.len(), stage.trouble()), (1, None));
        let (stage, _) = run(vec![Ok(vec![]), Err(gone())]);
        assert!(stage.trouble().unwrap().contains("/d has vanished"));
    }

    #[test]
    fn a_full_queue_drops_what_has_become_stale() {
        let many = (0..3).map(|_| pin("1234")).collect();
        let (stage, entries) = run(vec![Ok(vec![]), Ok(many), Ok(vec![]), Ok(vec![])]);
        assert_eq!((entries.len(), stage.dropped.load(Relaxed)), (2, 1));
    }

    #[test]
    fn a_reader_is_lost_after_some_errors_and_back_after_a_minute_without() {
        let mut loss = Loss::default();
        let at = |seconds| Moment(Duration::from_secs(seconds));
        let error = gone();
        assert_eq!(loss.change(None, at(0)), None);
        assert_eq!([1, 2, 4].map(|second| loss.change(Some(&error), at(second)).is_some()), [false, false, true]);
        assert_eq!(loss.change(Some(&error), at(8)), None, "once");
        assert_eq!(loss.change(None, at(10)), None);
        assert_eq!(loss.change(None, at(69)), None);
        assert_eq!(loss.change(Some(&error), at(70)), None, "still the same loss");
        assert_eq!([80, 139, 140, 200].map(|second| loss.change(None, at(second))), [None, None, Some(None), None]);
        assert_eq!([210, 211].map(|second| loss.change(Some(&error), at(second))), [None, None]);
        assert_eq!(loss.change(None, at(212)), None, "two errors are no loss");
    }

    #[test]
    fn a_pause_ends_with_a_stop() {
        let (token, stop) = StopToken::new();
        drop(token);
        let (door_queue, _inbox) = sync_channel(1);
        let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new(SystemTime::UNIX_EPOCH));
        let stage = Stage::new(Role::Reader, "front usb", clock.now());
        let reader = Box::new(Script(VecDeque::new(), None));
        let stage = ReaderStage { door: DoorIndex(0), reader, door_queue, clock, stage, stop };
        assert!(stage.pause(Duration::from_secs(3600)));
    }
}
