//! Checks PINs on a thread of its own: Argon2id takes up to half a second on a board, and the doors must not wait for it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::door_thread::DoorMessage;
use super::doors::{CheckPin, CheckedPin};
use crate::access::PinCheck;
use crate::domain::DoorIndex;
use crate::gallery::{Gallery, PinAnswer, PinKind};

/// PINs that wait to be checked: a few doors at once. Beyond that the doors hold them back.
const WAITING: usize = 8;

/// The thread's body and everything that it owns.
pub struct PinStage {
    checks: Receiver<PinCheck>,
    gallery: Arc<Gallery>,
    /// The names of the doors.
    doors: Vec<Arc<str>>,
    door_queue: SyncSender<DoorMessage>,
}

impl PinStage {
    /// The stage, and the way in for the doors. Dropping that ends the stage.
    pub fn new(
        gallery: Arc<Gallery>,
        doors: Vec<Arc<str>>,
        door_queue: SyncSender<DoorMessage>,
    ) -> (PinStage, CheckPin) {
        let (queue, checks) = sync_channel(WAITING);
        let check = Box::new(move |check| queue.try_send(check).is_ok());
        (PinStage { checks, gallery, doors, door_queue }, check)
    }

    /// Runs until the doors have ended.
    pub fn run(self) {
        for check in &self.checks {
            let checked = self.check(&check);
            if self.door_queue.send(DoorMessage::PinChecked(checked)).is_err() {
                return;
            }
        }
    }

    fn check(&self, PinCheck { about, pin }: &PinCheck) -> CheckedPin {
        let answer = self.gallery.check_pin(about.person, pin);
        let DoorIndex(door) = about.door;
        let note = match (answer, self.doors.get(door)) {
            (PinAnswer::Right(kind), Some(door)) => self.gallery.pin_note(door, kind == PinKind::Duress),
            _ => None,
        };
        CheckedPin { about: *about, right: answer != PinAnswer::Wrong, note }
    }
}
