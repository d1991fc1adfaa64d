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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use super::*;
    use crate::access::{Entered, SecondFactorSettings, SecondFactors};
    use crate::domain::{Cue, Embedding, ModelId, Moment, PersonId, Pin, Quality};
    use crate::gallery::{NewPerson, Template};
    use crate::seal::{Ring, StoreKey};
    use crate::store::Store;

    /// A gallery with Ada, whose PIN is 4071 and whose duress PIN is 4072.
    fn gallery(dir: &std::path::Path) -> (Arc<Gallery>, PersonId) {
        let store = Store::open(dir).unwrap();
        let ring = Arc::new(Ring::open(dir, StoreKey::generate().map(Some)));
        let gallery = Gallery::open(&store, &ring, ModelId::new("net"), 2).unwrap();
        let embedding = Embedding::normalised(ModelId::new("net"), Box::new([1.0, 0.5])).unwrap();
        let template = Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH };
        let ada = gallery.enroll(NewPerson { name: "Ada".into(), ..NewPerson::default() }, vec![template]).unwrap().id;
        let pin = |text: &str| text.parse::<Pin>().unwrap();
        gallery.prepare_pin(ada, PinKind::Usual, &pin("4071")).unwrap().commit().unwrap();
        gallery.prepare_pin(ada, PinKind::Duress, &pin("4072")).unwrap().commit().unwrap();
        (Arc::new(gallery), ada)
    }

    /// The check of a PIN that was entered at door 0.
    fn check_of(person: PersonId, pin: &str) -> PinCheck {
        let mut factors = SecondFactors::new(SecondFactorSettings::default(), 1);
        factors.entered(DoorIndex(0), Entered::Pin(pin.parse().unwrap()), Moment::default());
        factors.report(DoorIndex(0), Cue::Pin, person, Moment::default());
        let mut check = None;
        factors.hand_over(&mut |one| check.replace(one).is_none());
        check.unwrap()
    }

    #[test]
    fn a_pin_is_checked_aside_and_the_answer_does_not_say_which_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, ada) = gallery(dir.path());
        let (door_queue, inbox) = sync_channel(4);
        let (stage, mut check) = PinStage::new(gallery.clone(), vec!["front".into()], door_queue);
        let thread = std::thread::spawn(move || stage.run());
        let mut answer = |pin: &str| {
            assert!(check(check_of(ada, pin)));
            match inbox.recv_timeout(Duration::from_secs(60)).unwrap() {
                DoorMessage::PinChecked(checked) => checked,
                _ => panic!("an answer"),
            }
        };
        let (usual, duress, wrong) = (answer("4071"), answer("4072"), answer("4073"));
        assert_eq!((usual.right, duress.right, wrong.right, wrong.note), (true, true, false, None));
        let read = |checked: &CheckedPin| gallery.read_pin_note("front", checked.note.as_ref().unwrap());
        assert_eq!((read(&usual), read(&duress)), (Some(false), Some(true)));
        drop(check);
        thread.join().unwrap();
    }

    #[test]
    fn doors_do_not_wait_for_a_stage_that_is_busy() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, ada) = gallery(dir.path());
        let (door_queue, _inbox) = sync_channel(0);
        // Its thread does not run: as if it hung.
        let (_stage, mut check) = PinStage::new(gallery, vec!["front".into()], door_queue);
        let checks: Vec<PinCheck> = (0..WAITING + 3).map(|_| check_of(ada, "4071")).collect();
        let began = Instant::now();
        let taken = checks.into_iter().filter(|one| check(one.clone())).count();
        assert_eq!(taken, WAITING);
        assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    }

    /// Shows how long a check takes: run it with `--nocapture`.
    #[test]
    fn a_check_takes_as_long_for_somebody_without_a_pin() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, ada) = gallery(dir.path());
        let pin = "4073".parse::<Pin>().unwrap();
        let mut shortest = [Duration::MAX; 2];
        for _ in 0..5 {
            for (person, shortest) in [ada, PersonId(99)].into_iter().zip(&mut shortest) {
                let began = Instant::now();
                assert_eq!(gallery.check_pin(person, &pin), PinAnswer::Wrong);
                *shortest = began.elapsed().min(*shortest);
            }
        }
        let [with, without] = shortest.map(|span| span.as_secs_f64());
        println!("a check takes {:.0} ms, and {:.0} ms for somebody without a PIN", with * 1e3, without * 1e3);
        assert!((0.5..2.0).contains(&(with / without)), "{with} {without}");
    }
}
