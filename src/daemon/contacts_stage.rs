//! A door's inputs on a thread of their own: waits for changes and passes them on.
//!
//! Knows nothing of what an input means.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use super::health::Stage;
use super::stop::Stop;
use super::warden::Tiding;
use crate::clock::Clock;
use crate::domain::DoorIndex;
use crate::door::{Change, Contacts, DoorError, Input};

/// The thread beats at least this often.
const BEAT: Duration = Duration::from_millis(250);
/// How long it waits before it tries again after an error.
const PAUSE: Duration = Duration::from_secs(1);

/// See the file's head.
pub struct ContactsStage {
    pub door: DoorIndex,
    pub contacts: Box<dyn Contacts>,
    pub tidings: SyncSender<Tiding>,
    pub clock: Arc<dyn Clock>,
    pub stage: Arc<Stage>,
    pub stop: Stop,
}

impl ContactsStage {
    /// Runs until the word to stop is said, or nobody listens any more.
    pub fn run(mut self) {
        let mut first = true;
        while !self.stop.said() {
            self.stage.beat(self.clock.now());
            let changes = match first {
                // A button that is found pressed was not pressed now; it may be stuck.
                true => self.contacts.read().map(|mut found| {
                    found.retain(|change| change.input != Input::ExitButton);
                    found
                }),
                false => self.contacts.wait(BEAT),
            };
            let failed = changes.is_err();
            let quiet = changes.as_ref().is_ok_and(Vec::is_empty) && self.stage.trouble().is_none();
            self.stage.set_trouble(changes.as_ref().err().map(DoorError::to_string));
            if !quiet && !self.tell(changes) {
                return;
            }
            first = first && failed;
            if failed && self.stop.wait(PAUSE) {
                return;
            }
        }
    }

    /// An input that was told must not be lost: it waits for a place in the queue, and beats meanwhile. `false` when nobody listens.
    fn tell(&self, changes: Result<Vec<Change>, DoorError>) -> bool {
        Stage::count(&self.stage.handled);
        let mut tiding = Tiding::Contacts { door: self.door, at: self.clock.now(), changes };
        loop {
            match self.tidings.try_send(tiding) {
                Ok(()) => return true,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(back)) => tiding = back,
            }
            self.stage.beat(self.clock.now());
            if self.stop.wait(Duration::from_millis(2)) {
                return false;
            }
        }
    }
}
