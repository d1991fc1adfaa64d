//! The thread of one door's inputs: waits for changes and sends them to the doors' thread.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use super::door_thread::DoorMessage;
use super::stage::Stage;
use super::threads::Stop;
use crate::clock::Clock;
use crate::domain::DoorIndex;
use crate::door::{Contacts, DoorError, Input, InputChange};

/// The longest time between two heartbeats.
const BEAT: Duration = Duration::from_millis(250);
/// The pause after an error.
const PAUSE: Duration = Duration::from_secs(1);

/// The thread's body and everything that it owns.
pub struct ContactsStage {
    pub door: DoorIndex,
    pub contacts: Box<dyn Contacts>,
    pub door_queue: SyncSender<DoorMessage>,
    pub clock: Arc<dyn Clock>,
    pub stage: Arc<Stage>,
    pub stop: Stop,
}

impl ContactsStage {
    /// Runs until a stop is requested or the doors' thread has ended.
    pub fn run(mut self) {
        let mut first = true;
        while !self.stop.is_requested() {
            self.stage.beat(self.clock.now());
            let changes = match first {
                // A button that is pressed at the start was not pressed now; it may be stuck.
                true => self.contacts.read().map(|mut found| {
                    found.retain(|change| change.input != Input::ExitButton);
                    found
                }),
                false => self.contacts.wait(BEAT),
            };
            let failed = changes.is_err();
            let quiet = changes.as_ref().is_ok_and(Vec::is_empty) && self.stage.trouble().is_none();
            self.stage.set_trouble(changes.as_ref().err().map(DoorError::to_string));
            if !quiet && !self.send(changes) {
                return;
            }
            first = first && failed;
            if failed && self.stop.wait(PAUSE) {
                return;
            }
        }
    }

    /// Sends `changes`. No change may be lost, so this waits while the queue is full. `false` if a stop is requested or the doors' thread has
    /// ended.
    fn send(&self, changes: Result<Vec<InputChange>, DoorError>) -> bool {
        Stage::count(&self.stage.handled);
        let mut message = DoorMessage::Contacts { door: self.door, at: self.clock.now(), changes };
        loop {
            match self.door_queue.try_send(message) {
                Ok(()) => return true,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(back)) => message = back,
            }
            self.stage.beat(self.clock.now());
            if self.stop.wait(Duration::from_millis(2)) {
                return false;
            }
        }
    }
}
